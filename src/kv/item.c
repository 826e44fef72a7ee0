/* SPDX-License-Identifier: Apache-2.0 */
#include "kv/item.h"

#include "kv/shard.h"

static void item_free(struct store *store, struct item *item)
{
	struct extent single = item_extent(item, 0);

	if (item->extents > 1) {
		extent_free(store->pool, item->list, item->extents);
		slab_free(store->slab, item->list, item_list_size(item->extents));
	} else {
		extent_free(store->pool, &single, 1);
	}
	slab_free(store->slab, item, item_size(item->key_len));
}

void item_unref(struct store *store, struct item *item)
{
	if (atomic_fetch_sub_explicit(&item->refs, 1, memory_order_acq_rel) != 1)
		return;
	if (item->state == ITEM_DETACHED)
		count_sub(&store->detached, 1);
	item_free(store, item);
}

void item_detach(struct store *store, struct shard *shard, struct item *item)
{
	item->state = ITEM_DETACHED;
	count_add(&store->detached, 1);
	shard->value_bytes -= item->length;
}

void items_drop(struct store *store, struct item *items)
{
	struct item *next;

	for (; items; items = next) {
		next = items->next;
		item_unref(store, items);
	}
}
