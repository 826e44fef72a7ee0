/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "kv/arena.h"

static struct arena arena;

#define LENGTH ((size_t)64 * 1000)

/* Against a map of who owns each 64 bytes. */
static void parts_never_overlap_and_nothing_is_lost(void **state)
{
	static uint16_t owner[LENGTH / ARENA_ALIGN];
	static size_t offsets[200];
	uint32_t random = 1, i;
	size_t len, at, best, run, largest;
	int step;

	(void)state;
	arena_init(&arena, LENGTH + 63);
	memset(owner, 0, sizeof(owner));
	memset(offsets, 0xff, sizeof(offsets));
	for (step = 0; step < 20000; step++) {
		random = random * 1664525u + 1013904223u;
		i = (random >> 8) % 200;
		if (offsets[i] != SIZE_MAX) {
			len = arena_part_length(&arena, offsets[i]);
			assert_true(len > 0);
			for (at = offsets[i] / ARENA_ALIGN; len; at++, len -= ARENA_ALIGN) {
				assert_int_equal(owner[at], i + 1);
				owner[at] = 0;
			}
			assert_true(arena_put(&arena, offsets[i]));
			assert_false(arena_put(&arena, offsets[i]));
			offsets[i] = SIZE_MAX;
			continue;
		}
		for (at = 0, run = 0, best = 0; at < LENGTH / ARENA_ALIGN; at++) {
			run = owner[at] ? 0 : run + ARENA_ALIGN;
			best = run > best ? run : best;
		}
		largest = arena_largest(&arena);
		assert_int_equal(largest, best);
		len = (random >> 16) % 2000 + 1;
		if (arena_get(&arena, len, &offsets[i])) {
			assert_true(len > best);
			offsets[i] = SIZE_MAX;
			continue;
		}
		assert_true(len <= best);
		len = arena_part_length(&arena, offsets[i]);
		for (at = offsets[i] / ARENA_ALIGN; len; at++, len -= ARENA_ALIGN) {
			assert_int_equal(owner[at], 0);
			owner[at] = (uint16_t)(i + 1);
		}
	}
}

static void bounds_hold(void **state)
{
	size_t offset, i;

	(void)state;
	arena_init(&arena, LENGTH);
	assert_int_equal(arena_get(&arena, 0, &offset), -ENOBUFS);
	assert_int_equal(arena_get(&arena, LENGTH + 1, &offset), -ENOBUFS);
	assert_int_equal(arena_get(&arena, SIZE_MAX, &offset), -ENOBUFS);
	assert_int_equal(arena_get(&arena, LENGTH, &offset), 0);
	assert_int_equal(arena_largest(&arena), 0);
	assert_true(arena_put(&arena, offset));
	arena_init(&arena, (size_t)64 * 2 * ARENA_PARTS);
	for (i = 0; i < ARENA_PARTS; i++)
		assert_int_equal(arena_get(&arena, 1, &offset), 0);
	assert_int_equal(arena_get(&arena, 1, &offset), -ENOBUFS);
	assert_int_equal(arena_largest(&arena), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(parts_never_overlap_and_nothing_is_lost),
		cmocka_unit_test(bounds_hold),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
