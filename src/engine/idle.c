/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Peers that nobody uses are let go beyond weft_opts.idle_peers, and met again when they are
 * needed. Both sides agree to it: who wants to let go says REST and sends nothing more, the other
 * answers RESTED, and both fall asleep; or it has something under way, answers that it is busy, and
 * all stays as it was. Two that say REST to each other have agreed with that.
 *
 * I1: who says REST, or agrees to it, has no operation, transfer or unsettled message at the peer,
 *     no question open, and no region of its own that is being taken back from it. Until it is
 *     asleep, or has heard that the other is busy, it sends nothing else; what it would send waits
 *     in the outbox. But for PING from who awaits RESTED: the other may have lost us, and one that
 *     sleeps takes no notice of it.
 * I2: REST and RESTED are acted upon once all messages with lower numbers have come, so nothing of
 *     the other side is under way when the slot is given up.
 * I3: falling asleep gives back all grants, in both directions. Whoever wakes asks for each region
 *     again before it posts anything, and is refused where the region is no more.
 *
 * Asleep, a peer keeps what its handles need: its id, its addresses, its remotes. One that no
 * handle was given out of is freed whole.
 */
#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "engine/engine.h"

#define UNUSED_NS (10 * NSEC_PER_MSEC) /* used within this time: not idle, on either side */
#define LOOKS_MAX 64u                  /* peers looked at in one go */

/* Those on ways whose addresses are few in an endpoint's life would use them up by coming back. */
static bool applies(const struct weft_peer *peer)
{
	return !peer->way->provider->addresses_max;
}

/* Of a way only the rails that there are. */
int idle_keep_address(struct weft_peer *peer, const struct wire_way *far)
{
	size_t len = offsetof(struct wire_way, rails) + far->rail_count * sizeof(far->rails[0]);

	if (!applies(peer))
		return 0;
	peer->address = mem_alloc(len);
	if (!peer->address)
		return err_set(-ENOMEM, "out of memory for a peer's addresses");
	memcpy(peer->address, far, len);
	return 0;
}

void idle_met(struct weft_peer *peer)
{
	struct weft *weft = peer->weft;

	if (!applies(peer))
		return;
	peer->used_ns = engine_now(weft);
	list_add_tail(&weft->awake, &peer->use);
	weft->awake_count++;
	if (weft->idle_peers && weft->awake_count > weft->idle_peers)
		engine_timer(weft, 0);
}

static void set_rest(struct weft_peer *peer, enum peer_rest rest)
{
	struct weft *weft = peer->weft;

	weft->resting_count += (rest != REST_NONE) - (peer->rest != REST_NONE);
	peer->rest = rest;
}

void idle_leave(struct weft_peer *peer)
{
	if (!list_empty(&peer->use))
		peer->weft->awake_count--;
	list_del(&peer->use);
	set_rest(peer, REST_NONE);
	if (peer_state(peer) == PEER_ASLEEP)
		peer->weft->asleep_count--;
}

/* --- who may be let go --- */

static bool asks_open(const struct weft_peer *peer)
{
	const struct weft_remote *remote;
	const struct list *link;

	list_for_each(link, &peer->remotes)
	{
		remote = list_entry(link, struct weft_remote, link);
		if (remote->answer_revoke ||
		    atomic_load_explicit(&remote->status, memory_order_relaxed) == -EINPROGRESS)
			return true;
	}
	return false;
}

static bool takes_back(const struct weft_peer *peer)
{
	const struct list *link;

	list_for_each(link, &peer->holdings)
	{
		if (atomic_load_explicit(
			    &list_entry(link, struct holding, peer_link)->region->closing,
			    memory_order_relaxed))
			return true;
	}
	return false;
}

/* I1. What was sent without waiting for its end may come after a message on another rail. */
static bool is_quiet(const struct weft_peer *peer)
{
	if (peer_state(peer) != PEER_CONNECTED || peer->paths_down != peer->paths_lost ||
	    peer->lose_ns || peer->doubt.asked || peer->doubt.until_ns)
		return false;
	if (peer->transfers || peer->in_flight || !list_empty(&peer->queue) ||
	    !list_empty(&peer->flights))
		return false;
	if (!list_empty(&peer->outbox) || peer->sends || peer->part_len ||
	    peer->sent.oldest != peer->sent.next)
		return false;
	if (peer->unplaced && peer->way->count > 1)
		return false;
	return !asks_open(peer) && !takes_back(peer);
}

static bool is_unused(const struct weft_peer *peer, uint64_t now_ns)
{
	return now_ns - peer->used_ns >= UNUSED_NS;
}

static void say(struct weft_peer *peer, uint8_t type, int code)
{
	peer_control(peer, type, &(struct wire_grant){ .code = code });
}

void idle_expire(struct weft *weft, uint64_t now_ns)
{
	struct list *link, *after;
	struct weft_peer *peer;
	uint32_t looks = 0;

	if (!weft->idle_peers || weft->awake_count <= weft->idle_peers)
		return;
	engine_timer(weft, now_ns + UNUSED_NS);
	list_for_each_safe(link, after, &weft->awake)
	{
		peer = list_entry(link, struct weft_peer, use);
		if (weft->awake_count - weft->resting_count <= weft->idle_peers ||
		    ++looks > LOOKS_MAX || !is_unused(peer, now_ns))
			return;
		if (peer->rest != REST_NONE)
			continue;
		if (!is_quiet(peer)) {
			idle_used(peer); /* it is not idle, and others stand behind it */
			continue;
		}
		set_rest(peer, REST_ASKED);
		idle_used(peer); /* as it may never answer */
		path_await(peer);
		say(peer, WIRE_REST, 0);
	}
}

/* --- asleep --- */

static void forget_everything(struct weft_peer *peer)
{
	struct list *link, *after;

	list_for_each_safe(link, after, &peer->holdings)
		holding_drop(list_entry(link, struct holding, peer_link));
	peer_drop_outbox(peer);
	peer_unwatch(peer);
	peer_forget_rails(peer, FORGET_RESTS);
	latency_keep(peer);
	mem_free(peer->latency);
	peer->latency = NULL;
	mem_free(peer->part);
	peer->part = NULL;
	memset(&peer->sent, 0, sizeof(peer->sent));
	memset(&peer->came, 0, sizeof(peer->came));
	memset(&peer->doubt, 0, sizeof(peer->doubt));
	memset(peer->paths, 0, peer->way->count * sizeof(peer->paths[0]));
	peer->paths_down = peer->paths_lost = 0;
	peer->remote_slot = WIRE_NO_SLOT;
	peer->hello_ns = UINT64_MAX;
	peer->ask_ns = 0;
	peer->hellos = 0;
	peer->sends = 0; /* their ends name the slot */
	peer->rest_heard = 0;
	peer->unplaced = false;
}

static void fall_asleep(struct weft_peer *peer)
{
	struct weft *weft = peer->weft;
	bool needed = !list_empty(&peer->queue);

	engine_log(weft, WEFT_LOG_INFO, "peer %u (pid %u, %s) is let go: idle", peer->slot,
		   peer->pid, peer->way->provider->name);
	farewell_over(weft, peer->id); /* who has agreed knows this peer, and none before it */
	idle_leave(peer);
	list_del(&peer->ready);
	map_del(&weft->peer_by_slot, peer->slot, NULL);
	forget_everything(peer);
	atomic_store_explicit(&peer->state, PEER_ASLEEP, memory_order_release);
	list_move_tail(&weft->asleep, &peer->link);
	weft->asleep_count++;
	weft->stats.peers_slept++;
	if (needed || asks_open(peer))
		idle_wake(peer, needed);
	else if (!peer->handed)
		peer_discard(peer);
	engine_signal(weft);
}

static void wake_remotes(struct weft_peer *peer)
{
	struct weft_remote *remote;
	struct list *link;

	list_for_each(link, &peer->remotes)
	{
		remote = list_entry(link, struct weft_remote, link);
		remote->asked = false;
		if (atomic_load_explicit(&remote->status, memory_order_relaxed) == 0)
			remote_set_status(remote, -EINPROGRESS);
	}
}

void idle_wake(struct weft_peer *peer, bool needed)
{
	int rc = idle_wake_quietly(peer);

	if (rc)
		peer_fail(peer, rc);
	else
		contact_begin(peer, needed);
}

int idle_wake_quietly(struct weft_peer *peer)
{
	struct weft *weft = peer->weft;
	int rc = peer_meet(peer, peer->address);

	if (rc)
		return rc;
	weft->asleep_count--;
	atomic_store_explicit(&peer->state, PEER_CONNECTING, memory_order_release);
	list_move_tail(&weft->peers, &peer->link);
	wake_remotes(peer);
	if (!list_empty(&peer->queue))
		peer_make_ready(peer);
	return 0;
}

/* --- what the peer says --- */

/* Once nothing that was sent to it is under way. */
static void agree(struct weft_peer *peer)
{
	set_rest(peer, REST_AGREED);
	idle_sent(peer);
}

bool idle_sent(struct weft_peer *peer)
{
	if (peer_state(peer) != PEER_CONNECTED || peer->rest != REST_AGREED || peer->sends ||
	    peer_rest_waits(peer))
		return false;
	fall_asleep(peer);
	return true;
}

static void heard_rest(struct weft_peer *peer)
{
	if (peer->rest != REST_NONE) {
		agree(peer);
	} else if (is_quiet(peer) && is_unused(peer, engine_now(peer->weft))) {
		set_rest(peer, REST_AGREED);
		say(peer, WIRE_RESTED, 0);
		idle_sent(peer);
	} else {
		say(peer, WIRE_RESTED, -EBUSY);
	}
}

static void heard_rested(struct weft_peer *peer)
{
	if (peer->rest == REST_ASKED)
		agree(peer);
}

/* It may come before what was sent earlier: nothing is given up. */
static void heard_busy(struct weft_peer *peer)
{
	if (peer->rest != REST_ASKED)
		return;
	set_rest(peer, REST_NONE);
	idle_used(peer);
	peer_make_ready(peer); /* what has waited */
}

int idle_heard(struct weft_peer *peer, const struct wire_head *head, const struct wire_grant *grant)
{
	if (!applies(peer) || peer->rest_heard)
		return -WEFT_EMESSAGE;
	if (head->type == WIRE_RESTED && grant->code) {
		heard_busy(peer);
		return 0;
	}
	peer->rest_heard = head->type;
	peer->rest_number = head->number;
	return 0;
}

void idle_refused(struct weft_peer *peer)
{
	heard_busy(peer);
}

void idle_continue(struct weft_peer *peer)
{
	uint8_t type = peer->rest_heard;

	if (!type || peer_state(peer) != PEER_CONNECTED ||
	    !sequence_has_all(&peer->came, peer->rest_number))
		return;
	peer->rest_heard = 0;
	if (type == WIRE_REST)
		heard_rest(peer);
	else
		heard_rested(peer);
}

/* Only what it has let go of can it name; whoever gave us up says that it did (peer_send()). */
bool idle_has_rested(struct weft_peer *peer, const struct wire_head *head)
{
	bool asleep = peer_state(peer) == PEER_ASLEEP;

	if (!asleep && peer->rest == REST_NONE)
		return false;
	if (head->token != peer->token && head->number)
		return false;
	if (!asleep) {
		peer_haunt(peer); /* unless it has only lost us */
		fall_asleep(peer);
	}
	return true;
}
