/* SPDX-License-Identifier: Apache-2.0 */
/* Flows that get no answer: repeat, ask, and in the end give up with the right status. */
#include <stdlib.h>
#include <string.h>

#include "emu/flow.h"
#include "emu/trace.h"

#define STALL (500 * EMU_MS) /* twice the longest sleep of the engine */

void flow_fail(struct emu_srd *srd, struct emu_flow *flow, uint8_t status)
{
	struct emu_message *message, *next;

	emu_trace("flow qp %u to %u fails: status %u", srd->qp->ex.qp_base.qp_num, flow->qpn,
		  status);
	if (status == EMU_STATUS_UNRESPONSIVE || status == EMU_STATUS_UNREACHABLE)
		emu_count(srd->qp->nic, EMU_COUNT_unresponsive_remote_events, 1);
	for (message = flow->messages; message; message = next) {
		next = message->flow_next;
		/* Who reads from us may still be there: it is told, once, by the flow's next life.
		 */
		if (message->kind == EMU_PACKET_RESPONSE && status != EMU_STATUS_REMOTE_QPN)
			emit_failed(srd, message, status);
		else
			srd_complete(srd, message, status);
	}
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

/* The status with which a flow has failed by now, or 0. A process that is stopped is as silent as
 * one whose network is cut. */
static uint8_t flow_verdict(struct emu_srd *srd, struct emu_flow *flow, uint64_t now)
{
	uint64_t timeout = atomic_load(&srd->world->shared->timeout);

	if (emit_cut(srd, flow, now)) {
		if (!flow->cut_since)
			flow->cut_since = now;
		return emu_since(flow->cut_since, now) > timeout ? silent_status(srd, flow) : 0;
	}
	flow->cut_since = 0;
	if (srd->world->shared->carrier == EMU_CARRIER_UDP ||
	    (emu_ring_present(srd->world, &flow->path) &&
	     engine_alive(srd->world, flow->path.slot, flow->path.generation, now))) {
		flow->gone_since = 0;
		return emu_since(flow->heard, now) > timeout ? silent_status(srd, flow) : 0;
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

/* While this process did not look (it was stopped, or had no processor) nobody was silent towards
 * it: answers may lie in its ring. */
static void forgive(struct emu_srd *srd, uint64_t now)
{
	uint64_t gap = emu_since(srd->ticked_at, now);
	struct emu_flow *flow;

	srd->ticked_at = now;
	if (gap < STALL)
		return;
	for (flow = srd->active_flows; flow; flow = flow->active_next) {
		uint64_t *since[] = { &flow->heard, &flow->cut_since, &flow->gone_since };

		for (int i = 0; i < 3; i++)
			if (*since[i])
				*since[i] = *since[i] + gap < now ? *since[i] + gap : now;
	}
}

void flow_tick(struct emu_srd *srd, uint64_t now)
{
	struct emu_flow **link = &srd->active_flows;

	forgive(srd, now);

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
