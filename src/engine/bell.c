/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bells: how an engine that sleeps on a provider without a wait object (shm) is woken by its peers
 * on the same host. Each engine binds a datagram socket in the abstract namespace, named after its
 * id; one empty datagram is one ring. A ring carries nothing and proves nothing: whoever rings
 * without need costs the engine a look at its queues.
 *
 * A peer rings
 *   - after a post or a message, when its last one is so long ago that the other may sleep; not
 *     after the post of a copy that the other has no part in (port_limits.copies);
 *   - when its operations have not ended after many polls.
 * A write into an engine's memory is no event to that engine, so a ring also keeps it awake for a
 * while, and longer when it has hardly slept.
 */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "engine/engine.h"

#define BELL_QUIET_NS     (40 * NSEC_PER_USEC) /* less than the default spin */
#define BELL_AWAKE_MIN_NS (200 * NSEC_PER_USEC)
#define BELL_AWAKE_MAX_NS (20 * NSEC_PER_MSEC)
#define BELL_POLLS        1024u /* between two rings for operations that do not end */
#define BELL_POLLS_FIRST  128u

static socklen_t bell_name(struct sockaddr_un *name, const uint8_t id[WIRE_ID_BYTES])
{
	memset(name, 0, sizeof(*name));
	name->sun_family = AF_UNIX;
	memcpy(name->sun_path + 1, "weft-bell-", 10);
	memcpy(name->sun_path + 11, id, WIRE_ID_BYTES);
	return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 11 + WIRE_ID_BYTES);
}

int bell_open(struct weft *weft)
{
	struct sockaddr_un name;
	bool needed = false;
	socklen_t len;
	uint32_t i;

	for (i = 0; i < weft->way_count; i++)
		needed |= weft->ways[i].provider->host_local &&
			  !weft->ways[i].provider->process_local;
	if (!needed)
		return 0;
	weft->bell_fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (weft->bell_fd < 0)
		return err_set(-errno, "no socket for the bell: %s", strerror(errno));
	len = bell_name(&name, weft->id);
	if (bind(weft->bell_fd, (struct sockaddr *)&name, len))
		return err_set(-errno, "cannot bind the bell: %s", strerror(errno));
	return 0;
}

static void ring(struct weft *weft, const struct weft_peer *peer)
{
	struct sockaddr_un name;
	socklen_t len = bell_name(&name, peer->id);

	/* A full queue means that rings wait there already; a missing socket that the peer is gone.
	 */
	if (sendto(weft->bell_fd, "", 0, MSG_DONTWAIT | MSG_NOSIGNAL, (struct sockaddr *)&name,
		   len) < 0)
		return;
}

void bell_posted(struct weft_peer *peer, uint64_t now_ns)
{
	uint64_t last = peer->last_post_ns;

	peer->last_post_ns = now_ns;
	if (now_ns - last > BELL_QUIET_NS)
		ring(peer->weft, peer);
}

void bell_waiting(struct rail *rail)
{
	struct weft_peer *peer;
	struct list *link;

	if (rail->quiet_polls % BELL_POLLS != BELL_POLLS_FIRST)
		return;
	list_for_each(link, &rail->weft->peers)
	{
		peer = list_entry(link, struct weft_peer, link);
		if (peer->bell && peer->in_flight)
			ring(rail->weft, peer);
	}
}

void bell_heard(struct weft *weft, uint64_t now_ns)
{
	uint8_t byte;

	while (recv(weft->bell_fd, &byte, sizeof(byte), MSG_DONTWAIT) >= 0)
		;
	if (now_ns - weft->awake_until_ns < weft->awake_ns)
		weft->awake_ns *= 2;
	else
		weft->awake_ns = BELL_AWAKE_MIN_NS;
	if (weft->awake_ns > BELL_AWAKE_MAX_NS)
		weft->awake_ns = BELL_AWAKE_MAX_NS;
	weft->awake_until_ns = now_ns + weft->awake_ns;
}
