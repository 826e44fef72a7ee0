/* SPDX-License-Identifier: Apache-2.0 */
/* Queue pairs: made, posted to, polled. */
#include <endian.h>
#include <string.h>

#include "kit.h"

/* efadv_create_cq() with what newer headers know; the struct's start is that of 44. */
struct ibv_cq_ex *kit_cq(struct kit_nic *nic, uint32_t cqes, struct ibv_comp_channel *channel)
{
	struct ibv_cq_init_attr_ex attr = {
		.cqe = cqes,
		.channel = channel,
		.wc_flags = IBV_WC_STANDARD_FLAGS,
	};
	struct efadv_cq_init_attr adv = { 0 };

	if (nic->efa.device_caps & EFADV_DEVICE_ATTR_CAPS_CQ_WITH_SGID)
		adv.wc_flags |= EFADV_WC_EX_WITH_SGID;
	if (nic->efa.device_caps & KIT_CAPS_UNSOLICITED)
		adv.wc_flags |= KIT_WC_WITH_IS_UNSOLICITED;
	return efadv_create_cq(nic->context, &attr, &adv, sizeof(adv));
}

static uint64_t send_ops(const struct kit_nic *nic, const struct kit_ep_options *options)
{
	uint64_t ops = IBV_QP_EX_WITH_SEND | IBV_QP_EX_WITH_SEND_WITH_IMM;

	if (!options->ud && nic->efa.device_caps & EFADV_DEVICE_ATTR_CAPS_RDMA_READ)
		ops |= IBV_QP_EX_WITH_RDMA_READ;
	if (!options->ud && nic->efa.device_caps & KIT_CAPS_RDMA_WRITE)
		ops |= IBV_QP_EX_WITH_RDMA_WRITE | IBV_QP_EX_WITH_RDMA_WRITE_WITH_IMM;
	return ops & ~options->no_ops;
}

static uint32_t or_default(uint32_t value, uint32_t otherwise)
{
	return value ? value : otherwise;
}

struct ibv_qp *kit_qp(struct kit_nic *nic, struct ibv_cq_ex *send_cq, struct ibv_cq_ex *recv_cq,
		      const struct kit_ep_options *options)
{
	struct kit_qp_init_attr adv = { .driver_qp_type = EFADV_QP_DRIVER_TYPE_SRD };
	struct ibv_qp_init_attr_ex attr = {
		.send_cq = ibv_cq_ex_to_cq(send_cq),
		.recv_cq = ibv_cq_ex_to_cq(recv_cq),
		.cap = { .max_send_wr = or_default(options->sends, 256),
			 .max_recv_wr = or_default(options->recvs, 256),
			 .max_send_sge = or_default(options->send_sges, 2),
			 .max_recv_sge = or_default(options->recv_sges, 2),
			 .max_inline_data = or_default(options->inline_bytes, 32) },
		.qp_type = options->ud ? IBV_QPT_UD : IBV_QPT_DRIVER,
		.comp_mask = IBV_QP_INIT_ATTR_PD | IBV_QP_INIT_ATTR_SEND_OPS_FLAGS,
		.pd = nic->pd,
		.send_ops_flags = send_ops(nic, options),
	};

	if (options->ud)
		return ibv_create_qp_ex(nic->context, &attr);
	if (options->unsolicited)
		adv.flags |= KIT_QP_UNSOLICITED;
	return efadv_create_qp_ex(nic->context, &attr, (struct efadv_qp_init_attr *)&adv,
				  sizeof(adv));
}

int kit_ready(struct ibv_qp *qp, const struct kit_ep_options *options)
{
	struct ibv_qp_attr attr = { .qp_state = IBV_QPS_INIT,
				    .port_num = 1,
				    .qkey = or_default(options->qkey, KIT_QKEY) };
	int mask = IBV_QP_STATE | IBV_QP_SQ_PSN;
	int rc;

	rc = ibv_modify_qp(qp, &attr, IBV_QP_STATE | IBV_QP_PKEY_INDEX | IBV_QP_PORT | IBV_QP_QKEY);
	if (rc)
		return rc;
	attr.qp_state = IBV_QPS_RTR;
	rc = ibv_modify_qp(qp, &attr, IBV_QP_STATE);
	if (rc)
		return rc;
	attr.qp_state = IBV_QPS_RTS;
	if (options->rnr_retry) {
		attr.rnr_retry = (uint8_t)(options->rnr_retry - 1);
		mask |= IBV_QP_RNR_RETRY;
	}
	return ibv_modify_qp(qp, &attr, mask);
}

void kit_ep_open(struct kit_ep *ep, struct kit_nic *nic, const struct kit_ep_options *options)
{
	uint32_t sends = or_default(options->sends, 256), recvs = or_default(options->recvs, 256);

	memset(ep, 0, sizeof(*ep));
	ep->nic = nic;
	if (!options->send_cq || !options->recv_cq) {
		ep->own_cq =
			kit_cq(nic, or_default(options->cqes, sends + recvs), options->channel);
		check(ep->own_cq);
	}
	ep->send_cq = options->send_cq ? options->send_cq : ep->own_cq;
	ep->recv_cq = options->recv_cq ? options->recv_cq : ep->own_cq;
	ep->qp = kit_qp(nic, ep->send_cq, ep->recv_cq, options);
	check(ep->qp);
	ep->ex = ibv_qp_to_qp_ex(ep->qp);
	check(ep->ex);
	check_int(kit_ready(ep->qp, options), 0);
	ep->address = (struct kit_address){ .gid = nic->gid,
					    .qpn = ep->qp->qp_num,
					    .qkey = or_default(options->qkey, KIT_QKEY) };
}

void kit_ep_close(struct kit_ep *ep)
{
	check_int(ibv_destroy_qp(ep->qp), 0);
	if (ep->own_cq)
		check_int(ibv_destroy_cq(ibv_cq_ex_to_cq(ep->own_cq)), 0);
	memset(ep, 0, sizeof(*ep));
}

/* --- posting ------------------------------------------------------------------------------- */

struct ibv_sge kit_sge(const struct kit_area *area, size_t offset, size_t size)
{
	return (struct ibv_sge){ .addr = (uintptr_t)area->data + offset,
				 .length = (uint32_t)size,
				 .lkey = area->mr ? area->mr->lkey : 0 };
}

static int post_legacy(struct kit_ep *ep, const struct kit_wr *wr)
{
	struct ibv_sge inline_sge = { .addr = (uintptr_t)wr->inline_data,
				      .length = wr->inline_bytes };
	struct ibv_send_wr request = {
		.wr_id = wr->id,
		.sg_list = wr->inline_data ? &inline_sge : (struct ibv_sge *)wr->sge,
		.num_sge = wr->inline_data ? 1 : (int)wr->sges,
		.opcode = wr->imm ? IBV_WR_SEND_WITH_IMM : IBV_WR_SEND,
		.send_flags = IBV_SEND_SIGNALED | (wr->inline_data ? IBV_SEND_INLINE : 0),
		.imm_data = htobe32(wr->imm_data),
		.wr = { .ud = { .ah = wr->ah,
				.remote_qpn = wr->to->qpn,
				.remote_qkey = wr->to->qkey } },
	};
	struct ibv_send_wr *bad = NULL;
	int rc = ibv_post_send(ep->qp, &request, &bad);

	check(!rc || bad == &request);
	return rc;
}

static void build(struct ibv_qp_ex *ex, const struct kit_wr *wr)
{
	ex->wr_id = wr->id;
	ex->wr_flags = IBV_SEND_SIGNALED;
	switch (wr->op) {
	case KIT_SEND:
		if (wr->imm)
			ibv_wr_send_imm(ex, htobe32(wr->imm_data));
		else
			ibv_wr_send(ex);
		break;
	case KIT_READ:
		ibv_wr_rdma_read(ex, wr->rkey, wr->address);
		break;
	case KIT_WRITE:
		if (wr->imm)
			ibv_wr_rdma_write_imm(ex, wr->rkey, wr->address, htobe32(wr->imm_data));
		else
			ibv_wr_rdma_write(ex, wr->rkey, wr->address);
		break;
	}
	if (wr->inline_data)
		ibv_wr_set_inline_data(ex, (void *)wr->inline_data, wr->inline_bytes);
	else if (wr->sges == 1)
		ibv_wr_set_sge(ex, wr->sge[0].lkey, wr->sge[0].addr, wr->sge[0].length);
	else
		ibv_wr_set_sge_list(ex, wr->sges, wr->sge);
	ibv_wr_set_ud_addr(ex, wr->ah, wr->to->qpn, wr->to->qkey);
}

int kit_post(struct kit_ep *ep, const struct kit_wr *wr)
{
	if (wr->legacy)
		return post_legacy(ep, wr);
	ibv_wr_start(ep->ex);
	build(ep->ex, wr);
	return ibv_wr_complete(ep->ex);
}

int kit_recv(struct kit_ep *ep, uint64_t id, const struct ibv_sge *sge, int sges)
{
	struct ibv_recv_wr request = { .wr_id = id,
				       .sg_list = (struct ibv_sge *)sge,
				       .num_sge = sges };
	struct ibv_recv_wr *bad = NULL;
	int rc = ibv_post_recv(ep->qp, &request, &bad);

	check(!rc || bad == &request);
	return rc;
}

/* --- polling ------------------------------------------------------------------------------- */

static void read_adv(struct ibv_cq_ex *cq, struct kit_wc *wc)
{
	/* All versions have wc_read_sgid; the call after it is newer than 44. */
	struct efadv_cq *adv = efadv_cq_from_ibv_cq_ex(cq);

	wc->has_sgid =
		wc->slid == 0xffff && adv->wc_read_sgid && !adv->wc_read_sgid(adv, &wc->sgid);
	if (((struct kit_adv_cq *)adv)->wc_is_unsolicited)
		wc->unsolicited = ((struct kit_adv_cq *)adv)->wc_is_unsolicited(adv);
}

bool kit_poll(struct ibv_cq_ex *cq, struct kit_wc *wc)
{
	struct ibv_poll_cq_attr attr = { 0 };
	int rc = ibv_start_poll(cq, &attr);

	if (rc == ENOENT)
		return false;
	check_int(rc, 0);
	*wc = (struct kit_wc){ .id = cq->wr_id,
			       .status = cq->status,
			       .vendor = ibv_wc_read_vendor_err(cq),
			       .opcode = ibv_wc_read_opcode(cq),
			       .qpn = ibv_wc_read_qp_num(cq) };
	if (wc->opcode & IBV_WC_RECV) {
		wc->bytes = ibv_wc_read_byte_len(cq);
		wc->flags = ibv_wc_read_wc_flags(cq);
		wc->src_qpn = ibv_wc_read_src_qp(cq);
		wc->slid = ibv_wc_read_slid(cq);
		if (wc->flags & IBV_WC_WITH_IMM)
			wc->imm = be32toh(ibv_wc_read_imm_data(cq));
		read_adv(cq, wc);
	}
	ibv_end_poll(cq);
	return true;
}

bool kit_poll_plain(struct ibv_cq_ex *cq, struct kit_wc *wc)
{
	struct ibv_wc one = { 0 };
	int n = ibv_poll_cq(ibv_cq_ex_to_cq(cq), 1, &one);

	check(n == 0 || n == 1);
	*wc = (struct kit_wc){ .id = one.wr_id,
			       .status = one.status,
			       .vendor = one.vendor_err,
			       .opcode = one.opcode,
			       .bytes = one.byte_len,
			       .flags = (uint32_t)one.wc_flags,
			       .imm = be32toh(one.imm_data),
			       .qpn = one.qp_num,
			       .src_qpn = one.src_qp,
			       .slid = one.slid };
	return n == 1;
}

void kit_wait(struct ibv_cq_ex *cq, struct kit_wc *wc)
{
	until(kit_poll(cq, wc));
}

enum ibv_wc_status kit_verbs_status(uint32_t vendor)
{
	/* rdma-core providers/efa/verbs.c to_ibv_status() */
	static const enum ibv_wc_status of[] = {
		[0] = IBV_WC_SUCCESS,
		[1] = IBV_WC_WR_FLUSH_ERR,
		[2] = IBV_WC_LOC_QP_OP_ERR,
		[3] = IBV_WC_LOC_QP_OP_ERR,
		[4] = IBV_WC_LOC_QP_OP_ERR,
		[5] = IBV_WC_LOC_PROT_ERR,
		[6] = IBV_WC_LOC_LEN_ERR,
		[7] = IBV_WC_REM_ACCESS_ERR,
		[8] = IBV_WC_REM_ABORT_ERR,
		[9] = IBV_WC_REM_INV_RD_REQ_ERR,
		[10] = IBV_WC_RNR_RETRY_EXC_ERR,
		[11] = IBV_WC_REM_INV_REQ_ERR,
		[12] = IBV_WC_BAD_RESP_ERR,
		[13] = IBV_WC_RESP_TIMEOUT_ERR,
		[14] = IBV_WC_REM_OP_ERR,
		[15] = IBV_WC_RESP_TIMEOUT_ERR,
		[18] = IBV_WC_REM_INV_REQ_ERR,
	};

	return vendor < sizeof(of) / sizeof(of[0]) ? of[vendor] : IBV_WC_GENERAL_ERR;
}

void kit_wait_status(struct ibv_cq_ex *cq, uint64_t id, uint32_t vendor)
{
	struct kit_wc wc;

	kit_wait(cq, &wc);
	if (wc.id != id || wc.vendor != vendor || wc.status != kit_verbs_status(vendor))
		kit_fail(__FILE__, __LINE__,
			 "completion %llu status %u (%s), not %llu status %u (%s)",
			 (unsigned long long)wc.id, wc.vendor, ibv_wc_status_str(wc.status),
			 (unsigned long long)id, vendor,
			 ibv_wc_status_str(kit_verbs_status(vendor)));
}

void kit_wait_ok(struct ibv_cq_ex *cq, uint64_t id)
{
	kit_wait_status(cq, id, 0);
}
