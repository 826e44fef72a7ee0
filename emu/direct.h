/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Queues that a program drives itself (efadv_query_qp_wqs(3), efadv_query_cq(3)): it writes
 * descriptors and doorbells into memory that it was told of and reads completions from there,
 * without a call. Here that memory is plain; the engine's thread looks at the doorbells.
 *
 *   direct.c     rings of a queue pair: doorbells, descriptors to requests
 *   direct_wqe.c one send descriptor read and checked
 *   direct_cq.c  completions into the ring of a completion queue, and its doorbell
 */
#ifndef EMU_DIRECT_H
#define EMU_DIRECT_H

#include "emu/object.h"

/* One queue as the program is told of it: the fields of struct efadv_wq_attr and efadv_cq_attr. */
struct emu_direct_queue {
	uint8_t *buffer;
	uint32_t entry_size, entries;
	uint32_t *doorbell; /* NULL: a completion queue without a channel has none */
	uint32_t max_batch; /* work queues */
	uint16_t caps;      /* EFADV_WQ_CAPS_* */
};

/* efadv_query_qp_wqs(): makes the rings on the first call and has the engine look at their
 * doorbells from then on; later calls answer the same. For a queue pair that emu_srd_create() took.
 * 0 or errno > 0: EOPNOTSUPP (model row direct), ENOMEM. Thread-safe. */
int emu_direct_qp(struct emu_qp *qp, struct emu_direct_queue *sq, struct emu_direct_queue *rq);

/* After emu_srd_destroy(). Nothing to do where qp->direct is NULL. */
void emu_direct_qp_free(struct emu_qp *qp);

/* The queue pair went to IBV_QPS_RESET: its rings start over, doorbells are 0 again. Under
 * qp->lock. Nothing to do where qp->direct is NULL. */
void emu_direct_qp_reset(struct emu_qp *qp);

/* For the engine's thread: takes what the program has posted since the last call. How many
 * descriptors. Not under qp->lock. */
unsigned int emu_direct_take(struct emu_qp *qp);

/* efadv_query_cq(): makes the ring on the first call, sets cq->direct and puts completions that
 * nobody has polled into it. 0 or errno > 0 as above. Takes cq->lock. */
int emu_direct_cq(struct emu_cq *cq, struct emu_direct_queue *ret);
void emu_direct_cq_free(struct emu_cq *cq);

/* emu_cq_push(), where cq->direct is set: writes the completion, and gives its entry of the send or
 * receive queue back (sq_used, rq_used), as polling does otherwise. It is put among cq->entries
 * too, without cqe->qp, for programs that only asked and go on to poll. Under cq->lock, also where
 * cq->single. True: the program may have asked through the doorbell to be told of it, so the
 * channel must have an event. (cq->armed, by ibv_req_notify_cq(), counts as for all other queues.)
 *
 * Programs that drive their queues read events from channel.fd themselves: a read of 8 bytes must
 * give the struct ibv_cq pointer as a 64-bit number (struct ib_uverbs_comp_event_desc), once per
 * event. They then acknowledge, with ibv_ack_cq_events(), events that ibv_get_cq_event() never
 * saw. */
bool emu_direct_cq_push(struct emu_cq *cq, const struct emu_cqe *cqe);

#endif
