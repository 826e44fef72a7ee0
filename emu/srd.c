/* SPDX-License-Identifier: Apache-2.0 */
#include "emu/srd.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "emu/flow.h"
#include "emu/trace.h"

#define SLOT_MASK ((1u << EMU_SLOT_BITS) - 1)

/* --- requests ------------------------------------------------------------------------------ */

static struct emu_message *slot_take(struct emu_srd *srd)
{
	uint32_t slot;
	struct emu_message *message;

	if (srd->slot_frees)
		slot = srd->slot_free[--srd->slot_frees];
	else if (srd->slot_high < srd->slot_count)
		slot = srd->slot_high++;
	else
		return NULL;
	message = &srd->slots[slot];
	memset(message, 0, sizeof(*message));
	message->used = true;
	message->name = (srd->names++ << EMU_SLOT_BITS) | slot;
	return message;
}

static void slot_give(struct emu_srd *srd, struct emu_message *message)
{
	message->used = false;
	srd->slot_free[srd->slot_frees++] = (uint32_t)(message - srd->slots);
}

struct emu_message *srd_request(struct emu_srd *srd, uint32_t name)
{
	uint32_t slot = name & SLOT_MASK;

	if (slot >= srd->slot_high || !srd->slots[slot].used || srd->slots[slot].name != name)
		return NULL;
	return &srd->slots[slot];
}

void srd_timer(struct emu_srd *srd, uint64_t when)
{
	if (when < srd->timer)
		srd->timer = when;
}

static const uint8_t opcodes[] = {
	[EMU_WR_SEND] = IBV_WC_SEND,
	[EMU_WR_READ] = IBV_WC_RDMA_READ,
	[EMU_WR_WRITE] = IBV_WC_RDMA_WRITE,
};

static void count_request(struct emu_nic *nic, const struct emu_wr *wr, uint8_t status)
{
	switch (wr->op) {
	case EMU_WR_SEND:
		emu_count(nic, EMU_COUNT_send_wrs, 1);
		emu_count(nic, EMU_COUNT_send_bytes, status ? 0 : wr->bytes);
		break;
	case EMU_WR_READ:
		emu_count(nic, EMU_COUNT_rdma_read_wrs, 1);
		emu_count(nic, EMU_COUNT_rdma_read_bytes, status ? 0 : wr->bytes);
		emu_count(nic, EMU_COUNT_rdma_read_wr_err, status != 0);
		break;
	default:
		emu_count(nic, EMU_COUNT_rdma_write_wrs, 1);
		emu_count(nic, EMU_COUNT_rdma_write_bytes, status ? 0 : wr->bytes);
		emu_count(nic, EMU_COUNT_rdma_write_wr_err, status != 0);
		break;
	}
}

/* Ends a message, whatever its state: no packet of it reads or writes the program's memory any
 * more. */
void srd_complete(struct emu_srd *srd, struct emu_message *message, uint8_t status)
{
	struct emu_qp *qp = srd->qp;
	struct emu_cqe cqe;

	flow_detach(srd, message);
	if (message->kind == EMU_PACKET_RESPONSE || message->kind == EMU_PACKET_READ_FAILED) {
		free(message);
		return;
	}
	if (status != EMU_STATUS_FLUSHED)
		count_request(qp->nic, &message->wr, status);
	emu_trace("complete qp %u wr %llu op %u status %u bytes %u", qp->ex.qp_base.qp_num,
		  (unsigned long long)message->wr.wr_id, message->wr.op, status, message->wr.bytes);
	if (message->wr.signaled || status) {
		cqe = (struct emu_cqe){
			.wr_id = message->wr.wr_id,
			.qp = qp,
			.status = status,
			.opcode = opcodes[message->wr.op],
			.ahn = message->wr.ahn,
			.slot = (uint16_t)(message - srd->slots),
			.qpn = qp->ex.qp_base.qp_num,
			.src_qpn = message->wr.dst_qpn,
			.bytes = message->wr.bytes,
		};
		slot_give(srd, message);
		emu_cq_push(qp->send_cq, &cqe);
		return;
	}
	slot_give(srd, message);
	atomic_fetch_sub(&qp->sq_used, 1);
}

void srd_push_receive(struct emu_srd *srd, const struct emu_cqe *cqe)
{
	emu_trace("receive qp %u from %u status %u bytes %u", cqe->qpn, cqe->src_qpn, cqe->status,
		  cqe->bytes);
	emu_cq_push(srd->qp->recv_cq, cqe);
}

static uint8_t message_kind(const struct emu_srd *srd, const struct emu_wr *wr)
{
	if (!srd->qp->srd)
		return EMU_PACKET_DATAGRAM;
	switch (wr->op) {
	case EMU_WR_READ:
		return EMU_PACKET_READ;
	case EMU_WR_WRITE:
		return EMU_PACKET_WRITE;
	default:
		return EMU_PACKET_SEND;
	}
}

static uint64_t request_max(const struct emu_qp *qp, const struct emu_wr *wr)
{
	return wr->op == EMU_WR_SEND ? qp->nic->model->mtu : qp->nic->model->max_rdma_size;
}

static int request_add(struct emu_srd *srd, const struct emu_wr *wr)
{
	struct emu_qp *qp = srd->qp;
	struct emu_message *message;
	struct emu_flow *flow;

	if (atomic_load(&qp->sq_used) >= qp->cap.max_send_wr)
		return ENOMEM;
	flow = flow_get(srd, wr->gid, wr->dst_qpn);
	if (!flow)
		return ENOMEM;
	message = slot_take(srd);
	if (!message)
		return ENOMEM;
	atomic_fetch_add(&qp->sq_used, 1);
	message->wr = *wr;
	message->kind = message_kind(srd, wr);
	message->rnr_left = qp->rnr_retry;
	message->remaining = wr->bytes;
	if (qp->state == IBV_QPS_ERR) {
		srd_complete(srd, message, EMU_STATUS_FLUSHED);
		return 0;
	}
	if (wr->bytes > request_max(qp, wr)) {
		srd_complete(srd, message, EMU_STATUS_LOCAL_LENGTH);
		return 0;
	}
	flow_queue(srd, flow, message);
	return 0;
}

int emu_srd_post(struct emu_qp *qp, const struct emu_wr *requests, uint32_t count, uint32_t *bad)
{
	struct emu_srd *srd = qp->engine;
	uint32_t i;
	int error = 0;

	pthread_mutex_lock(&qp->lock);
	if (qp->state != IBV_QPS_RTS && qp->state != IBV_QPS_ERR) {
		pthread_mutex_unlock(&qp->lock);
		*bad = 0;
		return EINVAL;
	}
	for (i = 0; i < count && !error; i++) {
		error = request_add(srd, &requests[i]);
		if (error)
			*bad = i;
	}
	emit_pump(srd, emu_now());
	engine_active(srd);
	pthread_mutex_unlock(&qp->lock);
	return error;
}

/* --- receives ------------------------------------------------------------------------------ */

static void receive_flush(struct emu_srd *srd, const struct emu_recv *receive)
{
	struct emu_cqe cqe = {
		.wr_id = receive->wr_id,
		.qp = srd->qp,
		.status = EMU_STATUS_FLUSHED,
		.opcode = IBV_WC_RECV,
		.receive = true,
		.slot = receive->slot,
		.ahn = EMU_AH_UNKNOWN,
		.qpn = srd->qp->ex.qp_base.qp_num,
	};

	srd_push_receive(srd, &cqe);
}

int emu_srd_post_recv(struct emu_qp *qp, const struct emu_recv *receive)
{
	struct emu_srd *srd = qp->engine;
	int error = 0;

	pthread_mutex_lock(&qp->lock);
	if (qp->state == IBV_QPS_RESET) {
		error = EINVAL;
	} else if (atomic_load(&qp->rq_used) >= qp->cap.max_recv_wr) {
		error = ENOMEM;
	} else {
		atomic_fetch_add(&qp->rq_used, 1);
		if (qp->state == IBV_QPS_ERR) {
			receive_flush(srd, receive);
		} else {
			srd->rq[srd->rq_head & (srd->rq_size - 1)] = *receive;
			srd->rq_head++;
		}
	}
	pthread_mutex_unlock(&qp->lock);
	return error;
}

void emu_srd_state_changed(struct emu_qp *qp)
{
	struct emu_srd *srd = qp->engine;

	if (qp->state == IBV_QPS_ERR) {
		for (uint32_t slot = 0; slot < srd->slot_high; slot++)
			if (srd->slots[slot].used)
				srd_complete(srd, &srd->slots[slot], EMU_STATUS_FLUSHED);
		for (; srd->rq_tail != srd->rq_head; srd->rq_tail++)
			receive_flush(srd, &srd->rq[srd->rq_tail & (srd->rq_size - 1)]);
	}
	if (qp->state == IBV_QPS_RESET) {
		for (uint32_t slot = 0; slot < srd->slot_high; slot++) {
			if (!srd->slots[slot].used)
				continue;
			flow_detach(srd, &srd->slots[slot]);
			slot_give(srd, &srd->slots[slot]);
		}
		srd->rq_tail = srd->rq_head;
		atomic_store(&qp->sq_used, 0);
		atomic_store(&qp->rq_used, 0);
	}
}

/* --- life ---------------------------------------------------------------------------------- */

static uint32_t power_of_two(uint32_t n)
{
	uint32_t size = 1;

	while (size < n)
		size *= 2;
	return size;
}

static struct emu_srd *srd_new(struct emu_qp *qp, struct emu_world *world)
{
	struct emu_srd *srd = calloc(1, sizeof(*srd));

	if (!srd)
		return NULL;
	srd->qp = qp;
	srd->world = world;
	srd->generation = world->generation;
	srd->timer = EMU_NEVER;
	srd->flow_mask = srd->rx_mask = 15;
	srd->slot_count = qp->cap.max_send_wr ? qp->cap.max_send_wr : 1;
	srd->rq_size = power_of_two(qp->cap.max_recv_wr ? qp->cap.max_recv_wr : 1);
	srd->slots = calloc(srd->slot_count, sizeof(*srd->slots));
	srd->slot_free = calloc(srd->slot_count, sizeof(*srd->slot_free));
	srd->rq = calloc(srd->rq_size, sizeof(*srd->rq));
	srd->flows = calloc(srd->flow_mask + 1, sizeof(struct emu_flow *));
	srd->rxs = calloc(srd->rx_mask + 1, sizeof(struct emu_rx *));
	if (srd->slots && srd->slot_free && srd->rq && srd->flows && srd->rxs)
		return srd;
	free(srd->slots);
	free(srd->slot_free);
	free(srd->rq);
	free(srd->flows);
	free(srd->rxs);
	free(srd);
	return NULL;
}

static void srd_free(struct emu_srd *srd)
{
	flow_free_all(srd);
	rx_free_all(srd);
	free(srd->held);
	free(srd->slots);
	free(srd->slot_free);
	free(srd->rq);
	free(srd->flows);
	free(srd->rxs);
	free(srd);
}

/* A free number of the NIC, the one after the last taken first: a number comes back late. Under
 * nic->progress. */
static int number_take(struct emu_nic *nic, uint32_t *ret)
{
	for (uint32_t i = 0; i < EMU_QPS; i++) {
		uint32_t index = nic->qp_next++ % EMU_QPS;
		uint64_t bit = 1ull << (index % 64);

		if (nic->qp_used[index / 64] & bit)
			continue;
		nic->qp_used[index / 64] |= bit;
		nic->qp_count++;
		*ret = index;
		return 0;
	}
	return ENOMEM;
}

static void publish(struct emu_qp *qp, struct emu_world *world)
{
	struct emu_nic *nic = qp->nic;

	qp->ex.qp_base.qp_num = EMU_QPN(world->slot, qp->index);
	atomic_store(&nic->qp[qp->index], qp);
	atomic_store_explicit(&world->area->ring[nic->index][qp->index], qp->engine->ring + 1,
			      memory_order_release);
	atomic_fetch_add(&nic->shared->qps, 1);
}

int emu_srd_create(struct emu_qp *qp)
{
	struct emu_nic *nic = qp->nic;
	struct emu_world *world;
	struct emu_srd *srd;
	int error = 0;

	world = engine_start(nic, &error);
	if (!world)
		return error;
	srd = srd_new(qp, world);
	if (!srd)
		return ENOMEM;
	error = -emu_world_ring_take(world, &srd->ring);
	if (error) {
		emu_warn("create_qp: no memory for a ring under %s; is /dev/shm full?", world->dir);
		srd_free(srd);
		return ENOMEM;
	}
	qp->engine = srd;
	pthread_mutex_lock(&nic->progress);
	error = nic->qp_count >= nic->model->max_qp ? ENOMEM : number_take(nic, &qp->index);
	if (!error)
		publish(qp, world);
	pthread_mutex_unlock(&nic->progress);
	if (!error)
		return 0;
	emu_world_ring_give(world, srd->ring);
	srd_free(srd);
	qp->engine = NULL;
	return error;
}

static void unlist(struct emu_nic *nic, struct emu_qp *qp)
{
	pthread_spin_lock(&nic->active_lock);
	if (qp->engine->in_list) {
		*qp->prev_active = qp->next_active;
		if (qp->next_active)
			qp->next_active->prev_active = qp->prev_active;
		qp->engine->in_list = false;
	}
	pthread_spin_unlock(&nic->active_lock);
}

void emu_srd_destroy(struct emu_qp *qp)
{
	struct emu_nic *nic = qp->nic;
	struct emu_srd *srd = qp->engine;
	struct emu_world *world = srd->world;
	/* A child of a fork has its parent's queue pairs by name only. */
	bool ours = world->area && srd->generation == world->generation;

	engine_forget_direct(qp);
	pthread_mutex_lock(&nic->progress);
	if (ours) {
		pthread_mutex_lock(&qp->lock);
		emit_last_acks(srd, emu_now());
		pthread_mutex_unlock(&qp->lock);
		atomic_store(&world->area->ring[nic->index][qp->index], 0);
		atomic_fetch_sub(&nic->shared->qps, 1);
	}
	if (atomic_load(&nic->qp[qp->index]) == qp) {
		atomic_store(&nic->qp[qp->index], NULL);
		nic->qp_used[qp->index / 64] &= ~(1ull << (qp->index % 64));
		nic->qp_count--;
	}
	unlist(nic, qp);
	pthread_mutex_unlock(&nic->progress);
	/* A thread that was posting is out of the program's own contract; one that held the lock is
	 * done now. */
	pthread_mutex_lock(&qp->lock);
	pthread_mutex_unlock(&qp->lock);
	emu_cq_purge(qp->send_cq, qp);
	emu_cq_purge(qp->recv_cq, qp);
	if (ours) {
		emu_ring_wake_waiters(world, srd->ring);
		emu_world_ring_give(world, srd->ring);
	}
	srd_free(srd);
	qp->engine = NULL;
}
