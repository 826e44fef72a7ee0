/* SPDX-License-Identifier: Apache-2.0 */
/* Regions that are registered in parts, of different sizes on either side. */
#include <string.h>
#include <sys/mman.h>

#include "engine/testing.h"
#include "net.h"

#define PART_A 16384u
#define PART_B 4096u
#define PARTS  40u
#define LEN    (PARTS * PART_B)

static struct weft_opts split_opts(const struct conform *c, uint64_t max)
{
	struct weft_opts opts = net_opts(c);

	opts.max_registration = max;
	return opts;
}

static void split_open(struct pair *p, const struct conform *c, size_t len)
{
	struct weft_opts a = split_opts(c, PART_A), b = split_opts(c, PART_B + 1);

	pair_open_opts(p, c, len, &a, &b);
	check_int(net_stats(p->a).pins, (len + PART_A - 1) / PART_A);
	check_int(net_stats(p->b).pins, (len + PART_B - 1) / PART_B);
	check_int(net_stats(p->b).bytes_pinned, len);
}

/* One transfer; the bytes on either side of its target stay as they were. */
static void move_checked(struct pair *p, bool read, uint64_t here, uint64_t there, uint64_t len,
			 uint64_t seed)
{
	struct move move = { read, p->region_a, here, p->to_b, there, len, 0, 0 };
	struct area *source = read ? &p->mem_b : &p->mem_a;
	struct area *target = read ? &p->mem_a : &p->mem_b;
	uint64_t to = read ? here : there;

	area_fill(source, read ? there : here, len, seed);
	area_fill(target, 0, target->len, ~seed);
	check_ok(net_move(&p->net, p->a, &move, CONFORM_LIMIT_NS));
	check_holds(target, 0, to, ~seed);
	check_holds(target, to, len, seed);
	check_holds_from(target, to + len, target->len - to - len, ~seed, to + len);
}

/* Around borders of one side, of the other, and of both. */
static void split_region_moves_data(const struct conform *c)
{
	static const uint64_t lens[] = { 1, 2, PART_B, PART_B + 1, 3 * PART_A + 5 };
	static const uint64_t heres[] = { 0, PART_A - 1, PART_A, 2 * PART_A + 1, 3 * PART_A - 77 };
	static const uint64_t theres[] = { 0, PART_B - 1, PART_B, 2 * PART_B + 1,
					   17 * PART_B - 78 };
	struct pair p;
	uint64_t seed = 0;

	split_open(&p, c, LEN + 123);
	for (size_t i = 0; i < 5; i++)
		for (size_t j = 0; j < 5; j++)
			for (size_t k = 0; k < 5; k++)
				move_checked(&p, (i + j + k) % 2, heres[j], theres[k], lens[i],
					     seed++);
	for (int read = 0; read < 2; read++) {
		move_checked(&p, read, 0, 0, LEN + 123, seed++);
		move_checked(&p, read, 1, 0, LEN + 122, seed++);
		move_checked(&p, read, LEN + 122, LEN + 122, 1, seed++);
	}
	pair_close(&p);
}

/* The immediate counts once and when all parts are placed; without bytes it may stand at the very
 * end, where no part begins. */
static void split_region_counts_immediates(const struct conform *c)
{
	static const uint64_t ranges[][2] = { { LEN, 0 },        { PART_B, 0 }, { PART_B - 1, 2 },
					      { 5, 2 * PART_A }, { 0, LEN },    { LEN - 1, 1 } };
	struct weft_arrival *arrival;
	struct pair p;

	split_open(&p, c, LEN);
	check_ok(weft_arrival_open(p.b, &arrival));
	for (uint64_t i = 0; i < 6; i++) {
		uint64_t at = ranges[i][0], len = ranges[i][1];
		struct move move = { false, p.region_a, at, p.to_b, at, len, WEFT_WITH_IMM, 0 };

		move.imm = weft_arrival_imm(arrival);
		area_fill(&p.mem_a, at, len, i);
		check_ok(net_move(&p.net, p.a, &move, CONFORM_LIMIT_NS));
		until(&p.net, weft_arrival_count(arrival) > i);
		check_holds(&p.mem_b, at, len, i);
		check_int(weft_arrival_count(arrival), i + 1);
	}
	net_run(&p.net, NSEC_PER_SEC / 50);
	check_int(weft_arrival_count(arrival), 6);
	weft_arrival_close(arrival);
	pair_close(&p);
}

static void split_region_keeps_bounds_and_rights(const struct conform *c)
{
	struct move move;
	struct weft_region *readable;
	struct weft_remote *remote;
	struct pair p;

	split_open(&p, c, LEN);
	readable = net_register(p.b, &p.mem_b, WEFT_REMOTE_READ);
	remote = net_import(&p.net, p.a, readable);
	area_fill(&p.mem_b, 0, LEN, 1);
	move = (struct move){ false, p.region_a, 0, p.to_b, 1, LEN, 0, 0 };
	check_rc(net_move(&p.net, p.a, &move, CONFORM_LIMIT_NS), -WEFT_EBOUNDS);
	move = (struct move){ false, p.region_a, 1, p.to_b, 0, LEN, 0, 0 };
	check_rc(net_move(&p.net, p.a, &move, CONFORM_LIMIT_NS), -WEFT_EBOUNDS);
	move = (struct move){ false, p.region_a, 0, remote, 0, LEN, 0, 0 };
	check_rc(net_move(&p.net, p.a, &move, CONFORM_LIMIT_NS), -WEFT_ERIGHTS);
	check_holds(&p.mem_b, 0, LEN, 1);
	move.read = true;
	check_ok(net_move(&p.net, p.a, &move, CONFORM_LIMIT_NS));
	check_holds(&p.mem_a, 0, LEN, 1);
	pair_close(&p);
}

/* Once weft_unregister() has returned no part is written any more, and none is registered. */
static void revoke_round(struct pair *p, bool read, int turns)
{
	enum {
		COUNT = 16
	};
	struct weft_batch *batch = net_batch(p->a, COUNT);
	struct move move = { read, p->region_a, 0, p->to_b, 0, LEN, 0, 0 };

	for (int i = 0; i < COUNT; i++)
		check_int(net_add(batch, &move), i);
	area_fill(&p->mem_a, 0, LEN, 41);
	check_ok(weft_submit(batch, CONFORM_LIMIT_NS));
	for (int i = 0; i < turns; i++)
		net_turn(&p->net);
	net_unregister(&p->net, p->region_b);
	check_int(net_stats(p->b).pins, 0);
	check_int(net_stats(p->b).bytes_pinned, 0);
	area_fill(&p->mem_b, 0, LEN, 99);
	net_run(&p->net, NSEC_PER_SEC / 50);
	check_holds(&p->mem_b, 0, LEN, 99);
	net_finish(&p->net, batch);
	for (uint32_t i = 0; i < COUNT; i++) {
		struct weft_result result = net_result(batch, i);

		check(result.quiescent);
		if (result.state != WEFT_DONE)
			check(result.error == -WEFT_EREVOKED || result.error == -WEFT_EREFUSED);
	}
	weft_batch_close(batch);
	check_ok(weft_remote_close(p->to_b));
	p->region_b = net_register(p->b, &p->mem_b, WEFT_REMOTE_READ | WEFT_REMOTE_WRITE);
	check_int(net_stats(p->b).pins, PARTS);
	p->to_b = net_import(&p->net, p->a, p->region_b);
}

static void split_region_is_taken_back_in_the_middle(const struct conform *c)
{
	struct pair p;

	split_open(&p, c, LEN);
	for (int i = 0; i < 8; i++)
		revoke_round(&p, i % 2, i * i);
	pair_close(&p);
}

/* Buffers within a local region in parts cost nothing, and may cross its borders. */
static void split_local_region_is_shared(const struct conform *c)
{
	struct weft_region *area, *buffer;
	struct area mem;
	struct pair p;
	uint64_t pins;

	split_open(&p, c, LEN);
	area_open(&mem, LEN);
	area = net_register(p.a, &mem, WEFT_LOCAL);
	pins = net_stats(p.a).pins;
	check_int(pins, 2 * (LEN / PART_A));
	check_ok(weft_register(p.a, mem.base + 3 * PART_B - 7, 2 * PART_A, WEFT_LOCAL, &buffer));
	check_int(net_stats(p.a).pins, pins);
	check_int(net_stats(p.a).pins_shared, 1);
	net_unregister(&p.net, area);
	check_int(net_stats(p.a).pins, pins);
	for (int read = 0; read < 2; read++) {
		struct move move = { read, buffer, 1, p.to_b, 3, 2 * PART_A - 1, 0, 0 };
		size_t here = 3 * PART_B - 6;

		area_fill(&mem, here, move.len, 5);
		area_fill(&p.mem_b, 3, move.len, 5 + (uint64_t)read);
		check_ok(net_move(&p.net, p.a, &move, CONFORM_LIMIT_NS));
		check_holds(&p.mem_b, 3, move.len, 5 + (uint64_t)read);
		check_holds(&mem, here, move.len, 5 + (uint64_t)read);
	}
	net_unregister(&p.net, buffer);
	check_int(net_stats(p.a).pins, LEN / PART_A);
	check_guards(&mem);
	pair_close(&p);
	area_close(&mem);
}

static void detail_says(const char *text)
{
	if (!strstr(weft_error_detail(), text))
		conform_fail(__FILE__, __LINE__, "'%s' is not in '%s'", text, weft_error_detail());
}

static void too_many_parts_are_refused(const struct conform *c)
{
	struct weft_opts opts = split_opts(c, PART_B);
	struct net net = { .conform = c };
	struct weft *weft = net_open(&net, &opts);
	struct weft_region *region;
	struct area mem;

	area_open(&mem, 257 * PART_B);
	check_rc(weft_register(weft, mem.base, mem.len, WEFT_REMOTE_READ, &region), -WEFT_ELIMIT);
	detail_says("at most 256");
	check_int(net_stats(weft).pins, 0);
	check_ok(weft_register(weft, mem.base, 128 * PART_B, WEFT_REMOTE_READ, &region));
	check_int(net_stats(weft).pins, 128);
	net_end(&net);
	area_close(&mem);
	opts.max_registration = PART_B - 1;
	check_rc(weft_open(&weft, &opts), -EINVAL);
	detail_says("max_registration");
}

/* As many as are allowed, on so many rails that no descriptor holds their keys. */
static void keys_that_fit_no_descriptor_are_refused(const struct conform *c)
{
	struct weft_opts opts = split_opts(c, PART_B);
	struct net net = { .conform = c };
	struct weft_region *region;
	struct weft *weft;
	struct area mem;

	if (!c->row->shares_device)
		conform_skip("one device, one rail");
	opts.rails = 4;
	weft = net_open(&net, &opts);
	area_open(&mem, 256 * PART_B);
	check_rc(weft_register(weft, mem.base, mem.len, WEFT_REMOTE_READ, &region), -WEFT_ELIMIT);
	detail_says("descriptor");
	check_int(net_stats(weft).pins, 0);
	check_int(net_stats(weft).regions, 0);
	check_ok(weft_register(weft, mem.base, mem.len, WEFT_LOCAL, &region));
	net_end(&net);
	area_close(&mem);
}

#define DEVICE_MAX (64ull << 20) /* of the test's emulated devices */

static uint8_t *map(size_t len)
{
	uint8_t *base = mmap(NULL, len, PROT_READ | PROT_WRITE,
			     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	check(base != MAP_FAILED);
	return base;
}

/* What lies over the border of two parts goes to and fro. */
static void move_over_the_border(struct net *net, struct weft_region *region, uint8_t *base)
{
	struct weft *near = net_open(net, NULL);
	struct weft_remote *remote = net_import(net, near, region);
	const uint64_t len = 100000, at = DEVICE_MAX - 50000;
	struct weft_region *local;
	struct area mem;

	area_open(&mem, len);
	local = net_register(near, &mem, WEFT_LOCAL);
	for (int read = 0; read < 2; read++) {
		struct move move = { read, local, 0, remote, at, len, 0, 0 };

		area_fill(&mem, 0, len, 3);
		if (read)
			memset(base + at, 0x77, len);
		check_ok(net_move(net, near, &move, CONFORM_LIMIT_NS));
		check(memcmp(mem.base, base + at, len) == 0);
		check(base[at] == 0x77 || !read);
	}
	check_ok(weft_remote_close(remote));
	check_guards(&mem);
	net_close(net, near);
	area_close(&mem);
}

/* First the device says how long a registration may be; then it refuses what is too long. */
static void too_long_region_is_split(const struct conform *c)
{
	struct net net = { .conform = c };
	struct weft *weft = net_open(&net, NULL);
	struct weft_region *region;
	uint8_t *base = map(2 * DEVICE_MAX);

	for (int told = 1; told >= 0; told--) {
		if (!told)
			weft_test_forget_longest(weft);
		check_ok(weft_register(weft, base, 2 * DEVICE_MAX,
				       WEFT_REMOTE_READ | WEFT_REMOTE_WRITE, &region));
		if (net_stats(weft).pins == 1)
			conform_skip("the device takes %llu bytes", 2 * DEVICE_MAX);
		check_int(net_stats(weft).pins, 2);
		check_int(net_stats(weft).bytes_pinned, 2 * DEVICE_MAX);
		move_over_the_border(&net, region, base);
		net_unregister(&net, region);
		check_int(net_stats(weft).pins, 0);
	}
	net_end(&net);
	munmap(base, 2 * DEVICE_MAX);
}

static void much_too_long_region_says_why(const struct conform *c)
{
	const size_t len = 257 * DEVICE_MAX;
	struct net net = { .conform = c };
	struct weft *weft = net_open(&net, NULL);
	struct weft_region *region;
	uint8_t *base = map(len);
	int rc;

	rc = weft_register(weft, base, len, WEFT_REMOTE_READ, &region);
	if (!rc)
		conform_skip("the device takes %zu bytes", len);
	check_rc(rc, -WEFT_ELIMIT);
	detail_says("67108864");
	detail_says("257 parts");
	weft_test_forget_longest(weft);
	check_rc(weft_register(weft, base, len, WEFT_REMOTE_READ, &region), -WEFT_EPROVIDER);
	detail_says("max_mr_size");
	detail_says("a part of 134217728 bytes");
	check_int(net_stats(weft).pins, 0);
	net_end(&net);
	munmap(base, len);
}

const struct conform_case cases_split[] = {
	{ "split_region_moves_data", split_region_moves_data, 0 },
	{ "split_region_counts_immediates", split_region_counts_immediates, 0 },
	{ "split_region_keeps_bounds_and_rights", split_region_keeps_bounds_and_rights, 0 },
	{ "split_region_is_taken_back_in_the_middle", split_region_is_taken_back_in_the_middle, 0 },
	{ "split_local_region_is_shared", split_local_region_is_shared, 0 },
	{ "too_many_parts_are_refused", too_many_parts_are_refused, 0 },
	{ "keys_that_fit_no_descriptor_are_refused", keys_that_fit_no_descriptor_are_refused,
	  NEEDS_NIC | ONLY_MANUAL },
	{ "too_long_region_is_split", too_long_region_is_split, NEEDS_NIC | ONLY_MANUAL },
	{ "much_too_long_region_says_why", much_too_long_region_says_why, NEEDS_NIC | ONLY_MANUAL },
	{ 0 },
};
