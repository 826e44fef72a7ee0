/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Forged descriptors: whole and checksummed, but naming what the owner never gave. What the owner's
 * engine can tell it refuses; what only the provider can tell ends as its row of fabric.def says.
 */
#include <string.h>

#include "engine/engine.h"
#include "net.h"
#include "transport/transport.h"

static const uint64_t timeout_ns = 500 * NSEC_PER_MSEC;

enum forgery {
	FORGE_KEY,
	FORGE_REGION,
	FORGE_GENERATION,
	FORGE_ID,
};

static void forge(struct wire_descriptor *d, enum forgery what)
{
	switch (what) {
	case FORGE_KEY:
		for (uint32_t w = 0; w < d->way_count; w++)
			for (uint32_t r = 0; r < d->ways[w].rail_count; r++)
				d->ways[w].rails[r].key ^= 0x5a5a0000;
		break;
	case FORGE_REGION:
		d->region ^= 0x4000;
		break;
	case FORGE_GENERATION:
		d->generation ^= 1;
		break;
	case FORGE_ID:
		d->id[3] ^= 1;
		break;
	}
}

/* The descriptor of b's region with one thing changed. */
static size_t forged(const struct pair *p, enum forgery what, uint8_t *buf)
{
	static struct wire_descriptor descriptor;
	size_t len = WEFT_DESCRIPTOR_MAX;

	check_ok(weft_export(p->region_b, buf, &len));
	check_ok(wire_get_descriptor(&descriptor, buf, len));
	forge(&descriptor, what);
	len = WEFT_DESCRIPTOR_MAX;
	check_ok(wire_put_descriptor(&descriptor, buf, &len));
	return len;
}

/* Another pair of engines still does its work, and so does the first one with a third. */
static void check_alive(struct pair *p)
{
	struct weft *third = net_open(&p->net, NULL);
	struct weft_region *region;
	struct weft_remote *remote;
	struct move move;
	struct area mem;

	area_open(&mem, 4096);
	region = net_register(third, &mem, WEFT_REMOTE_WRITE);
	remote = net_import(&p->net, p->a, region);
	area_fill(&p->mem_a, 0, 4096, 31);
	move = (struct move){ false, p->region_a, 0, remote, 0, 4096, 0, 0 };
	check_ok(net_move(&p->net, p->a, &move, CONFORM_LIMIT_NS));
	check_holds(&mem, 0, 4096, 31);
	net_close(&p->net, third);
	area_close(&mem);
}

/* The rail may be lost, but what goes over it ends. */
static void check_ends(struct pair *p)
{
	struct move move = { false, p->region_a, 0, p->to_b, 0, 4096, 0, 0 };
	uint64_t start_ns = clock_ns();

	net_move(&p->net, p->a, &move, timeout_ns);
	check(clock_ns() - start_ns < timeout_ns + CONFORM_SLACK_NS);
}

static void check_wrong_key(struct pair *p, enum port_wrong_key row, int rc)
{
	struct move good = { false, p->region_a, 0, p->to_b, 0, 64, 0, 0 };

	switch (row) {
	case WRONG_KEY_REFUSED:
		check_rc(rc, -WEFT_EREFUSED);
		check_ok(net_move(&p->net, p->a, &good, CONFORM_LIMIT_NS));
		check_alive(p);
		break;
	case WRONG_KEY_PEER_LOST:
		check(rc == -WEFT_EREFUSED || rc == -WEFT_EPEERGONE);
		check_alive(p);
		break;
	case WRONG_KEY_DEADLINE:
		check_rc(rc, -WEFT_EDEADLINE);
		check_ends(p);
		break;
	case WRONG_KEY_UNGUARDED:
		if (rc)
			check_rc(rc, -WEFT_EDEADLINE);
		check_ends(p);
		break;
	}
}

static void wrong_key(const struct conform *c, bool read, uint64_t len)
{
	const struct provider *provider = provider_find(c->row->name);
	uint8_t buf[WEFT_DESCRIPTOR_MAX];
	struct weft_remote *remote;
	struct move move;
	struct pair p;
	int rc;

	check(provider);
	pair_open(&p, c, 65536);
	if (p.a->rails[0].limits.emulated)
		conform_skip(
			"libfabric %s's %s does the operation by software at the target, which "
			"crashes on a key that it does not know",
			weft_libfabric_version(), provider->libfabric);
	check_ok(weft_import(p.a, buf, forged(&p, FORGE_KEY, buf), &remote));
	until(&p.net, weft_remote_status(remote) != -EINPROGRESS);
	check_ok(weft_remote_status(remote));
	area_fill(&p.mem_a, 0, 65536, 1);
	area_fill(&p.mem_b, 0, 65536, 2);
	move = (struct move){ read, p.region_a, 0, remote, 0, len, 0, 0 };
	rc = net_move(&p.net, p.a, &move, timeout_ns);
	conform_note("%s of %llu bytes: %s", read ? "READ" : "WRITE", (unsigned long long)len,
		     weft_error_name(rc));
	if (provider->wrong_key != WRONG_KEY_UNGUARDED || rc) {
		check(rc < 0);
		check_holds(&p.mem_a, 0, 65536, 1);
		check_holds(&p.mem_b, 0, 65536, 2);
	}
	check_wrong_key(&p, provider->wrong_key, rc);
	check_guards(&p.mem_a);
	check_guards(&p.mem_b);
	net_drop(&p.net);
	area_close(&p.mem_a);
	area_close(&p.mem_b);
}

static void wrong_key_small_write(const struct conform *c)
{
	wrong_key(c, false, 64);
}

static void wrong_key_large_write(const struct conform *c)
{
	wrong_key(c, false, 65536);
}

static void wrong_key_small_read(const struct conform *c)
{
	wrong_key(c, true, 64);
}

static void wrong_key_large_read(const struct conform *c)
{
	wrong_key(c, true, 65536);
}

/* What the owner's engine knows better. */
static void wrong_region(const struct conform *c, enum forgery what)
{
	uint8_t buf[WEFT_DESCRIPTOR_MAX];
	struct weft_remote *remote;
	struct move move;
	struct pair p;
	int rc;

	pair_open(&p, c, 4096);
	area_fill(&p.mem_b, 0, 4096, 2);
	rc = weft_import(p.a, buf, forged(&p, what, buf), &remote);
	if (!rc) {
		move = (struct move){ false, p.region_a, 0, remote, 0, 64, 0, 0 };
		rc = net_move(&p.net, p.a, &move, CONFORM_LIMIT_NS);
	}
	if (what == FORGE_ID)
		check(rc == -WEFT_EPEERSTALE || rc == -WEFT_EPEERGONE);
	else
		check(rc == -WEFT_EREVOKED || rc == -WEFT_EREFUSED);
	check_holds(&p.mem_b, 0, 4096, 2);
	move = (struct move){ false, p.region_a, 0, p.to_b, 0, 64, 0, 0 };
	check_ok(net_move(&p.net, p.a, &move, CONFORM_LIMIT_NS));
	pair_close(&p);
}

static void unknown_region_is_refused(const struct conform *c)
{
	wrong_region(c, FORGE_REGION);
}

static void wrong_generation_is_refused(const struct conform *c)
{
	wrong_region(c, FORGE_GENERATION);
}

static void wrong_incarnation_is_refused(const struct conform *c)
{
	wrong_region(c, FORGE_ID);
}

const struct conform_case cases_key[] = {
	{ "wrong_key_small_write", wrong_key_small_write, 0 },
	{ "wrong_key_large_write", wrong_key_large_write, 0 },
	{ "wrong_key_small_read", wrong_key_small_read, 0 },
	{ "wrong_key_large_read", wrong_key_large_read, 0 },
	{ "unknown_region_is_refused", unknown_region_is_refused, 0 },
	{ "wrong_generation_is_refused", wrong_generation_is_refused, 0 },
	{ "wrong_incarnation_is_refused", wrong_incarnation_is_refused, 0 },
	{ 0 },
};
