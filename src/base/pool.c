/* SPDX-License-Identifier: Apache-2.0 */
#include "base/pool.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "base/alloc.h"

#if POOL_ASAN
#include <sanitizer/asan_interface.h>
#define POOL_GAP POOL_ALIGN
#else
#define POOL_GAP                               0
#define ASAN_POISON_MEMORY_REGION(addr, len)   ((void)(addr), (void)(len))
#define ASAN_UNPOISON_MEMORY_REGION(addr, len) ((void)(addr), (void)(len))
#endif

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

void *pool_get(struct pool *pool)
{
	unsigned char *record;
	uint32_t index;

	if (!pool->n_free)
		return NULL;
	index = pool->free[--pool->n_free];
	pool->used[index] = 1;
	record = pool->records + index * pool->stride;
	ASAN_UNPOISON_MEMORY_REGION(record, pool->size);
	return record;
}

void pool_put(struct pool *pool, void *record)
{
	uint32_t index;

	if (!record)
		return;
	assert(pool_owns(pool, record));
	index = pool_index(pool, record);
	pool->used[index] = 0;
	pool->free[pool->n_free++] = index;
	ASAN_POISON_MEMORY_REGION(record, pool->size);
}

/* Offsets in units of POOL_ALIGN, so that the division is a 32-bit one. */
uint32_t pool_index(const struct pool *pool, const void *record)
{
	size_t off = (size_t)((const unsigned char *)record - pool->records);

	return (uint32_t)(off / POOL_ALIGN) / (uint32_t)(pool->stride / POOL_ALIGN);
}

void *pool_at(const struct pool *pool, uint32_t index)
{
	if (index >= pool->count || !pool->used[index])
		return NULL;
	return pool->records + index * pool->stride;
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
