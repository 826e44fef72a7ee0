/* SPDX-License-Identifier: Apache-2.0 */
/* What qp.c, qp_modify.c, wr.c, recv.c and efadv.c know of one another. */
#ifndef EMU_QP_H
#define EMU_QP_H

#include "emu/object.h"

static inline struct emu_qp *emu_qp_of(struct ibv_qp *qp)
{
	return (struct emu_qp *)(void *)qp;
}

static inline struct emu_qp *emu_qp_ex_of(struct ibv_qp_ex *qp)
{
	return (struct emu_qp *)(void *)qp;
}

/* The state as a thread sees it that does not hold qp->lock: it may change at once. */
static inline enum ibv_qp_state emu_qp_state(const struct emu_qp *qp)
{
	return __atomic_load_n(&qp->state, __ATOMIC_RELAXED);
}

/* The deepest queues that the device has room for: its memory holds max_sq_wr descriptors of 64
 * bytes, and inline data beyond 32 bytes, or inline writes, take 128 each. */
uint32_t emu_max_sq_depth(const struct emu_nic *nic, uint32_t inline_data, bool inline_write);
uint32_t emu_max_rq_depth(const struct emu_nic *nic, uint32_t sge);

/* NULL and errno: EOPNOTSUPP what EFA's provider does not know, EINVAL, ENOMEM. attr->cap becomes
 * what it got. */
struct ibv_qp *emu_qp_create(struct ibv_context *context, struct ibv_qp_init_attr_ex *attr,
			     const struct emu_abi_qp_init_attr *efa);

/* Fills in the functions for the operations in qp->send_ops, and hints where they are asked for. */
void emu_qp_writers(struct emu_qp *qp, uint64_t efa_wr_flags);

#endif
