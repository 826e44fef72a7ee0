/* SPDX-License-Identifier: Apache-2.0 */
#include "perf/stats.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "perf/stats_kit.h"

static void medians_have_the_known_intervals(void **state)
{
	/* Ranks of the 95 % interval of the median, as tables of the sign test have them. */
	static const struct {
		uint32_t n, low, high;
	} known[] = { { 6, 1, 6 },    { 7, 1, 7 },    { 8, 1, 8 },    { 9, 2, 8 },   { 10, 2, 9 },
		      { 12, 3, 10 },  { 15, 4, 12 },  { 17, 5, 13 },  { 20, 6, 15 }, { 25, 8, 18 },
		      { 30, 10, 21 }, { 50, 18, 33 }, { 100, 40, 61 } };
	double values[100];
	struct perf_median m;
	size_t k;
	uint32_t i;

	(void)state;
	for (k = 0; k < sizeof(known) / sizeof(known[0]); k++) {
		for (i = 0; i < known[k].n; i++)
			values[i] = (i * 7919 + 3) % known[k].n + 1;
		/* A permutation of 1..n, as 7919 is a prime above all n. */
		m = perf_median_of(values, known[k].n);
		assert_true(m.median == (known[k].n + 1) / 2.0);
		assert_true(m.low == known[k].low);
		assert_true(m.high == known[k].high);
		assert_int_equal(m.n, known[k].n);
		assert_true(fabs(perf_median_width(&m) - (m.high - m.low) / 2 / m.median) < 1e-12);
	}
}

static void few_values_have_no_interval(void **state)
{
	static const double values[] = { 5, 1, 4, 2, 3 };
	struct perf_median m;
	uint32_t n;

	(void)state;
	m = perf_median_of(values, 0);
	assert_true(isnan(m.median) && isnan(m.low) && isnan(m.high) && isnan(m.cv));
	for (n = 1; n <= 5; n++) {
		m = perf_median_of(values, n);
		assert_true(isnan(m.low) && isnan(m.high));
		assert_true(isnan(perf_median_width(&m)));
		assert_true(isnan(m.cv) == (n < 2));
	}
	assert_true(m.median == 3);
	assert_true(fabs(m.cv - sqrt(2.5) / 3) < 1e-12);
	/* What was not measured is no value that could be left out. */
	assert_true(isnan(perf_median_of((double[]){ 1, NAN, 2 }, 3).median));
}

static void an_interval_of_many_values_is_found(void **state)
{
	static double values[20000];
	struct perf_median m;
	uint32_t i;

	(void)state;
	for (i = 0; i < 20000; i++)
		values[i] = i + 1;
	m = perf_median_of(values, 20000);
	/* n/2 -+ 1.96 sqrt(n)/2 */
	assert_true(fabs(m.low - (10000 - 0.98 * sqrt(20000))) < 2);
	assert_true(fabs(m.high - (10001 + 0.98 * sqrt(20000))) < 2);
}

static void intervals_cover_the_median_as_often_as_they_say(void **state)
{
	static const uint32_t ns[] = { 6, 10, 23 };
	uint32_t k, i, round, covered;
	uint64_t seed = 11;
	double values[23];
	struct perf_median m;

	(void)state;
	for (k = 0; k < 3; k++) {
		for (round = covered = 0; round < 4000; round++) {
			/* Far from normal: the median of exp(x) is 1. */
			for (i = 0; i < ns[k]; i++)
				values[i] = exp(2 * next_normal(&seed));
			m = perf_median_of(values, ns[k]);
			covered += m.low <= 1 && m.high >= 1;
		}
		/* 95 % less four standard deviations of the count. */
		assert_true(covered >= 4000 * 0.95 - 4 * sqrt(4000 * 0.95 * 0.05));
		assert_true(covered < 4000);
	}
}

static void percentiles_ask_for_enough_samples(void **state)
{
	struct hist *hist = mem_zalloc(sizeof(*hist));

	(void)state;
	assert_non_null(hist);
	assert_true(isnan(perf_percentile(hist, 0.5)));
	hist_record_n(hist, 100, 199);
	assert_true(isnan(perf_percentile(hist, 0.5)));
	hist_record(hist, 100);
	assert_true(perf_percentile(hist, 0.5) == 100);
	assert_true(isnan(perf_percentile(hist, 0.9)));
	hist_record_n(hist, 100, 99999 - hist->count);
	assert_true(perf_percentile(hist, 0.99) == 100);
	assert_true(isnan(perf_percentile(hist, 0.999)));
	hist_record(hist, 100);
	assert_true(perf_percentile(hist, 0.999) == 100);
	assert_true(isnan(perf_percentile(hist, 0.9999)));
	assert_true(isnan(perf_percentile(hist, 1)));
	assert_true(isnan(perf_percentile(hist, -0.1)));
	assert_true(isnan(perf_percentile(hist, NAN)));
	mem_free(hist);
}

static void ratios_are_bootstrapped_the_same_each_time(void **state)
{
	double a[10], b[12];
	struct perf_median m, again;
	uint64_t seed = 5;
	int i;

	(void)state;
	for (i = 0; i < 10; i++)
		a[i] = 200 + next_normal(&seed);
	for (i = 0; i < 12; i++)
		b[i] = 100 + next_normal(&seed);
	m = perf_ratio(a, 10, b, 12);
	again = perf_ratio(a, 10, b, 12);
	assert_true(m.median == again.median && m.low == again.low && m.high == again.high);
	assert_true(m.cv == again.cv);
	assert_true(m.low < m.median && m.median < m.high);
	assert_true(m.low > 1.95 && m.high < 2.05);
	assert_true(m.high - m.low > 0.005);
	assert_int_equal(m.n, 10);
	/* The same against itself is 1, and the interval says so. */
	m = perf_ratio(a, 10, a, 10);
	assert_true(m.median == 1 && m.low < 1 && m.high > 1);
}

static void a_ratio_of_few_values_has_no_interval(void **state)
{
	static const double five[] = { 1, 2, 3, 4, 5 }, zero[6] = { 0 };
	struct perf_median m = perf_ratio(five, 5, five, 5);

	(void)state;
	assert_true(m.median == 1 && isnan(m.low) && isnan(m.high));
	assert_true(isnan(perf_ratio(five, 5, zero, 6).median));
	assert_true(isnan(perf_ratio(NULL, 0, five, 5).median));
}

static void bootstrap_intervals_cover_the_ratio(void **state)
{
	uint32_t round, covered = 0, i;
	double a[12], b[12];
	uint64_t seed = 29;
	struct perf_median m;

	(void)state;
	for (round = 0; round < 60; round++) {
		for (i = 0; i < 12; i++) {
			a[i] = 3 * exp(0.1 * next_normal(&seed));
			b[i] = 2 * exp(0.1 * next_normal(&seed));
		}
		m = perf_ratio(a, 12, b, 12);
		covered += m.low <= 1.5 && m.high >= 1.5;
	}
	assert_in_range(covered, 52, 60);
}

static void fill_steps(double *values, uint32_t n, double slope, double noise, uint64_t *seed)
{
	for (uint32_t i = 0; i < n; i++)
		values[i] = 100 + slope * i + noise * next_normal(seed);
}

static void drift_is_told_from_noise(void **state)
{
	static const uint32_t ns[] = { 10, 20, 41, 200 };
	uint32_t k, round, noise, drift;
	uint64_t seed = 17;
	double values[200];

	(void)state;
	for (k = 0; k < 4; k++) {
		for (round = noise = drift = 0; round < 2000; round++) {
			fill_steps(values, ns[k], 0, 1, &seed);
			noise += perf_drifts(values, ns[k]);
			fill_steps(values, ns[k], 60.0 / ns[k], 1, &seed);
			drift += perf_drifts(values, ns[k]);
		}
		/* 1 % of 2000 and four standard deviations. */
		assert_true(noise <= 20 + 18);
		assert_int_equal(drift, 2000);
	}
}

static void the_exact_rank_sum_is_known(void **state)
{
	/* Two-sided chances of complete separation: 2/70 with 4 and 4, 2/252 with 5 and 5. */
	static const double rising[] = { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10 };
	/* One exchange among 5 and 5: 4/252, which is above 1 %. */
	static const double swapped[] = { 1, 2, 3, 4, 6, 5, 7, 8, 9, 10 };
	static const double falling[] = { 9, 8, 7, 6, 5, 4, 3, 2, 1, 0 };

	(void)state;
	assert_false(perf_drifts(rising, 8));
	assert_true(perf_drifts(rising, 10));
	assert_false(perf_drifts(swapped, 10));
	assert_true(perf_drifts(falling, 10));
	assert_false(perf_drifts(rising, 0));
	assert_false(perf_drifts(rising, 1));
}

static void ties_are_no_drift(void **state)
{
	double values[40];
	int i;

	(void)state;
	for (i = 0; i < 40; i++)
		values[i] = 7;
	assert_false(perf_drifts(values, 40));
	for (i = 20; i < 40; i++)
		values[i] = 8;
	assert_true(perf_drifts(values, 40));
	for (i = 0; i < 40; i++)
		values[i] = i % 2;
	assert_false(perf_drifts(values, 40));
}

static void steady_is_what_changes_by_less_than_two_percent(void **state)
{
	struct perf_steady steady = { 0 };
	double value = 1;
	int i;

	(void)state;
	for (i = 0; i < 9; i++)
		assert_false(perf_steady_add(&steady, 100));
	assert_true(perf_steady_add(&steady, 100));
	memset(&steady, 0, sizeof(steady));
	for (i = 0; i < 200; i++, value *= 1.005)
		assert_false(perf_steady_add(&steady, value));
	/* It stops to grow: seven blocks until the medians of both groups agree. */
	for (i = 0; !perf_steady_add(&steady, value); i++)
		assert_true(i < 10);
	assert_in_range(i, 3, 8);
	/* One block that is out of the line is no change. */
	assert_true(perf_steady_add(&steady, value / 10));
	memset(&steady, 0, sizeof(steady));
	for (i = 0; i < 50; i++)
		assert_false(perf_steady_add(&steady, 0));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(medians_have_the_known_intervals),
		cmocka_unit_test(few_values_have_no_interval),
		cmocka_unit_test(an_interval_of_many_values_is_found),
		cmocka_unit_test(intervals_cover_the_median_as_often_as_they_say),
		cmocka_unit_test(percentiles_ask_for_enough_samples),
		cmocka_unit_test(ratios_are_bootstrapped_the_same_each_time),
		cmocka_unit_test(a_ratio_of_few_values_has_no_interval),
		cmocka_unit_test(bootstrap_intervals_cover_the_ratio),
		cmocka_unit_test(drift_is_told_from_noise),
		cmocka_unit_test(the_exact_rank_sum_is_known),
		cmocka_unit_test(ties_are_no_drift),
		cmocka_unit_test(steady_is_what_changes_by_less_than_two_percent),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
