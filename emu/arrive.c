/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "emu/flow.h"
#include "emu/trace.h"

#define GRH_BYTES 40u

/* --- receives ------------------------------------------------------------------------------ */

/* Copies into a receive's buffers from offset on. False: a key does not hold, or it is too short.
 */
static bool scatter(struct emu_srd *srd, const struct emu_recv *receive, uint32_t offset,
		    const void *from, uint32_t bytes)
{
	const char *next = from;

	for (uint8_t i = 0; i < receive->sges && bytes; i++) {
		const struct ibv_sge *sge = &receive->sge[i];
		struct emu_mr_slot *region;
		uint32_t part;
		void *to;

		if (offset >= sge->length) {
			offset -= sge->length;
			continue;
		}
		part = sge->length - offset < bytes ? sge->length - offset : bytes;
		if (!emu_mr_hold(srd->qp->nic, sge->lkey, true, srd->qp->pd, IBV_ACCESS_LOCAL_WRITE,
				 sge->addr + offset, part, &region, &to))
			return false;
		memcpy(to, next, part);
		emu_mr_put(region);
		next += part;
		bytes -= part;
		offset = 0;
	}
	return bytes == 0;
}

static uint32_t receive_room(const struct emu_recv *receive)
{
	uint32_t room = 0;

	for (uint8_t i = 0; i < receive->sges; i++)
		room += receive->sge[i].length;
	return room;
}

static struct emu_recv *receive_take(struct emu_srd *srd)
{
	if (srd->rq_tail == srd->rq_head)
		return NULL;
	return &srd->rq[srd->rq_tail++ & (srd->rq_size - 1)];
}

static void cqe_fill(struct emu_srd *srd, const struct emu_packet *packet,
		     const struct emu_recv *receive, uint16_t ahn, struct emu_cqe *cqe)
{
	*cqe = (struct emu_cqe){
		.wr_id = receive ? receive->wr_id : 0,
		.slot = receive ? receive->slot : 0,
		.qp = srd->qp,
		.opcode = IBV_WC_RECV,
		.receive = true,
		.unsolicited = !receive,
		.solicited = packet->flags & EMU_FLAG_SOLICITED,
		.ahn = ahn,
		.qpn = srd->qp->ex.qp_base.qp_num,
		.src_qpn = packet->src_qpn,
		.bytes = packet->length,
		.imm = packet->imm,
	};
	if (packet->flags & EMU_FLAG_IMM)
		cqe->flags |= IBV_WC_WITH_IMM;
	memcpy(cqe->sgid, packet->src_gid, EMU_GID_BYTES);
}

static uint8_t take_send(struct emu_srd *srd, struct emu_rx *rx, const struct emu_packet *packet,
			 const void *payload)
{
	struct emu_recv *receive = receive_take(srd);
	uint8_t answer = EMU_STATUS_OK;
	struct emu_cqe cqe;

	if (!receive) {
		emu_count(srd->qp->nic, EMU_COUNT_rx_drops, 1);
		return EMU_STATUS_RNR;
	}
	cqe_fill(srd, packet, receive, rx_ahn(srd, rx), &cqe);
	if (receive_room(receive) < packet->payload) {
		cqe.status = EMU_STATUS_LOCAL_LENGTH;
		answer = EMU_STATUS_REMOTE_LENGTH;
	} else if (!scatter(srd, receive, 0, payload, packet->payload)) {
		cqe.status = EMU_STATUS_INVALID_LKEY;
		answer = EMU_STATUS_REMOTE_STATUS;
	}
	emu_count(srd->qp->nic, EMU_COUNT_recv_wrs, 1);
	emu_count(srd->qp->nic, EMU_COUNT_recv_bytes, packet->payload);
	srd_push_receive(srd, &cqe);
	return answer;
}

/* The GRH that precedes a datagram in memory (InfiniBand architecture, 8.3). */
static void grh_fill(const struct emu_packet *packet, uint8_t grh[GRH_BYTES])
{
	memset(grh, 0, GRH_BYTES);
	grh[0] = 0x60;
	grh[4] = (uint8_t)(packet->payload >> 8);
	grh[5] = (uint8_t)packet->payload;
	grh[6] = 0x1b;
	grh[7] = 64;
	memcpy(grh + 8, packet->src_gid, EMU_GID_BYTES);
	memcpy(grh + 24, packet->dst_gid, EMU_GID_BYTES);
}

static void take_datagram(struct emu_srd *srd, const struct emu_packet *packet, const void *payload)
{
	struct emu_recv *receive;
	uint8_t grh[GRH_BYTES];
	struct emu_cqe cqe;

	if (srd->qp->srd || packet->qkey != srd->qp->qkey || !(receive = receive_take(srd))) {
		emu_count(srd->qp->nic, EMU_COUNT_rx_drops, 1);
		return;
	}
	cqe_fill(srd, packet, receive, emu_ah_find(srd->qp->nic, packet->src_gid), &cqe);
	cqe.flags |= IBV_WC_GRH;
	cqe.bytes = packet->payload + GRH_BYTES;
	grh_fill(packet, grh);
	if (receive_room(receive) < cqe.bytes)
		cqe.status = EMU_STATUS_LOCAL_LENGTH;
	else if (!scatter(srd, receive, 0, grh, GRH_BYTES) ||
		 !scatter(srd, receive, GRH_BYTES, payload, packet->payload))
		cqe.status = EMU_STATUS_INVALID_LKEY;
	emu_count(srd->qp->nic, EMU_COUNT_recv_wrs, 1);
	emu_count(srd->qp->nic, EMU_COUNT_recv_bytes, packet->payload);
	srd_push_receive(srd, &cqe);
}

/* --- RDMA ---------------------------------------------------------------------------------- */

static bool target_ready(struct emu_srd *srd, struct emu_rx *rx, uint8_t *status)
{
	if (srd->qp->nic->model->unknown_peer && rx_ahn(srd, rx) == EMU_AH_UNKNOWN) {
		*status = EMU_STATUS_UNKNOWN_PEER;
		return false;
	}
	return true;
}

static uint8_t take_write(struct emu_srd *srd, struct emu_rx *rx, const struct emu_packet *packet,
			  const void *payload)
{
	struct emu_nic *nic = srd->qp->nic;
	struct emu_mr_slot *region;
	uint8_t status;
	void *to;

	if (!nic->model->rdma_write)
		return EMU_STATUS_FEATURE_MISMATCH;
	if (!target_ready(srd, rx, &status))
		return status;
	if (!packet->length)
		return EMU_STATUS_OK;
	/* The whole message must lie in the region, so that nothing of a bad one lands. */
	if (!emu_mr_hold(nic, packet->rkey, false, srd->qp->pd, IBV_ACCESS_REMOTE_WRITE,
			 packet->address, packet->length, &region, &to))
		return EMU_STATUS_REMOTE_ADDRESS;
	memcpy((char *)to + packet->offset, payload, packet->payload);
	emu_mr_put(region);
	emu_count(nic, EMU_COUNT_rdma_write_recv_bytes, packet->payload);
	return EMU_STATUS_OK;
}

static uint8_t take_write_imm(struct emu_srd *srd, struct emu_rx *rx,
			      const struct emu_packet *packet)
{
	struct emu_recv *receive = NULL;
	struct emu_cqe cqe;

	if (!srd->qp->unsolicited) {
		receive = receive_take(srd);
		if (!receive) {
			emu_count(srd->qp->nic, EMU_COUNT_rx_drops, 1);
			return EMU_STATUS_RNR;
		}
	}
	cqe_fill(srd, packet, receive, rx_ahn(srd, rx), &cqe);
	cqe.opcode = IBV_WC_RECV_RDMA_WITH_IMM;
	emu_count(srd->qp->nic, EMU_COUNT_recv_wrs, 1);
	srd_push_receive(srd, &cqe);
	return EMU_STATUS_OK;
}

static uint8_t take_read(struct emu_srd *srd, struct emu_rx *rx, const struct emu_packet *packet)
{
	struct emu_nic *nic = srd->qp->nic;
	struct emu_message *response;
	struct emu_mr_slot *region;
	struct emu_flow *flow;
	uint8_t status;
	void *from;

	if (!nic->model->rdma_read)
		return EMU_STATUS_FEATURE_MISMATCH;
	if (!target_ready(srd, rx, &status))
		return status;
	if (packet->length) {
		if (!emu_mr_hold(nic, packet->rkey, false, srd->qp->pd, IBV_ACCESS_REMOTE_READ,
				 packet->address, packet->length, &region, &from))
			return EMU_STATUS_REMOTE_ADDRESS;
		emu_mr_put(region);
	}
	flow = flow_get(srd, packet->src_gid, packet->src_qpn);
	response = calloc(1, sizeof(*response));
	if (!flow || !response) {
		free(response);
		return EMU_STATUS_REMOTE_STATUS;
	}
	response->kind = EMU_PACKET_RESPONSE;
	response->name = packet->message;
	response->wr.bytes = packet->length;
	response->wr.address = packet->address;
	response->wr.rkey = packet->rkey;
	emu_count(nic, EMU_COUNT_rdma_read_resp_bytes, packet->length);
	flow_queue(srd, flow, response);
	return EMU_STATUS_OK;
}

/* Data of a read, or the word that none will come. What answers no read of ours is dropped: the
 * read has failed. */
static void take_response(struct emu_srd *srd, const struct emu_packet *packet, const void *payload)
{
	struct emu_message *read = srd_request(srd, packet->message);
	struct emu_recv to = { .sges = 0 };

	if (!read || read->kind != EMU_PACKET_READ || !read->flow ||
	    read->flow->qpn != packet->src_qpn ||
	    memcmp(read->flow->gid, packet->src_gid, EMU_GID_BYTES) != 0)
		return;
	if (read->flow->incarnation && read->flow->incarnation != packet->incarnation) {
		/* Another process began to answer the request anew: bytes would count twice. */
		flow_fail(srd, read->flow, EMU_STATUS_REMOTE_QPN);
		return;
	}
	read->flow->incarnation = packet->incarnation;
	read->flow->heard = read->flow->heard > srd->now ? read->flow->heard : srd->now;
	if (packet->type == EMU_PACKET_READ_FAILED) {
		srd_complete(srd, read, packet->status);
		return;
	}
	if (packet->payload > read->remaining || packet->offset > read->wr.bytes ||
	    packet->payload > read->wr.bytes - packet->offset)
		return;
	to.sges = read->wr.sges;
	memcpy(to.sge, read->wr.sge, sizeof(read->wr.sge));
	if (packet->payload && !scatter(srd, &to, packet->offset, payload, packet->payload)) {
		srd_complete(srd, read, EMU_STATUS_INVALID_LKEY);
		return;
	}
	read->remaining -= packet->payload;
	if (!read->remaining)
		srd_complete(srd, read, EMU_STATUS_OK);
}

/* --- all packets --------------------------------------------------------------------------- */

static uint8_t take(struct emu_srd *srd, struct emu_rx *rx, const struct emu_packet *packet,
		    const void *payload)
{
	bool keyed = packet->type != EMU_PACKET_RESPONSE &&
		     packet->type != EMU_PACKET_READ_FAILED &&
		     (packet->type != EMU_PACKET_PROBE || packet->qkey);

	if (srd->qp->state != IBV_QPS_RTR && srd->qp->state != IBV_QPS_RTS)
		return EMU_STATUS_REMOTE_QPN;
	if (!srd->qp->srd || (keyed && packet->qkey != srd->qp->qkey))
		return EMU_STATUS_REMOTE_QPN;
	switch (packet->type) {
	case EMU_PACKET_SEND:
		return take_send(srd, rx, packet, payload);
	case EMU_PACKET_WRITE:
		return take_write(srd, rx, packet, payload);
	case EMU_PACKET_WRITE_IMM:
		return take_write_imm(srd, rx, packet);
	case EMU_PACKET_READ:
		return take_read(srd, rx, packet);
	case EMU_PACKET_RESPONSE:
	case EMU_PACKET_READ_FAILED:
		take_response(srd, packet, payload);
		return EMU_STATUS_OK;
	default:
		return EMU_STATUS_OK;
	}
}

static const uint8_t op_of[EMU_PACKET_TYPES] = {
	[EMU_PACKET_SEND] = EMU_OP_SEND,         [EMU_PACKET_WRITE] = EMU_OP_WRITE,
	[EMU_PACKET_WRITE_IMM] = EMU_OP_IMM,     [EMU_PACKET_READ] = EMU_OP_READ,
	[EMU_PACKET_RESPONSE] = EMU_OP_RESPONSE, [EMU_PACKET_READ_FAILED] = EMU_OP_RESPONSE,
	[EMU_PACKET_PROBE] = EMU_OP_ACK,
};

/* A slow receiver: keeps a copy until it is due. False: no memory, take it now. */
static bool late_add(struct emu_srd *srd, const struct emu_packet *packet, const void *payload,
		     uint64_t due)
{
	struct emu_late *late = malloc(sizeof(*late) + packet->payload);
	struct emu_late **link = &srd->late;

	if (!late)
		return false;
	late->due = due;
	late->packet = *packet;
	memcpy(late->payload, payload, packet->payload);
	while (*link && (*link)->due <= due)
		link = &(*link)->next;
	late->next = *link;
	*link = late;
	srd_timer(srd, due);
	return true;
}

static void take_numbered(struct emu_srd *srd, const struct emu_packet *packet, const void *payload,
			  uint64_t now, bool late)
{
	struct emu_rx *rx = rx_get(srd, packet, now);
	struct emu_fault_packet about;
	uint8_t status = 0;
	uint64_t delay = 0;
	uint32_t at = packet->seq % EMU_WINDOW;

	if (!rx)
		return;
	rx->last = now;
	rx_slide(rx, packet->una);
	if (packet->seq - rx->base >= EMU_WINDOW)
		return;
	if (rx->arrived[at / 64] >> (at % 64) & 1) {
		rx_answer(srd, rx);
		return;
	}
	if (!late && atomic_load(&srd->world->shared->fault_epoch)) {
		about = (struct emu_fault_packet){
			.src_host = rx->path.place.host,
			.src_nic = rx->path.place.nic,
			.src_qpn = packet->src_qpn,
			.dst_host = srd->qp->nic->host,
			.dst_nic = srd->qp->nic->index,
			.dst_qpn = packet->dst_qpn,
			.op = op_of[packet->type],
			.seq = packet->seq,
			.attempt = packet->attempt,
		};
		status = emu_fault_arrival(srd->world->shared, &about, now, &delay);
		if (delay && late_add(srd, packet, payload, now + delay))
			return;
	}
	if (!status)
		status = take(srd, rx, packet, payload);
	rx->arrived[at / 64] |= 1ull << (at % 64);
	rx->status[at] = status;
	rx_answer(srd, rx);
}

static void take_ack(struct emu_srd *srd, const struct emu_packet *packet, const void *payload,
		     uint64_t now)
{
	struct emu_flow *flow = flow_find(srd, packet->src_gid, packet->src_qpn);
	struct {
		struct emu_ack ack;
		uint8_t refused[2 * EMU_WINDOW];
	} body;

	if (!flow || flow->id != packet->flow || packet->payload < sizeof(body.ack) ||
	    packet->payload > sizeof(body))
		return;
	memcpy(&body, payload, packet->payload);
	if (sizeof(body.ack) + 2u * body.ack.refusals > packet->payload)
		return;
	if (flow->incarnation && flow->incarnation != packet->incarnation) {
		/* The process we spoke with is gone, and took what it had acknowledged along. */
		flow_fail(srd, flow, EMU_STATUS_REMOTE_QPN);
		return;
	}
	flow->incarnation = packet->incarnation;
	flow_acknowledge(srd, flow, &body.ack, now);
}

void arrive_packet(struct emu_srd *srd, const struct emu_packet *packet, const void *payload,
		   uint64_t now)
{
	struct emu_nic *nic = srd->qp->nic;

	srd->now = now;
	if (packet->dst_qpn != srd->qp->ex.qp_base.qp_num) {
		emu_count(nic, EMU_COUNT_rx_drops, 1);
		return;
	}
	emu_count(nic, EMU_COUNT_rx_pkts, 1);
	emu_count(nic, EMU_COUNT_rx_bytes, sizeof(*packet) + packet->payload);
	if (packet->type == EMU_PACKET_ACK)
		take_ack(srd, packet, payload, now);
	else if (packet->type == EMU_PACKET_DATAGRAM)
		take_datagram(srd, packet, payload);
	else if (packet->type < EMU_PACKET_TYPES)
		take_numbered(srd, packet, payload, now, false);
}

void arrive_late(struct emu_srd *srd, uint64_t now)
{
	struct emu_late *late;

	while ((late = srd->late) && late->due <= now) {
		srd->late = late->next;
		srd->now = now;
		take_numbered(srd, &late->packet, late->payload, now, true);
		free(late);
	}
	if (srd->late)
		srd_timer(srd, srd->late->due);
}
