/* SPDX-License-Identifier: Apache-2.0 */
#include "emu/flow.h"

#include <stdlib.h>
#include <string.h>

#include "emu/trace.h"

uint32_t flow_hash(const uint8_t gid[16], uint32_t qpn)
{
	uint64_t a, b;

	memcpy(&a, gid, 8);
	memcpy(&b, gid + 8, 8);
	return (uint32_t)emu_mix(a ^ emu_mix(b ^ qpn));
}

struct emu_flow *flow_find(struct emu_srd *srd, const uint8_t gid[16], uint32_t qpn)
{
	struct emu_flow *flow = srd->flows[flow_hash(gid, qpn) & srd->flow_mask];

	while (flow && (flow->qpn != qpn || memcmp(flow->gid, gid, EMU_GID_BYTES) != 0))
		flow = flow->hash_next;
	return flow;
}

static void flows_grow(struct emu_srd *srd)
{
	uint32_t mask = srd->flow_mask * 2 + 1;
	struct emu_flow **table = calloc(mask + 1, sizeof(struct emu_flow *));
	struct emu_flow *flow;

	if (!table)
		return;
	for (uint32_t i = 0; i <= srd->flow_mask; i++) {
		while ((flow = srd->flows[i])) {
			uint32_t at = flow_hash(flow->gid, flow->qpn) & mask;

			srd->flows[i] = flow->hash_next;
			flow->hash_next = table[at];
			table[at] = flow;
		}
	}
	free(srd->flows);
	srd->flows = table;
	srd->flow_mask = mask;
}

static bool flow_idle(const struct emu_flow *flow)
{
	return !flow->messages && !flow->ready && !flow->active && !flow->held &&
	       flow->una == flow->next_seq;
}

/* Forgets flows with nothing under way: their other side starts anew with a new flow's id. */
static void flows_forget_idle(struct emu_srd *srd)
{
	for (uint32_t i = 0; i <= srd->flow_mask; i++) {
		struct emu_flow **link = &srd->flows[i];

		while (*link) {
			struct emu_flow *flow = *link;

			if (!flow_idle(flow)) {
				link = &flow->hash_next;
				continue;
			}
			*link = flow->hash_next;
			free(flow);
			srd->flow_count--;
		}
	}
}

/* A new id tells the other side to forget what it knew of the numbers. */
static void flow_restart(struct emu_srd *srd, struct emu_flow *flow)
{
	flow->id = (uint32_t)emu_mix(flow_hash(flow->gid, flow->qpn) ^ flow->id ^
				     ((uint64_t)srd->generation << 40) ^
				     ((uint64_t)srd->qp->ex.qp_base.qp_num << 20) ^ srd->names);
	flow->una = flow->next_seq = 0;
	flow->known = emu_path_init(srd->world, flow->gid, flow->qpn, &flow->path);
}

struct emu_flow *flow_get(struct emu_srd *srd, const uint8_t gid[16], uint32_t qpn)
{
	struct emu_flow *flow = flow_find(srd, gid, qpn);
	uint32_t at;

	if (flow)
		return flow;
	if (srd->flow_count >= EMU_FLOWS)
		flows_forget_idle(srd);
	if (srd->flow_count > srd->flow_mask)
		flows_grow(srd);
	flow = calloc(1, sizeof(*flow));
	if (!flow)
		return NULL;
	memcpy(flow->gid, gid, EMU_GID_BYTES);
	flow->qpn = qpn;
	flow_restart(srd, flow);
	at = flow_hash(gid, qpn) & srd->flow_mask;
	flow->hash_next = srd->flows[at];
	srd->flows[at] = flow;
	srd->flow_count++;
	return flow;
}

/* --- lists --------------------------------------------------------------------------------- */

static void list_add(struct emu_list *list, struct emu_message *message)
{
	message->next = NULL;
	message->prev = list->last;
	if (list->last)
		list->last->next = message;
	else
		list->first = message;
	list->last = message;
}

static void list_remove(struct emu_list *list, struct emu_message *message)
{
	if (message->prev)
		message->prev->next = message->next;
	else
		list->first = message->next;
	if (message->next)
		message->next->prev = message->prev;
	else
		list->last = message->prev;
}

void flow_ready(struct emu_srd *srd, struct emu_flow *flow)
{
	if (flow->ready)
		return;
	flow->ready = true;
	flow->ready_next = NULL;
	if (srd->ready_last)
		srd->ready_last->ready_next = flow;
	else
		srd->ready_first = flow;
	srd->ready_last = flow;
}

/* message has packets to cut: to the end of its flow's queue. */
void flow_queue(struct emu_srd *srd, struct emu_flow *flow, struct emu_message *message)
{
	if (!message->flow) {
		message->flow = flow;
		message->flow_prev = NULL;
		message->flow_next = flow->messages;
		if (flow->messages)
			flow->messages->flow_prev = message;
		flow->messages = message;
		if (message->kind == EMU_PACKET_READ)
			flow->reads++;
	}
	list_add(&flow->queue, message);
	message->queued = true;
	flow_ready(srd, flow);
}

void flow_detach(struct emu_srd *srd, struct emu_message *message)
{
	struct emu_flow *flow = message->flow;

	if (message->queued)
		list_remove(&flow->queue, message);
	if (message->sleeping)
		list_remove(&srd->sleepers, message);
	message->queued = message->sleeping = false;
	if (message->open) {
		for (uint32_t i = 0; i < EMU_WINDOW; i++)
			if (flow->record[i].message == message)
				flow->record[i].message = NULL;
		message->open = 0;
	}
	if (!flow)
		return;
	if (message->kind == EMU_PACKET_READ)
		flow->reads--;
	if (message->flow_prev)
		message->flow_prev->flow_next = message->flow_next;
	else
		flow->messages = message->flow_next;
	if (message->flow_next)
		message->flow_next->flow_prev = message->flow_prev;
	message->flow = NULL;
}

/* --- answers ------------------------------------------------------------------------------- */

/* The receiver was not ready: the message (of a write with immediate, its end) goes again after a
 * pause. */
static void message_not_ready(struct emu_srd *srd, struct emu_message *message, uint64_t now)
{
	if (!message->rnr_left) {
		srd_complete(srd, message, EMU_STATUS_RNR);
		return;
	}
	if (message->rnr_left < 7)
		message->rnr_left--;
	if (message->kind == EMU_PACKET_SEND)
		message->cut = false;
	message->ended = false;
	message->offset = message->kind == EMU_PACKET_SEND ? 0 : message->offset;
	message->retry_at = now + srd->qp->nic->model->rnr_timer * EMU_US;
	message->sleeping = true;
	list_add(&srd->sleepers, message);
	srd_timer(srd, message->retry_at);
}

static void message_answered(struct emu_srd *srd, struct emu_message *message, uint8_t type,
			     uint8_t status, uint64_t now)
{
	message->open--;
	if (status == EMU_STATUS_RNR && (type == EMU_PACKET_SEND || type == EMU_PACKET_WRITE_IMM)) {
		message_not_ready(srd, message, now);
		return;
	}
	if (status) {
		srd_complete(srd, message, status);
		return;
	}
	if (message->open || !message->cut)
		return;
	if (message->kind == EMU_PACKET_READ)
		return; /* its data ends it */
	if (message->kind == EMU_PACKET_WRITE && message->wr.has_imm && !message->ended) {
		if (!message->queued)
			flow_queue(srd, message->flow, message);
		return;
	}
	srd_complete(srd, message, EMU_STATUS_OK);
}

static void record_answered(struct emu_srd *srd, struct emu_flow *flow, uint32_t seq,
			    uint8_t status, uint64_t now)
{
	struct emu_record *record = &flow->record[seq % EMU_WINDOW];
	struct emu_message *message = record->message;
	uint8_t type = record->type;

	if (record->overtake)
		srd->overtaken--;
	memset(record, 0, sizeof(*record));
	if (message)
		message_answered(srd, message, type, status, now);
}

/* Numbers without a record need no answer any more. */
void flow_advance(struct emu_flow *flow)
{
	while (flow->una != flow->next_seq &&
	       flow->record[flow->una % EMU_WINDOW].state == EMU_RECORD_FREE)
		flow->una++;
}

static uint8_t ack_status(const struct emu_ack *ack, uint32_t distance)
{
	for (uint32_t i = 0; i < ack->refusals; i++)
		if (ack->refused[i].distance == distance)
			return ack->refused[i].status;
	return EMU_STATUS_OK;
}

void flow_acknowledge(struct emu_srd *srd, struct emu_flow *flow, const struct emu_ack *ack,
		      uint64_t now)
{
	flow->heard = now;
	flow->answered = true;
	flow->lost = false;
	for (uint32_t word = 0; word < EMU_WINDOW / 64; word++) {
		uint64_t bits = ack->arrived[word];

		for (; bits; bits &= bits - 1) {
			uint32_t at = word * 64 + (uint32_t)__builtin_ctzll(bits);
			uint32_t distance = (at - ack->base) % EMU_WINDOW;
			uint32_t seq = ack->base + distance;

			if (seq - flow->una >= flow->next_seq - flow->una ||
			    flow->record[at].state == EMU_RECORD_FREE)
				continue;
			record_answered(srd, flow, seq, ack_status(ack, distance), now);
		}
	}
	flow_advance(flow);
}

/* --- what nobody answers ------------------------------------------------------------------- */

void flow_fail(struct emu_srd *srd, struct emu_flow *flow, uint8_t status)
{
	emu_trace("flow qp %u to %u fails: status %u", srd->qp->ex.qp_base.qp_num, flow->qpn,
		  status);
	if (status == EMU_STATUS_UNRESPONSIVE || status == EMU_STATUS_UNREACHABLE)
		emu_count(srd->qp->nic, EMU_COUNT_unresponsive_remote_events, 1);
	while (flow->messages)
		srd_complete(srd, flow->messages, status);
	for (uint32_t i = 0; i < EMU_WINDOW; i++) {
		if (flow->record[i].overtake)
			srd->overtaken--;
		memset(&flow->record[i], 0, sizeof(flow->record[i]));
	}
	flow->answered = flow->lost = flow->full = false;
	flow->cut_since = flow->gone_since = 0;
	flow_restart(srd, flow);
}

static uint8_t silent_status(const struct emu_srd *srd, const struct emu_flow *flow)
{
	if (flow->answered || !srd->qp->nic->model->unreachable)
		return EMU_STATUS_UNRESPONSIVE;
	return EMU_STATUS_UNREACHABLE;
}

static bool flow_is_cut(const struct emu_srd *srd, const struct emu_flow *flow, uint64_t now)
{
	const struct emu_nic *nic = srd->qp->nic;

	return !flow->known || emu_fault_cut(srd->world->shared, nic->host, nic->index,
					     flow->path.place.host, flow->path.place.nic, now);
}

/* The status with which a flow has failed by now, or 0. A process that is stopped is waited for, as
 * long as its NIC and link are up. */
static uint8_t flow_verdict(struct emu_srd *srd, struct emu_flow *flow, uint64_t now)
{
	uint64_t timeout = atomic_load(&srd->world->shared->timeout);

	if (flow_is_cut(srd, flow, now)) {
		if (!flow->cut_since)
			flow->cut_since = now;
		return emu_since(flow->cut_since, now) > timeout ? silent_status(srd, flow) : 0;
	}
	flow->cut_since = 0;
	if (flow->lost || srd->world->shared->carrier == EMU_CARRIER_UDP)
		return emu_since(flow->heard, now) > timeout ? silent_status(srd, flow) : 0;
	if (emu_ring_present(srd->world, &flow->path) &&
	    engine_alive(srd->world, flow->path.slot, flow->path.generation, now)) {
		flow->gone_since = 0;
		return 0;
	}
	/* Its last answers may lie in our ring: they are taken in before the next look. */
	if (!flow->gone_since)
		flow->gone_since = now;
	return emu_since(flow->gone_since, now) >= EMU_TICK / 2 ? EMU_STATUS_REMOTE_QPN : 0;
}

/* Pause before packets without an answer go again. Rings lose nothing, so there it is only a
 * safety. */
static uint64_t resend_pause(const struct emu_srd *srd, const struct emu_record *record)
{
	uint64_t pause = srd->world->shared->carrier == EMU_CARRIER_UDP ? 20 * EMU_MS : EMU_S;

	return pause << (record->attempt < 4 ? record->attempt : 4);
}

static void flow_resend(struct emu_srd *srd, struct emu_flow *flow, uint64_t now)
{
	bool timed_out = false;

	for (uint32_t seq = flow->una; seq != flow->next_seq; seq++) {
		struct emu_record *record = &flow->record[seq % EMU_WINDOW];

		if (record->state != EMU_RECORD_OPEN ||
		    emu_since(record->sent, now) < resend_pause(srd, record))
			continue;
		record->attempt++;
		emit_again(srd, flow, seq, now);
		timed_out = true;
	}
	if (timed_out)
		emu_count(srd->qp->nic, EMU_COUNT_retrans_timeout_events, 1);
}

/* A read that waits for data with nothing under way asks whether the other side is there. */
static void flow_probe(struct emu_srd *srd, struct emu_flow *flow, uint64_t now)
{
	struct emu_record *record = &flow->record[flow->next_seq % EMU_WINDOW];

	if (!flow->reads || flow->una != flow->next_seq ||
	    emu_since(flow->heard, now) < 10 * EMU_TICK)
		return;
	*record = (struct emu_record){ .type = EMU_PACKET_PROBE };
	emit_again(srd, flow, flow->next_seq++, now);
}

void flow_tick(struct emu_srd *srd, uint64_t now)
{
	struct emu_flow **link = &srd->active_flows;

	while (*link) {
		struct emu_flow *flow = *link;
		bool open = flow->una != flow->next_seq || flow->reads || flow->queue.first;
		uint8_t status = open ? flow_verdict(srd, flow, now) : 0;

		if (status)
			flow_fail(srd, flow, status);
		if (!open || status) {
			*link = flow->active_next;
			flow->active = false;
			continue;
		}
		flow_resend(srd, flow, now);
		flow_probe(srd, flow, now);
		if (srd->blocked && srd->world->shared->carrier == EMU_CARRIER_RING)
			emu_ring_reclaim(srd->world, &flow->path);
		link = &flow->active_next;
	}
	if (srd->active_flows)
		srd_timer(srd, now + EMU_TICK);
}

void flow_free_all(struct emu_srd *srd)
{
	for (uint32_t i = 0; i <= srd->flow_mask; i++) {
		while (srd->flows[i]) {
			struct emu_flow *flow = srd->flows[i];

			srd->flows[i] = flow->hash_next;
			while (flow->messages) {
				struct emu_message *message = flow->messages;

				flow->messages = message->flow_next;
				if (message->kind == EMU_PACKET_RESPONSE ||
				    message->kind == EMU_PACKET_READ_FAILED)
					free(message);
			}
			free(flow);
		}
	}
}
