/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/err.h"
#include "segment/tcp.h"

static int listen_at(const struct addrinfo *info)
{
	int on = 1, rc;
	int fd = socket(info->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return -errno;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(fd, info->ai_addr, info->ai_addrlen) || listen(fd, SOMAXCONN)) {
		rc = -errno;
		close(fd);
		return rc;
	}
	return fd;
}

/* With the port that the system chose. */
static int tell_address(int fd, char text[TCP_ADDRESS_MAX])
{
	struct sockaddr_storage addr;
	socklen_t len = sizeof(addr);
	char host[ADDRESS_HOST_MAX], port[8];

	if (getsockname(fd, (struct sockaddr *)&addr, &len) ||
	    getnameinfo((struct sockaddr *)&addr, len, host, sizeof(host), port, sizeof(port),
			NI_NUMERICHOST | NI_NUMERICSERV))
		return err_set(-EINVAL, "an address that cannot be written as text");
	snprintf(text, TCP_ADDRESS_MAX, addr.ss_family == AF_INET6 ? "[%s]:%s" : "%s:%s", host,
		 port);
	return 0;
}

int tcp_listen(struct tcp_publisher *publisher, const char *place)
{
	struct addrinfo hints = { .ai_family = AF_UNSPEC,
				  .ai_socktype = SOCK_STREAM,
				  .ai_flags = AI_PASSIVE | AI_NUMERICSERV };
	struct addrinfo *infos, *info;
	struct address address;
	char port[8];
	int rc, fd = -EADDRNOTAVAIL;

	rc = address_parse(&address, place);
	if (rc)
		return rc;
	snprintf(port, sizeof(port), "%u", address.port);
	rc = getaddrinfo(address.host, port, &hints, &infos);
	if (rc)
		return err_set(-EINVAL, "cannot listen on %s: it does not resolve: %s", place,
			       gai_strerror(rc));
	for (info = infos; info && fd < 0; info = info->ai_next)
		fd = listen_at(info);
	freeaddrinfo(infos);
	if (fd < 0)
		return err_set(fd, "cannot listen on %s: %s", place, strerror(-fd));
	rc = tell_address(fd, publisher->address);
	if (rc) {
		close(fd);
		return rc;
	}
	publisher->listen_fd = fd;
	return 0;
}
