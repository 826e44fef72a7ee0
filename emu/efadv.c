/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The EFA-only entry points (libefa.so.1). Structs are read and written as far as inlen says that
 * the program knows them; what a program that is newer than abi.h adds must be zero.
 */
#include "emu/efadv.h"

#include <errno.h>
#include <string.h>

#include "emu/cq.h"
#include "emu/direct.h"
#include "emu/model.h"
#include "emu/qp.h"
#include "emu/verbs.h"

/* Copies what the program knows of a struct into ours of size bytes. False: it says something that
 * we do not know. */
static bool take_in(void *ours, size_t size, const void *theirs, uint32_t inlen)
{
	const uint8_t *bytes = theirs;

	memcpy(ours, theirs, inlen < size ? inlen : size);
	for (size_t i = size; i < inlen; i++)
		if (bytes[i])
			return false;
	return true;
}

/* Copies ours out as far as the program knows it, zeros what it knows beyond. */
static void give_out(void *theirs, uint32_t inlen, const void *ours, size_t size)
{
	memset(theirs, 0, inlen);
	memcpy(theirs, ours, inlen < size ? inlen : size);
}

/* --- the device ---------------------------------------------------------------------------- */

int efadv_query_device(struct ibv_context *context, struct efadv_device_attr *attr, uint32_t inlen)
{
	const struct emu_model *model = emu_nic_of(context)->model;
	struct emu_abi_device_attr ours = {
		.max_sq_wr = (uint32_t)model->max_sq_wr,
		.max_rq_wr = (uint32_t)model->max_rq_wr,
		.max_sq_sge = (uint16_t)model->max_sq_sge,
		.max_rq_sge = (uint16_t)model->max_rq_sge,
		.inline_buf_size = (uint16_t)model->inline_size,
		.inline_buf_size_ex = (uint16_t)model->inline_size_ex,
		.max_rdma_size = (uint32_t)model->max_rdma_size,
	};
	bool knows_rdma = EMU_KNOWN(struct emu_abi_device_attr, max_rdma_size, inlen);

	if (!EMU_KNOWN(struct emu_abi_device_attr, inline_buf_size, inlen))
		return EINVAL;
	if (model->rnr_retry)
		ours.device_caps |= EMU_CAP_RNR_RETRY;
	if (model->cq_with_sgid)
		ours.device_caps |= EMU_CAP_CQ_WITH_SGID;
	if (model->unsolicited)
		ours.device_caps |= EMU_CAP_UNSOLICITED_WRITE_RECV;
	if (model->rdma_read && knows_rdma)
		ours.device_caps |= EMU_CAP_RDMA_READ;
	if (model->rdma_write && knows_rdma)
		ours.device_caps |= EMU_CAP_RDMA_WRITE;
	give_out(attr, inlen, &ours, sizeof(ours));
	return 0;
}

int efadv_get_max_sq_depth(struct ibv_context *context, struct efadv_sq_depth_attr *attr,
			   uint32_t inlen)
{
	const struct emu_nic *nic = emu_nic_of(context);
	struct emu_abi_sq_depth_attr ours = { 0 };

	if (!EMU_KNOWN(struct emu_abi_sq_depth_attr, max_inline_data, inlen) ||
	    !take_in(&ours, sizeof(ours), attr, inlen) || ours.comp_mask)
		return -EINVAL;
	if (ours.max_send_sge > nic->model->max_sq_sge ||
	    ours.max_rdma_sge > nic->model->max_rdma_sge ||
	    ours.max_inline_data > nic->model->inline_size_ex)
		return -EINVAL;
	return (int)emu_max_sq_depth(nic, ours.max_inline_data,
				     ours.flags & EMU_SQ_DEPTH_INLINE_WRITE);
}

int efadv_get_max_rq_depth(struct ibv_context *context, struct efadv_rq_depth_attr *attr,
			   uint32_t inlen)
{
	const struct emu_nic *nic = emu_nic_of(context);
	struct emu_abi_rq_depth_attr ours = { 0 };

	if (!EMU_KNOWN(struct emu_abi_rq_depth_attr, max_recv_sge, inlen) ||
	    !take_in(&ours, sizeof(ours), attr, inlen) || ours.comp_mask)
		return -EINVAL;
	if (ours.max_recv_sge > nic->model->max_rq_sge)
		return -EINVAL;
	return (int)emu_max_rq_depth(nic, ours.max_recv_sge);
}

int efadv_query_ah(struct ibv_ah *ah, struct efadv_ah_attr *attr, uint32_t inlen)
{
	const struct emu_abi_ah_attr ours = {
		.ahn = ((const struct emu_ah *)(const void *)ah)->number,
	};

	if (!EMU_KNOWN(struct emu_abi_ah_attr, ahn, inlen))
		return EINVAL;
	give_out(attr, inlen, &ours, sizeof(ours));
	return 0;
}

/* No id of an interconnect is valid: the model has none. */
int efadv_query_mr(struct ibv_mr *mr, struct efadv_mr_attr *attr, uint32_t inlen)
{
	const struct emu_abi_mr_attr ours = { 0 };

	(void)mr;
	if (!EMU_KNOWN(struct emu_abi_mr_attr, rdma_recv_ic_id, inlen))
		return EINVAL;
	give_out(attr, inlen, &ours, sizeof(ours));
	return 0;
}

/* --- completion queues --------------------------------------------------------------------- */

struct ibv_cq_ex *efadv_create_cq(struct ibv_context *context, struct ibv_cq_init_attr_ex *attr_ex,
				  struct efadv_cq_init_attr *efa_attr, uint32_t inlen)
{
	struct emu_abi_cq_init_attr ours = { 0 };

	if (!EMU_KNOWN(struct emu_abi_cq_init_attr, wc_flags, inlen) ||
	    !take_in(&ours, sizeof(ours), efa_attr, inlen) || ours.comp_mask) {
		errno = EINVAL;
		return NULL;
	}
	return emu_cq_create(context, attr_ex, &ours);
}

struct efadv_cq *efadv_cq_from_ibv_cq_ex(struct ibv_cq_ex *ex)
{
	return (struct efadv_cq *)(void *)&emu_cq_ex_of(ex)->adv;
}

int efadv_query_cq(struct ibv_cq *ibv_cq, struct efadv_cq_attr *attr, uint32_t inlen)
{
	struct emu_abi_cq_attr ours = { 0 };
	struct emu_direct_queue queue;
	int error;

	if (!EMU_KNOWN(struct emu_abi_cq_attr, num_entries, inlen))
		return EINVAL;
	error = emu_direct_cq(emu_cq_of(ibv_cq), &queue);
	if (error)
		return error;
	ours.buffer = queue.buffer;
	ours.entry_size = queue.entry_size;
	ours.num_entries = queue.entries;
	ours.doorbell = queue.doorbell;
	give_out(attr, inlen, &ours, sizeof(ours));
	return 0;
}

/* --- queue pairs --------------------------------------------------------------------------- */

struct ibv_qp *efadv_create_qp_ex(struct ibv_context *context, struct ibv_qp_init_attr_ex *attr_ex,
				  struct efadv_qp_init_attr *efa_attr, uint32_t inlen)
{
	struct emu_abi_qp_init_attr ours = { 0 };

	if (attr_ex->qp_type != IBV_QPT_DRIVER ||
	    !EMU_KNOWN(struct emu_abi_qp_init_attr, driver_qp_type, inlen) ||
	    !take_in(&ours, sizeof(ours), efa_attr, inlen) || ours.comp_mask || ours.reserved) {
		errno = EINVAL;
		return NULL;
	}
	return emu_qp_create(context, attr_ex, &ours);
}

struct efadv_qp *efadv_qp_from_ibv_qp_ex(struct ibv_qp_ex *ex)
{
	return (struct efadv_qp *)(void *)&emu_qp_ex_of(ex)->adv;
}

static void describe(const struct emu_direct_queue *queue, struct efadv_wq_attr *attr,
		     uint32_t inlen)
{
	const struct emu_abi_wq_attr ours = {
		.buffer = queue->buffer,
		.entry_size = queue->entry_size,
		.num_entries = queue->entries,
		.doorbell = queue->doorbell,
		.max_batch = queue->max_batch,
		.caps = queue->caps,
	};

	give_out(attr, inlen, &ours, sizeof(ours));
}

int efadv_query_qp_wqs(struct ibv_qp *ibv_qp, struct efadv_wq_attr *sq_attr,
		       struct efadv_wq_attr *rq_attr, uint32_t inlen)
{
	struct emu_direct_queue sq = { 0 }, rq = { 0 };
	int error;

	if (!EMU_KNOWN(struct emu_abi_wq_attr, max_batch, inlen))
		return EINVAL;
	error = emu_direct_qp(emu_qp_of(ibv_qp), &sq, &rq);
	if (error)
		return error;
	describe(&sq, sq_attr, inlen);
	describe(&rq, rq_attr, inlen);
	return 0;
}
