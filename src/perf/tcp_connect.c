/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How two ports of perf_tcp find each other. The target listens; its address holds two secrets.
 * Whoever connects says the first one, and which stream it is; the target answers with the second.
 * Others are dropped, and those who say nothing make way for new ones.
 */
#include <errno.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/err.h"
#include "perf/tcp.h"
#include "perf/tcp_port.h"

#define MAGIC 0x31545057u /* "WPT1" */

static char bind_host[NI_MAXHOST] = "127.0.0.1";

static int resolve(const char *host, uint16_t port, struct sockaddr_storage *ret, socklen_t *len)
{
	const struct addrinfo hints = {
		.ai_socktype = SOCK_STREAM,
		.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV,
	};
	struct addrinfo *found;
	char service[8];
	int rc;

	snprintf(service, sizeof(service), "%u", port);
	rc = getaddrinfo(host, service, &hints, &found);
	if (rc)
		return err_set(-EINVAL, "tcp: \"%s\" is no literal address: %s", host,
			       gai_strerror(rc));
	memcpy(ret, found->ai_addr, found->ai_addrlen);
	*len = found->ai_addrlen;
	freeaddrinfo(found);
	return 0;
}

int perf_tcp_bind(const char *host)
{
	struct sockaddr_storage address;
	socklen_t len;
	int rc;

	if (!host)
		host = "127.0.0.1";
	rc = resolve(host, 0, &address, &len);
	if (!rc)
		snprintf(bind_host, sizeof(bind_host), "%s", host);
	return rc;
}

static bool literal(int fd, bool own, char *host, size_t room, char *service, size_t service_room)
{
	struct sockaddr_storage address;
	socklen_t len = sizeof(address);

	return !(own ? getsockname : getpeername)(fd, (struct sockaddr *)&address, &len) &&
	       !getnameinfo((struct sockaddr *)&address, len, host, (socklen_t)room, service,
			    (socklen_t)service_room, NI_NUMERICHOST | NI_NUMERICSERV);
}

void tcp_name(int fd, bool own, char *ret, size_t room)
{
	char host[NI_MAXHOST], service[NI_MAXSERV];

	if (!literal(fd, own, host, sizeof(host), service, sizeof(service)))
		snprintf(ret, room, "?");
	else
		snprintf(ret, room, strchr(host, ':') ? "[%s]:%s" : "%s:%s", host, service);
}

int tcp_gone(const struct tcp_stream *s, const char *why)
{
	char name[TCP_NAME_MAX];

	tcp_name(s->fd, false, name, sizeof(name));
	return err_set(-WEFT_EPEERGONE, "tcp: stream %u to %s: %s", s->index, name, why);
}

int tcp_listen(struct tcp_port *p)
{
	struct sockaddr_storage address;
	socklen_t len;
	int rc = resolve(bind_host, 0, &address, &len);

	if (rc)
		return rc;
	if (getrandom(p->ask, TCP_TOKEN, 0) != TCP_TOKEN ||
	    getrandom(p->answer, TCP_TOKEN, 0) != TCP_TOKEN)
		return err_set(-EIO, "tcp: the system has no random bytes");
	p->listener = socket(address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (p->listener < 0 || bind(p->listener, (struct sockaddr *)&address, len) ||
	    listen(p->listener, PERF_EPS_MAX + TCP_GUESTS)) {
		rc = -errno;
		return err_set(rc, "tcp: cannot listen at %s: %s; is it an address of this host?",
			       bind_host, strerror(-rc));
	}
	return 0;
}

int tcp_address(struct perf_port *port, void *buf, size_t room)
{
	struct tcp_port *p = (struct tcp_port *)port;
	char host[NI_MAXHOST], service[NI_MAXSERV];
	struct wbuf to;

	wbuf_init(&to, buf, room);
	buf_put_u32(&to, MAGIC);
	buf_put_u32(&to, p->c.eps);
	buf_put_u8(&to, p->target);
	if (p->target) {
		if (!literal(p->listener, true, host, sizeof(host), service, sizeof(service)))
			return err_set(-EIO, "tcp: the listening socket has no address");
		buf_put_bytes(&to, p->ask, TCP_TOKEN);
		buf_put_bytes(&to, p->answer, TCP_TOKEN);
		buf_put_str(&to, host);
		buf_put_u16(&to, (uint16_t)atoi(service));
	}
	if (!wbuf_ok(&to))
		return err_set(-EINVAL, "tcp: %zu bytes are too few for an address", room);
	return (int)to.used;
}

int tcp_adopt(struct tcp_port *p, struct tcp_stream *s, int fd)
{
	struct epoll_event event = {
		.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET,
		.data.u32 = s->index,
	};
	int on = 1;

	s->fd = fd;
	if (setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) ||
	    epoll_ctl(p->epoll, EPOLL_CTL_ADD, fd, &event))
		return err_set(-errno, "tcp: stream %u: %s", s->index, strerror(errno));
	s->readable = s->writable = true;
	s->way = TCP_OPEN;
	return 0;
}

/* --- the target ---------------------------------------------------------------------------- */

static void drop_guest(struct tcp_guest *guest)
{
	close(guest->fd);
	guest->fd = -1;
}

/* A free place, or that of the guest who has been silent longest. */
static struct tcp_guest *seat(struct tcp_port *p)
{
	struct tcp_guest *best = &p->guest[0];

	for (uint32_t i = 0; i < p->c.eps + TCP_GUESTS; i++) {
		if (p->guest[i].fd < 0)
			return &p->guest[i];
		if (p->guest[i].since < best->since)
			best = &p->guest[i];
	}
	drop_guest(best);
	return best;
}

static int let_in(struct tcp_port *p, struct tcp_guest *guest)
{
	struct tcp_stream *s;
	const uint8_t *token = guest->hello + TCP_HELLO - TCP_TOKEN;
	struct rbuf from;
	uint32_t magic = 0, index = 0;
	int fd = guest->fd;

	rbuf_init(&from, guest->hello, TCP_HELLO);
	buf_get_u32(&from, &magic);
	buf_get_u32(&from, &index);
	s = index < p->c.eps ? &p->stream[index] : NULL;
	if (magic != MAGIC || memcmp(token, p->ask, TCP_TOKEN) != 0 || !s || s->fd >= 0 ||
	    send(fd, p->answer, TCP_TOKEN, MSG_NOSIGNAL) != TCP_TOKEN) {
		drop_guest(guest);
		return 0;
	}
	guest->fd = -1;
	return tcp_adopt(p, s, fd);
}

static int hear(struct tcp_port *p, struct tcp_guest *guest)
{
	ssize_t n = recv(guest->fd, guest->hello + guest->have, TCP_HELLO - guest->have, 0);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (n <= 0) {
		drop_guest(guest);
		return 0;
	}
	guest->have += (uint32_t)n;
	return guest->have == TCP_HELLO ? let_in(p, guest) : 0;
}

static int welcome(struct tcp_port *p)
{
	struct tcp_guest *guest;
	int fd, rc;

	for (int i = 0; i < PERF_EPS_MAX; i++) {
		fd = accept4(p->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd < 0) {
			if (errno == EMFILE || errno == ENFILE || errno == ENOMEM)
				return err_set(-errno, "tcp: accept: %s; ulimit -n shows the limit",
					       strerror(errno));
			return 0; /* none is left, or one that went away again */
		}
		guest = seat(p);
		*guest = (struct tcp_guest){ .fd = fd, .since = p->guests++ };
		rc = hear(p, guest);
		if (rc)
			return rc;
	}
	return 0;
}

static int meet(struct tcp_port *p)
{
	int rc = 0;

	for (uint32_t i = 0; i < p->c.eps + TCP_GUESTS && !rc; i++)
		if (p->guest[i].fd >= 0)
			rc = hear(p, &p->guest[i]);
	if (!rc)
		rc = welcome(p);
	if (rc)
		return rc;
	for (uint32_t i = 0; i < p->c.eps; i++)
		if (p->stream[i].way != TCP_OPEN)
			return -EAGAIN;
	for (uint32_t i = 0; i < p->c.eps + TCP_GUESTS; i++)
		if (p->guest[i].fd >= 0)
			drop_guest(&p->guest[i]);
	close(p->listener);
	p->listener = -1;
	return 0;
}

/* --- the initiator ------------------------------------------------------------------------- */

static int start(struct tcp_port *p, const char *host, uint16_t port)
{
	struct sockaddr_storage address;
	struct tcp_stream *s;
	socklen_t len;
	int rc = resolve(host, port, &address, &len);

	for (uint32_t i = 0; i < p->c.eps && !rc; i++) {
		s = &p->stream[i];
		s->fd = socket(address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
		s->way = TCP_CONNECTING;
		if (s->fd < 0 ||
		    (connect(s->fd, (struct sockaddr *)&address, len) && errno != EINPROGRESS)) {
			rc = -errno;
			err_set(rc, "tcp: stream %u to %s port %u: %s", i, host, port,
				strerror(-rc));
		}
	}
	return rc;
}

static int say_hello(struct tcp_port *p, struct tcp_stream *s)
{
	struct pollfd at = { .fd = s->fd, .events = POLLOUT };
	uint8_t hello[TCP_HELLO];
	socklen_t len = sizeof(int);
	struct wbuf to;
	int why = 0;

	if (poll(&at, 1, 0) <= 0)
		return 0;
	getsockopt(s->fd, SOL_SOCKET, SO_ERROR, &why, &len);
	if (why)
		return err_set(-why,
			       "tcp: stream %u: %s; does a firewall or security group let all TCP "
			       "ports through between the two hosts?",
			       s->index, strerror(why));
	wbuf_init(&to, hello, sizeof(hello));
	buf_put_u32(&to, MAGIC);
	buf_put_u32(&to, s->index);
	buf_put_bytes(&to, p->ask, TCP_TOKEN);
	/* A fresh socket has room for a hello. */
	if (send(s->fd, hello, TCP_HELLO, MSG_NOSIGNAL) != TCP_HELLO)
		return tcp_gone(s, "it broke before the hello");
	s->way = TCP_ASKING;
	return 0;
}

static int hear_answer(struct tcp_port *p, struct tcp_stream *s)
{
	/* No more than the answer: the twin may have begun to send. */
	ssize_t n = recv(s->fd, s->answer + s->answer_len, TCP_TOKEN - s->answer_len, 0);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (n <= 0)
		return tcp_gone(s, "the target did not take it for its twin's");
	s->answer_len += (uint32_t)n;
	if (s->answer_len < TCP_TOKEN)
		return 0;
	if (memcmp(s->answer, p->answer, TCP_TOKEN) != 0)
		return err_set(-WEFT_EPROTOCOL, "tcp: stream %u: something else answered",
			       s->index);
	return tcp_adopt(p, s, s->fd);
}

static int approach(struct tcp_port *p)
{
	bool all = true;
	int rc = 0;

	for (uint32_t i = 0; i < p->c.eps && !rc; i++) {
		if (p->stream[i].way == TCP_CONNECTING)
			rc = say_hello(p, &p->stream[i]);
		if (!rc && p->stream[i].way == TCP_ASKING)
			rc = hear_answer(p, &p->stream[i]);
		all = all && p->stream[i].way == TCP_OPEN;
	}
	return rc ? rc : all ? 0 : -EAGAIN;
}

static int read_address(struct tcp_port *p, const void *address, size_t len)
{
	char host[NI_MAXHOST] = "";
	uint32_t magic = 0, eps = 0;
	struct rbuf from;
	uint16_t port = 0;
	uint8_t target = 0;

	rbuf_init(&from, address, len);
	buf_get_u32(&from, &magic);
	buf_get_u32(&from, &eps);
	buf_get_u8(&from, &target);
	if (!p->target) {
		buf_get_copy(&from, p->ask, TCP_TOKEN);
		buf_get_copy(&from, p->answer, TCP_TOKEN);
		buf_get_str(&from, host, sizeof(host));
		buf_get_u16(&from, &port);
	}
	if (!rbuf_end(&from) || magic != MAGIC || target == p->target || (!p->target && !port))
		return err_set(-WEFT_EPROTOCOL, "tcp: the twin's address is malformed");
	if (eps != p->c.eps)
		return err_set(-WEFT_EPROTOCOL, "tcp: the twin has %u streams, this side %u", eps,
			       p->c.eps);
	return p->target ? 0 : start(p, host, port);
}

int tcp_connect(struct perf_port *port, const void *address, size_t len)
{
	struct tcp_port *p = (struct tcp_port *)port;
	int rc;

	if (!p->met) {
		rc = read_address(p, address, len);
		if (rc)
			return rc;
		p->met = true;
	}
	return p->target ? meet(p) : approach(p);
}
