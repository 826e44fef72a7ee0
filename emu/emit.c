/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "emu/flow.h"
#include "emu/trace.h"

/* What takes part in one emission: data of a packet, and the regions it lies in. */
struct load {
	struct iovec data[2];
	struct emu_mr_slot *region[2];
	int count;
};

static const uint8_t op_of[EMU_PACKET_TYPES] = {
	[EMU_PACKET_DATAGRAM] = EMU_OP_SEND,
	[EMU_PACKET_SEND] = EMU_OP_SEND,
	[EMU_PACKET_WRITE] = EMU_OP_WRITE,
	[EMU_PACKET_WRITE_IMM] = EMU_OP_IMM,
	[EMU_PACKET_READ] = EMU_OP_READ,
	[EMU_PACKET_RESPONSE] = EMU_OP_RESPONSE,
	[EMU_PACKET_READ_FAILED] = EMU_OP_RESPONSE,
	[EMU_PACKET_PROBE] = EMU_OP_ACK,
	[EMU_PACKET_ACK] = EMU_OP_ACK,
};

static void load_put(struct load *load)
{
	for (int i = 0; i < 2; i++)
		if (load->region[i])
			emu_mr_put(load->region[i]);
}

/* --- one packet ---------------------------------------------------------------------------- */

/* Bytes [offset, offset + bytes) of a request's buffers. False: a local key does not hold. */
static bool load_request(struct emu_srd *srd, const struct emu_wr *wr, uint32_t offset,
			 uint32_t bytes, struct load *load)
{
	if (wr->is_inline) {
		load->data[load->count++] = (struct iovec){ (void *)(wr->data + offset), bytes };
		return true;
	}
	for (uint8_t i = 0; i < wr->sges && bytes; i++) {
		const struct ibv_sge *sge = &wr->sge[i];
		uint32_t part;
		void *at;

		if (offset >= sge->length) {
			offset -= sge->length;
			continue;
		}
		part = sge->length - offset < bytes ? sge->length - offset : bytes;
		if (!emu_mr_hold(srd->qp->nic, sge->lkey, true, srd->qp->pd, 0, sge->addr + offset,
				 part, &load->region[load->count], &at))
			return false;
		load->data[load->count++] = (struct iovec){ at, part };
		bytes -= part;
		offset = 0;
	}
	return true;
}

static bool load_response(struct emu_srd *srd, const struct emu_wr *wr, uint32_t offset,
			  uint32_t bytes, struct load *load)
{
	void *at;

	if (!bytes)
		return true;
	if (!emu_mr_hold(srd->qp->nic, wr->rkey, false, srd->qp->pd, IBV_ACCESS_REMOTE_READ,
			 wr->address + offset, bytes, &load->region[0], &at))
		return false;
	load->data[load->count++] = (struct iovec){ at, bytes };
	return true;
}

static void packet_fill(const struct emu_flow *flow, const struct emu_record *record, uint32_t seq,
			struct emu_packet *packet)
{
	const struct emu_message *message = record->message;

	*packet = (struct emu_packet){
		.type = message ? record->type : EMU_PACKET_PROBE,
		.payload = message ? record->bytes : 0,
		.flags = record->attempt ? EMU_FLAG_RETRANSMIT : 0,
		.dst_qpn = flow->qpn,
		.flow = flow->id,
		.seq = seq,
		.una = flow->una,
		.attempt = record->attempt + flow->refused,
	};
	memcpy(packet->dst_gid, flow->gid, EMU_GID_BYTES);
	if (!message) {
		/* The key of the queue pair as it was last told: a probe must not be refused for
		 * it. */
		packet->qkey = flow->qkey;
		return;
	}
	packet->message = message->name;
	packet->qkey = message->wr.qkey;
	packet->imm = message->wr.imm;
	packet->rkey = message->wr.rkey;
	packet->address = message->wr.address;
	packet->length = message->wr.bytes;
	packet->offset = record->offset;
	packet->status = message->status;
	if (message->wr.has_imm && record->type != EMU_PACKET_WRITE)
		packet->flags |= EMU_FLAG_IMM;
	if (message->wr.solicited)
		packet->flags |= EMU_FLAG_SOLICITED;
}

static void count_sent(struct emu_nic *nic, uint32_t payload, uint32_t attempt)
{
	emu_count(nic, EMU_COUNT_tx_pkts, 1);
	emu_count(nic, EMU_COUNT_tx_bytes, sizeof(struct emu_packet) + payload);
	if (attempt) {
		emu_count(nic, EMU_COUNT_retrans_pkts, 1);
		emu_count(nic, EMU_COUNT_retrans_bytes, payload);
	}
}

enum emu_emit emit_carry(struct emu_srd *srd, struct emu_path *path, struct emu_packet *packet,
			 const struct iovec *data, int count)
{
	struct emu_nic *nic = srd->qp->nic;
	enum emu_emit result;

	packet->magic = EMU_PACKET_MAGIC;
	packet->version = EMU_PACKET_VERSION;
	memcpy(packet->src_gid, nic->shared->gid, EMU_GID_BYTES);
	packet->src_qpn = srd->qp->ex.qp_base.qp_num;
	packet->incarnation = emu_incarnation(srd->world);
	if (srd->world->shared->carrier == EMU_CARRIER_UDP)
		result = emu_udp_emit(engine_udp(), path, packet, data, count);
	else
		result = emu_ring_emit(srd->world, path, packet, data, count);
	if (result == EMU_EMITTED)
		count_sent(nic, packet->payload, packet->attempt);
	return result;
}

/* Emits a record's packet now. *status: not 0 where the message itself is at fault. */
enum emu_emit emit_record(struct emu_srd *srd, struct emu_flow *flow, struct emu_record *record,
			  uint32_t seq, bool twice, uint8_t *status)
{
	struct emu_message *message = record->message;
	struct load load = { 0 };
	struct emu_packet packet;
	enum emu_emit result = EMU_EMIT_GONE;
	bool loaded = true;

	*status = 0;
	if (message && message->kind == EMU_PACKET_RESPONSE)
		loaded = load_response(srd, &message->wr, record->offset, record->bytes, &load);
	else if (message && record->bytes)
		loaded = load_request(srd, &message->wr, record->offset, record->bytes, &load);
	if (!loaded) {
		*status = EMU_STATUS_INVALID_LKEY;
	} else {
		packet_fill(flow, record, seq, &packet);
		result = emit_carry(srd, &flow->path, &packet, load.data, load.count);
		if (result == EMU_EMITTED && twice)
			emit_carry(srd, &flow->path, &packet, load.data, load.count);
	}
	load_put(&load);
	return result;
}

/* --- packets that wait --------------------------------------------------------------------- */

static bool held_add(struct emu_srd *srd, struct emu_flow *flow, uint32_t seq, uint64_t due)
{
	struct emu_held *grown;
	uint32_t size;

	if (srd->held_count == srd->held_size) {
		size = srd->held_size ? srd->held_size * 2 : 16;
		grown = realloc(srd->held, size * sizeof(*grown));
		if (!grown)
			return false;
		srd->held = grown;
		srd->held_size = size;
	}
	if (!srd->held_count || due < srd->held_due)
		srd->held_due = due;
	srd->held[srd->held_count++] = (struct emu_held){ due, flow, seq };
	flow->held++;
	return true;
}

static void record_hold(struct emu_srd *srd, struct emu_flow *flow, uint32_t seq, uint64_t due,
			uint32_t overtake)
{
	struct emu_record *record = &flow->record[seq % EMU_WINDOW];

	record->state = EMU_RECORD_HELD;
	record->sent = due;
	record->overtake = 0;
	if (!held_add(srd, flow, seq, due)) {
		record->state = EMU_RECORD_OPEN; /* the next time-out takes care of it */
		return;
	}
	record->overtake = overtake;
	srd->overtaken += overtake != 0;
	srd_timer(srd, due);
}

void emit_again(struct emu_srd *srd, struct emu_flow *flow, uint32_t seq, uint64_t due)
{
	flow->record[seq % EMU_WINDOW].drawn = false;
	record_hold(srd, flow, seq, due, 0);
}

/* --- decisions ----------------------------------------------------------------------------- */

static void fault_packet(const struct emu_srd *srd, const struct emu_flow *flow,
			 const struct emu_record *record, uint32_t seq,
			 struct emu_fault_packet *ret)
{
	*ret = (struct emu_fault_packet){
		.src_host = srd->qp->nic->host,
		.src_nic = srd->qp->nic->index,
		.src_qpn = srd->qp->ex.qp_base.qp_num,
		.dst_host = flow->path.place.host,
		.dst_nic = flow->path.place.nic,
		.dst_qpn = flow->qpn,
		.op = op_of[record->type],
		.seq = seq,
		.attempt = record->attempt + flow->refused,
	};
}

/* How many packets overtake this one by the device's own habit: SRD keeps no order. */
static uint32_t reorder_draw(const struct emu_srd *srd, const struct emu_fault_packet *about)
{
	const struct emu_model *model = srd->qp->nic->model;
	uint64_t draw;

	if (!model->reorder || about->attempt)
		return 0;
	draw = emu_mix(srd->world->shared->seed ^
		       emu_mix(((uint64_t)about->src_qpn << 32) | about->dst_qpn) ^
		       emu_mix(((uint64_t)about->src_nic << 48) ^ ((uint64_t)about->dst_nic << 40) ^
			       ((uint64_t)about->seq)));
	if (draw % 100 >= model->reorder)
		return 0;
	return 1 + (uint32_t)((draw >> 32) % model->reorder_depth);
}

void emit_verdict(struct emu_srd *srd, const struct emu_flow *flow, const struct emu_record *record,
		  uint32_t seq, uint64_t now, struct emu_verdict *verdict)
{
	struct emu_fault_packet about;

	fault_packet(srd, flow, record, seq, &about);
	memset(verdict, 0, sizeof(*verdict));
	emu_fault_packet(srd->world->shared, &about, now, verdict);
	if (atomic_load_explicit(&srd->world->shared->process[srd->world->slot].kill,
				 memory_order_relaxed))
		kill(getpid(), SIGKILL);
	if (!verdict->hold)
		verdict->hold = reorder_draw(srd, &about);
	emu_trace("packet h%un%u qp %u to h%un%u qp %u %u seq %u bytes %u try %u%s%s%s hold %u "
		  "delay %llu",
		  about.src_host, about.src_nic, about.src_qpn, about.dst_host, about.dst_nic,
		  about.dst_qpn, record->type, seq, record->bytes, record->attempt,
		  verdict->drop ? " drop" : "", verdict->duplicate ? " twice" : "",
		  verdict->status ? " refuse" : "", verdict->hold,
		  (unsigned long long)verdict->delay);
}

bool emit_cut(const struct emu_srd *srd, const struct emu_flow *flow, uint64_t now)
{
	const struct emu_nic *nic = srd->qp->nic;

	return !flow->known || emu_fault_cut(srd->world->shared, nic->host, nic->index,
					     flow->path.place.host, flow->path.place.nic, now);
}

/* No room at the destination: the record waits, and with it all of its flow, until the bell rings.
 */
static enum emu_launch launch_full(struct emu_srd *srd, struct emu_flow *flow, uint32_t seq,
				   uint64_t now)
{
	struct emu_record *record = &flow->record[seq % EMU_WINDOW];

	srd->blocked = true;
	flow->full = true;
	flow->full_pump = srd->pumps;
	if (record->state == EMU_RECORD_HELD)
		return EMU_LAUNCH_FULL;
	record->state = EMU_RECORD_HELD;
	record->sent = now;
	if (held_add(srd, flow, seq, now))
		return EMU_LAUNCHED;
	record->state = EMU_RECORD_FREE;
	flow->full = false; /* nothing waits for room: the next pump tries */
	return EMU_LAUNCH_FULL;
}

/* Emits a record, or holds it, as faults, the device's habit and the link decide. */
enum emu_launch emit_launch(struct emu_srd *srd, struct emu_flow *flow, uint32_t seq, uint64_t now,
			    uint8_t *status)
{
	struct emu_record *record = &flow->record[seq % EMU_WINDOW];
	struct emu_verdict verdict = { 0 };
	enum emu_emit result;

	*status = 0;
	if (!record->drawn) {
		record->drawn = true;
		if (emit_cut(srd, flow, now)) {
			record->attempt++;
			emit_again(srd, flow, seq, now + EMU_CUT_PAUSE);
			return EMU_LAUNCHED;
		}
		emit_verdict(srd, flow, record, seq, now, &verdict);
		record->twice = verdict.duplicate;
		if (verdict.status) {
			flow->refused++;
			*status = verdict.status;
			return EMU_LAUNCH_FAILED;
		}
		if (verdict.drop) {
			/* It has left the NIC; the network lost it. */
			count_sent(srd->qp->nic, record->bytes, record->attempt);
			flow->lost = true;
			record->attempt++;
			emit_again(srd, flow, seq, now + EMU_LOSS_PAUSE);
			return EMU_LAUNCHED;
		}
		if (verdict.delay || verdict.hold) {
			record_hold(srd, flow, seq,
				    now + (verdict.delay ? verdict.delay : EMU_HOLD),
				    verdict.delay ? 0 : srd->emitted + verdict.hold + 1);
			return EMU_LAUNCHED;
		}
	}
	result = emit_record(srd, flow, record, seq, record->twice, status);
	if (*status)
		return EMU_LAUNCH_FAILED;
	if (result == EMU_EMIT_FULL)
		return launch_full(srd, flow, seq, now);
	if (result == EMU_EMIT_GONE) {
		flow->full = false;
		return EMU_LAUNCH_GONE;
	}
	if (record->overtake)
		srd->overtaken--;
	record->overtake = 0;
	record->state = EMU_RECORD_OPEN;
	record->sent = now;
	flow->full = false;
	srd->emitted++;
	return EMU_LAUNCHED;
}

/* A packet of the message cannot be sent. Data of a read: its reader is told instead; of packets
 * that are under way only the numbers matter. */
void emit_failed(struct emu_srd *srd, struct emu_message *message, uint8_t status)
{
	if (message->kind != EMU_PACKET_RESPONSE) {
		srd_complete(srd, message, status);
		return;
	}
	for (uint32_t i = 0; i < EMU_WINDOW; i++)
		if (message->flow->record[i].message == message)
			message->flow->record[i].message = NULL;
	message->open = 0;
	message->kind = EMU_PACKET_READ_FAILED;
	message->status = status == EMU_STATUS_INVALID_LKEY ? EMU_STATUS_REMOTE_ADDRESS : status;
	message->cut = false;
	if (!message->queued)
		flow_queue(srd, message->flow, message);
}

/* A held record's turn. True: it no longer waits. */
static bool held_launch(struct emu_srd *srd, struct emu_flow *flow, uint32_t seq, uint64_t now)
{
	struct emu_record *record = &flow->record[seq % EMU_WINDOW];
	struct emu_message *message = record->message;
	uint8_t status;

	switch (emit_launch(srd, flow, seq, now, &status)) {
	case EMU_LAUNCHED:
		return true;
	case EMU_LAUNCH_FULL:
		return false;
	case EMU_LAUNCH_GONE:
		if (record->overtake)
			srd->overtaken--;
		if (message)
			srd_complete(srd, message, EMU_STATUS_REMOTE_QPN);
		memset(record, 0, sizeof(*record));
		flow_advance(flow);
		return true;
	case EMU_LAUNCH_FAILED:
		if (message)
			emit_failed(srd, message, status);
		/* The number still has to be used up: as a probe. */
		if (record->message)
			record->message->open--;
		record->message = NULL;
		emit_again(srd, flow, seq, now);
		record->drawn = true;
		return true;
	}
	return true;
}

/* Emits what is due or was overtaken enough; sets the timer for what waits. New ones may join. */
void emit_held(struct emu_srd *srd, uint64_t now)
{
	uint64_t due = EMU_NEVER;
	uint32_t i = 0, end = srd->held_count;

	if (end && now < srd->held_due)
		srd_timer(srd, srd->held_due);
	if (!end || (now < srd->held_due && !srd->overtaken))
		return;
	while (i < end && i < srd->held_count) {
		struct emu_held held = srd->held[i];
		struct emu_record *record = &held.flow->record[held.seq % EMU_WINDOW];
		bool waits = record->state == EMU_RECORD_HELD && record->sent == held.due;
		bool turn = now >= held.due ||
			    (record->overtake && (int32_t)(srd->emitted - record->overtake) >= 0);

		if (waits && (!turn || (held.flow->full && held.flow->full_pump == srd->pumps))) {
			i++;
			continue;
		}
		srd->held[i] = srd->held[--srd->held_count];
		end = end > srd->held_count ? srd->held_count : end;
		held.flow->held--;
		if (!waits)
			held.flow->full = false; /* it may have been the one that waited for room */
		else if (!held_launch(srd, held.flow, held.seq, now))
			held_add(srd, held.flow, held.seq, held.due);
	}
	for (i = 0; i < srd->held_count; i++)
		due = srd->held[i].due < due ? srd->held[i].due : due;
	srd->held_due = due;
	if (due != EMU_NEVER)
		srd_timer(srd, due > now ? due : now + EMU_MS);
}
