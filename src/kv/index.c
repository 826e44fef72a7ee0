/* SPDX-License-Identifier: Apache-2.0 */
#include "kv/index.h"

#include <errno.h>

#include "base/alloc.h"

static uint64_t bits_reversed(uint64_t bits)
{
	bits = (bits >> 1 & 0x5555555555555555u) | (bits & 0x5555555555555555u) << 1;
	bits = (bits >> 2 & 0x3333333333333333u) | (bits & 0x3333333333333333u) << 2;
	bits = (bits >> 4 & 0x0f0f0f0f0f0f0f0fu) | (bits & 0x0f0f0f0f0f0f0f0fu) << 4;
	return __builtin_bswap64(bits);
}

/* The largest power of two that is not above the number of buckets, as a mask. */
static uint32_t low_mask(const struct index *index)
{
	return (1u << (31 - (uint32_t)__builtin_clz(index->buckets))) - 1;
}

static uint32_t bucket_of(const struct index *index, uint64_t order)
{
	uint32_t low = low_mask(index);
	uint32_t number = (uint32_t)bits_reversed(order << index->shard_bits) & (low << 1 | 1);

	return number < index->buckets ? number : number & low;
}

/* How many bits of the bucket's number all orders in it share. */
static uint32_t bucket_bits(const struct index *index, uint32_t bucket)
{
	uint32_t low = low_mask(index);
	uint32_t bits = (uint32_t)__builtin_popcount(low);
	/* A bucket has one bit more when its sibling at this level is there. */
	bool split = (bucket | (low + 1)) < index->buckets;

	return bits + split;
}

static struct index_part *part_of(const struct index *index, uint32_t bucket)
{
	return &index->parts[bucket / INDEX_PART];
}

static struct item **head_of(const struct index *index, uint32_t bucket)
{
	return &part_of(index, bucket)->heads[bucket % INDEX_PART];
}

/* Makes room for bucket number index->buckets. */
static int part_add(struct index *index)
{
	uint32_t part = index->buckets / INDEX_PART, max = index->parts_max, i;
	struct index_part *parts;
	struct item **heads;

	if (index->buckets % INDEX_PART)
		return 0;
	if (part == max) {
		max = max ? 2 * max : 4;
		parts = mem_array(max, sizeof(*parts));
		if (!parts)
			return -ENOMEM;
		for (i = 0; i < part; i++)
			parts[i] = index->parts[i];
		mem_free(index->parts);
		index->parts = parts;
		index->parts_max = max;
	}
	heads = mem_array(INDEX_PART, sizeof(struct item *));
	if (!heads)
		return -ENOMEM;
	index->parts[part] = (struct index_part){ heads, ITEM_NEVER };
	return 0;
}

int index_init(struct index *index, uint32_t shard_bits)
{
	*index = (struct index){ .shard_bits = shard_bits, .earliest_ns = ITEM_NEVER };
	if (part_add(index)) {
		index_fini(index);
		return -ENOMEM;
	}
	index->buckets = INDEX_PART;
	return 0;
}

void index_fini(struct index *index)
{
	uint32_t i;

	for (i = 0; i < index_parts(index); i++)
		mem_free(index->parts[i].heads);
	mem_free(index->parts);
	*index = (struct index){ 0 };
}

struct item *index_find(const struct index *index, uint64_t order, const void *key, size_t key_len,
			struct item ***link_ret)
{
	struct item **link = head_of(index, bucket_of(index, order));

	while (*link && (*link)->order < order)
		link = &(*link)->next;
	while (*link && (*link)->order == order && !item_is(*link, order, key, key_len))
		link = &(*link)->next;
	*link_ret = link;
	return *link && (*link)->order == order ? *link : NULL;
}

static void note_expiry(struct index *index, const struct item *item)
{
	struct index_part *part = part_of(index, bucket_of(index, item->order));

	if (item->expires_ns < part->earliest_ns)
		part->earliest_ns = item->expires_ns;
	if (item->expires_ns < index->earliest_ns)
		index->earliest_ns = item->expires_ns;
}

void index_insert(struct index *index, struct item **link, struct item *item)
{
	item->next = *link;
	*link = item;
	index->count++;
	if (item->expires_ns != ITEM_NEVER)
		note_expiry(index, item);
}

struct item *index_remove(struct index *index, struct item **link)
{
	struct item *item = *link;

	*link = item->next;
	item->next = NULL;
	index->count--;
	return item;
}

struct item *index_replace(struct index *index, struct item **link, struct item *item)
{
	struct item *old = index_remove(index, link);

	index_insert(index, link, item);
	return old;
}

/* Cuts the bucket that the next one splits from: what has the new bit set is the end of its
 * chain. */
static void split(struct index *index)
{
	uint32_t to = index->buckets, from, bit;
	struct item **link;

	bit = 1u << (31 - (uint32_t)__builtin_clz(to));
	from = to & ~bit;
	link = head_of(index, from);
	while (*link && !((uint32_t)bits_reversed((*link)->order << index->shard_bits) & bit))
		link = &(*link)->next;
	*head_of(index, to) = *link;
	*link = NULL;
	if (part_of(index, from)->earliest_ns < part_of(index, to)->earliest_ns)
		part_of(index, to)->earliest_ns = part_of(index, from)->earliest_ns;
	index->buckets++;
}

/* Joins the last bucket to the one that it was split from. */
static void join(struct index *index)
{
	uint32_t last = index->buckets - 1, to;
	struct item **link;

	to = last & ~(1u << (31 - (uint32_t)__builtin_clz(last)));
	link = head_of(index, to);
	while (*link)
		link = &(*link)->next;
	*link = *head_of(index, last);
	*head_of(index, last) = NULL;
	if (part_of(index, last)->earliest_ns < part_of(index, to)->earliest_ns)
		part_of(index, to)->earliest_ns = part_of(index, last)->earliest_ns;
	if (last % INDEX_PART == 0) {
		mem_free(part_of(index, last)->heads);
		part_of(index, last)->heads = NULL;
	}
	index->buckets--;
}

void index_settle(struct index *index, uint32_t steps)
{
	while (steps--) {
		if (index->count > index->buckets && index->buckets < INDEX_BUCKETS_MAX) {
			if (part_add(index))
				return;
			split(index);
		} else if (index->count < index->buckets / 2 && index->buckets > INDEX_PART) {
			join(index);
		} else {
			return;
		}
	}
}

struct item *index_from(const struct index *index, uint64_t order, uint64_t *last_ret)
{
	uint32_t bucket = bucket_of(index, order);
	struct item *item = *head_of(index, bucket);

	while (item && item->order < order)
		item = item->next;
	*last_ret = order | UINT64_MAX >> (index->shard_bits + bucket_bits(index, bucket));
	return item;
}

uint64_t index_bytes(const struct index *index)
{
	return index->parts_max * sizeof(*index->parts) +
	       (uint64_t)index_parts(index) * INDEX_PART * sizeof(struct item *);
}
