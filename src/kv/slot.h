/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A server's view of one request slot of a client.
 *
 *	free --slot_begin--> busy --slot_end--> free
 *
 * The client numbers the uses of a slot by a growing generation and reuses it only after the
 * answer. Messages may overtake each other, so a CANCEL may come before its request: the request
 * is stale then.
 */
#ifndef WEFT_KV_SLOT_H
#define WEFT_KV_SLOT_H

#include <stdbool.h>
#include <stdint.h>

struct slot {
	uint32_t generation; /* newest that was begun or cancelled; 0 at first */
	bool busy;           /* its answer has not been sent */
};

enum slot_verdict {
	SLOT_OK,
	SLOT_STALE,   /* begun or cancelled before: to be ignored */
	SLOT_OVERRUN, /* the client did not wait for the answer */
};

/* Whether a comes after b; generations may wrap. */
static inline bool slot_newer(uint32_t a, uint32_t b)
{
	return (int32_t)(a - b) > 0;
}

static inline enum slot_verdict slot_begin(struct slot *slot, uint32_t generation)
{
	if (!slot_newer(generation, slot->generation))
		return SLOT_STALE;
	if (slot->busy)
		return SLOT_OVERRUN;
	slot->generation = generation;
	slot->busy = true;
	return SLOT_OK;
}

/* The answer to this generation goes out. */
static inline void slot_end(struct slot *slot, uint32_t generation)
{
	if (slot->generation == generation)
		slot->busy = false;
}

/* Makes a request of this generation that has not come yet stale. True: it came and was not
 * answered yet. */
static inline bool slot_cancel(struct slot *slot, uint32_t generation)
{
	if (slot->generation == generation)
		return slot->busy;
	if (!slot->busy && slot_newer(generation, slot->generation))
		slot->generation = generation;
	return false;
}

#endif /* WEFT_KV_SLOT_H */
