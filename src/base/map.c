/* SPDX-License-Identifier: Apache-2.0 */
#include "base/map.h"

#include <errno.h>
#include <string.h>

#include <weft/error.h>

#include "base/alloc.h"
#include "base/err.h"
#include "base/hash.h"

#define MAP_FIRST_SLOTS 16

/* Entries that slots may hold: 3 of 4, so that a probe always meets a free slot. */
static size_t map_room(size_t slot_count)
{
	return slot_count - slot_count / 4;
}

static size_t map_home(const struct map *map, uint64_t key)
{
	return hash_u64(key, map->seed) & (map->slot_count - 1);
}

static size_t map_after(const struct map *map, size_t slot)
{
	return (slot + 1) & (map->slot_count - 1);
}

int map_init(struct map *map, size_t limit)
{
	uint64_t seed;
	int rc = hash_seed(&seed);

	if (rc)
		return rc;
	*map = (struct map){ .limit = limit, .seed = seed };
	return 0;
}

void map_fini(struct map *map)
{
	mem_free(map->slots);
	mem_free(map->used);
	*map = (struct map){ 0 };
}

void map_clear(struct map *map)
{
	if (map->used)
		memset(map->used, 0, map->slot_count);
	map->count = 0;
}

/* The slot of key, or the free one where it belongs. There must be slots. */
static size_t map_find(const struct map *map, uint64_t key)
{
	size_t slot = map_home(map, key);

	while (map->used[slot] && map->slots[slot].key != key)
		slot = map_after(map, slot);
	return slot;
}

static void map_set(struct map *map, size_t slot, uint64_t key, uint64_t value)
{
	map->count += !map->used[slot];
	map->used[slot] = 1;
	map->slots[slot] = (struct map_slot){ .key = key, .value = value };
}

static int map_resize(struct map *map, size_t slot_count)
{
	struct map bigger = *map;
	uint64_t key, value;
	size_t cursor;

	bigger.slot_count = slot_count;
	bigger.count = 0;
	bigger.slots = mem_array(slot_count, sizeof(*bigger.slots));
	bigger.used = mem_array(slot_count, 1);
	if (!bigger.slots || !bigger.used) {
		mem_free(bigger.slots);
		mem_free(bigger.used);
		return -ENOMEM;
	}
	map_foreach(map, cursor, key, value) map_set(&bigger, map_find(&bigger, key), key, value);
	map_fini(map);
	*map = bigger;
	return 0;
}

int map_reserve(struct map *map, size_t count)
{
	size_t slot_count = map->slot_count ? map->slot_count : MAP_FIRST_SLOTS;

	if (count > map->limit)
		return err_set(-WEFT_ELIMIT, "a table holds at most %zu entries", map->limit);
	while (map_room(slot_count) < count) {
		if (slot_count > SIZE_MAX / 2 / sizeof(*map->slots))
			return -ENOMEM;
		slot_count *= 2;
	}
	return slot_count == map->slot_count ? 0 : map_resize(map, slot_count);
}

bool map_get(const struct map *map, uint64_t key, uint64_t *ret)
{
	size_t slot;

	if (!map->count)
		return false;
	slot = map_find(map, key);
	if (!map->used[slot])
		return false;
	*ret = map->slots[slot].value;
	return true;
}

int map_put(struct map *map, uint64_t key, uint64_t value)
{
	size_t slot;
	int rc;

	if (map->count) {
		slot = map_find(map, key);
		if (map->used[slot]) {
			map->slots[slot].value = value;
			return 0;
		}
	}
	rc = map_reserve(map, map->count + 1);
	if (rc)
		return rc;
	map_set(map, map_find(map, key), key, value);
	return 0;
}

/* Closes the gap at a free slot: an entry behind it moves there unless its home lies in between. */
static void map_shift_back(struct map *map, size_t gap)
{
	size_t mask = map->slot_count - 1, slot;

	for (slot = map_after(map, gap); map->used[slot]; slot = map_after(map, slot)) {
		if (((slot - map_home(map, map->slots[slot].key)) & mask) < ((slot - gap) & mask))
			continue;
		map->slots[gap] = map->slots[slot];
		map->used[gap] = 1;
		map->used[slot] = 0;
		gap = slot;
	}
}

bool map_del(struct map *map, uint64_t key, uint64_t *ret)
{
	size_t slot;

	if (!map->count)
		return false;
	slot = map_find(map, key);
	if (!map->used[slot])
		return false;
	if (ret)
		*ret = map->slots[slot].value;
	map->used[slot] = 0;
	map->count--;
	map_shift_back(map, slot);
	return true;
}

bool map_next(const struct map *map, size_t *cursor, uint64_t *key, uint64_t *value)
{
	size_t slot = *cursor;

	while (slot < map->slot_count && !map->used[slot])
		slot++;
	if (slot >= map->slot_count)
		return false;
	if (key)
		*key = map->slots[slot].key;
	if (value)
		*value = map->slots[slot].value;
	*cursor = slot + 1;
	return true;
}
