/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Entry points that live in one file and are called, or put into an ops table, by another. The
 * exported functions (ibv_*, efadv_*) are declared by the system's headers; those that headers of
 * rdma-core 44 lack stand here too. As there: errno > 0, or NULL and errno.
 */
#ifndef EMU_VERBS_H
#define EMU_VERBS_H

#include "emu/object.h"

static inline struct emu_context *emu_context_of(struct ibv_context *context)
{
	return (struct emu_context *)((char *)context -
				      offsetof(struct emu_context, verbs.context));
}

static inline struct emu_nic *emu_nic_of(struct ibv_context *context)
{
	return emu_context_of(context)->nic;
}

static inline struct emu_pd *emu_pd_of(struct ibv_pd *pd)
{
	return (struct emu_pd *)(void *)pd;
}

/* --- nic.c: device commands ---------------------------------------------------------------- */

/* A command starts: the errno with which a fault makes it fail, or 0. */
int emu_begin(struct emu_nic *nic, enum emu_call call);

/* It ended with error (errno > 0, or 0): counts as emu_command() and in the error counter of its
 * kind (alloc_pd_err, create_qp_err ...). Answers error. */
int emu_done(struct emu_nic *nic, enum emu_call call, int error);

/* The same for functions that answer a pointer: sets errno where error is not 0. Answers NULL. */
void *emu_failed(struct emu_nic *nic, enum emu_call call, int error);

/* --- device.c ------------------------------------------------------------------------------ */

/* An object that lives on a context is made, is gone. A context that was closed before its objects
 * is freed with the last of them. */
static inline void emu_context_hold(struct emu_context *context)
{
	atomic_fetch_add_explicit(&context->objects, 1, memory_order_relaxed);
}

void emu_context_put(struct emu_context *context);

/* --- async.c ------------------------------------------------------------------------------- */

/* Contexts that asynchronous events go to. */
void emu_async_open(struct emu_context *context);
void emu_async_close(struct emu_context *context);

/* In the child of a fork. */
void emu_async_forked(void);

/* The queue is being destroyed: drops its events that nobody fetched, waits until those that were
 * fetched are acknowledged. */
void emu_async_forget_cq(struct emu_cq *cq);

/* --- query.c ------------------------------------------------------------------------------- */

int emu_query_port(struct ibv_context *context, uint8_t port_num, struct ibv_port_attr *attr,
		   size_t attr_len);
int emu_query_device_ex(struct ibv_context *context, const struct ibv_query_device_ex_input *input,
			struct ibv_device_attr_ex *attr, size_t attr_size);

/* --- cq.c, cq_poll.c ----------------------------------------------------------------------- */

struct ibv_cq_ex *emu_create_cq_ex(struct ibv_context *context, struct ibv_cq_init_attr_ex *attr);
int emu_poll_cq(struct ibv_cq *cq, int count, struct ibv_wc *wc);
int emu_req_notify_cq(struct ibv_cq *cq, int solicited_only);

/* --- qp.c, wr.c, recv.c -------------------------------------------------------------------- */

struct ibv_qp *emu_create_qp_ex(struct ibv_context *context, struct ibv_qp_init_attr_ex *attr);
int emu_post_send(struct ibv_qp *qp, struct ibv_send_wr *wr, struct ibv_send_wr **bad);
int emu_post_recv(struct ibv_qp *qp, struct ibv_recv_wr *wr, struct ibv_recv_wr **bad);

/* --- engine.c ------------------------------------------------------------------------------ */

/* The process ends or the library is unloaded: stops the thread, gives the slot back. Not
 * in a child of fork(). */
void emu_engine_stop(void);

#endif
