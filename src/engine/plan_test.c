/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/plan.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void one_rail_takes_it_whole(void **state)
{
	(void)state;
	assert_int_equal(plan_piece(0, 1, UINT64_MAX), 0);
	assert_int_equal(plan_piece(1, 1, UINT64_MAX), 1);
	assert_int_equal(plan_piece(1ull << 40, 1, UINT64_MAX), 1ull << 40);
}

static void small_transfers_are_not_cut(void **state)
{
	(void)state;
	assert_int_equal(plan_piece(2 * PLAN_STRIPE_MIN - 1, 8, UINT64_MAX),
			 2 * PLAN_STRIPE_MIN - 1);
}

static void pieces_are_aligned_bounded_and_cover(void **state)
{
	uint64_t len, piece, max;
	uint32_t rails;

	(void)state;
	for (rails = 1; rails <= 32; rails++)
		for (len = 1; len < 1ull << 34; len = len * 3 + 1)
			for (max = 4096; max <= 1ull << 30; max *= 64) {
				piece = plan_piece(len, rails, max);
				assert_true(piece > 0 && piece <= len && piece <= max);
				if (piece < len)
					assert_int_equal(piece % PLAN_ALIGN, 0);
				if (rails > 1 && piece < len && max >= PLAN_STRIPE_MAX) {
					assert_true(piece >= PLAN_STRIPE_MIN);
					assert_true(piece <= PLAN_STRIPE_MAX);
				}
			}
}

static void what_is_whole_is_one_piece(void **state)
{
	uint64_t max, whole;
	uint32_t rails, fewer;

	(void)state;
	for (rails = 1; rails <= 32; rails++)
		for (max = 4096; max <= 1ull << 40; max = max * 3 + 1) {
			whole = plan_whole(rails, max);
			for (fewer = 1; fewer <= rails; fewer++) {
				assert_int_equal(plan_piece(whole, fewer, max), whole);
				assert_int_equal(plan_piece(1, fewer, max + 1), 1);
			}
			assert_true(plan_piece(whole + 1, rails, max) <= whole);
		}
	assert_int_equal(plan_whole(1, UINT64_MAX), UINT64_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_rail_takes_it_whole),
		cmocka_unit_test(small_transfers_are_not_cut),
		cmocka_unit_test(pieces_are_aligned_bounded_and_cover),
		cmocka_unit_test(what_is_whole_is_one_piece),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
