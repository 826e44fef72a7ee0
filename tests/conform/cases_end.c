/* SPDX-License-Identifier: Apache-2.0 */
/* Every transfer ends, in time, and its end says whether its memory is quiet. */
#include <pthread.h>
#include <string.h>
#include <unistd.h>

#include "frozen.h"

#define COUNT 64u
#define EACH  4096u
#define LEN   (COUNT * EACH)

static const uint64_t deadline_ns = 200 * NSEC_PER_MSEC;

/* Operations to a peer that does not answer stay in flight. Elsewhere they may also be placed. */
static bool hangs(const struct conform *c)
{
	return c->row->needs_target || c->row->script;
}

/* How many ended in the way that is expected; the others must be done, their data in place. */
static uint32_t count_unfinished(const struct frozen *f, const struct weft_batch *batch,
				 uint32_t count, int state, int error)
{
	uint32_t unfinished = 0;

	for (uint64_t i = 0; i < count; i++) {
		struct weft_result result = net_result(batch, (uint32_t)i);
		uint64_t at = i * f->each % f->mem.len;

		if (result.state == WEFT_DONE) {
			check_ok(result.error);
			check_int(result.quiescent, 1);
			check(!memcmp(f->mem.base + at, f->far->base + at, f->each));
			continue;
		}
		check_int(result.state, state);
		check_rc(result.error, error);
		unfinished++;
	}
	if (!hangs(f->net.conform))
		conform_note("%u of %u were placed in the stopped process's memory",
			     count - unfinished, count);
	else
		check(unfinished > 0);
	return unfinished;
}

static uint32_t count_loud(const struct weft_batch *batch, uint32_t count)
{
	uint32_t loud = 0;

	for (uint32_t i = 0; i < count; i++)
		loud += !net_result(batch, i).quiescent;
	return loud;
}

static void deadline_ends_transfers(const struct conform *c, bool read)
{
	struct weft_batch *batch;
	struct frozen f;
	uint64_t start_ns;

	frozen_open(&f, c, LEN, false, NULL);
	batch = net_batch(f.a, COUNT);
	frozen_fill(&f, batch, read, COUNT, EACH);
	start_ns = clock_ns();
	check_ok(weft_submit(batch, deadline_ns));
	net_finish(&f.net, batch);
	if (hangs(c))
		check(clock_ns() - start_ns >= deadline_ns - NSEC_PER_MSEC);
	check(clock_ns() - start_ns < deadline_ns + CONFORM_SLACK_NS);
	check_int(count_unfinished(&f, batch, COUNT, WEFT_DEADLINE, -WEFT_EDEADLINE),
		  net_stats(f.a).deadline);
	if (!hangs(c)) {
		weft_batch_close(batch);
		frozen_close(&f);
		return;
	}
	check_rc(weft_batch_error(batch), -WEFT_EDEADLINE);
	/* What was posted hangs, and is told. */
	check(count_loud(batch, COUNT) > 0);
	check_rc(weft_batch_quiesce(batch, NSEC_PER_MSEC), -WEFT_ENOTQUIET);
	check_rc(weft_batch_reset(batch), -WEFT_ENOTQUIET);
	check_rc(weft_unregister(f.region, NSEC_PER_MSEC), -WEFT_ENOTQUIET);
	check(net_stats(f.a).quarantined > 0);
	weft_batch_close(batch);
	frozen_close(&f);
}

static void deadline_ends_writes(const struct conform *c)
{
	deadline_ends_transfers(c, false);
}

static void deadline_ends_reads(const struct conform *c)
{
	deadline_ends_transfers(c, true);
}

/* A deadline that has passed already, and one that never comes close. */
static void extreme_deadlines(const struct conform *c)
{
	struct weft_batch *batch;
	struct pair p;
	int rc;

	pair_open(&p, c, 4096);
	batch = net_batch(p.a, 1);
	for (int i = 0; i < 20; i++) {
		check_int(weft_batch_write(batch, p.region_a, 0, p.to_b, 0, 4096, 0, 0), 0);
		check_ok(weft_submit(batch, i % 2 ? WEFT_FOREVER : i % 4));
		net_finish(&p.net, batch);
		rc = weft_batch_error(batch);
		if (rc)
			check_rc(rc, -WEFT_EDEADLINE);
		check(rc == 0 || i % 2 == 0);
		until(&p.net, weft_batch_quiesce(batch, 0) == 0);
		check_ok(weft_batch_reset(batch));
	}
	weft_batch_close(batch);
	pair_close(&p);
}

/* Many times what may be in flight to one peer: the rest waits, and ends with the others. */
static void window_bounds_what_hangs(const struct conform *c)
{
	enum {
		MANY = 4000
	};
	struct weft_opts opts = net_opts(c);
	struct weft_peer_info info = { .size = sizeof(info) };
	struct weft_batch *batch;
	struct frozen f;

	opts.peer_window = 32;
	frozen_open(&f, c, LEN, false, &opts);
	batch = net_batch(f.a, MANY);
	frozen_fill(&f, batch, false, MANY, 64);
	check_ok(weft_submit(batch, deadline_ns));
	while (weft_batch_poll(batch) == 0) {
		check(net_stats(f.a).in_flight <= 32);
		net_turn(&f.net);
	}
	count_unfinished(&f, batch, MANY, WEFT_DEADLINE, -WEFT_EDEADLINE);
	check(count_loud(batch, MANY) <= 32);
	check_ok(weft_peer_info(weft_remote_peer(f.remote), &info));
	check(info.in_flight <= 32 && info.quarantined <= info.in_flight);
	check_int(net_stats(f.a).submitted, 0);
	weft_batch_close(batch);
	frozen_close(&f);
}

/* However often one tries: what hangs stays bounded, and it is said why nothing goes. */
static void stuck_peer_is_bounded(const struct conform *c)
{
	struct weft_opts opts = net_opts(c);
	struct weft_batch *batch;
	struct frozen f;
	bool stuck = false;

	opts.peer_window = 32;
	frozen_open(&f, c, LEN, false, &opts);
	for (int round = 0; round < 40 && !stuck; round++) {
		batch = net_batch(f.a, 16);
		frozen_fill(&f, batch, round % 2, 16, 64);
		check_ok(weft_submit(batch, 20 * NSEC_PER_MSEC));
		net_finish(&f.net, batch);
		for (uint32_t i = 0; i < 16; i++) {
			struct weft_result result = net_result(batch, i);

			if (result.state == WEFT_DONE && !hangs(c))
				continue;
			if (result.error == -WEFT_EPEERSTUCK)
				stuck = true;
			else
				check_rc(result.error, -WEFT_EDEADLINE);
		}
		weft_batch_close(batch);
		check(net_stats(f.a).in_flight <= 32);
	}
	/* Of several rails one may take nothing that could hang. */
	check(stuck || !hangs(c) || net_stats(f.a).quarantined < 16);
	frozen_close(&f);
}

/* All that hung has ended while the caller was away. */
static void who_was_away_finds_nobody_stuck(const struct conform *c)
{
	struct weft_opts opts = net_opts(c);
	struct weft_batch *batch;
	struct frozen f;

	opts.peer_window = 32;
	frozen_open(&f, c, LEN, true, &opts);
	batch = net_batch(f.a, 32);
	frozen_fill(&f, batch, false, 32, 64);
	check_ok(weft_submit(batch, NSEC_PER_MSEC));
	until(&f.net, net_stats(f.a).quarantined == 32);
	usleep(2 * FROZEN_DELAY_NS / NSEC_PER_USEC);
	check_ok(net_move(&f.net, f.a, &(struct move){ false, f.region, 0, f.remote, 0, 64, 0, 0 },
			  CONFORM_LIMIT_NS));
	weft_batch_close(batch);
	frozen_close(&f);
}

static void cancel_answers_at_once(const struct conform *c, bool read)
{
	struct weft_batch *batch;
	struct frozen f;
	uint64_t start_ns;

	frozen_open(&f, c, LEN, true, NULL);
	area_fill(&f.mem, 0, LEN, 1);
	batch = net_batch(f.a, COUNT);
	frozen_fill(&f, batch, read, COUNT, EACH);
	check_ok(weft_submit(batch, CONFORM_LIMIT_NS));
	net_run(&f.net, 20 * NSEC_PER_MSEC);
	start_ns = clock_ns();
	check_ok(weft_batch_cancel(batch));
	check_int(weft_batch_poll(batch), 1);
	check(clock_ns() - start_ns < CONFORM_SLACK_NS);
	count_unfinished(&f, batch, COUNT, WEFT_CANCELLED, -WEFT_ECANCELLED);
	if (hangs(c)) {
		check(count_loud(batch, COUNT) > 0);
		check_rc(weft_batch_error(batch), -WEFT_ECANCELLED);
	}
	frozen_thaw(&f);
	until(&f.net, weft_batch_quiesce(batch, 0) == 0);
	check_int(count_loud(batch, COUNT), 0);
	/* Quiet: neither side's memory changes, and what is new here gets nowhere. */
	area_fill(&f.mem, 0, LEN, 2);
	area_fill(f.far, 0, LEN, 3);
	net_run(&f.net, 100 * NSEC_PER_MSEC);
	check_holds(&f.mem, 0, LEN, 2);
	check_holds(f.far, 0, LEN, 3);
	check_ok(weft_batch_reset(batch));
	frozen_fill(&f, batch, false, COUNT, EACH);
	net_complete(&f.net, batch, COUNT);
	check_holds(f.far, 0, LEN, 2);
	weft_batch_close(batch);
	net_unregister(&f.net, f.region);
	frozen_close(&f);
}

static void cancelled_writes_fall_quiet(const struct conform *c)
{
	cancel_answers_at_once(c, false);
}

static void cancelled_reads_fall_quiet(const struct conform *c)
{
	cancel_answers_at_once(c, true);
}

/* Cancelling what has ended, and what was never started, changes nothing. */
static void cancel_of_the_ended_is_nothing(const struct conform *c)
{
	struct weft_batch *batch;
	struct pair p;

	pair_open(&p, c, 4096);
	batch = net_batch(p.a, 1);
	weft_batch_cancel(batch);
	check_int(weft_batch_write(batch, p.region_a, 0, p.to_b, 0, 64, 0, 0), 0);
	check_ok(weft_submit(batch, CONFORM_LIMIT_NS));
	net_finish(&p.net, batch);
	check_ok(weft_batch_cancel(batch));
	net_check_done(batch, 1);
	check_int(net_stats(p.a).cancelled, 0);
	weft_batch_close(batch);
	pair_close(&p);
}

/* Cancels at many moments of a stream that moves. */
static void cancel_in_mid_stream(const struct conform *c)
{
	struct weft_batch *batch;
	struct pair p;

	pair_open(&p, c, LEN);
	batch = net_batch(p.a, 512);
	for (int round = 0; round < 40; round++) {
		for (uint64_t i = 0; i < 512; i++) {
			struct move move = { round % 2,
					     p.region_a,
					     i % COUNT * EACH,
					     p.to_b,
					     i % COUNT * EACH,
					     EACH,
					     0,
					     0 };

			check_int(net_add(batch, &move), i);
		}
		check_ok(weft_submit(batch, CONFORM_LIMIT_NS));
		for (int turn = 0; turn < round; turn++)
			net_turn(&p.net);
		check_ok(weft_batch_cancel(batch));
		check_int(weft_batch_poll(batch), 1);
		until(&p.net, weft_batch_quiesce(batch, 0) == 0);
		area_fill(&p.mem_a, 0, LEN, (uint64_t)round);
		area_fill(&p.mem_b, 0, LEN, (uint64_t)round);
		for (int turn = 0; turn < 20; turn++)
			net_turn(&p.net);
		check_holds(&p.mem_a, 0, LEN, (uint64_t)round);
		check_holds(&p.mem_b, 0, LEN, (uint64_t)round);
		check_ok(weft_batch_reset(batch));
	}
	weft_batch_close(batch);
	pair_close(&p);
}

static void disconnect_cancels(const struct conform *c)
{
	struct weft_batch *batch;
	struct move move;
	struct frozen f;

	frozen_open(&f, c, LEN, false, NULL);
	batch = net_batch(f.a, COUNT);
	frozen_fill(&f, batch, true, COUNT, EACH);
	check_ok(weft_submit(batch, CONFORM_LIMIT_NS));
	net_run(&f.net, 20 * NSEC_PER_MSEC);
	weft_disconnect(weft_remote_peer(f.remote));
	check_int(weft_batch_poll(batch), 1);
	count_unfinished(&f, batch, COUNT, WEFT_CANCELLED, -WEFT_ECANCELLED);
	check_rc(weft_remote_status(f.remote), -WEFT_EPEERGONE);
	move = (struct move){ false, f.region, 0, f.remote, 0, 64, 0, 0 };
	check_rc(net_move(&f.net, f.a, &move, deadline_ns), -WEFT_EPEERGONE);
	weft_batch_close(batch);
	frozen_close(&f);
}

static void *thaw_soon(void *arg)
{
	usleep(500000);
	frozen_thaw(arg);
	return NULL;
}

/* With a peer that will not answer. */
static void close_with_work_in_flight(const struct conform *c)
{
	struct weft_batch *reads, *writes;
	struct frozen f;
	uint64_t start_ns;
	pthread_t thaw;

	frozen_open(&f, c, 2 * LEN, true, NULL);
	area_fill(&f.mem, 0, 2 * LEN, 1);
	reads = net_batch(f.a, COUNT);
	writes = net_batch(f.a, 2 * COUNT);
	frozen_fill(&f, writes, false, 2 * COUNT, EACH);
	frozen_fill(&f, reads, true, COUNT, EACH);
	check_ok(weft_submit(writes, CONFORM_LIMIT_NS));
	check_ok(weft_submit(reads, CONFORM_LIMIT_NS));
	net_run(&f.net, 20 * NSEC_PER_MSEC);
	if (c->row->close_waits)
		check_int(pthread_create(&thaw, NULL, thaw_soon, &f), 0);
	start_ns = clock_ns();
	net_close(&f.net, f.a);
	conform_note("closed after %llu ms",
		     (unsigned long long)((clock_ns() - start_ns) / NSEC_PER_MSEC));
	check(clock_ns() - start_ns < 10 * NSEC_PER_SEC);
	area_fill(&f.mem, 0, 2 * LEN, 2);
	if (c->row->close_waits)
		check_int(pthread_join(thaw, NULL), 0);
	else
		frozen_thaw(&f);
	net_run(&f.net, FROZEN_DELAY_NS + 100 * NSEC_PER_MSEC);
	check_holds(&f.mem, 0, 2 * LEN, 2);
	check(area_lacks(f.far, 0, 2 * LEN, 2));
	frozen_close(&f);
}

/* With a peer that is in the middle of it. */
static void close_in_mid_stream(const struct conform *c)
{
	for (int round = 0; round < 12; round++) {
		struct weft_batch *batch;
		struct pair p;

		pair_open(&p, c, LEN);
		batch = net_batch(p.a, 512);
		for (uint64_t i = 0; i < 512; i++)
			check(weft_batch_read(batch, p.region_a, i % COUNT * EACH, p.to_b,
					      i % COUNT * EACH, EACH) >= 0);
		check_ok(weft_submit(batch, CONFORM_LIMIT_NS));
		for (int turn = 0; turn < round; turn++)
			net_turn(&p.net);
		net_close(&p.net, round % 3 == 2 ? p.b : p.a);
		area_fill(round % 3 == 2 ? &p.mem_b : &p.mem_a, 0, LEN, 5);
		net_run(&p.net, 10 * NSEC_PER_MSEC);
		check_holds(round % 3 == 2 ? &p.mem_b : &p.mem_a, 0, LEN, 5);
		if (round % 3 == 2)
			net_finish(&p.net, batch);
		net_drop(&p.net);
		area_close(&p.mem_a);
		area_close(&p.mem_b);
	}
}

/* The ends of an engine whose peer has said goodbye come at once, not by their deadline. */
static void goodbye_ends_transfers(const struct conform *c)
{
	struct weft_batch *batch;
	struct move move;
	struct pair p;
	uint64_t start_ns = clock_ns();

	pair_open(&p, c, 4096);
	move = (struct move){ false, p.region_a, 0, p.to_b, 0, 4096, 0, 0 };
	batch = net_batch(p.a, 1);
	check_int(net_add(batch, &move), 0);
	net_close(&p.net, p.b);
	until(&p.net, weft_remote_status(p.to_b) != 0);
	check_rc(weft_remote_status(p.to_b), -WEFT_EPEERGONE);
	check_rc(net_move(&p.net, p.a, &move, WEFT_FOREVER), -WEFT_EPEERGONE);
	check_ok(weft_submit(batch, WEFT_FOREVER));
	net_finish(&p.net, batch);
	check_rc(weft_batch_error(batch), -WEFT_EPEERGONE);
	check(clock_ns() - start_ns < 10 * NSEC_PER_SEC);
	check_int(net_stats(p.a).peers_gone, 1);
	weft_batch_close(batch);
	check_ok(weft_remote_close(p.to_b));
	check_int(net_stats(p.a).peers, 0);
	pair_close(&p);
}

const struct conform_case cases_end[] = {
	{ "deadline_ends_writes", deadline_ends_writes, 0 },
	{ "deadline_ends_reads", deadline_ends_reads, 0 },
	{ "extreme_deadlines", extreme_deadlines, 0 },
	{ "window_bounds_what_hangs", window_bounds_what_hangs, 0 },
	{ "stuck_peer_is_bounded", stuck_peer_is_bounded, 0 },
	{ "cancelled_writes_fall_quiet", cancelled_writes_fall_quiet, 0 },
	{ "cancelled_reads_fall_quiet", cancelled_reads_fall_quiet, 0 },
	{ "cancel_of_the_ended_is_nothing", cancel_of_the_ended_is_nothing, 0 },
	{ "cancel_in_mid_stream", cancel_in_mid_stream, 0 },
	{ "disconnect_cancels", disconnect_cancels, 0 },
	{ "close_with_work_in_flight", close_with_work_in_flight, 0 },
	{ "close_in_mid_stream", close_in_mid_stream, 0 },
	{ "goodbye_ends_transfers", goodbye_ends_transfers, 0 },
	{ "who_was_away_finds_nobody_stuck", who_was_away_finds_nobody_stuck,
	  NEEDS_SCRIPT | ONLY_MANUAL },
	{ 0 },
};
