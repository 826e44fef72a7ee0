/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A port that breaks takes along messages that it had taken in and nobody has read, and such as it
 * was to send and had no longer a record of. Their senders were told that they were sent, and have
 * no copy. So whoever loses a rail says BROKEN to each peer on its way, by another rail, and the
 * peer answers COUNTED. Both messages have numbers, so each side knows how many the other has sent:
 * where one is missing for good the two give each other up, as silence would be worse.
 *
 * BROKEN names the rail, so that the peer sends nothing more there, even where its provider does
 * not tell that nobody listens.
 */
#include "base/clock.h"
#include "engine/engine.h"

/* What was sent before may come later, by another rail. */
#define MISSING_NS (3 * NSEC_PER_SEC)

static void part(struct weft_peer *peer, int reason)
{
	peer_fail(peer, reason);
	farewell_say(peer);
}

static void await(struct weft_peer *peer, uint32_t number)
{
	struct doubt *doubt = &peer->doubt;

	if (doubt->until_ns && number - doubt->number > UINT32_MAX / 2)
		return; /* older than what is awaited */
	doubt->number = number;
	doubt->until_ns = clock_ns() + MISSING_NS;
	doubt_continue(peer);
	if (doubt->until_ns)
		engine_timer(peer->weft, doubt->until_ns);
}

void doubt_begin(struct weft_peer *peer, uint32_t index)
{
	/* The answer to our REST may be lost, and nothing but that may be said. */
	if (peer->rest == REST_ASKED) {
		part(peer, way_rail(peer->weft, peer->way, index)->broken);
		return;
	}
	peer->doubt.asked++;
	path_await(peer);
	peer_control(peer, WIRE_BROKEN, &(struct wire_grant){ .region = index });
}

void doubt_broken(struct weft_peer *peer, const struct wire_grant *grant, uint32_t number)
{
	path_turn(peer, grant->region);
	if (peer_state(peer) == PEER_DEAD)
		return;
	idle_refused(peer); /* who breaks does not agree to it, and may not have heard it */
	peer_control(peer, WIRE_COUNTED, grant);
	if (peer_state(peer) != PEER_DEAD)
		await(peer, number);
}

void doubt_counted(struct weft_peer *peer, uint32_t number)
{
	if (!peer->doubt.asked)
		return;
	peer->doubt.asked--;
	await(peer, number);
}

void doubt_continue(struct weft_peer *peer)
{
	if (peer->doubt.until_ns && sequence_misses_none(&peer->came, peer->doubt.number))
		peer->doubt.until_ns = 0;
}

void doubt_expire(struct weft_peer *peer, uint64_t now_ns)
{
	if (!peer->doubt.until_ns)
		return;
	if (now_ns < peer->doubt.until_ns) {
		engine_timer(peer->weft, peer->doubt.until_ns);
		return;
	}
	peer->doubt.until_ns = 0;
	engine_log(peer->weft, WEFT_LOG_ERROR,
		   "peer %u (pid %u): a message was lost with a rail that broke", peer->slot,
		   peer->pid);
	part(peer, -WEFT_EPROVIDER);
}
