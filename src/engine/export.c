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
		ret->rails[i].addr_len = (uint8_t)rail->addr_len;
		memcpy(ret->rails[i].addr, rail->addr, rail->addr_len);
		ret->rails[i].base = 0;
		ret->rails[i].key = 0;
	}
}

int engine_describe(const struct weft *weft, struct wire_descriptor *ret)
{
	uint32_t i;

	memcpy(ret->id, weft->id, WIRE_ID_BYTES);
	ret->host = weft->host;
	ret->pid = weft->pid;
	ret->has_region = false;
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

int weft_export(const struct weft_region *region, void *buf, size_t *len)
{
	const struct weft *weft = region->weft;
	struct wire_descriptor *d = mem_alloc(sizeof(*d));
	const struct pin *pin;
	uint32_t i, j;
	int rc;

	if (!d)
		return err_set(-ENOMEM, "out of memory");
	engine_describe(weft, d);
	d->has_region = true;
	d->region = region->slot;
	d->generation = region->generation;
	d->access = region->access;
	d->length = region->len;
	for (i = 0; i < weft->way_count; i++)
		for (j = 0; j < weft->ways[i].count; j++) {
			pin = &region->pinned->rails[weft->ways[i].first + j];
			d->ways[i].rails[j].base = region->access ? pin->base : 0;
			d->ways[i].rails[j].key = region->access ? pin->key : 0;
		}
	rc = put(d, buf, len);
	mem_free(d);
	return rc;
}
