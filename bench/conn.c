/* SPDX-License-Identifier: Apache-2.0 */
#include "conn.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/err.h"

static int conn_unix(struct conn *conn, const char *path)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };

	snprintf(sun.sun_path, sizeof(sun.sun_path), "%s", path);
	conn->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (conn->fd < 0)
		return -errno;
	return connect(conn->fd, (struct sockaddr *)&sun, sizeof(sun)) ? -errno : 0;
}

static int conn_tcp(struct conn *conn, const char *addr)
{
	const char *colon = strrchr(addr, ':');
	struct sockaddr_in sin = { .sin_family = AF_INET };
	char host[INET_ADDRSTRLEN];
	const int on = 1;

	if (!colon || (size_t)(colon - addr) >= sizeof(host))
		return -EINVAL;
	memcpy(host, addr, colon - addr);
	host[colon - addr] = '\0';
	sin.sin_port = htons((uint16_t)atoi(colon + 1));
	if (inet_pton(AF_INET, host, &sin.sin_addr) != 1)
		return -EINVAL;
	conn->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (conn->fd < 0)
		return -errno;
	setsockopt(conn->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	return connect(conn->fd, (struct sockaddr *)&sin, sizeof(sin)) ? -errno : 0;
}

int conn_open(struct conn *conn, const char *addr)
{
	const struct timeval limit = { .tv_sec = 10 };
	int rc;

	conn->fd = -1;
	conn->out_len = conn->in_from = conn->in_to = 0;
	rc = strchr(addr, '/') ? conn_unix(conn, addr) : conn_tcp(conn, addr);
	if (rc) {
		conn_close(conn);
		return err_set(rc, "connecting to %s", addr);
	}
	setsockopt(conn->fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	setsockopt(conn->fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
	return 0;
}

void conn_close(struct conn *conn)
{
	if (conn->fd >= 0)
		close(conn->fd);
	conn->fd = -1;
}

/* Sends what is buffered and then data, in one system call if the socket takes it. */
static int conn_send(struct conn *conn, const void *data, size_t len)
{
	struct iovec iov[2] = { { conn->out, conn->out_len }, { (void *)(uintptr_t)data, len } };
	struct msghdr msg = { .msg_iov = iov, .msg_iovlen = 2 };
	ssize_t n;

	while (iov[0].iov_len + iov[1].iov_len) {
		n = sendmsg(conn->fd, &msg, MSG_NOSIGNAL);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_set(-errno, "sending");
		if ((size_t)n >= iov[0].iov_len) {
			n -= (ssize_t)iov[0].iov_len;
			iov[0].iov_len = 0;
			iov[1].iov_base = (char *)iov[1].iov_base + n;
			iov[1].iov_len -= n;
		} else {
			iov[0].iov_base = (char *)iov[0].iov_base + n;
			iov[0].iov_len -= n;
		}
	}
	conn->out_len = 0;
	return 0;
}

int conn_flush(struct conn *conn)
{
	return conn->out_len ? conn_send(conn, NULL, 0) : 0;
}

int conn_put(struct conn *conn, const void *data, size_t len)
{
	if (len > sizeof(conn->out) - conn->out_len)
		return conn_send(conn, data, len);
	memcpy(conn->out + conn->out_len, data, len);
	conn->out_len += len;
	return 0;
}

static int conn_receive(struct conn *conn, void *data, size_t room, size_t *got)
{
	ssize_t n;

	do {
		n = recv(conn->fd, data, room, 0);
	} while (n < 0 && errno == EINTR);
	if (n <= 0)
		return err_set(n ? -errno : -EPIPE, "receiving");
	*got = n;
	return 0;
}

static int conn_fill(struct conn *conn)
{
	size_t n;
	int rc;

	rc = conn_flush(conn);
	if (rc)
		return rc;
	if (conn->in_from) {
		memmove(conn->in, conn->in + conn->in_from, conn->in_to - conn->in_from);
		conn->in_to -= conn->in_from;
		conn->in_from = 0;
	}
	rc = conn_receive(conn, conn->in + conn->in_to, sizeof(conn->in) - conn->in_to, &n);
	if (!rc)
		conn->in_to += n;
	return rc;
}

static int conn_direct(struct conn *conn, char **to, size_t *len)
{
	size_t n;
	int rc;

	rc = conn_flush(conn);
	if (!rc)
		rc = conn_receive(conn, *to, *len, &n);
	if (rc)
		return rc;
	*to += n;
	*len -= n;
	return 0;
}

int conn_take(struct conn *conn, void *data, size_t len)
{
	char *to = data;
	size_t n;
	int rc;

	for (;;) {
		n = conn->in_to - conn->in_from;
		if (n > len)
			n = len;
		memcpy(to, conn->in + conn->in_from, n);
		conn->in_from += n;
		to += n;
		len -= n;
		if (!len)
			return 0;
		/* The buffer is empty. A small rest comes through it, so that what follows comes
		 * along. */
		rc = len < sizeof(conn->in) / 2 ? conn_fill(conn) : conn_direct(conn, &to, &len);
		if (rc)
			return rc;
	}
}

int conn_line(struct conn *conn, char *line, size_t room)
{
	char *start, *end;
	int rc;

	for (;;) {
		start = conn->in + conn->in_from;
		end = memmem(start, conn->in_to - conn->in_from, "\r\n", 2);
		if (end)
			break;
		if (conn->in_to - conn->in_from >= room)
			return err_set(-EPROTO, "the answer's line is too long");
		rc = conn_fill(conn);
		if (rc)
			return rc;
	}
	if ((size_t)(end - start) >= room)
		return err_set(-EPROTO, "the answer's line is too long");
	memcpy(line, start, end - start);
	line[end - start] = '\0';
	conn->in_from += end - start + 2;
	return 0;
}
