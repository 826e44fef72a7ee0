/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "slots.h"

#define N    5
#define SIZE 100

static void open_slots(struct slots *slots, int right_content)
{
	void *buf = malloc(slots_bytes(N, SIZE));

	assert_non_null(buf);
	assert_int_equal(slots_open(slots, N, SIZE), 0);
	slots_attach(slots, buf, right_content);
}

static void close_slots(struct slots *slots)
{
	free(slots->buf);
	slots_close(slots);
}

static void only_right_content_passes(void **state)
{
	struct slots right, wrong;

	(void)state;
	open_slots(&right, 1);
	open_slots(&wrong, 0);
	assert_int_equal(slots_check(&right, N), 0);
	assert_int_equal(slots_check(&wrong, 0), 0);
	assert_int_equal(slots_check(&wrong, 1), -EBADMSG);
	memcpy(wrong.buf, right.buf, slots_bytes(N, SIZE));
	assert_int_equal(slots_check(&wrong, N), 0);
	wrong.buf[slots_offset(&wrong, N - 1) + SIZE - 1] ^= 1;
	assert_int_equal(slots_check(&wrong, N - 1), 0);
	assert_int_equal(slots_check(&wrong, N), -EBADMSG);
	close_slots(&right);
	close_slots(&wrong);
}

static void another_slots_content_does_not_pass(void **state)
{
	struct slots slots;

	(void)state;
	open_slots(&slots, 1);
	memcpy(slots.buf + slots_offset(&slots, 1), slots.buf, SIZE);
	assert_int_equal(slots_check(&slots, N), -EBADMSG);
	close_slots(&slots);
}

static void free_slots_are_used_in_turn(void **state)
{
	struct slots slots;
	uint32_t i, index;

	(void)state;
	open_slots(&slots, 1);
	slots_take(&slots);
	for (i = 1; i < 4 * N; i++) {
		index = slots_next(&slots);
		assert_int_equal(index, i % N);
		slots_take(&slots);
		slots_put(&slots, (index + N - 1) % N);
		assert_int_equal(slots.n_free, N - 1);
	}
	close_slots(&slots);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_right_content_passes),
		cmocka_unit_test(another_slots_content_does_not_pass),
		cmocka_unit_test(free_slots_are_used_in_turn),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
