/* SPDX-License-Identifier: Apache-2.0 */
/* Remote engines: found, reached by the best common way, watched, failed, forgotten. */
#include <errno.h>
#include <string.h>
#include <sys/random.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/hash.h"
#include "engine/engine.h"

#define SHM_PEERS_MAX 250u /* libfabric's shm takes 256, its own endpoint among them */
/* What a process that is gone has left in the network has arrived or is lost by then, and the
 * device has ended what waited for an answer of its device. */
#define LOSE_NS   (2 * NSEC_PER_SEC)
#define DEAD_KEPT 1024u /* engines without on_peer_gone: so many stay readable */

static uint64_t id_key(const uint8_t id[WIRE_ID_BYTES])
{
	return hash_content(id, WIRE_ID_BYTES);
}

struct weft_peer *peer_find(const struct weft *weft, const uint8_t id[WIRE_ID_BYTES])
{
	struct weft_peer *peer = map_get_ptr(&weft->peer_by_id, id_key(id));

	return peer && memcmp(peer->id, id, WIRE_ID_BYTES) == 0 ? peer : NULL;
}

/* --- the way --- */

static bool reaches(const struct weft *weft, const struct way *way, const struct wire_descriptor *d)
{
	if (way->provider->process_local)
		return d->host == weft->host && d->pid == weft->pid;
	if (way->provider->host_local)
		return d->host == weft->host && way->met < way->provider->addresses_max;
	return true;
}

static bool leads(const struct weft *weft, const struct way *way, const struct wire_descriptor *d,
		  const struct wire_way *far)
{
	return far->provider == way->provider->number && reaches(weft, way, d);
}

/* One whose rails there all broke only where there is no other: what it fails with says so. */
const struct way *peer_choose_way(struct weft *weft, const struct wire_descriptor *d,
				  const struct wire_way **ret)
{
	const struct way *broken = NULL;
	uint32_t i, j;

	for (i = 0; i < weft->way_count; i++)
		for (j = 0; j < d->way_count; j++) {
			if (!leads(weft, &weft->ways[i], d, &d->ways[j]) ||
			    rail_way_broken(weft, &weft->ways[i]))
				continue;
			*ret = &d->ways[j];
			if (wire_first_rail(&d->ways[j]))
				return &weft->ways[i];
			broken = &weft->ways[i];
		}
	return broken;
}

static int unreachable(const struct weft *weft, const struct wire_descriptor *d)
{
	char ours[80] = "", theirs[80] = "";
	const struct provider *provider;
	uint32_t i, j;

	for (i = 0; i < weft->way_count; i++) /* it may be ours that is broken */
		for (j = 0; j < d->way_count; j++)
			if (leads(weft, &weft->ways[i], d, &d->ways[j]))
				return rail_way_broken(weft, &weft->ways[i]);
	for (i = 0; i < weft->way_count; i++)
		snprintf(ours + strlen(ours), sizeof(ours) - strlen(ours), " %s",
			 weft->ways[i].provider->name);
	for (i = 0; i < d->way_count; i++) {
		provider = provider_by_number(d->ways[i].provider);
		snprintf(theirs + strlen(theirs), sizeof(theirs) - strlen(theirs), " %s",
			 provider ? provider->name : "?");
	}
	return err_set(-WEFT_EUNREACHABLE, "the peer has%s, this engine has%s%s",
		       d->way_count ? theirs : " no provider", ours,
		       d->host == weft->host ? "" : "; it is on another host");
}

static enum port_forget parting(const struct weft_peer *peer)
{
	if (peer->remote_slot == WIRE_NO_SLOT)
		return FORGET_UNMET;
	return peer->closed ? FORGET_GONE : FORGET_LIVES;
}

/* --- life --- */

static int check_limit(struct weft *weft)
{
	if (weft->peer_count < weft->peer_limit)
		return 0;
	return err_set(-WEFT_ELIMIT, "%u peers are known, limit %u", weft->peer_count,
		       weft->peer_limit);
}

static void init_lists(struct weft_peer *peer)
{
	list_init(&peer->link);
	list_init(&peer->ready);
	list_init(&peer->use);
	list_init(&peer->queue);
	list_init(&peer->flights);
	list_init(&peer->remotes);
	list_init(&peer->holdings);
	list_init(&peer->outbox);
}

static int enter_maps(struct weft_peer *peer)
{
	struct weft *weft = peer->weft;
	int rc;

	rc = map_put_ptr(&weft->peer_by_slot, peer->slot, peer);
	if (rc)
		return err_set(rc, "out of memory for the table of peers");
	rc = map_put_ptr(&weft->peer_by_id, id_key(peer->id), peer);
	if (rc) {
		map_del(&weft->peer_by_slot, peer->slot, NULL);
		return err_set(rc, "out of memory for the table of peers");
	}
	return 0;
}

int peer_meet(struct weft_peer *peer, const struct wire_way *far)
{
	struct weft *weft = peer->weft;
	const struct wire_rail *first;
	int rc = 0;

	if (!peer->latency)
		peer->latency = mem_array(OP_KINDS, sizeof(peer->latency[0]));
	if (!peer->latency)
		return err_set(-ENOMEM, "out of memory for a peer's latencies");
	peer->slot = weft->next_peer_slot++;
	peer->remote_slot = WIRE_NO_SLOT;
	peer->hello_ns = UINT64_MAX;
	if (getrandom(&peer->token, sizeof(peer->token), 0) != sizeof(peer->token))
		return err_set(-EIO, "getrandom failed");
	first = wire_first_rail(far);
	peer_probe_init(peer, first ? first : &far->rails[0]);
	rc = path_connect(peer, far);
	if (rc == 0)
		rc = enter_maps(peer);
	if (rc) {
		peer_forget_rails(peer, parting(peer));
		return rc;
	}
	peer_watch(peer);
	peer->connect_deadline_ns = clock_deadline(clock_ns(), weft->connect_timeout_ns);
	engine_timer(weft, peer->connect_deadline_ns);
	return 0;
}

int peer_new(struct weft *weft, const struct wire_descriptor *d, const struct way *way,
	     const struct wire_way *far, struct weft_peer **ret)
{
	struct weft_peer *peer;
	int rc = check_limit(weft);

	if (rc)
		return rc;
	peer = mem_zalloc(sizeof(*peer) + way->count * sizeof(peer->paths[0]));
	if (!peer)
		return err_set(-ENOMEM, "out of memory for a peer");
	init_lists(peer);
	peer->weft = weft;
	peer->number = weft->next_peer_slot;
	peer->way = way;
	peer->host = d->host;
	peer->pid = d->pid;
	peer->pid_fd = -1;
	peer->newest_slot = WIRE_NO_SLOT;
	peer->fetches = d->fetches;
	peer->direct = way_rail(weft, way, 0)->limits.direct && host_may_copy(d->pid);
	peer->bell = way->provider->host_local && !way->provider->process_local;
	peer->bell_operations =
		peer->bell && !(peer->direct && way_rail(weft, way, 0)->limits.copies);
	memcpy(peer->id, d->id, WIRE_ID_BYTES);
	rc = idle_keep_address(peer, far);
	if (rc == 0)
		rc = peer_meet(peer, far);
	if (rc)
		goto free_peer;
	weft->ways[way - weft->ways].met++;
	list_add_tail(&weft->peers, &peer->link);
	weft->peer_count++;
	*ret = peer;
	return 0;
free_peer:
	mem_free(peer->latency);
	mem_free(peer->address);
	mem_free(peer);
	return rc;
}

int peer_get(struct weft *weft, const struct wire_descriptor *d, bool needed,
	     struct weft_peer **ret)
{
	struct weft_peer *peer = peer_find(weft, d->id);
	const struct wire_way *far = NULL;
	const struct way *way;
	int rc;

	if (peer) {
		if (needed || peer_state(peer) == PEER_ASLEEP)
			contact_begin(peer, needed);
		*ret = peer;
		return 0;
	}
	way = peer_choose_way(weft, d, &far);
	if (!way)
		return unreachable(weft, d);
	rc = peer_new(weft, d, way, far, &peer);
	if (rc)
		return rc;
	contact_begin(peer, needed);
	if (peer_state(peer) == PEER_DEAD)
		return err_set(peer->reason, "first contact over %s failed", way->provider->name);
	engine_log(weft, WEFT_LOG_INFO, "peer %u: pid %u over %s, %u rails", peer->slot, peer->pid,
		   way->provider->name, way->count);
	*ret = peer;
	return 0;
}

static bool is_emulated(const struct weft_peer *peer)
{
	return way_rail(peer->weft, peer->way, 0)->limits.emulated;
}

/* Software that meets a packet for a closed registration crashes. */
void peer_haunt(struct weft_peer *peer)
{
	if (is_emulated(peer))
		region_haunt(peer, clock_ns() + LOSE_NS);
}

void peer_gone(struct weft_peer *peer)
{
	if (peer->lose_ns || !peer->way->provider->never_ends)
		return;
	peer->lose_ns = clock_ns() + LOSE_NS;
	engine_timer(peer->weft, peer->lose_ns);
}

/* Operations that only the software of a dead peer would have ended. */
static void lose_flights(struct weft_peer *peer, uint64_t now_ns)
{
	struct list *link, *after;

	if (!peer->lose_ns || list_empty(&peer->flights))
		return;
	if (now_ns < peer->lose_ns) {
		engine_timer(peer->weft, peer->lose_ns);
		return;
	}
	peer->lost = true;
	list_for_each_safe(link, after, &peer->flights)
		flight_forget(peer->weft, list_entry(link, struct flight, link));
	engine_signal(peer->weft);
	peer_release(peer);
}

void peer_fail(struct weft_peer *peer, int reason)
{
	struct weft *weft = peer->weft;
	struct list *link, *after;

	if (peer_state(peer) == PEER_DEAD)
		return;
	engine_log(weft, WEFT_LOG_INFO, "peer %u (pid %u, %s): %s", peer->slot, peer->pid,
		   peer->way->provider->name, weft_strerror(reason));
	peer->reason = reason;
	idle_leave(peer);
	atomic_store_explicit(&peer->state, PEER_DEAD, memory_order_release);
	map_del(&weft->peer_by_id, id_key(peer->id), NULL);
	map_del(&weft->peer_by_slot, peer->slot, NULL);
	weft->peer_count--;
	weft->stats.peers_gone++;
	list_move_tail(&weft->dead_peers, &peer->link);
	list_del(&peer->ready);
	flight_end_peer(peer, peer->by_user ? WEFT_CANCELLED : WEFT_FAILED,
			peer->by_user ? -WEFT_ECANCELLED : reason);
	remotes_fail(peer, reason);
	peer_haunt(peer);
	list_for_each_safe(link, after, &peer->holdings)
		holding_drop(list_entry(link, struct holding, peer_link));
	peer_drop_outbox(peer);
	peer_probe_fini(peer);
	list_del(&peer->ready);
	if (reason == -WEFT_EPEERGONE)
		peer_gone(peer);
	farewell_owe(peer);
	/* It lives, and may have sent what was lost with our rail: it would never hear of that. */
	if (peer->doubt.until_ns && !peer->closed)
		farewell_say(peer);
	weft->gone_pending = true;
	engine_signal(weft);
}

/* Messages that wait for weft_receive() go with their sender's handle. */
static void drop_received(struct weft_peer *peer)
{
	struct list *link, *after;
	struct received *message;

	list_for_each_safe(link, after, &peer->weft->received)
	{
		message = list_entry(link, struct received, link);
		if (message->peer != peer)
			continue;
		list_del(link);
		peer->weft->received_count--;
		mem_free(message);
	}
}

void peer_free(struct weft_peer *peer)
{
	farewell_settled(peer);
	drop_received(peer);
	peer_drop_outbox(peer);
	mem_free(peer->part);
	peer_unwatch(peer);
	peer_probe_fini(peer);
	peer_forget_rails(peer, parting(peer));
	list_del(&peer->link);
	list_del(&peer->ready);
	idle_leave(peer);
	latency_keep(peer);
	mem_free(peer->latency);
	mem_free(peer->address);
	mem_free(peer);
}

void peer_release(struct weft_peer *peer)
{
	if (peer_state(peer) != PEER_DEAD || peer->in_flight || peer->farewell.until_ns)
		return;
	if (!peer->way->provider->host_local)
		peer_unwatch(peer); /* its death would tell nothing more */
	if (peer->pid_fd < 0)
		peer_forget_rails(peer, parting(peer));
	if (!peer->user_gone || peer->transfers || !list_empty(&peer->remotes))
		return;
	peer_free(peer);
}

void peer_discard(struct weft_peer *peer)
{
	map_del(&peer->weft->peer_by_id, id_key(peer->id), NULL);
	peer->weft->peer_count--;
	peer_free(peer);
}

void peer_run_callbacks(struct weft *weft)
{
	struct list *link, *after;
	struct weft_peer *peer;
	uint32_t kept = 0;

	weft->gone_pending = false;
	list_for_each_safe(link, after, &weft->dead_peers)
	{
		peer = list_entry(link, struct weft_peer, link);
		if (!peer->gone_told && !peer->by_user && weft->on_peer_gone) {
			peer->gone_told = true;
			weft->on_peer_gone(weft->ctx, peer, peer->reason);
			peer->user_gone = true;
			peer_release(peer);
			after = weft->dead_peers.next; /* the callback may have freed others */
		} else if (!weft->on_peer_gone) {
			kept += !peer->user_gone;
			peer_release(peer); /* its address and descriptor; the handle stays */
		}
	}
	list_for_each_safe(link, after, &weft->dead_peers)
	{
		peer = list_entry(link, struct weft_peer, link);
		if (kept <= DEAD_KEPT)
			break;
		if (peer->user_gone)
			continue;
		peer->user_gone = true;
		kept--;
		peer_release(peer);
	}
}

void peer_expire(struct weft *weft, uint64_t now_ns)
{
	struct list *link, *after;
	struct weft_peer *peer;

	if (weft->farewells)
		farewell_expire(weft, now_ns);
	list_for_each_safe(link, after, &weft->dead_peers)
		lose_flights(list_entry(link, struct weft_peer, link), now_ns);
	list_for_each_safe(link, after, &weft->peers)
	{
		peer = list_entry(link, struct weft_peer, link);
		path_continue(peer, now_ns);
		doubt_expire(peer, now_ns);
		if (peer_state(peer) != PEER_CONNECTING)
			continue;
		if (peer->connect_deadline_ns <= now_ns) {
			peer_fail(peer, -WEFT_EDEADLINE);
			continue;
		}
		engine_timer(weft, peer->connect_deadline_ns);
		contact_continue(peer, now_ns);
		if (!peer->probe_len || !peer->hellos || peer_state(peer) != PEER_CONNECTING)
			continue;
		if (now_ns - peer->said_ns > PEER_PROBE_NS)
			peer_probe(peer);
		engine_timer(weft, now_ns + PEER_PROBE_NS);
	}
}
