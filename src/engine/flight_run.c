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
#include "base/likely.h"
#include "engine/count.h"
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

/* How long the run may be, given the peer's room. All of an entry are of one piece: batch_add.c. */
static uint32_t run_room(const struct weft_peer *peer, const struct rail *rail,
			 const struct transfer *first, uint32_t room)
{
	uint32_t free = rail->depth - rail->in_flight;

	if (room > first->follow)
		room = first->follow + 1;
	if (room > peer->weft->spare_count)
		room = peer->weft->spare_count;
	if (room > free)
		room = free;
	return peer->way->count > 1 && room > SHARED_OPS ? SHARED_OPS : room;
}

/* How many of those are posted one by one before the rail is chosen anew. */
static uint32_t single_room(const struct weft_peer *peer, const struct transfer *first,
			    uint32_t room)
{
	uint32_t n;

	if (peer->way->count == 1)
		return room;
	for (n = 1; n < room && first[n].len <= SHARED_LEN; n++)
		;
	return n;
}

/* How many of those the rail takes as one operation. Where rails share the work it is no longer
 * than what one of them would get of a large transfer. */
static uint32_t joint_room(const struct weft_peer *peer, const struct rail *rail,
			   const struct transfer *first, uint32_t room)
{
	uint64_t most = peer->way->count > 1 ? PLAN_JOINT_SHARED : PLAN_JOINT_MAX, bytes = 0;
	uint32_t n;

	if (most > rail->limits.max_message)
		most = rail->limits.max_message;
	if (room > rail->limits.segments)
		room = rail->limits.segments;
	for (n = 0; n < room && (bytes += first[n].len) <= most; n++)
		;
	return n;
}

/* What the operations of a run have in common. */
struct posting {
	struct op op;     /* the one that is posted next */
	uint8_t *local;   /* where the local region begins, */
	uint64_t distant; /* and the remote one */
	uint64_t run;
	uint64_t posted_ns;
	uint64_t bytes; /* posted so far */
	int rc;         /* of the last post */
	struct port *port;
	int (*post)(struct port *port, const struct op *op);
};

static inline void fill_posting(struct posting *posting, const struct transfer *first,
				const struct weft_peer *peer, const struct rail *rail)
{
	const struct weft_remote *remote = first->remote;
	const struct weft_region *region = first->region;
	uint32_t i = rail->index - peer->way->first, far = flight_far_rail(remote, i);

	posting->op.kind = first->kind;
	posting->op.flags = flight_op_flags(peer, first->flags, first->len, true);
	posting->op.imm = 0;
	posting->op.desc = pin_part(region->pinned, rail->index, 0)->desc;
	posting->op.dest = peer->paths[i].dest;
	posting->op.key = remote->keys[far];
	posting->local = region->base;
	posting->distant = remote->bases[far];
	posting->bytes = 0;
	posting->port = rail->port;
	posting->post = rail->ops->post;
}

static inline void is_posted(struct flight *flight, struct transfer *transfer, struct rail *rail,
			     const struct posting *posting)
{
	ASAN_UNPOISON_MEMORY_REGION(flight, sizeof(*flight));
	flight->transfer = transfer;
	flight->rail = rail;
	flight->run = posting->run;
	flight->posted_ns = posting->posted_ns;
	transfer->flight = flight;
}

/* Posts up to n, at least 1, from here on; how many it could. late: contexts are numbers. */
static inline uint32_t post_some(struct weft *weft, struct rail *rail, struct posting *posting,
				 struct transfer *transfer, uint32_t n, bool late)
{
	struct flight **const top = &weft->spare[weft->spare_count];
	const struct transfer *const end = transfer + n;
	struct flight **spare = top, *flight;
	int rc;

	do {
		flight = spare[-1];
		posting->op.local = posting->local + transfer->offset;
		posting->op.remote = posting->distant + transfer->remote_offset;
		posting->op.len = transfer->len;
		posting->op.ctx = late ? flight_number(weft, flight) : &flight->ctx;
		posting->bytes += transfer->len;
		rc = posting->post(posting->port, &posting->op);
		if (unlikely(rc))
			break;
		is_posted(flight, transfer, rail, posting);
		spare--;
		transfer++;
	} while (transfer != end);
	if (unlikely(rc))
		posting->bytes -= transfer->len;
	posting->rc = rc;
	return (uint32_t)(top - spare);
}

/* Apart, so that what each turn needs finds room in registers. */
static __attribute__((noinline)) uint32_t post_alike(struct weft *weft, struct rail *rail,
						     struct posting *posting,
						     struct transfer *first, uint32_t n)
{
	return post_some(weft, rail, posting, first, n, false);
}

static __attribute__((noinline)) uint32_t post_numbered(struct weft *weft, struct rail *rail,
							struct posting *posting,
							struct transfer *first, uint32_t n)
{
	return post_some(weft, rail, posting, first, n, true);
}

/* Posts n, at least 2, as one operation; they end together. How many: all or none. */
static uint32_t post_joint(struct weft *weft, struct rail *rail, struct posting *posting,
			   struct transfer *first, uint32_t n)
{
	struct flight **const top = &weft->spare[weft->spare_count];
	struct segment segments[PORT_SEGMENTS_MAX];
	uint32_t i = 0;

	do
		segments[i] = (struct segment){
			.local = posting->local + first[i].offset,
			.len = first[i].len,
			.remote = posting->distant + first[i].remote_offset,
			.ctx = flight_context(weft, top[-1 - (int)i], rail),
		};
	while (++i < n);
	posting->rc = rail->ops->post_all(rail->port, &posting->op, segments, n);
	if (posting->rc)
		return 0;
	for (i = 0; i < n; i++) {
		is_posted(top[-1 - (int)i], &first[i], rail, posting);
		posting->bytes += first[i].len;
	}
	return n;
}

/* Posts what of the run goes at once, at most room; how many. */
static uint32_t post_part(struct weft *weft, struct weft_peer *peer, struct rail *rail,
			  struct posting *posting, struct transfer *first, uint32_t room)
{
	uint32_t n, joint = 0;

	if (rail->limits.segments > 1) {
		joint = joint_room(peer, rail, first, room);
		n = joint > 1 ? post_joint(weft, rail, posting, first, joint) : 0;
		if (n || (joint > 1 && posting->rc == -EAGAIN))
			return n;
		room = 1; /* the next may be joined again */
	}
	room = single_room(peer, first, room);
	return rail->limits.late_errors ? post_numbered(weft, rail, posting, first, room)
					: post_alike(weft, rail, posting, first, room);
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
	if (peer->bell_operations)
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
	struct posting posting;
	struct rail *rail;
	uint32_t n;

	if (!is_plain(first, peer->way->whole) || flight_guard(first) || !is_usual(first))
		return 0;
	rail = choose_rail(peer, first);
	if (!rail)
		return 0;
	room = run_room(peer, rail, first, room);
	if (!room)
		return 0;
	fill_posting(&posting, first, peer, rail);
	posting.run = ++weft->runs;
	posting.posted_ns = engine_now(weft);
	n = post_part(weft, peer, rail, &posting, first, room);
	if (n) {
		leave_queue(first, n);
		account_posted(peer, rail, n, posting.bytes, first);
	}
	/* What failed stays, and the general way meets the failure again. */
	if (posting.rc != -EAGAIN)
		return (int)n;
	weft->stats.provider_busy++;
	return -EAGAIN;
}

/* --- ends --- */

/* Operations of a run that end one after another. */
struct ending {
	struct weft_batch *batch;
	struct weft_remote *remote;
	struct weft_region *region;
	uint64_t run, posted_ns;
	uint32_t count;
	uint8_t kind;
};

/* What was put off until they all have ended. */
static inline void account_ended(struct weft *weft, struct rail *rail, const struct ending *ending,
				 uint64_t bytes)
{
	struct weft_remote *remote = ending->remote;
	struct weft_batch *batch = ending->batch;
	struct weft_peer *peer = remote->peer;
	uint64_t now = engine_now(weft);
	uint32_t n = ending->count;

	rail->in_flight -= n;
	rail->queued_bytes -= bytes;
	rail->done += n;
	rail->bytes += bytes;
	smallruns_record(&rail->latency, now - ending->posted_ns, n);
	smallruns_record(&peer->latency[ending->kind], now - batch->submitted_ns, n);
	peer->in_flight -= n;
	peer->transfers -= n;
	ending->region->flights -= n;
	remote->flights -= n;
	remote->active -= n;
	count_done(peer, ending->kind, n, bytes);
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

/*
 * The operations of a run end, from an event on: how many did so in a row. All of a transfer ends
 * with its one, and well: nothing has happened to either since it was posted, or the operation
 * would not be of the run any more.
 */
static inline uint32_t end_some(struct weft *weft, uint64_t run, const struct event *event,
				const struct event *end, bool late, uint64_t *ret_bytes)
{
	struct flight **const top = &weft->spare[weft->spare_count], **spare = top, *flight;
	struct transfer *transfer;
	uint64_t bytes = 0;

	do {
		if (unlikely(event->kind != EVENT_DONE || event->error))
			break;
		flight = late ? flight_numbered(weft, event->ctx) : (void *)event->ctx;
		if ((late && !flight) || flight->run != run)
			break;
		if (late)
			flight_next_turn(weft, flight);
		transfer = flight->transfer;
		bytes += transfer->len;
		atomic_store_explicit(&transfer->state, WEFT_DONE, memory_order_release);
		flight_poison(flight);
		*spare++ = flight;
	} while (++event != end);
	weft->spare_count += (uint32_t)(spare - top);
	*ret_bytes = bytes;
	return (uint32_t)(spare - top);
}

static __attribute__((noinline)) uint32_t end_alike(struct weft *weft, uint64_t run,
						    const struct event *event,
						    const struct event *end, uint64_t *ret_bytes)
{
	return end_some(weft, run, event, end, false, ret_bytes);
}

static __attribute__((noinline)) uint32_t end_numbered(struct weft *weft, uint64_t run,
						       const struct event *event,
						       const struct event *end, uint64_t *ret_bytes)
{
	return end_some(weft, run, event, end, true, ret_bytes);
}

/* Whether operations of a run end from an event on; which one is set then. */
static inline bool ends_run(struct weft *weft, const struct rail *rail, const struct event *event,
			    struct ending *ending)
{
	const struct transfer *transfer;
	const struct flight *flight;

	if (event->kind != EVENT_DONE || event->error)
		return false;
	flight = flight_of(weft, rail, event->ctx);
	if (!flight || !flight->run)
		return false;
	transfer = flight->transfer;
	ending->batch = transfer->batch;
	ending->remote = transfer->remote;
	ending->region = transfer->region;
	ending->kind = transfer->kind;
	ending->run = flight->run;
	ending->posted_ns = flight->posted_ns;
	return true;
}

void flight_events(struct weft *weft, struct rail *rail, const struct event *events, int count)
{
	const struct event *const end = events + count;
	const bool late = rail->limits.late_errors;
	struct ending ending;
	uint64_t bytes;

	while (events != end) {
		if (ends_run(weft, rail, events, &ending)) {
			ending.count = late ? end_numbered(weft, ending.run, events, end, &bytes)
					    : end_alike(weft, ending.run, events, end, &bytes);
			events += ending.count;
			account_ended(weft, rail, &ending, bytes);
		} else {
			flight_event(weft, rail, events++);
		}
	}
}
