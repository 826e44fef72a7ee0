/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One connection of http.c:  READING -> WRITING -> LINGERING -> closed
 * It knows bytes and deadlines; what the answer is, http.c decides.
 */
#ifndef WEFT_WATCH_HTTP_CONN_H
#define WEFT_WATCH_HTTP_CONN_H

#include <stdbool.h>
#include <stdint.h>

#include "watch/request.h"

/* A text that several connections may be sending. */
struct http_text {
	uint32_t refs;
	size_t len;
	char *data; /* free() */
};

struct http_text *http_text_get(struct http_text *text);
void http_text_put(struct http_text *text); /* NULL is fine */

enum http_state {
	HTTP_CLOSED, /* the slot is free */
	HTTP_READING,
	HTTP_WRITING,
	HTTP_LINGERING,
};

struct http_conn {
	enum http_state state;
	int fd;
	uint64_t deadline_ns;
	uint64_t number; /* smaller: older */
	size_t got, sent;
	char head[512]; /* of the answer */
	size_t head_len;
	struct http_text *body; /* NULL: none */
	char request[REQUEST_MAX];
};

void conn_init(struct http_conn *conn, int fd, uint64_t number, uint64_t now_ns);
void conn_close(struct http_conn *conn);
/* Reads what is there. 0: the request is not complete (or the connection was closed); else as
 * request_parse(). */
int conn_read(struct http_conn *conn, struct request *request);
/* Begins an answer; body (NULL: none) gets one more reference. */
void conn_answer(struct http_conn *conn, int status, const char *type, struct http_text *body,
		 bool head_only, uint64_t now_ns);
/* Sends what the other side takes, lingers when all is sent. */
void conn_write(struct http_conn *conn, uint64_t now_ns);
/* Throws away what still comes; closed at the end of it. */
void conn_linger(struct http_conn *conn);

#endif /* WEFT_WATCH_HTTP_CONN_H */
