/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The data path of a queue pair: requests become packets, packets become completions. SRD:
 * reliable, in no order, each destination a flow of its own; UD: sent once and forgotten.
 *
 *   srd.c      requests of the program, their completions
 *   flow.c     sequence numbers, windows, acknowledgements, retransmission
 *   arrive.c   packets that came: place, answer, complete receives
 *   engine.c   the thread, timers, sleep and wake-up
 */
#ifndef EMU_SRD_H
#define EMU_SRD_H

#include "emu/object.h"

/* Joins the world if this is the process's first queue pair, takes a number and a ring, publishes
 * the queue pair (its ex.qp_base.qp_num and index are set here). Fields above `lock` in struct
 * emu_qp are filled in. 0 or errno > 0. */
int emu_srd_create(struct emu_qp *qp);

/* Unpublishes it: no thread works on it afterwards, no completion follows. */
void emu_srd_destroy(struct emu_qp *qp);

/* Queues requests and sends what can go at once. All or (from *bad on) the rest is refused: ENOMEM
 * the queue is full, EINVAL. Takes qp->lock. */
int emu_srd_post(struct emu_qp *qp, const struct emu_wr *requests, uint32_t count, uint32_t *bad);

/* Adds a receive. ENOMEM. Takes qp->lock. */
int emu_srd_post_recv(struct emu_qp *qp, const struct emu_recv *receive);

/* The queue pair left or entered a state (qp->state is set): error flushes both queues. Under
 * qp->lock. */
void emu_srd_state_changed(struct emu_qp *qp);

/* A thread looks for completions and finds none: takes packets in for this NIC unless another
 * thread does. */
void emu_engine_poll(struct emu_nic *nic);

/* The program asked to be told of a completion and will sleep: the engine's thread takes over at
 * once. */
void emu_engine_armed(struct emu_nic *nic);

/* The engine's thread shall look soon, at the latest at emu_now() = when. */
void emu_engine_wake_by(uint64_t when);

/* The engine runs fn(argument) on its thread about every interval while it is awake and *wanted
 * (for rings that programs fill by stores alone: direct.c). */
void emu_engine_poll_direct(struct emu_qp *qp);

#endif
