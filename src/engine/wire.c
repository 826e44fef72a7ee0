/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/wire.h"

#include <errno.h>
#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/hash.h"

/* "WEFT" and "WM", little-endian. */
#define DESCRIPTOR_MAGIC 0x54464557u
#define MESSAGE_MAGIC    0x4d57u
#define DESCRIPTOR_HEAD  20u /* magic u32, version u16, flags u16, length u32, checksum u64 */
#define FLAG_REGION      1u
#define FLAG_PARTS       2u /* the region has several: their size and their keys are told */
#define FLAG_FETCHES     4u
#define FLAGS            (FLAG_REGION | FLAG_PARTS | FLAG_FETCHES)

static uint32_t parts_of(const struct wire_descriptor *d)
{
	return d->has_region ? (uint32_t)wire_parts(d->length, d->part_shift) : 1;
}

/* Those of the parts after the first, in 4 bytes each where that is enough. */
static void put_keys(struct wbuf *out, const uint64_t *keys, uint32_t count)
{
	bool wide = false;
	uint32_t i;

	for (i = 0; i < count; i++)
		wide |= keys[i] > UINT32_MAX;
	buf_put_u8(out, wide ? 8 : 4);
	for (i = 0; i < count; i++) {
		if (wide)
			buf_put_u64(out, keys[i]);
		else
			buf_put_u32(out, (uint32_t)keys[i]);
	}
}

static void put_rail(struct wbuf *out, const struct wire_descriptor *d,
		     const struct wire_rail *rail)
{
	uint32_t parts = parts_of(d);

	buf_put_u8(out, rail->addr_len);
	buf_put_bytes(out, rail->addr, rail->addr_len);
	if (d->has_region) {
		buf_put_u64(out, rail->base);
		buf_put_u64(out, rail->key);
	}
	if (parts > 1)
		put_keys(out, &d->keys[rail->more], parts - 1);
}

static void put_ways(struct wbuf *out, const struct wire_descriptor *d)
{
	uint32_t i, j;

	buf_put_u8(out, d->way_count);
	for (i = 0; i < d->way_count; i++) {
		buf_put_u8(out, d->ways[i].provider);
		buf_put_u8(out, d->ways[i].rail_count);
		for (j = 0; j < d->ways[i].rail_count; j++)
			put_rail(out, d, &d->ways[i].rails[j]);
	}
}

/* Whether a descriptor may say so of a region's parts. */
static bool parts_fit(uint64_t length, uint32_t shift)
{
	return shift >= WIRE_PART_MIN && shift < PLAN_WHOLE && length > 1ull << shift &&
	       wire_parts(length, shift) <= WIRE_PARTS_MAX;
}

int wire_put_descriptor(const struct wire_descriptor *d, void *buf, size_t *len)
{
	bool parts = d->has_region && d->part_shift;
	uint16_t flags = (uint16_t)((d->has_region ? FLAG_REGION : 0) | (parts ? FLAG_PARTS : 0) |
				    (d->fetches ? FLAG_FETCHES : 0));
	struct wbuf out;

	if (parts && !parts_fit(d->length, d->part_shift))
		return -EMSGSIZE;
	wbuf_init(&out, buf, *len);
	buf_put_u32(&out, DESCRIPTOR_MAGIC);
	buf_put_u16(&out, WIRE_VERSION);
	buf_put_u16(&out, flags);
	buf_put_u32(&out, 0);
	buf_put_u64(&out, 0);
	buf_put_bytes(&out, d->id, sizeof(d->id));
	buf_put_u64(&out, d->host);
	buf_put_u32(&out, d->pid);
	if (d->has_region) {
		buf_put_u32(&out, d->region);
		buf_put_u32(&out, d->generation);
		buf_put_u32(&out, d->access);
		buf_put_u64(&out, d->length);
	}
	if (parts)
		buf_put_u8(&out, d->part_shift);
	put_ways(&out, d);
	if (!wbuf_ok(&out))
		return -EMSGSIZE;
	buf_patch_u32(&out, 8, (uint32_t)out.used);
	buf_patch_u64(&out, 12,
		      hash_content(out.data + DESCRIPTOR_HEAD, out.used - DESCRIPTOR_HEAD) ^ flags);
	*len = out.used;
	return 0;
}

static bool get_keys(struct rbuf *in, struct wire_descriptor *d, uint32_t count)
{
	uint32_t narrow, i;
	uint8_t width;

	if (count > WIRE_KEYS_MAX - d->key_count || !buf_get_u8(in, &width) ||
	    (width != 4 && width != 8))
		return false;
	for (i = 0; i < count; i++) {
		uint64_t *key = &d->keys[d->key_count];

		if (width == 8 ? !buf_get_u64(in, key) : !buf_get_u32(in, &narrow))
			return false;
		if (width == 4)
			*key = narrow;
		d->key_count++;
	}
	return true;
}

static bool get_rail(struct rbuf *in, struct wire_descriptor *d, struct wire_rail *rail)
{
	uint32_t parts = parts_of(d);

	if (!buf_get_u8(in, &rail->addr_len) || rail->addr_len > sizeof(rail->addr) ||
	    !buf_get_copy(in, rail->addr, rail->addr_len))
		return false;
	if (d->has_region && (!buf_get_u64(in, &rail->base) || !buf_get_u64(in, &rail->key)))
		return false;
	rail->more = d->key_count;
	return parts == 1 || get_keys(in, d, parts - 1);
}

static bool get_ways(struct rbuf *in, struct wire_descriptor *d)
{
	struct wire_way *way;
	uint8_t count, i, j;
	uint16_t keys;

	if (!buf_get_u8(in, &count) || count > WIRE_WAYS_MAX)
		return false;
	for (i = 0; i < count; i++) {
		way = &d->ways[d->way_count];
		keys = d->key_count;
		if (!buf_get_u8(in, &way->provider) || !buf_get_u8(in, &way->rail_count) ||
		    way->rail_count == 0 || way->rail_count > WIRE_RAILS_MAX)
			return false;
		for (j = 0; j < way->rail_count; j++)
			if (!get_rail(in, d, &way->rails[j]))
				return false;
		if (provider_by_number(way->provider))
			d->way_count++;
		else
			d->key_count = keys;
	}
	return rbuf_end(in);
}

static int check_head(struct rbuf *in, size_t len, uint16_t *flags)
{
	uint32_t magic = 0, total = 0;
	uint64_t checksum = 0;
	uint16_t version = 0;

	if (!buf_get_u32(in, &magic) || magic != DESCRIPTOR_MAGIC)
		return err_set(-WEFT_EDESCRIPTOR, "descriptor of %zu bytes has no weft mark", len);
	if (!buf_get_u16(in, &version))
		return err_set(-WEFT_EDESCRIPTOR, "descriptor is cut after %zu bytes", len);
	if (version != WIRE_VERSION)
		return err_set(-WEFT_EVERSION, "descriptor has version %u, this is %u", version,
			       WIRE_VERSION);
	if (!buf_get_u16(in, flags) || !buf_get_u32(in, &total) || !buf_get_u64(in, &checksum) ||
	    total != len)
		return err_set(-WEFT_EDESCRIPTOR, "descriptor states %u bytes, has %zu", total,
			       len);
	if (checksum != (hash_content(in->data + DESCRIPTOR_HEAD, len - DESCRIPTOR_HEAD) ^ *flags))
		return err_set(-WEFT_EDESCRIPTOR, "descriptor's checksum is wrong");
	return 0;
}

static bool get_region(struct rbuf *in, struct wire_descriptor *d, uint16_t flags)
{
	d->has_region = flags & FLAG_REGION;
	d->part_shift = 0;
	if (d->has_region) {
		buf_get_u32(in, &d->region);
		buf_get_u32(in, &d->generation);
		buf_get_u32(in, &d->access);
		buf_get_u64(in, &d->length);
	}
	if (!(flags & FLAG_PARTS))
		return true;
	return d->has_region && buf_get_u8(in, &d->part_shift) &&
	       parts_fit(d->length, d->part_shift);
}

int wire_get_descriptor(struct wire_descriptor *ret, const void *buf, size_t len)
{
	uint16_t flags = 0;
	struct rbuf in;
	int rc;

	rbuf_init(&in, buf, len);
	rc = check_head(&in, len, &flags);
	if (rc)
		return rc;
	ret->way_count = 0;
	ret->key_count = 0;
	buf_get_copy(&in, ret->id, sizeof(ret->id));
	buf_get_u64(&in, &ret->host);
	buf_get_u32(&in, &ret->pid);
	ret->fetches = flags & FLAG_FETCHES;
	if (flags & ~FLAGS || !get_region(&in, ret, flags) || !get_ways(&in, ret))
		return err_set(-WEFT_EDESCRIPTOR, "descriptor's fields do not fit its length");
	return 0;
}

void wire_put_head(const struct wire_head *head, uint8_t buf[WIRE_HEAD_BYTES])
{
	struct wbuf out;

	wbuf_init(&out, buf, WIRE_HEAD_BYTES);
	buf_put_u16(&out, MESSAGE_MAGIC);
	buf_put_u8(&out, WIRE_VERSION);
	buf_put_u8(&out, head->type);
	buf_put_u32(&out, head->slot);
	buf_put_u64(&out, head->token);
	buf_put_u32(&out, head->number);
}

int wire_get_head(struct wire_head *ret, const void *buf, size_t len)
{
	uint16_t magic = 0;
	uint8_t version = 0;
	struct rbuf in;

	rbuf_init(&in, buf, len);
	buf_get_u16(&in, &magic);
	buf_get_u8(&in, &version);
	buf_get_u8(&in, &ret->type);
	buf_get_u32(&in, &ret->slot);
	buf_get_u64(&in, &ret->token);
	if (!buf_get_u32(&in, &ret->number) || magic != MESSAGE_MAGIC)
		return err_set(-WEFT_EMESSAGE, "message of %zu bytes is not weft's", len);
	if (version != WIRE_VERSION)
		return err_set(-WEFT_EVERSION, "message has version %u, this is %u", version,
			       WIRE_VERSION);
	return 0;
}

static int put_end(const struct wbuf *out, size_t *len)
{
	if (!wbuf_ok(out))
		return -EMSGSIZE;
	*len = out->used;
	return 0;
}

static int get_end(const struct rbuf *in)
{
	return rbuf_end(in) ? 0 : err_set(-WEFT_EMESSAGE, "message fields do not fit its length");
}

int wire_put_hello(const struct wire_hello *hello, void *buf, size_t *len)
{
	struct wbuf out;

	wbuf_init(&out, buf, *len);
	buf_put_bytes(&out, hello->expected, WIRE_ID_BYTES);
	buf_put_u32(&out, hello->slot);
	buf_put_u64(&out, hello->token);
	buf_put_u16(&out, (uint16_t)hello->descriptor_len);
	buf_put_bytes(&out, hello->descriptor, hello->descriptor_len);
	return put_end(&out, len);
}

int wire_get_hello(struct wire_hello *ret, const void *buf, size_t len)
{
	uint16_t descriptor_len = 0;
	struct rbuf in;

	rbuf_init(&in, buf, len);
	buf_get_copy(&in, ret->expected, WIRE_ID_BYTES);
	buf_get_u32(&in, &ret->slot);
	buf_get_u64(&in, &ret->token);
	buf_get_u16(&in, &descriptor_len);
	buf_get_bytes(&in, &ret->descriptor, descriptor_len);
	ret->descriptor_len = descriptor_len;
	return get_end(&in);
}

int wire_put_welcome(const struct wire_welcome *welcome, void *buf, size_t *len)
{
	struct wbuf out;

	wbuf_init(&out, buf, *len);
	buf_put_bytes(&out, welcome->id, WIRE_ID_BYTES);
	buf_put_u32(&out, welcome->slot);
	buf_put_u64(&out, welcome->token);
	return put_end(&out, len);
}

int wire_get_welcome(struct wire_welcome *ret, const void *buf, size_t len)
{
	struct rbuf in;

	rbuf_init(&in, buf, len);
	buf_get_copy(&in, ret->id, WIRE_ID_BYTES);
	buf_get_u32(&in, &ret->slot);
	buf_get_u64(&in, &ret->token);
	return get_end(&in);
}

int wire_put_grant(const struct wire_grant *grant, void *buf, size_t *len)
{
	struct wbuf out;

	wbuf_init(&out, buf, *len);
	buf_put_u32(&out, grant->region);
	buf_put_u32(&out, grant->generation);
	buf_put_u32(&out, (uint32_t)grant->code);
	return put_end(&out, len);
}

int wire_get_grant(struct wire_grant *ret, const void *buf, size_t len)
{
	uint32_t code = 0;
	struct rbuf in;

	rbuf_init(&in, buf, len);
	buf_get_u32(&in, &ret->region);
	buf_get_u32(&in, &ret->generation);
	buf_get_u32(&in, &code);
	ret->code = (int32_t)code;
	return get_end(&in);
}
