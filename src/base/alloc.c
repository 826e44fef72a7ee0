/* SPDX-License-Identifier: Apache-2.0 */
#include "base/alloc.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

/* Allocations until the one that fails; 0: off, or it has failed. */
static atomic_int mem_countdown;
static atomic_bool mem_has_failed;

static bool mem_fails_now(void)
{
	int left = atomic_load_explicit(&mem_countdown, memory_order_relaxed);

	while (left > 0) {
		if (!atomic_compare_exchange_weak(&mem_countdown, &left, left - 1))
			continue;
		if (left > 1)
			return false;
		atomic_store(&mem_has_failed, true);
		return true;
	}
	return false;
}

void mem_fail_at(int n)
{
	atomic_store(&mem_has_failed, false);
	atomic_store(&mem_countdown, n > 0 ? n : 0);
}

bool mem_failed(void)
{
	return atomic_load(&mem_has_failed);
}

void *mem_alloc(size_t size)
{
	return mem_fails_now() ? NULL : malloc(size ? size : 1);
}

void *mem_array(size_t count, size_t size)
{
	size_t bytes;

	if (mem_fails_now() || __builtin_mul_overflow(count, size, &bytes))
		return NULL;
	return calloc(1, bytes ? bytes : 1);
}

void *mem_zalloc(size_t size)
{
	return mem_array(1, size);
}

void *mem_aligned(size_t alignment, size_t size)
{
	void *memory = NULL;

	if (mem_fails_now() || posix_memalign(&memory, alignment, size ? size : 1))
		return NULL;
	return memory;
}

char *mem_strdup(const char *text)
{
	size_t size = strlen(text) + 1;
	char *copy = mem_alloc(size);

	return copy ? memcpy(copy, text, size) : NULL;
}

void mem_free(void *memory)
{
	free(memory);
}
