/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>
#include <weft/memory.h>

#define MIB ((size_t)1 << 20)

/* Every page is resident, zero, and can be written. */
static void check_memory(const struct weft_memory *memory, size_t len)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE), pages = memory->len / page, i;
	unsigned char *resident = calloc(1, pages);
	uint8_t *bytes = memory->base;

	assert_non_null(resident);
	assert_true(memory->len >= len && memory->len % memory->page == 0);
	assert_int_equal((uintptr_t)bytes % (2 * MIB), 0);
	assert_true(memory->huge_bytes <= memory->len);
	assert_int_equal(mincore(bytes, memory->len, resident), 0);
	for (i = 0; i < pages; i++) {
		assert_true(resident[i] & 1);
		assert_int_equal(bytes[i * page], 0);
		bytes[i * page] = 1;
	}
	bytes[len - 1] = 2;
	free(resident);
}

static void some_pages_are_always_there(void **state)
{
	static const size_t len[] = { 1, 4097, 2 * MIB, 5 * MIB + 1 };
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(len) / sizeof(len[0]); i++) {
		struct weft_memory memory = { .size = sizeof(memory) };

		assert_int_equal(weft_alloc(len[i], 0, &memory), 0);
		check_memory(&memory, len[i]);
		weft_free(&memory);
		/* It is not mapped any more, nor what was mapped beside it for the alignment. */
		assert_int_equal(msync(memory.base, memory.len, MS_ASYNC), -1);
	}
}

static void any_pages_are_named_as_they_are(void **state)
{
	struct weft_memory memory = { .size = sizeof(memory) };

	(void)state;
	assert_int_equal(weft_alloc(4 * MIB, WEFT_PAGES_ANY, &memory), 0);
	assert_int_equal(memory.page, sysconf(_SC_PAGESIZE));
	assert_int_equal(memory.len, 4 * MIB);
	check_memory(&memory, 4 * MIB);
	weft_free(&memory);
}

/* More than any host reserves. */
static void reserved_pages_that_are_not_there(void **state)
{
	static const uint32_t pages[] = { WEFT_PAGES_2M, WEFT_PAGES_1G,
					  WEFT_PAGES_1G | WEFT_PAGES_2M };
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(pages) / sizeof(pages[0]); i++) {
		struct weft_memory memory = { .size = sizeof(memory) };

		assert_int_equal(weft_alloc((size_t)1 << 46, pages[i], &memory), -ENOMEM);
		assert_null(memory.base);
		assert_non_null(strstr(weft_error_detail(), "nr_hugepages"));
		assert_non_null(strstr(weft_error_detail(), "are free"));
	}
}

static void bad_requests(void **state)
{
	struct weft_memory memory = { .size = sizeof(memory) };

	(void)state;
	assert_int_equal(weft_alloc(0, 0, &memory), -EINVAL);
	assert_int_equal(weft_alloc(SIZE_MAX, 0, &memory), -EINVAL);
	assert_int_equal(weft_alloc(1, 8, &memory), -EINVAL);
	assert_int_equal(weft_alloc(1, 0, NULL), -EINVAL);
	memory.size = 8;
	assert_int_equal(weft_alloc(1, 0, &memory), -EINVAL);
	memory.size = SIZE_MAX;
	assert_int_equal(weft_alloc(1, 0, &memory), -EINVAL);
	assert_null(memory.base);
	weft_free(NULL);
	weft_free(&memory);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(some_pages_are_always_there),
		cmocka_unit_test(any_pages_are_named_as_they_are),
		cmocka_unit_test(reserved_pages_that_are_not_there),
		cmocka_unit_test(bad_requests),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
