/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The allocator of the pool: places for values in a list of segments, in grains of 64 bytes. A
 * place is one run of grains where there is one that is long enough, several otherwise; the first
 * grain of each is its header. Any thread.
 */
#ifndef WEFT_KV_EXTENT_H
#define WEFT_KV_EXTENT_H

#include <stdbool.h>
#include <stdint.h>

#define EXTENT_GRAIN       64u
#define EXTENT_SEGMENT_MAX (1ull << 38) /* bytes of one segment */

struct extent_pool;

/* Grains start..start+count of a segment, header included. */
struct extent {
	uint32_t segment;
	uint32_t start, count;
};

struct extent_stats {
	uint64_t size, used, largest; /* bytes */
	uint64_t runs;                /* free runs */
};

/* Segments of these lengths in bytes: 64..EXTENT_SEGMENT_MAX; a rest below 64 is not used.
 * -EINVAL, -ENOMEM. */
int extent_pool_open(struct extent_pool **ret, const uint64_t *lengths, uint32_t count);
/* NULL is fine. */
void extent_pool_close(struct extent_pool *pool);

/*
 * Takes extents (at most max) that hold payload grains besides one header grain each; all of
 * an extent is payload but in the last one. As few extents as are easily found. Returns how many;
 * -ENOSPC: there is no such space, and nothing was taken.
 */
int extent_alloc(struct extent_pool *pool, uint64_t payload, struct extent *ret, uint32_t max);
/* Gives extents back. Never fails. */
void extent_free(struct extent_pool *pool, const struct extent *extents, uint32_t count);

/* The largest payload, in grains, that max extents can hold when the pool is empty. */
uint64_t extent_capacity(const struct extent_pool *pool, uint32_t max);
void extent_pool_stats(struct extent_pool *pool, struct extent_stats *ret);
/* Whether the bookkeeping is consistent. Slow, for tests. */
bool extent_pool_valid(struct extent_pool *pool);

#endif /* WEFT_KV_EXTENT_H */
