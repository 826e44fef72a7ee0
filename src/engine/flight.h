/* SPDX-License-Identifier: Apache-2.0 */
/* From queued transfers to operations and back, by file. Comes with engine.h. */
#ifndef WEFT_ENGINE_FLIGHT_H
#define WEFT_ENGINE_FLIGHT_H

#include "engine/engine.h"
#include "transport/context.h"

/*
 * A transfer in its peer's queue. Alike ones of a batch, next to each other there, wait behind the
 * first as one entry, see flight_queue.c. Means nothing before its batch has started, and once it
 * has a flight of a run.
 */
enum queued {
	QUEUED_BEHIND,
	QUEUED_ENTRY,
	QUEUED_NOT,
};

static inline bool transfer_has_ended(const struct transfer *transfer)
{
	return atomic_load_explicit(&transfer->state, memory_order_relaxed) != WEFT_IDLE;
}

/* Of a record that is not in use only run may be touched: by flight_end_peer(). */
#define FLIGHT_REST (offsetof(struct flight, run) + sizeof(uint64_t)) /* what is behind it */

static inline void flight_poison(struct flight *flight)
{
	ASAN_POISON_MEMORY_REGION(flight, offsetof(struct flight, run));
	ASAN_POISON_MEMORY_REGION((char *)flight + FLIGHT_REST, sizeof(*flight) - FLIGHT_REST);
}

/* A record for an operation; NULL when all are in use. It holds what its last use left in it. */
static inline struct flight *flight_take(struct weft *weft)
{
	struct flight *flight;

	if (!weft->spare_count)
		return NULL;
	flight = weft->spare[--weft->spare_count];
	ASAN_UNPOISON_MEMORY_REGION(flight, sizeof(*flight));
	return flight;
}

/* It is not in use any more. */
static inline void flight_give(struct weft *weft, struct flight *flight)
{
	flight_poison(flight);
	weft->spare[weft->spare_count++] = flight;
}

/* --- flight_queue.c --- */
/* Takes a transfer off the queue of what is to be posted, if it is in it. */
void flight_dequeue(struct transfer *transfer);
/* The at-th transfer behind an entry, and what follows it, become an entry after it. */
void flight_split(struct transfer *entry, uint32_t at);
/* The flight of a run, and its transfer, go the general way from here on. */
void flight_leave_run(struct flight *flight);
/* Ends all that waits to be posted to a peer. */
void flight_fail_queue(struct weft_peer *peer, int reason);
/* Ends all transfers to a peer. */
void flight_end_peer(struct weft_peer *peer, int state, int reason);

/* --- flight.c, flight_event.c --- */
static inline bool flight_half_stuck(const struct weft_peer *peer)
{
	return peer->quarantined >= (peer->weft->peer_window + 1) / 2;
}

/* Only the owner writes these counters; others just read. */
static inline void flight_count(_Atomic uint32_t *counter, int by)
{
	uint32_t value = atomic_load_explicit(counter, memory_order_relaxed);

	atomic_store_explicit(counter, value + (uint32_t)by, memory_order_release);
}
/* A piece is posted or has ended: ends the transfer when nothing is left. */
void flight_settle(struct transfer *transfer);
/* Posts what can be posted to the peers that are ready; those with something left stay so. */
void flight_pump(struct weft *weft);
/* The same when one peer has got something to post. */
void flight_pump_peer(struct weft_peer *peer);
/* The peer's process is dead: the provider will not end this flight, and nothing touches its memory
 * any more. Its slot on the rail stays taken. */
void flight_lose(struct weft *weft, struct flight *flight);
/* The same, and the provider will not mention it any more. */
void flight_forget(struct weft *weft, struct flight *flight);
/* The port of its rail is closed, after it broke: it has ended, and goes another way if it can. */
void flight_cut(struct weft *weft, struct flight *flight);
/* Gives back records that nothing can be reported of any more. */
void flight_reclaim(struct weft *weft, uint64_t now_ns);
/* Why a transfer must not be posted (any more); 0: it may. */
static inline int flight_guard(const struct transfer *transfer)
{
	if (atomic_load_explicit(&transfer->region->closing, memory_order_relaxed))
		return -WEFT_EREVOKED;
	return atomic_load_explicit(&transfer->remote->status, memory_order_relaxed);
}
/* The peer's rail at the other end of path i. */
static inline uint32_t flight_far_rail(const struct weft_remote *remote, uint32_t i)
{
	uint32_t far = remote->peer->paths[i].far;

	return far < remote->rail_count ? far : far % remote->rail_count;
}
/* enum op_flags of an operation. flags: the transfer's; last: nothing of that comes after it. */
static inline uint8_t flight_op_flags(const struct weft_peer *peer, uint32_t flags, uint64_t len,
				      bool last)
{
	uint8_t ret = 0;

	if (peer->direct)
		return OP_DIRECT;
	if (last && flags & WEFT_WITH_IMM)
		ret = OP_IMM;
	/* Of no bytes none are placed; shm never ends a delivery-complete write of 0 with
	 * immediate. */
	if ((!(flags & WEFT_SOURCE_ONLY) && len) || (flags & WEFT_WITH_IMM && !last))
		ret |= OP_PLACED;
	return ret;
}
/* Of a transfer's byte at, from the first that is registered on. */
static inline uint64_t flight_pinned_offset(const struct transfer *transfer, uint64_t at)
{
	const struct weft_region *region = transfer->region;

	return (uintptr_t)region->base - region->pinned->first + transfer->offset + at;
}

/* --- flight_plan.c --- */
/* Settles transfer->piece, and whether it is copied. */
void flight_plan(struct transfer *transfer);
/* How much of len bytes from at on one operation takes, which crosses no border of parts. */
uint64_t flight_cut_parts(const struct transfer *transfer, uint64_t at, uint64_t len);
/* The same for what the rail takes to that peer now. */
uint64_t flight_cut_rail(const struct weft_peer *peer, const struct rail *rail, int kind,
			 uint64_t len);

/* --- flight.c --- */
/* The rail for a piece of this length; NULL: none has room. near: of the engine's rails, those near
 * the local memory; of rails that are about equal one of them is taken. */
struct rail *flight_pick_rail(const struct weft_peer *peer, uint64_t piece, uint32_t near);
/* All of the operation but its context; of a copied transfer stage_fill() gives the local side. */
void flight_fill_op(struct op *op, const struct transfer *transfer, const struct rail *rail,
		    uint64_t at, uint64_t len, bool last);
/*
 * libfabric's efa can report that an operation is done, by its target's answer, and after that that
 * it has failed, when the target's device dies before it acknowledges. By then the record may
 * belong to another peer's operation. So each use of a record has a context of its own.
 */
static inline void *flight_number(const struct weft *weft, const struct flight *flight)
{
	uint32_t index = pool_index(&weft->flights, flight);

	return context_number(CONTEXT_OPERATION, weft->turns[index], index);
}
/* What the provider hands back with the end of this operation. */
static inline void *flight_context(const struct weft *weft, struct flight *flight,
				   const struct rail *rail)
{
	return rail->limits.late_errors ? flight_number(weft, flight) : flight;
}
/* The record that an event's number is about, or NULL: it is about an earlier use of it. */
static inline struct flight *flight_numbered(const struct weft *weft, const void *number)
{
	struct flight *flight = pool_at(&weft->flights, context_index(number));

	return flight && flight_number(weft, flight) == number ? flight : NULL;
}
/* The flight that an event is about, or NULL: it is about an earlier use of its record. */
static inline struct flight *flight_of(const struct weft *weft, const struct rail *rail, void *ctx)
{
	return rail->limits.late_errors ? flight_numbered(weft, ctx) : ctx;
}
/* Whether the record of an operation that failed rests before it is used again, since it may be
 * reported again and a number does not tell which use is meant. */
static inline bool flight_rests(const struct rail *rail)
{
	return rail->provider->errors_repeat && !rail->limits.late_errors;
}
/* What is reported of the use that ends now will mean nothing. */
static inline void flight_next_turn(struct weft *weft, const struct flight *flight)
{
	weft->turns[pool_index(&weft->flights, flight)]++;
}
/* Its operation has ended, and nothing more will be reported of it. */
static inline void flight_reuse(struct weft *weft, const struct rail *rail, struct flight *flight)
{
	if (rail->limits.late_errors)
		flight_next_turn(weft, flight);
	flight_give(weft, flight);
}
void flight_event(struct weft *weft, struct rail *rail, const struct event *event);
void transfer_end(struct transfer *transfer, int state, int error, int provider_error);
void peer_make_ready(struct weft_peer *peer);

/* --- flight_run.c --- */
/* Posts a run of a peer's queue from here on, at most room. How many it posted; 0: the first is to
 * go the general way; -EAGAIN: no room. */
int flight_post_run(struct weft *weft, struct weft_peer *peer, struct transfer *first,
		    uint32_t room);
/* What a poll has brought. */
void flight_events(struct weft *weft, struct rail *rail, const struct event *events, int count);

#endif /* WEFT_ENGINE_FLIGHT_H */
