/* SPDX-License-Identifier: Apache-2.0 */
/* perf_tcp sends: as much as there is with one system call, until the kernel takes no more. */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "base/buf.h"
#include "base/err.h"
#include "perf/tcp_port.h"

#define PIECES 16
/* Calls in a row for one stream; then the others have their turn. */
#define CALLS 4

static void put_head(struct wbuf *to, uint32_t kind, uint32_t count)
{
	buf_put_u32(to, kind);
	buf_put_u32(to, count);
}

/* The next frames. What the twin waits for goes first; then messages, no more in a frame than one
 * call takes, so that the next ones need not wait long. */
static void compose(struct tcp_port *p, struct tcp_stream *s)
{
	uint64_t count = TCP_WRITE / p->c.size;
	struct wbuf to;

	wbuf_init(&to, s->head, sizeof(s->head));
	if (s->confirm)
		put_head(&to, TCP_CONFIRM, s->confirm);
	if (s->ask)
		put_head(&to, TCP_ASK, s->ask);
	if (p->c.op == PERF_READ)
		s->open += s->ask;
	s->confirm = s->ask = 0;
	if (s->todo) {
		count = count ? count : 1;
		count = count < s->todo ? count : s->todo;
		put_head(&to, TCP_DATA, (uint32_t)count);
		s->todo -= count;
		s->tx_left = count * p->c.size;
	}
	s->head_at = 0;
	s->head_len = (uint32_t)to.used;
}

static size_t collect(const struct tcp_port *p, struct tcp_stream *s, struct iovec *iov,
		      int *pieces)
{
	uint64_t left = s->tx_left < TCP_WRITE ? s->tx_left : TCP_WRITE, at = s->tx_at, len;
	size_t all = s->head_len - s->head_at;
	int n = 0;

	if (all)
		iov[n++] = (struct iovec){ s->head + s->head_at, all };
	for (; left && n < PIECES; left -= len, at += len, all += len) {
		len = left;
		iov[n++].iov_base = (void *)tcp_content(p, s, true, at, &len);
		iov[n - 1].iov_len = len;
	}
	*pieces = n;
	return all;
}

static void account(struct tcp_port *p, struct tcp_stream *s, size_t n)
{
	uint64_t head = s->head_len - s->head_at, whole;

	head = head < n ? head : n;
	s->head_at += (uint32_t)head;
	n -= head;
	s->tx_left -= n;
	s->tx_at += n;
	p->sent += n;
	s->tx_part += n;
	whole = s->tx_part / p->c.size;
	s->tx_part %= p->c.size;
	if (p->c.op == PERF_SEND)
		s->done += (uint32_t)whole;
	else if (p->c.op != PERF_READ)
		s->open += (uint32_t)whole;
}

int tcp_send(struct tcp_port *p, struct tcp_stream *s)
{
	struct iovec iov[PIECES];
	struct msghdr message = { .msg_iov = iov };
	size_t want;
	ssize_t n;
	int pieces;

	for (int i = 0; i < CALLS && s->writable && tcp_unsent(s); i++) {
		if (s->head_at == s->head_len && !s->tx_left)
			compose(p, s);
		want = collect(p, s, iov, &pieces);
		message.msg_iovlen = (size_t)pieces;
		n = sendmsg(s->fd, &message, MSG_NOSIGNAL);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno != EAGAIN)
			return tcp_gone(s, strerror(errno));
		if (n < (ssize_t)want)
			s->writable = false;
		if (n > 0)
			account(p, s, (size_t)n);
	}
	return 0;
}
