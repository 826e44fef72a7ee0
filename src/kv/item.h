/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An item is one version of a key's value: the entry of the index, the key, and where the value
 * is. It does not change once it is committed; a new value is a new item.
 *
 *	RESERVED --commit--> LINKED --overwrite, delete, expiry--> DETACHED --last reference-->
 *freed
 *	    \--abort--> freed
 *
 * The index holds one reference to a LINKED item, whoever reserved it one to a RESERVED item.
 */
#ifndef WEFT_KV_ITEM_H
#define WEFT_KV_ITEM_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "kv/extent.h"
#include "kv/store.h"

enum item_state {
	ITEM_RESERVED,
	ITEM_LINKED,
	ITEM_DETACHED,
};

#define ITEM_NEVER UINT64_MAX /* expires_ns */

struct item {
	struct item *next; /* in its bucket, or in a list of items to be dropped */
	uint64_t order;    /* hash of the key: the order in which the index keeps items */
	uint64_t length;
	uint64_t version;
	uint64_t checksum;
	uint64_t expires_ns; /* the TTL until commit */
	atomic_uint refs;
	uint16_t key_len;
	uint8_t extents;
	uint8_t state; /* under the shard's lock once linked */
	union {
		struct { /* of the only extent; its length follows from the value's */
			uint32_t segment, start;
		};
		struct extent *list; /* of several, allocated */
	};
	unsigned char key[];
};

_Static_assert(sizeof(struct item) == 64, "the entry's size is part of the bound per key");
_Static_assert(STORE_EXTENTS_MAX <= UINT8_MAX && STORE_KEY_MAX <= UINT16_MAX, "fields of item");

static inline size_t item_size(size_t key_len)
{
	return sizeof(struct item) + key_len;
}

/* Grains of payload that a value takes. */
static inline uint64_t item_grains(uint64_t length)
{
	return length / EXTENT_GRAIN + (length % EXTENT_GRAIN != 0);
}

static inline struct extent item_extent(const struct item *item, uint32_t index)
{
	if (item->extents > 1)
		return item->list[index];
	return (struct extent){
		.segment = item->segment,
		.start = item->start,
		.count = (uint32_t)item_grains(item->length) + 1,
	};
}

static inline bool item_is(const struct item *item, uint64_t order, const void *key, size_t key_len)
{
	return item->order == order && item->key_len == key_len &&
	       memcmp(item->key, key, key_len) == 0;
}

static inline bool item_expired(const struct item *item, uint64_t now_ns)
{
	return item->expires_ns <= now_ns;
}

#endif /* WEFT_KV_ITEM_H */
