/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests posted to the send queue: lists (ibv_post_send) and sessions (ibv_wr_start to
 * ibv_wr_complete). What libefa checks is checked here and refused at once; what the device checks
 * (lengths beyond its limits, keys, addresses) ends as a completion with a status.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "emu/model.h"
#include "emu/qp.h"
#include "emu/srd.h"
#include "emu/verbs.h"

/* --- one request --------------------------------------------------------------------------- */

/* Room for one more in qp->build, cleared. NULL: no memory. Under build_lock. */
static struct emu_wr *grow(struct emu_qp *qp)
{
	uint32_t size = qp->build_size ? qp->build_size * 2 : 16;
	struct emu_wr *build;

	if (qp->built == qp->build_size) {
		build = realloc(qp->build, size * sizeof(*build));
		if (!build)
			return NULL;
		qp->build = build;
		qp->build_size = size;
	}
	memset(&qp->build[qp->built], 0, sizeof(*qp->build));
	return &qp->build[qp->built++];
}

/* May a request with these flags be posted? Under build_lock. */
static int check_post(const struct emu_qp *qp, unsigned int flags)
{
	enum ibv_qp_state state = emu_qp_state(qp);

	if (state != IBV_QPS_RTS && state != IBV_QPS_SQD)
		return EINVAL;
	if (!(flags & IBV_SEND_SIGNALED) && !qp->sig_all)
		return EINVAL;
	if (flags & ~(unsigned int)(IBV_SEND_SIGNALED | IBV_SEND_INLINE))
		return EINVAL;
	if (atomic_load(&qp->sq_used) + qp->built >= qp->cap.max_send_wr)
		return ENOMEM;
	return 0;
}

static void set_sges(struct emu_wr *wr, const struct ibv_sge *list, size_t count)
{
	uint64_t bytes = 0;

	for (size_t i = 0; i < count; i++) {
		wr->sge[i] = list[i];
		bytes += list[i].length;
	}
	wr->sges = (uint8_t)count;
	wr->is_inline = false;
	/* Beyond what any request may have: the device says so. */
	wr->bytes = bytes > UINT32_MAX ? UINT32_MAX : (uint32_t)bytes;
}

static void set_address(struct emu_wr *wr, struct ibv_ah *ibv_ah, uint32_t qpn, uint32_t qkey)
{
	const struct emu_ah *ah = (const struct emu_ah *)(void *)ibv_ah;

	memcpy(wr->gid, ah->gid, sizeof(wr->gid));
	wr->ahn = ah->number;
	wr->dst_qpn = qpn;
	wr->qkey = qkey;
	wr->addressed = true;
}

/* --- lists --------------------------------------------------------------------------------- */

static int set_inline_sges(const struct emu_qp *qp, struct emu_wr *wr, const struct ibv_send_wr *in)
{
	uint64_t bytes = 0;

	for (int i = 0; i < in->num_sge; i++)
		bytes += in->sg_list[i].length;
	if (bytes > qp->cap.max_inline_data)
		return EINVAL;
	wr->is_inline = true;
	for (int i = 0; i < in->num_sge; i++) {
		if (in->sg_list[i].length)
			memcpy(wr->data + wr->bytes, (const void *)(uintptr_t)in->sg_list[i].addr,
			       in->sg_list[i].length);
		wr->bytes += in->sg_list[i].length;
	}
	return 0;
}

/* Lists carry sends only, as in EFA's provider. */
static int add(struct emu_qp *qp, const struct ibv_send_wr *in)
{
	struct emu_wr *wr;
	int error = check_post(qp, in->send_flags);

	if (error)
		return error;
	if (in->opcode != IBV_WR_SEND && in->opcode != IBV_WR_SEND_WITH_IMM)
		return EINVAL;
	if (in->num_sge < 0 || !in->wr.ud.ah)
		return EINVAL;
	if (!(in->send_flags & IBV_SEND_INLINE) && (uint32_t)in->num_sge > qp->cap.max_send_sge)
		return EINVAL;
	wr = grow(qp);
	if (!wr)
		return ENOMEM;
	wr->wr_id = in->wr_id;
	wr->op = EMU_WR_SEND;
	wr->signaled = true;
	wr->has_imm = in->opcode == IBV_WR_SEND_WITH_IMM;
	wr->imm = in->imm_data;
	set_address(wr, in->wr.ud.ah, in->wr.ud.remote_qpn, in->wr.ud.remote_qkey);
	if (in->send_flags & IBV_SEND_INLINE) {
		error = set_inline_sges(qp, wr, in);
		if (error)
			qp->built--;
		return error;
	}
	set_sges(wr, in->sg_list, (size_t)in->num_sge);
	return 0;
}

int emu_post_send(struct ibv_qp *ibv_qp, struct ibv_send_wr *wr, struct ibv_send_wr **bad)
{
	struct emu_qp *qp = emu_qp_of(ibv_qp);
	struct ibv_send_wr *next = wr;
	uint32_t refused = 0;
	int error = 0, late = 0;

	pthread_mutex_lock(&qp->build_lock);
	qp->built = 0;
	for (; next && !error; next = error ? next : next->next)
		error = add(qp, next);
	/* Those before a bad one are posted. */
	if (qp->built)
		late = emu_srd_post(qp, qp->build, qp->built, &refused);
	qp->built = 0;
	pthread_mutex_unlock(&qp->build_lock);
	if (late) {
		for (next = wr; refused--;)
			next = next->next;
		error = late;
	}
	if (error)
		*bad = next;
	return error;
}

/* --- sessions -----------------------------------------------------------------------------------
 *
 * A session holds build_lock. Its first error stays, what follows is ignored, and ibv_wr_complete()
 * posts all or nothing.
 */

static void wr_start(struct ibv_qp_ex *ex)
{
	struct emu_qp *qp = emu_qp_ex_of(ex);

	pthread_mutex_lock(&qp->build_lock);
	qp->built = 0;
	qp->build_error = 0;
}

/* The next request of the session; NULL: refused. */
static struct emu_wr *wr_next(struct ibv_qp_ex *ex, enum emu_wr_op op)
{
	struct emu_qp *qp = emu_qp_ex_of(ex);
	struct emu_wr *wr;

	if (qp->build_error)
		return NULL;
	qp->build_error = check_post(qp, ex->wr_flags);
	if (qp->build_error)
		return NULL;
	wr = grow(qp);
	if (!wr) {
		qp->build_error = ENOMEM;
		return NULL;
	}
	wr->wr_id = ex->wr_id;
	wr->op = (uint8_t)op;
	wr->signaled = true;
	return wr;
}

/* The request that is being described; NULL: there is none, or the session has failed. */
static struct emu_wr *wr_current(struct emu_qp *qp)
{
	if (qp->build_error)
		return NULL;
	if (!qp->built) {
		qp->build_error = EINVAL;
		return NULL;
	}
	return &qp->build[qp->built - 1];
}

static void wr_send(struct ibv_qp_ex *ex)
{
	wr_next(ex, EMU_WR_SEND);
}

static void wr_send_imm(struct ibv_qp_ex *ex, __be32 imm)
{
	struct emu_wr *wr = wr_next(ex, EMU_WR_SEND);

	if (wr) {
		wr->has_imm = true;
		wr->imm = imm;
	}
}

static struct emu_wr *wr_remote(struct ibv_qp_ex *ex, enum emu_wr_op op, uint32_t rkey,
				uint64_t address)
{
	struct emu_wr *wr = wr_next(ex, op);

	if (wr) {
		wr->rkey = rkey;
		wr->address = address;
	}
	return wr;
}

static void wr_rdma_read(struct ibv_qp_ex *ex, uint32_t rkey, uint64_t address)
{
	wr_remote(ex, EMU_WR_READ, rkey, address);
}

static void wr_rdma_write(struct ibv_qp_ex *ex, uint32_t rkey, uint64_t address)
{
	wr_remote(ex, EMU_WR_WRITE, rkey, address);
}

static void wr_rdma_write_imm(struct ibv_qp_ex *ex, uint32_t rkey, uint64_t address, __be32 imm)
{
	struct emu_wr *wr = wr_remote(ex, EMU_WR_WRITE, rkey, address);

	if (wr) {
		wr->has_imm = true;
		wr->imm = imm;
	}
}

static void wr_set_sge_list(struct ibv_qp_ex *ex, size_t count, const struct ibv_sge *list)
{
	struct emu_qp *qp = emu_qp_ex_of(ex);
	struct emu_wr *wr = wr_current(qp);

	if (!wr)
		return;
	if (count > (wr->op == EMU_WR_SEND ? qp->cap.max_send_sge : qp->nic->model->max_rdma_sge)) {
		qp->build_error = EINVAL;
		return;
	}
	set_sges(wr, list, count);
}

static void wr_set_sge(struct ibv_qp_ex *ex, uint32_t lkey, uint64_t addr, uint32_t length)
{
	const struct ibv_sge sge = { .addr = addr, .length = length, .lkey = lkey };
	struct emu_wr *wr = wr_current(emu_qp_ex_of(ex));

	if (wr)
		set_sges(wr, &sge, 1);
}

static void wr_set_inline_data_list(struct ibv_qp_ex *ex, size_t count,
				    const struct ibv_data_buf *list)
{
	struct emu_qp *qp = emu_qp_ex_of(ex);
	struct emu_wr *wr = wr_current(qp);
	size_t bytes = 0;

	if (!wr)
		return;
	for (size_t i = 0; i < count; i++) {
		if (list[i].length > qp->cap.max_inline_data - bytes) {
			qp->build_error = EINVAL;
			return;
		}
		bytes += list[i].length;
	}
	if (wr->op == EMU_WR_READ || (wr->op == EMU_WR_WRITE && !qp->inline_write)) {
		qp->build_error = EINVAL;
		return;
	}
	wr->is_inline = true;
	wr->sges = 0;
	wr->bytes = 0;
	for (size_t i = 0; i < count; i++) {
		if (list[i].length)
			memcpy(wr->data + wr->bytes, list[i].addr, list[i].length);
		wr->bytes += (uint32_t)list[i].length;
	}
}

static void wr_set_inline_data(struct ibv_qp_ex *ex, void *addr, size_t length)
{
	const struct ibv_data_buf buf = { .addr = addr, .length = length };

	wr_set_inline_data_list(ex, 1, &buf);
}

static void wr_set_ud_addr(struct ibv_qp_ex *ex, struct ibv_ah *ah, uint32_t qpn, uint32_t qkey)
{
	struct emu_qp *qp = emu_qp_ex_of(ex);
	struct emu_wr *wr = wr_current(qp);

	if (!wr)
		return;
	if (!ah)
		qp->build_error = EINVAL;
	else
		set_address(wr, ah, qpn, qkey);
}

/* A hint changes nothing that software can see. */
static void wr_set_processing_hints(struct efadv_qp *adv, uint32_t hints)
{
	(void)adv;
	(void)hints;
}

static int wr_complete(struct ibv_qp_ex *ex)
{
	struct emu_qp *qp = emu_qp_ex_of(ex);
	int error = qp->build_error;
	uint32_t bad;

	for (uint32_t i = 0; i < qp->built && !error; i++)
		if (!qp->build[i].addressed)
			error = EINVAL;
	if (!error && qp->built)
		error = emu_srd_post(qp, qp->build, qp->built, &bad);
	qp->built = 0;
	pthread_mutex_unlock(&qp->build_lock);
	return error;
}

static void wr_abort(struct ibv_qp_ex *ex)
{
	struct emu_qp *qp = emu_qp_ex_of(ex);

	qp->built = 0;
	pthread_mutex_unlock(&qp->build_lock);
}

void emu_qp_writers(struct emu_qp *qp, uint64_t efa_wr_flags)
{
	struct ibv_qp_ex *ex = &qp->ex;
	uint64_t ops = qp->send_ops;

	ex->wr_start = wr_start;
	ex->wr_complete = wr_complete;
	ex->wr_abort = wr_abort;
	ex->wr_send = ops & IBV_QP_EX_WITH_SEND ? wr_send : NULL;
	ex->wr_send_imm = ops & IBV_QP_EX_WITH_SEND_WITH_IMM ? wr_send_imm : NULL;
	ex->wr_rdma_read = ops & IBV_QP_EX_WITH_RDMA_READ ? wr_rdma_read : NULL;
	ex->wr_rdma_write = ops & IBV_QP_EX_WITH_RDMA_WRITE ? wr_rdma_write : NULL;
	ex->wr_rdma_write_imm = ops & IBV_QP_EX_WITH_RDMA_WRITE_WITH_IMM ? wr_rdma_write_imm : NULL;
	ex->wr_set_sge = wr_set_sge;
	ex->wr_set_sge_list = wr_set_sge_list;
	ex->wr_set_inline_data = wr_set_inline_data;
	ex->wr_set_inline_data_list = wr_set_inline_data_list;
	ex->wr_set_ud_addr = wr_set_ud_addr;
	if (efa_wr_flags & EMU_WR_EX_WITH_PROCESSING_HINTS)
		qp->adv.wr_set_processing_hints = wr_set_processing_hints;
}
