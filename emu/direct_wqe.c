/* SPDX-License-Identifier: Apache-2.0 */
#include <endian.h>
#include <string.h>

#include "emu/direct_queue.h"

static uint64_t desc_address(const struct emu_desc_buf *buf)
{
	return (uint64_t)buf->addr_hi << 32 | buf->addr_lo;
}

static bool ah_gid(struct emu_nic *nic, uint16_t number, uint8_t gid[EMU_GID_BYTES])
{
	bool known;

	pthread_mutex_lock(&nic->ah_lock);
	known = number < nic->ah_size && nic->ah_entries[number].references;
	if (known)
		memcpy(gid, nic->ah_entries[number].gid, EMU_GID_BYTES);
	pthread_mutex_unlock(&nic->ah_lock);
	return known;
}

/* The bits that every descriptor has. Which status the device itself gives where they are wrong is
 * not published. */
static bool frame_good(const struct emu_desc_meta *meta, uint32_t phase)
{
	const uint8_t must = EMU_META_FIRST | EMU_META_LAST;

	return meta->ctrl1 & EMU_META_DESC && (meta->ctrl2 & must) == must &&
	       !(meta->ctrl2 & EMU_META_ZERO) && (meta->ctrl2 & EMU_META_PHASE) == phase;
}

static uint8_t request_op(const struct emu_qp *qp, const struct emu_desc_meta *meta,
			  struct emu_wr *wr)
{
	const struct emu_model *model = qp->nic->model;
	bool able;

	switch (meta->ctrl1 & EMU_META_OP) {
	case EMU_DESC_SEND:
		wr->op = EMU_WR_SEND;
		able = true;
		break;
	case EMU_DESC_READ:
		wr->op = EMU_WR_READ;
		able = qp->srd && model->rdma_read &&
		       !(meta->ctrl1 & (EMU_META_HAS_IMM | EMU_META_INLINE));
		break;
	case EMU_DESC_WRITE:
		wr->op = EMU_WR_WRITE;
		able = qp->srd && model->rdma_write;
		break;
	default:
		able = false;
		break;
	}
	if (meta->ctrl1 & EMU_META_EXTENSION)
		able = false;
	return able ? EMU_STATUS_OK : EMU_STATUS_UNSUPPORTED_OP;
}

static uint8_t read_inline(const struct emu_desc_meta *meta, const uint8_t *data, uint32_t limit,
			   struct emu_wr *wr)
{
	if (meta->length > limit)
		return EMU_STATUS_LOCAL_LENGTH;
	wr->is_inline = true;
	wr->bytes = meta->length;
	memcpy(wr->data, data, meta->length);
	return EMU_STATUS_OK;
}

static uint8_t read_buffers(const struct emu_desc_meta *meta, const struct emu_desc_buf *bufs,
			    uint32_t limit, uint64_t bytes_limit, struct emu_wr *wr)
{
	uint64_t bytes = 0;

	if (meta->length > limit)
		return EMU_STATUS_LOCAL_LENGTH;
	for (uint32_t i = 0; i < meta->length; i++) {
		wr->sge[i].addr = desc_address(&bufs[i]);
		wr->sge[i].length = bufs[i].length;
		wr->sge[i].lkey = bufs[i].key & EMU_DESC_LKEY;
		bytes += bufs[i].length;
	}
	if (bytes > bytes_limit)
		return EMU_STATUS_LOCAL_LENGTH;
	wr->sges = (uint8_t)meta->length;
	wr->bytes = (uint32_t)bytes;
	return EMU_STATUS_OK;
}

static uint8_t read_send(const struct emu_qp *qp, const struct emu_desc_wqe *wqe, uint32_t bytes,
			 struct emu_wr *wr)
{
	const struct emu_model *model = qp->nic->model;

	if (wqe->meta.ctrl1 & EMU_META_INLINE)
		return read_inline(&wqe->meta, wqe->inline_data,
				   bytes - (uint32_t)offsetof(struct emu_desc_wqe, inline_data),
				   wr);
	return read_buffers(&wqe->meta, wqe->sgl, (uint32_t)model->max_sq_sge, model->mtu, wr);
}

static uint8_t read_rdma(const struct emu_qp *qp, const struct emu_desc_wqe *wqe, uint32_t bytes,
			 struct emu_wr *wr)
{
	const struct emu_model *model = qp->nic->model;
	const struct emu_desc_rdma *rdma = &wqe->rdma;
	uint8_t status;

	if (!(wqe->meta.ctrl1 & EMU_META_INLINE))
		status = read_buffers(&wqe->meta, rdma->local, (uint32_t)model->max_rdma_sge,
				      model->max_rdma_size, wr);
	else if (bytes == EMU_WQE_WIDE_BYTES)
		status = read_inline(&wqe->meta, rdma->inline_data, sizeof(rdma->inline_data), wr);
	else
		status = EMU_STATUS_UNSUPPORTED_OP;
	if (status)
		return status;
	if (rdma->remote.length != wr->bytes)
		return EMU_STATUS_LOCAL_LENGTH;
	wr->rkey = rdma->remote.key;
	wr->address = desc_address(&rdma->remote);
	return EMU_STATUS_OK;
}

uint8_t emu_direct_request(struct emu_qp *qp, const struct emu_desc_wqe *wqe, uint32_t bytes,
			   uint32_t phase, struct emu_wr *wr)
{
	const struct emu_desc_meta *meta = &wqe->meta;
	uint8_t status;

	memset(wr, 0, offsetof(struct emu_wr, data));
	wr->wr_id = meta->req_id;
	if (qp->nic->model->req_id_64)
		wr->wr_id |= (uint64_t)meta->req_id_ex[0] << 16 |
			     (uint64_t)meta->req_id_ex[1] << 32 |
			     (uint64_t)meta->req_id_ex[2] << 48;
	wr->signaled = meta->ctrl2 & EMU_META_COMP_REQ;
	wr->dst_qpn = meta->dest_qp_num;
	wr->qkey = meta->qkey;
	wr->ahn = meta->ah;
	wr->has_imm = meta->ctrl1 & EMU_META_HAS_IMM;
	wr->imm = htobe32(meta->immediate_data);
	if (!frame_good(meta, phase))
		return EMU_STATUS_QP_INTERNAL;
	status = request_op(qp, meta, wr);
	if (status)
		return status;
	if (!ah_gid(qp->nic, meta->ah, wr->gid))
		return EMU_STATUS_INVALID_AH;
	return wr->op == EMU_WR_SEND ? read_send(qp, wqe, bytes, wr)
				     : read_rdma(qp, wqe, bytes, wr);
}
