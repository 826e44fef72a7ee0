/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Paths: rail i of ours to rail i modulo theirs. One that fails gets nothing more while others are
 * there; it is asked now and then (PING), and taken back when the answer (PONG) has come by it. The
 * peer is gone when no path is left, with the cause of the last.
 *
 * Invariant P1: peer->paths_down counts the paths that are down.
 */
#include <errno.h>

#include "base/clock.h"
#include "engine/count.h"
#include "engine/engine.h"

#define PROBE_FIRST_NS (50 * NSEC_PER_MSEC)
#define PROBE_LAST_NS  (2 * NSEC_PER_SEC) /* the pause doubles up to this */
#define ASK_LAST_NS                                                                  \
	(30 * NSEC_PER_SEC) /* the same: each PING takes a receive of a stopped peer \
			     */

uint32_t path_first(const struct weft_peer *peer)
{
	uint32_t i = 0;

	while (i + 1 < peer->way->count && !path_usable(peer, i))
		i++;
	return i;
}

bool path_has_other(const struct weft_peer *peer, uint32_t i)
{
	uint32_t k = 0;

	while (k < peer->way->count && (k == i || !path_usable(peer, k)))
		k++;
	return peer_state(peer) != PEER_DEAD && k < peer->way->count;
}

static void probe(struct weft_peer *peer, uint32_t i, uint64_t now_ns)
{
	struct path *path = &peer->paths[i];

	path->probe_ns = now_ns + path->pause_ns;
	if (path->pause_ns < PROBE_LAST_NS)
		path->pause_ns *= 2;
	engine_timer(peer->weft, path->probe_ns);
	if (!path->probing && path->has_dest)
		peer_ping(peer, i);
}

static void go_down(struct weft_peer *peer, uint32_t i, int reason, uint64_t now_ns)
{
	struct path *path = &peer->paths[i];

	path->down = true;
	path->reason = reason;
	path->pause_ns = PROBE_FIRST_NS;
	path->probe_ns = now_ns + path->pause_ns;
	peer->paths_down++;
	engine_timer(peer->weft, path->probe_ns);
}

/* The first usable one has carried the handshake. Where it is the provider's own first contact too,
 * an operation that waits for that never ends when it fails (libfabric 2.1's efa), so the others
 * are tried by a message first. */
void path_begin(struct weft_peer *peer)
{
	uint64_t now = clock_ns();
	uint32_t first = path_first(peer), i;

	for (i = 0; i < peer->way->count; i++)
		if (i != first && !peer->paths[i].down)
			go_down(peer, i, -EINPROGRESS, now);
	for (i = 0; i < peer->way->count; i++)
		if (peer->paths[i].down)
			peer_ping(peer, i);
}

bool path_failed(struct weft_peer *peer, uint32_t i, int reason)
{
	struct rail *rail = way_rail(peer->weft, peer->way, i);
	struct path *path = &peer->paths[i];
	uint32_t k;

	if (!path_has_other(peer, i)) {
		peer_fail(peer, reason);
		return false;
	}
	if (path->down)
		return true;
	go_down(peer, i, reason, clock_ns());
	path->failures++;
	COUNT(peer, paths_failed);
	engine_log(peer->weft, WEFT_LOG_WARN,
		   "peer %u (pid %u): path %u over %s failed: %s; %u of %u left", peer->slot,
		   peer->pid, i, rail->limits.device, rail->ops->explain(rail->port),
		   peer->way->count - peer->paths_down, peer->way->count);
	/* If it is the peer that is gone, the others need not find that out one after another. */
	for (k = 0; k < peer->way->count; k++)
		if (path_usable(peer, k) && !peer->paths[k].probing)
			peer_ping(peer, k);
	return true;
}

void path_answered(struct weft_peer *peer, uint32_t i)
{
	struct path *path = &peer->paths[i];

	if (!path->down)
		return;
	path->down = false;
	path->reason = 0;
	peer->paths_down--;
	engine_log(peer->weft, WEFT_LOG_INFO, "peer %u (pid %u): path %u over %s is back",
		   peer->slot, peer->pid, i, way_rail(peer->weft, peer->way, i)->limits.device);
	peer_make_ready(peer);
}

/*
 * Where software answers for the device, an answer that is lost is nobody's failure: the request
 * has arrived. A peer that is cut off then has operations in quarantine, and if nothing more is
 * sent to it, nothing finds that out. So it is asked: a PING that does not arrive fails the path.
 */
static void ask(struct weft_peer *peer, uint64_t now_ns)
{
	uint32_t i;

	if (!peer->quarantined || !peer->way->provider->never_ends) {
		peer->ask_ns = 0;
		return;
	}
	if (!peer->ask_ns) {
		peer->ask_pause_ns = PROBE_FIRST_NS;
		peer->ask_ns = now_ns + PROBE_FIRST_NS;
	} else if (now_ns >= peer->ask_ns) {
		for (i = 0; i < peer->way->count; i++)
			if (path_usable(peer, i) && !peer->paths[i].probing)
				peer_ping(peer, i);
		if (peer->ask_pause_ns < ASK_LAST_NS)
			peer->ask_pause_ns *= 2;
		peer->ask_ns = now_ns + peer->ask_pause_ns;
	}
	engine_timer(peer->weft, peer->ask_ns);
}

void path_continue(struct weft_peer *peer, uint64_t now_ns)
{
	uint32_t i;

	ask(peer, now_ns);
	if (peer_state(peer) == PEER_DEAD)
		return;
	if (!peer->paths_down)
		return;
	for (i = 0; i < peer->way->count; i++) {
		if (!peer->paths[i].down)
			continue;
		if (now_ns >= peer->paths[i].probe_ns)
			probe(peer, i, now_ns);
		else
			engine_timer(peer->weft, peer->paths[i].probe_ns);
	}
}
