/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The inside of a store, for the files that implement it.
 *
 * Locks: a shard's lock guards its index, its counters and the state of its linked items. No other
 * lock is taken while it is held. Items that leave an index are collected and dropped after
 * unlocking.
 */
#ifndef WEFT_KV_SHARD_H
#define WEFT_KV_SHARD_H

#include <pthread.h>
#include <stdatomic.h>

#include "base/hash.h"
#include "kv/extent.h"
#include "kv/index.h"
#include "kv/item.h"
#include "kv/slab.h"
#include "kv/store.h"

struct shard {
	_Alignas(64) pthread_mutex_t lock;
	struct index index;
	uint64_t value_bytes;
	uint64_t commits, overwritten, deleted, expired, hits, misses;
	_Alignas(64) atomic_uint_least64_t pinned;
};

struct store {
	struct extent_pool *pool;
	struct slab *slab;
	struct store_segment *segments;
	uint64_t hash_seed;
	uint64_t value_max;
	uint32_t shard_bits;
	uint32_t shard_count;
	_Alignas(64) atomic_uint_least64_t version;
	atomic_uint_least64_t reserved, detached, aborted, refused_full, refused_large;
	atomic_uint sweep_shard;
	struct shard shards[];
};

/* Relaxed: counters order nothing. */
static inline void count_add(atomic_uint_least64_t *count, uint64_t by)
{
	atomic_fetch_add_explicit(count, by, memory_order_relaxed);
}

static inline void count_sub(atomic_uint_least64_t *count, uint64_t by)
{
	atomic_fetch_sub_explicit(count, by, memory_order_relaxed);
}

static inline uint64_t count_get(atomic_uint_least64_t *count)
{
	return atomic_load_explicit(count, memory_order_relaxed);
}

/* The last order is not used, so that a position after any item can be told: STORE_LIST_END. */
static inline uint64_t store_order(const struct store *store, const void *key, size_t key_len)
{
	uint64_t hash = hash_key(key, key_len, store->hash_seed);

	return hash == STORE_LIST_END ? hash - 1 : hash;
}

static inline struct shard *store_shard(struct store *store, uint64_t order)
{
	return &store->shards[store->shard_bits ? order >> (64 - store->shard_bits) : 0];
}

/* -WEFT_EKEYSIZE with its detail. */
int store_key_check(size_t key_len);

/* Bytes of the list of a value's extents. */
static inline size_t item_list_size(uint32_t extents)
{
	return extents * sizeof(struct extent);
}

/* Ends a reference; the last one frees the item and its space. Not under a shard's lock. */
void item_unref(struct store *store, struct item *item);
/* Accounts for an item that has just left the index. Under the lock; items_drop() follows after
 * it. */
void item_detach(struct store *store, struct shard *shard, struct item *item);
/* Ends the index's references to a list of detached items. Not under a shard's lock. */
void items_drop(struct store *store, struct item *items);

/* Writes the headers of a value. Everything but the extents' content must be final. */
void value_seal(const struct store *store, const struct item *item, uint64_t key_hash);

#endif /* WEFT_KV_SHARD_H */
