/* SPDX-License-Identifier: Apache-2.0 */
/* The user's messages: weft_notify() and weft_receive(). */
#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "engine/count.h"
#include "engine/engine.h"

struct notify {
	struct weft_peer *peer;
	const void *data;
	size_t len;
};

static int notify(struct weft *weft, void *arg)
{
	struct notify *n = arg;
	struct weft_peer *peer = n->peer;
	int state = peer_state(peer), rc;

	(void)weft;
	if (state == PEER_DEAD)
		return err_set(-WEFT_EPEERGONE, "%s", weft_strerror(peer->reason));
	if (state == PEER_CONNECTING || state == PEER_ASLEEP) {
		contact_begin(peer, true);
		return err_set(-WEFT_EQUEUEFULL, "the handshake with the peer is under way");
	}
	rc = peer_send_data(peer, n->data, n->len);
	if (rc == -EAGAIN)
		return err_set(-WEFT_EQUEUEFULL, "the provider takes no more messages now");
	if (rc) {
		peer_fail(peer, rc);
		return err_set(rc, "message over %s", peer->way->provider->name);
	}
	idle_used(peer);
	COUNT(peer, messages_sent);
	return 0;
}

int weft_notify(struct weft_peer *peer, const void *data, size_t len)
{
	struct notify n = { .peer = peer, .data = data, .len = len };

	if (!peer || (!data && len))
		return err_set(-EINVAL, "peer or data is NULL");
	if (len > WEFT_NOTIFY_MAX)
		return err_set(-EMSGSIZE, "a message has at most %u bytes, this one %zu",
			       WEFT_NOTIFY_MAX, len);
	return engine_run(peer->weft, notify, &n);
}

struct receive {
	struct weft *weft;
	void *buf;
	size_t room, len;
	struct weft_peer *peer;
	int rc;
};

static int take(struct weft *weft, void *arg)
{
	struct receive *r = arg;
	struct list *link = list_first(&weft->received);
	struct received *message;

	if (!link)
		return r->rc = -EAGAIN;
	message = list_entry(link, struct received, link);
	r->len = message->len;
	if (message->len > r->room)
		return r->rc = -EMSGSIZE;
	if (message->len)
		memcpy(r->buf, message->data, message->len);
	r->peer = message->peer;
	list_del(link);
	weft->received_count--;
	mem_free(message);
	return r->rc = 0;
}

static bool has_taken(void *arg)
{
	struct receive *r = arg;

	int rc = engine_run(r->weft, take, r);

	if (rc == -WEFT_EFORKED)
		r->rc = rc;
	return r->rc != -EAGAIN;
}

int weft_receive(struct weft *weft, void *buf, size_t *len, struct weft_peer **ret,
		 uint64_t timeout_ns)
{
	struct receive r = { .weft = weft, .buf = buf, .room = *len };
	int rc;

	if (weft->on_message)
		return err_set(-EINVAL, "the engine has an on_message callback");
	if (!has_taken(&r)) {
		rc = engine_wait(weft, has_taken, &r, clock_deadline(clock_ns(), timeout_ns));
		if (rc)
			return rc;
	}
	if (r.rc == -WEFT_EFORKED)
		return r.rc;
	*len = r.len;
	if (r.rc)
		return err_set(r.rc, "the message has %zu bytes", r.len);
	if (ret)
		*ret = r.peer;
	return 0;
}
