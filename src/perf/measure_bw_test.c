/* SPDX-License-Identifier: Apache-2.0 */
/* Bandwidth, pace, and what else is the same for all loops, on the model's clock. */
#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include <weft/weft.h>

#include "perf/measure.h"
#include "perf/measure_fake.h"
#include "perf/result.h"

static struct perf_run measured(const struct perf_case *c)
{
	struct perf_run run;

	assert_int_equal(perf_measure_alone(c, &run), 0);
	return run;
}

static void assert_share(double value, double truth, double share)
{
	if (fabs(value - truth) > share * fabs(truth))
		fail_msg("%g is not within %g of %g", value, share, truth);
}

/* Bytes per second. */
static double rate_of(const struct perf_side *side)
{
	return (double)side->bytes * 1e9 / (double)side->ns;
}

static struct perf_case wide_case(const char *model)
{
	struct perf_case c = fake_case(PERF_BW, PERF_WRITE, model);

	c.size = 65536;
	c.window = 64;
	c.post_list = 16;
	return c;
}

static void bandwidth_is_that_of_the_wire(void **state)
{
	static const enum perf_op ops[] = { PERF_WRITE, PERF_READ, PERF_SEND, PERF_WRITE_IMM };
	struct perf_case c = wide_case("service=10us jitter=5us rate=12.5GB/s");
	struct perf_run run;

	(void)state;
	for (int i = 0; i < 4; i++) {
		c.op = ops[i];
		run = measured(&c);
		assert_share(rate_of(&run.here), 12.5e9, 0.001);
		assert_int_equal(run.there.ops, 0);
		/* What the other side saw, where it sees anything. */
		assert_share((double)run.there.landed, i >= 2 ? (double)run.here.bytes : 0, 0.001);
		assert_share((double)run.here.landed,
			     ops[i] == PERF_READ ? (double)run.here.bytes : 0, 0.001);
		assert_true(run.here.ns >= c.duration_ns);
		assert_true(run.here.ns < c.duration_ns + 100000);
		/* That the clock was let go on is no gap. */
		assert_int_equal(run.here.longest_gap_ns, 0);
		perf_run_free(&run);
	}
}

static void both_ways_are_counted_at_both_ends(void **state)
{
	struct perf_case c = wide_case("service=10us rate=10GB/s");
	struct perf_run run;

	(void)state;
	c.bidir = true;
	c.op = PERF_SEND;
	run = measured(&c);
	assert_share(rate_of(&run.here), 10e9, 0.001);
	assert_share(rate_of(&run.there), 10e9, 0.001);
	assert_share((double)run.here.landed, (double)run.there.bytes, 0.001);
	assert_share((double)run.there.landed, (double)run.here.bytes, 0.001);
	perf_run_free(&run);
}

static void a_window_bounds_what_is_under_way(void **state)
{
	struct perf_case c = wide_case("service=20us");
	struct perf_run run;

	(void)state;
	/* 64 in 20 us each, of each endpoint of each thread. */
	c.eps = 3;
	c.threads = 2;
	c.duration_ns = 10 * NSEC_PER_MSEC;
	run = measured(&c);
	assert_share((double)run.here.ops * 1e9 / (double)run.here.ns, 6 * 64 / 20e-6, 0.001);
	perf_run_free(&run);
}

static void pace_is_kept_within_one_percent(void **state)
{
	static const uint64_t paces[] = { 10000000, 1000000000, 5000000000 };
	struct perf_case c = wide_case("service=10us jitter=9us rate=12.5GB/s");
	struct perf_run run;

	(void)state;
	for (int i = 0; i < 3; i++) {
		for (uint32_t threads = 1; threads <= 2; threads++) {
			c.pace = paces[i];
			c.threads = threads;
			c.size = i == 0 ? 512 : 65536;
			c.duration_ns = NSEC_PER_SEC / 5;
			run = measured(&c);
			assert_share(rate_of(&run.here), (double)c.pace, 0.01);
			perf_run_free(&run);
		}
	}
	/* More than the wire takes. */
	c.threads = 1;
	c.pace = 20000000000;
	run = measured(&c);
	assert_share(rate_of(&run.here), 12.5e9, 0.001);
	perf_run_free(&run);
}

static void a_stop_is_not_made_up_for_at_full_speed(void **state)
{
	struct perf_case c = wide_case("service=10us rate=12.5GB/s stall=400ms@10ms");
	struct perf_run run;

	(void)state;
	/* 400 ms of warm-up were lost; of that at most 10 ms come again. */
	c.pace = 1000000000;
	c.warm_ns = 400 * NSEC_PER_MSEC;
	c.duration_ns = NSEC_PER_SEC / 2;
	run = measured(&c);
	assert_true(rate_of(&run.here) <= 1e9 * 1.025);
	assert_true(rate_of(&run.here) >= 1e9 * 0.9);
	perf_run_free(&run);
}

static void exactly_iters_are_counted(void **state)
{
	static const enum perf_test tests[] = { PERF_BW, PERF_RATE, PERF_LAT, PERF_REG };
	struct perf_case c;
	struct perf_run run;

	(void)state;
	for (int i = 0; i < 4; i++) {
		c = fake_case(tests[i], PERF_SEND, "service=3us jitter=2us");
		c.duration_ns = 0;
		c.iters = 1009;
		run = measured(&c);
		assert_int_equal(run.here.ops, 1009);
		assert_int_equal(run.here.bytes, 1009 * c.size);
		assert_int_equal(run.latency ? run.latency->count : 1009, 1009);
		perf_run_free(&run);
	}
}

static void both_limits_end_it_whichever_is_first(void **state)
{
	struct perf_case c = fake_case(PERF_LAT, PERF_WRITE, "service=10us");
	struct perf_run run;

	(void)state;
	c.iters = 100000000;
	run = measured(&c);
	assert_in_range(run.here.ns, c.duration_ns, c.duration_ns + 10000);
	perf_run_free(&run);
	c.iters = 100;
	run = measured(&c);
	assert_int_equal(run.here.ns, 100 * 10000);
	perf_run_free(&run);
}

static void latency_is_there_and_back_where_the_twin_answers(void **state)
{
	static const struct {
		enum perf_op op;
		uint64_t ns;
	} rows[] = { { PERF_WRITE, 7000 },
		     { PERF_READ, 7000 },
		     { PERF_SEND, 14000 },
		     { PERF_WRITE_IMM, 14000 } };
	struct perf_case c = fake_case(PERF_LAT, PERF_WRITE, "service=7us");
	struct perf_run run;

	(void)state;
	for (uint32_t i = 0; i < 8; i++) {
		c.op = rows[i % 4].op;
		c.eps = i < 4 ? 1 : 5;
		c.window = i < 4 ? 1 : 16;
		c.post_list = 1;
		run = measured(&c);
		assert_int_equal(run.latency->min, rows[i % 4].ns);
		assert_int_equal(run.latency->max, rows[i % 4].ns);
		assert_int_equal(run.here.ops, run.latency->count);
		assert_share((double)run.here.ops, 100e6 / (double)rows[i % 4].ns, 0.001);
		assert_int_equal(run.duplicates, 0);
		perf_run_free(&run);
	}
}

static void registration_is_timed_apart_from_deregistration(void **state)
{
	struct perf_case c = fake_case(PERF_REG, PERF_WRITE, "service=50us outlier=9ms@1/100");
	struct perf_run run;

	(void)state;
	c.duration_ns = 0;
	c.iters = 1000;
	run = measured(&c);
	assert_int_equal(run.latency->min, 50000);
	assert_int_equal(run.latency->max, 9000000);
	assert_int_equal(run.closed->min, 25000);
	assert_int_equal(run.closed->max, 4500000);
	perf_run_free(&run);
}

static void the_same_case_gives_the_same_figures(void **state)
{
	struct perf_case c = wide_case("bimodal=9us,30us jitter=5us drift=10%");
	struct perf_run a, b;

	(void)state;
	c.threads = 3;
	c.eps = 2;
	c.duration_ns = c.warm_ns = 5 * NSEC_PER_MSEC;
	a = measured(&c);
	b = measured(&c);
	assert_int_equal(a.here.ops, b.here.ops);
	assert_int_equal(a.here.ns, b.here.ns);
	assert_int_equal(a.warm_ops, b.warm_ops);
	assert_int_equal(a.slices, b.slices);
	assert_memory_equal(a.slice, b.slice, a.slices * sizeof(*a.slice));
	perf_run_free(&b);
	c.seed++;
	b = measured(&c);
	assert_int_not_equal(a.here.ops, b.here.ops);
	perf_run_free(&a);
	perf_run_free(&b);
}

static void wrong_content_is_told_at_the_end_where_it_landed(void **state)
{
	struct perf_case c = wide_case("service=10us corrupt=1/1000");
	struct perf_run run;

	(void)state;
	run = measured(&c);
	assert_false(run.here.wrong || run.there.wrong);
	perf_run_free(&run);
	c.validate = true;
	run = measured(&c);
	assert_true(!run.here.wrong && run.there.wrong);
	perf_run_free(&run);
	c.op = PERF_READ;
	run = measured(&c);
	assert_true(run.here.wrong && !run.there.wrong);
	perf_run_free(&run);
}

static void a_lost_operation_is_an_error(void **state)
{
	static const enum perf_test tests[] = { PERF_BW, PERF_LAT, PERF_OPEN };
	struct perf_case c;
	struct perf_run run;

	(void)state;
	for (int i = 0; i < 3; i++) {
		c = fake_case(tests[i], PERF_WRITE, "service=10us loss=1/5000");
		c.rate = tests[i] == PERF_OPEN ? 100000 : 0;
		assert_int_equal(perf_measure_alone(&c, &run), -WEFT_EDEADLINE);
		assert_non_null(strstr(weft_error_detail(), "an operation was lost"));
		assert_non_null(strstr(weft_error_detail(), perf_test_word(tests[i])));
		assert_non_null(strstr(weft_error_detail(), "a model, no device"));
	}
}

static void what_is_not_possible_is_refused(void **state)
{
	struct perf_case c = fake_case(PERF_SETUP, PERF_WRITE, "");
	struct perf_run run;

	(void)state;
	assert_int_equal(perf_measure_alone(&c, &run), -EOPNOTSUPP);
	assert_non_null(strstr(weft_error_detail(), "does not do test setup"));
	c = fake_case(PERF_BW, PERF_WRITE, "service=fast");
	assert_int_equal(perf_measure_alone(&c, &run), -EINVAL);
	assert_non_null(strstr(weft_error_detail(), "\"service=fast\""));
	c = fake_case(PERF_BW, PERF_WRITE, "");
	strcpy(c.backend, "abacus");
	assert_int_equal(perf_measure_alone(&c, &run), -EINVAL);
	assert_non_null(strstr(weft_error_detail(), "no back end abacus"));
	c.size = 0;
	assert_int_equal(perf_measure_alone(&c, &run), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bandwidth_is_that_of_the_wire),
		cmocka_unit_test(both_ways_are_counted_at_both_ends),
		cmocka_unit_test(a_window_bounds_what_is_under_way),
		cmocka_unit_test(pace_is_kept_within_one_percent),
		cmocka_unit_test(a_stop_is_not_made_up_for_at_full_speed),
		cmocka_unit_test(exactly_iters_are_counted),
		cmocka_unit_test(both_limits_end_it_whichever_is_first),
		cmocka_unit_test(latency_is_there_and_back_where_the_twin_answers),
		cmocka_unit_test(registration_is_timed_apart_from_deregistration),
		cmocka_unit_test(the_same_case_gives_the_same_figures),
		cmocka_unit_test(wrong_content_is_told_at_the_end_where_it_landed),
		cmocka_unit_test(a_lost_operation_is_an_error),
		cmocka_unit_test(what_is_not_possible_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
