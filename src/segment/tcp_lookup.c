/* SPDX-License-Identifier: Apache-2.0 */
/* The opener's side over TCP: connects to any address of the host, asks, reads the answer. */
#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "segment/tcp.h"

struct exchange {
	int fd;
	uint64_t deadline_ns;
	const char *name; /* asked for, "" for all */
	weft_entry_fn found;
	void *arg;
	bool answered; /* a frame has come: no other address is asked */
	uint32_t entries;
	char last[WEFT_NAME_MAX + 1]; /* entries come in order */
	size_t have;
	uint8_t buf[FRAME_MAX];
};

static int late(void)
{
	return err_set(-WEFT_EDEADLINE, "no answer in time");
}

static int wait_ready(const struct exchange *x, short events)
{
	struct pollfd fd = { .fd = x->fd, .events = events };
	struct timespec ts;
	uint64_t now, left;
	int n;

	for (;;) {
		now = clock_ns();
		if (now >= x->deadline_ns)
			return late();
		left = x->deadline_ns - now;
		if (left > 60 * NSEC_PER_SEC)
			left = 60 * NSEC_PER_SEC;
		ts = (struct timespec){ .tv_sec = (time_t)(left / NSEC_PER_SEC),
					.tv_nsec = (long)(left % NSEC_PER_SEC) };
		n = ppoll(&fd, 1, &ts, NULL);
		if (n > 0)
			return 0;
		if (n < 0 && errno != EINTR)
			return err_set(-errno, "poll: %s", strerror(errno));
	}
}

static int unavailable(int error)
{
	return err_set(-WEFT_EUNAVAILABLE, "%s", strerror(error));
}

static int connect_to(struct exchange *x, const struct addrinfo *info)
{
	socklen_t len = sizeof(int);
	int error = 0, rc;

	x->fd = socket(info->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (x->fd < 0)
		return errno == EAFNOSUPPORT ? unavailable(errno)
					     : err_set(-errno, "socket: %s", strerror(errno));
	if (!connect(x->fd, info->ai_addr, info->ai_addrlen))
		return 0;
	if (errno != EINPROGRESS)
		return unavailable(errno);
	rc = wait_ready(x, POLLOUT);
	if (rc)
		return rc;
	if (getsockopt(x->fd, SOL_SOCKET, SO_ERROR, &error, &len))
		error = errno;
	return error ? unavailable(error) : 0;
}

static int send_ask(struct exchange *x)
{
	struct frame ask = { .kind = FRAME_LOOKUP };
	size_t len = sizeof(x->buf), at = 0;
	ssize_t n;
	int rc;

	snprintf(ask.name, sizeof(ask.name), "%s", x->name);
	rc = frame_put(&ask, x->buf, &len);
	while (!rc && at < len) {
		n = send(x->fd, x->buf + at, len - at, MSG_NOSIGNAL);
		if (n > 0)
			at += (size_t)n;
		else if (errno == EAGAIN || errno == EINTR)
			rc = wait_ready(x, POLLOUT);
		else
			return unavailable(errno);
	}
	return rc;
}

static int take_entry(struct exchange *x, const struct frame *frame)
{
	if (x->name[0] ? strcmp(x->name, frame->name) != 0 || x->entries
		       : strcmp(x->last, frame->name) >= 0)
		return err_set(-WEFT_EMESSAGE, "the name '%s' came out of turn", frame->name);
	if (x->entries == WEFT_SEGMENT_MAX)
		return err_set(-WEFT_ELIMIT, "more than %u names", WEFT_SEGMENT_MAX);
	memcpy(x->last, frame->name, sizeof(x->last));
	x->entries++;
	return x->found(x->arg, frame->name, frame->bytes, frame->len);
}

/* 1: the answer is whole. */
static int take_frame(struct exchange *x, const struct frame *frame)
{
	x->answered = true;
	switch (frame->kind) {
	case FRAME_ENTRY:
		return take_entry(x, frame);
	case FRAME_END:
		if (frame->count != x->entries || (x->name[0] && !x->entries))
			return err_set(-WEFT_EMESSAGE, "the answer states %u names and has %u",
				       frame->count, x->entries);
		return 1;
	case FRAME_FAIL:
		return err_set(frame->code, "%s", frame->text);
	default:
		return err_set(-WEFT_EMESSAGE, "a frame of kind %u is no answer", frame->kind);
	}
}

/* All whole frames that are there. 1: the answer is whole. */
static int take_frames(struct exchange *x)
{
	struct frame frame;
	size_t used;
	int rc;

	for (;;) {
		rc = frame_get(&frame, x->buf, x->have, &used);
		if (rc)
			return rc == -EAGAIN ? 0 : rc;
		rc = take_frame(x, &frame);
		if (rc)
			return rc;
		x->have -= used;
		memmove(x->buf, x->buf + used, x->have);
	}
}

static int read_answer(struct exchange *x)
{
	ssize_t n;
	int rc;

	x->have = 0;
	for (;;) {
		n = recv(x->fd, x->buf + x->have, sizeof(x->buf) - x->have, 0);
		if (n == 0)
			return err_set(-WEFT_EUNAVAILABLE,
				       "the connection ended before the answer was whole");
		if (n < 0 && errno != EAGAIN && errno != EINTR)
			return unavailable(errno);
		if (n < 0) {
			rc = wait_ready(x, POLLIN);
		} else {
			x->have += (size_t)n;
			rc = take_frames(x);
		}
		if (rc)
			return rc > 0 ? 0 : rc;
	}
}

static int ask_at(struct exchange *x, const struct addrinfo *info)
{
	char host[ADDRESS_HOST_MAX];
	int rc = connect_to(x, info);

	if (!rc)
		rc = send_ask(x);
	if (!rc)
		rc = read_answer(x);
	if (x->fd >= 0)
		close(x->fd);
	if (rc && !getnameinfo(info->ai_addr, info->ai_addrlen, host, sizeof(host), NULL, 0,
			       NI_NUMERICHOST))
		err_prefix(rc, "%s", host);
	return rc;
}

/* Each address gets its share of the time that is left, so that one that swallows everything does
 * not stand before one that answers. */
static int ask_all(struct exchange *x, const struct addrinfo *infos, uint64_t deadline_ns)
{
	const struct addrinfo *info;
	uint64_t now, share;
	uint32_t left = 0;
	int rc = -WEFT_EUNAVAILABLE;

	for (info = infos; info; info = info->ai_next)
		left++;
	for (info = infos; info; info = info->ai_next, left--) {
		now = clock_ns();
		if (now >= deadline_ns)
			return late();
		share = (deadline_ns - now) / left;
		x->deadline_ns = deadline_ns == UINT64_MAX && left == 1 ? deadline_ns : now + share;
		rc = ask_at(x, info);
		if (!rc || x->answered)
			return rc;
	}
	return rc;
}

int tcp_lookup(void *ctx, const char *place, const char *name, uint64_t timeout_ns,
	       weft_entry_fn found, void *arg)
{
	struct exchange x = { .fd = -1, .name = name, .found = found, .arg = arg };
	struct addrinfo hints = { .ai_family = AF_UNSPEC,
				  .ai_socktype = SOCK_STREAM,
				  .ai_flags = AI_NUMERICSERV };
	uint64_t deadline_ns = clock_deadline(clock_ns(), timeout_ns);
	struct addrinfo *infos;
	struct address address;
	char port[8];
	int rc;

	(void)ctx;
	rc = address_parse(&address, place);
	if (rc)
		return rc;
	snprintf(port, sizeof(port), "%u", address.port);
	rc = getaddrinfo(address.host, port, &hints, &infos);
	if (rc)
		return err_set(-WEFT_EUNAVAILABLE, "'%s' does not resolve: %s", address.host,
			       gai_strerror(rc));
	rc = ask_all(&x, infos, deadline_ns);
	freeaddrinfo(infos);
	return rc;
}
