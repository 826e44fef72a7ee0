/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Records of one size from one allocation. Getting and putting are O(1) and allocate nothing. One
 * thread. Records are aligned to 64 bytes and keep their address and index.
 *
 * Under AddressSanitizer a free record, and the gap behind each record, may not be touched. In
 * builds with assertions a wrong or second put stops the program.
 */
#ifndef WEFT_BASE_POOL_H
#define WEFT_BASE_POOL_H

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define POOL_ALIGN 64

/* Whether this build has AddressSanitizer. */
#if defined(__SANITIZE_ADDRESS__)
#define POOL_ASAN 1
#elif defined(__has_feature)
#define POOL_ASAN __has_feature(address_sanitizer)
#else
#define POOL_ASAN 0
#endif

#if POOL_ASAN
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(addr, len)   ((void)(addr), (void)(len))
#define ASAN_UNPOISON_MEMORY_REGION(addr, len) ((void)(addr), (void)(len))
#endif

struct pool {
	unsigned char *records;
	uint32_t *free;   /* stack of indices; the last one put is the next to be got */
	uint8_t *used;    /* one per record */
	size_t size;      /* of a record, as asked for */
	size_t stride;    /* distance of records */
	uint64_t inverse; /* see pool_index() */
	uint32_t count;   /* records in all */
	uint32_t n_free;  /* in the stack */
};

/* count records of size bytes, both at least 1, 256 GiB at most; zeroed at first. -ENOMEM,
 * -EINVAL. */
int pool_init(struct pool *pool, size_t size, uint32_t count);
/* Frees the memory, also of records that are not back. A zeroed struct is fine. */
void pool_fini(struct pool *pool);

/*
 * 0..count-1; of an address inside a record that of the record. The division by the stride is a
 * multiplication by 2^64 / stride, rounded up, in units of half a POOL_ALIGN, so that it fits. The
 * error is less than one for the address of any record.
 */
static inline uint32_t pool_index(const struct pool *pool, const void *record)
{
	size_t off = (size_t)((const unsigned char *)record - pool->records);

	return (uint32_t)((unsigned __int128)(off / (POOL_ALIGN / 2)) * pool->inverse >> 64);
}

/* Whether this is the address of a record in use. */
bool pool_owns(const struct pool *pool, const void *record);

/* The record in use at an index that may come from outside; NULL if out of range or free. */
static inline void *pool_at(const struct pool *pool, uint32_t index)
{
	if (index >= pool->count || !pool->used[index])
		return NULL;
	return pool->records + index * pool->stride;
}

/* NULL when all are in use. It holds what its last user left in it. */
static inline void *pool_get(struct pool *pool)
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

/* NULL is fine. */
static inline void pool_put(struct pool *pool, void *record)
{
	uint32_t index;

	if (!record)
		return;
	index = pool_index(pool, record);
	assert(pool_at(pool, index) == record);
	pool->used[index] = 0;
	pool->free[pool->n_free++] = index;
	ASAN_POISON_MEMORY_REGION(record, pool->size);
}

static inline uint32_t pool_used(const struct pool *pool)
{
	return pool->count - pool->n_free;
}

#endif /* WEFT_BASE_POOL_H */
