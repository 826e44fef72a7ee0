/* SPDX-License-Identifier: Apache-2.0 */
#include "base/pool.h"

#include <errno.h>
#include <string.h>

#include "base/alloc.h"

#define POOL_GAP (POOL_ASAN ? POOL_ALIGN : 0)

int pool_init(struct pool *pool, size_t size, uint32_t count)
{
	size_t stride, bytes;
	uint32_t i;

	if (!size || !count)
		return -EINVAL;
	if (__builtin_add_overflow(size, POOL_ALIGN - 1 + POOL_GAP, &stride))
		return -ENOMEM;
	stride &= ~(size_t)(POOL_ALIGN - 1);
	if (__builtin_mul_overflow(stride, count, &bytes) || bytes / POOL_ALIGN > UINT32_MAX)
		return -ENOMEM;
	*pool = (struct pool){ .size = size, .stride = stride, .count = count, .n_free = count };
	pool->inverse = UINT64_MAX / (stride / (POOL_ALIGN / 2)) + 1;
	pool->records = mem_aligned(POOL_ALIGN, bytes);
	pool->free = mem_array(count, sizeof(*pool->free));
	pool->used = mem_array(count, sizeof(*pool->used));
	if (!pool->records || !pool->free || !pool->used) {
		pool_fini(pool);
		return -ENOMEM;
	}
	memset(pool->records, 0, bytes);
	for (i = 0; i < count; i++)
		pool->free[i] = count - 1 - i;
	ASAN_POISON_MEMORY_REGION(pool->records, bytes);
	return 0;
}

void pool_fini(struct pool *pool)
{
	if (pool->records)
		ASAN_UNPOISON_MEMORY_REGION(pool->records, pool->stride * pool->count);
	mem_free(pool->records);
	mem_free(pool->free);
	mem_free(pool->used);
	*pool = (struct pool){ 0 };
}

bool pool_owns(const struct pool *pool, const void *record)
{
	uintptr_t off = (uintptr_t)record - (uintptr_t)pool->records;
	uint32_t index;

	if (off >= pool->stride * pool->count)
		return false;
	index = pool_index(pool, record);
	return off == index * pool->stride && pool->used[index];
}
