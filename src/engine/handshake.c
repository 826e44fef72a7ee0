/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Messages between engines, as they come in. First contact: HELLO carries the sender's addresses,
 * and the slot and token that answers must show; WELCOME gives the other side's.
 */
#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "engine/count.h"
#include "engine/engine.h"

void peer_hello(struct weft_peer *peer)
{
	uint8_t descriptor[WEFT_NOTIFY_MAX], payload[WEFT_NOTIFY_MAX];
	struct wire_hello hello = { .slot = peer->slot,
				    .token = peer->token,
				    .descriptor = descriptor };
	size_t len = sizeof(payload);
	int rc;

	hello.descriptor_len = sizeof(descriptor);
	rc = weft_export_engine(peer->weft, descriptor, &hello.descriptor_len);
	memcpy(hello.expected, peer->id, WIRE_ID_BYTES);
	if (rc == 0)
		rc = wire_put_hello(&hello, payload, &len);
	if (rc) {
		peer_fail(peer, rc);
		return;
	}
	peer_send_soon(peer, WIRE_HELLO, payload, len);
}

/* What HELLO and WELCOME show comes from before what is known: an engine gives its slots out in
 * ascending order, and has given up the peer of this one. */
static bool is_late(const struct weft_peer *peer, uint32_t slot)
{
	int32_t ahead = (int32_t)(slot - peer->newest_slot);

	if (peer->newest_slot == WIRE_NO_SLOT)
		return false;
	return ahead < 0 || (ahead == 0 && peer->remote_slot == WIRE_NO_SLOT);
}

static void learn(struct weft_peer *peer, uint32_t slot, uint64_t token)
{
	peer->remote_slot = peer->newest_slot = slot;
	peer->remote_token = token;
}

/* Its slot and token are known. */
static void connected(struct weft_peer *peer)
{
	struct list *link, *after;
	uint32_t i;

	if (peer_state(peer) != PEER_CONNECTING)
		return;
	peer_probe_fini(peer);
	atomic_store_explicit(&peer->state, PEER_CONNECTED, memory_order_release);
	idle_met(peer);
	path_begin(peer);
	list_for_each_safe(link, after, &peer->remotes)
		remote_ask(list_entry(link, struct weft_remote, link));
	peer_make_ready(peer);
	engine_signal(peer->weft);
	/* It may know rails of ours from before they broke. */
	for (i = 0; i < peer->way->count && peer_state(peer) == PEER_CONNECTED; i++)
		if (way_rail(peer->weft, peer->way, i)->broken)
			doubt_begin(peer, i);
}

/* Tells a sender that is no peer why it does not become one. */
static void refuse(struct rail *rail, const struct wire_hello *hello,
		   const struct wire_descriptor *from, int code)
{
	struct wire_head head = { .type = WIRE_REFUSE, .slot = hello->slot, .token = hello->token };
	struct wire_grant grant = { .code = code };
	uint8_t bytes[WIRE_HEAD_BYTES], payload[16];
	size_t len = sizeof(payload);
	const struct wire_rail *far;
	uint64_t dest;
	uint32_t i;

	wire_put_head(&head, bytes);
	if (wire_put_grant(&grant, payload, &len))
		return;
	for (i = 0; i < from->way_count; i++) {
		if (from->ways[i].provider != rail->provider->number)
			continue;
		far = wire_first_rail(&from->ways[i]);
		if (!far || rail->ops->connect(rail->port, far->addr, far->addr_len, &dest))
			return;
		/* The destination stays: forgetting it would cut the answer off. A stranger that
		 * comes again gets the same entry where the provider finds equal addresses. */
		rail->ops->send(rail->port, dest, bytes, sizeof(bytes), payload, len, UINT64_MAX);
		return;
	}
}

/* Rails of the peer that broke before it could say so. */
static int turn_paths(struct weft_peer *peer, const struct wire_descriptor *from)
{
	uint32_t i, k;

	for (i = 0; i < from->way_count; i++)
		for (k = 0; k < from->ways[i].rail_count; k++)
			if (from->ways[i].provider == peer->way->provider->number &&
			    !from->ways[i].rails[k].addr_len)
				path_turn(peer, k);
	return peer_state(peer) == PEER_DEAD ? -WEFT_EPEERGONE : 0;
}

/* A peer whose engine says HELLO, and with it that the two have parted. */
static bool is_anew(const struct weft_peer *peer, const struct wire_hello *hello)
{
	return peer_state(peer) == PEER_ASLEEP ||
	       (peer_state(peer) == PEER_CONNECTED && peer->remote_token != hello->token);
}

static int accept_peer(struct weft *weft, struct rail *rail, const struct wire_head *head,
		       const struct wire_hello *hello, const struct wire_descriptor *from)
{
	struct weft_peer *peer = peer_find(weft, from->id);
	const struct way *way = NULL;
	struct wire_welcome welcome;
	uint8_t payload[64];
	size_t len = sizeof(payload);
	uint32_t i;
	int rc;

	if (peer && is_late(peer, hello->slot))
		return 0;
	if (farewell_denies(weft, head->token))
		return -WEFT_EPEERGONE;
	if (peer && is_anew(peer, hello)) {
		if (!idle_has_rested(peer, head)) { /* it has forgotten what was between us */
			peer_fail(peer, -WEFT_EPEERGONE);
			farewell_settled(peer);
		}
		peer = peer_find(weft, from->id);
	}
	if (peer && peer_state(peer) == PEER_ASLEEP) {
		rc = idle_wake_quietly(peer);
		if (rc) {
			peer_fail(peer, rc);
			return rc;
		}
	}
	for (i = 0; i < weft->way_count; i++)
		if (weft->ways[i].provider == rail->provider)
			way = &weft->ways[i];
	for (i = 0; !peer && i < from->way_count; i++) {
		if (from->ways[i].provider != rail->provider->number)
			continue;
		rc = peer_new(weft, from, way, &from->ways[i], &peer);
		if (rc)
			return rc;
	}
	if (!peer)
		return -WEFT_EUNREACHABLE;
	if (turn_paths(peer, from))
		return -WEFT_EPEERGONE;
	memcpy(welcome.id, weft->id, WIRE_ID_BYTES);
	welcome.slot = peer->slot;
	welcome.token = peer->token;
	learn(peer, hello->slot, hello->token);
	if (wire_put_welcome(&welcome, payload, &len) == 0)
		peer_send_soon(peer, WIRE_WELCOME, payload, len);
	connected(peer);
	return 0;
}

static int got_hello(struct weft *weft, struct rail *rail, const struct wire_head *head,
		     const void *payload, size_t len)
{
	struct wire_descriptor *from;
	struct wire_hello hello;
	int rc;

	rc = wire_get_hello(&hello, payload, len);
	if (rc)
		return rc;
	from = mem_alloc(sizeof(*from));
	if (!from)
		return -ENOMEM;
	rc = wire_get_descriptor(from, hello.descriptor, hello.descriptor_len);
	if (rc == 0) {
		if (memcmp(hello.expected, weft->id, WIRE_ID_BYTES) != 0)
			rc = -WEFT_EPEERSTALE;
		else
			rc = accept_peer(weft, rail, head, &hello, from);
		if (rc)
			refuse(rail, &hello, from, rc);
		rc = 0;
	}
	mem_free(from);
	return rc;
}

static int queue_message(struct weft_peer *peer, const void *data, size_t len)
{
	struct weft *weft = peer->weft;
	struct received *message;

	message = weft->received_count < ENGINE_RECEIVE_QUEUE ? mem_alloc(sizeof(*message) + len)
							      : NULL;
	if (!message) { /* dropping one message in silence would be worse */
		peer_fail(peer, -WEFT_ELIMIT);
		return 0;
	}
	message->peer = peer;
	message->len = len;
	if (len)
		memcpy(message->data, data, len);
	list_add_tail(&weft->received, &message->link);
	weft->received_count++;
	engine_signal(weft);
	return 0;
}

static int got_part(struct weft_peer *peer, const void *data, size_t len)
{
	if (!peer->part)
		peer->part = mem_alloc(WEFT_NOTIFY_MAX);
	if (!peer->part)
		return -ENOMEM;
	if (len > WEFT_NOTIFY_MAX - peer->part_len)
		return -WEFT_EMESSAGE;
	memcpy(peer->part + peer->part_len, data, len);
	peer->part_len += (uint32_t)len;
	return 0;
}

static int got_data(struct weft_peer *peer, const void *data, size_t len)
{
	struct weft *weft = peer->weft;
	int rc;

	if (peer->part_len) {
		rc = got_part(peer, data, len);
		data = peer->part;
		len = peer->part_len;
		peer->part_len = 0;
		if (rc)
			return rc;
	}
	peer->handed = true;
	COUNT(peer, messages_received);
	if (!weft->on_message)
		return queue_message(peer, data, len);
	weft->on_message(weft->ctx, peer, data, len);
	return 0;
}

/* Where it has said HELLO itself meanwhile, it takes us for a peer. */
static void refused(struct weft_peer *peer, int reason)
{
	bool met = peer_state(peer) == PEER_CONNECTED;

	peer_fail(peer, reason);
	if (!met)
		farewell_settled(peer);
}

static int got_control(struct weft_peer *peer, const struct wire_head *head, const void *payload,
		       size_t len)
{
	struct wire_grant grant;
	int rc = wire_get_grant(&grant, payload, len);

	if (rc)
		return rc;
	switch (head->type) {
	case WIRE_REFUSE:
		refused(peer, grant.code < 0 ? grant.code : -WEFT_EMESSAGE);
		break;
	case WIRE_ASK:
		idle_used(peer);
		region_asked(peer, &grant);
		break;
	case WIRE_GRANT:
		remote_granted(peer, &grant);
		break;
	case WIRE_RELEASE:
	case WIRE_REVOKED:
		region_released(peer, &grant, head->type == WIRE_REVOKED);
		break;
	case WIRE_REVOKE:
		remote_revoke(peer, &grant);
		break;
	case WIRE_IMM:
		arrival_event(peer->weft, grant.region);
		break;
	case WIRE_PING:
		peer_control(peer, WIRE_PONG, &grant);
		break;
	case WIRE_PONG:
		if (grant.region < peer->way->count)
			path_answered(peer, grant.region);
		break;
	case WIRE_BROKEN:
		doubt_broken(peer, &grant, head->number);
		break;
	case WIRE_COUNTED:
		doubt_counted(peer, head->number);
		break;
	case WIRE_REST:
	case WIRE_RESTED:
		return idle_heard(peer, head, &grant);
	default:
		return -WEFT_EMESSAGE;
	}
	return 0;
}

static int got_welcome(struct weft_peer *peer, const void *payload, size_t len)
{
	struct wire_welcome welcome;
	int rc = wire_get_welcome(&welcome, payload, len);

	if (rc)
		return rc;
	if (memcmp(welcome.id, peer->id, WIRE_ID_BYTES) != 0)
		return -WEFT_EMESSAGE;
	if (is_late(peer, welcome.slot))
		return 0;
	/* It has given up the peer whose HELLO we took, and what we said to that is lost. */
	if (peer_state(peer) == PEER_CONNECTED &&
	    (peer->remote_slot != welcome.slot || peer->remote_token != welcome.token)) {
		peer_fail(peer, -WEFT_EPEERGONE);
		farewell_say(peer);
		return 0;
	}
	learn(peer, welcome.slot, welcome.token);
	connected(peer);
	return 0;
}

/* Of a peer that is known. It may be gone afterwards. */
static int heard(struct weft_peer *peer, const struct wire_head *head, const void *payload,
		 size_t len)
{
	switch (head->type) {
	case WIRE_WELCOME:
		return got_welcome(peer, payload, len);
	case WIRE_DATA:
		idle_used(peer);
		return got_data(peer, payload, len);
	case WIRE_PART:
		return got_part(peer, payload, len);
	case WIRE_BYE:
		peer->closed = true;
		peer_fail(peer, -WEFT_EPEERGONE);
		farewell_settled(peer);
		peer_release(peer);
		return 0;
	default:
		return got_control(peer, head, payload, len);
	}
}

static int dispatch(struct weft *weft, struct rail *rail, const void *data, size_t len)
{
	const void *payload = (const uint8_t *)data + WIRE_HEAD_BYTES;
	struct weft_peer *peer;
	struct wire_head head;
	int rc;

	rc = wire_get_head(&head, data, len);
	if (rc)
		return rc;
	len -= WIRE_HEAD_BYTES;
	if (head.type == WIRE_HELLO)
		return got_hello(weft, rail, &head, payload, len);
	if (head.type == WIRE_FORGOTTEN)
		return farewell_got(weft, payload, len);
	peer = map_get_ptr(&weft->peer_by_slot, head.slot);
	if (!peer || peer->token != head.token) /* one that we let go of may have asked */
		return farewell_answer(weft, rail, &head) || head.type == WIRE_PING
			       ? 0
			       : -WEFT_EMESSAGE;
	if (wire_is_numbered(head.type) && !sequence_is_new(&peer->came, head.number)) {
		COUNT(peer, messages_repeated);
		return 0;
	}
	rc = heard(peer, &head, payload, len);
	peer = map_get_ptr(&weft->peer_by_slot, head.slot);
	if (peer) /* while a REST is awaited, it is not agreed to */
		idle_continue(peer);
	peer = map_get_ptr(&weft->peer_by_slot, head.slot);
	if (peer)
		doubt_continue(peer);
	return rc;
}

void message_event(struct weft *weft, struct rail *rail, const void *data, size_t len)
{
	if (dispatch(weft, rail, data, len))
		weft->stats.messages_bad++;
}
