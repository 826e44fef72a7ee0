/* SPDX-License-Identifier: Apache-2.0 */
#include "kv/store.h"

#include <errno.h>

#include "base/alloc.h"
#include "base/err.h"
#include "kv/shard.h"

#define STORE_SHARDS      64u
#define STORE_SHARDS_MAX  1024u
#define STORE_SEGMENT_MIN 4096u

static int opts_check(const struct store_opts *opts)
{
	uint32_t i;

	if (opts->segment_count == 0 || opts->segment_count > STORE_SEGMENTS_MAX)
		return err_set(-EINVAL, "%u pool segments, must be 1 to %u", opts->segment_count,
			       STORE_SEGMENTS_MAX);
	if (opts->shards > STORE_SHARDS_MAX || (opts->shards & (opts->shards - 1)))
		return err_set(-EINVAL, "%u shards, must be a power of two up to %u", opts->shards,
			       STORE_SHARDS_MAX);
	for (i = 0; i < opts->segment_count; i++) {
		if (!opts->segments[i].base || (uintptr_t)opts->segments[i].base % EXTENT_GRAIN)
			return err_set(-EINVAL, "pool segment %u is not aligned to %u bytes", i,
				       EXTENT_GRAIN);
		if (opts->segments[i].length < STORE_SEGMENT_MIN ||
		    opts->segments[i].length > EXTENT_SEGMENT_MAX)
			return err_set(-EINVAL,
				       "pool segment %u has %llu bytes, must be %u to %llu", i,
				       (unsigned long long)opts->segments[i].length,
				       STORE_SEGMENT_MIN, EXTENT_SEGMENT_MAX);
	}
	return 0;
}

static int pool_open(struct store *store, const struct store_opts *opts)
{
	uint64_t *lengths = mem_array(opts->segment_count, sizeof(*lengths));
	uint64_t capacity;
	uint32_t i;
	int rc;

	if (!lengths)
		return -ENOMEM;
	store->segments = mem_array(opts->segment_count, sizeof(*store->segments));
	if (!store->segments) {
		mem_free(lengths);
		return -ENOMEM;
	}
	for (i = 0; i < opts->segment_count; i++) {
		store->segments[i] = opts->segments[i];
		lengths[i] = opts->segments[i].length;
	}
	rc = extent_pool_open(&store->pool, lengths, opts->segment_count);
	mem_free(lengths);
	if (rc)
		return rc;
	capacity = extent_capacity(store->pool, STORE_EXTENTS_MAX) * EXTENT_GRAIN;
	store->value_max =
		opts->value_max && opts->value_max < capacity ? opts->value_max : capacity;
	return 0;
}

static int shards_open(struct store *store, uint32_t count)
{
	struct shard *shard;

	store->shard_bits = (uint32_t)__builtin_ctz(count);
	for (; store->shard_count < count; store->shard_count++) {
		shard = &store->shards[store->shard_count];
		memset(shard, 0, sizeof(*shard));
		if (index_init(&shard->index, store->shard_bits))
			return -ENOMEM;
		pthread_mutex_init(&shard->lock, NULL);
	}
	return 0;
}

int store_open(struct store **ret, const struct store_opts *opts)
{
	uint32_t count = opts->shards ? opts->shards : STORE_SHARDS;
	struct store *store;
	int rc = opts_check(opts);

	if (rc)
		return rc;
	store = mem_aligned(_Alignof(struct store), sizeof(*store) + count * sizeof(struct shard));
	if (!store)
		return err_set(-ENOMEM, "no memory for the store");
	memset(store, 0, sizeof(*store));
	store->hash_seed = opts->hash_seed;
	atomic_init(&store->version, opts->first_version);
	rc = pool_open(store, opts);
	if (!rc)
		rc = slab_open(&store->slab, opts->index_max);
	if (!rc)
		rc = shards_open(store, count);
	if (rc) {
		store_close(store);
		return err_set(rc, "no memory for the store's bookkeeping");
	}
	*ret = store;
	return 0;
}

/* Items lie in the slab and values in the pool, so both go as a whole. */
void store_close(struct store *store)
{
	if (!store)
		return;
	while (store->shard_count) {
		index_fini(&store->shards[--store->shard_count].index);
		pthread_mutex_destroy(&store->shards[store->shard_count].lock);
	}
	slab_close(store->slab);
	extent_pool_close(store->pool);
	mem_free(store->segments);
	mem_free(store);
}

/* Finds a live item; an expired one is taken out and put in *dead. Under the lock. */
static struct item *item_find(struct store *store, struct shard *shard, uint64_t order,
			      const void *key, size_t key_len, uint64_t now_ns, bool remove,
			      struct item **dead)
{
	struct item **link, *item;

	item = index_find(&shard->index, order, key, key_len, &link);
	if (!item)
		return NULL;
	if (item_expired(item, now_ns))
		shard->expired++;
	else if (remove)
		shard->deleted++;
	else
		return item;
	*dead = index_remove(&shard->index, link);
	item_detach(store, shard, item);
	index_settle(&shard->index, INDEX_SETTLE);
	return item_expired(item, now_ns) ? NULL : item;
}

int store_get(struct store *store, const void *key, size_t key_len, uint64_t now_ns,
	      struct item **ret)
{
	struct item *item, *dead = NULL;
	struct shard *shard;
	uint64_t order;
	int rc = store_key_check(key_len);

	if (rc)
		return rc;
	order = store_order(store, key, key_len);
	shard = store_shard(store, order);
	pthread_mutex_lock(&shard->lock);
	item = item_find(store, shard, order, key, key_len, now_ns, false, &dead);
	if (item) {
		atomic_fetch_add_explicit(&item->refs, 1, memory_order_relaxed);
		count_add(&shard->pinned, 1);
		shard->hits++;
	} else {
		shard->misses++;
	}
	pthread_mutex_unlock(&shard->lock);
	items_drop(store, dead);
	if (!item)
		return err_set(-WEFT_ENOTFOUND, "no such key");
	*ret = item;
	return 0;
}

void store_get_ref(struct store *store, struct item *item)
{
	atomic_fetch_add_explicit(&item->refs, 1, memory_order_relaxed);
	count_add(&store_shard(store, item->order)->pinned, 1);
}

void store_put_ref(struct store *store, struct item *item)
{
	count_sub(&store_shard(store, item->order)->pinned, 1);
	item_unref(store, item);
}

int store_delete(struct store *store, const void *key, size_t key_len, uint64_t now_ns)
{
	struct item *item, *dead = NULL;
	struct shard *shard;
	uint64_t order;
	int rc = store_key_check(key_len);

	if (rc)
		return rc;
	order = store_order(store, key, key_len);
	shard = store_shard(store, order);
	pthread_mutex_lock(&shard->lock);
	item = item_find(store, shard, order, key, key_len, now_ns, true, &dead);
	pthread_mutex_unlock(&shard->lock);
	items_drop(store, dead);
	return item != NULL;
}

int store_stat(struct store *store, const void *key, size_t key_len, uint64_t now_ns,
	       struct store_info *ret)
{
	struct item *item, *dead = NULL;
	struct shard *shard;
	uint64_t order;
	int rc = store_key_check(key_len);

	if (rc)
		return rc;
	order = store_order(store, key, key_len);
	shard = store_shard(store, order);
	pthread_mutex_lock(&shard->lock);
	item = item_find(store, shard, order, key, key_len, now_ns, false, &dead);
	if (item)
		store_info(item, ret);
	pthread_mutex_unlock(&shard->lock);
	items_drop(store, dead);
	return item ? 0 : err_set(-WEFT_ENOTFOUND, "no such key");
}

int store_exists(struct store *store, const void *key, size_t key_len, uint64_t now_ns)
{
	struct store_info info;
	int rc = store_stat(store, key, key_len, now_ns, &info);

	if (rc == -WEFT_ENOTFOUND)
		return 0;
	return rc ? rc : 1;
}

void store_stats(struct store *store, struct store_stats *ret)
{
	struct extent_stats pool;
	struct shard *shard;
	uint32_t i;

	*ret = (struct store_stats){ 0 };
	for (i = 0; i < store->shard_count; i++) {
		shard = &store->shards[i];
		pthread_mutex_lock(&shard->lock);
		ret->keys += shard->index.count;
		ret->value_bytes += shard->value_bytes;
		ret->index_bytes += index_bytes(&shard->index);
		ret->pinned += count_get(&shard->pinned);
		ret->commits += shard->commits;
		ret->overwritten += shard->overwritten;
		ret->deleted += shard->deleted;
		ret->expired += shard->expired;
		ret->hits += shard->hits;
		ret->misses += shard->misses;
		pthread_mutex_unlock(&shard->lock);
	}
	extent_pool_stats(store->pool, &pool);
	ret->pool_size = pool.size;
	ret->pool_used = pool.used;
	ret->pool_free = pool.size - pool.used;
	ret->largest_free = pool.largest;
	ret->free_runs = pool.runs;
	ret->index_bytes += slab_bytes(store->slab);
	ret->reserved = count_get(&store->reserved);
	ret->detached = count_get(&store->detached);
	ret->aborted = count_get(&store->aborted);
	ret->refused_full = count_get(&store->refused_full);
	ret->refused_large = count_get(&store->refused_large);
}
