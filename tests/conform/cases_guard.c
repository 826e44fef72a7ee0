/* SPDX-License-Identifier: Apache-2.0 */
/* What the initiator's engine refuses before anything is posted. */
#include "net.h"

#define LEN 8192u

struct range {
	uint64_t offset, remote_offset, len;
};

static int try_range(struct weft_batch *batch, struct pair *p, bool read, const struct range *r)
{
	struct move move = { .read = read,
			     .region = p->region_a,
			     .offset = r->offset,
			     .remote = p->to_b,
			     .remote_offset = r->remote_offset,
			     .len = r->len };

	return net_add(batch, &move);
}

static void out_of_bounds_is_refused(const struct conform *c)
{
	static const struct range bad[] = {
		{ 0, 0, LEN + 1 },
		{ 0, 1, LEN },
		{ 1, 0, LEN },
		{ LEN, 0, 1 },
		{ 0, LEN, 1 },
		{ LEN + 1, 0, 0 },
		{ 0, LEN + 1, 0 },
		{ 0, 0, UINT64_MAX },
		{ 1, 1, UINT64_MAX },
		{ 0, UINT64_MAX, 1 },
		{ UINT64_MAX, 0, 1 },
		{ UINT64_MAX, UINT64_MAX, 0 },
		{ 0, UINT64_MAX - 15, 16 },
		{ UINT64_MAX - 15, 0, 16 },
		{ 0, 1ull << 63, 1ull << 63 },
		{ 0, 16, UINT64_MAX - 15 },
		{ 0, 1ull << 32, 1 },
		{ 1ull << 32, 0, 1 },
	};
	static const struct range good[] = {
		{ 0, 0, LEN }, { LEN, LEN, 0 }, { LEN - 1, 0, 1 }, { 0, LEN - 1, 1 }
	};
	struct weft_batch *batch;
	struct pair p;
	size_t n = sizeof(bad) / sizeof(bad[0]);

	pair_open(&p, c, LEN);
	area_fill(&p.mem_b, 0, LEN, 3);
	batch = net_batch(p.a, 8);
	for (size_t i = 0; i < 2 * n; i++)
		check_rc(try_range(batch, &p, i % 2, &bad[i / 2]), -WEFT_EBOUNDS);
	check(net_stats(p.a).refused >= 2 * n);
	area_fill(&p.mem_a, 0, LEN, 3);
	for (uint32_t i = 0; i < 8; i++)
		check_int(try_range(batch, &p, i % 2, &good[i / 2]), i);
	/* Of the refused ones nothing is left: only the good ones run. */
	check_ok(weft_submit(batch, CONFORM_LIMIT_NS));
	net_finish(&p.net, batch);
	net_check_done(batch, 8);
	check_int(net_stats(p.a).writes_done, 4);
	check_int(net_stats(p.a).reads_done, 4);
	weft_batch_close(batch);
	pair_close(&p);
}

static void rights_are_kept(const struct conform *c)
{
	struct net net = { .conform = c };
	struct weft *a = net_open(&net, NULL);
	struct weft *b = net_open(&net, NULL);
	struct weft_region *near;
	struct area mem_a, mem_b;

	area_open(&mem_a, LEN);
	area_open(&mem_b, LEN);
	near = net_register(a, &mem_a, WEFT_LOCAL);
	for (uint32_t access = 0; access < 4; access++) {
		struct weft_region *far = net_register(b, &mem_b, access);
		struct weft_remote *remote = net_import(&net, a, far);
		struct move write = { false, near, 0, remote, 0, LEN, 0, 0 };
		struct move read = { true, near, 0, remote, 0, LEN, 0, 0 };

		check_int(weft_remote_access(remote), access);
		check_int(weft_remote_length(remote), LEN);
		area_fill(&mem_a, 0, LEN, 1);
		area_fill(&mem_b, 0, LEN, 2);
		check_rc(net_move(&net, a, &write, CONFORM_LIMIT_NS),
			 access & WEFT_REMOTE_WRITE ? 0 : -WEFT_ERIGHTS);
		check_holds(&mem_b, 0, LEN, access & WEFT_REMOTE_WRITE ? 1 : 2);
		area_fill(&mem_b, 0, LEN, 2);
		check_rc(net_move(&net, a, &read, CONFORM_LIMIT_NS),
			 access & WEFT_REMOTE_READ ? 0 : -WEFT_ERIGHTS);
		check_holds(&mem_a, 0, LEN, access & WEFT_REMOTE_READ ? 2 : 1);
		check_ok(weft_remote_close(remote));
		net_unregister(&net, far);
	}
	net_end(&net);
	area_close(&mem_a);
	area_close(&mem_b);
}

static void bad_registration_is_refused(const struct conform *c)
{
	struct net net = { .conform = c };
	struct weft *weft = net_open(&net, NULL);
	struct weft_region *region;
	uint8_t memory[64];

	check_rc(weft_register(weft, memory, 0, 0, &region), -EINVAL);
	check_rc(weft_register(weft, NULL, 64, 0, &region), -EINVAL);
	check_rc(weft_register(weft, memory, SIZE_MAX, 0, &region), -EINVAL);
	check_rc(weft_register(weft, memory, 64, 4, &region), -EINVAL);
	check_int(net_stats(weft).regions, 0);
	net_end(&net);
}

/* A region and a remote of two different engines do not mix. */
static void objects_of_another_engine_are_refused(const struct conform *c)
{
	struct weft_batch *batch;
	struct pair p;

	pair_open(&p, c, LEN);
	batch = net_batch(p.a, 4);
	check_rc(weft_batch_write(batch, p.region_b, 0, p.to_b, 0, 1, 0, 0), -EINVAL);
	check_rc(weft_batch_write(batch, p.region_a, 0, p.to_a, 0, 1, 0, 0), -EINVAL);
	check_rc(weft_batch_read(batch, p.region_b, 0, p.to_a, 0, 1), -EINVAL);
	check_rc(weft_batch_write(batch, p.region_a, 0, p.to_b, 0, 1, 0x80, 0), -EINVAL);
	weft_batch_close(batch);
	pair_close(&p);
}

static void small_regions_side_by_side(const struct conform *c)
{
	enum {
		COUNT = 64,
		SIZE = 61
	};
	struct net net = { .conform = c };
	struct weft *a = net_open(&net, NULL);
	struct weft *b = net_open(&net, NULL);
	struct weft_remote *remotes[COUNT];
	struct weft_region *near, *far;
	struct area mem_a, mem_b;

	area_open(&mem_a, SIZE);
	area_open(&mem_b, (size_t)COUNT * SIZE);
	near = net_register(a, &mem_a, WEFT_LOCAL);
	for (int i = 0; i < COUNT; i++) {
		check_ok(weft_register(b, mem_b.base + (size_t)i * SIZE, SIZE, WEFT_REMOTE_WRITE,
				       &far));
		remotes[i] = net_import(&net, a, far);
	}
	check_int(net_stats(b).regions, COUNT);
	for (uint64_t i = 0; i < COUNT; i++) {
		struct move move = { false, near, 0, remotes[(i * 37) % COUNT], 0, SIZE, 0, 0 };

		area_fill(&mem_a, 0, SIZE, (i * 37) % COUNT);
		check_ok(net_move(&net, a, &move, CONFORM_LIMIT_NS));
	}
	for (uint64_t i = 0; i < COUNT; i++)
		check_holds(&mem_b, i * SIZE, SIZE, i);
	check_guards(&mem_b);
	net_end(&net);
	area_close(&mem_a);
	area_close(&mem_b);
}

const struct conform_case cases_guard[] = {
	{ "out_of_bounds_is_refused", out_of_bounds_is_refused, 0 },
	{ "rights_are_kept", rights_are_kept, 0 },
	{ "bad_registration_is_refused", bad_registration_is_refused, ONLY_MANUAL },
	{ "objects_of_another_engine_are_refused", objects_of_another_engine_are_refused,
	  ONLY_MANUAL },
	{ "small_regions_side_by_side", small_regions_side_by_side, 0 },
	{ 0 },
};
