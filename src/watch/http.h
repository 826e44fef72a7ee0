/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A small HTTP/1.1 server for figures: a few pages, GET and HEAD, one answer for each connection.
 * All of it runs on the thread that calls http_run(). Whoever asks, however and how often, costs
 * HTTP_CONNS_MAX connections of REQUEST_MAX bytes and one text for each of these and for each page
 * at most: when more come the oldest gives way (those that have not finished their request first),
 * a connection ends by its deadline whatever it does, and a page is made anew only when its text is
 * older than keep_ns.
 *
 * Over TCP at a numeric address, over an abstract Unix socket (local.h) to processes of the same
 * user and of root, or both.
 */
#ifndef WEFT_WATCH_HTTP_H
#define WEFT_WATCH_HTTP_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "base/address.h"

#define HTTP_CONNS_MAX 32
#define HTTP_PAGES_MAX 4
#define HTTP_READ_NS   5000000000ull  /* until a request is there */
#define HTTP_WRITE_NS  10000000000ull /* until its answer is taken */
#define HTTP_LINGER_NS 1000000000ull  /* until the other side has closed */

/* Prometheus' text format. */
#define HTTP_METRICS_TYPE "text/plain; version=0.0.4; charset=utf-8"

struct http_page {
	const char *path; /* "/metrics" */
	const char *type;
	/* Writes the page; other than 0: the answer is 503 with err.h's detail. */
	int (*write)(void *ctx, FILE *out);
	uint64_t keep_ns; /* how long it is good; 0: made for each request */
};

struct http_opts {
	const char *name; /* of the program, for the page "/" */
	const struct http_page *pages;
	uint32_t page_count;
	void *ctx;
	int tcp_fd, local_fd; /* that listen, http_listen() and local_listen(); -1: none. Taken. */
};

struct http;

/* Listens at a numeric address (port 0: any free one, told in *port). The descriptor, or -errno
 * with what is wrong. */
int http_listen(const struct address *address, uint16_t *port);
/* -ENOMEM, -errno. The descriptors are closed by http_close(), or when this fails. */
int http_open(struct http **ret, const struct http_opts *opts);
/* Answers until stop_fd can be read. */
void http_run(struct http *http, int stop_fd);
void http_close(struct http *http); /* NULL is fine */

#endif /* WEFT_WATCH_HTTP_H */
