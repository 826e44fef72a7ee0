/* SPDX-License-Identifier: Apache-2.0 */
#include "base/alloc.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void exactly_the_nth_allocation_fails(void **state)
{
	void *memory[6];
	int n, i;

	(void)state;
	for (n = 1; n <= 6; n++) {
		mem_fail_at(n);
		for (i = 0; i < 6; i++) {
			assert_int_equal(mem_failed(), i >= n);
			memory[i] = mem_alloc(8);
			assert_int_equal(memory[i] == NULL, i + 1 == n);
		}
		for (i = 0; i < 6; i++)
			mem_free(memory[i]);
	}
}

static void every_kind_of_allocation_can_fail(void **state)
{
	(void)state;
	mem_fail_at(1);
	assert_null(mem_zalloc(1));
	assert_true(mem_failed());
	mem_fail_at(1);
	assert_null(mem_array(1, 1));
	mem_fail_at(1);
	assert_null(mem_aligned(64, 64));
	mem_fail_at(1);
	assert_null(mem_strdup("x"));
	mem_fail_at(1);
	mem_fail_at(0);
	assert_false(mem_failed());
	mem_free(mem_alloc(1));
	assert_false(mem_failed());
}

static void memory_is_zeroed_and_aligned_as_promised(void **state)
{
	static const unsigned char zero[1000];
	void *memory;
	size_t alignment;
	char *copy;

	(void)state;
	memory = mem_array(10, 100);
	assert_memory_equal(memory, zero, 1000);
	mem_free(memory);
	memory = mem_zalloc(0);
	assert_non_null(memory);
	mem_free(memory);
	for (alignment = sizeof(void *); alignment <= 65536; alignment *= 2) {
		memory = mem_aligned(alignment, 3);
		assert_int_equal((uintptr_t)memory % alignment, 0);
		mem_free(memory);
	}
	copy = mem_strdup("weft");
	assert_string_equal(copy, "weft");
	mem_free(copy);
	mem_free(NULL);
}

static void an_overflowing_product_is_refused(void **state)
{
	volatile size_t half = SIZE_MAX / 2;

	(void)state;
	assert_null(mem_array(half, 4));
}

static void *allocate_some(void *missing)
{
	void *memory;
	int i;

	for (i = 0; i < 1000; i++) {
		memory = mem_alloc(1);
		*(int *)missing += !memory;
		mem_free(memory);
	}
	return NULL;
}

static void among_threads_one_allocation_fails(void **state)
{
	int missing[4] = { 0 }, total = 0, i;
	pthread_t thread[4];

	(void)state;
	mem_fail_at(1500);
	for (i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&thread[i], NULL, allocate_some, &missing[i]), 0);
	for (i = 0; i < 4; i++) {
		pthread_join(thread[i], NULL);
		total += missing[i];
	}
	assert_int_equal(total, 1);
	assert_true(mem_failed());
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(exactly_the_nth_allocation_fails),
		cmocka_unit_test(every_kind_of_allocation_can_fail),
		cmocka_unit_test(memory_is_zeroed_and_aligned_as_promised),
		cmocka_unit_test(an_overflowing_product_is_refused),
		cmocka_unit_test(among_threads_one_allocation_fails),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
