/* SPDX-License-Identifier: Apache-2.0 */
#include "emu/direct.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "emu/direct_queue.h"
#include "emu/srd.h"

/* Bit of efadv_wq_attr.caps. */
#define CAPS_64_BIT_REQ_ID 1u

/* How many send descriptors are handed on at once. */
#define BATCH 16

/* --- rings --------------------------------------------------------------------------------- */

static uint32_t ring_entries(uint64_t wanted)
{
	uint32_t entries = 1;

	if (!wanted)
		return 0;
	while (entries < wanted && entries < EMU_DIRECT_ENTRIES)
		entries *= 2;
	return entries;
}

static size_t ring_bytes(const struct emu_direct_ring *ring)
{
	return ((size_t)ring->entries * ring->entry_size + EMU_PAGE - 1) & ~(EMU_PAGE - 1);
}

static struct emu_direct_qp *direct_new(const struct emu_qp *qp)
{
	struct emu_direct_qp *direct = calloc(1, sizeof(*direct));
	struct emu_direct_ring *sq, *rq;
	uint8_t *doorbells;

	if (!direct)
		return NULL;
	sq = &direct->sq;
	rq = &direct->rq;
	sq->entry_size = qp->cap.max_inline_data > EMU_WQE_BYTES - sizeof(struct emu_desc_meta) ||
					 qp->inline_write
				 ? EMU_WQE_WIDE_BYTES
				 : EMU_WQE_BYTES;
	sq->entries = ring_entries(qp->cap.max_send_wr);
	rq->entry_size = sizeof(struct emu_desc_rx);
	rq->entries = ring_entries((uint64_t)qp->cap.max_recv_wr * qp->cap.max_recv_sge);
	direct->bytes = ring_bytes(sq) + ring_bytes(rq) + EMU_PAGE;
	direct->memory = mmap(NULL, direct->bytes, PROT_READ | PROT_WRITE,
			      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (direct->memory == MAP_FAILED) {
		free(direct);
		return NULL;
	}
	sq->buffer = direct->memory;
	rq->buffer = sq->buffer + ring_bytes(sq);
	doorbells = rq->buffer + ring_bytes(rq);
	sq->doorbell = (_Atomic uint32_t *)(void *)doorbells;
	rq->doorbell = (_Atomic uint32_t *)(void *)(doorbells + EMU_PAGE / 2);
	return direct;
}

static void direct_delete(struct emu_direct_qp *direct)
{
	munmap(direct->memory, direct->bytes);
	free(direct);
}

static void describe(const struct emu_direct_ring *ring, struct emu_direct_queue *ret)
{
	memset(ret, 0, sizeof(*ret));
	if (!ring->entries)
		return;
	ret->buffer = ring->buffer;
	ret->entry_size = ring->entry_size;
	ret->entries = ring->entries;
	ret->doorbell = (uint32_t *)ring->doorbell;
	ret->max_batch = ring->entries;
}

int emu_direct_qp(struct emu_qp *qp, struct emu_direct_queue *sq, struct emu_direct_queue *rq)
{
	struct emu_direct_qp *direct;
	bool made = false;

	if (!qp->nic->model->direct)
		return EOPNOTSUPP;
	pthread_mutex_lock(&qp->lock);
	if (!qp->direct) {
		qp->direct = direct_new(qp);
		made = qp->direct;
	}
	direct = qp->direct;
	pthread_mutex_unlock(&qp->lock);
	if (!direct)
		return ENOMEM;
	if (made)
		emu_engine_poll_direct(qp);
	describe(&direct->sq, sq);
	describe(&direct->rq, rq);
	if (qp->nic->model->req_id_64)
		sq->caps = CAPS_64_BIT_REQ_ID;
	return 0;
}

void emu_direct_qp_free(struct emu_qp *qp)
{
	if (qp->direct)
		direct_delete(qp->direct);
	qp->direct = NULL;
}

void emu_direct_qp_reset(struct emu_qp *qp)
{
	struct emu_direct_qp *direct = qp->direct;

	if (!direct)
		return;
	atomic_fetch_add(&direct->resets, 1);
	atomic_store(direct->sq.doorbell, 0);
	atomic_store(direct->rq.doorbell, 0);
}

/* Stops a queue pair whose program wrote nonsense. */
static void stop(struct emu_qp *qp, const char *queue, uint32_t doorbell,
		 const struct emu_direct_ring *ring)
{
	struct emu_direct_qp *direct = qp->direct;

	pthread_mutex_lock(&qp->lock);
	if (direct->resets_seen == atomic_load(&direct->resets)) {
		emu_warn("qp %u: the doorbell of the %s queue went from %u to %u, but the queue has"
			 " %u entries; the queue pair is in error now",
			 qp->ex.qp_base.qp_num, queue, ring->taken & 0xffff, doorbell,
			 ring->entries);
		direct->broken = true;
		if (qp->state != IBV_QPS_RESET && qp->state != IBV_QPS_ERR) {
			__atomic_store_n(&qp->state, IBV_QPS_ERR, __ATOMIC_RELAXED);
			emu_srd_state_changed(qp);
		}
	}
	pthread_mutex_unlock(&qp->lock);
}

/* How many entries wait in the ring; after nonsense none. */
static uint32_t waiting(struct emu_qp *qp, const char *queue, const struct emu_direct_ring *ring)
{
	struct emu_direct_qp *direct = qp->direct;
	uint32_t doorbell, count;

	if (!ring->entries || direct->broken)
		return 0;
	doorbell = atomic_load_explicit(ring->doorbell, memory_order_acquire);
	count = (doorbell - ring->taken) & 0xffff;
	/* A reset counts itself before it clears the doorbell. */
	if (direct->resets_seen != atomic_load(&direct->resets))
		return 0;
	if (doorbell <= 0xffff && count <= ring->entries)
		return count;
	stop(qp, queue, doorbell, ring);
	return 0;
}

static enum ibv_qp_state state_of(struct emu_qp *qp)
{
	enum ibv_qp_state state;

	pthread_mutex_lock(&qp->lock);
	state = qp->state;
	pthread_mutex_unlock(&qp->lock);
	return state;
}

static const uint8_t *entry(const struct emu_direct_ring *ring, uint32_t position)
{
	return ring->buffer + (size_t)(position & (ring->entries - 1)) * ring->entry_size;
}

/* --- sends --------------------------------------------------------------------------------- */

static const uint8_t opcodes[] = {
	[EMU_WR_SEND] = IBV_WC_SEND,
	[EMU_WR_READ] = IBV_WC_RDMA_READ,
	[EMU_WR_WRITE] = IBV_WC_RDMA_WRITE,
};

static void refuse_send(struct emu_qp *qp, const struct emu_wr *wr, uint8_t status)
{
	struct emu_cqe cqe = {
		.wr_id = wr->wr_id,
		.qp = qp,
		.status = status,
		.opcode = opcodes[wr->op],
		.ahn = wr->ahn,
		.qpn = qp->ex.qp_base.qp_num,
		.src_qpn = wr->dst_qpn,
	};

	atomic_fetch_add(&qp->sq_used, 1);
	emu_cq_push(qp->send_cq, &cqe);
}

/* Reads up to count good descriptors from position on into wr. Stops at a bad one: *status is its
 * own then, and wr[returned] is it. */
static uint32_t gather(struct emu_qp *qp, uint32_t count, struct emu_wr *wr, uint8_t *status)
{
	const struct emu_direct_ring *sq = &qp->direct->sq;
	struct emu_desc_wqe wqe;
	uint32_t i;

	*status = EMU_STATUS_OK;
	for (i = 0; i < count; i++) {
		uint32_t position = sq->taken + i;

		/* A copy: the program may write at any time. */
		memcpy(&wqe, entry(sq, position), sq->entry_size);
		*status = emu_direct_request(qp, &wqe, sq->entry_size, position / sq->entries & 1,
					     &wr[i]);
		if (*status)
			break;
	}
	return i;
}

static bool sends(enum ibv_qp_state state)
{
	return state == IBV_QPS_RTS || state == IBV_QPS_ERR;
}

/* Takes up to count descriptors. What finds no room stays in the ring: its entry is not used again
 * before it completes. */
static uint32_t take_sends(struct emu_qp *qp, uint32_t count)
{
	struct emu_direct_ring *sq = &qp->direct->sq;
	struct emu_wr wr[BATCH];
	uint32_t taken = 0, good, posted;
	uint8_t status;
	int error;

	while (taken < count) {
		good = gather(qp, count - taken < BATCH ? count - taken : BATCH, wr, &status);
		posted = good;
		error = good ? emu_srd_post(qp, wr, good, &posted) : 0;
		if (!error)
			posted = good;
		sq->taken += posted;
		taken += posted;
		if (error == ENOMEM)
			break;
		if (error && !sends(state_of(qp)))
			break;
		if (error)
			status = EMU_STATUS_QP_INTERNAL;
		if (status) {
			sq->taken++;
			taken++;
			refuse_send(qp, &wr[posted], status);
		}
	}
	return taken;
}

/* --- receives ------------------------------------------------------------------------------ */

static void refuse_receive(struct emu_qp *qp, const struct emu_recv *receive, uint8_t status)
{
	struct emu_cqe cqe = {
		.wr_id = receive->wr_id,
		.qp = qp,
		.status = status,
		.opcode = IBV_WC_RECV,
		.receive = true,
		.ahn = EMU_AH_UNKNOWN,
		.slot = receive->slot,
		.qpn = qp->ex.qp_base.qp_num,
	};

	atomic_fetch_add(&qp->rq_used, 1);
	emu_cq_push(qp->recv_cq, &cqe);
}

/* How many of the count waiting descriptors the next receive has; 0: its last one is still to come.
 * Only the first descriptor's FIRST counts: libefa clears it on the others, libfabric does not. */
static uint32_t gather_receive(struct emu_qp *qp, uint32_t count, struct emu_recv *receive,
			       uint8_t *status)
{
	const struct emu_direct_ring *rq = &qp->direct->rq;
	const uint32_t limit = (uint32_t)qp->nic->model->max_rq_sge;
	struct emu_desc_rx desc;
	uint32_t i = 0;

	*status = EMU_STATUS_OK;
	memset(receive, 0, sizeof(*receive));
	do {
		memcpy(&desc, entry(rq, rq->taken + i), sizeof(desc));
		if (!i) {
			receive->wr_id = receive->slot = desc.req_id;
			if (!(desc.lkey_ctrl & EMU_RX_FIRST))
				*status = EMU_STATUS_QP_INTERNAL;
		}
		if (i < limit && i < EMU_COUNT(receive->sge)) {
			receive->sge[i].addr = (uint64_t)desc.addr_hi << 32 | desc.addr_lo;
			receive->sge[i].length = desc.length;
			receive->sge[i].lkey = desc.lkey_ctrl & EMU_DESC_LKEY;
			receive->sges++;
		} else {
			*status = EMU_STATUS_LOCAL_LENGTH;
		}
		i++;
	} while (!(desc.lkey_ctrl & EMU_RX_LAST) && i < count);
	if (!(desc.lkey_ctrl & EMU_RX_LAST)) {
		if (i < limit)
			return 0;
		*status = EMU_STATUS_LOCAL_LENGTH;
	}
	return i;
}

static uint32_t take_receives(struct emu_qp *qp, uint32_t count)
{
	struct emu_direct_ring *rq = &qp->direct->rq;
	struct emu_recv receive;
	uint32_t taken = 0, descs;
	uint8_t status;

	while (taken < count) {
		descs = gather_receive(qp, count - taken, &receive, &status);
		/* Refused where it finds no room: later. */
		if (!descs || (!status && emu_srd_post_recv(qp, &receive)))
			break;
		rq->taken += descs;
		taken += descs;
		if (status)
			refuse_receive(qp, &receive, status);
	}
	return taken;
}

/* Under the lock: a reset holds it until the doorbells are clear. */
static void begin_again(struct emu_qp *qp)
{
	struct emu_direct_qp *direct = qp->direct;

	pthread_mutex_lock(&qp->lock);
	direct->resets_seen = atomic_load(&direct->resets);
	direct->sq.taken = direct->rq.taken = 0;
	direct->broken = false;
	pthread_mutex_unlock(&qp->lock);
}

unsigned int emu_direct_take(struct emu_qp *qp)
{
	struct emu_direct_qp *direct = qp->direct;
	uint32_t count, taken = 0;

	if (atomic_load(&direct->resets) != direct->resets_seen)
		begin_again(qp);
	/* Receives first: a program posts them before what will be answered. */
	count = waiting(qp, "receive", &direct->rq);
	if (count && state_of(qp) != IBV_QPS_RESET)
		taken += take_receives(qp, count);
	count = waiting(qp, "send", &direct->sq);
	if (count && sends(state_of(qp)))
		taken += take_sends(qp, count);
	return taken;
}
