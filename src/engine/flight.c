/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From queued transfers to posted operations and back: the hot path.
 *
 * F1: peer->in_flight <= peer_window, rail->in_flight <= rail->depth.
 * F2: a transfer is DONE, or FAILED by an operation, only when outstanding == 0: no posting of any
 *     piece can land afterwards.
 * F3: a transfer that ends earlier (cancel, deadline, dead peer) leaves its flights detached; they
 *     count in peer->quarantined until the provider ends them.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "engine/engine.h"
#include "engine/plan.h"
#include "engine/stage.h"

#define STUCK_NS (100 * NSEC_PER_MSEC)

static uint32_t outstanding(const struct transfer *transfer)
{
	return atomic_load_explicit(&transfer->outstanding, memory_order_relaxed);
}

void peer_make_ready(struct weft_peer *peer)
{
	if (list_empty(&peer->ready))
		list_add_tail(&peer->weft->ready, &peer->ready);
}

static void drop_again(struct transfer *transfer)
{
	struct again *again;

	while ((again = transfer->again)) {
		transfer->again = again->next;
		mem_free(again);
	}
}

static void detach(struct weft_peer *peer, struct flight *flight)
{
	flight->detached = true;
	peer->quarantined++;
	peer->weft->stats.quarantined++;
}

/* What is outstanding of a transfer that ends. */
static void detach_all(struct weft_peer *peer, struct transfer *transfer)
{
	struct flight *flight = transfer->flight;
	bool first = !peer->quarantined;
	struct list *link;

	if (flight) {
		flight_leave_run(flight);
		detach(peer, flight);
	} else {
		list_for_each(link, &peer->flights)
		{
			flight = list_entry(link, struct flight, link);
			if (flight->transfer == transfer && !flight->detached)
				detach(peer, flight);
		}
	}
	if (!peer->stuck_ns && flight_half_stuck(peer))
		peer->stuck_ns = engine_now(peer->weft);
	if (first && peer->way->provider->never_ends)
		path_await(peer);
}

void transfer_end(struct transfer *transfer, int state, int error, int provider_error)
{
	struct weft_peer *peer = transfer->remote->peer;

	if (transfer_has_ended(transfer))
		return;
	drop_again(transfer);
	stage_transfer_ended(transfer);
	flight_dequeue(transfer);
	transfer->error = error;
	transfer->provider_error = provider_error;
	if (transfer->flight || outstanding(transfer))
		detach_all(peer, transfer);
	peer->transfers--;
	transfer->remote->active--;
	atomic_store_explicit(&transfer->state, state, memory_order_release);
	batch_transfer_ended(transfer->batch, transfer);
}

static void done(struct transfer *transfer)
{
	struct weft_peer *peer = transfer->remote->peer;

	/* A direct copy cannot carry the immediate; a message after it does. */
	if (peer->direct && transfer->flags & WEFT_WITH_IMM)
		peer_immediate(peer, transfer->imm);
	smallruns_record(&peer->latency[transfer->kind],
			 engine_now(peer->weft) - transfer->batch->submitted_ns, 1);
	transfer_end(transfer, WEFT_DONE, 0, 0);
}

/* A piece is posted or will not be. Ends the transfer when nothing is left. */
void flight_settle(struct transfer *transfer)
{
	if (transfer_has_ended(transfer) || outstanding(transfer))
		return;
	if (transfer->error)
		transfer_end(transfer, WEFT_FAILED, transfer->error, transfer->provider_error);
	else if (transfer->queued == QUEUED_NOT)
		done(transfer);
}

/* --- posting --- */

struct rail *flight_pick_rail(const struct weft_peer *peer, uint64_t piece, uint32_t near)
{
	struct rail *best = NULL, *rail;
	uint64_t queued, least = 0;
	uint32_t i;

	for (i = 0; i < peer->way->count; i++) {
		rail = way_rail(peer->weft, peer->way, i);
		if (rail->in_flight >= rail->depth || !path_usable(peer, i))
			continue;
		/* Rails pull: none is given more than two pieces ahead, so that slow ones get less.
		 */
		if (peer->way->count > 1 && piece >= PLAN_STRIPE_MIN &&
		    rail->queued_bytes >= 2 * piece)
			continue;
		queued = rail->queued_bytes + (near >> rail->index & 1 ? 0 : PLAN_FAR);
		if (!best || queued < least) {
			best = rail;
			least = queued;
		}
	}
	return best;
}

void flight_fill_op(struct op *op, const struct transfer *transfer, const struct rail *rail,
		    uint64_t at, uint64_t len, bool last)
{
	const struct weft_remote *remote = transfer->remote;
	const struct weft_peer *peer = remote->peer;
	const struct pinned *pinned = transfer->region->pinned;
	uint32_t i = rail->index - peer->way->first;
	uint32_t far = flight_far_rail(remote, i);
	uint64_t there = transfer->remote_offset + at;
	uint32_t part = plan_part(there, remote->shift, remote->parts);

	op->kind = transfer->kind;
	op->flags = flight_op_flags(peer, transfer->flags, len, last);
	op->imm = transfer->imm;
	op->local = transfer->region->base + transfer->offset + at;
	op->len = len;
	op->desc = pin_part(pinned, rail->index,
			    plan_part(flight_pinned_offset(transfer, at), pinned->shift,
				      pinned->parts))
			   ->desc;
	op->dest = peer->paths[i].dest;
	/* Where addresses do not count, each part begins at 0. */
	op->remote = remote->bases[far] ? remote->bases[far] + there
					: there - ((uint64_t)part << remote->shift);
	op->key = remote->keys[far * remote->parts + part];
}

/* So much is posted of the first of the pieces to be posted again, or of what comes next. */
static void advance(struct transfer *transfer, uint64_t len)
{
	struct again *again = transfer->again;

	if (!again) {
		transfer->posted += len;
		return;
	}
	again->at += len;
	again->len -= len;
	if (again->len)
		return;
	transfer->again = again->next;
	mem_free(again);
}

static void flight_started(struct flight *flight, struct transfer *transfer, struct rail *rail,
			   const struct op *op, uint64_t at)
{
	struct weft_peer *peer = transfer->remote->peer;

	flight->transfer = transfer;
	flight->rail = rail;
	flight->run = 0;
	flight->at = at;
	flight->len = op->len;
	flight->imm = op->flags & OP_IMM;
	flight->detached = false;
	flight->spent = false;
	list_add_tail(&peer->flights, &flight->link);
	rail->in_flight++;
	rail->queued_bytes += op->len;
	rail->posted++;
	peer->in_flight++;
	transfer->region->flights++;
	transfer->remote->flights++;
	advance(transfer, op->len);
	flight_count(&transfer->outstanding, 1);
	flight_count(&transfer->batch->outstanding, 1);
	peer->weft->stats.in_flight++;
}

/* The next piece of a transfer. 0: posted; -EAGAIN: no room; else the transfer cannot go on. */
static int post_piece(struct weft *weft, struct transfer *transfer)
{
	struct weft_peer *peer = transfer->remote->peer;
	const struct again *again = transfer->again;
	uint64_t at = again ? again->at : transfer->posted;
	uint64_t left = again ? again->len : transfer->len - transfer->posted;
	uint64_t len =
		flight_cut_parts(transfer, at, left < transfer->piece ? left : transfer->piece);
	struct stage *stage = NULL;
	struct flight *flight;
	struct rail *rail;
	struct op op;
	bool last;
	int rc;

	if (transfer->copied && len) {
		rc = stage_ready(transfer, at, &stage);
		if (rc)
			return rc;
		if (len > stage->at + stage->len - at)
			len = stage->at + stage->len - at;
	}
	rail = flight_pick_rail(peer, transfer->piece, transfer->region->near);
	if (!rail)
		return -EAGAIN;
	len = flight_cut_rail(peer, rail, transfer->kind, len);
	last = !again && len == left;
	/* The immediate says that all is placed: the last piece waits for the others. */
	if (last && transfer->flags & WEFT_WITH_IMM && outstanding(transfer) && !peer->direct)
		return -EBUSY;
	flight = flight_take(weft);
	if (!flight)
		return -EAGAIN;
	flight_fill_op(&op, transfer, rail, at, len, last);
	if (transfer->copied)
		stage_fill(transfer, stage, at, rail, &op);
	op.ctx = flight_context(weft, flight, rail);
	flight->posted_ns = engine_now(weft);
	rc = rail->ops->post(rail->port, &op);
	if (rc) {
		flight_give(weft, flight);
		if (rc == -EAGAIN)
			weft->stats.provider_busy++;
		else
			errors_operation(&weft->errors, rc);
		if (rc == -WEFT_EPEERGONE && path_failed(peer, rail->index - peer->way->first, rc))
			return -EAGAIN;
		return rc;
	}
	flight_started(flight, transfer, rail, &op, at);
	flight->stage = stage;
	if (stage)
		stage->flights++;
	if (peer->bell_operations)
		bell_posted(peer, weft->now_ns);
	return 0;
}

/* Posts what it can of one transfer. 0: all is posted, or it has failed; else try later. */
static int post_transfer(struct weft *weft, struct transfer *transfer)
{
	int rc;

	if (!transfer->piece)
		flight_plan(transfer);
	do {
		rc = flight_guard(transfer);
		if (rc == -EINPROGRESS)
			return rc;
		if (rc == 0 && transfer->len == 0 && !(transfer->flags & WEFT_WITH_IMM))
			break; /* nothing to move, and the peer is known to be there */
		if (rc == 0)
			rc = post_piece(weft, transfer);
		if (rc == -EAGAIN || rc == -EBUSY)
			return rc;
		if (rc) {
			transfer->error = rc;
			break;
		}
	} while (transfer->again || transfer->posted < transfer->len);
	flight_dequeue(transfer);
	flight_settle(transfer);
	return 0;
}

/*
 * How many operations a peer may have in flight. A peer that left operations hanging gets few more
 * until they end; and none may take more than three quarters of what others leave of its rails, so
 * that however many freeze, something is left.
 */
static uint32_t window(const struct weft_peer *peer)
{
	const struct weft *weft = peer->weft;
	const struct rail *rail = way_rail(weft, peer->way, 0);
	uint32_t limit = weft->peer_window;
	uint32_t depth = 0, used = 0, share, i;

	for (i = 0; i < peer->way->count; i++, rail++) {
		if (rail->broken)
			continue;
		depth += rail->depth;
		used += rail->in_flight;
	}
	if (peer->quarantined && peer->quarantined + 8 < limit)
		limit = peer->quarantined + 8;
	share = (depth - (used - peer->in_flight)) / 4 * 3;
	return share < limit ? share : limit;
}

/*
 * A peer whose hanging operations use up half its window gets nothing more posted. They hang when
 * that has lasted for a while: those of a large transfer that was just cancelled end soon. Their
 * ends may be there and not polled yet when the caller makes no progress for as long.
 */
static bool stuck(struct weft *weft, const struct weft_peer *peer)
{
	if (!peer->stuck_ns)
		return false;
	if (weft->drained_ns >= peer->stuck_ns + STUCK_NS)
		return true;
	engine_timer(weft, peer->stuck_ns + STUCK_NS);
	return false;
}

/* 0: the queue is empty; -EAGAIN: full for now. */
static int pump_peer(struct weft *weft, struct weft_peer *peer)
{
	struct list *link, *before;
	struct transfer *transfer;
	uint32_t held_back = 0, most;
	int rc;

	if (stuck(weft, peer)) {
		flight_fail_queue(peer, -WEFT_EPEERSTUCK);
		return 0;
	}
	for (link = peer->queue.next; link != &peer->queue;) {
		most = window(peer);
		if (peer->in_flight >= most)
			return -EAGAIN;
		transfer = list_entry(link, struct transfer, link);
		before = link->prev;
		rc = flight_post_run(weft, peer, transfer, most - peer->in_flight);
		if (rc == -EAGAIN)
			return rc;
		if (rc > 0) {
			link = before->next;
			continue;
		}
		if (transfer->follow)
			flight_split(transfer, 1);
		link = link->next;
		/* Only a transfer that waits for its grant or its own pieces lets others pass, and
		 * only so many, so that a round stays short. */
		rc = post_transfer(weft, transfer);
		if (rc == -EAGAIN || (rc && ++held_back == 64))
			return rc;
		if (peer_state(peer) == PEER_DEAD)
			return 0; /* its last path has failed, and the queue has ended with it */
	}
	return list_empty(&peer->queue) ? 0 : -EBUSY;
}

/* Posts what can be posted to one peer. True: something waits still. False: it may be gone. */
static inline bool pump_one(struct weft *weft, struct weft_peer *peer)
{
	int state;

	if (!list_empty(&peer->outbox))
		peer_flush_outbox(peer);
	if (peer->rest == REST_AGREED && idle_sent(peer))
		return false;
	state = peer_state(peer);
	if (state == PEER_CONNECTED && peer->rest == REST_NONE)
		pump_peer(weft, peer);
	else if (state == PEER_DEAD)
		flight_fail_queue(peer, peer->reason);
	else
		contact_begin(peer, true);
	return !list_empty(&peer->queue) || !list_empty(&peer->outbox);
}

void flight_pump(struct weft *weft)
{
	struct list waiting, *link;
	struct weft_peer *peer;

	list_init(&waiting);
	while ((link = list_pop(&weft->ready))) {
		peer = list_entry(link, struct weft_peer, ready);
		if (pump_one(weft, peer) && list_empty(&peer->ready))
			list_add_tail(&waiting, &peer->ready);
	}
	list_rotate(&waiting); /* who came first may have taken all the room that there was */
	list_splice_tail(&weft->ready, &waiting);
}

void flight_pump_peer(struct weft_peer *peer)
{
	struct weft *weft = peer->weft;
	bool others = !list_empty(&weft->ready), waits = others || pump_one(weft, peer);

	others = !list_empty(&weft->ready);
	if (waits)
		peer_make_ready(peer);
	if (others)
		flight_pump(weft);
}
