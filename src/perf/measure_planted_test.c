/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The tester tested: what was planted in the model is what is reported, within the histogram's
 * resolution; the arithmetic of perftest on the same samples is not.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "perf/measure.h"
#include "perf/measure_fake.h"
#include "perf/result.h"
#include "perf/stats.h"

/* What a tester says about latencies, ns. */
struct told {
	double max, deviation, p99, p999;
};

static int by_value(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

/* The n operations from first on as they were planted, sorted. */
static uint64_t *planted(const struct perf_case *c, uint64_t first, uint64_t n)
{
	uint64_t *samples = malloc(n * sizeof(*samples)), i;

	assert_non_null(samples);
	for (i = 0; i < n; i++)
		samples[i] = fake_planted(c, first + i);
	qsort(samples, n, sizeof(*samples), by_value);
	return samples;
}

static uint64_t at_share(const uint64_t *sorted, uint64_t n, double share)
{
	return sorted[(uint64_t)ceil((double)n * share - 1e-6) - 1];
}

static struct told truth_of(const uint64_t *sorted, uint64_t n)
{
	long double sum = 0, squares = 0;
	struct told told;
	uint64_t i;

	for (i = 0; i < n; i++)
		sum += sorted[i];
	for (i = 0; i < n; i++)
		squares += (sorted[i] - sum / n) * (sorted[i] - sum / n);
	told.max = (double)sorted[n - 1];
	told.deviation = (double)sqrtl(squares / n);
	told.p99 = (double)at_share(sorted, n, 0.99);
	told.p999 = (double)at_share(sorted, n, 0.999);
	return told;
}

static struct told ours(const struct perf_run *run)
{
	return (struct told){
		.max = (double)run->latency->max,
		.deviation = hist_stddev(run->latency),
		.p99 = (double)hist_percentile(run->latency, 99),
		.p999 = (double)hist_percentile(run->latency, 99.9),
	};
}

/*
 * What perftest's report of latency does with n sorted samples: the two largest are left out of all
 * but the maximum, which is the second largest; deviations are whole microseconds.
 */
static struct told perftest(const uint64_t *sorted, uint64_t n)
{
	uint64_t kept = n - 2, i;
	double sum = 0, average, squares = 0;
	int deviation, square;
	struct told told;

	for (i = 0; i < kept; i++)
		sum += (double)sorted[i] / 1000;
	average = sum / (double)kept;
	for (i = 0; i < kept; i++) {
		deviation = (int)(average - (double)sorted[i] / 1000);
		square = deviation * deviation;
		squares += square;
	}
	told.max = (double)sorted[kept];
	told.deviation = sqrt(squares / (double)kept) * 1000;
	told.p99 = (double)sorted[(uint64_t)ceil((double)kept * 0.99)];
	told.p999 = (double)sorted[(uint64_t)ceil((double)kept * 0.999)];
	return told;
}

static bool close_to(double value, double truth, double share)
{
	return fabs(value - truth) <= share * truth;
}

static bool agrees(const struct told *told, const struct told *truth)
{
	return told->max == truth->max && close_to(told->deviation, truth->deviation, 0.002) &&
	       close_to(told->p99, truth->p99, 1.0 / 1024) &&
	       close_to(told->p999, truth->p999, 1.0 / 1024);
}

static struct perf_run measured(const struct perf_case *c)
{
	struct perf_run run;

	assert_int_equal(perf_measure_alone(c, &run), 0);
	return run;
}

static void check_against_planted(const char *model, uint64_t iters)
{
	struct perf_case c = fake_case(PERF_LAT, PERF_WRITE, model);
	struct told truth, told, other;
	struct perf_run run;
	uint64_t *samples;
	long double sum = 0;

	c.duration_ns = 0;
	c.iters = iters;
	run = measured(&c);
	samples = planted(&c, run.warm_ops, iters);
	truth = truth_of(samples, iters);
	told = ours(&run);
	other = perftest(samples, iters);
	assert_int_equal(run.here.ops, iters);
	assert_int_equal(run.latency->count, iters);
	assert_int_equal(run.latency->min, samples[0]);
	for (uint64_t i = 0; i < iters; i++)
		sum += samples[i];
	assert_true((long double)run.latency->sum == sum);
	assert_true(agrees(&told, &truth));
	assert_true(agrees(&truth, &truth));
	assert_false(agrees(&other, &truth));
	free(samples);
	perf_run_free(&run);
}

static void outliers_are_in_maximum_deviation_and_percentiles(void **state)
{
	(void)state;
	check_against_planted("service=15us jitter=800ns outlier=500us@1/1000", 1000);
	check_against_planted("service=15us jitter=800ns outlier=500us@1/10000", 10000);
	check_against_planted("service=15us jitter=800ns outlier=500us@1/100000", 100000);
}

static void a_spread_below_a_microsecond_is_no_zero(void **state)
{
	struct perf_case c = fake_case(PERF_LAT, PERF_READ, "service=16us jitter=800ns");
	struct perf_run run;
	uint64_t *samples;

	(void)state;
	check_against_planted("service=16us jitter=800ns", 1000);
	c.duration_ns = 0;
	c.iters = 10000;
	run = measured(&c);
	samples = planted(&c, run.warm_ops, c.iters);
	/* Evenly spread over 2 * 800 ns: 1600 / sqrt(12). */
	assert_true(fabs(hist_stddev(run.latency) - 1600 / sqrt(12)) < 10);
	assert_true(perftest(samples, c.iters).deviation == 0);
	free(samples);
	perf_run_free(&run);
}

static void one_in_a_thousand_is_not_the_maximum(void **state)
{
	struct perf_case c = fake_case(PERF_LAT, PERF_WRITE, "service=15us outlier=500us@1/1000");
	struct perf_run run;
	uint64_t *samples;

	(void)state;
	c.duration_ns = 0;
	c.iters = 1000;
	run = measured(&c);
	samples = planted(&c, run.warm_ops, 1000);
	assert_int_equal(run.latency->max, 500000);
	/* 99.9 % of 1000 cannot be told; the 999th of them is 15 us all the same. */
	assert_true(isnan(perf_percentile(run.latency, 0.999)));
	assert_int_equal(hist_percentile(run.latency, 99.9), hist_bucket_high(hist_bucket(15000)));
	assert_true(perftest(samples, 1000).max == 15000);
	free(samples);
	perf_run_free(&run);
}

static void duplicates_count_once(void **state)
{
	struct perf_case c =
		fake_case(PERF_LAT, PERF_WRITE, "service=15us jitter=1us duplicate=1/100");
	struct perf_run run, plain;

	(void)state;
	c.duration_ns = 0;
	c.iters = 100000;
	run = measured(&c);
	assert_int_equal(run.here.ops, c.iters);
	assert_int_equal(run.latency->count, c.iters);
	assert_in_range(run.duplicates, c.iters / 100, (c.iters + run.warm_ops) / 100 + 1);
	strcpy(c.model, "service=15us jitter=1us");
	plain = measured(&c);
	assert_int_equal(plain.duplicates, 0);
	/* The clock's time goes on in between, but no sample differs. */
	assert_memory_equal(run.latency, plain.latency, sizeof(*run.latency));
	perf_run_free(&run);
	perf_run_free(&plain);
	c.test = PERF_BW;
	c.iters = 0;
	c.duration_ns = 100 * NSEC_PER_MSEC;
	strcpy(c.model, "service=16us duplicate=1/2");
	run = measured(&c);
	/* A window of 16 in 16 us each: one in a microsecond. */
	assert_true(close_to((double)run.here.ops, (double)run.here.ns / 1000, 0.001));
	assert_true(run.duplicates > run.here.ops / 3);
	perf_run_free(&run);
}

static void two_modes_are_found(void **state)
{
	struct perf_case c = fake_case(PERF_LAT, PERF_WRITE, "bimodal=2us,20us jitter=200ns");
	struct perf_run run;
	uint64_t low = 0;

	(void)state;
	run = measured(&c);
	assert_true(perf_bimodal(run.latency));
	for (uint32_t i = 0; i < hist_bucket(11000); i++)
		low += run.latency->buckets[i];
	assert_true(close_to((double)low, (double)run.latency->count / 2, 0.06));
	assert_in_range(run.latency->min, 1800, 1810);
	assert_in_range(run.latency->max, 20190, 20200);
	perf_run_free(&run);
	strcpy(c.model, "service=2us jitter=200ns");
	run = measured(&c);
	assert_false(perf_bimodal(run.latency));
	perf_run_free(&run);
}

static bool slices_drift(const struct perf_run *run)
{
	double values[256];

	assert_in_range(run->slices, 50, 256);
	for (uint32_t i = 0; i < run->slices; i++)
		values[i] = (double)run->slice[i];
	return perf_drifts(values, run->slices);
}

static void drift_is_found_in_the_series(void **state)
{
	struct perf_case c = fake_case(PERF_BW, PERF_WRITE, "service=16us jitter=4us drift=20%");
	struct perf_run run;
	uint64_t bytes = 0;

	(void)state;
	c.duration_ns = 500 * NSEC_PER_MSEC;
	run = measured(&c);
	assert_true(slices_drift(&run));
	perf_run_free(&run);
	strcpy(c.model, "service=16us jitter=4us");
	run = measured(&c);
	assert_false(slices_drift(&run));
	for (uint32_t i = 0; i < run.slices; i++)
		bytes += run.slice[i];
	/* But for the last poll, which may be in the slice that was not filled. */
	assert_true(run.here.bytes - bytes <= 16 * c.size);
	perf_run_free(&run);
}

static void a_slow_start_is_not_counted(void **state)
{
	struct perf_case c =
		fake_case(PERF_LAT, PERF_WRITE, "service=5us jitter=1us start=200us@40ms");
	struct perf_run run;

	(void)state;
	c.warm_ns = 400 * NSEC_PER_MSEC;
	run = measured(&c);
	assert_true(run.warm_stable);
	assert_true(run.warm_ns > 40 * NSEC_PER_MSEC && run.warm_ns < c.warm_ns);
	assert_true(run.warm_ops > 200);
	assert_true(run.latency->max <= 6000);
	perf_run_free(&run);
	/* Without warm-up it counts, so it was there. */
	c.warm_ns = 0;
	run = measured(&c);
	assert_false(run.warm_stable);
	assert_true(run.latency->max >= 199000);
	perf_run_free(&run);
}

static void a_warm_up_that_never_is_stable_says_so(void **state)
{
	struct perf_case c = fake_case(PERF_BW, PERF_WRITE, "service=10us drift=2000%");
	struct perf_run run;

	(void)state;
	c.warm_ns = 100 * NSEC_PER_MSEC;
	run = measured(&c);
	assert_false(run.warm_stable);
	assert_in_range(run.warm_ns, c.warm_ns, c.warm_ns + NSEC_PER_MSEC);
	perf_run_free(&run);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(outliers_are_in_maximum_deviation_and_percentiles),
		cmocka_unit_test(a_spread_below_a_microsecond_is_no_zero),
		cmocka_unit_test(one_in_a_thousand_is_not_the_maximum),
		cmocka_unit_test(duplicates_count_once),
		cmocka_unit_test(two_modes_are_found),
		cmocka_unit_test(drift_is_found_in_the_series),
		cmocka_unit_test(a_slow_start_is_not_counted),
		cmocka_unit_test(a_warm_up_that_never_is_stable_says_so),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
