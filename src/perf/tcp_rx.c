/* SPDX-License-Identifier: Apache-2.0 */
/* perf_tcp receives. What comes is from the network: every head is checked. */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "base/buf.h"
#include "base/err.h"
#include "perf/tcp_port.h"

static int malformed(const struct tcp_stream *s, const char *what, uint32_t count)
{
	char name[TCP_NAME_MAX];

	tcp_name(s->fd, false, name, sizeof(name));
	return err_set(-WEFT_EPROTOCOL, "tcp: stream %u from %s: %s (%u)", s->index, name, what,
		       count);
}

/* Are these bytes what the twin has to send at this place? */
static bool compare(const struct tcp_port *p, const struct tcp_stream *s, const uint8_t *bytes,
		    uint64_t len)
{
	const uint8_t *content;
	uint64_t piece, at = s->rx_at;

	for (; len; bytes += piece, at += piece, len -= piece) {
		piece = len;
		content = tcp_content(p, s, false, at, &piece);
		if (memcmp(bytes, content, piece) != 0)
			return false;
	}
	return true;
}

static void landed(struct tcp_port *p, struct tcp_stream *s, const uint8_t *bytes, uint64_t len)
{
	uint32_t whole;

	if (p->c.validate && !compare(p, s, bytes, len))
		p->wrong = true;
	s->rx_left -= len;
	s->rx_at += len;
	p->landed += len;
	s->rx_part += len;
	whole = (uint32_t)(s->rx_part / p->c.size);
	s->rx_part %= p->c.size;
	if (p->c.op == PERF_READ)
		s->done += whole;
	if (p->c.op == PERF_SEND || p->c.op == PERF_WRITE_IMM)
		s->arrived += whole;
	if (p->c.op == PERF_WRITE || p->c.op == PERF_WRITE_IMM)
		s->confirm += whole;
}

static int take_head(struct tcp_port *p, struct tcp_stream *s)
{
	uint32_t kind = 0, count = 0;
	struct rbuf from;

	rbuf_init(&from, s->rx_head, TCP_HEAD);
	buf_get_u32(&from, &kind);
	buf_get_u32(&from, &count);
	s->rx_head_have = 0;
	if (!count)
		return malformed(s, "a frame of no messages", count);
	if (kind == TCP_DATA) {
		if (p->c.op == PERF_READ) {
			if (count > s->open)
				return malformed(s, "more answers than were asked for", count);
			s->open -= count;
		}
		s->rx_left = count * p->c.size;
		return 0;
	}
	if (kind == TCP_CONFIRM && p->c.op != PERF_READ && p->c.op != PERF_SEND) {
		if (count > s->open)
			return malformed(s, "more confirmed than was sent", count);
		s->open -= count;
		s->done += count;
		return 0;
	}
	if (kind == TCP_ASK && p->c.op == PERF_READ) {
		if (s->todo + count > p->c.window)
			return malformed(s, "more asked for than the window allows", count);
		s->todo += count;
		return 0;
	}
	return malformed(s, "not a frame of this operation", kind);
}

static int take(struct tcp_port *p, struct tcp_stream *s, const uint8_t *bytes, uint64_t len)
{
	uint64_t part;
	int rc = 0;

	for (; len && !rc; bytes += part, len -= part) {
		if (s->rx_left) {
			part = len < s->rx_left ? len : s->rx_left;
			landed(p, s, bytes, part);
			continue;
		}
		part = TCP_HEAD - s->rx_head_have;
		part = len < part ? len : part;
		memcpy(s->rx_head + s->rx_head_have, bytes, part);
		s->rx_head_have += (uint32_t)part;
		if (s->rx_head_have == TCP_HEAD)
			rc = take_head(p, s);
	}
	return rc;
}

/* The twin closed. That is as it should be when neither side wants anything more. */
static int ended(struct tcp_stream *s, const char *why)
{
	s->ended = true;
	s->readable = false;
	if (s->rx_left || s->rx_head_have || s->flying > s->done || tcp_unsent(s))
		return tcp_gone(s, why);
	return 0;
}

int tcp_receive(struct tcp_port *p, struct tcp_stream *s)
{
	ssize_t n = recv(s->fd, p->buf, TCP_READ, 0);

	if (n == 0)
		return ended(s, "the twin closed it");
	if (n < 0 && errno == EINTR)
		return 0;
	if (n < 0 && errno == EAGAIN) {
		s->readable = false;
		return 0;
	}
	if (n < 0)
		return ended(s, strerror(errno));
	/* Less than asked for: there is no more, and epoll will tell of what comes. Of the end it
	 * has told already. */
	if (n < TCP_READ && !s->ending)
		s->readable = false;
	return take(p, s, p->buf, (uint64_t)n);
}
