/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A peer's queue, and what leaves a run.
 *
 * Q1: the queue holds entries. Behind an entry wait as many transfers as it says in follow, those
 *     that come after it in its batch; they are QUEUED_BEHIND and in no list. In all other respects
 *     they stand in the queue right after it.
 * Q2: what is done with one transfer only, takes it out of the group first.
 * Q3: a transfer with a flight of a run is not in the queue, whatever it says. Once it is to be
 *     looked at by itself, flight_leave_run() makes it and its flight as the general way knows
 * them.
 */
#include "engine/engine.h"

void flight_split(struct transfer *entry, uint32_t at)
{
	struct transfer *next = entry + at;

	next->queued = QUEUED_ENTRY;
	next->follow = entry->follow - at;
	entry->follow = at - 1;
	list_add_head(&entry->link, &next->link);
}

static struct transfer *entry_of(struct transfer *transfer)
{
	while (transfer->queued != QUEUED_ENTRY)
		transfer--;
	return transfer;
}

void flight_dequeue(struct transfer *transfer)
{
	struct transfer *entry;

	if (transfer->flight || transfer->queued == QUEUED_NOT)
		return;
	entry = entry_of(transfer);
	if (entry != transfer)
		flight_split(entry, (uint32_t)(transfer - entry));
	if (transfer->follow)
		flight_split(transfer, 1);
	list_del(&transfer->link);
	transfer->queued = QUEUED_NOT;
}

void flight_leave_run(struct flight *flight)
{
	struct transfer *transfer = flight->transfer;

	flight->run = 0;
	flight->at = 0;
	flight->len = transfer->len;
	flight->imm = flight->detached = flight->spent = false;
	flight->stage = NULL;
	list_add_tail(&transfer->remote->peer->flights, &flight->link);
	transfer->flight = NULL;
	transfer->queued = QUEUED_NOT;
	transfer->follow = 0;
	transfer->piece = transfer->posted = transfer->len;
	atomic_store_explicit(&transfer->outstanding, 1, memory_order_relaxed);
}

static void end_one(struct transfer *transfer, int state, int reason)
{
	if (!transfer_has_ended(transfer))
		transfer_end(transfer, state, transfer->error ? transfer->error : reason,
			     transfer->provider_error);
}

void flight_end_peer(struct weft_peer *peer, int state, int reason)
{
	struct weft *weft = peer->weft;
	uint32_t left = peer->in_flight, i;
	struct list *link, *after;
	struct flight *flight;

	while ((link = list_first(&peer->queue)))
		transfer_end(list_entry(link, struct transfer, link), state, reason, 0);
	list_for_each_safe(link, after, &peer->flights)
	{
		end_one(list_entry(link, struct flight, link)->transfer, state, reason);
		left--;
	}
	/* Those of runs are in no list. Of records that are not in use run means nothing. */
	for (i = 0; left && i < weft->spare_count; i++)
		weft->spare[i]->run = 0;
	for (i = 0; left && i < weft->flights.count; i++) {
		flight = pool_at(&weft->flights, i);
		if (!flight->run || flight->transfer->remote->peer != peer)
			continue;
		end_one(flight->transfer, state, reason);
		left--;
	}
}

void flight_fail_queue(struct weft_peer *peer, int reason)
{
	struct list *link;

	while ((link = list_first(&peer->queue)))
		transfer_end(list_entry(link, struct transfer, link), WEFT_FAILED, reason, 0);
}
