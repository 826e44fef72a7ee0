/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The hash table of one shard. It grows and shrinks by one bucket at a time (linear hashing), so no
 * call stalls and there is about one bucket, 8 bytes, for each item at any size.
 *
 * Items have an order: the seeded hash of their key. The shards divide the range of orders into
 * equal parts by its top bits, and the buckets of a shard divide its part: a bucket holds an
 * interval, and its chain is sorted. So splitting a bucket cuts a chain in two, merging two buckets
 * joins their chains, and a position in the order stays meaningful while the table changes. Bucket
 * numbers are orders with their bits reversed.
 *
 * Buckets stand in parts of 512. Each part knows a lower bound of when the first of its items
 * expires, so that looking for expired items skips what has none.
 *
 * The index counts no references and takes no lock: that is the shard's.
 */
#ifndef WEFT_KV_INDEX_H
#define WEFT_KV_INDEX_H

#include <stddef.h>
#include <stdint.h>

#include "kv/item.h"

#define INDEX_PART 512u /* buckets */
/* Steps for index_settle() after one change; one change needs one. */
#define INDEX_SETTLE 2u
/* More than all keys that fit in memory; bounds the bits of an order that number buckets. */
#define INDEX_BUCKETS_MAX (1u << 31)

struct index_part {
	struct item **heads;
	uint64_t earliest_ns; /* no item of the part expires before */
};

struct index {
	struct index_part *parts;
	uint32_t parts_max; /* room in parts */
	uint32_t buckets;
	uint32_t shard_bits;
	uint32_t sweep_part;  /* where looking for expired items goes on */
	uint64_t count;       /* items */
	uint64_t earliest_ns; /* no item expires before */
};

/* shard_bits: how many top bits of the orders are the same for all items. -ENOMEM. */
int index_init(struct index *index, uint32_t shard_bits);
/* Frees the table, not the items. */
void index_fini(struct index *index);

/*
 * Finds a key. NULL if it is not there. *link_ret is the link that points at the item, or at which
 * an item with this order and key is to be inserted; valid until the index changes.
 */
struct item *index_find(const struct index *index, uint64_t order, const void *key, size_t key_len,
			struct item ***link_ret);
/* link from index_find(). These two do not resize the table. */
void index_insert(struct index *index, struct item **link, struct item *item);
struct item *index_remove(struct index *index, struct item **link);
/* Puts item in the place of the one at link, which it returns. */
struct item *index_replace(struct index *index, struct item **link, struct item *item);
/* Brings the number of buckets towards the number of items, by at most steps buckets. Without
 * memory the table stays as it is and only gets slower. Call it after inserting and removing. */
void index_settle(struct index *index, uint32_t steps);

/* The items of the bucket that order lies in, from order on, sorted. *last_ret: the last order that
 * belongs to that bucket. */
struct item *index_from(const struct index *index, uint64_t order, uint64_t *last_ret);

/* Parts in use. */
static inline uint32_t index_parts(const struct index *index)
{
	return (index->buckets + INDEX_PART - 1) / INDEX_PART;
}
/* Buckets in use in a part. */
static inline uint32_t index_part_buckets(const struct index *index, uint32_t part)
{
	uint32_t left = index->buckets - part * INDEX_PART;

	return left < INDEX_PART ? left : INDEX_PART;
}
/* Memory of the table, bytes. */
uint64_t index_bytes(const struct index *index);

#endif /* WEFT_KV_INDEX_H */
