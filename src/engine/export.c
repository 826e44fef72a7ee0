/* SPDX-License-Identifier: Apache-2.0 */
/* Descriptors: where an engine is reached, and what one of its regions grants. */
#include <errno.h>
#include <string.h>

#include "base/err.h"
#include "engine/engine.h"

static void describe_way(const struct weft *weft, const struct way *way, struct wire_way *ret)
{
	const struct rail *rail;
	uint32_t i;

	ret->provider = way->provider->number;
	ret->rail_count = (uint8_t)way->count;
	for (i = 0; i < way->count; i++) {
		rail = way_rail(weft, way, i);
		ret->rails[i].addr_len = rail->broken ? 0 : (uint8_t)rail->addr_len;
		memcpy(ret->rails[i].addr, rail->addr, ret->rails[i].addr_len);
		ret->rails[i].base = 0;
		ret->rails[i].key = 0;
	}
}

static bool fetches(const struct weft *weft)
{
	const struct rail *rail;
	uint32_t i;

	for (i = 0; i < weft->rail_count; i++) {
		rail = &weft->rails[i];
		if (rail->provider->emulates && rail->limits.read_by != WEFT_RDMA_DEVICE)
			return false;
	}
	return true;
}

int engine_describe(const struct weft *weft, struct wire_descriptor *ret)
{
	uint32_t i;

	memcpy(ret->id, weft->id, WIRE_ID_BYTES);
	ret->host = weft->host;
	ret->pid = weft->pid;
	ret->fetches = fetches(weft);
	ret->has_region = false;
	ret->part_shift = 0;
	ret->key_count = 0;
	ret->way_count = (uint8_t)weft->way_count;
	for (i = 0; i < weft->way_count; i++)
		describe_way(weft, &weft->ways[i], &ret->ways[i]);
	return 0;
}

static int put(const struct wire_descriptor *d, void *buf, size_t *len)
{
	uint8_t text[WEFT_DESCRIPTOR_MAX];
	size_t need = sizeof(text);

	if (wire_put_descriptor(d, text, &need))
		return err_set(-EMSGSIZE, "the descriptor is larger than %u bytes",
			       WEFT_DESCRIPTOR_MAX);
	if (buf && *len < need) {
		*len = need;
		return err_set(-EMSGSIZE, "the descriptor has %zu bytes", need);
	}
	if (buf)
		memcpy(buf, text, need);
	*len = need;
	return 0;
}

int weft_export_engine(const struct weft *weft, void *buf, size_t *len)
{
	struct wire_descriptor *d = mem_alloc(sizeof(*d));
	int rc;

	if (!d)
		return err_set(-ENOMEM, "out of memory");
	engine_describe(weft, d);
	rc = put(d, buf, len);
	mem_free(d);
	return rc;
}

/* One rail's. What grants nothing tells nothing. -EMSGSIZE: no descriptor holds so many keys. */
static int describe_pins(const struct weft_region *region, uint32_t rail, struct wire_descriptor *d,
			 struct wire_rail *ret)
{
	const struct pinned *pinned = region->pinned;
	uint32_t part;

	if (!region->access)
		return 0;
	if (pinned->parts - 1 > WIRE_KEYS_MAX - d->key_count)
		return -EMSGSIZE;
	ret->base = pin_part(pinned, rail, 0)->base;
	ret->key = pin_part(pinned, rail, 0)->key;
	ret->more = d->key_count;
	for (part = 1; part < pinned->parts; part++)
		d->keys[d->key_count++] = pin_part(pinned, rail, part)->key;
	return 0;
}

static int describe_region(const struct weft_region *region, struct wire_descriptor *d)
{
	const struct weft *weft = region->weft;
	uint32_t i, j;
	int rc = 0;

	engine_describe(weft, d);
	d->has_region = true;
	d->region = region->slot;
	d->generation = region->generation;
	d->access = region->access;
	d->length = region->len;
	if (region->access && region->pinned->parts > 1)
		d->part_shift = region->pinned->shift;
	for (i = 0; i < weft->way_count && rc == 0; i++)
		for (j = 0; j < weft->ways[i].count && rc == 0; j++)
			rc = describe_pins(region, weft->ways[i].first + j, d,
					   &d->ways[i].rails[j]);
	return rc;
}

int export_check(const struct weft_region *region)
{
	const struct pinned *pinned = region->pinned;
	size_t len = 0;
	int rc;

	if (!region->access || pinned->parts == 1)
		return 0;
	rc = weft_export(region, NULL, &len);
	if (rc != -EMSGSIZE)
		return rc;
	return err_set(
		-WEFT_ELIMIT,
		"%zu bytes: the keys of %u parts of %llu bytes on %u rails do not fit into a "
		"descriptor of %u bytes; register several regions, or open fewer rails",
		region->len, pinned->parts, 1ull << pinned->shift, region->weft->rail_count,
		WEFT_DESCRIPTOR_MAX);
}

int weft_export(const struct weft_region *region, void *buf, size_t *len)
{
	struct wire_descriptor *d = mem_alloc(sizeof(*d));
	int rc;

	if (!d)
		return err_set(-ENOMEM, "out of memory");
	rc = describe_region(region, d);
	if (rc == 0)
		rc = put(d, buf, len);
	mem_free(d);
	return rc;
}
