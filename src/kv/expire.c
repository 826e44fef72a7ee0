/* SPDX-License-Identifier: Apache-2.0 */
#include "kv/expire.h"

#include "kv/shard.h"

/* Returns the items looked at; lowers *earliest_ns to the first expiry of those that stay. */
static uint64_t expire_bucket(struct index *index, struct item **link, uint64_t now_ns,
			      uint64_t *earliest_ns, struct item **removed)
{
	uint64_t looked = 0;
	struct item *item;

	while ((item = *link)) {
		looked++;
		if (item_expired(item, now_ns)) {
			index_remove(index, link);
			item->next = *removed;
			*removed = item;
			continue;
		}
		if (item->expires_ns < *earliest_ns)
			*earliest_ns = item->expires_ns;
		link = &item->next;
	}
	return looked;
}

static uint64_t expire_part(struct index *index, uint32_t number, uint64_t now_ns,
			    struct item **removed)
{
	struct index_part *part = &index->parts[number];
	uint32_t buckets = index_part_buckets(index, number), i;
	uint64_t earliest_ns = ITEM_NEVER, looked = buckets;

	for (i = 0; i < buckets; i++)
		looked += expire_bucket(index, &part->heads[i], now_ns, &earliest_ns, removed);
	part->earliest_ns = earliest_ns;
	return looked;
}

uint64_t expire_step(struct index *index, uint64_t now_ns, struct item **removed)
{
	uint32_t parts = index_parts(index), part, i;
	uint64_t earliest_ns = ITEM_NEVER;

	if (index->earliest_ns > now_ns)
		return 0;
	for (i = 0; i < parts; i++) {
		part = (index->sweep_part + i) % parts;
		if (index->parts[part].earliest_ns <= now_ns) {
			index->sweep_part = (part + 1) % parts;
			return expire_part(index, part, now_ns, removed);
		}
		if (index->parts[part].earliest_ns < earliest_ns)
			earliest_ns = index->parts[part].earliest_ns;
	}
	index->earliest_ns = earliest_ns;
	return 0;
}

/* Removes what is due in one step of one shard. Returns the work done; 0: nothing is due. */
static uint64_t shard_sweep(struct store *store, struct shard *shard, uint64_t now_ns,
			    uint64_t *removed)
{
	struct item *items = NULL, *item;
	uint64_t looked, n = 0;

	pthread_mutex_lock(&shard->lock);
	looked = expire_step(&shard->index, now_ns, &items);
	for (item = items; item; item = item->next, n++)
		item_detach(store, shard, item);
	shard->expired += n;
	index_settle(&shard->index, (uint32_t)n + INDEX_SETTLE);
	pthread_mutex_unlock(&shard->lock);
	items_drop(store, items);
	*removed += n;
	return looked;
}

uint64_t store_sweep(struct store *store, uint64_t now_ns, uint64_t max_work, bool *more_ret)
{
	uint32_t number = atomic_load_explicit(&store->sweep_shard, memory_order_relaxed);
	uint64_t removed = 0, work = 0, looked;
	uint32_t idle = 0;

	/* One round of shards that have nothing due ends it. */
	while (work < max_work && idle < store->shard_count) {
		looked = shard_sweep(store, &store->shards[number], now_ns, &removed);
		work += looked;
		idle = looked ? 0 : idle + 1;
		if (!looked)
			number = (number + 1) % store->shard_count;
	}
	atomic_store_explicit(&store->sweep_shard, number, memory_order_relaxed);
	if (more_ret)
		*more_ret = idle < store->shard_count;
	return removed;
}
