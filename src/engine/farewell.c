/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Peers that were given up and may not know it: all paths to one had failed, or it did not answer.
 * When a path works again it still takes us for a peer, and what it sends shows a slot and a token
 * that nobody has any more. So its record is kept for a while, and whoever shows them is told
 * FORGOTTEN, with what it showed: that names the peer on its side whatever it is called by now.
 * Nothing is sent to a peer that does not speak first, since most have died; unless it is known to
 * live (doubt.c).
 *
 * Invariant W1: weft->farewells counts the dead peers with farewell.until_ns.
 */
#include <string.h>

#include "base/clock.h"
#include "engine/engine.h"

#define KEPT_NS       (60 * NSEC_PER_SEC)
#define KEPT_MAX      256u
#define PAUSE_NS      (20 * NSEC_PER_MSEC) /* between two farewells to one peer */
#define PAUSE_LAST_NS (2 * NSEC_PER_SEC)   /* lost ones are said again, at pauses that double */

static void end_oldest(struct weft *weft)
{
	struct weft_peer *peer;
	struct list *link;

	list_for_each(link, &weft->dead_peers)
	{
		peer = list_entry(link, struct weft_peer, link);
		if (peer->farewell.until_ns <= 1)
			continue;
		peer->farewell.until_ns = 1; /* long past: farewell_expire() releases it */
		engine_timer(weft, 0);
		return;
	}
}

void farewell_owe(struct weft_peer *peer)
{
	struct weft *weft = peer->weft;

	if (peer->by_user || (peer->remote_slot == WIRE_NO_SLOT && !peer->hellos))
		return;
	if (weft->farewells >= KEPT_MAX)
		end_oldest(weft);
	peer->farewell.until_ns = clock_deadline(clock_ns(), KEPT_NS);
	peer->farewell.pause_ns = PAUSE_NS;
	weft->farewells++;
	engine_timer(weft, peer->farewell.until_ns);
}

void farewell_settled(struct weft_peer *peer)
{
	if (!peer->farewell.until_ns)
		return;
	peer->farewell.until_ns = 0;
	peer->weft->farewells--;
}

static void say(struct weft_peer *peer, uint32_t path, uint64_t now_ns)
{
	struct wire_head head = { .type = WIRE_FORGOTTEN };
	struct wire_welcome shown = { .slot = peer->slot, .token = peer->token };
	struct rail *rail = way_rail(peer->weft, peer->way, path);
	uint8_t bytes[WIRE_HEAD_BYTES], payload[64];
	size_t len = sizeof(payload);
	int rc;

	peer->farewell.again_ns = 0;
	memcpy(shown.id, peer->weft->id, WIRE_ID_BYTES);
	if (!peer->paths[path].has_dest) /* it may have been met by a rail that broke */
		path_redirect(peer, path);
	if (!peer->paths[path].has_dest || rail->broken || wire_put_welcome(&shown, payload, &len))
		return;
	wire_put_head(&head, bytes);
	rc = rail->ops->send(rail->port, peer->paths[path].dest, bytes, sizeof(bytes), payload, len,
			     cookie_farewell(peer, path));
	if (rc < 0) { /* its next message asks again */
		if (rc == -WEFT_EPEERGONE)
			path_redirect(peer, path);
		return;
	}
	peer->farewell.said_ns = now_ns;
	if (peer->bell)
		bell_posted(peer, now_ns);
}

void farewell_say(struct weft_peer *peer)
{
	if (peer->farewell.until_ns)
		say(peer, path_first(peer), clock_ns());
}

static bool by_slot(const struct weft_peer *peer, const void *slot)
{
	return peer->slot == *(const uint32_t *)slot;
}

static bool by_token(const struct weft_peer *peer, const void *token)
{
	return peer->token == *(const uint64_t *)token;
}

static bool by_id(const struct weft_peer *peer, const void *id)
{
	return memcmp(peer->id, id, WIRE_ID_BYTES) == 0;
}

/* The first that is owed a farewell and is meant by key. */
static struct weft_peer *find(const struct weft *weft,
			      bool (*is)(const struct weft_peer *peer, const void *key),
			      const void *key)
{
	struct weft_peer *peer;
	struct list *link;

	if (!weft->farewells)
		return NULL;
	list_for_each(link, &weft->dead_peers)
	{
		peer = list_entry(link, struct weft_peer, link);
		if (peer->farewell.until_ns && is(peer, key))
			return peer;
	}
	return NULL;
}

bool farewell_answer(struct weft *weft, const struct rail *rail, const struct wire_head *head)
{
	struct weft_peer *peer = find(weft, by_slot, &head->slot);
	uint64_t now_ns;

	if (!peer || peer->token != head->token || rail->index < peer->way->first ||
	    rail->index >= peer->way->first + peer->way->count)
		return false;
	if (head->type == WIRE_BYE) {
		peer->closed = true;
		farewell_settled(peer);
		peer_release(peer);
		return true;
	}
	now_ns = clock_ns();
	if (!peer->farewell.said_ns || now_ns - peer->farewell.said_ns >= PAUSE_NS)
		say(peer, rail->index - peer->way->first, now_ns);
	return true;
}

bool farewell_owed(const struct weft *weft, const uint8_t *id)
{
	return find(weft, by_id, id);
}

void farewell_over(struct weft *weft, const uint8_t *id)
{
	struct weft_peer *peer;

	while ((peer = find(weft, by_id, id))) {
		farewell_settled(peer);
		peer_release(peer);
	}
}

bool farewell_denies(struct weft *weft, uint64_t token)
{
	struct weft_peer *peer = token ? find(weft, by_token, &token) : NULL;

	if (!peer)
		return false;
	farewell_settled(peer);
	peer_release(peer);
	return true;
}

int farewell_got(struct weft *weft, const void *payload, size_t len)
{
	struct wire_welcome shown;
	struct weft_peer *peer;
	int rc = wire_get_welcome(&shown, payload, len);

	if (rc)
		return rc;
	peer = peer_find(weft, shown.id);
	if (!peer || peer->remote_slot != shown.slot || peer->remote_token != shown.token)
		return -WEFT_EMESSAGE;
	peer_fail(peer, -WEFT_EPEERGONE);
	farewell_settled(peer);
	peer_release(peer);
	return 0;
}

void farewell_sent(struct weft *weft, uint32_t slot, uint32_t path, int error)
{
	struct weft_peer *peer = find(weft, by_slot, &slot);

	if (!peer || !error)
		return;
	path_redirect(peer, path);
	peer->farewell.path = (path + 1) % peer->way->count;
	peer->farewell.again_ns = clock_ns() + peer->farewell.pause_ns;
	if (peer->farewell.pause_ns < PAUSE_LAST_NS)
		peer->farewell.pause_ns *= 2;
	engine_timer(weft, peer->farewell.again_ns);
}

void farewell_expire(struct weft *weft, uint64_t now_ns)
{
	struct list *link, *after;
	struct weft_peer *peer;

	list_for_each_safe(link, after, &weft->dead_peers)
	{
		peer = list_entry(link, struct weft_peer, link);
		if (peer->farewell.until_ns > now_ns) {
			if (peer->farewell.again_ns && peer->farewell.again_ns <= now_ns)
				say(peer, peer->farewell.path, now_ns);
			else if (peer->farewell.again_ns)
				engine_timer(weft, peer->farewell.again_ns);
			engine_timer(weft, peer->farewell.until_ns);
		} else if (peer->farewell.until_ns) {
			farewell_settled(peer);
			peer_release(peer);
		}
	}
}
