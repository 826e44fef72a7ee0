/* SPDX-License-Identifier: Apache-2.0 */
#include "kv/arena.h"

#include <errno.h>
#include <string.h>

/* Start of the gap before part i (i == count: the last gap). */
static size_t gap_start(const struct arena *arena, uint32_t i)
{
	return i ? arena->parts[i - 1].offset + arena->parts[i - 1].length : 0;
}

static size_t gap_length(const struct arena *arena, uint32_t i)
{
	size_t end = i < arena->count ? arena->parts[i].offset : arena->length;

	return end - gap_start(arena, i);
}

int arena_get(struct arena *arena, size_t len, size_t *ret)
{
	size_t offset;
	uint32_t i;

	if (!len || len > arena->length || arena->count == ARENA_PARTS)
		return -ENOBUFS;
	len = (len + ARENA_ALIGN - 1) / ARENA_ALIGN * ARENA_ALIGN;
	for (i = 0; i <= arena->count && gap_length(arena, i) < len; i++)
		;
	if (i > arena->count)
		return -ENOBUFS;
	offset = gap_start(arena, i);
	memmove(&arena->parts[i + 1], &arena->parts[i],
		(arena->count - i) * sizeof(arena->parts[0]));
	arena->parts[i] = (struct arena_part){ .offset = offset, .length = len };
	arena->count++;
	*ret = offset;
	return 0;
}

/* Index of the part at offset; count: none. */
static uint32_t find(const struct arena *arena, size_t offset)
{
	uint32_t low = 0, high = arena->count, mid;

	while (low < high) {
		mid = low + (high - low) / 2;
		if (arena->parts[mid].offset < offset)
			low = mid + 1;
		else
			high = mid;
	}
	return low < arena->count && arena->parts[low].offset == offset ? low : arena->count;
}

bool arena_put(struct arena *arena, size_t offset)
{
	uint32_t i = find(arena, offset);

	if (i == arena->count)
		return false;
	arena->count--;
	memmove(&arena->parts[i], &arena->parts[i + 1],
		(arena->count - i) * sizeof(arena->parts[0]));
	return true;
}

size_t arena_part_length(const struct arena *arena, size_t offset)
{
	uint32_t i = find(arena, offset);

	return i < arena->count ? arena->parts[i].length : 0;
}

size_t arena_largest(const struct arena *arena)
{
	size_t largest = 0, length;
	uint32_t i;

	if (arena->count == ARENA_PARTS)
		return 0;
	for (i = 0; i <= arena->count; i++) {
		length = gap_length(arena, i);
		if (length > largest)
			largest = length;
	}
	return largest;
}
