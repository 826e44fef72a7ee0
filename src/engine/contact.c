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
 *
 * efa's software numbers the messages between two addresses, and ignores one whose number it has
 * had. Of two that have let go of each other one may have removed the other's address already
 * (fabric_rest.c), and says HELLO by number 0, when the other has not, or the reverse. So there
 * (contact_anew) a HELLO to a peer that was met before, that has left and is not answered for long,
 * is said again from 0 on: to the address removed and inserted once more. Not soon: if the first
 * was taken in after all, the answer must not be on its way. libfabric 2.1 greets an address once
 * before it does RDMA, and what the removed entry heard of that is lost.
 */
#include <string.h>

#include "base/clock.h"
#include "engine/engine.h"

#define LEAVE_NS     (50 * NSEC_PER_MSEC) /* to the other side, while nobody here needs it */
#define TURN_NS      (5 * NSEC_PER_MSEC)  /* to the engine whose id is smaller */
#define AGAIN_NS     (200 * NSEC_PER_MSEC)
#define AGAIN_SHIFTS 4u /* up to 3.2 s */
#define ANEW_NS      (3 * NSEC_PER_SEC)

/* How long an answer to the next HELLO is waited for; 0: it is not lost in silence. */
static uint64_t patience_ns(const struct weft_peer *peer)
{
	const struct provider *provider = peer->way->provider;
	uint32_t shift = peer->hellos < AGAIN_SHIFTS ? peer->hellos : AGAIN_SHIFTS;

	if (provider->contact_in_turn)
		return AGAIN_NS << shift;
	return provider->contact_anew && peer->newest_slot != WIRE_NO_SLOT ? ANEW_NS : 0;
}

static void say_hello(struct weft_peer *peer, uint64_t now_ns)
{
	uint64_t patience = patience_ns(peer);

	peer->hello_ns = UINT64_MAX;
	if (peer->probe_len)
		engine_timer(peer->weft, now_ns + PEER_PROBE_NS);
	if (patience) {
		peer->hello_ns = now_ns + patience;
		engine_timer(peer->weft, peer->hello_ns);
	}
	/* What has not left yet is not lost. */
	if (peer->hellos && (peer->sends || peer_hello_waits(peer)))
		return;
	if (peer->hellos && peer->way->provider->contact_anew)
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
