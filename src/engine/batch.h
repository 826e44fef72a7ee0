/* SPDX-License-Identifier: Apache-2.0 */
/* Batches. Comes with engine.h. */
#ifndef WEFT_ENGINE_BATCH_H
#define WEFT_ENGINE_BATCH_H

#include "engine/engine.h"

enum batch_state {
	BATCH_IDLE,
	BATCH_ACTIVE,
	BATCH_ENDED,
};

/*
 * Transfers are added in groups: neighbours that are alike, see batch_add.c. Of the last group it
 * is remembered what was checked. Up to count all is the user's alone.
 */
struct weft_batch {
	struct weft *weft;
	const void *region[OP_KINDS]; /* of the last group, for its kind; else the batch: none */
	const struct weft_remote *remote;
	uint64_t longest;           /* transfer that is one piece, and so may join it */
	struct transfer *next;      /* where the next transfer comes: transfers + count */
	const struct transfer *end; /* where none comes any more; next, when it is not idle */
	uint32_t asked;             /* the flags of the last group, as the caller gave them */
	uint32_t group;             /* index of its first transfer */
	uint8_t kind, flags;        /* of its transfers */
	uint32_t count, capacity, left;
	_Atomic uint32_t outstanding; /* flights of all its transfers */
	_Atomic int state;
	bool closed;      /* by the user: freed with the last flight */
	struct list link; /* in weft->active, weft->ended or weft->idle_batches */
	uint64_t deadline_ns;
	uint64_t timeout_ns, submitted_ns; /* carried to the owner */
	weft_batch_done_fn on_done;
	void *ctx;
	int32_t first_bad; /* index of the first transfer that was not done; -1 */
	char text[256];    /* the provider's words on it */
	struct transfer transfers[];
};

/* --- batch_add.c --- */
/* It takes transfers, and the next one begins a group. */
static inline void batch_takes(struct weft_batch *batch)
{
	batch->region[OP_WRITE] = batch->region[OP_READ] = batch;
	batch->next = &batch->transfers[batch->count];
	batch->end = &batch->transfers[batch->capacity];
}
/* The last group is whole. */
static inline void batch_group_ends(struct weft_batch *batch)
{
	if (batch->count)
		batch->transfers[batch->group].follow = batch->count - batch->group - 1;
}

/* --- batch.c --- */
void batch_start(struct weft_batch *batch, uint64_t now_ns);
void batch_transfer_ended(struct weft_batch *batch, struct transfer *transfer);
void batch_end(struct weft_batch *batch);      /* with its last transfer */
void batch_released(struct weft_batch *batch); /* frees a closed batch with its last flight */
void batch_expire(struct weft *weft, uint64_t now_ns);
void batch_abort(struct weft_batch *batch, int state, int error);
void batch_free(struct weft_batch *batch);
void batch_run_callbacks(struct weft *weft);

#endif /* WEFT_ENGINE_BATCH_H */
