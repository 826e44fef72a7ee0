/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Packets as UDP datagrams, for hosts that share no directory. One socket per process. What is lost
 * on the way, or here for want of room, is sent again by the flow it belongs to.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "emu/carrier.h"
#include "emu/util.h"

#define BATCH 32 /* datagrams of one recvmmsg() */
#define SOCKET_ROOM \
	(64 * 1024 * 1024) /* wished for; the kernel gives less to those without rights */

struct datagram {
	struct emu_packet packet;
	uint8_t payload[EMU_PAYLOAD_MAX];
};

_Static_assert(sizeof(struct datagram) == sizeof(struct emu_packet) + EMU_PAYLOAD_MAX,
	       "a datagram has no holes");

struct emu_udp {
	struct emu_world *world;
	int fd;
	_Atomic uint64_t sent, lost, received, dropped;
	struct mmsghdr headers[BATCH];
	struct iovec parts[BATCH];
	struct datagram in[BATCH];
};

/* --- open and close ------------------------------------------------------------------------ */

static void make_room(int fd, int forced, int plain)
{
	int size = SOCKET_ROOM;

	if (setsockopt(fd, SOL_SOCKET, forced, &size, sizeof(size)))
		(void)setsockopt(fd, SOL_SOCKET, plain, &size, sizeof(size));
}

static int open_socket(const uint8_t address[4], uint16_t port)
{
	struct sockaddr_in own = { .sin_family = AF_INET, .sin_port = htons(port) };
	int fd, rc, fragment = IP_PMTUDISC_DONT;
	char text[INET_ADDRSTRLEN];

	memcpy(&own.sin_addr, address, sizeof(own.sin_addr));
	inet_ntop(AF_INET, address, text, sizeof(text));
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0) {
		rc = -errno;
		emu_warn("no UDP socket: %s", strerrordesc_np(-rc));
		return rc;
	}
	make_room(fd, SO_RCVBUFFORCE, SO_RCVBUF);
	make_room(fd, SO_SNDBUFFORCE, SO_SNDBUF);
	/* Networks with an MTU below a packet's size fragment it. */
	(void)setsockopt(fd, IPPROTO_IP, IP_MTU_DISCOVER, &fragment, sizeof(fragment));
	if (bind(fd, (const struct sockaddr *)&own, sizeof(own))) {
		rc = -errno;
		emu_warn("cannot receive at %s, UDP port %u: %s%s", text, port,
			 strerrordesc_np(-rc),
			 rc == -EADDRINUSE      ? "; give the host another port"
			 : rc == -EADDRNOTAVAIL ? "; give the host an address of this machine"
						: "");
		close(fd);
		return rc;
	}
	return fd;
}

int emu_udp_open(struct emu_world *world, struct emu_udp **ret)
{
	const struct emu_host_shared *host = &world->shared->host[world->host];
	uint32_t port = host->udp_port + world->slot;
	struct emu_udp *udp;

	if (port > UINT16_MAX) {
		emu_warn("host %u: UDP port %u + process slot %u is above 65535: give it a lower "
			 "port",
			 world->host, host->udp_port, world->slot);
		return -ERANGE;
	}
	udp = calloc(1, sizeof(*udp));
	if (!udp)
		return -ENOMEM;
	udp->world = world;
	for (int i = 0; i < BATCH; i++) {
		udp->parts[i] = (struct iovec){ &udp->in[i], sizeof(udp->in[i]) };
		udp->headers[i].msg_hdr.msg_iov = &udp->parts[i];
		udp->headers[i].msg_hdr.msg_iovlen = 1;
	}
	udp->fd = open_socket(host->udp_address, (uint16_t)port);
	if (udp->fd < 0) {
		int rc = udp->fd;

		free(udp);
		return rc;
	}
	*ret = udp;
	return 0;
}

void emu_udp_close(struct emu_udp *udp)
{
	if (!udp)
		return;
	close(udp->fd);
	free(udp);
}

int emu_udp_fd(const struct emu_udp *udp)
{
	return udp->fd;
}

void emu_udp_counts(const struct emu_udp *udp, struct emu_udp_counts *counts)
{
	*counts = (struct emu_udp_counts){
		.sent = atomic_load_explicit(&udp->sent, memory_order_relaxed),
		.lost = atomic_load_explicit(&udp->lost, memory_order_relaxed),
		.received = atomic_load_explicit(&udp->received, memory_order_relaxed),
		.dropped = atomic_load_explicit(&udp->dropped, memory_order_relaxed),
	};
}

static void bump(_Atomic uint64_t *counter)
{
	atomic_fetch_add_explicit(counter, 1, memory_order_relaxed);
}

/* --- send ---------------------------------------------------------------------------------- */

static enum emu_emit send_datagram(struct emu_udp *udp, const struct emu_path *path,
				   const struct datagram *datagram)
{
	const size_t bytes = sizeof(datagram->packet) + datagram->packet.payload;
	char text[INET_ADDRSTRLEN];
	struct sockaddr_in to;
	int tries;

	memcpy(&to, path->address, sizeof(to));
	/* An error may be that of an earlier datagram, told now; then this one has not been sent.
	 */
	for (tries = 0; tries < 3; tries++) {
		if (sendto(udp->fd, datagram, bytes, MSG_NOSIGNAL, (const struct sockaddr *)&to,
			   sizeof(to)) >= 0) {
			bump(&udp->sent);
			return EMU_EMITTED;
		}
		if (errno == EAGAIN || errno == ENOBUFS || errno == ENOMEM)
			return EMU_EMIT_FULL;
		if (errno != EINTR && errno != ECONNREFUSED)
			break;
	}
	if (errno != EINTR && errno != ECONNREFUSED &&
	    inet_ntop(AF_INET, &to.sin_addr, text, sizeof(text)))
		emu_warn_once("a datagram cannot be sent to %s, UDP port %u: %s; the same error is "
			      "not told again",
			      text, ntohs(to.sin_port), strerrordesc_np(errno));
	bump(&udp->lost);
	return EMU_EMITTED;
}

enum emu_emit emu_udp_emit(struct emu_udp *udp, const struct emu_path *path,
			   const struct emu_packet *packet, const struct iovec *data, int parts)
{
	struct datagram datagram;
	size_t at = 0;
	int i;

	if (!path->slot)
		return EMU_EMIT_GONE;
	/* A copy, since the program may change the data between its sum and its sending. */
	for (i = 0; i < parts; i++) {
		if (data[i].iov_len > sizeof(datagram.payload) - at)
			break;
		if (data[i].iov_len)
			memcpy(datagram.payload + at, data[i].iov_base, data[i].iov_len);
		at += data[i].iov_len;
	}
	if (i < parts || at != packet->payload) {
		emu_warn_once("a packet of %u bytes was not sent: it has other data or is too long",
			      packet->payload);
		bump(&udp->lost);
		return EMU_EMITTED;
	}
	datagram.packet = *packet;
	datagram.packet.check = emu_packet_sum(&datagram.packet, datagram.payload);
	return send_datagram(udp, path, &datagram);
}

/* --- receive ------------------------------------------------------------------------------- */

static void drop(struct emu_udp *udp)
{
	struct emu_host_shared *host = &udp->world->shared->host[udp->world->host];

	bump(&udp->dropped);
	/* What is not a packet names no NIC. */
	bump(&host->nic[0].counters[EMU_COUNT_rx_drops]);
}

static unsigned int deliver(struct emu_udp *udp, int n, const struct emu_sink *sink)
{
	unsigned int taken = 0;
	int i;

	for (i = 0; i < n; i++) {
		const struct datagram *datagram = &udp->in[i];

		if (udp->headers[i].msg_hdr.msg_flags & MSG_TRUNC ||
		    !emu_packet_valid(datagram, udp->headers[i].msg_len, true)) {
			drop(udp);
			continue;
		}
		bump(&udp->received);
		sink->packet(sink->context, &datagram->packet, datagram->payload);
		taken++;
	}
	return taken;
}

unsigned int emu_udp_drain(struct emu_udp *udp, unsigned int budget, const struct emu_sink *sink)
{
	unsigned int taken = 0, asked, seen = 0;
	int n;

	/* Garbage counts too: whoever sends it must not keep the thread. */
	while (seen < budget) {
		asked = budget - seen < BATCH ? budget - seen : BATCH;
		n = recvmmsg(udp->fd, udp->headers, asked, MSG_DONTWAIT, NULL);
		if (n < 0 && (errno == EINTR || errno == ECONNREFUSED)) {
			seen++;
			continue;
		}
		if (n <= 0)
			break;
		seen += (unsigned int)n;
		taken += deliver(udp, n, sink);
		if ((unsigned int)n < asked)
			break;
	}
	return taken;
}
