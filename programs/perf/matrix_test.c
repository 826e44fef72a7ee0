/* SPDX-License-Identifier: Apache-2.0 */
#include "perf/matrix.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
// clang-format on

#define MANY 33

/* value: of the pair of two hosts. */
static struct matrix make_matrix(uint32_t hosts, double (*value)(uint32_t, uint32_t))
{
	struct matrix matrix = { .hosts = hosts, .slow = 0.1 };

	matrix.host = calloc(hosts, sizeof(*matrix.host));
	matrix.pair = calloc((size_t)hosts * hosts, sizeof(*matrix.pair));
	for (uint32_t round = 0; round < perf_rounds(hosts); round++)
		matrix.pairs += matrix_round(hosts, round, matrix.pair + matrix.pairs);
	for (uint32_t i = 0; i < matrix.pairs; i++) {
		matrix.pair[i].done = true;
		matrix.pair[i].value = value(matrix.pair[i].a, matrix.pair[i].b);
	}
	assert_int_equal(matrix_judge(&matrix), 0);
	return matrix;
}

static void end_matrix(struct matrix *matrix)
{
	free(matrix->host);
	free(matrix->pair);
}

static void each_two_meet_once_and_nobody_twice_in_a_round(void **state)
{
	struct matrix_pair pairs[MANY];
	uint32_t n;

	(void)state;
	for (uint32_t hosts = 2; hosts <= MANY; hosts++) {
		bool met[MANY][MANY] = { { false } };

		for (uint32_t round = 0; round < perf_rounds(hosts); round++) {
			bool busy[MANY] = { false };

			n = matrix_round(hosts, round, pairs);
			assert_int_equal(n, hosts / 2);
			for (uint32_t i = 0; i < n; i++) {
				uint32_t a = pairs[i].a, b = pairs[i].b;

				assert_true(a < hosts && b < hosts && a != b);
				assert_false(busy[a] || busy[b] || met[a][b]);
				busy[a] = busy[b] = met[a][b] = met[b][a] = true;
			}
		}
		for (uint32_t a = 0; a < hosts; a++)
			for (uint32_t b = 0; b < hosts; b++)
				assert_int_equal(met[a][b], a != b);
	}
}

static double slow_host_3(uint32_t a, uint32_t b)
{
	return a == 3 || b == 3 ? 50e9 : 100e9;
}

static void a_slow_host_is_named_and_no_other(void **state)
{
	struct matrix matrix;

	(void)state;
	for (uint32_t hosts = 4; hosts <= 17; hosts++) {
		matrix = make_matrix(hosts, slow_host_3);
		for (uint32_t i = 0; i < hosts; i++)
			assert_int_equal(matrix.host[i].slow, i == 3);
		assert_true(matrix.host[3].median == 50e9);
		assert_true(matrix.host[0].low == 50e9 && matrix.host[0].high == 100e9);
		end_matrix(&matrix);
	}
}

/* All differ by some percent. */
static double uneven(uint32_t a, uint32_t b)
{
	return 100e9 * (1 + 0.04 * sin(a * 7.0 + b * 7.0));
}

static double spread_wide(uint32_t a, uint32_t b)
{
	return 10e9 * (1 + a + b);
}

static void what_varies_is_not_slow(void **state)
{
	struct matrix matrix = make_matrix(9, uneven);

	(void)state;
	for (uint32_t i = 0; i < 9; i++)
		assert_false(matrix.host[i].slow);
	end_matrix(&matrix);
	/* Where hosts differ that much anyway, none stands out. */
	matrix = make_matrix(8, spread_wide);
	for (uint32_t i = 0; i < 8; i++)
		assert_false(matrix.host[i].slow);
	end_matrix(&matrix);
}

static void of_two_hosts_none_is_slow(void **state)
{
	struct matrix matrix = make_matrix(2, slow_host_3);

	(void)state;
	assert_int_equal(matrix.pairs, 1);
	assert_false(matrix.host[0].slow || matrix.host[1].slow);
	end_matrix(&matrix);
}

static void failed_pairs_count_for_nothing(void **state)
{
	struct matrix matrix = make_matrix(4, slow_host_3);

	(void)state;
	for (uint32_t i = 0; i < matrix.pairs; i++)
		if (matrix.pair[i].a == 3 || matrix.pair[i].b == 3) {
			matrix.pair[i].error = -1;
			matrix.pair[i].value = 0;
		}
	assert_int_equal(matrix_judge(&matrix), 0);
	assert_int_equal(matrix.host[3].pairs, 0);
	assert_false(matrix.host[3].slow);
	assert_int_equal(matrix.host[0].pairs, 2);
	assert_true(matrix.median == 100e9);
	end_matrix(&matrix);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_two_meet_once_and_nobody_twice_in_a_round),
		cmocka_unit_test(a_slow_host_is_named_and_no_other),
		cmocka_unit_test(what_varies_is_not_slow),
		cmocka_unit_test(of_two_hosts_none_is_slow),
		cmocka_unit_test(failed_pairs_count_for_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
