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

/* Bytes that are told by their address on either side: those that a piece moves, and to where. */
struct side {
	uint64_t offset;
	uint32_t shift;
};

static void check_piece(const struct side *side, uint64_t at, uint64_t len)
{
	uint64_t first = side->offset + at;

	assert_int_equal(first >> side->shift, (first + len - 1) >> side->shift);
}

/* Cuts as the engine does: the pieces cover all bytes, none crosses a border, and none could have
 * been longer. */
static void cut(uint64_t len, const struct side *here, const struct side *there)
{
	uint64_t at = 0, n;

	while (at < len) {
		n = plan_within(len - at, here->offset + at, here->shift, there->offset + at,
				there->shift);
		assert_true(n > 0 && n <= len - at);
		check_piece(here, at, n);
		check_piece(there, at, n);
		at += n;
		assert_true(at == len || (here->offset + at) % (1ull << here->shift) == 0 ||
			    (there->offset + at) % (1ull << there->shift) == 0);
	}
	assert_int_equal(at, len);
}

/* Parts of 8, of 32 and of all bytes, on either side, at every offset and of every length. */
static void no_piece_crosses_a_border(void **state)
{
	static const uint32_t shifts[] = { 3, 5, PLAN_WHOLE };
	struct side here, there;
	uint64_t len;
	int i, j;

	(void)state;
	for (i = 0; i < 3; i++)
		for (j = 0; j < 3; j++) {
			here.shift = shifts[i];
			there.shift = shifts[j];
			for (here.offset = 0; here.offset < 40; here.offset++)
				for (there.offset = 0; there.offset < 40; there.offset++)
					for (len = 0; len < 80; len += 1 + len / 20)
						cut(len, &here, &there);
		}
}

static void parts_are_found(void **state)
{
	(void)state;
	assert_int_equal(plan_part(0, 12, 3), 0);
	assert_int_equal(plan_part(4095, 12, 3), 0);
	assert_int_equal(plan_part(4096, 12, 3), 1);
	assert_int_equal(plan_part(3 * 4096 - 1, 12, 3), 2);
	/* No bytes at the end of a region whose last part is full. */
	assert_int_equal(plan_part(3 * 4096, 12, 3), 2);
	assert_int_equal(plan_part(UINT64_MAX >> 1, PLAN_WHOLE, 1), 0);
	assert_int_equal(plan_within(1ull << 40, 1ull << 50, PLAN_WHOLE, 5, PLAN_WHOLE),
			 1ull << 40);
	assert_int_equal(plan_within(1ull << 40, 1, 36, 0, PLAN_WHOLE), (1ull << 36) - 1);
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
		cmocka_unit_test(no_piece_crosses_a_border),
		cmocka_unit_test(parts_are_found),
		cmocka_unit_test(what_is_whole_is_one_piece),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
