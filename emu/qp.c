/* SPDX-License-Identifier: Apache-2.0 */
/* Queue pairs: made and destroyed. Their states: qp_modify.c. */
#include "emu/qp.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "emu/cq.h"
#include "emu/direct.h"
#include "emu/fault.h"
#include "emu/model.h"
#include "emu/srd.h"
#include "emu/verbs.h"

/* As after a reset of the device: a receiver that is not ready is tried for ever, until the program
 * says otherwise. */
enum {
	RNR_FOR_EVER = 7
};

/* Bytes of inline data in a 64-byte descriptor. */
enum {
	NARROW_INLINE = 32
};

static uint32_t power_of_two(uint32_t n)
{
	uint32_t size = 1;

	while (size < n)
		size *= 2;
	return size;
}

uint32_t emu_max_sq_depth(const struct emu_nic *nic, uint32_t inline_data, bool inline_write)
{
	uint32_t most = (uint32_t)nic->model->max_sq_wr;
	uint32_t depth;

	if (inline_data > NARROW_INLINE || inline_write)
		most /= 2;
	depth = power_of_two(most);
	return depth > most ? depth / 2 : depth;
}

uint32_t emu_max_rq_depth(const struct emu_nic *nic, uint32_t sge)
{
	return (uint32_t)nic->model->max_rq_wr / (sge ? sge : 1);
}

/* --- checks, in the order of libefa -------------------------------------------------------- */

static uint64_t known_ops(const struct emu_nic *nic, bool srd)
{
	uint64_t ops = IBV_QP_EX_WITH_SEND | IBV_QP_EX_WITH_SEND_WITH_IMM;

	if (srd && nic->model->rdma_read)
		ops |= IBV_QP_EX_WITH_RDMA_READ;
	if (srd && nic->model->rdma_write)
		ops |= IBV_QP_EX_WITH_RDMA_WRITE | IBV_QP_EX_WITH_RDMA_WRITE_WITH_IMM;
	return ops;
}

static int check_attr(const struct emu_nic *nic, const struct ibv_qp_init_attr_ex *attr,
		      const struct emu_abi_qp_init_attr *efa)
{
	const uint32_t known = IBV_QP_INIT_ATTR_PD | IBV_QP_INIT_ATTR_SEND_OPS_FLAGS;
	bool srd = attr->qp_type == IBV_QPT_DRIVER;
	uint16_t efa_flags = 0;

	if (nic->model->rdma_write)
		efa_flags |= EMU_QP_INLINE_WRITE;
	if (nic->model->unsolicited)
		efa_flags |= EMU_QP_UNSOLICITED_WRITE_RECV;
	if (srd && efa->driver_qp_type != EFADV_QP_DRIVER_TYPE_SRD)
		return EOPNOTSUPP;
	if (efa->flags & ~efa_flags || attr->comp_mask & ~known)
		return EOPNOTSUPP;
	if (!(attr->comp_mask & IBV_QP_INIT_ATTR_PD) || !attr->pd)
		return EINVAL;
	if (attr->comp_mask & IBV_QP_INIT_ATTR_SEND_OPS_FLAGS &&
	    attr->send_ops_flags & ~known_ops(nic, srd))
		return EOPNOTSUPP;
	if (efa->wr_flags & ~(uint64_t)EMU_WR_EX_WITH_PROCESSING_HINTS)
		return EOPNOTSUPP;
	if (!attr->recv_cq || !attr->send_cq || attr->srq)
		return EINVAL;
	return 0;
}

static int check_limits(const struct emu_nic *nic, const struct ibv_qp_cap *cap, bool inline_write)
{
	if (cap->max_send_sge > nic->model->max_sq_sge ||
	    cap->max_recv_sge > nic->model->max_rq_sge)
		return EINVAL;
	if (cap->max_send_wr > emu_max_sq_depth(nic, cap->max_inline_data, inline_write) ||
	    cap->max_recv_wr > emu_max_rq_depth(nic, cap->max_recv_sge))
		return EINVAL;
	if (cap->max_recv_wr && !cap->max_recv_sge)
		return EINVAL;
	if (cap->max_inline_data > nic->model->inline_size_ex ||
	    cap->max_inline_data > EMU_INLINE_MAX)
		return EINVAL;
	return 0;
}

/* --- make ---------------------------------------------------------------------------------- */

/* Depths that queues of a power of two of descriptors give; a receive takes one for each of its
 * buffers. */
static void round_up(struct ibv_qp_cap *cap)
{
	if (cap->max_send_wr)
		cap->max_send_wr = power_of_two(cap->max_send_wr);
	if (cap->max_recv_wr)
		cap->max_recv_wr =
			power_of_two(cap->max_recv_sge * cap->max_recv_wr) / cap->max_recv_sge;
}

static void fill_public(struct emu_qp *qp, struct ibv_context *context,
			const struct ibv_qp_init_attr_ex *attr)
{
	struct ibv_qp *base = &qp->ex.qp_base;

	base->context = context;
	base->qp_context = attr->qp_context;
	base->pd = attr->pd;
	base->send_cq = attr->send_cq;
	base->recv_cq = attr->recv_cq;
	base->state = IBV_QPS_RESET;
	base->qp_type = attr->qp_type;
	pthread_mutex_init(&base->mutex, NULL);
	pthread_cond_init(&base->cond, NULL);
}

static struct emu_qp *qp_new(struct ibv_context *context, const struct ibv_qp_init_attr_ex *attr,
			     const struct emu_abi_qp_init_attr *efa)
{
	struct emu_qp *qp = calloc(1, sizeof(*qp));

	if (!qp)
		return NULL;
	fill_public(qp, context, attr);
	qp->nic = emu_nic_of(context);
	qp->context = emu_context_of(context);
	qp->pd = emu_pd_of(attr->pd);
	qp->send_cq = emu_cq_of(attr->send_cq);
	qp->recv_cq = emu_cq_of(attr->recv_cq);
	qp->srd = attr->qp_type == IBV_QPT_DRIVER;
	qp->sig_all = attr->sq_sig_all;
	qp->unsolicited = efa->flags & EMU_QP_UNSOLICITED_WRITE_RECV;
	qp->inline_write = efa->flags & EMU_QP_INLINE_WRITE;
	qp->rnr_retry = RNR_FOR_EVER;
	qp->cap = attr->cap;
	qp->state = IBV_QPS_RESET;
	pthread_mutex_init(&qp->lock, NULL);
	pthread_mutex_init(&qp->build_lock, NULL);
	if (attr->comp_mask & IBV_QP_INIT_ATTR_SEND_OPS_FLAGS) {
		qp->extended = true;
		qp->send_ops = attr->send_ops_flags;
		emu_qp_writers(qp, efa->wr_flags);
	}
	return qp;
}

static void qp_delete(struct emu_qp *qp)
{
	pthread_mutex_destroy(&qp->lock);
	pthread_mutex_destroy(&qp->build_lock);
	pthread_mutex_destroy(&qp->ex.qp_base.mutex);
	pthread_cond_destroy(&qp->ex.qp_base.cond);
	free(qp->build);
	free(qp);
}

struct ibv_qp *emu_qp_create(struct ibv_context *context, struct ibv_qp_init_attr_ex *attr,
			     const struct emu_abi_qp_init_attr *efa)
{
	struct emu_nic *nic = emu_nic_of(context);
	struct emu_qp *qp;
	int error;

	error = check_attr(nic, attr, efa);
	if (!error)
		error = check_limits(nic, &attr->cap, efa->flags & EMU_QP_INLINE_WRITE);
	if (error) {
		errno = error;
		return NULL;
	}
	error = emu_begin(nic, EMU_CALL_QP);
	if (error)
		return emu_failed(nic, EMU_CALL_QP, error);
	round_up(&attr->cap);
	qp = qp_new(context, attr, efa);
	if (!qp)
		return emu_failed(nic, EMU_CALL_QP, ENOMEM);
	error = emu_srd_create(qp);
	if (error) {
		qp_delete(qp);
		return emu_failed(nic, EMU_CALL_QP, error);
	}
	qp->ex.qp_base.handle = qp->ex.qp_base.qp_num;
	atomic_fetch_add(&qp->pd->objects, 1);
	atomic_fetch_add(&qp->send_cq->qps, 1);
	atomic_fetch_add(&qp->recv_cq->qps, 1);
	emu_context_hold(qp->context);
	emu_done(nic, EMU_CALL_QP, 0);
	return &qp->ex.qp_base;
}

struct ibv_qp *emu_create_qp_ex(struct ibv_context *context, struct ibv_qp_init_attr_ex *attr)
{
	const struct emu_abi_qp_init_attr efa = { 0 };

	if (attr->qp_type != IBV_QPT_UD) {
		errno = EOPNOTSUPP;
		return NULL;
	}
	return emu_qp_create(context, attr, &efa);
}

static struct ibv_qp *create_plain(struct ibv_pd *pd, struct ibv_qp_init_attr *attr,
				   const struct emu_abi_qp_init_attr *efa)
{
	struct ibv_qp_init_attr_ex ex = {
		.qp_context = attr->qp_context,
		.send_cq = attr->send_cq,
		.recv_cq = attr->recv_cq,
		.srq = attr->srq,
		.cap = attr->cap,
		.qp_type = attr->qp_type,
		.sq_sig_all = attr->sq_sig_all,
		.comp_mask = IBV_QP_INIT_ATTR_PD,
		.pd = pd,
	};
	struct ibv_qp *qp = emu_qp_create(pd->context, &ex, efa);

	if (qp)
		attr->cap = ex.cap;
	return qp;
}

struct ibv_qp *ibv_create_qp(struct ibv_pd *pd, struct ibv_qp_init_attr *attr)
{
	const struct emu_abi_qp_init_attr efa = { 0 };

	if (attr->qp_type != IBV_QPT_UD) {
		errno = EOPNOTSUPP;
		return NULL;
	}
	return create_plain(pd, attr, &efa);
}

struct ibv_qp *efadv_create_driver_qp(struct ibv_pd *pd, struct ibv_qp_init_attr *attr,
				      uint32_t driver_qp_type)
{
	const struct emu_abi_qp_init_attr efa = { .driver_qp_type = driver_qp_type };

	if (attr->qp_type != IBV_QPT_DRIVER) {
		errno = EINVAL;
		return NULL;
	}
	return create_plain(pd, attr, &efa);
}

struct ibv_qp_ex *ibv_qp_to_qp_ex(struct ibv_qp *ibv_qp)
{
	struct emu_qp *qp = emu_qp_of(ibv_qp);

	return qp->extended ? &qp->ex : NULL;
}

int ibv_destroy_qp(struct ibv_qp *ibv_qp)
{
	struct emu_qp *qp = emu_qp_of(ibv_qp);
	struct emu_nic *nic = qp->nic;

	emu_srd_destroy(qp);
	emu_cq_purge(qp->send_cq, qp);
	emu_cq_purge(qp->recv_cq, qp);
	emu_direct_qp_free(qp);
	atomic_fetch_sub(&qp->send_cq->qps, 1);
	atomic_fetch_sub(&qp->recv_cq->qps, 1);
	atomic_fetch_sub_explicit(&qp->pd->objects, 1, memory_order_release);
	emu_context_put(qp->context);
	qp_delete(qp);
	return emu_command(nic, 0);
}
