/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A rail whose port has failed as a whole: its completion queue cannot be read, say. Nothing that
 * is reported there means anything any more, so the port is closed, which ends its operations for
 * certain, and what was on it goes by other rails. The rail stays where it was, without a port: it
 * is not opened again, since its peers hold keys and addresses of the port that it had.
 *
 * B1: a rail that is broken is not polled or posted to. Once rail_retire() is through it has no
 *     port, no path over it a destination, and no region a registration there.
 */
#include <errno.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/err.h"
#include "engine/engine.h"

/* As long as what a process that is gone has left in the network: peer.c. */
#define ENDS_NS (2 * NSEC_PER_SEC)

const char *rail_explain(struct rail *rail)
{
	return rail->port ? rail->ops->explain(rail->port) : rail->why;
}

int rail_way_broken(const struct weft *weft, const struct way *way)
{
	const struct rail *rail;
	uint32_t i;

	for (i = 0; i < way->count; i++)
		if (!way_rail(weft, way, i)->broken)
			return 0;
	rail = way_rail(weft, way, 0);
	return err_set(rail->broken, "%s: rail %u (%s) broke: %s%s", way->provider->name,
		       rail->index, rail->limits.device, rail->why,
		       way->count > 1 ? "; so did the others" : "");
}

void rail_break(struct rail *rail, int error)
{
	if (rail->broken)
		return;
	rail->broken = error;
	snprintf(rail->why, sizeof(rail->why), "%s", rail->ops->explain(rail->port));
	engine_log(rail->weft, WEFT_LOG_ERROR, "rail %u (%s) broke: %s", rail->index,
		   rail->limits.device, rail->why);
}

/* --- paths ---------------------------------------------------------------------------------- */

static bool uses(const struct weft_peer *peer, const struct rail *rail)
{
	return rail->index - peer->way->first < peer->way->count;
}

static void lose_path(struct rail *rail, struct weft_peer *peer)
{
	uint32_t i = rail->index - peer->way->first;
	struct path *path = &peer->paths[i];

	if (!uses(peer, rail) || !path->has_dest)
		return;
	if (rail->provider->host_local && !peer->lost)
		rail->ops->forget(rail->port, path->dest,
				  peer->remote_slot == WIRE_NO_SLOT ? FORGET_UNMET : FORGET_GONE);
	path_lose(peer, i, rail->broken);
	if (peer_state(peer) != PEER_DEAD && !path_usable(peer, path_first(peer)))
		peer_fail(peer, rail->broken);
}

static void lose_paths(struct rail *rail)
{
	struct weft *weft = rail->weft;
	struct list *link, *after;

	list_for_each_safe(link, after, &weft->dead_peers)
		lose_path(rail, list_entry(link, struct weft_peer, link));
	list_for_each_safe(link, after, &weft->peers)
		lose_path(rail, list_entry(link, struct weft_peer, link));
}

/* Those that the rail has left without a word: what they said may be lost. */
static void tell_peers(struct rail *rail)
{
	struct list *link, *after;
	struct weft_peer *peer;

	list_for_each_safe(link, after, &rail->weft->peers)
	{
		peer = list_entry(link, struct weft_peer, link);
		if (!uses(peer, rail))
			continue;
		if (peer_state(peer) == PEER_CONNECTED)
			doubt_begin(peer, rail->index - peer->way->first);
		else if (peer->hellos && !peer_hello_waits(peer))
			peer_hello(peer);
	}
}

/* --- the port ------------------------------------------------------------------------------- */

/* What it knows of messages that it was to send comes first. */
static void empty_port(struct rail *rail)
{
	struct event events[PORT_EVENTS_MAX];
	int n;

	while ((n = rail->ops->poll(rail->port, events)) > 0)
		flight_events(rail->weft, rail, events, n);
}

/* --- operations ----------------------------------------------------------------------------- */

/* What the target's software was sent it may still do. */
static bool may_go_on(const struct rail *rail, const struct flight *flight)
{
	return rail->limits.emulated && flight->transfer->kind == OP_WRITE;
}

/* Those of runs are in no list. Of records that are not in use run means nothing. */
static void leave_runs(struct rail *rail)
{
	struct weft *weft = rail->weft;
	struct flight *flight;
	uint32_t i;

	for (i = 0; i < weft->spare_count; i++)
		weft->spare[i]->run = 0;
	for (i = 0; i < weft->flights.count; i++) {
		flight = pool_at(&weft->flights, i);
		if (flight->run && flight->rail == rail)
			flight_leave_run(flight);
	}
}

static void take_flights(struct rail *rail, struct list *peers, bool all, struct list *ret)
{
	struct list *link, *at, *after;
	struct flight *flight;
	struct weft_peer *peer;

	list_for_each(link, peers)
	{
		peer = list_entry(link, struct weft_peer, link);
		list_for_each_safe(at, after, &peer->flights)
		{
			flight = list_entry(at, struct flight, link);
			if (flight->rail == rail && (all || !may_go_on(rail, flight)))
				list_move_tail(ret, at);
			else if (flight->rail == rail)
				rail->ends_ns = clock_ns() + ENDS_NS;
		}
	}
}

static void end_flights(struct rail *rail, bool all)
{
	struct weft *weft = rail->weft;
	struct list ended, *link;

	leave_runs(rail);
	list_init(&ended);
	take_flights(rail, &weft->peers, all, &ended);
	take_flights(rail, &weft->dead_peers, all, &ended);
	while ((link = list_pop(&ended)))
		flight_cut(weft, list_entry(link, struct flight, link));
	while ((link = list_pop(&rail->spent)))
		flight_give(weft, list_entry(link, struct flight, link));
	if (rail->ends_ns)
		engine_timer(weft, rail->ends_ns);
	else
		rail->in_flight = 0; /* of processes that were dead before */
	engine_signal(weft);
}

void rail_retire(struct rail *rail)
{
	if (!rail->port)
		return;
	lose_paths(rail);
	empty_port(rail);
	/* Before it is closed, or who has one path may take us for gone. */
	tell_peers(rail);
	rail_close(rail);
	if (!rail->closing)
		end_flights(rail, false);
}

void rail_expire(struct weft *weft, uint64_t now_ns)
{
	struct rail *rail;
	uint32_t i;

	for (i = 0; i < weft->rail_count; i++) {
		rail = &weft->rails[i];
		if (rail->closing && rail_is_closed(rail, false))
			end_flights(rail, false);
		if (!rail->ends_ns)
			continue;
		if (now_ns < rail->ends_ns) {
			engine_timer(weft, rail->ends_ns);
			continue;
		}
		rail->ends_ns = 0;
		end_flights(rail, true);
	}
}

void rail_close_wait(struct weft *weft)
{
	struct rail *rail;
	uint32_t i;

	for (i = 0; i < weft->rail_count; i++) {
		rail = &weft->rails[i];
		if (rail->closing && rail_is_closed(rail, true))
			end_flights(rail, true);
	}
}
