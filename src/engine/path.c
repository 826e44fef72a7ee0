/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Paths: rail i of ours to rail i modulo theirs, or, where that is broken, to their next. One that
 * fails gets nothing more while others are there; it is asked now and then (PING), and taken back
 * when the answer (PONG) has come by it. The peer is gone when no path is left, with the cause of
 * the last.
 *
 * A path without a destination is lost: the rail at one of its ends broke. It is not asked.
 *
 * Invariant P1: peer->paths_down counts the paths that are down, paths_lost those of them that are
 *     lost.
 */
#include <errno.h>

#include "base/clock.h"
#include "base/err.h"
#include "engine/count.h"
#include "engine/engine.h"

#define PROBE_FIRST_NS (50 * NSEC_PER_MSEC)
#define PROBE_LAST_NS  (2 * NSEC_PER_SEC) /* the pause doubles up to this */
/* Timers go over all peers: those that are asked within this time are looked at together. */
#define ASK_GRID_NS (16 * NSEC_PER_MSEC)
#define ASK_LAST_NS                                                                  \
	(30 * NSEC_PER_SEC) /* the same: each PING takes a receive of a stopped peer \
			     */

static bool is_there(const struct weft_peer *peer, uint32_t i)
{
	return peer->paths[i].has_dest && !way_rail(peer->weft, peer->way, i)->broken;
}

/* Where all are down one that may answer, rather than one that is lost. */
uint32_t path_first(const struct weft_peer *peer)
{
	uint32_t i = 0, down = 0;

	while (i < peer->way->count && !path_usable(peer, i))
		i++;
	if (i < peer->way->count)
		return i;
	while (down + 1 < peer->way->count && !is_there(peer, down))
		down++;
	return down;
}

bool path_turned(const struct weft_peer *peer, uint32_t i, uint64_t posted_ns)
{
	return peer->paths[i].turn && posted_ns <= peer->paths[i].turned_ns &&
	       peer_state(peer) != PEER_DEAD;
}

bool path_has_other(const struct weft_peer *peer, uint32_t i)
{
	uint32_t k = 0;

	while (k < peer->way->count && (k == i || !path_usable(peer, k)))
		k++;
	return peer_state(peer) != PEER_DEAD && k < peer->way->count;
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

void path_lose(struct weft_peer *peer, uint32_t i, int reason)
{
	struct path *path = &peer->paths[i];

	if (path->has_dest) { /* it was one */
		path->failures++;
		COUNT(peer, paths_failed);
	}
	if (!path->down)
		peer->paths_down++;
	peer->paths_lost++;
	path->has_dest = path->probing = false;
	path->down = true;
	path->reason = reason;
}

/* To the first of the peer's rails, from one on, that there is. -WEFT_EPEERGONE: to none. */
static int connect_path(struct weft_peer *peer, uint32_t i, const struct wire_way *far,
			uint32_t from)
{
	struct rail *rail = way_rail(peer->weft, peer->way, i);
	struct path *path = &peer->paths[i];
	int rc = -WEFT_EPEERGONE;
	uint32_t k;

	if (rail->broken)
		return err_set(rail->broken, "%s: rail %u (%s) broke: %s", rail->provider->name,
			       rail->index, rail->limits.device, rail->why);
	path->has_dest = path->refused = path->heard = false;
	if (!wire_first_rail(far))
		return err_set(rc, "all rails of the peer broke");
	for (k = 0; k < far->rail_count && rc == -WEFT_EPEERGONE; k++) {
		path->far = (uint8_t)((from + k) % far->rail_count);
		if (far->rails[path->far].addr_len)
			rc = rail->ops->connect(rail->port, far->rails[path->far].addr,
						far->rails[path->far].addr_len, &path->dest);
	}
	path->has_dest = rc == 0;
	return rc;
}

int path_connect(struct weft_peer *peer, const struct wire_way *far)
{
	uint32_t i;
	int rc = 0;

	for (i = 0; i < peer->way->count; i++) {
		rc = connect_path(peer, i, far, i);
		if (rc && rc != -WEFT_EPEERGONE && !way_rail(peer->weft, peer->way, i)->broken)
			return rc;
		if (rc)
			path_lose(peer, i, rc);
	}
	return peer->paths_lost == peer->way->count ? rc : 0;
}

void path_redirect(struct weft_peer *peer, uint32_t i)
{
	struct rail *rail = way_rail(peer->weft, peer->way, i);
	struct path *path = &peer->paths[i];

	if (!peer->address || peer->address->rail_count < 2 || peer->in_flight || peer->lost ||
	    rail->broken)
		return;
	if (path->has_dest)
		rail->ops->forget(rail->port, path->dest, FORGET_LIVES);
	connect_path(peer, i, peer->address, path->far + 1u);
}

void path_renew(struct weft_peer *peer, uint32_t i)
{
	struct rail *rail = way_rail(peer->weft, peer->way, i);
	struct path *path = &peer->paths[i];
	int rc;

	if (!peer->address || !path->has_dest || rail->broken)
		return;
	rail->ops->forget(rail->port, path->dest, FORGET_GONE);
	rc = connect_path(peer, i, peer->address, path->far);
	if (rc)
		peer_fail(peer, rc);
}

/* What is under way to the old end may not have ended: its destination stays with the port. */
static void turn(struct weft_peer *peer, uint32_t i)
{
	struct path *path = &peer->paths[i];

	if (!peer->address || connect_path(peer, i, peer->address, path->far)) {
		path->has_dest = true; /* path_lose() counts it */
		path_lose(peer, i, -WEFT_EPROVIDER);
		return;
	}
	path->failures++;
	COUNT(peer, paths_failed);
	path->turn++;
	path->turned_ns = clock_ns();
	path->probing = false;
	if (path->down)
		peer->paths_down--;
	go_down(peer, i, -WEFT_EPROVIDER, path->turned_ns);
	peer_ping(peer, i);
}

void path_turn(struct weft_peer *peer, uint32_t far)
{
	uint32_t i;

	if (peer->address && far < peer->address->rail_count)
		peer->address->rails[far].addr_len = 0;
	for (i = 0; i < peer->way->count && peer_state(peer) != PEER_DEAD; i++)
		if (peer->paths[i].has_dest && peer->paths[i].far == far)
			turn(peer, i);
	if (peer->paths_lost == peer->way->count)
		peer_fail(peer, -WEFT_EPROVIDER);
}

void peer_forget_rails(struct weft_peer *peer, enum port_forget why)
{
	struct rail *rail;
	uint32_t i;

	for (i = 0; i < peer->way->count; i++) {
		rail = way_rail(peer->weft, peer->way, i);
		if (peer->paths[i].has_dest && !peer->lost)
			rail->ops->forget(rail->port, peer->paths[i].dest, why);
		peer->paths[i].has_dest = false;
	}
}

static void probe(struct weft_peer *peer, uint32_t i, uint64_t now_ns)
{
	struct path *path = &peer->paths[i];

	path->probe_ns = now_ns + path->pause_ns;
	if (path->pause_ns < PROBE_LAST_NS)
		path->pause_ns *= 2;
	engine_timer(peer->weft, path->probe_ns);
	if (!path->probing)
		peer_ping(peer, i);
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
		if (peer->paths[i].down && peer->paths[i].has_dest)
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
		   peer->pid, i, rail->limits.device, rail_explain(rail),
		   peer->way->count - peer->paths_down, peer->way->count);
	/* If it is the peer that is gone, the others need not find that out one after another. */
	for (k = 0; k < peer->way->count && peer_state(peer) != PEER_DEAD; k++)
		if (path_usable(peer, k) && !peer->paths[k].probing)
			peer_ping(peer, k);
	return peer_state(peer) != PEER_DEAD;
}

void path_unanswered(struct weft_peer *peer, uint32_t i, int reason)
{
	uint32_t k;

	if (path_usable(peer, i)) {
		path_failed(peer, i, reason);
		return;
	}
	peer->paths[i].refused = true;
	for (k = 0; k < peer->way->count; k++)
		if (is_there(peer, k) && !peer->paths[k].refused)
			return;
	peer_fail(peer, reason);
}

void path_answered(struct weft_peer *peer, uint32_t i)
{
	struct path *path = &peer->paths[i];

	if (!path->down || !path->has_dest)
		return;
	path->down = path->refused = false;
	path->reason = 0;
	peer->paths_down--;
	engine_log(peer->weft, WEFT_LOG_INFO, "peer %u (pid %u): path %u over %s is back",
		   peer->slot, peer->pid, i, way_rail(peer->weft, peer->way, i)->limits.device);
	peer_make_ready(peer);
}

/* Where software answers for the device, an answer that is lost is nobody's failure: the request
 * has arrived. */
static bool may_never_end(const struct weft_peer *peer)
{
	return peer->quarantined && peer->way->provider->never_ends;
}

void path_await(struct weft_peer *peer)
{
	peer->ask_pause_ns = PROBE_FIRST_NS;
	peer->ask_ns = ((clock_ns() + PROBE_FIRST_NS) / ASK_GRID_NS + 1) * ASK_GRID_NS;
	engine_timer(peer->weft, peer->ask_ns);
}

/*
 * A peer that is cut off, or that has given us up after it took in what we said, answers nothing,
 * and if nothing more is sent to it, nothing finds that out. So it is asked: a PING that does not
 * arrive fails the path, and one that arrives where we are forgotten is answered with FORGOTTEN.
 */
static void ask(struct weft_peer *peer, uint64_t now_ns)
{
	uint32_t i;

	if (!peer->ask_ns)
		return;
	if (now_ns >= peer->ask_ns) {
		if (!may_never_end(peer) && peer->rest != REST_ASKED && !peer->doubt.asked &&
		    !remotes_await(peer)) {
			peer->ask_ns = 0;
			return;
		}
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
	if (peer->paths_down == peer->paths_lost)
		return;
	for (i = 0; i < peer->way->count; i++) {
		if (!peer->paths[i].down || !peer->paths[i].has_dest)
			continue;
		if (now_ns >= peer->paths[i].probe_ns)
			probe(peer, i, now_ns);
		else
			engine_timer(peer->weft, peer->paths[i].probe_ns);
	}
}
