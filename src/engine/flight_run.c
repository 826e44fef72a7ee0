/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The short way of most operations. They come in runs: transfers of one batch between the same two
 * regions, each of one piece, are posted one after another and end one after another. What holds
 * for all of a run is checked, found out and counted once.
 *
 * R1: between the first and the last operation of a run no other part of the engine does anything:
 *     no callback, timer, message or failure. So what was checked before the first post holds for
 *     all, and nobody sees the counters before they are right again.
 * R2: whatever is not as usual ends the run, and goes the general way (flight.c, flight_event.c).
 */
#include <errno.h>

#include "base/clock.h"
#include "engine/engine.h"
#include "engine/plan.h"

/* Where rails share the work, a run is short, so that all of them get some of a window, and only
 * its first operation may be longer than this. */
#define SHARED_OPS 8u
#define SHARED_LEN 512u

/* --- posting --- */

/* One piece, not begun, without immediate. */
static inline bool is_plain(const struct transfer *transfer, uint64_t whole)
{
	return !(transfer->posted | (uintptr_t)transfer->again) &&
	       !(transfer->flags & WEFT_WITH_IMM) && transfer->len - 1 < whole;
}

static inline bool is_alike(const struct transfer *a, const struct transfer *b)
{
	return a->remote == b->remote && a->region == b->region && a->batch == b->batch &&
	       a->kind == b->kind && a->flags == b->flags;
}

/* Host memory, and one registration on either side. */
static bool is_usual(const struct transfer *transfer)
{
	const struct weft_region *region = transfer->region;

	return !region->gpu && region->pinned->parts == 1 && transfer->remote->parts == 1;
}

static struct rail *choose_rail(const struct weft_peer *peer, const struct transfer *first)
{
	struct rail *only;

	if (peer->way->count > 1)
		return flight_pick_rail(peer, first->len, first->region->near);
	only = way_rail(peer->weft, peer->way, 0);
	return only->in_flight < only->depth && path_usable(peer, 0) ? only : NULL;
}

/* How long the run may be, given the peer's room. */
static uint32_t run_room(const struct weft_peer *peer, const struct rail *rail, uint32_t room)
{
	uint32_t free = rail->depth - rail->in_flight;

	if (peer->way->count > 1 && room > SHARED_OPS)
		room = SHARED_OPS;
	return room < free ? room : free;
}

static inline void is_posted(struct transfer *transfer, struct flight *flight, struct rail *rail,
			     struct weft_peer *peer, uint64_t now_ns)
{
	flight->transfer = transfer;
	flight->rail = rail;
	flight->at = 0;
	flight->len = transfer->len;
	flight->imm = flight->detached = flight->spent = false;
	flight->stage = NULL;
	flight->posted_ns = now_ns;
	list_add_tail(&peer->flights, &flight->link);
	transfer->piece = transfer->posted = transfer->len;
	transfer->queued = false;
	atomic_store_explicit(&transfer->outstanding, 1, memory_order_relaxed);
}

static inline void account_posted(struct weft_peer *peer, struct rail *rail, uint32_t n,
				  uint64_t bytes, const struct transfer *first)
{
	rail->in_flight += n;
	rail->queued_bytes += bytes;
	rail->posted += n;
	peer->in_flight += n;
	first->region->flights += n;
	first->remote->flights += n;
	flight_count(&first->batch->outstanding, (int)n);
	peer->weft->stats.in_flight += n;
	if (peer->bell)
		bell_posted(peer, peer->weft->now_ns);
}

/* What of a run the rail takes as one operation. Where rails share the work it is no longer than
 * what one of them would get of a large transfer. */
static uint32_t joint_of(const struct weft_peer *peer, const struct rail *rail,
			 struct transfer *first, uint32_t room, struct transfer **members)
{
	uint64_t whole = peer->way->whole,
		 most = peer->way->count > 1 ? PLAN_JOINT_SHARED : PLAN_JOINT_MAX;
	struct transfer *transfer = first;
	struct list *link = &first->link;
	uint64_t bytes = 0;
	uint32_t n = 0;

	if (most > rail->limits.max_message)
		most = rail->limits.max_message;
	if (room > rail->limits.segments)
		room = rail->limits.segments;
	while (n < room && link != &peer->queue && is_alike(transfer, first) &&
	       is_plain(transfer, whole) && (bytes += transfer->len) <= most) {
		members[n++] = transfer;
		link = link->next;
		transfer = list_entry(link, struct transfer, link);
	}
	return n;
}

/* Posts several pieces as one operation, which end together. How many; 0: the first is to be posted
 * alone; -EAGAIN: no room. */
static int post_joint(struct weft *weft, struct weft_peer *peer, struct rail *rail,
		      struct transfer *first, struct op *op, uint32_t room)
{
	uint64_t distant = op->remote - first->remote_offset, bytes = 0;
	uint8_t *local = (uint8_t *)op->local - first->offset;
	struct transfer *members[PORT_SEGMENTS_MAX];
	struct segment segments[PORT_SEGMENTS_MAX];
	struct flight *flights[PORT_SEGMENTS_MAX];
	uint32_t n = joint_of(peer, rail, first, room, members), taken, i;
	uint64_t now = engine_now(weft);
	int rc = -EOPNOTSUPP;

	for (taken = 0; taken < n && (flights[taken] = pool_get(&weft->flights)); taken++) {
		const struct transfer *transfer = members[taken];

		segments[taken] = (struct segment){
			.local = local + transfer->offset,
			.len = transfer->len,
			.remote = distant + transfer->remote_offset,
			.ctx = flight_context(weft, flights[taken], rail),
		};
	}
	if (taken > 1)
		rc = rail->ops->post_all(rail->port, op, segments, taken);
	for (i = 0; i < taken; i++) {
		if (rc) {
			pool_put(&weft->flights, flights[i]);
			continue;
		}
		list_del(&members[i]->link);
		is_posted(members[i], flights[i], rail, peer, now);
		bytes += members[i]->len;
	}
	if (!rc)
		account_posted(peer, rail, taken, bytes, first);
	if (rc == -EAGAIN)
		weft->stats.provider_busy++;
	return !rc ? (int)taken : rc == -EAGAIN ? rc : 0;
}

int flight_post_run(struct weft *weft, struct weft_peer *peer, struct transfer *first,
		    uint32_t room)
{
	struct list *before = first->link.prev, *link = &first->link;
	uint64_t whole = peer->way->whole, bytes = 0, distant, now;
	struct transfer *transfer = first;
	struct flight *flight;
	uint32_t n = 0;
	struct rail *rail;
	uint8_t *local;
	struct op op;
	int rc = 0;

	if (!is_plain(first, whole) || flight_guard(first) || !is_usual(first))
		return 0;
	rail = choose_rail(peer, first);
	if (!rail)
		return 0;
	room = run_room(peer, rail, room);
	whole = peer->way->count > 1 && whole > SHARED_LEN ? SHARED_LEN : whole;
	flight_fill_op(&op, first, rail, 0, first->len, true);
	if (rail->limits.segments > 1) {
		rc = post_joint(weft, peer, rail, first, &op, room);
		if (rc)
			return rc;
		room = 1; /* the next may be joined again */
	}
	local = (uint8_t *)op.local - first->offset;
	distant = op.remote - first->remote_offset;
	now = engine_now(weft);
	do {
		flight = pool_get(&weft->flights);
		if (!flight)
			break;
		op.local = local + transfer->offset;
		op.remote = distant + transfer->remote_offset;
		op.len = transfer->len;
		op.ctx = flight_context(weft, flight, rail);
		rc = rail->ops->post(rail->port, &op);
		if (rc) {
			pool_put(&weft->flights, flight);
			break;
		}
		is_posted(transfer, flight, rail, peer, now);
		bytes += transfer->len;
		link = link->next;
		transfer = list_entry(link, struct transfer, link);
	} while (++n < room && link != &peer->queue && is_alike(transfer, first) &&
		 is_plain(transfer, whole));
	/* What is posted leaves the queue together; queued says so of each. What failed stays, and
	 * the general way meets the failure again. */
	before->next = link;
	link->prev = before;
	if (n)
		account_posted(peer, rail, n, bytes, first);
	if (rc == -EAGAIN)
		weft->stats.provider_busy++;
	return rc == -EAGAIN ? rc : (int)n;
}

/* --- ends --- */

struct ending {
	struct weft_batch *batch;
	struct weft_remote *remote;
	uint64_t posted_ns;
	uint8_t kind;
	uint32_t count;
	uint64_t bytes;
};

static void count_done(struct weft_stats *stats, const struct ending *run)
{
	if (run->kind == OP_WRITE) {
		stats->writes_done += run->count;
		stats->bytes_written += run->bytes;
	} else {
		stats->reads_done += run->count;
		stats->bytes_read += run->bytes;
	}
}

/* The run is over: what was put off for it. */
static void account_ended(struct weft *weft, struct rail *rail, struct ending *run)
{
	struct weft_remote *remote = run->remote;
	struct weft_batch *batch = run->batch;
	struct weft_peer *peer = remote->peer;
	uint64_t now = engine_now(weft);
	uint32_t n = run->count;

	rail->in_flight -= n;
	rail->queued_bytes -= run->bytes;
	rail->done += n;
	rail->bytes += run->bytes;
	smallruns_record(&rail->latency, now - run->posted_ns, n);
	smallruns_record(&peer->latency[run->kind], now - batch->submitted_ns, n);
	peer->in_flight -= n;
	peer->transfers -= n;
	remote->flights -= n;
	remote->active -= n;
	count_done(&weft->stats, run);
	weft->stats.in_flight -= n;
	weft->submitted -= n;
	run->count = 0;
	run->bytes = 0;
	flight_count(&batch->outstanding, -(int)n);
	batch->left -= n;
	if (batch->left == 0)
		batch_end(batch);
	if (!list_empty(&peer->queue))
		peer_make_ready(peer);
	if (remote->answer_revoke)
		remote_flight_ended(remote);
}

/* The only operation of a transfer that nothing has happened to, and all of it. Not where an
 * immediate may still have to be sent, or a copy is to follow. One condition, since all hold nearly
 * always. */
static inline bool ends_well(const struct flight *flight)
{
	const struct transfer *transfer = flight->transfer;

	return transfer &&
	       !(transfer->ended | transfer->queued | (transfer->flags & WEFT_WITH_IMM) |
		 transfer->copied | transfer->error | (transfer->len ^ flight->len) |
		 (atomic_load_explicit(&transfer->outstanding, memory_order_relaxed) ^ 1));
}

static inline bool joins(const struct ending *run, const struct transfer *transfer,
			 const struct flight *flight)
{
	return transfer->batch == run->batch && transfer->remote == run->remote &&
	       transfer->kind == run->kind && flight->posted_ns == run->posted_ns;
}

static inline void end_one(struct weft *weft, struct rail *rail, struct ending *run,
			   struct flight *flight)
{
	struct transfer *transfer = flight->transfer;

	if (!joins(run, transfer, flight)) {
		if (run->count)
			account_ended(weft, rail, run);
		run->batch = transfer->batch;
		run->remote = transfer->remote;
		run->kind = transfer->kind;
		run->posted_ns = flight->posted_ns;
	}
	run->count++;
	run->bytes += flight->len;
	list_drop(&flight->link);
	transfer->region->flights--;
	transfer->ended = true;
	atomic_store_explicit(&transfer->outstanding, 0, memory_order_relaxed);
	atomic_store_explicit(&transfer->state, WEFT_DONE, memory_order_release);
	flight_reuse(weft, rail, flight);
}

void flight_events(struct weft *weft, struct rail *rail, const struct event *events, int count)
{
	struct ending run = { 0 };
	struct flight *flight;
	int i;

	for (i = 0; i < count; i++) {
		if (events[i].kind == EVENT_DONE && !events[i].error) {
			flight = rail->limits.late_errors ? flight_of(weft, rail, events[i].ctx)
							  : (void *)events[i].ctx;
			if (flight && ends_well(flight)) {
				end_one(weft, rail, &run, flight);
				continue;
			}
		}
		if (run.count)
			account_ended(weft, rail, &run);
		flight_event(weft, rail, &events[i]);
	}
	if (run.count)
		account_ended(weft, rail, &run);
}
