/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Contexts that are numbers. Some providers report that an operation is done and later that it has
 * failed, or a failure several times, when its record may long be another operation's. With them
 * the context is no address but tells the use of the record: which of all, and its how-manieth use.
 * Only for providers that hand contexts back without looking into them.
 */
#ifndef WEFT_TRANSPORT_CONTEXT_H
#define WEFT_TRANSPORT_CONTEXT_H

#include <stdbool.h>
#include <stdint.h>

enum context_kind {
	CONTEXT_OPERATION = 2, /* an engine's */
	CONTEXT_MESSAGE = 3,   /* a port's own */
};

#define CONTEXT_INDEX_BITS 24
#define CONTEXT_INDEX_MAX  ((1u << CONTEXT_INDEX_BITS) - 1)

_Static_assert(sizeof(void *) == 8, "a context holds a record's index and its turn");

/* From the top: 2 bits of kind, never 0, so it is not NULL; 6 unused, 32 of turn, 24 of index. */
static inline void *context_number(enum context_kind kind, uint32_t turn, uint32_t index)
{
	return (void *)(uintptr_t)((uint64_t)kind << 62 | (uint64_t)turn << CONTEXT_INDEX_BITS |
				   index);
}

static inline bool context_is(const void *ctx, enum context_kind kind)
{
	return (uint64_t)(uintptr_t)ctx >> 62 == kind;
}

static inline uint32_t context_index(const void *ctx)
{
	return (uint32_t)(uintptr_t)ctx & CONTEXT_INDEX_MAX;
}

#endif /* WEFT_TRANSPORT_CONTEXT_H */
