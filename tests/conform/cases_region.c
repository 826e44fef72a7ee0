/* SPDX-License-Identifier: Apache-2.0 */
/* Regions that lie over, in and beside each other, and what is registered for them. */
#include <string.h>
#include <sys/resource.h>

#include "engine/engine.h"
#include "net.h"

#define PAGE 4096u
#define LEN  (16 * PAGE)

struct fixture {
	struct net net;
	struct weft *a, *b;
	struct area mem_a, mem_b;
	struct weft_region *near; /* all of mem_a, for a's own use */
};

static void begin(struct fixture *f, const struct conform *c)
{
	memset(f, 0, sizeof(*f));
	f->net.conform = c;
	f->a = net_open(&f->net, NULL);
	f->b = net_open(&f->net, NULL);
	area_open(&f->mem_a, LEN);
	area_open(&f->mem_b, LEN);
	f->near = net_register(f->a, &f->mem_a, WEFT_LOCAL);
}

static void end(struct fixture *f)
{
	check_guards(&f->mem_a);
	check_guards(&f->mem_b);
	net_end(&f->net);
	area_close(&f->mem_a);
	area_close(&f->mem_b);
}

static struct weft_region *part(struct weft *weft, const struct area *area, size_t offset,
				size_t len, uint32_t access)
{
	struct weft_region *region;

	check_ok(weft_register(weft, area->base + offset, len, access, &region));
	return region;
}

/* A WRITE of a's memory at 0 to the start of a remote: 0, or why not. */
static int write_to(struct fixture *f, struct weft_remote *remote, uint64_t len, uint64_t seed)
{
	struct move move = { false, f->near, 0, remote, 0, len, 0, 0 };

	area_fill(&f->mem_a, 0, len, seed);
	return net_move(&f->net, f->a, &move, CONFORM_LIMIT_NS);
}

static int read_from(struct fixture *f, struct weft_remote *remote, uint64_t len)
{
	struct move move = { true, f->near, 0, remote, 0, len, 0, 0 };

	return net_move(&f->net, f->a, &move, CONFORM_LIMIT_NS);
}

static void take_back(struct fixture *f, struct weft_region *region, struct weft_remote *remote)
{
	check_ok(weft_remote_close(remote));
	net_unregister(&f->net, region);
}

static void read_descriptor(const struct weft_region *region, struct wire_descriptor *ret)
{
	uint8_t buf[WEFT_DESCRIPTOR_MAX];
	size_t len = sizeof(buf);

	check_ok(weft_export(region, buf, &len));
	check_ok(wire_get_descriptor(ret, buf, len));
}

/* Each has a key of its own; but not where libfabric keeps registrations, and finds them by their
 * memory alone. */
static void check_keys(const struct fixture *f, const struct wire_descriptor seen[2])
{
	bool same = seen[0].ways[0].rails[0].key == seen[1].ways[0].rails[0].key;

	check_int(same, f->b->rails[0].limits.keeps_pins);
}

static void same_memory_with_different_rights(const struct conform *c)
{
	static struct wire_descriptor seen[2];
	struct weft_region *readable, *writable;
	struct weft_remote *reading, *writing;
	struct fixture f;

	begin(&f, c);
	readable = net_register(f.b, &f.mem_b, WEFT_REMOTE_READ);
	writable = net_register(f.b, &f.mem_b, WEFT_REMOTE_READ | WEFT_REMOTE_WRITE);
	read_descriptor(readable, &seen[0]);
	read_descriptor(writable, &seen[1]);
	check_keys(&f, seen);
	reading = net_import(&f.net, f.a, readable);
	writing = net_import(&f.net, f.a, writable);
	check_ok(write_to(&f, writing, LEN, 1));
	check_holds(&f.mem_b, 0, LEN, 1);
	check_rc(write_to(&f, reading, LEN, 2), -WEFT_ERIGHTS);
	check_holds(&f.mem_b, 0, LEN, 1);
	take_back(&f, writable, writing);
	check_ok(read_from(&f, reading, LEN));
	check_holds(&f.mem_a, 0, LEN, 1);
	check_rc(write_to(&f, reading, LEN, 3), -WEFT_ERIGHTS);
	check_holds(&f.mem_b, 0, LEN, 1);
	take_back(&f, readable, reading);
	end(&f);
}

/* Two equal grants have their own keys: taking one back must end its key and leave the other. */
static void same_memory_with_equal_rights(const struct conform *c)
{
	static struct wire_descriptor seen[2];
	struct weft_region *first, *second;
	struct weft_remote *one, *two;
	struct fixture f;

	begin(&f, c);
	first = net_register(f.b, &f.mem_b, WEFT_REMOTE_WRITE);
	second = net_register(f.b, &f.mem_b, WEFT_REMOTE_WRITE);
	check_int(net_stats(f.b).pins, 2);
	check_int(net_stats(f.b).pins_shared, 0);
	read_descriptor(first, &seen[0]);
	read_descriptor(second, &seen[1]);
	check_keys(&f, seen);
	one = net_import(&f.net, f.a, first);
	two = net_import(&f.net, f.a, second);
	take_back(&f, first, one);
	check_ok(write_to(&f, two, LEN, 4));
	check_holds(&f.mem_b, 0, LEN, 4);
	take_back(&f, second, two);
	check_int(net_stats(f.b).bytes_pinned, 0);
	end(&f);
}

static void overlapping_and_adjacent_regions(const struct conform *c)
{
	static const size_t at[] = { 0, 5 * PAGE + 100, 10 * PAGE, 10 * PAGE + 7 };
	static const size_t len[] = { 6 * PAGE, 5 * PAGE, 7, 3 * PAGE };
	enum {
		COUNT = sizeof(at) / sizeof(at[0])
	};
	struct weft_region *regions[COUNT];
	struct weft_remote *remotes[COUNT];
	struct fixture f;

	begin(&f, c);
	for (int i = 0; i < COUNT; i++) {
		regions[i] = part(f.b, &f.mem_b, at[i], len[i], WEFT_REMOTE_WRITE);
		remotes[i] = net_import(&f.net, f.a, regions[i]);
	}
	for (int i = 0; i < COUNT; i++) {
		for (int j = i; j < COUNT; j++) {
			check_ok(write_to(&f, remotes[j], len[j], (uint64_t)(10 * i + j)));
			check_holds(&f.mem_b, at[j], len[j], (uint64_t)(10 * i + j));
		}
		take_back(&f, regions[i], remotes[i]);
	}
	end(&f);
}

/* Buffers out of an area that is registered for local use cost no registration, move data, and go
 * on after the area's own region is gone. */
static void local_buffers_share_a_registration(const struct conform *c)
{
	struct weft_region *buffers[3], *target;
	struct weft_remote *remote;
	struct fixture f;

	begin(&f, c);
	target = net_register(f.b, &f.mem_b, WEFT_REMOTE_READ | WEFT_REMOTE_WRITE);
	remote = net_import(&f.net, f.a, target);
	check_int(net_stats(f.a).pins, 1);
	check_int(net_stats(f.a).bytes_pinned, LEN);
	buffers[0] = part(f.a, &f.mem_a, 0, LEN, WEFT_LOCAL);
	buffers[1] = part(f.a, &f.mem_a, 3 * PAGE + 5, 100, WEFT_LOCAL);
	buffers[2] = part(f.a, &f.mem_a, LEN - 1, 1, WEFT_LOCAL);
	check_int(net_stats(f.a).regions, 4);
	check_int(net_stats(f.a).pins, 1);
	check_int(net_stats(f.a).pins_shared, 3);
	net_unregister(&f.net, f.near);
	net_unregister(&f.net, buffers[0]);
	f.near = buffers[1];
	area_fill(&f.mem_a, 3 * PAGE + 5, 100, 6);
	check_ok(net_move(&f.net, f.a, &(struct move){ false, f.near, 0, remote, 0, 100, 0, 0 },
			  CONFORM_LIMIT_NS));
	check_holds(&f.mem_b, 0, 100, 6);
	/* Nobody vouches for the whole of it any more. */
	f.near = part(f.a, &f.mem_a, 0, LEN, WEFT_LOCAL);
	check_int(net_stats(f.a).pins, 2);
	net_unregister(&f.net, buffers[1]);
	net_unregister(&f.net, buffers[2]);
	check_int(net_stats(f.a).pins, 1);
	check_ok(read_from(&f, remote, 100));
	check_holds(&f.mem_a, 0, 100, 6);
	take_back(&f, target, remote);
	end(&f);
}

/* What is registered for local use does not serve a grant, nor the other way round. */
static void grants_share_nothing_with_local_use(const struct conform *c)
{
	struct weft_region *granted, *local;
	struct fixture f;

	begin(&f, c);
	granted = net_register(f.a, &f.mem_a, WEFT_REMOTE_READ);
	check_int(net_stats(f.a).pins, 2);
	net_unregister(&f.net, f.near);
	f.near = NULL;
	local = net_register(f.a, &f.mem_a, WEFT_LOCAL);
	check_int(net_stats(f.a).pins, 2);
	check_int(net_stats(f.a).pins_shared, 0);
	net_unregister(&f.net, granted);
	net_unregister(&f.net, local);
	check_int(net_stats(f.a).pins, 0);
	end(&f);
}

static void local_region_tells_peers_no_key(const struct conform *c)
{
	static struct wire_descriptor seen;
	struct weft_remote *remote;
	struct weft_region *local;
	struct fixture f;

	begin(&f, c);
	local = net_register(f.b, &f.mem_b, WEFT_LOCAL);
	read_descriptor(local, &seen);
	check_int(seen.access, 0);
	for (uint32_t w = 0; w < seen.way_count; w++)
		for (uint32_t r = 0; r < seen.ways[w].rail_count; r++) {
			check_int(seen.ways[w].rails[r].key, 0);
			check_int(seen.ways[w].rails[r].base, 0);
		}
	remote = net_import(&f.net, f.a, local);
	check_rc(write_to(&f, remote, 64, 7), -WEFT_ERIGHTS);
	check_rc(read_from(&f, remote, 64), -WEFT_ERIGHTS);
	take_back(&f, local, remote);
	end(&f);
}

static void detail_says(const char *text)
{
	if (!strstr(weft_error_detail(), text))
		conform_fail(__FILE__, __LINE__, "'%s' is not in '%s'", text, weft_error_detail());
}

/* One more than the device takes; afterwards it takes as many as before. */
static void full_device_says_why(const struct conform *c)
{
	enum {
		COUNT = 600
	};
	struct net net = { .conform = c };
	struct weft *weft = net_open(&net, NULL);
	struct weft_region *regions[COUNT];
	struct rlimit limit, small;
	struct area mem;
	int n, rc = 0;

	area_open(&mem, LEN);
	for (n = 0; n < COUNT; n++)
		if ((rc = weft_register(weft, mem.base, LEN, WEFT_REMOTE_READ, &regions[n])))
			break;
	if (!rc)
		conform_skip("the device takes %d registrations", COUNT);
	check_rc(rc, -ENOMEM);
	detail_says("max_mr");
	check_int(net_stats(weft).regions, n);
	check_ok(getrlimit(RLIMIT_MEMLOCK, &limit));
	small = (struct rlimit){ LEN - 1, limit.rlim_max };
	check_ok(setrlimit(RLIMIT_MEMLOCK, &small));
	check_rc(weft_register(weft, mem.base, LEN, WEFT_REMOTE_READ, &regions[n]), -WEFT_EMEMLOCK);
	detail_says("memory lock limit is 65535 bytes");
	check_ok(setrlimit(RLIMIT_MEMLOCK, &limit));
	net_unregister(&net, regions[n - 1]);
	check_ok(weft_register(weft, mem.base, LEN, WEFT_REMOTE_READ, &regions[n - 1]));
	check_int(net_stats(weft).pins, n);
	/* Before the engine polls again: libfabric's efa tries in each poll to register more. */
	while (n)
		net_unregister(&net, regions[--n]);
	net_end(&net);
	area_close(&mem);
}

const struct conform_case cases_region[] = {
	{ "full_device_says_why", full_device_says_why, NEEDS_NIC },
	{ "same_memory_with_different_rights", same_memory_with_different_rights, 0 },
	{ "same_memory_with_equal_rights", same_memory_with_equal_rights, 0 },
	{ "overlapping_and_adjacent_regions", overlapping_and_adjacent_regions, 0 },
	{ "local_buffers_share_a_registration", local_buffers_share_a_registration, 0 },
	{ "grants_share_nothing_with_local_use", grants_share_nothing_with_local_use, 0 },
	{ "local_region_tells_peers_no_key", local_region_tells_peers_no_key, 0 },
	{ 0 },
};
