/* SPDX-License-Identifier: Apache-2.0 */
#include "base/smallhist.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum {
	VALUES = 20000
};

/* Log-uniform: each power of two up to 2^bits is equally likely. */
static uint64_t random_latency(uint64_t *state, unsigned int bits)
{
	uint64_t x;

	*state = *state * 6364136223846793005u + 1442695040888963407u;
	x = *state >> 24;
	return (x | (uint64_t)1 << 39) >> (40 - 1 - (*state >> 58) % bits);
}

static int by_value(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

static void buckets_cover_every_value_once(void **state)
{
	uint64_t low = 0, high;
	uint32_t i;

	(void)state;
	for (i = 0; i < SMALLHIST_BUCKETS; i++) {
		high = smallhist_bucket_high(i);
		assert_true(high >= low);
		assert_int_equal(smallhist_bucket(low), i);
		assert_int_equal(smallhist_bucket(high), i);
		assert_true((high - low) * 4 <= low);
		low = high + 1;
	}
	assert_int_equal(low, SMALLHIST_MAX + 1);
	assert_int_equal(smallhist_bucket(UINT64_MAX), SMALLHIST_BUCKETS - 1);
}

static void an_empty_histogram_is_all_zero(void **state)
{
	struct smallhist hist = { 0 }, other = { 0 };

	(void)state;
	assert_int_equal(smallhist_permille(&hist, 500), 0);
	assert_int_equal(smallhist_permille(&hist, 1000), 0);
	assert_int_equal(smallhist_mean(&hist), 0);
	smallhist_merge(&hist, &other);
	assert_memory_equal(&hist, &other, sizeof(hist));
	smallhist_record(&other, 5);
	smallhist_merge(&hist, &other);
	assert_memory_equal(&hist, &other, sizeof(hist));
	assert_int_equal(hist.min, 5);
}

static void few_and_huge_values_are_exact(void **state)
{
	struct smallhist hist = { 0 };

	(void)state;
	smallhist_record(&hist, 1000);
	assert_int_equal(smallhist_permille(&hist, 0), 1000);
	assert_int_equal(smallhist_permille(&hist, 500), 1000);
	smallhist_record(&hist, UINT64_MAX / 4);
	assert_int_equal(smallhist_permille(&hist, 500), 1000);
	assert_int_equal(smallhist_permille(&hist, 501), UINT64_MAX / 4);
	smallhist_record(&hist, UINT64_MAX / 4 - 1);
	/* In the last bucket only the maximum is known. */
	assert_int_equal(smallhist_permille(&hist, 600), UINT64_MAX / 4);
	assert_int_equal(hist.max, UINT64_MAX / 4);
	assert_int_equal(hist.min, 1000);
	assert_int_equal(hist.sum, 1000 + 2 * (UINT64_MAX / 4) - 1);
}

static void a_sorted_list_agrees_within_a_quarter(void **state)
{
	static const uint32_t permilles[] = { 0, 1, 500, 900, 990, 999, 1000, 2000 };
	uint64_t *values = malloc(VALUES * sizeof(*values)), seed = 7, sum, rank, exact, got;
	struct smallhist hist;
	uint32_t bits, i;

	(void)state;
	assert_non_null(values);
	for (bits = 3; bits < SMALLHIST_MAX_BITS; bits += 7) {
		memset(&hist, 0, sizeof(hist));
		for (i = 0, sum = 0; i < VALUES; i++) {
			values[i] = random_latency(&seed, bits);
			sum += values[i];
			smallhist_record(&hist, values[i]);
		}
		qsort(values, VALUES, sizeof(*values), by_value);
		assert_int_equal(hist.count, VALUES);
		assert_int_equal(hist.min, values[0]);
		assert_int_equal(hist.max, values[VALUES - 1]);
		assert_int_equal(smallhist_mean(&hist), sum / VALUES);
		for (i = 0; i < sizeof(permilles) / sizeof(permilles[0]); i++) {
			rank = (uint64_t)permilles[i] * VALUES / 1000;
			rank = rank > VALUES ? VALUES : rank;
			exact = values[rank ? rank - 1 : 0];
			got = smallhist_permille(&hist, permilles[i]);
			assert_true(got >= exact);
			assert_true((got - exact) * 4 <= exact);
		}
	}
	free(values);
}

static void merged_parts_equal_the_whole(void **state)
{
	struct smallhist whole = { 0 }, merged = { 0 }, parts[3] = { { 0 } };
	uint64_t seed = 3, value;
	int i;

	(void)state;
	for (i = 0; i < 5000; i++) {
		value = random_latency(&seed, 39);
		smallhist_record(&whole, value);
		smallhist_record(&parts[value % 3], value);
	}
	for (i = 0; i < 3; i++)
		smallhist_merge(&merged, &parts[i]);
	assert_memory_equal(&merged, &whole, sizeof(whole));
}

static void runs_are_the_same_as_single_values(void **state)
{
	struct smallhist plain = { 0 }, copy;
	struct smallruns runs = { 0 };
	uint64_t seed = 7, value = 0;
	uint32_t i, k, times;

	(void)state;
	assert_int_equal(smallruns_hist(&runs)->count, 0);
	for (i = 0; i < VALUES; i++) {
		if (random_latency(&seed, 3) != 1) /* else the run goes on; the first is of 0 */
			value = i ? random_latency(&seed, 40) : 0;
		times = 1 + i % 3;
		smallruns_record(&runs, value, times);
		for (k = 0; k < times; k++)
			smallhist_record(&plain, value);
		if (i % 1000 == 0)
			assert_memory_equal(smallruns_hist(&runs), &plain, sizeof(plain));
	}
	copy = *smallruns_hist(&runs);
	assert_memory_equal(&copy, &plain, sizeof(plain));
	assert_memory_equal(smallruns_hist(&runs), &copy, sizeof(copy));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(runs_are_the_same_as_single_values),
		cmocka_unit_test(buckets_cover_every_value_once),
		cmocka_unit_test(an_empty_histogram_is_all_zero),
		cmocka_unit_test(few_and_huge_values_are_exact),
		cmocka_unit_test(a_sorted_list_agrees_within_a_quarter),
		cmocka_unit_test(merged_parts_equal_the_whole),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
