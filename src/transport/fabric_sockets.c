/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libfabric's tcp leaves its sockets open in programs that this one starts: their peers would not
 * see the end of this process before theirs, and its port would stay taken. So a port marks them
 * close-on-exec: its listener when it opens, and connections, which the provider makes when it
 * likes, soon after a peer was met or something failed.
 *
 * A socket is ours by its address: the local port is that of our listener, or the other end is a
 * listener that we were told to connect to. Nothing else of the process is touched.
 */
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/hash.h"
#include "transport/fabric.h"

#define MET_MAX        1024u /* peers met last whose connections are known */
#define PAUSE_FIRST_NS (10 * NSEC_PER_MSEC)
#define PAUSE_LAST_NS  (10 * NSEC_PER_SEC)
#define SHARE          50u /* of the time, one part in so many is for looking */

struct fabric_sockets {
	in_port_t own; /* network order */
	uint64_t pause_ns;
	uint32_t count;
	uint64_t met[MET_MAX]; /* a ring */
};

/* Stands for address and port; 0: neither IPv4 nor IPv6. */
static uint64_t key_of(const struct sockaddr_storage *address)
{
	const struct sockaddr_in6 *six = (const void *)address;
	const struct sockaddr_in *four = (const void *)address;

	if (address->ss_family == AF_INET)
		return (uint64_t)four->sin_addr.s_addr << 16 | four->sin_port;
	if (address->ss_family == AF_INET6)
		return hash_content(&six->sin6_addr, sizeof(six->sin6_addr)) + six->sin6_port;
	return 0;
}

static bool is_met(const struct fabric_sockets *sockets, uint64_t key)
{
	uint32_t i;

	for (i = 0; i < MET_MAX && i < sockets->count; i++)
		if (sockets->met[i] == key)
			return true;
	return false;
}

static bool is_ours(const struct fabric_sockets *sockets, int fd)
{
	struct sockaddr_storage address = { 0 };
	socklen_t len = sizeof(address), type_len = sizeof(int);
	int type;

	if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &type_len) || type != SOCK_STREAM ||
	    getsockname(fd, (struct sockaddr *)&address, &len) || !key_of(&address))
		return false;
	/* The port stands in the same place in both families. */
	if (((struct sockaddr_in *)&address)->sin_port == sockets->own)
		return true;
	len = sizeof(address);
	return getpeername(fd, (struct sockaddr *)&address, &len) == 0 &&
	       is_met(sockets, key_of(&address));
}

static void mark_all(const struct fabric_sockets *sockets)
{
	DIR *dir = opendir("/proc/self/fd");
	struct dirent *entry;
	int fd, flags;

	while (dir && (entry = readdir(dir))) {
		fd = atoi(entry->d_name);
		flags = fd > 2 ? fcntl(fd, F_GETFD) : -1;
		if (flags >= 0 && !(flags & FD_CLOEXEC) && is_ours(sockets, fd))
			fcntl(fd, F_SETFD, flags | FD_CLOEXEC);
	}
	if (dir)
		closedir(dir);
}

int fabric_sockets_open(struct port *port)
{
	struct sockaddr_storage address = { 0 };
	size_t len = sizeof(address);

	if (!port->provider->socket_address)
		return 0;
	port->sockets = calloc(1, sizeof(*port->sockets));
	if (!port->sockets)
		return err_set(-ENOMEM, "out of memory");
	if (fi_getname(&port->ep->fid, &address, &len) == 0)
		port->sockets->own = ((struct sockaddr_in *)&address)->sin_port;
	mark_all(port->sockets);
	return 0;
}

void fabric_sockets_met(struct port *port, const void *address, size_t len)
{
	struct fabric_sockets *sockets = port->sockets;
	struct sockaddr_storage copy = { 0 };

	if (!sockets || len > sizeof(copy))
		return;
	memcpy(&copy, address, len);
	sockets->met[sockets->count++ % MET_MAX] = key_of(&copy);
	if (sockets->count == 2 * MET_MAX)
		sockets->count = MET_MAX;
	fabric_sockets_changed(port);
}

void fabric_sockets_changed(struct port *port)
{
	uint64_t first_ns = clock_ns() + PAUSE_FIRST_NS;

	if (!port->sockets)
		return;
	port->sockets->pause_ns = PAUSE_FIRST_NS;
	/* What is due already stays due: who changes all the time is looked at all the same. */
	if (!port->sockets_ns || port->sockets_ns > first_ns)
		port->sockets_ns =
			first_ns > port->sockets_rest_ns ? first_ns : port->sockets_rest_ns;
}

void fabric_sockets_look(struct port *port)
{
	struct fabric_sockets *sockets = port->sockets;
	uint64_t now = clock_ns(), end;

	if (now < port->sockets_ns)
		return;
	mark_all(sockets);
	end = clock_ns();
	port->sockets_rest_ns = end + SHARE * (end - now);
	sockets->pause_ns *= 10;
	port->sockets_ns = 0;
	if (sockets->pause_ns <= PAUSE_LAST_NS)
		port->sockets_ns = end + sockets->pause_ns;
}
