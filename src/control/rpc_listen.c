/* SPDX-License-Identifier: Apache-2.0 */
#include "control/rpc_listen.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/err.h"
#include "control/rpc.h"

#define LISTEN_TEXT_MAX (NI_MAXHOST + 16)

static void set_port(struct sockaddr *addr, uint16_t port)
{
	if (addr->sa_family == AF_INET6)
		((struct sockaddr_in6 *)addr)->sin6_port = htons(port);
	else
		((struct sockaddr_in *)addr)->sin_port = htons(port);
}

/* gRPC does not tell why it could not listen; the operating system does. */
static int listen_errno(const struct addrinfo *info)
{
	int on = 1, rc = -EADDRNOTAVAIL;
	int fd = socket(info->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(fd, info->ai_addr, info->ai_addrlen) || listen(fd, 1))
		rc = -errno;
	close(fd);
	return rc;
}

static int listen_at(const struct addrinfo *info, uint16_t *port, rpc_listen_fn listen_fn,
		     void *ctx)
{
	char host[NI_MAXHOST], text[LISTEN_TEXT_MAX];
	int got, rc;

	set_port(info->ai_addr, *port);
	if (getnameinfo(info->ai_addr, info->ai_addrlen, host, sizeof(host), NULL, 0,
			NI_NUMERICHOST))
		return err_set(-EINVAL, "an address that cannot be written as text");
	snprintf(text, sizeof(text), info->ai_family == AF_INET6 ? "[%s]:%u" : "%s:%u", host,
		 *port);
	got = listen_fn(ctx, text);
	if (got > 0) {
		*port = (uint16_t)got;
		return 0;
	}
	rc = listen_errno(info);
	return err_set(rc, "cannot listen on %s: %s", text, strerror(-rc));
}

/* A name may stand for addresses of a family that this host does not have: those are left out. */
static bool listen_may_skip(int rc)
{
	return rc == -EADDRNOTAVAIL || rc == -EAFNOSUPPORT;
}

int rpc_listen(const struct address *address, rpc_listen_fn listen_fn, void *ctx, uint16_t *ret)
{
	struct addrinfo hints = { .ai_family = AF_UNSPEC,
				  .ai_socktype = SOCK_STREAM,
				  .ai_flags = AI_PASSIVE };
	struct addrinfo *infos, *info;
	uint16_t port = address->port;
	int bound = 0, rc;

	rc = getaddrinfo(address->host, NULL, &hints, &infos);
	if (rc)
		return err_set(-EINVAL, "cannot listen on %s: it does not resolve: %s",
			       address->host, gai_strerror(rc));
	for (info = infos; info; info = info->ai_next) {
		if (info->ai_family != AF_INET && info->ai_family != AF_INET6)
			continue;
		rc = listen_at(info, &port, listen_fn, ctx);
		if (!rc)
			bound++;
		else if (!listen_may_skip(rc))
			break;
	}
	freeaddrinfo(infos);
	if (info || !bound)
		return rc ? rc : err_set(-EINVAL, "%s has no IP address", address->host);
	*ret = port;
	return 0;
}
