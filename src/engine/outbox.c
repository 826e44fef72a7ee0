/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Messages between engines, on their way out. They take the first path that works; one that is lost
 * with its path goes again on another, under the same number, so that the other side counts it
 * once. What the provider has no room for, or what cannot be addressed yet, waits in the peer's
 * outbox.
 */
#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "engine/count.h"
#include "engine/engine.h"

/* In an outbox: the payload is a whole message that was lost. */
#define WIRE_AGAIN 0u

enum cookie_kind {
	COOKIE_PLAIN,
	COOKIE_NUMBERED,
	COOKIE_PING,
	COOKIE_FAREWELL,
};

/* What comes back with EVENT_SENT: peer, path, which turn of it, and the low half of the number,
 * which is less than SEQUENCE_AHEAD from the oldest. */
static uint64_t cookie(const struct weft_peer *peer, uint32_t path, enum cookie_kind kind,
		       uint32_t number)
{
	uint32_t turn = peer->paths[path].turn & 7u;

	return (uint64_t)kind << 56 | (uint64_t)(number & UINT16_MAX) << 40 |
	       (uint64_t)(turn << 5 | path) << 32 | peer->slot;
}

uint64_t cookie_farewell(const struct weft_peer *peer, uint32_t path)
{
	return cookie(peer, path, COOKIE_FAREWELL, 0);
}

static uint32_t cookie_number(const struct weft_peer *peer, uint64_t value)
{
	return peer->sent.oldest + (uint16_t)((value >> 40) - peer->sent.oldest);
}

/* What the port's send() answers; counts what an EVENT_SENT will follow for. */
static int send_by(struct weft_peer *peer, uint32_t path, const void *head, size_t head_len,
		   const void *body, size_t len, enum cookie_kind kind, uint32_t number)
{
	struct rail *rail = way_rail(peer->weft, peer->way, path);
	int rc;

	if (rail->broken)
		return rail->broken;
	rc = rail->ops->send(rail->port, peer->paths[path].dest, head, head_len, body, len,
			     cookie(peer, path, kind, number));
	if (rc == 0)
		peer->sends++;
	if (rc == 1 && kind == COOKIE_NUMBERED)
		sequence_settle(&peer->sent, number);
	if (rc >= 0 && peer->bell)
		bell_posted(peer, clock_ns());
	return rc;
}

/* By the first path that takes it. 0, -EAGAIN, or why the peer is failed with it. */
static int send_by_any(struct weft_peer *peer, const void *head, size_t head_len, const void *body,
		       size_t len, enum cookie_kind kind, uint32_t number)
{
	uint32_t path;
	int rc;

	do {
		path = path_first(peer);
		rc = send_by(peer, path, head, head_len, body, len, kind, number);
	} while (rc == -WEFT_EPEERGONE && path_failed(peer, path, rc));
	return rc > 0 ? 0 : rc;
}

int peer_send(struct weft_peer *peer, uint8_t type, const void *payload, size_t len)
{
	bool numbered = wire_is_numbered(type);
	struct wire_head head = { .type = type,
				  .slot = peer->remote_slot,
				  .token = peer->remote_token };
	uint8_t bytes[WIRE_HEAD_BYTES];
	int rc;

	if (peer->sends >= PEER_SENDS_MAX)
		return -EAGAIN;
	if (numbered && !sequence_take(&peer->sent, &head.number))
		return -EAGAIN;
	/* Its token is that of the peer that let go of us last, if any: still remote_token. */
	if (type == WIRE_HELLO)
		head.number = farewell_owed(peer->weft, peer->id);
	wire_put_head(&head, bytes);
	rc = send_by_any(peer, bytes, sizeof(bytes), payload, len,
			 numbered ? COOKIE_NUMBERED : COOKIE_PLAIN, head.number);
	if (rc && numbered)
		sequence_untake(&peer->sent);
	return rc;
}

void peer_ping(struct weft_peer *peer, uint32_t path)
{
	struct wire_head head = { .type = WIRE_PING,
				  .slot = peer->remote_slot,
				  .token = peer->remote_token };
	struct wire_grant grant = { .region = path };
	uint8_t bytes[WIRE_HEAD_BYTES], payload[16];
	size_t len = sizeof(payload);
	int rc;

	if (peer->remote_slot == WIRE_NO_SLOT || peer->rest == REST_AGREED ||
	    wire_put_grant(&grant, payload, &len))
		return;
	wire_put_head(&head, bytes);
	rc = send_by(peer, path, bytes, sizeof(bytes), payload, len, COOKIE_PING, 0);
	peer->paths[path].probing = rc == 0;
	if (rc == -WEFT_EPEERGONE)
		path_failed(peer, path, rc);
}

/* Before its WELCOME has come nothing but HELLO can be addressed to a peer, but what it sent after
 * that may have overtaken it and wants an answer. */
static bool can_send(const struct weft_peer *peer, uint8_t type)
{
	if (type == WIRE_HELLO || type == WIRE_AGAIN)
		return true;
	if (peer->rest != REST_NONE && type != WIRE_REST && type != WIRE_RESTED)
		return false; /* I1 in idle.c */
	return peer->remote_slot != WIRE_NO_SLOT;
}

static struct outgoing *enqueue(struct weft_peer *peer, uint8_t type, const void *payload,
				size_t len)
{
	struct outgoing *out;

	out = peer->outbox_count < PEER_OUTBOX_MAX ? mem_alloc(sizeof(*out) + len) : NULL;
	if (!out) {
		peer_fail(peer, peer->outbox_count < PEER_OUTBOX_MAX ? -ENOMEM : -WEFT_EPEERSTUCK);
		return NULL;
	}
	out->type = type;
	out->len = (uint16_t)len;
	out->kind = COOKIE_PLAIN;
	if (len)
		memcpy(out->payload, payload, len);
	if (type == WIRE_HELLO || type == WIRE_AGAIN)
		list_add_head(&peer->outbox, &out->link);
	else
		list_add_tail(&peer->outbox, &out->link);
	peer->outbox_count++;
	peer_make_ready(peer);
	return out;
}

void peer_drop_outbox(struct weft_peer *peer)
{
	struct list *link;

	while ((link = list_pop(&peer->outbox)))
		mem_free(list_entry(link, struct outgoing, link));
	peer->outbox_count = 0;
}

void peer_send_soon(struct weft_peer *peer, uint8_t type, const void *payload, size_t len)
{
	int rc = -EAGAIN;

	if (peer_state(peer) == PEER_DEAD)
		return;
	if (can_send(peer, type) && (type == WIRE_HELLO || list_empty(&peer->outbox)))
		rc = peer_send(peer, type, payload, len);
	if (rc == -EAGAIN)
		enqueue(peer, type, payload, len);
	else if (rc)
		peer_fail(peer, rc);
}

void peer_flush_outbox(struct weft_peer *peer)
{
	struct outgoing *out;
	struct list *link;
	int rc;

	while ((link = list_first(&peer->outbox))) {
		out = list_entry(link, struct outgoing, link);
		if (!can_send(peer, out->type))
			return;
		if (out->type == WIRE_AGAIN)
			rc = send_by_any(peer, out->payload, out->len, NULL, 0,
					 (enum cookie_kind)out->kind, out->number);
		else
			rc = peer_send(peer, out->type, out->payload, out->len);
		if (rc == -EAGAIN)
			return;
		if (rc) {
			peer_fail(peer, rc);
			return;
		}
		list_del(link);
		peer->outbox_count--;
		mem_free(out);
	}
}

bool peer_hello_waits(const struct weft_peer *peer)
{
	struct list *link = list_first(&peer->outbox);

	return link && list_entry(link, struct outgoing, link)->type == WIRE_HELLO;
}

bool peer_rest_waits(const struct weft_peer *peer)
{
	struct list *link = list_first(&peer->outbox);
	uint8_t type = link ? list_entry(link, struct outgoing, link)->type : WIRE_HELLO;

	return type == WIRE_REST || type == WIRE_RESTED || type == WIRE_AGAIN;
}

void peer_control(struct weft_peer *peer, uint8_t type, const struct wire_grant *grant)
{
	uint8_t payload[16];
	size_t len = sizeof(payload);

	if (wire_put_grant(grant, payload, &len) == 0)
		peer_send_soon(peer, type, payload, len);
}

void peer_immediate(struct weft_peer *peer, uint32_t imm)
{
	peer_control(peer, WIRE_IMM, &(struct wire_grant){ .region = imm });
}

/* Where large messages would hold up others they go in two parts; such providers keep the order. */
int peer_send_data(struct weft_peer *peer, const void *data, size_t len)
{
	size_t max = peer->way->provider->message_max, part;
	int rc;

	if (!list_empty(&peer->outbox) || peer->rest != REST_NONE)
		return -EAGAIN;
	if (!max || len + WIRE_HEAD_BYTES <= max)
		return peer_send(peer, WIRE_DATA, data, len);
	part = max - WIRE_HEAD_BYTES;
	rc = peer_send(peer, WIRE_PART, data, part);
	for (; rc == 0 && len - part > max - WIRE_HEAD_BYTES; part += max - WIRE_HEAD_BYTES)
		peer_send_soon(peer, WIRE_PART, (const uint8_t *)data + part,
			       max - WIRE_HEAD_BYTES);
	if (rc == 0)
		peer_send_soon(peer, WIRE_DATA, (const uint8_t *)data + part, len - part);
	return rc;
}

/* It went to an end of the path that is no more. */
static bool is_old(const struct weft_peer *peer, uint32_t path, uint64_t value)
{
	return (value >> 37 & 7u) != (peer->paths[path].turn & 7u);
}

/* A message was lost with its path: it goes another way. */
static void send_again(struct weft_peer *peer, const struct event *event, uint32_t path)
{
	enum cookie_kind kind = (enum cookie_kind)(event->cookie >> 56);
	struct outgoing *out;

	/* The bytes are the port's and hold only until it sends again. */
	out = enqueue(peer, WIRE_AGAIN, event->data, event->len);
	if (!out)
		return;
	out->kind = (uint8_t)kind;
	out->number = cookie_number(peer, event->cookie);
	COUNT(peer, messages_moved);
	if (!is_old(peer, path, event->cookie))
		path_failed(peer, path, event->error);
}

void peer_sent(struct weft *weft, const struct event *event)
{
	struct weft_peer *peer = map_get_ptr(&weft->peer_by_slot, (uint32_t)event->cookie);
	uint32_t path = event->cookie >> 32 & (ENGINE_RAILS_MAX - 1);
	uint64_t kind = event->cookie >> 56;

	if (kind == COOKIE_FAREWELL)
		farewell_sent(weft, (uint32_t)event->cookie, path, event->error);
	if (!peer || kind > COOKIE_PING)
		return;
	if (peer->sends)
		peer->sends--;
	if (kind == COOKIE_PING) {
		if (!is_old(peer, path, event->cookie))
			peer->paths[path].probing = false;
		if (event->error && !is_old(peer, path, event->cookie))
			path_unanswered(peer, path, event->error);
	} else if (event->error == -WEFT_EPEERGONE && event->data &&
		   (path_has_other(peer, path) || is_old(peer, path, event->cookie))) {
		send_again(peer, event, path);
	} else {
		if (kind == COOKIE_NUMBERED)
			sequence_settle(&peer->sent, cookie_number(peer, event->cookie));
		if (event->error)
			peer_fail(peer, event->error);
	}
	if (peer_state(peer) == PEER_DEAD)
		peer_release(peer);
	else
		idle_sent(peer);
}
