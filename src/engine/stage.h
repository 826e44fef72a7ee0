/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Transfers from and to a GPU's memory that the rail's device cannot reach: piece by piece through
 * chunks of pinned host memory. For a WRITE a chunk is filled by a copy and then posted, for a READ
 * it is posted and then copied, while other chunks do the other half.
 *
 * S1: a chunk is its transfer's until no operation and no copy uses it any more, however the
 *     transfer has ended. The two never use it at a time.
 * S2: a copy counts as an operation: in the transfer's and batch's outstanding, in the region's
 *     and remote's flights. So done, quiescent and unregistered mean the same as elsewhere.
 * S3: no peer has more than three quarters of what the others leave of the pool, so that one whose
 *     operations do not end leaves room for others.
 */
#ifndef WEFT_ENGINE_STAGE_H
#define WEFT_ENGINE_STAGE_H

#include "engine/gpu.h"

/* A chunk of the pool and what it holds. */
struct stage {
	struct stage *next; /* free, or of its transfer, in the order of at */
	struct list link;   /* in a lane while a copy runs */
	struct transfer *transfer;
	uint8_t *base;
	uint64_t at, len; /* bytes of the transfer */
	uint64_t left;    /* of them, that no operation has moved yet */
	uint32_t flights;
	bool copying;
};

struct stage_pool {
	uint8_t *base;
	size_t len, chunk;
	uint32_t count, unused;
	struct stage *free;
	struct pinned *pinned;
	struct gpu_context *keeper; /* in which CUDA keeps it pinned */
	struct stage stages[];
};

/* --- stage_pool.c --- */
/* Makes the pool, if there is none; a context is current, and is told afterwards. */
int stage_open_pool(struct weft *weft);
void stage_keep(struct weft *weft, struct gpu_context *context);
uint32_t stage_chunks(const struct weft *weft);
/* Lets copies end, and takes the pool from CUDA and from the rails' devices. */
void stage_quiet(struct weft *weft);
void stage_unpin_pool(struct weft *weft);
void stage_free_pool(struct weft *weft);
/* NULL: none is free, or the peer has its share. */
struct stage *stage_take(struct transfer *transfer);
void stage_give(struct stage *stage);

/* --- stage.c --- */
/* Whether a transfer goes through chunks. */
bool stage_needed(const struct transfer *transfer);
/* The largest piece then. */
uint64_t stage_piece_max(const struct transfer *transfer);
/*
 * The chunk to post the piece at that byte from, or into; starts copies of what comes after it. 0;
 * -EBUSY: not yet; else the transfer cannot go on, and the batch has the text.
 */
int stage_ready(struct transfer *transfer, uint64_t at, struct stage **ret);
/* Fills in op.local and op.desc. stage NULL: of an operation without bytes. */
void stage_fill(const struct transfer *transfer, const struct stage *stage, uint64_t at,
		const struct rail *rail, struct op *op);
/* An operation on it has ended and moved so many bytes. */
void stage_landed(struct stage *stage, uint64_t placed);
/* Lets go what no operation and no copy uses. */
void stage_transfer_ended(struct transfer *transfer);
int stage_poll_copies(struct weft *weft);

/* Handles copies that have ended; returns how many. */
static inline int stage_poll(struct weft *weft)
{
	return weft->gpu && weft->gpu->copies ? stage_poll_copies(weft) : 0;
}

/* The pool's registrations; NULL: none. */
static inline struct pinned *stage_pinned(const struct weft *weft)
{
	return weft->gpu && weft->gpu->pool ? weft->gpu->pool->pinned : NULL;
}

#endif /* WEFT_ENGINE_STAGE_H */
