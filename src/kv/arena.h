/* SPDX-License-Identifier: Apache-2.0 */
/* Parts of a buffer: first fit by offset. Keeps its records apart from the buffer. Not locked. */
#ifndef WEFT_KV_ARENA_H
#define WEFT_KV_ARENA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ARENA_ALIGN 64u
#define ARENA_PARTS 1024u /* at a time */

struct arena_part {
	size_t offset, length;
};

struct arena {
	size_t length;
	uint32_t count;
	struct arena_part parts[ARENA_PARTS]; /* in use, by offset; they do not overlap */
};

static inline void arena_init(struct arena *arena, size_t length)
{
	arena->length = length / ARENA_ALIGN * ARENA_ALIGN;
	arena->count = 0;
}

/* len (at least 1) is rounded up. -ENOBUFS. */
int arena_get(struct arena *arena, size_t len, size_t *ret);
/* False: no part begins there. */
bool arena_put(struct arena *arena, size_t offset);
/* Length of the part that begins there, 0: none. */
size_t arena_part_length(const struct arena *arena, size_t offset);
/* Largest length that arena_get() would give; 0 when it is full or all records are in use. */
size_t arena_largest(const struct arena *arena);

#endif /* WEFT_KV_ARENA_H */
