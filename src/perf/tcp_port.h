/* SPDX-License-Identifier: Apache-2.0 */
/* Inside perf_tcp: a port, its streams, and how its files call each other. */
#ifndef WEFT_PERF_TCP_PORT_H
#define WEFT_PERF_TCP_PORT_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

#include "perf/backend.h"

#define TCP_TOKEN  16
#define TCP_HEAD   8  /* bytes of a frame's head */
#define TCP_HELLO  24 /* magic, index of the stream, token */
#define TCP_GUESTS 8  /* connections that have not said yet who they are, beyond the streams */

/* Bytes of one reading, and of the content that is sent over and over when nobody checks it: both
 * stay in a core's cache. */
#define TCP_READ   (256 << 10)
#define TCP_REPEAT (128 << 10)
/* validate: content repeats after so many bytes; prime, so that no size of a message divides it. */
#define TCP_PERIOD 1048583
#define TCP_WRITE  (1 << 20) /* most bytes of one system call */

enum tcp_way {
	TCP_CLOSED,
	TCP_CONNECTING, /* initiator: the kernel connects */
	TCP_ASKING,     /* initiator: said hello, waits for the answer */
	TCP_OPEN,
};

struct tcp_stream {
	int fd; /* -1: none */
	enum tcp_way way;
	uint32_t index;
	bool readable, writable; /* since the kernel last said otherwise */
	bool ending, ended;      /* the twin writes no more; and all that it wrote was read */

	uint8_t answer[TCP_TOKEN]; /* while asking */
	uint32_t answer_len;

	/* sending */
	uint8_t head[3 * TCP_HEAD];
	uint32_t head_at, head_len;
	uint64_t tx_left; /* of the frame under way */
	uint64_t tx_at;   /* payload sent so far, the place in the content */
	uint64_t tx_part; /* of the message under way */
	uint64_t todo;    /* messages for frames that were not begun */
	uint32_t confirm; /* messages that landed and were not confirmed */
	uint32_t ask;     /* reads not asked for yet */

	/* receiving */
	uint8_t rx_head[TCP_HEAD];
	uint32_t rx_head_have;
	uint64_t rx_left, rx_at, rx_part; /* as tx_ */

	/* operations under way: a ring of their numbers */
	uint64_t *number;
	uint32_t first, flying; /* flying <= window */
	uint32_t done;          /* of these, ended and not told yet: the first ones */
	uint32_t open;          /* write: sent whole, read: asked for; and not answered */
	uint32_t arrived;       /* messages that landed and were not told yet */
};

struct tcp_guest {
	int fd; /* -1: none */
	uint32_t have;
	uint64_t since; /* order of arrival */
	uint8_t hello[TCP_HELLO];
};

struct tcp_port {
	struct perf_port port;
	struct perf_case c;
	bool target;
	bool sleeps; /* a poll that finds nothing waits a little */
	bool spin;   /* polls try every stream instead of asking which are ready */
	int epoll;
	int listener; /* -1: none */
	uint8_t ask[TCP_TOKEN], answer[TCP_TOKEN];
	bool met;                /* the twin's address was read */
	struct tcp_guest *guest; /* c.eps + TCP_GUESTS */
	uint64_t guests;         /* so far */

	struct tcp_stream *stream; /* c.eps */
	uint32_t polls, tells;
	uint32_t next; /* whose turn it is to tell its events */
	uint8_t *content, *buf;
	uint32_t content_len;
	uint64_t arrived; /* messages that were told, on all streams */
	uint64_t landed;  /* bytes */
	uint64_t sent;    /* bytes of payload that the kernel took */
	bool wrong;
};

/* tcp_connect.c: as perf_backend has them. */
int tcp_listen(struct tcp_port *p);
int tcp_address(struct perf_port *port, void *buf, size_t room);
int tcp_connect(struct perf_port *port, const void *address, size_t len);
/* Gives a connected socket its options and its place in the epoll set. */
int tcp_adopt(struct tcp_port *p, struct tcp_stream *s, int fd);
/* "10.0.0.1:1234", "[::1]:1234", of a socket's twin or, with own, of itself. */
void tcp_name(int fd, bool own, char *ret, size_t room);
#define TCP_NAME_MAX 96
/* A stream that broke: always negative. */
int tcp_gone(const struct tcp_stream *s, const char *why);

/* tcp_io.c */
int tcp_post(struct perf_port *port, uint32_t ep, uint64_t number, uint32_t count);
int tcp_poll(struct perf_port *port, struct perf_event *events, uint32_t room);
void tcp_idle(struct perf_port *port, uint64_t at_ns);

/* tcp_tx.c: sends what the stream has to send, until the kernel takes no more. */
int tcp_send(struct tcp_port *p, struct tcp_stream *s);
static inline bool tcp_unsent(const struct tcp_stream *s)
{
	return s->head_at < s->head_len || s->tx_left || s->todo || s->confirm || s->ask;
}
/* tcp_rx.c: reads once and takes what it read. */
int tcp_receive(struct tcp_port *p, struct tcp_stream *s);

/* The content at a place of a stream: *len is cut to what stands there in one piece. */
const uint8_t *tcp_content(const struct tcp_port *p, const struct tcp_stream *s, bool mine,
			   uint64_t at, uint64_t *len);

enum tcp_kind {
	TCP_DATA = 0x44415441,    /* count messages follow */
	TCP_CONFIRM = 0x434f4e46, /* count messages have landed */
	TCP_ASK = 0x41534b3f,     /* send count messages */
};

#endif /* WEFT_PERF_TCP_PORT_H */
