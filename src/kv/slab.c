/* SPDX-License-Identifier: Apache-2.0 */
#include "kv/slab.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>

#include "base/alloc.h"
#include "base/err.h"
#include "base/list.h"

#define SLAB_STEP    8u
#define SLAB_CLASSES (SLAB_MAX / SLAB_STEP + 1)
#define SLAB_LANES   8u
#define SLAB_CHUNK   32768u
#define SLAB_REGION  (1u << 20)

/* At the front of each chunk; records follow. Found from a record by masking its address. */
struct chunk {
	struct list link; /* lane->open, or slab->empty, or none when full */
	struct lane *lane;
	void *free;     /* records given back, linked through their first word */
	uint32_t fresh; /* offset of the first record never used */
	uint32_t used;  /* records handed out */
};

/* Chunks are cut from regions; memory that no record was in is never touched. */
struct region {
	struct region *next;
};

/* In front of each record above SLAB_MAX. */
struct large {
	struct list link;
	unsigned char record[];
};

struct lane {
	pthread_mutex_t lock;
	struct list open[SLAB_CLASSES]; /* chunks with room, by size class */
};

struct slab {
	pthread_mutex_t lock; /* of what follows; taken inside of a lane's lock */
	struct list empty, larges;
	struct region *regions;
	unsigned char *fresh; /* chunks of the newest region never used */
	uint32_t fresh_count;
	uint64_t max_bytes;
	atomic_uint_least64_t bytes; /* changed under the lock */
	struct lane lanes[SLAB_LANES];
};

int slab_open(struct slab **ret, uint64_t max_bytes)
{
	struct slab *slab = mem_zalloc(sizeof(*slab));
	uint32_t i, class;

	if (!slab)
		return -ENOMEM;
	slab->max_bytes = max_bytes ? max_bytes : UINT64_MAX;
	list_init(&slab->empty);
	list_init(&slab->larges);
	pthread_mutex_init(&slab->lock, NULL);
	for (i = 0; i < SLAB_LANES; i++) {
		pthread_mutex_init(&slab->lanes[i].lock, NULL);
		for (class = 0; class < SLAB_CLASSES; class ++)
			list_init(&slab->lanes[i].open[class]);
	}
	*ret = slab;
	return 0;
}

void slab_close(struct slab *slab)
{
	struct region *region;
	struct list *link;
	uint32_t i;

	if (!slab)
		return;
	while ((link = list_pop(&slab->larges)))
		mem_free(list_entry(link, struct large, link));
	while ((region = slab->regions)) {
		slab->regions = region->next;
		mem_free(region);
	}
	for (i = 0; i < SLAB_LANES; i++)
		pthread_mutex_destroy(&slab->lanes[i].lock);
	pthread_mutex_destroy(&slab->lock);
	mem_free(slab);
}

static int region_add(struct slab *slab)
{
	struct region *region = mem_alloc(SLAB_REGION);
	uintptr_t first, end;

	if (!region)
		return -ENOMEM;
	first = ((uintptr_t)(region + 1) + SLAB_CHUNK - 1) & ~(uintptr_t)(SLAB_CHUNK - 1);
	end = (uintptr_t)region + SLAB_REGION;
	region->next = slab->regions;
	slab->regions = region;
	slab->fresh = (unsigned char *)first;
	slab->fresh_count = (uint32_t)((end - first) / SLAB_CHUNK);
	return 0;
}

/* Whether size bytes more may be held; counts them. Under the lock. */
static bool count_bytes(struct slab *slab, size_t size)
{
	uint64_t bytes = atomic_load_explicit(&slab->bytes, memory_order_relaxed);

	if (size > slab->max_bytes - bytes)
		return false;
	atomic_store_explicit(&slab->bytes, bytes + size, memory_order_relaxed);
	return true;
}

static void uncount_bytes(struct slab *slab, size_t size)
{
	atomic_fetch_sub_explicit(&slab->bytes, size, memory_order_relaxed);
}

/* A chunk that no lane has. */
static int chunk_find(struct slab *slab, struct chunk **ret)
{
	struct list *link = list_pop(&slab->empty);

	if (link) {
		*ret = list_entry(link, struct chunk, link);
		return 0;
	}
	if (!count_bytes(slab, SLAB_CHUNK))
		return -WEFT_ELIMIT;
	if (!slab->fresh_count && region_add(slab)) {
		uncount_bytes(slab, SLAB_CHUNK);
		return -ENOMEM;
	}
	*ret = (void *)slab->fresh;
	slab->fresh += SLAB_CHUNK;
	slab->fresh_count--;
	return 0;
}

static void chunk_put(struct slab *slab, struct chunk *chunk)
{
	pthread_mutex_lock(&slab->lock);
	list_add_head(&slab->empty, &chunk->link);
	pthread_mutex_unlock(&slab->lock);
}

static int chunk_open(struct slab *slab, struct lane *lane, uint32_t class)
{
	struct chunk *chunk;
	int rc;

	pthread_mutex_lock(&slab->lock);
	rc = chunk_find(slab, &chunk);
	pthread_mutex_unlock(&slab->lock);
	if (rc)
		return rc;
	*chunk = (struct chunk){ .lane = lane, .fresh = sizeof(*chunk) };
	list_add_head(&lane->open[class], &chunk->link);
	return 0;
}

static void *record_take(struct chunk *chunk, uint32_t size)
{
	void *record = chunk->free;

	if (record) {
		chunk->free = *(void **)record;
	} else {
		record = (unsigned char *)chunk + chunk->fresh;
		chunk->fresh += size;
	}
	chunk->used++;
	if (!chunk->free && chunk->fresh + size > SLAB_CHUNK)
		list_del(&chunk->link);
	return record;
}

static int large_alloc(struct slab *slab, size_t size, void **ret)
{
	struct large *large = mem_alloc(sizeof(*large) + size);
	bool fits;

	if (!large)
		return -ENOMEM;
	pthread_mutex_lock(&slab->lock);
	fits = count_bytes(slab, sizeof(*large) + size);
	if (fits)
		list_add_tail(&slab->larges, &large->link);
	pthread_mutex_unlock(&slab->lock);
	if (!fits) {
		mem_free(large);
		return -WEFT_ELIMIT;
	}
	*ret = large->record;
	return 0;
}

static void large_free(struct slab *slab, void *record, size_t size)
{
	struct large *large = container_of(record, struct large, record);

	pthread_mutex_lock(&slab->lock);
	list_del(&large->link);
	uncount_bytes(slab, sizeof(*large) + size);
	pthread_mutex_unlock(&slab->lock);
	mem_free(large);
}

static uint32_t class_of(size_t size)
{
	return size ? (uint32_t)((size + SLAB_STEP - 1) / SLAB_STEP) : 1;
}

int slab_alloc(struct slab *slab, uint32_t lane_number, size_t size, void **ret)
{
	struct lane *lane = &slab->lanes[lane_number % SLAB_LANES];
	uint32_t class = class_of(size);
	struct list *link;
	int rc = 0;

	if (size > SLAB_MAX)
		return large_alloc(slab, size, ret);
	pthread_mutex_lock(&lane->lock);
	if (list_empty(&lane->open[class]))
		rc = chunk_open(slab, lane, class);
	link = list_first(&lane->open[class]);
	if (!rc)
		*ret = record_take(list_entry(link, struct chunk, link), class * SLAB_STEP);
	pthread_mutex_unlock(&lane->lock);
	return rc;
}

void slab_free(struct slab *slab, void *record, size_t size)
{
	struct chunk *chunk = (void *)((uintptr_t)record & ~(uintptr_t)(SLAB_CHUNK - 1));
	struct lane *lane;

	if (size > SLAB_MAX) {
		large_free(slab, record, size);
		return;
	}
	lane = chunk->lane;
	pthread_mutex_lock(&lane->lock);
	*(void **)record = chunk->free;
	chunk->free = record;
	chunk->used--;
	list_del(&chunk->link);
	if (chunk->used)
		list_add_head(&lane->open[class_of(size)], &chunk->link);
	else
		chunk_put(slab, chunk);
	pthread_mutex_unlock(&lane->lock);
}

uint64_t slab_bytes(const struct slab *slab)
{
	return atomic_load_explicit(&slab->bytes, memory_order_relaxed);
}
