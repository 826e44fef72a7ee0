/* SPDX-License-Identifier: Apache-2.0 */
/* Messages into packets, and the order in which a queue pair's flows have their turn. */
#include <string.h>

#include "emu/flow.h"

#define CUT_IN_TURN 16 /* packets of one flow before the next has its turn */
/* --- messages into packets ----------------------------------------------------------------- */

/* The next packet of a message, as a record. */
static void message_next(const struct emu_srd *srd, const struct emu_message *message,
			 struct emu_record *record)
{
	uint32_t left = message->wr.bytes - message->offset;
	uint32_t mtu = (uint32_t)srd->qp->nic->model->mtu;

	memset(record, 0, sizeof(*record));
	record->message = (struct emu_message *)message;
	record->type = message->kind;
	record->offset = message->offset;
	switch (message->kind) {
	case EMU_PACKET_WRITE:
		if (message->cut)
			record->type = EMU_PACKET_WRITE_IMM;
		else
			record->bytes = (uint16_t)(left < mtu ? left : mtu);
		break;
	case EMU_PACKET_RESPONSE:
		record->bytes = (uint16_t)(left < mtu ? left : mtu);
		break;
	case EMU_PACKET_SEND:
	case EMU_PACKET_DATAGRAM:
		record->bytes = (uint16_t)left;
		break;
	default:
		break;
	}
}

/* The first message of a flow's queue has nothing left to cut. */
static void queue_shift(struct emu_flow *flow)
{
	struct emu_message *message = flow->queue.first;

	message->queued = false;
	flow->queue.first = message->next;
	if (message->next)
		message->next->prev = NULL;
	else
		flow->queue.last = NULL;
}

/* A packet of the message has been cut: what is left of it? */
static void message_advance(struct emu_message *message, const struct emu_record *record)
{
	message->open++;
	message->offset += record->bytes;
	if (record->type == EMU_PACKET_WRITE_IMM)
		message->ended = true;
	else if (message->offset >= message->wr.bytes || message->kind == EMU_PACKET_READ ||
		 message->kind == EMU_PACKET_READ_FAILED)
		message->cut = true;
	else
		return;
	queue_shift(message->flow);
}

static void flow_activate(struct emu_srd *srd, struct emu_flow *flow, uint64_t now)
{
	if (flow->una == flow->next_seq && !flow->reads)
		flow->heard = now;
	if (flow->active)
		return;
	flow->heard = now;
	flow->active = true;
	flow->active_next = srd->active_flows;
	srd->active_flows = flow;
	srd_timer(srd, now + EMU_TICK);
}

/* UD: sent once; faults and full carriers lose it. */
static bool datagram_cut(struct emu_srd *srd, struct emu_flow *flow, struct emu_message *message,
			 uint64_t now)
{
	struct emu_verdict verdict = { 0 };
	struct emu_record record;
	uint8_t status = 0;

	message_next(srd, message, &record);
	if (!message->ended && !emit_cut(srd, flow, now)) {
		message->ended = true;
		emit_verdict(srd, flow, &record, flow->next_seq++, now, &verdict);
		flow->una = flow->next_seq;
		message->twice = verdict.duplicate;
		if (!verdict.drop && (verdict.delay || verdict.hold)) {
			queue_shift(flow);
			flow_sleep(srd, message, now + (verdict.delay ? verdict.delay : EMU_HOLD));
			return true;
		}
	}
	if (message->ended && !verdict.drop && !emit_cut(srd, flow, now) &&
	    emit_record(srd, flow, &record, 0, message->twice, &status) == EMU_EMIT_FULL)
		emu_count(srd->qp->nic, EMU_COUNT_rx_drops, 1);
	srd_complete(srd, message, status);
	return true;
}

/* The bandwidth limit. False: not yet; the timer is set. */
static bool limit_pass(struct emu_srd *srd, uint32_t bytes, uint64_t now)
{
	uint64_t wait;

	if (srd->limit_paid)
		return true;
	wait = emu_limit(srd->world->shared, srd->qp->nic->host, srd->qp->nic->index,
			 bytes < 64 ? 64 : bytes, now);
	if (!wait) {
		srd->limit_paid = true;
		return true;
	}
	srd->limited_until = now + wait;
	srd_timer(srd, srd->limited_until);
	return false;
}

/* Cuts one packet of the flow's first message. False: the flow can do nothing now. */
static bool flow_cut(struct emu_srd *srd, struct emu_flow *flow, uint64_t now)
{
	struct emu_message *message = flow->queue.first;
	struct emu_record *record = &flow->record[flow->next_seq % EMU_WINDOW];
	uint32_t seq = flow->next_seq;
	struct emu_record next;
	uint8_t status;

	if (!message || flow->full || flow->next_seq - flow->una >= EMU_WINDOW)
		return false;
	message_next(srd, message, &next);
	if (!limit_pass(srd, next.bytes, now))
		return false;
	if (message->kind == EMU_PACKET_DATAGRAM) {
		srd->limit_paid = false;
		return datagram_cut(srd, flow, message, now);
	}
	flow->qkey = message->wr.qkey;
	*record = next;
	switch (emit_launch(srd, flow, seq, now, &status)) {
	case EMU_LAUNCH_FULL:
		memset(record, 0, sizeof(*record));
		return false;
	case EMU_LAUNCH_GONE:
		memset(record, 0, sizeof(*record));
		srd_complete(srd, message, EMU_STATUS_REMOTE_QPN);
		return true;
	case EMU_LAUNCH_FAILED:
		memset(record, 0, sizeof(*record));
		emit_failed(srd, message, status);
		return true;
	case EMU_LAUNCHED:
		break;
	}
	srd->limit_paid = false;
	flow_activate(srd, flow, now);
	flow->next_seq++;
	message_advance(message, record);
	return true;
}

static void sleepers_wake(struct emu_srd *srd, uint64_t now)
{
	struct emu_message *message;

	while ((message = srd->sleepers.first)) {
		if (message->retry_at > now) {
			srd_timer(srd, message->retry_at);
			return;
		}
		srd->sleepers.first = message->next;
		if (message->next)
			message->next->prev = NULL;
		else
			srd->sleepers.last = NULL;
		message->sleeping = false;
		flow_queue(srd, message->flow, message);
	}
}

static struct emu_flow *ready_take(struct emu_srd *srd)
{
	struct emu_flow *flow = srd->ready_first;

	if (!flow)
		return NULL;
	srd->ready_first = flow->ready_next;
	if (!srd->ready_first)
		srd->ready_last = NULL;
	flow->ready = false;
	return flow;
}

/* Sends all that can go: held packets first, then the flows in turn. */
void emit_pump(struct emu_srd *srd, uint64_t now)
{
	struct emu_flow *flow, *stuck = NULL; /* the first that could do nothing since one could */

	srd->pumps++;
	srd->blocked = false;
	sleepers_wake(srd, now);
	emit_held(srd, now);
	while ((flow = srd->ready_first) && flow != stuck) {
		uint32_t cut = 0;

		ready_take(srd);
		while (cut < CUT_IN_TURN && flow_cut(srd, flow, now))
			cut++;
		if (flow->queue.first)
			flow_ready(srd, flow);
		if (cut)
			stuck = NULL;
		else if (!stuck && flow->queue.first)
			stuck = flow;
		if (srd->overtaken)
			emit_held(srd, now);
	}
	if (srd->blocked)
		srd_timer(srd, now + EMU_MS);
}
