/* SPDX-License-Identifier: Apache-2.0 */
/*
 * First contact: who says HELLO, and when.
 *
 * Over most providers whoever learns of a peer says it at once. TCP connections of two that say it
 * to each other within one round trip cross, and libfabric 2.1's tcp may close both then: it
 * compares the peer's pid with one that an earlier user of the same record left (xnet_rdm_cm.c:
 * xnet_process_connreq, remote_pid). What was sent is lost without an error. So there
 * (contact_in_turn) an import alone leaves the first word to the other side for a while, of two
 * that need each other now one waits for the other, and a HELLO that nobody answered is said again.
 */
#include <string.h>

#include "base/clock.h"
#include "engine/engine.h"

#define LEAVE_NS     (50 * NSEC_PER_MSEC) /* to the other side, while nobody here needs it */
#define TURN_NS      (5 * NSEC_PER_MSEC)  /* to the engine whose id is smaller */
#define AGAIN_NS     (200 * NSEC_PER_MSEC)
#define ANEW_NS      (500 * NSEC_PER_MSEC)
#define AGAIN_SHIFTS 4u /* up to 3.2 s, 8 s */

/* How long the first answer is waited for; 0: a HELLO is not lost in silence. */
static uint64_t again_ns(const struct provider *provider)
{
	return provider->contact_in_turn ? AGAIN_NS : provider->contact_anew ? ANEW_NS : 0;
}

static void say_hello(struct weft_peer *peer, uint64_t now_ns)
{
	uint32_t shift = peer->hellos < AGAIN_SHIFTS ? peer->hellos : AGAIN_SHIFTS;
	const struct provider *provider = peer->way->provider;

	peer->hello_ns = UINT64_MAX;
	if (peer->probe_len)
		engine_timer(peer->weft, now_ns + PEER_PROBE_NS);
	if (again_ns(provider)) {
		peer->hello_ns = now_ns + (again_ns(provider) << shift);
		engine_timer(peer->weft, peer->hello_ns);
	}
	/* What has not left yet is not lost. */
	if (peer->hellos && (peer->sends || peer_hello_waits(peer)))
		return;
	if (peer->hellos && provider->contact_anew)
		path_renew(peer, path_first(peer));
	if (peer_state(peer) == PEER_DEAD)
		return;
	if (!peer->hellos++)
		peer->said_ns = now_ns;
	peer_hello(peer);
}

void contact_begin(struct weft_peer *peer, bool needed)
{
	uint64_t now, at;

	if (peer_state(peer) == PEER_ASLEEP) {
		idle_wake(peer, needed);
		return;
	}
	if (peer->hellos || peer_state(peer) != PEER_CONNECTING)
		return;
	now = at = clock_ns();
	if (peer->way->provider->contact_in_turn) {
		if (!needed)
			at += LEAVE_NS;
		else if (memcmp(peer->weft->id, peer->id, WIRE_ID_BYTES) > 0)
			at += TURN_NS;
	}
	if (at >= peer->hello_ns)
		return;
	peer->hello_ns = at;
	contact_continue(peer, now);
}

void contact_continue(struct weft_peer *peer, uint64_t now_ns)
{
	if (now_ns >= peer->hello_ns)
		say_hello(peer, now_ns);
	else if (peer->hello_ns != UINT64_MAX)
		engine_timer(peer->weft, peer->hello_ns);
}
