/* SPDX-License-Identifier: Apache-2.0 */
/* The open loop on the model's clock: what a stopped peer costs, and what closed loops hide. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "perf/measure.h"
#include "perf/measure_fake.h"
#include "perf/result.h"
#include "perf/stats.h"

#define STOPPED "service=10us jitter=1us stall=100ms@1s"

static struct perf_run measured(const struct perf_case *c)
{
	struct perf_run run;

	assert_int_equal(perf_measure_alone(c, &run), 0);
	return run;
}

static struct perf_case open_case(const char *model)
{
	struct perf_case c = fake_case(PERF_OPEN, PERF_WRITE, model);

	c.duration_ns = 2 * NSEC_PER_SEC;
	c.rate = 100000;
	return c;
}

static void assert_share(double value, double truth, double share)
{
	if (fabs(value - truth) > share * fabs(truth))
		fail_msg("%g is not within %g of %g", value, share, truth);
}

static void a_stopped_peer_shows_in_the_open_loop(void **state)
{
	struct perf_case c = open_case(STOPPED);
	struct perf_run run = measured(&c);

	(void)state;
	assert_int_equal(run.latency->count, 200000);
	/*
	 * 10,000 were due while it was stopped, and waited evenly from 100 ms down to nothing: the
	 * 200th longest of all waited for 98 ms.
	 */
	assert_share(perf_percentile(run.latency, 0.999), 98e6, 0.005);
	assert_share((double)run.latency->max, 100e6, 0.001);
	assert_share(perf_percentile(run.latency, 0.5), 10e3, 0.02);
	/* From when each was posted, only what filled the window saw it. */
	assert_true(perf_percentile(run.closed, 0.999) <= 11000 * (1 + 1.0 / 1024));
	assert_share((double)run.closed->max, 100e6, 0.001);
	/* All but those of the window waited, and those after, until it had caught up. */
	assert_in_range(run.late, 9900, 11500);
	perf_run_free(&run);
}

static void a_stopped_peer_hides_in_a_closed_loop(void **state)
{
	struct perf_case c = fake_case(PERF_LAT, PERF_WRITE, STOPPED);
	struct perf_run run;

	(void)state;
	c.duration_ns = 2 * NSEC_PER_SEC;
	run = measured(&c);
	assert_true(run.latency->count > 180000);
	assert_true(perf_percentile(run.latency, 0.999) <= 11000 * (1 + 1.0 / 1024));
	/* It was there. */
	assert_share((double)run.latency->max, 100e6, 0.001);
	perf_run_free(&run);
}

static void an_idle_peer_shows_its_service_alone(void **state)
{
	struct perf_case c = open_case("service=10us");
	struct perf_run run = measured(&c);

	(void)state;
	assert_int_equal(run.latency->count, 200000);
	assert_int_equal(run.latency->min, 10000);
	assert_int_equal(run.latency->max, 10000);
	assert_int_equal(run.late, 0);
	assert_share((double)run.here.ops * 1e9 / (double)run.here.ns, c.rate, 0.001);
	perf_run_free(&run);
}

static void answers_are_there_and_back(void **state)
{
	static const enum perf_op ops[] = { PERF_SEND, PERF_WRITE_IMM, PERF_READ };
	struct perf_case c = open_case("service=10us");
	struct perf_run run;

	(void)state;
	c.duration_ns = NSEC_PER_SEC / 10;
	c.eps = 3;
	for (int i = 0; i < 3; i++) {
		c.op = ops[i];
		run = measured(&c);
		assert_int_equal(run.latency->count, 10000);
		assert_int_equal(run.latency->min, ops[i] == PERF_READ ? 10000 : 20000);
		assert_int_equal(run.latency->max, run.latency->min);
		assert_share((double)run.here.landed, 10000.0 * (double)c.size, 0.001);
		assert_int_equal(run.duplicates, 0);
		perf_run_free(&run);
	}
}

static void more_than_is_possible_is_not_hidden(void **state)
{
	struct perf_case c = open_case("service=10us");
	struct perf_run run;

	(void)state;
	/* A window of one: 100,000 per second are possible. */
	c.window = c.post_list = 1;
	c.rate = 200000;
	c.duration_ns = NSEC_PER_SEC;
	c.warm_ns = 0;
	run = measured(&c);
	assert_share((double)run.here.ops * 1e9 / (double)run.here.ns, 100000, 0.001);
	/* Each that was due is in it, at last those that were never posted. */
	assert_int_equal(run.latency->count, 200000);
	assert_share(perf_percentile(run.latency, 0.5), 0.5e9, 0.01);
	assert_share((double)run.latency->max, 1e9, 0.01);
	assert_in_range(run.late, 199990, 200000);
	perf_run_free(&run);
	/* A stop at the end, too: half of its operations could not be posted any more. */
	c.rate = 1000;
	c.duration_ns = NSEC_PER_SEC;
	strcpy(c.model, "service=10us stall=10s@500ms");
	assert_true(perf_measure_alone(&c, &run) < 0);
	strcpy(c.model, "service=10us stall=3s@500ms");
	run = measured(&c);
	assert_int_equal(run.latency->count, 1000);
	assert_share((double)run.here.ops, 500, 0.01);
	assert_true((double)run.latency->max >= 1e9);
	assert_in_range(run.late, 498, 500);
	perf_run_free(&run);
}

static void exactly_iters_are_counted(void **state)
{
	struct perf_case c = open_case("service=10us jitter=9us");
	struct perf_run run;

	(void)state;
	c.duration_ns = 0;
	c.iters = 12345;
	c.threads = 2;
	run = measured(&c);
	assert_int_equal(run.latency->count, 2 * 12345);
	assert_int_equal(run.closed->count, 2 * 12345);
	/* Two threads of half the rate each. */
	assert_share((double)run.here.ns, 12345 / 50000.0 * 1e9, 0.001);
	perf_run_free(&run);
}

static void several_due_at_once_are_handed_over_together(void **state)
{
	struct perf_case c = open_case("service=10us rate=4GB/s");
	struct perf_run run;

	(void)state;
	/* Bursts by a stop: the schedule holds, and nothing is posted before it is due. */
	c.rate = 900000;
	c.window = 64;
	c.post_list = 16;
	c.duration_ns = NSEC_PER_SEC / 10;
	run = measured(&c);
	assert_int_equal(run.latency->count, 90000);
	assert_true(run.latency->min >= 10000);
	assert_true(run.latency->max < 15000);
	perf_run_free(&run);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_stopped_peer_shows_in_the_open_loop),
		cmocka_unit_test(a_stopped_peer_hides_in_a_closed_loop),
		cmocka_unit_test(an_idle_peer_shows_its_service_alone),
		cmocka_unit_test(answers_are_there_and_back),
		cmocka_unit_test(more_than_is_possible_is_not_hidden),
		cmocka_unit_test(exactly_iters_are_counted),
		cmocka_unit_test(several_due_at_once_are_handed_over_together),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
