/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The engine's objects. All of them belong to the owner: the engine's thread in thread mode, the
 * caller in manual mode. Other threads reach the owner through engine_run() and the submit ring;
 * what they may read besides is marked atomic.
 */
#ifndef WEFT_ENGINE_ENGINE_H
#define WEFT_ENGINE_ENGINE_H

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/socket.h>

#include <weft/weft.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/list.h"
#include "base/map.h"
#include "base/pool.h"
#include "base/ring.h"
#include "base/smallhist.h"
#include "engine/doubt.h"
#include "engine/errors.h"
#include "engine/farewell.h"
#include "engine/pin.h"
#include "engine/rail.h"
#include "engine/sequence.h"
#include "engine/wire.h"
#include "transport/transport.h"

#define ENGINE_RAILS_MAX     WIRE_RAILS_MAX
#define ENGINE_CALLS         1024u  /* calls and submits on their way to the owner */
#define ENGINE_RECEIVE_QUEUE 16384u /* messages that wait for weft_receive() */
#define PEER_SENDS_MAX       64u    /* messages to one peer that are not sent yet */
#define PEER_OUTBOX_MAX      65536u /* control messages that wait for room */
#define ARRIVAL_SLOTS_MAX    65536u
#define ARRIVAL_GENERATIONS  4096u

/* One posted operation. ctx first: events lead back to it. While it belongs to a run (flight_run.c)
 * only the first five are set; flight_leave_run() sets the others. */
struct flight {
	struct op_ctx ctx;
	struct transfer *transfer;
	struct rail *rail;
	uint64_t run; /* which; 0: it goes the general way */
	uint64_t posted_ns;
	uint64_t at, len;    /* of its piece within the transfer */
	bool imm;            /* carries the immediate */
	bool detached;       /* its transfer has ended: quarantined */
	bool spent;          /* has ended; what is still reported of it means nothing */
	struct stage *stage; /* of a staged transfer: the memory it uses */
	uint64_t spent_ns;
	struct list link; /* in peer->flights, or in rail->spent */
};

/* A piece whose operation failed with its path and is to be posted again. */
struct again {
	struct again *next;
	uint64_t at, len;
};

/*
 * Life of a transfer:  IDLE -submit-> ACTIVE (queued, then posted in pieces)
 *   -> DONE                     all pieces posted and ended well
 *   -> FAILED                   a piece failed, and every posted piece has ended
 *   -> CANCELLED, DEADLINE, FAILED by peer_fail(): at once; pieces in flight are detached
 * Invariant T1: outstanding counts the flights that point at it, but for one of a run, which flight
 * points back at; its batch lives while any does.
 */
struct transfer {
	struct list link; /* in peer->queue: of an entry, see enum queued */
	struct weft_batch *batch;
	struct weft_region *region;
	struct weft_remote *remote;
	uint64_t offset, remote_offset, len;
	/* From here on all is 0 when it is added, but imm, kind and flags. */
	struct flight *flight;  /* of a run, all of it: until its end, or flight_leave_run() */
	uint64_t posted, piece; /* bytes; not set while it has that */
	struct again *again;    /* pieces to post once more, before the rest */
	struct stage *stages;
	uint64_t staged; /* bytes that have, or had, a stage */
	_Atomic uint32_t outstanding;
	_Atomic int state; /* enum weft_state: WEFT_IDLE until it has its final state */
	uint32_t imm;
	uint32_t follow; /* of an entry: transfers behind it */
	int error, provider_error;
	uint16_t moves; /* how many pieces were posted once more */
	bool copied;    /* goes through stages: stage.h */
	bool waited;    /* for one */
	uint8_t queued; /* enum queued */
	uint8_t kind, flags;
};

#define TRANSFER_LIFE offsetof(struct transfer, flight) /* where that begins */

struct weft_region {
	struct weft *weft;
	uint8_t *base;
	size_t len;
	_Atomic uint64_t open; /* bytes that transfers may use: len, or 0 when it is closing */
	uint32_t access;
	uint32_t slot, generation;
	uint32_t flights; /* operations that use it */
	uint32_t holders; /* peers that imported it */
	_Atomic bool closing;
	struct list holdings; /* struct holding by region_link */
	uint64_t haunted_ns;  /* until when packets of peers that are gone may come; 0: never */
	uint64_t ask_ns, ask_pause_ns; /* closing: when its holders are asked again */
	struct pinned *pinned;
	struct gpu_region *gpu; /* memory of a GPU; NULL: of the host */
	uint32_t near;          /* bit i: weft->rails[i] is in the node of its first page */
};

/* A peer's use of one of our regions. */
struct holding {
	struct list region_link, peer_link;
	struct weft_region *region;
	struct weft_peer *peer;
	uint32_t count; /* imports not released */
};

struct weft_remote {
	struct weft *weft;
	struct weft_peer *peer;
	struct list link; /* in peer->remotes */
	struct list same; /* a ring of those of one region of a peer */
	uint32_t region, generation, access;
	uint64_t length;
	uint32_t flights, active; /* operations posted; transfers not ended */
	_Atomic int status;       /* 0 usable, -EINPROGRESS, or why not */
	_Atomic uint64_t open;    /* length when it is usable, else 0 */
	bool asked, answer_revoke;
	uint32_t rail_count;
	uint32_t parts;
	uint8_t shift;    /* of the parts: plan.h */
	uint64_t *keys;   /* behind the bases: parts of the peer's first rail, then of the next */
	uint64_t bases[]; /* per rail of the peer: 0, or the memory's address */
};

static inline void remote_set_status(struct weft_remote *remote, int status)
{
	atomic_store_explicit(&remote->open, status ? 0 : remote->length, memory_order_relaxed);
	atomic_store_explicit(&remote->status, status, memory_order_release);
}

struct outgoing {
	struct list link;
	uint16_t len;
	uint8_t type, kind;
	uint32_t number;
	uint8_t payload[];
};

/*
 * CONNECTING -WELCOME or HELLO-> CONNECTED -> DEAD (reason set). DEAD stays until the last remote,
 * flight and transfer let it go (refs 0).
 */
enum peer_state {
	PEER_CONNECTING,
	PEER_CONNECTED,
	PEER_DEAD,
	PEER_ASLEEP, /* was CONNECTED, is let go: see idle.c; CONNECTING again when it is needed */
};

/* Of a connected peer: how far both sides are with letting go of each other. */
enum peer_rest {
	REST_NONE,
	REST_ASKED,  /* we said REST */
	REST_AGREED, /* asleep once our last message has left */
};

/* A pair of rails, see path.c. */
struct path {
	uint64_t dest; /* the port's */
	bool has_dest;
	bool down;    /* nothing is posted to it; probe_ns says when it is asked again: never, where
		       * it has no dest */
	bool probing; /* a PING is under way */
	bool refused; /* it is down, and its last PING failed */
	bool heard;   /* an operation was done there, so the ports know what the other can do */
	uint8_t far;  /* the peer's rail at the other end */
	uint8_t turn; /* how often that has changed: path_turn() */
	int reason;
	uint64_t turned_ns;
	uint64_t probe_ns, pause_ns;
	uint64_t failures;
};

struct weft_peer {
	struct weft *weft;
	struct list link;    /* in weft->peers, weft->asleep or weft->dead_peers */
	struct list ready;   /* in weft->ready while something can be posted */
	struct list queue;   /* transfers with something left to post: entries */
	struct list flights; /* but for those of runs */
	struct list remotes;
	struct list holdings;
	struct list outbox; /* struct outgoing */
	uint32_t outbox_count;
	uint8_t *part; /* of a message in parts, WEFT_NOTIFY_MAX; NULL at first */
	uint32_t part_len;
	uint8_t id[WIRE_ID_BYTES];
	uint64_t host;
	uint32_t pid;
	int pid_fd;                         /* of a process on this host; -1 */
	bool stillborn;                     /* its process was dead when we first heard of it */
	struct sockaddr_storage probe_addr; /* see peer_probe.c */
	socklen_t probe_len;                /* 0: nothing to probe */
	int probe_fd;
	bool fetches;         /* its devices do READs: see port_limits.fetch_max */
	bool direct;          /* operations are copied inside the post: OP_DIRECT */
	bool bell;            /* may sleep where the provider cannot wake it */
	bool bell_operations; /* and has a part in operations: they ring, too, not only messages */
	uint64_t last_post_ns;
	const struct way *way;
	uint32_t number; /* its first slot: no other peer has or will have it */
	uint32_t slot;
	uint64_t token; /* what it must show */
	uint32_t remote_slot;
	uint64_t remote_token; /* what we show */
	uint32_t newest_slot;  /* that it has shown, awake or before; WIRE_NO_SLOT: none */
	_Atomic int state;
	int reason;
	bool gone_told, user_gone, by_user;
	bool closed; /* it said BYE, or we did */
	uint64_t connect_deadline_ns;
	uint64_t hello_ns; /* to say HELLO, first or again; UINT64_MAX: never. See contact.c */
	uint64_t said_ns;  /* when it was said first */
	uint32_t hellos;
	uint32_t in_flight, quarantined, sends, transfers;
	uint32_t stages;  /* chunks of staging memory that its transfers have */
	uint64_t lose_ns; /* when its operations are taken for ended; 0: they end themselves */
	bool lost;        /* that has happened: the provider keeps them, and so its address */
	struct farewell farewell; /* of a dead one */
	uint64_t stuck_ns;        /* since when half its window is quarantined; 0: it is not */
	/* When it is asked next whether it is there, path_await(); 0: it is not. */
	uint64_t ask_ns, ask_pause_ns;
	_Atomic(void *) data;
	struct sequence_out sent;
	struct sequence_in came;
	struct smallruns *latency;    /* OP_KINDS, of transfers done, ns from submit to end */
	uint64_t slept[OP_KINDS];     /* of latency's counts, what sleep has taken away */
	uint64_t bytes[OP_KINDS];     /* of transfers done */
	struct weft_peer_stats stats; /* but for what is done: latency, slept, bytes */
	struct list use;              /* connected: in weft->awake, the least lately used first */
	uint64_t used_ns;
	struct wire_way *address; /* where it is met again; NULL: it is never let go */
	enum peer_rest rest;
	uint8_t rest_heard; /* REST or RESTED, until all that was sent before has come; 0: none */
	uint32_t rest_number;
	bool handed;                     /* the user may have its handle */
	bool unplaced;                   /* there were WRITEs whose end did not mean placed */
	uint32_t paths_down, paths_lost; /* lost: of those that are down, for good */
	struct doubt doubt;
	struct path paths[]; /* way->count */
};

struct weft_arrival {
	struct weft *weft;
	uint32_t slot;
	_Atomic uint32_t generation;
	_Atomic uint64_t count;
};

struct received {
	struct list link;
	struct weft_peer *peer;
	size_t len;
	uint8_t data[];
};

struct weft {
	uint8_t id[WIRE_ID_BYTES];
	uint64_t host;
	uint32_t pid;
	struct way ways[WIRE_WAYS_MAX];
	uint32_t way_count;
	struct rail *rails;
	uint32_t rail_count, rails_closing;
	struct pool flights;
	struct flight **spare; /* of them, not in use: the last one given back is the next taken */
	uint32_t spare_count;
	uint64_t runs;       /* posted so far */
	uint64_t haunted_ns; /* when to wake who waits for a haunted region; 0: nobody does */
	uint32_t *turns;     /* for each record of flights: see flight_context() */
	struct list peers, dead_peers, ready, active, idle_batches;
	struct list awake, asleep; /* peers, see idle.c */
	uint32_t idle_peers, awake_count, asleep_count, resting_count;
	struct list ended;    /* batches whose on_done is to be called */
	struct list attached; /* see attach.h */
	struct map peer_by_id, peer_by_slot;
	uint32_t peer_count, next_peer_slot;
	uint32_t farewells;  /* see farewell.c */
	struct map regions;  /* slot -> struct weft_region */
	struct map remotes;  /* region_key() -> one of the ring */
	struct map holdings; /* region_key() -> struct holding */
	uint32_t next_region, next_generation;
	struct pin_table pins;
	struct gpu *gpu;
	struct weft_arrival **arrivals;
	uint32_t arrival_room, arrival_count, next_arrival;
	uint16_t *arrival_generations;
	struct list received;
	uint32_t received_count;
	uint64_t next_deadline_ns, next_pid_check_ns;
	uint32_t steps;
	int pid_epoll;
	struct weft_stats stats; /* but for what is done */
	struct {
		uint64_t count, bytes;
	} done[OP_KINDS];
	struct error_table errors;
	struct smallhist latency[OP_KINDS]; /* of peers that are no more */
	uint64_t submitted;                 /* transfers not ended */
	uint32_t peer_window, peer_limit, submit_limit;
	uint64_t max_registration; /* UINT64_MAX: not said */
	uint64_t connect_timeout_ns, spin_ns;
	weft_message_fn on_message;
	weft_peer_gone_fn on_peer_gone;
	weft_log_fn log;
	void *ctx;
	int log_level;
	bool thread_mode, in_progress, gone_pending;
	pthread_t thread;
	bool bound; /* the owner thread runs on cpus only: near.c */
	cpu_set_t cpus;
	struct ring calls; /* struct engine_call * or weft_batch * | 1 */
	_Atomic bool stop, sleeping;
	_Atomic uint32_t sequence; /* steps with every batch end, message, arrival, peer change */
	_Atomic uint32_t waiters;
	_Atomic bool fd_used;
	int wake_fd, event_fd, bell_fd;
	uint64_t now_ns;     /* read lately */
	bool timed;          /* in this round: see engine_now() */
	uint64_t drained_ns; /* when all that had ended was last known */
	uint64_t awake_ns, awake_until_ns;
	_Atomic uint64_t refused;
	_Atomic uint64_t reserved; /* transfers of batches on their way to the owner or active */
};

/* --- sized.c --- */
/*
 * Copies a caller's sized structure into ours, which is zeroed first: a smaller one lacks our last
 * fields, a larger one must be zero where ours ends. -EINVAL names the structure.
 */
int sized_in(void *ours, size_t our_size, const void *theirs, const char *name);
/* Copies ours out, as much as theirs has room for; theirs keeps its size. */
int sized_out(void *theirs, const void *ours, size_t our_size, const char *name);

/* --- engine.c --- */
void engine_log(struct weft *weft, int level, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
int engine_describe(const struct weft *weft, struct wire_descriptor *ret);
/* Whether the region's descriptor has room for all its parts; else the code, with the detail. */
int export_check(const struct weft_region *region);
/* Counts a refusal; returns code. */
int engine_refuse(struct weft *weft, int code);
static inline struct rail *way_rail(const struct weft *weft, const struct way *way, uint32_t i)
{
	return &weft->rails[way->first + i];
}

/* --- enter.c: for the API. -WEFT_EFORKED in a child of fork(). --- */
/* Runs fn on the owner and returns its code; the detail of an error comes along. */
int engine_run(struct weft *weft, int (*fn)(struct weft *weft, void *arg), void *arg);
/* Waits until ready() or the deadline, progressing; 0, or -EAGAIN. -EDEADLK in a callback. */
int engine_wait(struct weft *weft, bool (*ready)(void *arg), void *arg, uint64_t deadline_ns);
int engine_submit(struct weft *weft, struct weft_batch *batch);
int engine_poll(struct weft *weft); /* one round, where the caller drives */

/* --- progress.c --- */
int engine_call_run(struct weft *weft, int (*fn)(struct weft *weft, void *arg), void *arg);
bool engine_owns(const struct weft *weft); /* this thread is the engine's own */
static inline bool engine_is_owner(const struct weft *weft)
{
	return !weft->thread_mode || engine_owns(weft);
}
int engine_push_batch(struct weft *weft, struct weft_batch *batch);
/* One round over rails, queue, timers. Returns the number of events. */
int engine_step(struct weft *weft, bool all_rails);
int engine_wait_for(struct weft *weft, bool (*ready)(void *arg), void *arg, uint64_t deadline_ns);
int engine_progress(struct weft *weft, uint64_t timeout_ns);
/* Something that a waiter may wait for has happened. */
void engine_signal(struct weft *weft);
int engine_thread_start(struct weft *weft);
void engine_thread_stop(struct weft *weft);

/* Makes sure that timers look at this time. */
static inline void engine_timer(struct weft *weft, uint64_t at_ns)
{
	if (at_ns < weft->next_deadline_ns)
		weft->next_deadline_ns = at_ns;
}

/* The time, read once in a round over the rails that needs it. */
static inline uint64_t engine_now(struct weft *weft)
{
	if (!weft->timed) {
		weft->now_ns = clock_ns();
		weft->timed = true;
	}
	return weft->now_ns;
}

/* --- remote.c, region.c --- */
void remote_ask(struct weft_remote *remote);
void remote_granted(struct weft_peer *peer, const struct wire_grant *grant);
void remote_revoke(struct weft_peer *peer, const struct wire_grant *grant);
void remote_flight_ended(struct weft_remote *remote);
void remotes_fail(struct weft_peer *peer, int reason);
bool remotes_await(const struct weft_peer *peer); /* the answer to an ASK */
/* Frees it. */
void remote_drop(struct weft_remote *remote);
void region_asked(struct weft_peer *peer, const struct wire_grant *grant);
void region_released(struct weft_peer *peer, const struct wire_grant *grant, bool revoked);
void holding_drop(struct holding *holding);
/* The peer is gone; its packets may come until then: what it was granted stays registered so long.
 */
void region_haunt(struct weft_peer *peer, uint64_t until_ns);
void region_free(struct weft_region *region);

#include "engine/batch.h"
#include "engine/flight.h"
#include "engine/parts.h"
#include "engine/peer.h"

#endif /* WEFT_ENGINE_ENGINE_H */
