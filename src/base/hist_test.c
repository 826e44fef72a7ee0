/* SPDX-License-Identifier: Apache-2.0 */
#include "base/hist.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/random.h"

/* Log-uniform: each power of two up to 2^bits is equally likely. */
static uint64_t random_latency(uint64_t *seed, unsigned int bits)
{
	return random_next(seed) >> (64 - 1 - random_next(seed) % bits);
}

static int by_value(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

static struct hist *make_hist(void)
{
	struct hist *hist = mem_zalloc(sizeof(*hist));

	assert_non_null(hist);
	return hist;
}

static void buckets_cover_every_value_once(void **state)
{
	uint64_t next = 0, low, high;
	uint32_t i;

	(void)state;
	for (i = 0; i < HIST_BUCKETS; i++) {
		low = hist_bucket_low(i);
		high = hist_bucket_high(i);
		assert_int_equal(low, next);
		assert_true(high >= low);
		assert_int_equal(hist_bucket(low), i);
		assert_int_equal(hist_bucket(high), i);
		assert_true((high - low) * 1024 <= low);
		next = high + 1;
	}
	assert_int_equal(next, HIST_MAX_NS + 1);
	assert_true(HIST_MAX_NS >= (uint64_t)3600 * 1000000000);
}

static void values_above_the_range_keep_max_and_sum_exact(void **state)
{
	struct hist *hist = make_hist();

	(void)state;
	hist_record(hist, UINT64_MAX);
	hist_record(hist, UINT64_MAX - 1);
	assert_int_equal(hist->max, UINT64_MAX);
	assert_int_equal(hist->min, UINT64_MAX - 1);
	assert_int_equal(hist->buckets[HIST_BUCKETS - 1], 2);
	assert_true(hist->sum == (unsigned __int128)UINT64_MAX + UINT64_MAX - 1);
	assert_int_equal(hist_percentile(hist, 100), UINT64_MAX);
	assert_int_equal(hist_percentile(hist, 50), UINT64_MAX - 1);
	mem_free(hist);
}

static void an_empty_histogram_is_all_zero(void **state)
{
	struct hist *hist = make_hist(), *other = make_hist();

	(void)state;
	assert_int_equal(hist_percentile(hist, 50), 0);
	assert_true(hist_mean(hist) == 0 && hist_stddev(hist) == 0);
	hist_record(hist, 5);
	hist_record_n(hist, 9, 0);
	assert_int_equal(hist->max, 5);
	hist_merge(hist, other);
	assert_int_equal(hist->min, 5);
	assert_int_equal(hist->count, 1);
	hist_reset(hist);
	assert_memory_equal(hist, other, sizeof(*hist));
	mem_free(hist);
	mem_free(other);
}

static void percentiles_of_small_values_are_exact(void **state)
{
	struct hist *hist = make_hist();
	uint64_t i;

	(void)state;
	for (i = 1; i <= 1000; i++)
		hist_record(hist, i);
	assert_int_equal(hist_percentile(hist, 0), 1);
	assert_int_equal(hist_percentile(hist, -1), 1);
	assert_int_equal(hist_percentile(hist, 0.1), 1);
	assert_int_equal(hist_percentile(hist, 50), 500);
	assert_int_equal(hist_percentile(hist, 50.01), 501);
	assert_int_equal(hist_percentile(hist, 99), 990);
	assert_int_equal(hist_percentile(hist, 99.9), 999);
	assert_int_equal(hist_percentile(hist, 99.91), 1000);
	assert_int_equal(hist_percentile(hist, 100), 1000);
	assert_int_equal(hist_percentile(hist, 101), 1000);
	assert_int_equal(hist_percentile(hist, NAN), 1);
	assert_true(hist_mean(hist) == 500.5);
	assert_true(fabs(hist_stddev(hist) - sqrt((1000.0 * 1000 - 1) / 12)) < 1e-6);
	mem_free(hist);
}

enum {
	VALUES = 20000
};

static void check_against_sorted(const struct hist *hist, const uint64_t *sorted)
{
	static const double percents[] = { 0, 1, 25, 50, 75, 90, 99, 99.9, 99.99, 100 };
	uint64_t exact, got, rank;
	size_t i;

	for (i = 0; i < sizeof(percents) / sizeof(percents[0]); i++) {
		rank = (uint64_t)ceil(percents[i] / 100 * VALUES - 1e-6);
		exact = sorted[rank ? rank - 1 : 0];
		got = hist_percentile(hist, percents[i]);
		assert_true(got >= exact);
		assert_true(got - exact <= exact / 1024);
	}
}

static void a_sorted_list_agrees_within_three_digits(void **state)
{
	struct hist *hist = make_hist();
	uint64_t *values = malloc(VALUES * sizeof(*values)), seed = 7, round;
	long double sum, squares, mean;
	size_t i;

	(void)state;
	assert_non_null(values);
	for (round = 0; round < 6; round++) {
		hist_reset(hist);
		sum = squares = 0;
		for (i = 0; i < VALUES; i++) {
			values[i] = random_latency(&seed, 12 + 6 * (unsigned int)round);
			hist_record(hist, values[i]);
			sum += values[i];
			squares += (long double)values[i] * values[i];
		}
		qsort(values, VALUES, sizeof(*values), by_value);
		mean = sum / VALUES;
		assert_int_equal(hist->min, values[0]);
		assert_int_equal(hist->max, values[VALUES - 1]);
		assert_int_equal(hist->count, VALUES);
		assert_true((long double)hist->sum == sum);
		assert_true(fabsl(hist_mean(hist) - mean) <= 1e-12L * mean);
		assert_true(fabsl(hist_stddev(hist) / sqrtl(squares / VALUES - mean * mean) - 1) <
			    0.001L);
		check_against_sorted(hist, values);
	}
	free(values);
	mem_free(hist);
}

static void merged_parts_equal_the_whole(void **state)
{
	struct hist *whole = make_hist(), *merged = make_hist(), *part[3];
	uint64_t seed = 3, value;
	int i;

	(void)state;
	for (i = 0; i < 3; i++)
		part[i] = make_hist();
	for (i = 0; i < 5000; i++) {
		value = random_latency(&seed, 45);
		hist_record(whole, value);
		hist_record(part[value % 3], value);
	}
	for (i = 0; i < 3; i++) {
		hist_merge(merged, part[i]);
		mem_free(part[i]);
	}
	assert_memory_equal(merged, whole, sizeof(*whole));
	mem_free(merged);
	mem_free(whole);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(buckets_cover_every_value_once),
		cmocka_unit_test(values_above_the_range_keep_max_and_sum_exact),
		cmocka_unit_test(an_empty_histogram_is_all_zero),
		cmocka_unit_test(percentiles_of_small_values_are_exact),
		cmocka_unit_test(a_sorted_list_agrees_within_three_digits),
		cmocka_unit_test(merged_parts_equal_the_whole),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
