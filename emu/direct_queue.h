/* SPDX-License-Identifier: Apache-2.0 */
/* What direct.c and direct_wqe.c share: the rings of a queue pair. */
#ifndef EMU_DIRECT_QUEUE_H
#define EMU_DIRECT_QUEUE_H

#include "emu/descriptor.h"
#include "emu/direct.h"

/* A ring that the program fills. Doorbells carry 16 bits of what was posted in all, so a ring has
 * no more than half of that. */
#define EMU_DIRECT_ENTRIES 32768u

struct emu_direct_ring {
	uint8_t *buffer;
	uint32_t entry_size;
	uint32_t entries;           /* power of two; 0: no such queue */
	_Atomic uint32_t *doorbell; /* written by the program: how many it has posted */
	uint32_t taken;             /* how many of them were taken; by the engine's thread */
};

struct emu_direct_qp {
	struct emu_direct_ring sq, rq;
	void *memory;
	size_t bytes;
	_Atomic uint32_t resets; /* of the queue pair */
	/* The engine's thread's: */
	uint32_t resets_seen; /* that it has followed */
	bool broken;          /* a doorbell made no sense: nothing is taken until a reset */
};

/* Reads and checks the send descriptor wqe, a copy of bytes (64 or 128), expected with this phase.
 * EMU_STATUS_OK, or the status that its completion is to have. wr->wr_id, op and signaled are set
 * in both cases. */
uint8_t emu_direct_request(struct emu_qp *qp, const struct emu_desc_wqe *wqe, uint32_t bytes,
			   uint32_t phase, struct emu_wr *wr);

#endif
