/* SPDX-License-Identifier: Apache-2.0 */
/* Content: every size and alignment arrives whole and nothing around it is touched. */
#include "net.h"

/* Bytes on either side of a target range that are compared as well. */
#define MARGIN 64u
#define KIB    1024ull
#define MIB    (1024 * KIB)

/* Around the edges of inline, inject, MTU, rendezvous and segment sizes of the providers. */
static const uint64_t sizes[] = {
	0,
	1,
	7,
	8,
	63,
	64,
	65,
	127,
	128,
	191,
	192,
	193,
	1023,
	1024,
	1025,
	4 * KIB - 1,
	4 * KIB,
	4 * KIB + 1,
	8 * KIB - 1,
	8 * KIB,
	8 * KIB + 1,
	8928,
	8929,
	16 * KIB - 1,
	16 * KIB,
	16 * KIB + 1,
	64 * KIB - 1,
	64 * KIB,
	64 * KIB + 1,
	256 * KIB,
	1 * MIB - 1,
	1 * MIB,
	1 * MIB + 1,
	16 * MIB,
};

static const uint64_t shifts[][2] = { { 0, 0 }, { 1, 0 }, { 0, 1 }, { 3, 5 }, { 63, 65 } };

/* One transfer from `from` to `to`, checked with its surroundings. */
static void move_checked(struct pair *p, bool read, uint64_t len, const uint64_t shift[2],
			 uint64_t seed)
{
	struct area *source = read ? &p->mem_b : &p->mem_a;
	struct area *target = read ? &p->mem_a : &p->mem_b;
	uint64_t from = MARGIN + shift[0], to = MARGIN + shift[1];
	struct move move = {
		.read = read,
		.region = p->region_a,
		.offset = read ? to : from,
		.remote = p->to_b,
		.remote_offset = read ? from : to,
		.len = len,
	};

	area_fill(source, from, len, seed);
	area_fill(target, to - MARGIN, len + 2 * MARGIN, ~seed);
	check_ok(net_move(&p->net, p->a, &move, CONFORM_LIMIT_NS));
	check_holds(target, to, len, seed);
	check_holds(target, to - MARGIN, MARGIN, ~seed);
	check_holds_from(target, to + len, MARGIN, ~seed, len + MARGIN);
	check_holds(source, from, len, seed);
}

static void every_size(const struct conform *c, bool read)
{
	uint64_t seed = read ? 1000 : 1;
	struct pair p;

	pair_open(&p, c, 16 * MIB + 4 * MARGIN);
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		size_t tries = sizes[i] >= MIB ? 1 : sizeof(shifts) / sizeof(shifts[0]);

		for (size_t k = 0; k < tries; k++)
			move_checked(&p, read, sizes[i], shifts[tries == 1 ? i % 5 : k], seed++);
	}
	pair_close(&p);
}

static void writes_of_every_size(const struct conform *c)
{
	every_size(c, false);
}

static void reads_of_every_size(const struct conform *c)
{
	every_size(c, true);
}

static void a_quarter_gibibyte(const struct conform *c)
{
	static const uint64_t shift[2] = { 1, 2 };
	uint64_t len = 256 * MIB;
	struct pair p;

	conform_needs_memory(600);
	pair_open(&p, c, len + 4 * MARGIN);
	move_checked(&p, false, len, shift, 5);
	move_checked(&p, true, len, shift, 6);
	pair_close(&p);
}

/* The largest range of a region, and ranges that end at its last byte. */
static void up_to_the_last_byte(const struct conform *c)
{
	struct pair p;
	size_t len = 70001;

	pair_open(&p, c, len);
	for (uint64_t from = 0; from <= len; from += from ? len - 1 : 1) {
		struct move write = { false, p.region_a, from, p.to_b, from, len - from, 0, 0 };
		struct move read = { true, p.region_a, from, p.to_b, from, len - from, 0, 0 };

		area_fill(&p.mem_a, 0, len, 11 + from);
		check_ok(net_move(&p.net, p.a, &write, CONFORM_LIMIT_NS));
		check_holds_from(&p.mem_b, from, len - from, 11 + from, from);
		area_fill(&p.mem_b, 0, len, 12 + from);
		check_ok(net_move(&p.net, p.a, &read, CONFORM_LIMIT_NS));
		check_holds_from(&p.mem_a, from, len - from, 12 + from, from);
	}
	pair_close(&p);
}

#define SLOTS 4096u
#define SLOT  1024u

static uint64_t slot_len(uint64_t i)
{
	return i * 37 % (SLOT + 1);
}

/* Even slots are written by a, odd ones read: none disturbs another. */
static void slots_fill(struct pair *p, uint64_t seed)
{
	for (uint64_t i = 0; i < SLOTS; i++) {
		struct area *source = i % 2 ? &p->mem_b : &p->mem_a;
		struct area *target = i % 2 ? &p->mem_a : &p->mem_b;

		area_fill(source, i * SLOT, SLOT, seed + i);
		area_fill(target, i * SLOT, SLOT, ~(seed + i));
	}
}

static void slots_check(struct pair *p, uint64_t seed)
{
	for (uint64_t i = 0; i < SLOTS; i++) {
		struct area *target = i % 2 ? &p->mem_a : &p->mem_b;
		uint64_t len = slot_len(i);

		check_holds(target, i * SLOT, len, seed + i);
		check_holds_from(target, i * SLOT + len, SLOT - len, ~(seed + i), len);
	}
}

static void slot_add(struct pair *p, struct weft_batch *batch, uint64_t i)
{
	struct move move = { i % 2, p->region_a, i * SLOT, p->to_b, i * SLOT, slot_len(i), 0, 0 };

	check(net_add(batch, &move) >= 0);
}

static void thousands_in_one_batch(const struct conform *c)
{
	struct weft_batch *batch;
	struct pair p;

	pair_open(&p, c, (size_t)SLOTS * SLOT);
	batch = net_batch(p.a, SLOTS);
	for (uint64_t round = 0; round < 3; round++) {
		slots_fill(&p, round << 20);
		for (uint64_t i = 0; i < SLOTS; i++)
			slot_add(&p, batch, i);
		net_complete(&p.net, batch, SLOTS);
		slots_check(&p, round << 20);
	}
	weft_batch_close(batch);
	pair_close(&p);
}

static void many_batches_at_once(const struct conform *c)
{
	enum {
		BATCHES = 64,
		EACH = SLOTS / BATCHES
	};
	struct weft_batch *batches[BATCHES];
	struct pair p;

	pair_open(&p, c, (size_t)SLOTS * SLOT);
	slots_fill(&p, 77);
	for (uint64_t k = 0; k < BATCHES; k++) {
		batches[k] = net_batch(p.a, EACH);
		for (uint64_t i = 0; i < EACH; i++)
			slot_add(&p, batches[k], i * BATCHES + k);
		check_ok(weft_submit(batches[k], CONFORM_LIMIT_NS));
	}
	for (uint64_t k = BATCHES; k-- > 0;) {
		net_finish(&p.net, batches[k]);
		net_check_done(batches[k], EACH);
		weft_batch_close(batches[k]);
	}
	slots_check(&p, 77);
	pair_close(&p);
}

#define PAGE  (64 * KIB)
#define PAGES 256u /* in either region of the owner */

/* A random order of 0..PAGES-1. */
static void pages_order(uint32_t *numbers, uint64_t *random)
{
	for (uint32_t i = 0; i < PAGES; i++) {
		uint32_t k = (uint32_t)(area_random(random) % (i + 1));

		numbers[i] = numbers[k];
		numbers[k] = i;
	}
}

static uint64_t page_len(uint64_t i)
{
	return 1 + i * 7919 % PAGE;
}

/* Some in a row, so that what is posted together can be both. */
static bool page_lost(uint64_t i)
{
	return i / 6 % 3 == 2;
}

/* A batch of pages of any size without order, some to a region that is taken back by then:
 * those alone fail, and nothing beside a page is touched. */
static void scattered_pages(const struct conform *c, bool read)
{
	uint32_t here[PAGES], there[PAGES];
	uint64_t random = 7;
	struct weft_remote *taken;
	struct weft_region *back;
	struct weft_batch *batch;
	struct pair p;

	pair_open(&p, c, PAGES * PAGE);
	pages_order(here, &random);
	pages_order(there, &random);
	back = net_register(p.b, &p.mem_b, WEFT_REMOTE_READ | WEFT_REMOTE_WRITE);
	taken = net_import(&p.net, p.a, back);
	batch = net_batch(p.a, PAGES);
	for (uint32_t i = 0; i < PAGES; i++) {
		struct move move = { read,
				     p.region_a,
				     here[i] * PAGE,
				     page_lost(i) ? taken : p.to_b,
				     there[i] * PAGE,
				     page_len(i),
				     0,
				     0 };

		area_fill(read ? &p.mem_b : &p.mem_a, (read ? there[i] : here[i]) * PAGE, PAGE,
			  100 + i);
		area_fill(read ? &p.mem_a : &p.mem_b, (read ? here[i] : there[i]) * PAGE, PAGE,
			  ~(100ull + i));
		check_int(net_add(batch, &move), i);
	}
	net_unregister(&p.net, back);
	check_ok(weft_submit(batch, CONFORM_LIMIT_NS));
	net_finish(&p.net, batch);
	for (uint32_t i = 0; i < PAGES; i++) {
		struct weft_result result = net_result(batch, i);
		uint64_t at = (read ? here[i] : there[i]) * PAGE;
		uint64_t len = page_lost(i) ? 0 : page_len(i);
		struct area *to = read ? &p.mem_a : &p.mem_b;

		check_int(result.state, page_lost(i) ? WEFT_FAILED : WEFT_DONE);
		check_int(result.quiescent, 1);
		check_holds(to, at, len, 100 + i);
		check_holds_from(to, at + len, PAGE - len, ~(100ull + i), len);
	}
	weft_batch_close(batch);
	check_ok(weft_remote_close(taken));
	pair_close(&p);
}

static void scattered_pages_are_written(const struct conform *c)
{
	scattered_pages(c, false);
}

static void scattered_pages_are_read(const struct conform *c)
{
	scattered_pages(c, true);
}

#define LANES 16u
#define LANE  (256 * KIB)

/* Reads and writes of random size in both directions at the same time. */
struct lane {
	struct weft_batch *batch;
	bool by_b, read, active;
	uint64_t at, len, seed;
};

static void lane_start(struct pair *p, struct lane *l, uint64_t lane, uint64_t *random)
{
	struct area *near = l->by_b ? &p->mem_b : &p->mem_a;
	struct area *far = l->by_b ? &p->mem_a : &p->mem_b;
	struct move move = { 0 };

	l->read = area_random(random) % 2;
	l->len = area_random(random) % (1ull << (area_random(random) % 18 + 1));
	l->at = lane * LANE + area_random(random) % (LANE - l->len);
	l->seed = area_random(random);
	area_fill(l->read ? far : near, l->at, l->len, l->seed);
	move = (struct move){ .read = l->read,
			      .region = l->by_b ? p->region_b : p->region_a,
			      .offset = l->at,
			      .remote = l->by_b ? p->to_a : p->to_b,
			      .remote_offset = l->at,
			      .len = l->len };
	check_int(net_add(l->batch, &move), 0);
	check_ok(weft_submit(l->batch, CONFORM_LIMIT_NS));
	l->active = true;
}

static bool lane_ended(struct pair *p, struct lane *l)
{
	struct area *near = l->by_b ? &p->mem_b : &p->mem_a;
	struct area *far = l->by_b ? &p->mem_a : &p->mem_b;

	if (!l->active || weft_batch_poll(l->batch) != 1)
		return false;
	net_check_done(l->batch, 1);
	check_ok(weft_batch_reset(l->batch));
	check_holds(l->read ? near : far, l->at, l->len, l->seed);
	l->active = false;
	return true;
}

static void random_traffic_both_ways(const struct conform *c)
{
	struct lane lanes[LANES] = { 0 };
	uint64_t random = 2026, ended = 0;
	struct pair p;

	pair_open(&p, c, LANES * LANE);
	for (uint64_t i = 0; i < LANES; i++) {
		lanes[i].by_b = i % 2;
		lanes[i].batch = net_batch(i % 2 ? p.b : p.a, 1);
		lane_start(&p, &lanes[i], i, &random);
	}
	while (ended < 1500 + LANES) {
		uint64_t before = ended;

		for (uint64_t i = 0; i < LANES; i++) {
			if (!lane_ended(&p, &lanes[i]))
				continue;
			if (++ended <= 1500)
				lane_start(&p, &lanes[i], i, &random);
		}
		if (ended == before)
			net_turn(&p.net);
	}
	for (uint64_t i = 0; i < LANES; i++)
		weft_batch_close(lanes[i].batch);
	pair_close(&p);
}

/* Peer and self are the same engine. */
static void own_region_can_be_imported(const struct conform *c)
{
	struct net net = { .conform = c };
	struct weft *weft = net_open(&net, NULL);
	struct weft_region *regions[2];
	struct weft_remote *remote;
	struct area areas[2];
	struct move move;

	for (int i = 0; i < 2; i++) {
		area_open(&areas[i], 2 * MIB);
		regions[i] = net_register(weft, &areas[i], WEFT_REMOTE_READ | WEFT_REMOTE_WRITE);
	}
	remote = net_import(&net, weft, regions[1]);
	for (uint64_t len = 1; len <= MIB; len *= 32) {
		area_fill(&areas[0], 3, len, len);
		move = (struct move){ false, regions[0], 3, remote, 5, len, 0, 0 };
		check_ok(net_move(&net, weft, &move, CONFORM_LIMIT_NS));
		check_holds(&areas[1], 5, len, len);
		area_fill(&areas[1], 7, len, ~len);
		move = (struct move){ true, regions[0], 9, remote, 7, len, 0, 0 };
		check_ok(net_move(&net, weft, &move, CONFORM_LIMIT_NS));
		check_holds(&areas[0], 9, len, ~len);
	}
	check_guards(&areas[0]);
	check_guards(&areas[1]);
	net_end(&net);
	area_close(&areas[0]);
	area_close(&areas[1]);
}

const struct conform_case cases_data[] = {
	{ "writes_of_every_size", writes_of_every_size, 0 },
	{ "reads_of_every_size", reads_of_every_size, 0 },
	{ "a_quarter_gibibyte", a_quarter_gibibyte, ONLY_THREAD },
	{ "up_to_the_last_byte", up_to_the_last_byte, 0 },
	{ "thousands_in_one_batch", thousands_in_one_batch, 0 },
	{ "many_batches_at_once", many_batches_at_once, 0 },
	{ "scattered_pages_are_written", scattered_pages_are_written, 0 },
	{ "scattered_pages_are_read", scattered_pages_are_read, 0 },
	{ "random_traffic_both_ways", random_traffic_both_ways, 0 },
	{ "own_region_can_be_imported", own_region_can_be_imported, 0 },
	{ 0 },
};
