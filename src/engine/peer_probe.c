/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Why first contact over sockets does not get through. libfabric's tcp answers EAGAIN for ever when
 * nothing listens at an address, so while a handshake hangs an ordinary connection to the same
 * address tells: refused or unreachable fails the peer at once, accepted says nothing.
 */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "engine/engine.h"

static void probe_close(struct weft_peer *peer)
{
	if (peer->probe_fd >= 0)
		close(peer->probe_fd);
	peer->probe_fd = -1;
}

void peer_probe_init(struct weft_peer *peer, const struct wire_rail *rail)
{
	peer->probe_fd = -1;
	peer->probe_len = 0;
	if (!peer->way->provider->socket_address || rail->addr_len > sizeof(peer->probe_addr))
		return;
	memcpy(&peer->probe_addr, rail->addr, rail->addr_len);
	peer->probe_len = rail->addr_len;
}

void peer_probe_fini(struct weft_peer *peer)
{
	probe_close(peer);
	peer->probe_len = 0;
}

static void probe_start(struct weft_peer *peer)
{
	peer->probe_fd =
		socket(peer->probe_addr.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (peer->probe_fd < 0)
		peer->probe_len = 0; /* no descriptor left: the deadline decides */
	else if (connect(peer->probe_fd, (struct sockaddr *)&peer->probe_addr, peer->probe_len) &&
		 errno != EINPROGRESS)
		peer_fail(peer, -WEFT_EPEERGONE);
}

void peer_probe(struct weft_peer *peer)
{
	struct pollfd fd = { .events = POLLOUT };
	socklen_t len = sizeof(int);
	int error = 0;

	if (!peer->probe_len)
		return;
	if (peer->probe_fd < 0) {
		probe_start(peer);
		return;
	}
	fd.fd = peer->probe_fd;
	if (poll(&fd, 1, 0) != 1)
		return;
	if (getsockopt(peer->probe_fd, SOL_SOCKET, SO_ERROR, &error, &len))
		error = 0;
	peer_probe_fini(peer); /* one answer is enough */
	if (error)
		peer_fail(peer, -WEFT_EPEERGONE);
}
