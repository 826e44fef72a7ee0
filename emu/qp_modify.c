/* SPDX-License-Identifier: Apache-2.0 */
/*
 * States of a queue pair and what may be told it on the way. Transitions and attributes: EFA's
 * driver, amzn-drivers kernel/linux/efa/src/efa_verbs.c (srd_qp_state_table); for UD the kernel's
 * own table, which is the same but for IBV_QP_RNR_RETRY.
 */
#include <errno.h>
#include <string.h>

#include "emu/direct.h"
#include "emu/model.h"
#include "emu/qp.h"
#include "emu/srd.h"
#include "emu/verbs.h"

enum {
	MODIFIABLE = IBV_QP_STATE | IBV_QP_CUR_STATE | IBV_QP_EN_SQD_ASYNC_NOTIFY |
		     IBV_QP_PKEY_INDEX | IBV_QP_PORT | IBV_QP_QKEY | IBV_QP_SQ_PSN |
		     IBV_QP_RNR_RETRY,
	QUERYABLE = IBV_QP_STATE | IBV_QP_PKEY_INDEX | IBV_QP_PORT | IBV_QP_QKEY | IBV_QP_SQ_PSN |
		    IBV_QP_CAP | IBV_QP_RNR_RETRY,
	RNR_RETRY_MAX = 7,
};

struct transition {
	bool valid;
	int required, optional; /* enum ibv_qp_attr_mask */
};

static const struct transition transitions[IBV_QPS_ERR + 1][IBV_QPS_ERR + 1] = {
	[IBV_QPS_RESET] = {
		[IBV_QPS_RESET] = { true, 0, 0 },
		[IBV_QPS_INIT] = { true, IBV_QP_PKEY_INDEX | IBV_QP_PORT | IBV_QP_QKEY, 0 },
	},
	[IBV_QPS_INIT] = {
		[IBV_QPS_RESET] = { true, 0, 0 },
		[IBV_QPS_ERR] = { true, 0, 0 },
		[IBV_QPS_INIT] = { true, 0, IBV_QP_PKEY_INDEX | IBV_QP_PORT | IBV_QP_QKEY },
		[IBV_QPS_RTR] = { true, 0, IBV_QP_PKEY_INDEX | IBV_QP_QKEY },
	},
	[IBV_QPS_RTR] = {
		[IBV_QPS_RESET] = { true, 0, 0 },
		[IBV_QPS_ERR] = { true, 0, 0 },
		[IBV_QPS_RTS] = { true, IBV_QP_SQ_PSN,
				  IBV_QP_CUR_STATE | IBV_QP_QKEY | IBV_QP_RNR_RETRY },
	},
	[IBV_QPS_RTS] = {
		[IBV_QPS_RESET] = { true, 0, 0 },
		[IBV_QPS_ERR] = { true, 0, 0 },
		[IBV_QPS_RTS] = { true, 0, IBV_QP_CUR_STATE | IBV_QP_QKEY },
		[IBV_QPS_SQD] = { true, 0, IBV_QP_EN_SQD_ASYNC_NOTIFY },
	},
	[IBV_QPS_SQD] = {
		[IBV_QPS_RESET] = { true, 0, 0 },
		[IBV_QPS_ERR] = { true, 0, 0 },
		[IBV_QPS_RTS] = { true, 0, IBV_QP_CUR_STATE | IBV_QP_QKEY },
		[IBV_QPS_SQD] = { true, 0, IBV_QP_PKEY_INDEX | IBV_QP_QKEY },
	},
	[IBV_QPS_SQE] = {
		[IBV_QPS_RESET] = { true, 0, 0 },
		[IBV_QPS_ERR] = { true, 0, 0 },
		[IBV_QPS_RTS] = { true, 0, IBV_QP_CUR_STATE | IBV_QP_QKEY },
	},
	[IBV_QPS_ERR] = {
		[IBV_QPS_RESET] = { true, 0, 0 },
		[IBV_QPS_ERR] = { true, 0, 0 },
	},
};

static int check_transition(const struct emu_qp *qp, enum ibv_qp_state from, enum ibv_qp_state to,
			    int mask)
{
	const struct transition *transition;
	int optional;

	if (to > IBV_QPS_ERR)
		return EINVAL;
	if (mask & IBV_QP_CUR_STATE && (from < IBV_QPS_RTR || from > IBV_QPS_SQE))
		return EINVAL;
	transition = &transitions[from][to];
	optional = transition->optional;
	if (!qp->srd)
		optional &= ~IBV_QP_RNR_RETRY;
	if (!transition->valid || (mask & transition->required) != transition->required ||
	    mask & ~(transition->required | optional | IBV_QP_STATE))
		return EINVAL;
	return 0;
}

/* Under qp->lock. */
static int check(const struct emu_qp *qp, const struct ibv_qp_attr *attr, int mask)
{
	enum ibv_qp_state to = mask & IBV_QP_STATE ? attr->qp_state : qp->state;
	int error;

	if (mask & ~MODIFIABLE)
		return EOPNOTSUPP;
	if (mask & IBV_QP_CUR_STATE && attr->cur_qp_state != qp->state)
		return EINVAL;
	error = check_transition(qp, qp->state, to, mask);
	if (error)
		return error;
	if (mask & IBV_QP_PORT && attr->port_num != 1)
		return EOPNOTSUPP;
	if (mask & IBV_QP_PKEY_INDEX && attr->pkey_index)
		return EOPNOTSUPP;
	if (mask & IBV_QP_RNR_RETRY && !qp->nic->model->rnr_retry)
		return EOPNOTSUPP;
	if (mask & IBV_QP_RNR_RETRY && attr->rnr_retry > RNR_RETRY_MAX)
		return EINVAL;
	/* The event of a drained send queue is not modelled. */
	if (mask & IBV_QP_EN_SQD_ASYNC_NOTIFY && attr->en_sqd_async_notify)
		return EOPNOTSUPP;
	return 0;
}

/* Under qp->lock. */
static void apply(struct emu_qp *qp, const struct ibv_qp_attr *attr, int mask)
{
	if (mask & IBV_QP_QKEY)
		qp->qkey = attr->qkey;
	if (mask & IBV_QP_SQ_PSN)
		qp->sq_psn = attr->sq_psn;
	if (mask & IBV_QP_RNR_RETRY)
		qp->rnr_retry = attr->rnr_retry;
	if (!(mask & IBV_QP_STATE))
		return;
	__atomic_store_n(&qp->state, attr->qp_state, __ATOMIC_RELAXED);
	qp->ex.qp_base.state = attr->qp_state;
	emu_srd_state_changed(qp);
	/* What was under way before a reset is forgotten, polled or not. */
	if (attr->qp_state == IBV_QPS_RESET) {
		emu_direct_qp_reset(qp);
		emu_cq_purge(qp->send_cq, qp);
		emu_cq_purge(qp->recv_cq, qp);
	}
}

int ibv_modify_qp(struct ibv_qp *ibv_qp, struct ibv_qp_attr *attr, int attr_mask)
{
	struct emu_qp *qp = emu_qp_of(ibv_qp);
	int error;

	pthread_mutex_lock(&qp->lock);
	error = check(qp, attr, attr_mask);
	if (!error)
		apply(qp, attr, attr_mask);
	pthread_mutex_unlock(&qp->lock);
	return emu_command(qp->nic, error);
}

int ibv_query_qp(struct ibv_qp *ibv_qp, struct ibv_qp_attr *attr, int attr_mask,
		 struct ibv_qp_init_attr *init_attr)
{
	struct emu_qp *qp = emu_qp_of(ibv_qp);

	if (attr_mask & ~QUERYABLE)
		return emu_command(qp->nic, EOPNOTSUPP);
	pthread_mutex_lock(&qp->lock);
	*attr = (struct ibv_qp_attr){
		.qp_state = qp->state,
		.cur_qp_state = qp->state,
		.qkey = qp->qkey,
		.sq_psn = qp->sq_psn,
		.cap = qp->cap,
		.port_num = 1,
		.rnr_retry = qp->rnr_retry,
	};
	pthread_mutex_unlock(&qp->lock);
	*init_attr = (struct ibv_qp_init_attr){
		.qp_context = ibv_qp->qp_context,
		.send_cq = ibv_qp->send_cq,
		.recv_cq = ibv_qp->recv_cq,
		.cap = qp->cap,
		.qp_type = ibv_qp->qp_type,
		.sq_sig_all = qp->sig_all,
	};
	return emu_command(qp->nic, 0);
}

/* EFA promises at most that aligned blocks of 128 bytes land whole and in order, whatever the
 * operation. */
int ibv_query_qp_data_in_order(struct ibv_qp *ibv_qp, enum ibv_wr_opcode op, uint32_t flags)
{
	const uint32_t known = EMU_DATA_IN_ORDER_RETURN_CAPS | EMU_DATA_IN_ORDER_DEVICE_ONLY;

	(void)op;
	if (flags & ~known || !(flags & EMU_DATA_IN_ORDER_RETURN_CAPS))
		return 0;
	return emu_qp_of(ibv_qp)->nic->model->data_in_order ? EMU_DATA_IN_ORDER_ALIGNED_128_BYTES
							    : 0;
}
