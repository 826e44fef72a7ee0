/* SPDX-License-Identifier: Apache-2.0 */
/* Where the bytes of an item's value are, and what is done with them. See store.h. */
#include <string.h>

#include "base/err.h"
#include "kv/shard.h"

_Static_assert(sizeof(struct store_header) == STORE_HEADER && STORE_HEADER == EXTENT_GRAIN,
	       "a header is one grain");

/* All of an extent but its header. */
static struct store_extent payload_of(const struct item *item, uint32_t index,
				      uint64_t value_offset)
{
	struct extent extent = item_extent(item, index);
	uint64_t room = (uint64_t)(extent.count - 1) * EXTENT_GRAIN;
	uint64_t left = item->length - value_offset;

	return (struct store_extent){
		.segment = extent.segment,
		.offset = ((uint64_t)extent.start + 1) * EXTENT_GRAIN,
		.length = left < room ? left : room,
		.value_offset = value_offset,
	};
}

void *store_address(const struct store *store, const struct store_extent *extent)
{
	return (unsigned char *)store->segments[extent->segment].base + extent->offset;
}

void value_seal(const struct store *store, const struct item *item, uint64_t key_hash)
{
	struct store_header header = {
		.magic = STORE_MAGIC,
		.extents = item->extents,
		.key_hash = key_hash,
		.version = item->version,
		.value_length = item->length,
		.checksum = item->checksum,
	};
	struct store_extent extent;
	uint32_t i;

	for (i = 0; i < item->extents; i++) {
		extent = payload_of(item, i, header.offset);
		header.extent = (uint16_t)i;
		header.length = extent.length;
		header.self = hash_content(&header, offsetof(struct store_header, self));
		memcpy((unsigned char *)store_address(store, &extent) - STORE_HEADER, &header,
		       sizeof(header));
		header.offset += extent.length;
	}
}

static bool range_valid(const struct item *item, uint64_t offset, uint64_t length)
{
	return offset <= item->length && length <= item->length - offset;
}

uint32_t store_map(const struct store *store, const struct item *item, uint64_t offset,
		   uint64_t length, struct store_extent *ret)
{
	struct store_extent extent;
	uint64_t at = 0, skip;
	uint32_t i, n = 0;

	(void)store;
	if (!range_valid(item, offset, length))
		return 0;
	for (i = 0; i < item->extents && (length || n == 0); i++) {
		extent = payload_of(item, i, at);
		at += extent.length;
		if (offset >= at && i + 1 < item->extents)
			continue;
		skip = offset - extent.value_offset;
		extent.offset += skip;
		extent.value_offset += skip;
		extent.length -= skip;
		if (extent.length > length)
			extent.length = length;
		ret[n++] = extent;
		offset += extent.length;
		length -= extent.length;
	}
	return n;
}

uint64_t store_checksum(const struct store *store, const struct item *item)
{
	struct store_extent extents[STORE_EXTENTS_MAX];
	uint32_t n = store_map(store, item, 0, item->length, extents), i;
	struct hash_stream stream;

	if (n == 1)
		return hash_content(store_address(store, &extents[0]), extents[0].length);
	hash_stream_init(&stream);
	for (i = 0; i < n; i++)
		hash_stream_update(&stream, store_address(store, &extents[i]), extents[i].length);
	return hash_stream_final(&stream);
}

static int range_refuse(const struct item *item, uint64_t offset, uint64_t length)
{
	return err_set(-WEFT_EBOUNDS, "%llu bytes at %llu of a value of %llu bytes",
		       (unsigned long long)length, (unsigned long long)offset,
		       (unsigned long long)item->length);
}

int store_fill(const struct store *store, struct item *item, uint64_t offset, const void *data,
	       size_t len)
{
	struct store_extent extents[STORE_EXTENTS_MAX];
	const unsigned char *from = data;
	uint32_t n, i;

	if (!range_valid(item, offset, len))
		return range_refuse(item, offset, len);
	n = len ? store_map(store, item, offset, len, extents) : 0;
	for (i = 0; i < n; i++) {
		memcpy(store_address(store, &extents[i]), from, extents[i].length);
		from += extents[i].length;
	}
	return 0;
}

int store_copy(const struct store *store, const struct item *item, uint64_t offset, void *data,
	       size_t len)
{
	struct store_extent extents[STORE_EXTENTS_MAX];
	unsigned char *to = data;
	uint32_t n, i;

	if (!range_valid(item, offset, len))
		return range_refuse(item, offset, len);
	n = len ? store_map(store, item, offset, len, extents) : 0;
	for (i = 0; i < n; i++) {
		memcpy(to, store_address(store, &extents[i]), extents[i].length);
		to += extents[i].length;
	}
	return 0;
}

void store_info(const struct item *item, struct store_info *ret)
{
	*ret = (struct store_info){
		.length = item->length,
		.version = item->version,
		.checksum = item->checksum,
		.expires_ns = item->expires_ns,
		.extents = item->extents,
	};
}

const void *store_key(const struct item *item, size_t *len_ret)
{
	*len_ret = item->key_len;
	return item->key;
}
