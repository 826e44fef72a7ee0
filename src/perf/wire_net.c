/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/address.h"
#include "base/clock.h"
#include "base/err.h"
#include "perf/session.h"
#include "perf/wire.h"

#define LOOK_MS 50 /* how often stop is looked at */

static void name_of(const struct sockaddr_storage *addr, socklen_t len,
		    char ret[PERF_WIRE_NAME_MAX])
{
	char host[ADDRESS_HOST_MAX], port[8];

	if (getnameinfo((const struct sockaddr *)addr, len, host, sizeof(host), port, sizeof(port),
			NI_NUMERICHOST | NI_NUMERICSERV))
		snprintf(ret, PERF_WIRE_NAME_MAX, "the other side");
	else
		snprintf(ret, PERF_WIRE_NAME_MAX, addr->ss_family == AF_INET6 ? "[%s]:%s" : "%s:%s",
			 host, port);
}

void perf_wire_name(int fd, char ret[PERF_WIRE_NAME_MAX])
{
	struct sockaddr_storage addr = { 0 };
	socklen_t len = sizeof(addr);

	if (getpeername(fd, (struct sockaddr *)&addr, &len))
		snprintf(ret, PERF_WIRE_NAME_MAX, "the other side");
	else
		name_of(&addr, len, ret);
}

static int resolve(const char *text, bool listen, struct addrinfo **ret)
{
	struct addrinfo hints = { .ai_family = AF_UNSPEC,
				  .ai_socktype = SOCK_STREAM,
				  .ai_flags = AI_NUMERICSERV | (listen ? AI_PASSIVE : 0) };
	struct address address;
	char port[8];
	int rc = address_parse(&address, text);

	if (rc)
		return rc;
	snprintf(port, sizeof(port), "%u", address.port);
	rc = getaddrinfo(address.host, port, &hints, ret);
	return rc ? err_set(-EINVAL, "%s does not resolve: %s", text, gai_strerror(rc)) : 0;
}

static int listen_at(const struct addrinfo *info)
{
	int on = 1, off = 0, rc;
	int fd = socket(info->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return -errno;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (info->ai_family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
	if (bind(fd, info->ai_addr, info->ai_addrlen) || listen(fd, SOMAXCONN)) {
		rc = -errno;
		close(fd);
		return rc;
	}
	return fd;
}

int perf_wire_listen(const char *address, char *ret)
{
	struct sockaddr_storage addr = { 0 };
	struct addrinfo *infos, *info;
	socklen_t len = sizeof(addr);
	int rc, fd = -EADDRNOTAVAIL;

	rc = resolve(address, true, &infos);
	if (rc)
		return err_prefix(rc, "cannot listen");
	for (info = infos; info && fd < 0; info = info->ai_next)
		fd = listen_at(info);
	freeaddrinfo(infos);
	if (fd < 0)
		return err_set(fd, "cannot listen on %s: %s", address, strerror(-fd));
	getsockname(fd, (struct sockaddr *)&addr, &len);
	name_of(&addr, len, ret);
	return fd;
}

/* 0, or errno. */
static int wait_connected(int fd, uint64_t deadline_ns, const volatile int *stop)
{
	struct pollfd poll_fd = { .fd = fd, .events = POLLOUT };
	socklen_t len = sizeof(int);
	int error = 0;

	while (poll(&poll_fd, 1, LOOK_MS) <= 0) {
		if (stop && __atomic_load_n(stop, __ATOMIC_RELAXED))
			return ECANCELED;
		if (clock_ns() >= deadline_ns)
			return ETIMEDOUT;
	}
	return getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) ? errno : error;
}

/* The socket, or minus errno. */
static int dial(const struct addrinfo *info, uint64_t deadline_ns, const volatile int *stop)
{
	int fd = socket(info->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int on = 1, error = 0;

	if (fd < 0)
		return -errno;
	if (connect(fd, info->ai_addr, info->ai_addrlen))
		error = errno == EINPROGRESS ? wait_connected(fd, deadline_ns, stop) : errno;
	if (error) {
		close(fd);
		return -error;
	}
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	return fd;
}

int perf_wire_dial(const char *address, uint64_t deadline_ns, const volatile int *stop)
{
	struct addrinfo *infos, *info;
	int rc, fd = -EHOSTUNREACH;

	rc = resolve(address, false, &infos);
	if (rc)
		return rc;
	for (info = infos; info && fd < 0 && fd != -ECANCELED; info = info->ai_next)
		fd = dial(info, deadline_ns, stop);
	freeaddrinfo(infos);
	if (fd >= 0)
		return fd;
	if (fd == -ECANCELED)
		return err_set(-WEFT_ECANCELLED, "while connecting to %s", address);
	return err_set(-WEFT_EUNAVAILABLE,
		       "no weft perf server answers at %s: %s; start it there, and let TCP port "
		       "%d (or the one that it was given) through",
		       address, strerror(-fd), PERF_PORT);
}
