/* SPDX-License-Identifier: Apache-2.0 */
#include "kv/extent.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "kv/run.h"

struct extent_pool {
	pthread_mutex_t lock;
	uint64_t grains, used;
	uint32_t count;
	struct runs segments[];
};

/* The last grains of the very longest segment are beyond what runs can count. */
static uint32_t grains_in(uint64_t length)
{
	uint64_t grains = length / EXTENT_GRAIN;

	return grains < UINT32_MAX ? (uint32_t)grains : UINT32_MAX - 1;
}

int extent_pool_open(struct extent_pool **ret, const uint64_t *lengths, uint32_t count)
{
	struct extent_pool *pool;
	uint32_t i;
	int rc;

	if (count == 0)
		return -EINVAL;
	pool = mem_zalloc(sizeof(*pool) + count * sizeof(pool->segments[0]));
	if (!pool)
		return -ENOMEM;
	for (i = 0; i < count; i++, pool->count++) {
		rc = -EINVAL;
		if (lengths[i] < EXTENT_GRAIN || lengths[i] > EXTENT_SEGMENT_MAX)
			goto fini_segments;
		rc = runs_init(&pool->segments[i], grains_in(lengths[i]));
		if (rc)
			goto fini_segments;
		pool->grains += pool->segments[i].size;
	}
	rc = -pthread_mutex_init(&pool->lock, NULL);
	if (rc)
		goto fini_segments;
	*ret = pool;
	return 0;
fini_segments:
	while (pool->count)
		runs_fini(&pool->segments[--pool->count]);
	mem_free(pool);
	return rc;
}

void extent_pool_close(struct extent_pool *pool)
{
	if (!pool)
		return;
	while (pool->count)
		runs_fini(&pool->segments[--pool->count]);
	pthread_mutex_destroy(&pool->lock);
	mem_free(pool);
}

/* One extent of exactly count grains, from the first segment that has it. */
static bool take_whole(struct extent_pool *pool, uint64_t count, struct extent *ret)
{
	uint32_t i;

	for (i = 0; i < pool->count; i++) {
		if (count > pool->segments[i].size - pool->segments[i].used ||
		    !runs_alloc(&pool->segments[i], (uint32_t)count, &ret->start))
			continue;
		ret->segment = i;
		ret->count = (uint32_t)count;
		return true;
	}
	return false;
}

/* An extent of up to max grains, about the longest that there is. */
static bool take_part(struct extent_pool *pool, uint64_t max, struct extent *ret)
{
	uint32_t i, bound, best = 0, best_bound = 0;

	for (i = 0; i < pool->count; i++) {
		bound = runs_largest_bound(&pool->segments[i]);
		if (bound > best_bound) {
			best_bound = bound;
			best = i;
		}
	}
	if (best_bound < 2) /* a header and nothing after it */
		return false;
	ret->segment = best;
	ret->count = runs_take(&pool->segments[best], max > UINT32_MAX ? UINT32_MAX : (uint32_t)max,
			       &ret->start);
	return true;
}

static void give_back(struct extent_pool *pool, const struct extent *extents, uint32_t count)
{
	uint32_t i;

	for (i = 0; i < count; i++) {
		runs_free(&pool->segments[extents[i].segment], extents[i].start, extents[i].count);
		pool->used -= extents[i].count;
	}
}

static int take(struct extent_pool *pool, uint64_t payload, struct extent *ret, uint32_t max)
{
	uint32_t n = 0;

	/* Also keeps payload + 1 from wrapping. */
	if (payload >= pool->grains - pool->used)
		return -ENOSPC;
	while (n < max) {
		if (take_whole(pool, payload + 1, &ret[n])) {
			pool->used += ret[n].count;
			return (int)n + 1;
		}
		if (n + 1 == max || !take_part(pool, payload + 1, &ret[n]))
			break;
		pool->used += ret[n].count;
		payload -= ret[n].count - 1;
		n++;
		if (payload == 0)
			return (int)n;
	}
	give_back(pool, ret, n);
	return -ENOSPC;
}

int extent_alloc(struct extent_pool *pool, uint64_t payload, struct extent *ret, uint32_t max)
{
	int rc;

	pthread_mutex_lock(&pool->lock);
	rc = take(pool, payload, ret, max);
	pthread_mutex_unlock(&pool->lock);
	return rc;
}

void extent_free(struct extent_pool *pool, const struct extent *extents, uint32_t count)
{
	pthread_mutex_lock(&pool->lock);
	give_back(pool, extents, count);
	pthread_mutex_unlock(&pool->lock);
}

uint64_t extent_capacity(const struct extent_pool *pool, uint32_t max)
{
	uint64_t sum = 0;
	uint32_t i, j, longer;

	for (i = 0; i < pool->count; i++) {
		longer = 0;
		for (j = 0; j < pool->count && longer < max; j++)
			longer += pool->segments[j].size > pool->segments[i].size ||
				  (pool->segments[j].size == pool->segments[i].size && j < i);
		if (longer < max)
			sum += pool->segments[i].size - 1;
	}
	return sum;
}

void extent_pool_stats(struct extent_pool *pool, struct extent_stats *ret)
{
	uint32_t i, largest = 0, length;

	*ret = (struct extent_stats){ 0 };
	pthread_mutex_lock(&pool->lock);
	for (i = 0; i < pool->count; i++) {
		length = runs_largest(&pool->segments[i]);
		if (length > largest)
			largest = length;
		ret->runs += pool->segments[i].count;
	}
	ret->used = pool->used * EXTENT_GRAIN;
	pthread_mutex_unlock(&pool->lock);
	ret->size = pool->grains * EXTENT_GRAIN;
	ret->largest = (uint64_t)largest * EXTENT_GRAIN;
}

bool extent_pool_valid(struct extent_pool *pool)
{
	uint64_t used = 0;
	bool valid = true;
	uint32_t i;

	pthread_mutex_lock(&pool->lock);
	for (i = 0; i < pool->count; i++) {
		valid = valid && runs_valid(&pool->segments[i]);
		used += pool->segments[i].used;
	}
	valid = valid && used == pool->used;
	pthread_mutex_unlock(&pool->lock);
	return valid;
}
