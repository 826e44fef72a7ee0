/* SPDX-License-Identifier: Apache-2.0 */
/* Immediates: counted exactly, after their data, and never for another use of the slot. */
#include "net.h"

/* What is not to be counted has had time to be counted. */
static void settle(struct pair *p)
{
	net_run(&p->net, NSEC_PER_SEC / 20);
}

static struct weft_arrival *arrival_open(struct weft *weft)
{
	struct weft_arrival *arrival;

	check_ok(weft_arrival_open(weft, &arrival));
	return arrival;
}

static void write_imm(struct pair *p, uint64_t offset, uint64_t len, uint32_t flags, uint32_t imm)
{
	struct move move = { false, p->region_a, offset, p->to_b, offset, len, flags, imm };

	check_ok(net_move(&p->net, p->a, &move, CONFORM_LIMIT_NS));
}

static void arrivals_are_counted_exactly(const struct conform *c)
{
	struct weft_arrival *arrivals[4];
	struct weft_batch *batch;
	struct pair p;

	pair_open(&p, c, 64 * 1024);
	for (int i = 0; i < 4; i++)
		arrivals[i] = arrival_open(p.b);
	batch = net_batch(p.a, 1000);
	/* Every tenth without an immediate, the others shared out among the slots. */
	for (uint32_t i = 0; i < 1000; i++)
		check_int(weft_batch_write(batch, p.region_a, 0, p.to_b, 0, i % 300,
					   i % 10 ? WEFT_WITH_IMM : 0,
					   weft_arrival_imm(arrivals[i % 4])),
			  i);
	net_complete(&p.net, batch, 1000);
	for (int i = 0; i < 4; i++)
		until(&p.net, weft_arrival_count(arrivals[i]) >= (i % 2 ? 250u : 200u));
	settle(&p);
	for (int i = 0; i < 4; i++) {
		check_int(weft_arrival_count(arrivals[i]), i % 2 ? 250 : 200);
		check_ok(weft_arrival_wait(arrivals[i], i % 2 ? 250 : 200, 0));
		check_rc(weft_arrival_wait(arrivals[i], 251, NSEC_PER_SEC / 100), -EAGAIN);
		weft_arrival_close(arrivals[i]);
	}
	check_int(net_stats(p.b).immediates_late, 0);
	weft_batch_close(batch);
	pair_close(&p);
}

/* Also where a transfer is cut into pieces: one count, and all of it is there. */
static void counted_data_is_placed(const struct conform *c)
{
	static const uint64_t sizes[] = { 0, 1, 64, 4096, 16385, 65536, 1 << 20, 9 << 20 };
	struct weft_arrival *arrival;
	struct weft_batch *batch;
	struct pair p;
	uint64_t n = 0;

	pair_open(&p, c, 9 << 20);
	arrival = arrival_open(p.b);
	batch = net_batch(p.a, 1);
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		for (int round = 0; round < (sizes[i] > 65536 ? 3 : 30); round++) {
			area_fill(&p.mem_a, 0, sizes[i], n);
			check_int(weft_batch_write(batch, p.region_a, 0, p.to_b, 0, sizes[i],
						   WEFT_WITH_IMM, weft_arrival_imm(arrival)),
				  0);
			check_ok(weft_submit(batch, CONFORM_LIMIT_NS));
			until(&p.net, weft_arrival_count(arrival) > n);
			check_holds(&p.mem_b, 0, sizes[i], n);
			check_int(weft_arrival_count(arrival), ++n);
			net_finish(&p.net, batch);
			net_check_done(batch, 1);
			check_ok(weft_batch_reset(batch));
		}
	}
	settle(&p);
	check_int(weft_arrival_count(arrival), n);
	weft_arrival_close(arrival);
	weft_batch_close(batch);
	pair_close(&p);
}

static void source_only_write_arrives(const struct conform *c)
{
	struct weft_arrival *arrival;
	struct pair p;

	pair_open(&p, c, 1 << 20);
	arrival = arrival_open(p.b);
	for (uint64_t n = 0; n < 50; n++) {
		uint64_t len = 1 + (n * 40503) % (1 << 20);

		area_fill(&p.mem_a, 0, len, n);
		write_imm(&p, 0, len, WEFT_WITH_IMM | WEFT_SOURCE_ONLY, weft_arrival_imm(arrival));
		until(&p.net, weft_arrival_count(arrival) > n);
		check_holds(&p.mem_b, 0, len, n);
	}
	weft_arrival_close(arrival);
	pair_close(&p);
}

static void late_immediates_are_not_counted(const struct conform *c)
{
	struct weft_arrival *arrival, *other;
	struct pair p;
	uint32_t old;

	pair_open(&p, c, 4096);
	arrival = arrival_open(p.b);
	old = weft_arrival_imm(arrival);
	write_imm(&p, 0, 64, WEFT_WITH_IMM, old);
	until(&p.net, weft_arrival_count(arrival) == 1);
	weft_arrival_renew(arrival);
	check_int(weft_arrival_count(arrival), 0);
	check(weft_arrival_imm(arrival) != old);
	for (int i = 0; i < 10; i++)
		write_imm(&p, 0, 64, WEFT_WITH_IMM, old);
	until(&p.net, net_stats(p.b).immediates_late == 10);
	check_int(weft_arrival_count(arrival), 0);
	write_imm(&p, 0, 64, WEFT_WITH_IMM, weft_arrival_imm(arrival));
	until(&p.net, weft_arrival_count(arrival) == 1);
	old = weft_arrival_imm(arrival);
	weft_arrival_close(arrival);
	/* The slot may be given out again, never under the same number. */
	other = arrival_open(p.b);
	check(weft_arrival_imm(other) != old);
	write_imm(&p, 0, 64, WEFT_WITH_IMM, old);
	write_imm(&p, 0, 64, WEFT_WITH_IMM, UINT32_MAX);
	until(&p.net, net_stats(p.b).immediates_late == 12);
	settle(&p);
	check_int(weft_arrival_count(other), 0);
	weft_arrival_close(other);
	pair_close(&p);
}

/* A number comes again only after all generations of its slot have been used. */
static void renewed_numbers_differ(const struct conform *c)
{
	struct net net = { .conform = c };
	struct weft *weft = net_open(&net, NULL);
	struct weft_arrival *arrival = arrival_open(weft);
	uint32_t first = weft_arrival_imm(arrival), last = first;

	for (int i = 1; i < 4096; i++) {
		weft_arrival_renew(arrival);
		check(weft_arrival_imm(arrival) != first && weft_arrival_imm(arrival) != last);
		last = weft_arrival_imm(arrival);
	}
	weft_arrival_close(arrival);
	net_end(&net);
}

#define SLOTS 65536u

static void slots_have_a_limit(const struct conform *c)
{
	static struct weft_arrival *arrivals[SLOTS];
	struct net net = { .conform = c };
	struct weft *weft = net_open(&net, NULL);
	struct weft_arrival *more;

	for (uint32_t i = 0; i < SLOTS; i++)
		arrivals[i] = arrival_open(weft);
	check_rc(weft_arrival_open(weft, &more), -WEFT_ELIMIT);
	weft_arrival_close(arrivals[77]);
	arrivals[77] = arrival_open(weft);
	check_rc(weft_arrival_open(weft, &more), -WEFT_ELIMIT);
	for (uint32_t i = 0; i < SLOTS; i++)
		weft_arrival_close(arrivals[i]);
	net_end(&net);
}

const struct conform_case cases_arrival[] = {
	{ "arrivals_are_counted_exactly", arrivals_are_counted_exactly, 0 },
	{ "counted_data_is_placed", counted_data_is_placed, 0 },
	{ "source_only_write_arrives", source_only_write_arrives, 0 },
	{ "late_immediates_are_not_counted", late_immediates_are_not_counted, 0 },
	{ "renewed_numbers_differ", renewed_numbers_differ, ONLY_MANUAL },
	{ "slots_have_a_limit", slots_have_a_limit, ONLY_MANUAL },
	{ 0 },
};
