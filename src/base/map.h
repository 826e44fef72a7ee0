/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hash map from uint64_t to uint64_t or to a pointer. Open addressing with linear probing; a
 * deletion shifts back what follows, so there are no tombstones and lookups do not decay. Any key
 * is allowed, 0 too. Seeded at random. Not locked.
 */
#ifndef WEFT_BASE_MAP_H
#define WEFT_BASE_MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct map_slot {
	uint64_t key, value;
};

struct map {
	struct map_slot *slots; /* NULL until the first entry */
	uint8_t *used;          /* one per slot */
	size_t slot_count;      /* 0 or a power of two */
	size_t count;
	size_t limit;
	uint64_t seed;
};

/* limit: most entries it may hold. Allocates nothing. 0 or -errno (no randomness). */
int map_init(struct map *map, size_t limit);
void map_fini(struct map *map); /* a zeroed struct is fine */

/* Makes room: putting is free of allocation, and cannot fail, while there are at most count
 * entries. -ENOMEM, -WEFT_ELIMIT. */
int map_reserve(struct map *map, size_t count);

/* False, and *ret untouched, if there is no such key. */
bool map_get(const struct map *map, uint64_t key, uint64_t *ret);
/* Puts or replaces. -ENOMEM or -WEFT_ELIMIT: the map is as it was. */
int map_put(struct map *map, uint64_t key, uint64_t value);
/* False if there was no such key; ret (may be NULL) gets the value that was there. */
bool map_del(struct map *map, uint64_t key, uint64_t *ret);
void map_clear(struct map *map); /* keeps the room */

static inline size_t map_count(const struct map *map)
{
	return map->count;
}

/* Goes through all entries in no order: *cursor starts at 0; false at the end. key and value may
 * be NULL. The map must not change on the way. */
bool map_next(const struct map *map, size_t *cursor, uint64_t *key, uint64_t *value);

#define map_foreach(map, cursor, key, value) \
	for ((cursor) = 0; map_next(map, &(cursor), &(key), &(value));)

/* The same with pointers as values, which must not be NULL; NULL: no such key. */
static inline void *map_get_ptr(const struct map *map, uint64_t key)
{
	uint64_t value = 0;

	map_get(map, key, &value);
	return (void *)(uintptr_t)value;
}

static inline int map_put_ptr(struct map *map, uint64_t key, void *value)
{
	return map_put(map, key, (uintptr_t)value);
}

static inline void *map_del_ptr(struct map *map, uint64_t key)
{
	uint64_t value = 0;

	map_del(map, key, &value);
	return (void *)(uintptr_t)value;
}

#endif /* WEFT_BASE_MAP_H */
