/* SPDX-License-Identifier: Apache-2.0 */
/* What is done with a peer (struct weft_peer), by file. Comes with engine.h. */
#ifndef WEFT_ENGINE_PEER_H
#define WEFT_ENGINE_PEER_H

#include "engine/engine.h"

/* enum peer_state; for the owner, see engine.h. */
static inline int peer_state(const struct weft_peer *peer)
{
	return atomic_load_explicit(&peer->state, memory_order_relaxed);
}

/* A region of ours that a peer holds, or one of the peer's. */
static inline uint64_t region_key(const struct weft_peer *peer, uint32_t region)
{
	return (uint64_t)peer->number << 32 | region;
}

/* --- peer.c --- */
/* needed: somebody waits for the peer, see contact.c. */
int peer_get(struct weft *weft, const struct wire_descriptor *descriptor, bool needed,
	     struct weft_peer **ret);
struct weft_peer *peer_find(const struct weft *weft, const uint8_t id[WIRE_ID_BYTES]);
void peer_fail(struct weft_peer *peer, int reason);
/* Its process is gone: what is in flight to it will end, where the provider does not end it too. */
void peer_gone(struct weft_peer *peer);
void peer_release(struct weft_peer *peer); /* frees it when nothing needs it any more */
void peer_expire(struct weft *weft, uint64_t now_ns);
void peer_check_pids(struct weft *weft, uint64_t now_ns);
void peer_watch(struct weft_peer *peer);
void peer_unwatch(struct weft_peer *peer);
void peer_free(struct weft_peer *peer);
/* The peer is gone or let go, and software may have its packets still: see region_haunt(). */
void peer_haunt(struct weft_peer *peer);
/* Gives it slot, token and destinations, for a first contact or another. */
int peer_meet(struct weft_peer *peer, const struct wire_way *far);
/* Nobody has a handle of it: it is freed without a word. */
void peer_discard(struct weft_peer *peer);
void peer_run_callbacks(struct weft *weft);
int peer_new(struct weft *weft, const struct wire_descriptor *descriptor, const struct way *way,
	     const struct wire_way *far, struct weft_peer **ret);
const struct way *peer_choose_way(struct weft *weft, const struct wire_descriptor *descriptor,
				  const struct wire_way **ret);

/* --- peer_probe.c --- */
#define PEER_PROBE_NS (50 * NSEC_PER_MSEC) /* between two looks at a handshake that hangs */
void peer_probe_init(struct weft_peer *peer, const struct wire_rail *rail);
void peer_probe_fini(struct weft_peer *peer);
/* Called now and then while the handshake hangs. */
void peer_probe(struct weft_peer *peer);

/* --- contact.c --- */
void contact_begin(struct weft_peer *peer, bool needed);
/* For peers whose handshake is under way; sets the timer for what is next. */
void contact_continue(struct weft_peer *peer, uint64_t now_ns);

/* --- idle.c --- */
int idle_keep_address(struct weft_peer *peer, const struct wire_way *far);
void idle_met(struct weft_peer *peer); /* the handshake is done */
/* A transfer, a message, a question. */
static inline void idle_used(struct weft_peer *peer)
{
	struct list *awake = &peer->weft->awake;
	uint64_t now_ns = engine_now(peer->weft);

	if (list_empty(&peer->use) || peer->used_ns == now_ns)
		return;
	peer->used_ns = now_ns;
	if (peer->use.next != awake) /* others were used since */
		list_move_tail(awake, &peer->use);
}
void idle_leave(struct weft_peer *peer); /* it is gone */
/* Lets go of peers beyond the limit. */
void idle_expire(struct weft *weft, uint64_t now_ns);
void idle_wake(struct weft_peer *peer, bool needed);
/* The same without a HELLO of ours, for one that said HELLO. */
int idle_wake_quietly(struct weft_peer *peer);
/* REST or RESTED has come; idle_continue() acts on it, after each message that the peer sent. It
 * may free the peer, as idle_sent() may. */
int idle_heard(struct weft_peer *peer, const struct wire_head *head,
	       const struct wire_grant *grant);
void idle_continue(struct weft_peer *peer);
/* Our REST, if we said it, was lost, or the answer is no. */
void idle_refused(struct weft_peer *peer);
/* A message to it may have left. True: it fell asleep with that. */
bool idle_sent(struct weft_peer *peer);
/* It says HELLO anew, with this head. True: because it fell asleep; so it is asleep here too. */
bool idle_has_rested(struct weft_peer *peer, const struct wire_head *head);

/* --- path.c --- */
/* Every rail of ours that works gets a destination, where one of theirs does. Fails where none
 * does. */
int path_connect(struct weft_peer *peer, const struct wire_way *far);
void peer_forget_rails(struct weft_peer *peer, enum port_forget why);
/* The handshake is done. */
void path_begin(struct weft_peer *peer);
static inline bool path_usable(const struct weft_peer *peer, uint32_t i)
{
	const struct path *path = &peer->paths[i];

	return path->has_dest && !path->down && !way_rail(peer->weft, peer->way, i)->broken;
}
/* The first usable path; the last one, when none is. */
uint32_t path_first(const struct weft_peer *peer);
/* Whether what failed on path i can go another way. */
bool path_has_other(const struct weft_peer *peer, uint32_t i);
/* False: it was the last one, and the peer has failed with it. */
bool path_failed(struct weft_peer *peer, uint32_t i, int reason);
/* A PING did not get through. The peer is failed when none gets through by any path. */
void path_unanswered(struct weft_peer *peer, uint32_t i, int reason);
/* A rail of the peer broke: the paths to it go to others. Fails the peer that has none. */
void path_turn(struct weft_peer *peer, uint32_t far);
/* The same of one that is given up, and does not answer there: to the next, whether or not that
 * works. */
void path_redirect(struct weft_peer *peer, uint32_t i);
/* The provider forgets what it knows of the peer on path i, by which all that was sent has left. It
 * may fail the peer. */
void path_renew(struct weft_peer *peer, uint32_t i);
/* What was posted on path i then went to an end that is no more, and may go again. */
bool path_turned(const struct weft_peer *peer, uint32_t i, uint64_t posted_ns);
/* It is no more: the rail at one of its ends broke. Who is left without a path is not failed here.
 */
void path_lose(struct weft_peer *peer, uint32_t i, int reason);
void path_answered(struct weft_peer *peer, uint32_t i); /* its PONG is here */
/* The peer has been asked something, or the first of its operations is quarantined: until the
 * answer is here, or none is, it is asked now and then whether it is there. */
void path_await(struct weft_peer *peer);
/* Asks the paths that are down whether they work again, and peers that do not answer. */
void path_continue(struct weft_peer *peer, uint64_t now_ns);

/* --- handshake.c --- */
void peer_hello(struct weft_peer *peer);
void message_event(struct weft *weft, struct rail *rail, const void *data, size_t len);

/* --- outbox.c --- */
/* 0: sent, or on its way; -EAGAIN: no room; else the peer is to be failed with it. */
int peer_send(struct weft_peer *peer, uint8_t type, const void *payload, size_t len);
/* The same, later where there is no room. Fails the peer itself. */
void peer_send_soon(struct weft_peer *peer, uint8_t type, const void *payload, size_t len);
void peer_control(struct weft_peer *peer, uint8_t type, const struct wire_grant *grant);
void peer_ping(struct weft_peer *peer, uint32_t path);
void peer_flush_outbox(struct weft_peer *peer);
void peer_drop_outbox(struct weft_peer *peer);
bool peer_rest_waits(const struct weft_peer *peer);  /* the same of REST and RESTED */
bool peer_hello_waits(const struct weft_peer *peer); /* the provider had no room for it yet */
/* What a farewell's EVENT_SENT shows. */
uint64_t cookie_farewell(const struct weft_peer *peer, uint32_t path);
/* An EVENT_SENT. */
void peer_sent(struct weft *weft, const struct event *event);

void peer_immediate(struct weft_peer *peer, uint32_t imm);
int peer_send_data(struct weft_peer *peer, const void *data, size_t len);

#endif /* WEFT_ENGINE_PEER_H */
