/* SPDX-License-Identifier: Apache-2.0 */
#include "emu/flow.h"

#include <stdlib.h>
#include <string.h>

#include "emu/trace.h"

/* Unit of flow ids: two processes do not follow each other faster, and half the range is 9 hours.
 */
#define FLOW_ID_NS 16000ull

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

/* A new id tells the other side to forget what it knew of the numbers. Ids of one flow only grow,
 * also over restarts of process and machine: ticks of the day's clock, compared like
 * sequence numbers. */
void flow_restart(struct emu_srd *srd, struct emu_flow *flow)
{
	struct timespec ts;
	uint32_t id;

	clock_gettime(CLOCK_REALTIME, &ts);
	id = (uint32_t)((uint64_t)ts.tv_sec * (EMU_S / FLOW_ID_NS) +
			(uint64_t)ts.tv_nsec / FLOW_ID_NS);
	if (flow->id && (int32_t)(id - flow->id) <= 0)
		id = flow->id + 1;
	flow->id = id;
	flow->una = flow->next_seq = 0;
	flow->incarnation = 0;
	flow->full = false; /* the packet that waited for room is gone with the rest */
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

/* Has another process taken the slot that the flow leads to? */
static bool flow_stale(const struct emu_srd *srd, const struct emu_flow *flow)
{
	return flow->known && flow->path.area &&
	       atomic_load(&srd->world->shared->process[flow->path.slot].generation) !=
		       flow->path.generation;
}

/* A message is about to join the flow. What is left of an earlier process at the other side is
 * over, so that the new message meets the process that is there now. */
static void flow_renew(struct emu_srd *srd, struct emu_flow *flow)
{
	if (!flow->messages && flow->una == flow->next_seq)
		flow->incarnation = 0;
	if (!flow_stale(srd, flow))
		return;
	if (flow->messages)
		flow_fail(srd, flow, EMU_STATUS_REMOTE_QPN);
	else
		flow_restart(srd, flow);
}

/* message has packets to cut: to the end of its flow's queue. */
void flow_queue(struct emu_srd *srd, struct emu_flow *flow, struct emu_message *message)
{
	if (!message->flow) {
		flow_renew(srd, flow);
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

/* The message, on no queue, goes back to its flow's queue when due. */
void flow_sleep(struct emu_srd *srd, struct emu_message *message, uint64_t due)
{
	struct emu_message *before = srd->sleepers.last;

	while (before && before->retry_at > due)
		before = before->prev;
	message->retry_at = due;
	message->sleeping = true;
	message->prev = before;
	message->next = before ? before->next : srd->sleepers.first;
	if (message->next)
		message->next->prev = message;
	else
		srd->sleepers.last = message;
	if (before)
		before->next = message;
	else
		srd->sleepers.first = message;
	srd_timer(srd, due);
}

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
	flow_sleep(srd, message, now + srd->qp->nic->model->rnr_timer * EMU_US);
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
	else if (status == EMU_STATUS_REMOTE_QPN)
		flow_fail(srd, flow, status); /* a probe found nobody: reads wait in vain */
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
