/* SPDX-License-Identifier: Apache-2.0 */
/* Batches: their life, their limits, the submit queue, and what is counted. */
#include <string.h>

#include "net.h"

static void batch_is_used_again(const struct conform *c)
{
	struct weft_batch *batch;
	struct pair p;

	pair_open(&p, c, 64 * 1024);
	batch = net_batch(p.a, 16);
	for (uint64_t round = 0; round < 500; round++) {
		uint32_t count = (uint32_t)(round % 17);

		area_fill(&p.mem_a, 0, count * 64, round);
		for (uint32_t i = 0; i < count; i++)
			check_int(weft_batch_write(batch, p.region_a, i * 64, p.to_b, i * 64, 64, 0,
						   0),
				  i);
		net_complete(&p.net, batch, count);
		check_holds(&p.mem_b, 0, count * 64, round);
	}
	weft_batch_close(batch);
	pair_close(&p);
}

static void batch_keeps_its_rules(const struct conform *c)
{
	struct weft_result result = { .size = sizeof(result) };
	struct weft_batch_opts opts = { .size = sizeof(opts), .capacity = 1048577 };
	struct weft_batch *batch;
	struct pair p;

	pair_open(&p, c, 1 << 20);
	check_rc(weft_batch_open(p.a, &opts, &batch), -EINVAL);
	batch = net_batch(p.a, 2);
	check_ok(weft_batch_reset(batch));
	check(weft_batch_result(batch, 0, &result) < 0);
	check_int(weft_batch_write(batch, p.region_a, 0, p.to_b, 0, 1 << 20, 0, 0), 0);
	check_ok(weft_batch_result(batch, 0, &result));
	check_int(result.state, WEFT_IDLE);
	check_int(weft_batch_read(batch, p.region_a, 0, p.to_b, 0, 0), 1);
	check_rc(weft_batch_read(batch, p.region_a, 0, p.to_b, 0, 0), -WEFT_ELIMIT);
	check_ok(weft_submit(batch, CONFORM_LIMIT_NS));
	check_rc(weft_batch_read(batch, p.region_a, 0, p.to_b, 0, 0), -EBUSY);
	check_rc(weft_submit(batch, CONFORM_LIMIT_NS), -EBUSY);
	net_finish(&p.net, batch);
	net_check_done(batch, 2);
	check(weft_batch_result(batch, 2, &result) < 0);
	check_rc(weft_submit(batch, CONFORM_LIMIT_NS), -EBUSY);
	check_ok(weft_batch_reset(batch));
	weft_batch_close(batch);
	weft_batch_close(NULL);
	pair_close(&p);
}

/* Nothing of the peer moves here, so the transfer stays active. */
static void active_batch_is_busy(const struct conform *c)
{
	struct weft_batch *batch;
	struct pair p;

	pair_open(&p, c, 4096);
	batch = net_batch(p.a, 2);
	check_int(weft_batch_write(batch, p.region_a, 0, p.to_b, 0, 4096, 0, 0), 0);
	check_ok(weft_submit(batch, CONFORM_LIMIT_NS));
	check_int(net_result(batch, 0).state, WEFT_ACTIVE);
	check_rc(weft_batch_reset(batch), -EBUSY);
	check_rc(weft_batch_error(batch), -EBUSY);
	check_rc(weft_remote_close(p.to_b), -WEFT_ENOTQUIET);
	net_finish(&p.net, batch);
	check_ok(weft_batch_reset(batch));
	weft_batch_close(batch);
	check_ok(weft_remote_close(p.to_b));
	pair_close(&p);
}

static void empty_batch_ends_at_once(const struct conform *c)
{
	struct weft_batch *batch;
	struct pair p;

	pair_open(&p, c, 4096);
	batch = net_batch(p.a, 1);
	for (int i = 0; i < 100; i++)
		net_complete(&p.net, batch, 0);
	check_ok(weft_submit(batch, 0));
	check_ok(weft_batch_wait(batch, CONFORM_LIMIT_NS));
	check_ok(weft_batch_quiesce(batch, 0));
	weft_batch_close(batch);
	pair_close(&p);
}

static void on_done_called(void *ctx, struct weft_batch *batch)
{
	(void)batch;
	atomic_fetch_add((atomic_int *)ctx, 1);
}

static void end_is_told_once(const struct conform *c)
{
	atomic_int calls = 0;
	struct weft_batch_opts opts = {
		.size = sizeof(opts), .capacity = 8, .on_done = on_done_called, .ctx = &calls
	};
	struct weft_batch *batch;
	struct pair p;

	pair_open(&p, c, 4096);
	check_ok(weft_batch_open(p.a, &opts, &batch));
	for (int round = 1; round <= 50; round++) {
		for (int i = 0; i < 8; i++)
			check(weft_batch_write(batch, p.region_a, 0, p.to_b, 0, 64, 0, 0) >= 0);
		check_ok(weft_submit(batch, CONFORM_LIMIT_NS));
		until(&p.net, atomic_load(&calls) == round);
		net_finish(&p.net, batch);
		net_check_done(batch, 8);
		check_ok(weft_batch_reset(batch));
	}
	net_run(&p.net, NSEC_PER_SEC / 100);
	check_int(atomic_load(&calls), 50);
	weft_batch_close(batch);
	pair_close(&p);
}

static void active_batch_can_be_closed(const struct conform *c)
{
	struct pair p;

	pair_open(&p, c, 1 << 20);
	for (int round = 0; round < 20; round++) {
		struct weft_batch *batch = net_batch(p.a, 64);

		for (int i = 0; i < 64; i++)
			check(weft_batch_write(batch, p.region_a, 0, p.to_b, 0, 16384, 0, 0) >= 0);
		check_ok(weft_submit(batch, CONFORM_LIMIT_NS));
		for (int turn = 0; turn < round; turn++)
			net_turn(&p.net);
		weft_batch_close(batch);
	}
	net_unregister(&p.net, p.region_a);
	area_fill(&p.mem_a, 0, 1 << 20, 9);
	net_run(&p.net, NSEC_PER_SEC / 50);
	check_holds(&p.mem_a, 0, 1 << 20, 9);
	pair_close(&p);
}

/* weft_batch_wait() has a timeout of its own, and goes on where it left off. */
static void wait_gives_up_and_resumes(const struct conform *c)
{
	struct weft_opts opts = net_opts(c);
	struct weft_batch *batch;
	struct pump pump;
	struct pair p;
	uint64_t start_ns;

	if (c->row->script)
		opts.devices = "delay_us=500000";
	pair_open_opts(&p, c, 4096, &opts, NULL);
	batch = net_batch(p.a, 1);
	check_int(weft_batch_write(batch, p.region_a, 0, p.to_b, 0, 4096, 0, 0), 0);
	check_ok(weft_submit(batch, CONFORM_LIMIT_NS));
	start_ns = clock_ns();
	if (c->row->script || (c->row->needs_target && c->progress == WEFT_PROGRESS_MANUAL)) {
		check_rc(weft_batch_wait(batch, 20 * NSEC_PER_MSEC), -EAGAIN);
		check(clock_ns() - start_ns >= 19 * NSEC_PER_MSEC);
		check(clock_ns() - start_ns < CONFORM_SLACK_NS);
	}
	pump_start(&pump, c, p.b);
	check_ok(weft_batch_wait(batch, CONFORM_LIMIT_NS));
	pump_stop(&pump);
	net_check_done(batch, 1);
	weft_batch_close(batch);
	pair_close(&p);
}

static void blocking_calls_move(const struct conform *c)
{
	struct pump pump;
	struct pair p;

	pair_open(&p, c, 100000);
	pump_start(&pump, c, p.b);
	for (uint64_t i = 0; i < 100; i++) {
		area_fill(&p.mem_a, i, 99000, i);
		check_ok(weft_write(p.region_a, i, p.to_b, 2 * i, 99000, CONFORM_LIMIT_NS));
		check_holds(&p.mem_b, 2 * i, 99000, i);
		check_ok(weft_read(p.region_a, 0, p.to_b, 2 * i, 99000, CONFORM_LIMIT_NS));
		check_holds(&p.mem_a, 0, 99000, i);
	}
	check_rc(weft_write(p.region_a, 1, p.to_b, 0, 100000, CONFORM_LIMIT_NS), -WEFT_EBOUNDS);
	check_rc(weft_read(p.region_a, 0, p.to_b, 1, 100000, CONFORM_LIMIT_NS), -WEFT_EBOUNDS);
	pump_stop(&pump);
	pair_close(&p);
}

#define QUEUE 64u
#define ENTRY 256u

static int fill_and_submit(struct pair *p, struct weft_batch *batch, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++)
		check(weft_batch_write(batch, p->region_a, i * ENTRY, p->to_b, i * ENTRY, ENTRY, 0,
				       0) >= 0);
	return weft_submit(batch, CONFORM_LIMIT_NS);
}

/* The limit holds to the transfer, and what was refused can be submitted again. */
static void full_queue_refuses_and_recovers(const struct conform *c)
{
	struct weft_opts opts = net_opts(c);
	struct weft_batch *large, *full, *more;
	struct pair p;
	int rc;

	opts.submit_limit = QUEUE;
	pair_open_opts(&p, c, (size_t)2 * QUEUE * ENTRY, &opts, NULL);
	area_fill(&p.mem_a, 0, p.mem_a.len, 21);
	large = net_batch(p.a, QUEUE + 1);
	full = net_batch(p.a, QUEUE);
	more = net_batch(p.a, 1);
	check_rc(fill_and_submit(&p, large, QUEUE + 1), -WEFT_EQUEUEFULL);
	check_int(net_result(large, 0).state, WEFT_IDLE);
	check(net_stats(p.a).refused > 0);
	check_ok(fill_and_submit(&p, full, QUEUE));
	rc = fill_and_submit(&p, more, 1);
	if (rc != 0)
		check_rc(rc, -WEFT_EQUEUEFULL);
	if (c->progress == WEFT_PROGRESS_MANUAL)
		check_rc(rc, -WEFT_EQUEUEFULL);
	net_finish(&p.net, full);
	net_check_done(full, QUEUE);
	if (rc)
		check_ok(weft_submit(more, CONFORM_LIMIT_NS));
	net_finish(&p.net, more);
	net_check_done(more, 1);
	check_rc(weft_submit(large, CONFORM_LIMIT_NS), -WEFT_EQUEUEFULL);
	check_holds(&p.mem_b, 0, (size_t)QUEUE * ENTRY, 21);
	check_int(net_stats(p.a).writes_done, QUEUE + 1);
	weft_batch_close(large);
	weft_batch_close(full);
	weft_batch_close(more);
	pair_close(&p);
}

#define PRESS_BATCHES 16u
#define PRESS_EACH    24u
#define PRESS_ROUNDS  20u

struct press {
	struct weft_batch *batch;
	uint64_t at;
	uint32_t rounds;
	bool filled, active;
};

static void press_fill(struct pair *p, struct press *press)
{
	for (uint64_t i = 0, at = press->at; i < PRESS_EACH; i++, at += ENTRY)
		check_int(weft_batch_write(press->batch, p->region_a, at, p->to_b, at, ENTRY, 0, 0),
			  i);
	press->filled = true;
}

/* Takes it a step on; 1 if its submit was refused. */
static uint32_t press_turn(struct pair *p, struct press *press)
{
	int rc;

	if (press->active && weft_batch_poll(press->batch) == 1) {
		net_check_done(press->batch, PRESS_EACH);
		check_ok(weft_batch_reset(press->batch));
		press->active = press->filled = false;
		press->rounds++;
	}
	if (press->active || press->rounds == PRESS_ROUNDS)
		return 0;
	if (!press->filled)
		press_fill(p, press);
	rc = weft_submit(press->batch, CONFORM_LIMIT_NS);
	press->active = rc == 0;
	if (rc)
		check_rc(rc, -WEFT_EQUEUEFULL);
	return rc != 0;
}

/* More batches than fit, pressed in as fast as the queue lets them: nothing is lost. */
static void pressed_queue_loses_nothing(const struct conform *c)
{
	struct weft_opts opts = net_opts(c);
	struct press presses[PRESS_BATCHES] = { 0 };
	uint32_t refused = 0, left = PRESS_BATCHES;
	struct pair p;

	opts.submit_limit = QUEUE;
	opts.queue_depth = 16;
	pair_open_opts(&p, c, (size_t)PRESS_BATCHES * PRESS_EACH * ENTRY, &opts, NULL);
	area_fill(&p.mem_a, 0, p.mem_a.len, 22);
	for (uint32_t k = 0; k < PRESS_BATCHES; k++) {
		presses[k].batch = net_batch(p.a, PRESS_EACH);
		presses[k].at = (uint64_t)k * PRESS_EACH * ENTRY;
	}
	while (left) {
		left = 0;
		for (uint32_t k = 0; k < PRESS_BATCHES; k++) {
			refused += press_turn(&p, &presses[k]);
			left += presses[k].rounds < PRESS_ROUNDS;
		}
		net_turn(&p.net);
	}
	check(refused > 0);
	check_holds(&p.mem_b, 0, p.mem_b.len, 22);
	check_int(net_stats(p.a).writes_done, PRESS_ROUNDS * PRESS_BATCHES * PRESS_EACH);
	for (uint32_t k = 0; k < PRESS_BATCHES; k++)
		weft_batch_close(presses[k].batch);
	pair_close(&p);
}

static uint64_t rail_bytes(struct weft *weft)
{
	struct weft_rail_info rail = { .size = sizeof(rail) };
	uint64_t bytes = 0;

	for (uint32_t i = 0; weft_rail(weft, i, &rail) == 0; i++) {
		check_int(rail.posted, rail.done + rail.errors);
		check_int(rail.in_flight, 0);
		bytes += rail.bytes;
	}
	return bytes;
}

static void counters_add_up(const struct conform *c)
{
	uint64_t written = 0, read = 0;
	struct weft_stats stats;
	struct weft_batch *batch;
	struct pair p;

	pair_open(&p, c, 1024 * 1024);
	check_int(net_stats(p.a).regions, 1);
	check_int(net_stats(p.a).peers, 1);
	batch = net_batch(p.a, 64);
	for (uint64_t i = 0; i < 64; i++) {
		/* The last one is cut where there are several rails. */
		uint64_t len = i < 63 ? i / 2 * 1000 : 1024 * 1024;
		struct move move = { i % 4 == 0, p.region_a, 0, p.to_b, 0, len, 0, 0 };

		check(net_add(batch, &move) >= 0);
		*(move.read ? &read : &written) += move.len;
	}
	net_complete(&p.net, batch, 64);
	stats = net_stats(p.a);
	check_int(stats.writes_done, 48);
	check_int(stats.reads_done, 16);
	check_int(stats.bytes_written, written);
	check_int(stats.bytes_read, read);
	check_int(stats.failed + stats.cancelled + stats.deadline, 0);
	check_int(stats.submitted, 0);
	check_int(rail_bytes(p.a), written + read);
	check_int(net_stats(p.b).writes_done, 0);
	weft_batch_close(batch);
	net_unregister(&p.net, p.region_a);
	check_int(net_stats(p.a).regions, 0);
	pair_close(&p);
}

/* The window is half full of what was cancelled, and of nothing that hangs. */
static void much_is_cancelled_and_more_submitted(const struct conform *c)
{
	struct weft_opts ours = net_opts(c), theirs = net_opts(c);
	struct weft_batch *large, *small;
	uint32_t i, filled = 0;
	struct pair p;

	ours.devices = "delay_us=5000";
	ours.peer_window = 64;
	pair_open_opts(&p, c, 65536, &ours, &theirs);
	small = net_batch(p.a, 16);
	for (int round = 0; round < 10; round++) {
		large = net_batch(p.a, 64);
		for (i = 0; i < 64; i++)
			check_int(weft_batch_write(large, p.region_a, i * 1024, p.to_b, i * 1024,
						   1024, 0, 0),
				  i);
		check_ok(weft_submit(large, CONFORM_LIMIT_NS));
		until(&p.net, net_stats(p.a).in_flight >= 32);
		weft_batch_close(large);
		filled += net_stats(p.a).quarantined >= 32;
		for (i = 0; i < 16; i++)
			check_int(weft_batch_read(small, p.region_a, i * 64, p.to_b, i * 64, 64),
				  i);
		net_complete(&p.net, small, 16);
	}
	check(filled > 0);
	weft_batch_close(small);
	pair_close(&p);
}

const struct conform_case cases_batch[] = {
	{ "batch_is_used_again", batch_is_used_again, 0 },
	{ "batch_keeps_its_rules", batch_keeps_its_rules, 0 },
	{ "active_batch_is_busy", active_batch_is_busy, ONLY_MANUAL },
	{ "empty_batch_ends_at_once", empty_batch_ends_at_once, 0 },
	{ "end_is_told_once", end_is_told_once, 0 },
	{ "active_batch_can_be_closed", active_batch_can_be_closed, 0 },
	{ "wait_gives_up_and_resumes", wait_gives_up_and_resumes, 0 },
	{ "blocking_calls_move", blocking_calls_move, 0 },
	{ "full_queue_refuses_and_recovers", full_queue_refuses_and_recovers, 0 },
	{ "pressed_queue_loses_nothing", pressed_queue_loses_nothing, 0 },
	{ "counters_add_up", counters_add_up, 0 },
	{ "much_is_cancelled_and_more_submitted", much_is_cancelled_and_more_submitted,
	  NEEDS_SCRIPT },
	{ 0 },
};
