/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How programs take completions. A program may post, and so enter the data path that adds
 * completions, between start_poll and end_poll: poll_lock, which it holds then, is taken before all
 * other locks, and cq->lock only for a moment.
 */
#include <errno.h>
#include <sched.h>
#include <string.h>

#include "emu/cq.h"
#include "emu/srd.h"
#include "emu/verbs.h"

/* A thread that has found nothing so many times in a row lets others run, now and then: the one it
 * waits for may need its processor. */
enum {
	EMPTY_POLLS = 200,
	YIELD_EVERY = 8
};

enum ibv_wc_status emu_wc_status(uint8_t status)
{
	static const uint8_t verbs[] = {
#define EMU_STATUS(id, code, wc_status, meaning) [code] = (wc_status) + 1,
#include "emu/status.def"
#undef EMU_STATUS
	};

	if (status >= EMU_COUNT(verbs) || !verbs[status])
		return IBV_WC_GENERAL_ERR;
	return (enum ibv_wc_status)(verbs[status] - 1);
}

static void lock(struct emu_cq *cq)
{
	if (!cq->single)
		pthread_mutex_lock(&cq->poll_lock);
}

static void unlock(struct emu_cq *cq)
{
	if (!cq->single)
		pthread_mutex_unlock(&cq->poll_lock);
}

/* The entry of the work queue may be used again. Under cq->lock. */
static void give_back(const struct emu_cqe *cqe)
{
	if (!cqe->qp || cqe->unsolicited || cqe->given_back)
		return;
	atomic_fetch_sub(cqe->receive ? &cqe->qp->rq_used : &cqe->qp->sq_used, 1);
}

/* Ends the current completion, makes the next one current. False: there is none. */
static bool step(struct emu_cq *cq)
{
	bool found;

	pthread_spin_lock(&cq->lock);
	give_back(&cq->current);
	cq->current.qp = NULL;
	found = cq->tail != cq->head;
	if (found)
		cq->current = cq->entries[cq->tail++ & (cq->size - 1)];
	pthread_spin_unlock(&cq->lock);
	if (found) {
		cq->ex.wr_id = cq->current.unsolicited ? 0 : cq->current.wr_id;
		cq->ex.status = emu_wc_status(cq->current.status);
	}
	return found;
}

/* Counts polls that find nothing. True: it is time to yield. */
static bool idle(struct emu_cq *cq, bool found)
{
	if (found) {
		cq->empty_polls = 0;
		return false;
	}
	return ++cq->empty_polls >= EMPTY_POLLS && cq->empty_polls % YIELD_EVERY == 0;
}

/* --- extended: one after the other --------------------------------------------------------- */

static int start_poll(struct ibv_cq_ex *ex, struct ibv_poll_cq_attr *attr)
{
	struct emu_cq *cq = emu_cq_ex_of(ex);
	bool found, yield;

	if (attr->comp_mask)
		return EINVAL;
	lock(cq);
	found = step(cq);
	if (!found) {
		emu_engine_poll(cq->nic);
		found = step(cq);
	}
	yield = idle(cq, found);
	if (found)
		return 0;
	unlock(cq);
	if (yield)
		sched_yield();
	return ENOENT;
}

static int next_poll(struct ibv_cq_ex *ex)
{
	return step(emu_cq_ex_of(ex)) ? 0 : ENOENT;
}

static void end_poll(struct ibv_cq_ex *ex)
{
	struct emu_cq *cq = emu_cq_ex_of(ex);

	pthread_spin_lock(&cq->lock);
	give_back(&cq->current);
	cq->current.qp = NULL;
	pthread_spin_unlock(&cq->lock);
	unlock(cq);
}

/* --- what programs read of the current one ------------------------------------------------- */

/* The device tells the queue, and of writes that they are writes. A read is a send: libefa says so
 * and libfabric 1.17 counts on it. (rdma-core 44 knows no writes at all.) */
static enum ibv_wc_opcode opcode_of(const struct emu_cqe *cqe)
{
	if (cqe->opcode == IBV_WC_RDMA_READ)
		return IBV_WC_SEND;
	return (enum ibv_wc_opcode)cqe->opcode;
}

static enum ibv_wc_opcode read_opcode(struct ibv_cq_ex *ex)
{
	return opcode_of(&emu_cq_ex_of(ex)->current);
}

static uint32_t read_vendor_err(struct ibv_cq_ex *ex)
{
	return emu_cq_ex_of(ex)->current.status;
}

static unsigned int read_wc_flags(struct ibv_cq_ex *ex)
{
	return emu_cq_ex_of(ex)->current.flags & IBV_WC_WITH_IMM;
}

static uint32_t read_byte_len(struct ibv_cq_ex *ex)
{
	const struct emu_cqe *cqe = &emu_cq_ex_of(ex)->current;

	return cqe->receive ? cqe->bytes : 0;
}

static __be32 read_imm_data(struct ibv_cq_ex *ex)
{
	return emu_cq_ex_of(ex)->current.imm;
}

static uint32_t read_qp_num(struct ibv_cq_ex *ex)
{
	return emu_cq_ex_of(ex)->current.qpn;
}

static uint32_t read_src_qp(struct ibv_cq_ex *ex)
{
	const struct emu_cqe *cqe = &emu_cq_ex_of(ex)->current;

	return cqe->receive ? cqe->src_qpn : 0;
}

static uint32_t read_slid(struct ibv_cq_ex *ex)
{
	const struct emu_cqe *cqe = &emu_cq_ex_of(ex)->current;

	return cqe->receive ? cqe->ahn : 0;
}

static uint8_t read_zero(struct ibv_cq_ex *ex)
{
	(void)ex;
	return 0;
}

static struct emu_cq *of_adv(struct efadv_cq *adv)
{
	return (struct emu_cq *)((char *)adv - offsetof(struct emu_cq, adv));
}

static int read_sgid(struct efadv_cq *adv, union ibv_gid *sgid)
{
	const struct emu_cqe *cqe = &of_adv(adv)->current;

	if (cqe->ahn != EMU_AH_UNKNOWN)
		return -ENOENT;
	memcpy(sgid->raw, cqe->sgid, sizeof(cqe->sgid));
	return 0;
}

static bool is_unsolicited(struct efadv_cq *adv)
{
	return of_adv(adv)->current.unsolicited;
}

void emu_cq_readers(struct emu_cq *cq, uint64_t efa_wc_flags)
{
	struct ibv_cq_ex *ex = &cq->ex;
	uint64_t flags = cq->wc_flags;

	ex->start_poll = start_poll;
	ex->next_poll = next_poll;
	ex->end_poll = end_poll;
	ex->read_opcode = read_opcode;
	ex->read_vendor_err = read_vendor_err;
	ex->read_wc_flags = read_wc_flags;
	ex->read_byte_len = flags & IBV_WC_EX_WITH_BYTE_LEN ? read_byte_len : NULL;
	ex->read_imm_data = flags & IBV_WC_EX_WITH_IMM ? read_imm_data : NULL;
	ex->read_qp_num = flags & IBV_WC_EX_WITH_QP_NUM ? read_qp_num : NULL;
	ex->read_src_qp = flags & IBV_WC_EX_WITH_SRC_QP ? read_src_qp : NULL;
	ex->read_slid = flags & IBV_WC_EX_WITH_SLID ? read_slid : NULL;
	ex->read_sl = flags & IBV_WC_EX_WITH_SL ? read_zero : NULL;
	ex->read_dlid_path_bits = flags & IBV_WC_EX_WITH_DLID_PATH_BITS ? read_zero : NULL;
	cq->adv.wc_read_sgid = efa_wc_flags & EMU_WC_WITH_SGID ? read_sgid : NULL;
	cq->adv.wc_is_unsolicited =
		efa_wc_flags & EMU_WC_WITH_IS_UNSOLICITED ? is_unsolicited : NULL;
}

/* --- plain: many at a time ----------------------------------------------------------------- */

static void fill(struct ibv_wc *wc, const struct emu_cqe *cqe)
{
	*wc = (struct ibv_wc){
		.wr_id = cqe->unsolicited ? 0 : cqe->wr_id,
		.status = emu_wc_status(cqe->status),
		.opcode = opcode_of(cqe),
		.vendor_err = cqe->status,
		.qp_num = cqe->qpn,
	};
	if (!cqe->receive)
		return;
	wc->byte_len = cqe->bytes;
	wc->src_qp = cqe->src_qpn;
	wc->slid = cqe->ahn;
	wc->wc_flags = cqe->flags & IBV_WC_WITH_IMM;
	wc->imm_data = cqe->imm;
}

static int take(struct emu_cq *cq, int count, struct ibv_wc *wc)
{
	const struct emu_cqe *cqe;
	int n;

	pthread_spin_lock(&cq->lock);
	for (n = 0; n < count && cq->tail != cq->head; n++) {
		cqe = &cq->entries[cq->tail++ & (cq->size - 1)];
		fill(&wc[n], cqe);
		give_back(cqe);
	}
	pthread_spin_unlock(&cq->lock);
	return n;
}

int emu_poll_cq(struct ibv_cq *ibv_cq, int count, struct ibv_wc *wc)
{
	struct emu_cq *cq = emu_cq_of(ibv_cq);
	bool yield;
	int n;

	if (count <= 0)
		return 0;
	lock(cq);
	n = take(cq, count, wc);
	if (!n) {
		emu_engine_poll(cq->nic);
		n = take(cq, count, wc);
	}
	yield = idle(cq, n > 0);
	unlock(cq);
	if (yield)
		sched_yield();
	return n;
}
