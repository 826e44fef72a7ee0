/* SPDX-License-Identifier: Apache-2.0 */
/* What ports report: operations that ended, messages, immediates, broken rails. */
#include <errno.h>
#include <stdio.h>

#include "base/clock.h"
#include "engine/count.h"
#include "engine/stage.h"
#include "transport/context.h"

/* A provider that reports an operation's failure once for each of its packets has done so by then:
 * for those that need a record's address as its context, so that nothing tells its uses apart. */
#define SPENT_NS (30 * NSEC_PER_SEC)

/* Of one transfer: its pieces are few, and whatever fails on every path is not the paths' fault. */
#define MOVES_MAX 1024u

static void note_error(struct transfer *transfer, struct rail *rail, const struct event *event)
{
	struct weft_batch *batch = transfer->batch;

	if (transfer_has_ended(transfer) || transfer->error)
		return;
	transfer->error = event->error;
	transfer->provider_error = event->provider_error;
	if (!batch->text[0])
		snprintf(batch->text, sizeof(batch->text), "%s", rail_explain(rail));
	if (transfer->queued != QUEUED_NOT) /* what is not posted yet stays so */
		flight_dequeue(transfer);
}

/*
 * What failed with its path is posted again on another. Not so what carried an immediate: it may
 * have been counted at the target although its answer was lost.
 */
static bool move_piece(struct transfer *transfer, const struct flight *flight)
{
	struct weft_peer *peer = transfer->remote->peer;
	uint32_t path = flight->rail->index - peer->way->first;
	struct again *again;

	if (transfer_has_ended(transfer) || transfer->error || flight->imm ||
	    transfer->moves >= MOVES_MAX)
		return false;
	if (!path_has_other(peer, path) && !path_turned(peer, path, flight->posted_ns))
		return false;
	again = mem_alloc(sizeof(*again));
	if (!again)
		return false;
	again->at = flight->at;
	again->len = flight->len;
	again->next = transfer->again;
	transfer->again = again;
	transfer->moves++;
	COUNT(peer, pieces_moved);
	if (transfer->queued == QUEUED_NOT) {
		list_add_head(&peer->queue, &transfer->link);
		transfer->queued = QUEUED_ENTRY;
	}
	return true;
}

/* Everything but the rail forgets a flight. */
static void unaccount(struct weft *weft, struct flight *flight)
{
	struct transfer *transfer = flight->transfer;
	struct weft_peer *peer = transfer->remote->peer;

	list_del(&flight->link);
	peer->in_flight--;
	transfer->region->flights--;
	transfer->remote->flights--;
	weft->stats.in_flight--;
	if (flight->detached) {
		peer->quarantined--;
		weft->stats.quarantined--;
		if (peer->stuck_ns && !flight_half_stuck(peer))
			peer->stuck_ns = 0;
	}
	flight_count(&transfer->outstanding, -1);
	flight_count(&transfer->batch->outstanding, -1);
}

void flight_lose(struct weft *weft, struct flight *flight)
{
	struct weft_batch *batch = flight->transfer->batch;

	if (flight->stage)
		stage_landed(flight->stage, 0);
	unaccount(weft, flight);
	flight->transfer = NULL;
	batch_released(batch);
}

/* The record is used again: at once, or when no further report of its failure can come. A burst of
 * refusals would otherwise take all records, and hold up every other peer. */
static void retire(struct weft *weft, struct flight *flight, bool failed)
{
	struct rail *rail = flight->rail;

	if (!failed || !flight_rests(rail) || !rail->port) {
		flight_reuse(weft, rail, flight);
		return;
	}
	flight->spent = true;
	flight->transfer = NULL;
	flight->spent_ns = clock_ns();
	list_add_tail(&rail->spent, &flight->link);
	engine_timer(weft, flight->spent_ns + SPENT_NS);
}

static void leave_rail(struct flight *flight)
{
	flight->rail->in_flight--;
	flight->rail->queued_bytes -= flight->len;
}

void flight_forget(struct weft *weft, struct flight *flight)
{
	flight_lose(weft, flight);
	leave_rail(flight);
	retire(weft, flight, true);
}

void flight_reclaim(struct weft *weft, uint64_t now_ns)
{
	struct flight *flight;
	struct list *link;
	uint32_t i;

	for (i = 0; i < weft->rail_count; i++) {
		struct rail *rail = &weft->rails[i];

		while ((link = list_first(&rail->spent))) {
			flight = list_entry(link, struct flight, link);
			if (now_ns < flight->spent_ns + SPENT_NS || !rail->quiet_polls) {
				engine_timer(weft, flight->spent_ns + SPENT_NS);
				break;
			}
			list_del(link);
			flight_give(weft, flight);
		}
	}
}

static void flight_ended(struct weft *weft, struct flight *flight, const struct event *event)
{
	struct transfer *transfer;
	struct rail *rail = flight->rail;
	struct weft_remote *remote;
	struct weft_batch *batch;
	struct weft_peer *peer;
	uint64_t posted_ns = flight->posted_ns;
	bool ended;

	if (flight->run)
		flight_leave_run(flight);
	if (flight->spent)
		return;
	transfer = flight->transfer;
	leave_rail(flight);
	if (!transfer) { /* lost with its peer's process */
		retire(weft, flight, event->error);
		return;
	}
	remote = transfer->remote;
	batch = transfer->batch;
	peer = remote->peer;
	if (flight->stage)
		stage_landed(flight->stage, event->error ? 0 : flight->len);
	if (event->error) {
		rail->errors++;
		errors_operation(&weft->errors, event->error);
		if ((event->error != -WEFT_EPEERGONE && !rail->broken) ||
		    !move_piece(transfer, flight))
			note_error(transfer, rail, event);
	} else {
		rail->done++;
		rail->bytes += flight->len;
		peer->paths[rail->index - peer->way->first].heard = true;
		smallruns_record(&rail->latency, engine_now(weft) - flight->posted_ns, 1);
	}
	/* When nothing of an ended transfer is outstanding the user may fill it anew at once. */
	ended = transfer_has_ended(transfer);
	unaccount(weft, flight);
	retire(weft, flight, event->error);
	if (!ended)
		flight_settle(transfer);
	if (!list_empty(&peer->queue))
		peer_make_ready(peer);
	remote_flight_ended(remote);
	if (event->error == -WEFT_EPEERGONE && !rail->broken &&
	    !path_turned(peer, rail->index - peer->way->first, posted_ns))
		path_failed(peer, rail->index - peer->way->first, -WEFT_EPEERGONE);
	batch_released(batch);
	peer_release(peer);
}

void flight_cut(struct weft *weft, struct flight *flight)
{
	struct event event = { .kind = EVENT_DONE, .error = flight->rail->broken };

	flight_ended(weft, flight, &event);
}

void flight_event(struct weft *weft, struct rail *rail, const struct event *event)
{
	struct flight *flight;

	switch (event->kind) {
	case EVENT_DONE:
		flight = flight_of(weft, rail, event->ctx);
		if (flight)
			flight_ended(weft, flight, event);
		break;
	case EVENT_SENT:
		peer_sent(weft, event);
		break;
	case EVENT_RECV:
		message_event(weft, rail, event->data, event->len);
		break;
	case EVENT_IMM:
		arrival_event(weft, event->imm);
		break;
	case EVENT_BROKEN:
		rail_break(rail, event->error);
		break;
	default:
		break;
	}
}
