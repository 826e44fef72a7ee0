/* SPDX-License-Identifier: Apache-2.0 */
/* The two phases of writing a value. */
#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "kv/shard.h"

/* Work of one look for expired values when there is no room. */
#define RESERVE_SWEEP 4096u

int store_key_check(size_t key_len)
{
	if (key_len >= 1 && key_len <= STORE_KEY_MAX)
		return 0;
	return err_set(-WEFT_EKEYSIZE, "key of %zu bytes, must be 1 to %u", key_len, STORE_KEY_MAX);
}

static int refuse_full(struct store *store, uint64_t length)
{
	struct extent_stats stats;

	extent_pool_stats(store->pool, &stats);
	count_add(&store->refused_full, 1);
	return err_set(-WEFT_EPOOLFULL,
		       "pool of %llu bytes, %llu used, %llu asked, largest free run %llu",
		       (unsigned long long)stats.size, (unsigned long long)stats.used,
		       (unsigned long long)length, (unsigned long long)stats.largest);
}

/* Finds space for a value, at the cost of expired ones if need be. Returns the extents' number. */
static int space_find(struct store *store, uint64_t length, uint64_t now_ns, struct extent *ret)
{
	bool more;
	int n;

	for (;;) {
		n = extent_alloc(store->pool, item_grains(length), ret, STORE_EXTENTS_MAX);
		if (n > 0)
			return n;
		if (!store_sweep(store, now_ns, RESERVE_SWEEP, &more) && !more)
			return refuse_full(store, length);
	}
}

/* Gives the item its place; the extents stay the caller's on failure. */
static int item_place(struct store *store, struct item *item, const struct extent *extents,
		      uint32_t n)
{
	void *list;
	int rc;

	item->extents = (uint8_t)n;
	item->segment = extents[0].segment;
	item->start = extents[0].start;
	if (n == 1)
		return 0;
	rc = slab_alloc(store->slab, (uint32_t)item->order, item_list_size(n), &list);
	if (rc)
		return rc;
	item->list = memcpy(list, extents, item_list_size(n));
	return 0;
}

/* Memory for an entry, at the cost of expired ones if the limit is reached. */
static int record_find(struct store *store, uint64_t order, size_t key_len, uint64_t now_ns,
		       void **ret)
{
	bool more;
	int rc;

	for (;;) {
		rc = slab_alloc(store->slab, (uint32_t)order, item_size(key_len), ret);
		if (rc != -WEFT_ELIMIT)
			return rc;
		if (!store_sweep(store, now_ns, RESERVE_SWEEP, &more) && !more)
			return rc;
	}
}

static int refuse_memory(struct store *store, int rc)
{
	if (rc == -WEFT_ELIMIT)
		return err_set(rc, "the index has reached its limit with %llu bytes",
			       (unsigned long long)slab_bytes(store->slab));
	return err_set(rc, "no memory for an entry of the index");
}

int store_reserve(struct store *store, const void *key, size_t key_len, uint64_t length,
		  uint64_t ttl_ns, uint64_t now_ns, struct item **ret)
{
	struct extent extents[STORE_EXTENTS_MAX];
	struct item *item;
	void *record;
	uint64_t order;
	int rc = store_key_check(key_len), n;

	if (rc)
		return rc;
	if (length > store->value_max) {
		count_add(&store->refused_large, 1);
		return err_set(-WEFT_ETOOLARGE, "value of %llu bytes, at most %llu fit",
			       (unsigned long long)length, (unsigned long long)store->value_max);
	}
	order = store_order(store, key, key_len);
	rc = record_find(store, order, key_len, now_ns, &record);
	if (rc)
		return refuse_memory(store, rc);
	item = record;
	*item = (struct item){ .order = order, .length = length, .expires_ns = ttl_ns };
	item->key_len = (uint16_t)key_len;
	atomic_init(&item->refs, 1);
	memcpy(item->key, key, key_len);
	n = space_find(store, length, now_ns, extents);
	if (n < 0) {
		rc = n;
		goto free_item;
	}
	rc = item_place(store, item, extents, (uint32_t)n);
	if (rc) {
		rc = refuse_memory(store, rc);
		goto free_extents;
	}
	count_add(&store->reserved, 1);
	*ret = item;
	return 0;
free_extents:
	extent_free(store->pool, extents, (uint32_t)n);
free_item:
	slab_free(store->slab, item, item_size(key_len));
	return rc;
}

void store_abort(struct store *store, struct item *item)
{
	count_sub(&store->reserved, 1);
	count_add(&store->aborted, 1);
	item_unref(store, item);
}

/* Puts the item into the index. Returns the one that it replaces. Under the lock. */
static struct item *item_link(struct store *store, struct shard *shard, struct item *item,
			      uint64_t now_ns)
{
	struct item **link, *old;

	item->state = ITEM_LINKED;
	old = index_find(&shard->index, item->order, item->key, item->key_len, &link);
	shard->value_bytes += item->length;
	shard->commits++;
	if (!old) {
		index_insert(&shard->index, link, item);
		index_settle(&shard->index, INDEX_SETTLE);
		return NULL;
	}
	index_replace(&shard->index, link, item);
	if (item_expired(old, now_ns))
		shard->expired++;
	else
		shard->overwritten++;
	item_detach(store, shard, old);
	return old;
}

uint64_t store_commit(struct store *store, struct item *item, uint64_t checksum, uint64_t now_ns)
{
	struct shard *shard = store_shard(store, item->order);
	uint64_t key_hash = hash_content(item->key, item->key_len), version;
	struct item *old;

	item->checksum = checksum;
	item->expires_ns = item->expires_ns ? clock_deadline(now_ns, item->expires_ns) : ITEM_NEVER;
	pthread_mutex_lock(&shard->lock);
	version = atomic_fetch_add_explicit(&store->version, 1, memory_order_relaxed) + 1;
	item->version = version;
	value_seal(store, item, key_hash);
	old = item_link(store, shard, item, now_ns);
	pthread_mutex_unlock(&shard->lock);
	count_sub(&store->reserved, 1);
	items_drop(store, old);
	return version;
}
