/* SPDX-License-Identifier: Apache-2.0 */
/* What cq.c, cq_poll.c and efadv.c know of one another. */
#ifndef EMU_CQ_H
#define EMU_CQ_H

#include "emu/object.h"

static inline struct emu_cq *emu_cq_of(struct ibv_cq *cq)
{
	return (struct emu_cq *)(void *)cq;
}

static inline struct emu_cq *emu_cq_ex_of(struct ibv_cq_ex *cq)
{
	return (struct emu_cq *)(void *)cq;
}

/* NULL and errno: EOPNOTSUPP what EFA's provider does not know, EINVAL, ENOMEM. attr->cqe becomes
 * the depth that it got. */
struct ibv_cq_ex *emu_cq_create(struct ibv_context *context, struct ibv_cq_init_attr_ex *attr,
				const struct emu_abi_cq_init_attr *efa);

/* Fills in the functions that cq->wc_flags and efa_wc_flags ask for. The others stay NULL, as in
 * EFA's provider: a program must not call what it did not ask for. */
void emu_cq_readers(struct emu_cq *cq, uint64_t efa_wc_flags);

/* The verbs status of a status of the device. */
enum ibv_wc_status emu_wc_status(uint8_t status);

#endif
