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
static uint32_t run_room(const struct weft_peer *peer, const struct rail *rail,
			 const struct transfer *first, uint32_t room)
{
	uint32_t free = rail->depth - rail->in_flight;

	if (peer->way->count > 1 && room > SHARED_OPS)
		room = SHARED_OPS;
	if (room > peer->weft->spare_count)
		room = peer->weft->spare_count;
	if (room > first->follow)
		room = first->follow + 1;
	return room < free ? room : free;
}

static inline void account_posted(struct weft_peer *peer, struct rail *rail, uint32_t n,
				  uint64_t bytes, const struct transfer *first)
{
	rail->in_flight += n;
	rail->queued_bytes += bytes;
	rail->posted += n;
	peer->in_flight += n;
	peer->weft->spare_count -= n;
	first->region->flights += n;
	first->remote->flights += n;
	flight_count(&first->batch->outstanding, (int)n);
	peer->weft->stats.in_flight += n;
	if (peer->bell)
		bell_posted(peer, peer->weft->now_ns);
}

/* The first n of an entry are posted; what is behind them stays where it is. */
static inline void leave_queue(struct transfer *first, uint32_t n)
{
	if (n <= first->follow)
		flight_split(first, n);
	list_drop(&first->link);
	first->queued = QUEUED_NOT;
}

int flight_post_run(struct weft *weft, struct weft_peer *peer, struct transfer *first,
		    uint32_t room)
{
	uint64_t whole = peer->way->whole, bytes = 0, distant, now;
	struct transfer *transfer = first;
	struct flight **spare, *flight;
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
	room = run_room(peer, rail, first, room);
	if (!room)
		return 0;
	whole = peer->way->count > 1 && whole > SHARED_LEN ? SHARED_LEN : whole;
	flight_fill_op(&op, first, rail, 0, first->len, true);
	local = (uint8_t *)op.local - first->offset;
	distant = op.remote - first->remote_offset;
	now = engine_now(weft);
	spare = &weft->spare[weft->spare_count];
	weft->runs++;
	do {
		flight = *--spare;
		op.local = local + transfer->offset;
		op.remote = distant + transfer->remote_offset;
		op.len = transfer->len;
		op.ctx = flight_context(weft, flight, rail);
		rc = rail->ops->post(rail->port, &op);
		if (rc)
			break;
		ASAN_UNPOISON_MEMORY_REGION(flight, sizeof(*flight));
		flight->transfer = transfer;
		flight->rail = rail;
		flight->run = weft->runs;
		flight->posted_ns = now;
		transfer->flight = flight;
		bytes += op.len;
		transfer++;
	} while (++n < room && transfer->len - 1 < whole);
	if (n) {
		leave_queue(first, n);
		account_posted(peer, rail, n, bytes, first);
	}
	if (rc == -EAGAIN)
		weft->stats.provider_busy++;
	/* What failed stays, and the general way meets the failure again. */
	return rc == -EAGAIN ? rc : (int)n;
}

/* --- ends --- */

/* What ends in a row, of one run. */
struct ending {
	struct weft_batch *batch;
	struct weft_remote *remote;
	struct weft_region *region;
	uint64_t run; /* NO_RUN: none */
	uint64_t posted_ns;
	uint64_t bytes;
	uint32_t count;
	uint8_t kind;
};

#define NO_RUN UINT64_MAX

static void count_done(struct weft_stats *stats, const struct ending *ending)
{
	if (ending->kind == OP_WRITE) {
		stats->writes_done += ending->count;
		stats->bytes_written += ending->bytes;
	} else {
		stats->reads_done += ending->count;
		stats->bytes_read += ending->bytes;
	}
}

/* The row is over: what was put off for it. */
static void account_ended(struct weft *weft, struct rail *rail, struct ending *ending)
{
	struct weft_remote *remote = ending->remote;
	struct weft_batch *batch = ending->batch;
	uint32_t n = ending->count;
	struct weft_peer *peer;
	uint64_t now;

	if (ending->run == NO_RUN)
		return;
	ending->run = NO_RUN;
	peer = remote->peer;
	now = engine_now(weft);
	rail->in_flight -= n;
	rail->queued_bytes -= ending->bytes;
	rail->done += n;
	rail->bytes += ending->bytes;
	smallruns_record(&rail->latency, now - ending->posted_ns, n);
	smallruns_record(&peer->latency[ending->kind], now - batch->submitted_ns, n);
	peer->in_flight -= n;
	peer->transfers -= n;
	ending->region->flights -= n;
	remote->flights -= n;
	remote->active -= n;
	count_done(&weft->stats, ending);
	weft->stats.in_flight -= n;
	weft->submitted -= n;
	flight_count(&batch->outstanding, -(int)n);
	batch->left -= n;
	if (batch->left == 0)
		batch_end(batch);
	if (!list_empty(&peer->queue))
		peer_make_ready(peer);
	if (remote->answer_revoke)
		remote_flight_ended(remote);
}

/* Another run, which has its first end here. */
static void begin_ending(struct weft *weft, struct rail *rail, struct ending *ending,
			 const struct flight *flight)
{
	const struct transfer *transfer = flight->transfer;

	account_ended(weft, rail, ending);
	*ending = (struct ending){ .batch = transfer->batch,
				   .remote = transfer->remote,
				   .region = transfer->region,
				   .run = flight->run,
				   .posted_ns = flight->posted_ns,
				   .kind = transfer->kind };
}

/* All of the transfer has ended with it, well: nothing has happened to either since it was posted,
 * or it would not be of a run. */
static inline void end_one(struct weft *weft, struct rail *rail, struct ending *ending,
			   struct flight *flight)
{
	struct transfer *transfer = flight->transfer;

	ending->count++;
	ending->bytes += transfer->len;
	atomic_store_explicit(&transfer->state, WEFT_DONE, memory_order_release);
	flight_reuse(weft, rail, flight);
}

void flight_events(struct weft *weft, struct rail *rail, const struct event *events, int count)
{
	struct ending ending = { .run = NO_RUN };
	struct flight *flight;
	int i;

	for (i = 0; i < count; i++) {
		if (events[i].kind == EVENT_DONE && !events[i].error) {
			flight = rail->limits.late_errors ? flight_of(weft, rail, events[i].ctx)
							  : (void *)events[i].ctx;
			if (!flight)
				continue;
			if (flight->run && flight->run != ending.run)
				begin_ending(weft, rail, &ending, flight);
			if (flight->run) {
				end_one(weft, rail, &ending, flight);
				continue;
			}
		}
		account_ended(weft, rail, &ending);
		flight_event(weft, rail, &events[i]);
	}
	account_ended(weft, rail, &ending);
}
