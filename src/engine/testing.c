/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/testing.h"

#include <errno.h>

int weft_test_forge_key(void *descriptor, size_t len)
{
	struct wire_descriptor *d = mem_alloc(sizeof(*d));
	uint32_t i, j;
	int rc;

	if (!d)
		return -ENOMEM;
	rc = wire_get_descriptor(d, descriptor, len);
	for (i = 0; rc == 0 && i < d->way_count; i++)
		for (j = 0; j < d->ways[i].rail_count; j++)
			d->ways[i].rails[j].key ^= 0x5a5a5a5a;
	for (i = 0; rc == 0 && i < d->key_count; i++)
		d->keys[i] ^= 0x5a5a5a5a;
	if (rc == 0)
		rc = wire_put_descriptor(d, descriptor, &len);
	mem_free(d);
	return rc;
}

void weft_test_forget_longest(struct weft *weft)
{
	uint32_t i;

	for (i = 0; i < weft->rail_count; i++)
		weft->rails[i].longest = UINT64_MAX;
}

void weft_test_place(struct weft *weft, uint32_t rail, int node)
{
	weft->rails[rail].numa = node;
}

void weft_test_break(struct weft *weft, uint32_t rail)
{
	transport_test_break(weft->rails[rail].port);
}

void weft_test_close_apart(struct weft *weft)
{
	uint32_t i;

	for (i = 0; i < weft->rail_count; i++)
		weft->rails[i].close_apart = true;
}

void weft_test_rest(struct weft *weft, uint64_t rest_ns)
{
	uint32_t i;

	for (i = 0; i < weft->rail_count; i++)
		if (weft->rails[i].ops == &transport_fabric)
			transport_test_rest(weft->rails[i].port, rest_ns);
}

const struct provider *weft_test_provider(const struct weft_peer *peer)
{
	return peer->way->provider;
}
