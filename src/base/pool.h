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

struct pool {
	unsigned char *records;
	uint32_t *free;  /* stack of indices; the last one put is the next to be got */
	uint8_t *used;   /* one per record */
	size_t size;     /* of a record, as asked for */
	size_t stride;   /* distance of records */
	uint32_t count;  /* records in all */
	uint32_t n_free; /* in the stack */
};

/* count records of size bytes, both at least 1, 256 GiB at most; zeroed at first. -ENOMEM,
 * -EINVAL. */
int pool_init(struct pool *pool, size_t size, uint32_t count);
/* Frees the memory, also of records that are not back. A zeroed struct is fine. */
void pool_fini(struct pool *pool);

/* NULL when all are in use. It holds what its last user left in it. */
void *pool_get(struct pool *pool);
/* NULL is fine. */
void pool_put(struct pool *pool, void *record);

/* 0..count-1 */
uint32_t pool_index(const struct pool *pool, const void *record);
/* The record in use at an index that may come from outside; NULL if out of range or free. */
void *pool_at(const struct pool *pool, uint32_t index);
/* Whether this is the address of a record in use. */
bool pool_owns(const struct pool *pool, const void *record);

static inline uint32_t pool_used(const struct pool *pool)
{
	return pool->count - pool->n_free;
}

#endif /* WEFT_BASE_POOL_H */
