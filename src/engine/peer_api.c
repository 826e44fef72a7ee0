/* SPDX-License-Identifier: Apache-2.0 */
/* The user's side of peers: connect, disconnect, a pointer of the user's. */
#include <errno.h>

#include "base/clock.h"
#include "base/err.h"
#include "engine/engine.h"

struct connect {
	const struct wire_descriptor *descriptor;
	struct weft_peer *peer;
};

static int connect_peer(struct weft *weft, void *arg)
{
	struct connect *connect = arg;

	int rc = peer_get(weft, connect->descriptor, true, &connect->peer);

	if (rc == 0)
		connect->peer->handed = true;
	return rc;
}

static bool is_settled(void *arg)
{
	const struct weft_peer *peer = arg;

	return atomic_load_explicit(&peer->state, memory_order_acquire) != PEER_CONNECTING;
}

int weft_connect(struct weft *weft, const void *descriptor, size_t len, uint64_t timeout_ns,
		 struct weft_peer **ret)
{
	struct wire_descriptor *d = mem_alloc(sizeof(*d));
	struct connect connect = { .descriptor = d };
	int rc;

	if (!d)
		return err_set(-ENOMEM, "out of memory");
	rc = wire_get_descriptor(d, descriptor, len);
	if (rc == 0)
		rc = engine_run(weft, connect_peer, &connect);
	mem_free(d);
	if (rc)
		return rc;
	if (timeout_ns && !is_settled(connect.peer)) {
		rc = engine_wait(weft, is_settled, connect.peer,
				 clock_deadline(clock_ns(), timeout_ns));
		if (rc == -EAGAIN)
			return err_set(-WEFT_EDEADLINE,
				       "the peer did not answer over %s; it must make progress too",
				       connect.peer->way->provider->name);
		if (rc)
			return rc;
	}
	if (peer_state(connect.peer) == PEER_DEAD)
		return err_set(connect.peer->reason, "handshake over %s: %s",
			       connect.peer->way->provider->name,
			       weft_strerror(connect.peer->reason));
	*ret = connect.peer;
	return 0;
}

static int disconnect(struct weft *weft, void *arg)
{
	struct weft_peer *peer = arg;

	(void)weft;
	if (peer_state(peer) == PEER_CONNECTED)
		peer_send(peer, WIRE_BYE, NULL, 0);
	peer->by_user = peer->closed = true;
	peer->user_gone = true;
	peer_fail(peer, -WEFT_EPEERGONE);
	peer_release(peer);
	return 0;
}

void weft_disconnect(struct weft_peer *peer)
{
	if (peer)
		engine_run(peer->weft, disconnect, peer);
}

void weft_peer_set_data(struct weft_peer *peer, void *data)
{
	atomic_store_explicit(&peer->data, data, memory_order_release);
}

void *weft_peer_data(const struct weft_peer *peer)
{
	return atomic_load_explicit(&peer->data, memory_order_acquire);
}
