/* SPDX-License-Identifier: Apache-2.0 */
/* Listing the keys of a store. The cursor is a position in the order of items; see index.h. */
#include <errno.h>
#include <string.h>

#include "base/err.h"
#include "kv/shard.h"

/* Buckets that one call looks at, and for which one lock is held. */
#define SCAN_WORK 16384u
#define SCAN_HELD 64u

struct scan {
	const void *prefix;
	size_t prefix_len;
	uint64_t now_ns;
	unsigned char *buf;
	size_t room, used;
	uint32_t max_keys, keys;
	/* Where the keys of the current order begin: a cursor cannot stand between keys of one
	 * order, so they are returned in one call. */
	uint64_t group_order;
	size_t group_used;
	uint32_t group_keys;
	uint64_t at; /* everything before this has been listed */
	bool full;
};

static bool scan_wants(const struct scan *scan, const struct item *item)
{
	return !item_expired(item, scan->now_ns) && item->key_len >= scan->prefix_len &&
	       memcmp(item->key, scan->prefix, scan->prefix_len) == 0;
}

/* False: there is no room for the item. */
static bool scan_add(struct scan *scan, const struct item *item)
{
	if (item->order != scan->group_order || scan->keys == 0) {
		scan->group_order = item->order;
		scan->group_used = scan->used;
		scan->group_keys = scan->keys;
	}
	if (scan->keys == scan->max_keys || scan->room - scan->used < item->key_len + 2u) {
		scan->used = scan->group_used;
		scan->keys = scan->group_keys;
		return false;
	}
	scan->buf[scan->used++] = (unsigned char)item->key_len;
	scan->buf[scan->used++] = (unsigned char)(item->key_len >> 8);
	memcpy(scan->buf + scan->used, item->key, item->key_len);
	scan->used += item->key_len;
	scan->keys++;
	return true;
}

static void scan_bucket(struct scan *scan, const struct index *index)
{
	const struct item *item;
	uint64_t last;

	for (item = index_from(index, scan->at, &last); item; item = item->next) {
		if (!scan_wants(scan, item) || scan_add(scan, item))
			continue;
		scan->at = item->order;
		scan->full = true;
		return;
	}
	scan->at = last == UINT64_MAX ? STORE_LIST_END : last + 1;
}

/* The last order that belongs to the shard of an order. */
static uint64_t shard_last(const struct store *store, uint64_t order)
{
	return order | UINT64_MAX >> store->shard_bits;
}

/* Goes on in the shard where the scan stands, for some buckets. Returns their number. */
static uint32_t scan_shard(struct scan *scan, struct store *store)
{
	struct shard *shard = store_shard(store, scan->at);
	uint64_t last = shard_last(store, scan->at);
	uint32_t buckets = 1;

	pthread_mutex_lock(&shard->lock);
	if (shard->index.count == 0)
		scan->at = last == UINT64_MAX ? STORE_LIST_END : last + 1;
	while (scan->at <= last && scan->at != STORE_LIST_END && !scan->full &&
	       buckets <= SCAN_HELD) {
		scan_bucket(scan, &shard->index);
		buckets++;
	}
	pthread_mutex_unlock(&shard->lock);
	return buckets;
}

int store_list(struct store *store, uint64_t *cursor, const void *prefix, size_t prefix_len,
	       uint64_t now_ns, void *buf, size_t room, uint32_t max_keys, size_t *len_ret)
{
	struct scan scan = {
		.prefix = prefix,
		.prefix_len = prefix_len,
		.now_ns = now_ns,
		.buf = buf,
		.room = room,
		.max_keys = max_keys < INT32_MAX ? max_keys : INT32_MAX,
		.at = *cursor,
	};
	uint32_t work = 0;

	if (prefix_len > STORE_KEY_MAX)
		return err_set(-WEFT_EKEYSIZE, "prefix of %zu bytes, keys have at most %u",
			       prefix_len, STORE_KEY_MAX);
	if (room < STORE_LIST_ROOM_MIN || max_keys == 0)
		return err_set(-EINVAL,
			       "room for %zu bytes and %u keys, at least %u and 1 are needed", room,
			       max_keys, STORE_LIST_ROOM_MIN);
	if (!prefix_len)
		scan.prefix = "";
	while (work < SCAN_WORK && scan.at != STORE_LIST_END && !scan.full)
		work += scan_shard(&scan, store);
	if (scan.full && scan.keys == 0)
		return err_set(-WEFT_EBUFFER, "keys of one hash need more room than %zu bytes",
			       room);
	*cursor = scan.at;
	*len_ret = scan.used;
	return (int)scan.keys;
}
