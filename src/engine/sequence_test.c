/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/sequence.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

static void numbers_run_out_until_the_oldest_is_settled(void **state)
{
	struct sequence_out out = { .next = UINT32_MAX - 100, .oldest = UINT32_MAX - 100 };
	uint32_t first, number;

	(void)state;
	assert_true(sequence_take(&out, &first));
	for (uint32_t i = 1; i < SEQUENCE_AHEAD; i++) {
		assert_true(sequence_take(&out, &number));
		assert_true(number == first + i);
		sequence_settle(&out, number);
	}
	assert_false(sequence_take(&out, &number));
	sequence_settle(&out, first + SEQUENCE_AHEAD); /* not out: nothing */
	sequence_settle(&out, first - 1);
	assert_false(sequence_take(&out, &number));
	sequence_settle(&out, first);
	assert_true(out.oldest == out.next);
	assert_true(sequence_take(&out, &number));
	assert_true(number == first + SEQUENCE_AHEAD);
	sequence_untake(&out);
	assert_true(out.oldest == out.next);
	assert_true(sequence_take(&out, &number));
	assert_true(number == first + SEQUENCE_AHEAD);
}

static void what_came_is_not_new(void **state)
{
	struct sequence_in in = { 0 };

	(void)state;
	assert_true(sequence_is_new(&in, 0));
	assert_false(sequence_is_new(&in, 0));
	assert_true(sequence_is_new(&in, 2));
	assert_true(sequence_is_new(&in, 1));
	assert_false(sequence_is_new(&in, 1));
	assert_false(sequence_is_new(&in, 2));
	assert_true(sequence_is_new(&in, 5000));
	assert_false(sequence_is_new(&in, 3)); /* too old to know */
	assert_true(sequence_is_new(&in, 5000 - SEQUENCE_MEMORY + 1));
	assert_false(sequence_is_new(&in, 5000 - SEQUENCE_MEMORY));
}

/* Any order that a sender can bring about, each number once or more: each counts once. */
static void each_counts_once_in_any_order(void **state)
{
	struct sequence_out out = { .next = UINT32_MAX - 5000, .oldest = UINT32_MAX - 5000 };
	struct sequence_in in = { .next = UINT32_MAX - 5000 };
	uint32_t open[SEQUENCE_AHEAD], count = 0, number, pick;
	uint32_t first = out.next, new_ones = 0;
	bool *came = calloc(20000, sizeof(*came));

	(void)state;
	assert_non_null(came);
	srand(11);
	while (new_ones < 20000 - SEQUENCE_AHEAD) {
		if (rand() % 2 && count < SEQUENCE_AHEAD && sequence_take(&out, &number)) {
			open[count++] = number;
			continue;
		}
		if (!count)
			continue;
		pick = rand() % 8 ? (uint32_t)rand() % count : 0;
		number = open[pick];
		assert_true(sequence_is_new(&in, number) == !came[number - first]);
		new_ones += !came[number - first];
		came[number - first] = true;
		if (rand() % 3)
			continue; /* the sender does not know, and will send it again */
		sequence_settle(&out, number);
		open[pick] = open[--count];
	}
	free(came);
}

static void all_below_have_come(void **state)
{
	struct sequence_in in = { 0 };
	uint32_t number;

	(void)state;
	assert_true(sequence_is_new(&in, 0));
	assert_true(sequence_has_all(&in, 0));
	assert_true(sequence_is_new(&in, 2));
	assert_false(sequence_has_all(&in, 2));
	assert_true(sequence_is_new(&in, 1));
	assert_true(sequence_has_all(&in, 2));
	/* As far as one may be behind the other, and around what is remembered. */
	for (number = 3; number < 4 * SEQUENCE_MEMORY; number++) {
		uint32_t late = number;

		number += SEQUENCE_AHEAD - 1;
		for (uint32_t after = late + 1; after <= number; after++) {
			assert_true(sequence_is_new(&in, after));
			assert_false(sequence_has_all(&in, after));
		}
		assert_true(sequence_is_new(&in, late));
		assert_true(sequence_has_all(&in, number));
	}
}

/* Also what was sent so long ago that its sender would not wait for it, as far as is remembered. */
static void one_that_never_came_is_missed(void **state)
{
	struct sequence_in in = { 0 };
	uint32_t number;

	(void)state;
	assert_true(sequence_misses_none(&in, 0));
	assert_false(sequence_misses_none(&in, 1));
	for (number = 0; number < 1000; number++)
		if (number != 600)
			assert_true(sequence_is_new(&in, number));
	assert_true(sequence_misses_none(&in, 600));
	assert_false(sequence_misses_none(&in, 601));
	assert_false(sequence_misses_none(&in, 1000));
	assert_false(sequence_misses_none(&in, 1001)); /* 1000 has not come */
	assert_true(sequence_is_new(&in, 600));
	assert_true(sequence_misses_none(&in, 1000));
	assert_true(sequence_misses_none(&in, 700));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(numbers_run_out_until_the_oldest_is_settled),
		cmocka_unit_test(what_came_is_not_new),
		cmocka_unit_test(each_counts_once_in_any_order),
		cmocka_unit_test(all_below_have_come),
		cmocka_unit_test(one_that_never_came_is_missed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
