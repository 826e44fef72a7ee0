/* SPDX-License-Identifier: Apache-2.0 */
/* One mode or two: planted shapes with much and with little noise. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "perf/stats.h"
#include "perf/stats_kit.h"

static struct hist *hist;

static int make_hist(void **state)
{
	(void)state;
	hist = mem_zalloc(sizeof(*hist));
	return hist ? 0 : -1;
}

static int free_hist(void **state)
{
	(void)state;
	mem_free(hist);
	return 0;
}

/* n values around a middle, as logarithms are: width is a share of it. tick: of the clock. */
static void add_mode(uint32_t n, double middle, double width, uint64_t tick, uint64_t *seed)
{
	uint64_t value;

	while (n--) {
		value = (uint64_t)(middle * exp(width * next_normal(seed)));
		hist_record(hist, value / tick * tick);
	}
}

static void one_mode_with_noise_is_one(void **state)
{
	static const double middles[] = { 40, 300, 1000, 15000, 2e6 };
	static const double widths[] = { 0, 0.02, 0.1, 0.5, 1 };
	static const uint32_t ns[] = { 200, 1000, 20000 };
	uint64_t seed = 1;
	int round, m, w, n;

	(void)state;
	for (round = 0; round < 20; round++)
		for (m = 0; m < 5; m++)
			for (w = 0; w < 5; w++)
				for (n = 0; n < 3; n++) {
					hist_reset(hist);
					add_mode(ns[n], middles[m], widths[w], 1, &seed);
					assert_false(perf_bimodal(hist));
				}
}

static void a_clock_with_ticks_makes_no_modes(void **state)
{
	static const uint64_t ticks[] = { 8, 20, 42, 100 };
	uint64_t seed = 2;
	int t;

	(void)state;
	for (t = 0; t < 4; t++) {
		hist_reset(hist);
		add_mode(50000, 40.0 * (double)ticks[t], 0.2, ticks[t], &seed);
		assert_false(perf_bimodal(hist));
	}
}

static void two_modes_are_two(void **state)
{
	static const double seconds[] = { 1800, 3000, 20000, 500000 };
	static const uint32_t shares[] = { 10, 50, 90 };
	uint64_t seed = 3;
	int round, k, s;

	(void)state;
	for (round = 0; round < 20; round++)
		for (k = 0; k < 4; k++)
			for (s = 0; s < 3; s++) {
				hist_reset(hist);
				add_mode(50 * shares[s], 1000, 0.05, 1, &seed);
				add_mode(50 * (100 - shares[s]), seconds[k], 0.05, 1, &seed);
				assert_true(perf_bimodal(hist));
			}
}

static void outliers_and_tails_are_no_mode(void **state)
{
	uint64_t seed = 4;
	int i;

	(void)state;
	/* 1 % at 500 us matters for percentiles; it is no second mode. */
	add_mode(99000, 15000, 0.05, 1, &seed);
	hist_record_n(hist, 500000, 1000);
	assert_false(perf_bimodal(hist));
	/* A tail that falls as 1/x. */
	hist_reset(hist);
	for (i = 0; i < 100000; i++)
		hist_record(hist, (uint64_t)(1000 / (1 - 0.999 * next_random(&seed))));
	assert_false(perf_bimodal(hist));
	/* Evenly spread. */
	hist_reset(hist);
	for (i = 0; i < 100000; i++)
		hist_record(hist, (uint64_t)(5000 + 5000 * next_random(&seed)));
	assert_false(perf_bimodal(hist));
}

static void modes_of_few_samples_are_not_told(void **state)
{
	(void)state;
	assert_false(perf_bimodal(hist));
	hist_record_n(hist, 1000, 50);
	hist_record_n(hist, 9000, 50);
	assert_false(perf_bimodal(hist));
	hist_record_n(hist, 1000, 150);
	hist_record_n(hist, 9000, 150);
	assert_true(perf_bimodal(hist));
}

static void the_ends_of_the_range_are_in_bounds(void **state)
{
	(void)state;
	hist_record_n(hist, 0, 1000);
	assert_false(perf_bimodal(hist));
	hist_record_n(hist, UINT64_MAX, 1000);
	assert_true(perf_bimodal(hist));
}

#define SHAPE(test) cmocka_unit_test_setup_teardown(test, make_hist, free_hist)

int main(void)
{
	const struct CMUnitTest tests[] = {
		SHAPE(one_mode_with_noise_is_one),
		SHAPE(a_clock_with_ticks_makes_no_modes),
		SHAPE(two_modes_are_two),
		SHAPE(outliers_and_tails_are_no_mode),
		SHAPE(modes_of_few_samples_are_not_told),
		SHAPE(the_ends_of_the_range_are_in_bounds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
