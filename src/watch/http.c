/* SPDX-License-Identifier: Apache-2.0 */
#include "watch/http.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio_ext.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <weft/weft.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/err.h"
#include "watch/http_conn.h"

#define LISTENERS 2
#define BACKLOG   128 /* or the kernel's limit; beyond it who connects waits for seconds */
#define MUTE_NS   (100 * NSEC_PER_MSEC) /* when no connection can be taken: no descriptors left */
#define TEXT_TYPE "text/plain; charset=utf-8"

struct cached {
	struct http_text *text;
	uint64_t made_ns;
};

struct http {
	struct http_opts opts;
	struct cached pages[HTTP_PAGES_MAX];
	uint64_t numbers;      /* connections so far */
	uint64_t mute_till_ns; /* no accept() before */
	struct http_conn conns[HTTP_CONNS_MAX];
};

/* --- listening ------------------------------------------------------------------------------- */

static int to_sockaddr(const struct address *address, struct sockaddr_storage *ret, socklen_t *len)
{
	const char *host = strcmp(address->host, "localhost") ? address->host : "127.0.0.1";
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)ret;
	struct sockaddr_in *v4 = (struct sockaddr_in *)ret;

	memset(ret, 0, sizeof(*ret));
	if (inet_pton(AF_INET, host, &v4->sin_addr) == 1) {
		v4->sin_family = AF_INET;
		v4->sin_port = htons(address->port);
		*len = sizeof(*v4);
		return 0;
	}
	if (inet_pton(AF_INET6, host, &v6->sin6_addr) == 1) {
		v6->sin6_family = AF_INET6;
		v6->sin6_port = htons(address->port);
		*len = sizeof(*v6);
		return 0;
	}
	return err_set(-EINVAL,
		       "'%s' is no numeric address: give one of this host, 0.0.0.0 or [::] for all",
		       address->host);
}

static uint16_t port_of(int fd)
{
	struct sockaddr_storage addr = { 0 };
	socklen_t len = sizeof(addr);

	getsockname(fd, (struct sockaddr *)&addr, &len);
	return ntohs(addr.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&addr)->sin6_port
						: ((struct sockaddr_in *)&addr)->sin_port);
}

int http_listen(const struct address *address, uint16_t *port)
{
	struct sockaddr_storage addr;
	socklen_t len = 0;
	int fd, on = 1, rc = to_sockaddr(address, &addr, &len);

	if (rc)
		return rc;
	fd = socket(addr.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd >= 0) {
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
		if (!bind(fd, (struct sockaddr *)&addr, len) && !listen(fd, BACKLOG)) {
			*port = port_of(fd);
			return fd;
		}
	}
	rc = -errno;
	if (fd >= 0)
		close(fd);
	return err_set(rc, "cannot listen for metrics on %s port %u: %s", address->host,
		       address->port, strerror(-rc));
}

int http_open(struct http **ret, const struct http_opts *opts)
{
	struct http *http = NULL;

	if (opts->page_count <= HTTP_PAGES_MAX)
		http = mem_zalloc(sizeof(*http));
	if (!http) {
		if (opts->tcp_fd >= 0)
			close(opts->tcp_fd);
		if (opts->local_fd >= 0)
			close(opts->local_fd);
		return err_set(-ENOMEM, "no memory to answer about metrics");
	}
	http->opts = *opts;
	*ret = http;
	return 0;
}

void http_close(struct http *http)
{
	if (!http)
		return;
	for (uint32_t i = 0; i < HTTP_CONNS_MAX; i++)
		conn_close(&http->conns[i]);
	for (uint32_t i = 0; i < http->opts.page_count; i++)
		http_text_put(http->pages[i].text);
	if (http->opts.tcp_fd >= 0)
		close(http->opts.tcp_fd);
	if (http->opts.local_fd >= 0)
		close(http->opts.local_fd);
	mem_free(http);
}

/* --- answers --------------------------------------------------------------------------------- */

/* NULL: no memory. */
static struct http_text *new_text(int (*write)(void *ctx, FILE *out), void *ctx, int *rc)
{
	struct http_text *text = mem_zalloc(sizeof(*text));
	FILE *out = text ? open_memstream(&text->data, &text->len) : NULL;

	*rc = -ENOMEM;
	if (!out) {
		mem_free(text);
		return NULL;
	}
	/* Nobody else writes to it. */
	__fsetlocking(out, FSETLOCKING_BYCALLER);
	text->refs = 1;
	*rc = write(ctx, out);
	if (fclose(out) && !*rc)
		*rc = -ENOMEM;
	if (!*rc)
		return text;
	http_text_put(text);
	return NULL;
}

static int write_line(void *ctx, FILE *out)
{
	fprintf(out, "%s\n", (const char *)ctx);
	return 0;
}

static int write_index(void *ctx, FILE *out)
{
	const struct http *http = ctx;

	fprintf(out, "%s\n", http->opts.name);
	for (uint32_t i = 0; i < http->opts.page_count; i++)
		fprintf(out, "%s\n", http->opts.pages[i].path);
	return 0;
}

static void answer_text(struct http_conn *conn, int status, int (*write)(void *ctx, FILE *out),
			void *ctx, bool head_only, uint64_t now_ns)
{
	int rc;
	struct http_text *text = new_text(write, ctx, &rc);

	conn_answer(conn, status, TEXT_TYPE, text, head_only, now_ns);
	http_text_put(text);
}

static void refuse(struct http_conn *conn, int status, const char *why, uint64_t now_ns)
{
	answer_text(conn, status, write_line, (void *)why, false, now_ns);
}

static void answer_page(struct http *http, struct http_conn *conn, uint32_t index, bool head_only,
			uint64_t now_ns)
{
	const struct http_page *page = &http->opts.pages[index];
	struct cached *cached = &http->pages[index];
	int rc;

	if (!cached->text || now_ns - cached->made_ns >= page->keep_ns) {
		http_text_put(cached->text);
		cached->text = new_text(page->write, http->opts.ctx, &rc);
		cached->made_ns = now_ns = clock_ns();
		if (!cached->text) {
			refuse(conn, 503, rc == -ENOMEM ? "no memory" : weft_error_detail(),
			       now_ns);
			return;
		}
	}
	conn_answer(conn, 200, page->type, cached->text, head_only, now_ns);
}

static void answer(struct http *http, struct http_conn *conn, int status,
		   const struct request *request, uint64_t now_ns)
{
	if (status != 200) {
		refuse(conn, status, "this is no request that can be answered here: GET a page",
		       now_ns);
		return;
	}
	for (uint32_t i = 0; i < http->opts.page_count; i++)
		if (!strcmp(http->opts.pages[i].path, request->path)) {
			answer_page(http, conn, i, request->head_only, now_ns);
			return;
		}
	if (!strcmp(request->path, "/"))
		answer_text(conn, 200, write_index, http, request->head_only, now_ns);
	else
		refuse(conn, 404, "no such page; / lists those that are there", now_ns);
}

/* --- connections ----------------------------------------------------------------------------- */

/* A free slot, or that of the oldest, which is let go: first of those without a whole request. */
static struct http_conn *take_slot(struct http *http)
{
	struct http_conn *conn, *best = NULL;

	for (conn = http->conns; conn < http->conns + HTTP_CONNS_MAX; conn++) {
		if (conn->state == HTTP_CLOSED)
			return conn;
		if (!best || (conn->state == HTTP_WRITING) < (best->state == HTTP_WRITING) ||
		    ((conn->state == HTTP_WRITING) == (best->state == HTTP_WRITING) &&
		     conn->number < best->number))
			best = conn;
	}
	conn_close(best);
	return best;
}

/* Who is at the other end of a Unix socket: the same user, or root? */
static bool may_ask(int fd)
{
	struct ucred ucred = { .uid = (uid_t)-1 };
	socklen_t len = sizeof(ucred);

	return !getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &ucred, &len) &&
	       (!ucred.uid || ucred.uid == geteuid());
}

/* False: none waits, or none can be taken. */
static bool accept_one(struct http *http, int listener, uint64_t now_ns)
{
	int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	struct http_conn *conn;

	if (fd < 0) {
		if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)
			http->mute_till_ns = now_ns + MUTE_NS;
		return false;
	}
	conn = take_slot(http);
	conn_init(conn, fd, ++http->numbers, now_ns);
	if (listener == http->opts.local_fd && !may_ask(fd))
		refuse(conn, 403, "only the same user and root may ask", now_ns);
	return true;
}

/* Some at a time: what they have sent by then is looked at before they can have to give way. */
static void accept_some(struct http *http, int listener, uint64_t now_ns)
{
	for (int i = 0; i < HTTP_CONNS_MAX / 2; i++)
		if (!accept_one(http, listener, now_ns))
			return;
}

static void serve_conn(struct http *http, struct http_conn *conn, uint64_t now_ns)
{
	struct request request;
	int status;

	switch (conn->state) {
	case HTTP_READING:
		status = conn_read(conn, &request);
		if (status)
			answer(http, conn, status, &request, now_ns);
		break;
	case HTTP_WRITING:
		conn_write(conn, now_ns);
		break;
	case HTTP_LINGERING:
		conn_linger(conn);
		break;
	case HTTP_CLOSED:
		break;
	}
}

/* Fills polls: stop, listeners, connections. How long to wait at most, milliseconds. */
static int prepare(struct http *http, struct pollfd *polls, int stop_fd, uint64_t now_ns)
{
	bool mute = now_ns < http->mute_till_ns;
	uint64_t wake_ns = mute ? http->mute_till_ns : UINT64_MAX;
	struct http_conn *conn;

	polls[0] = (struct pollfd){ .fd = stop_fd, .events = POLLIN };
	polls[1] = (struct pollfd){ .fd = mute ? -1 : http->opts.tcp_fd, .events = POLLIN };
	polls[2] = (struct pollfd){ .fd = mute ? -1 : http->opts.local_fd, .events = POLLIN };
	for (uint32_t i = 0; i < HTTP_CONNS_MAX; i++) {
		conn = &http->conns[i];
		if (conn->state != HTTP_CLOSED && conn->deadline_ns <= now_ns)
			conn_close(conn);
		polls[1 + LISTENERS + i] = (struct pollfd){
			.fd = conn->state == HTTP_CLOSED ? -1 : conn->fd,
			.events = conn->state == HTTP_WRITING ? POLLOUT : POLLIN,
		};
		if (conn->state != HTTP_CLOSED && conn->deadline_ns < wake_ns)
			wake_ns = conn->deadline_ns;
	}
	if (wake_ns == UINT64_MAX)
		return -1;
	return (int)((wake_ns - now_ns) / NSEC_PER_MSEC) + 1;
}

/* A process with few descriptors may not poll more entries than it may have open. */
static nfds_t used_polls(const struct http *http)
{
	nfds_t n = HTTP_CONNS_MAX;

	while (n && http->conns[n - 1].state == HTTP_CLOSED)
		n--;
	return 1 + LISTENERS + n;
}

void http_run(struct http *http, int stop_fd)
{
	struct pollfd polls[1 + LISTENERS + HTTP_CONNS_MAX];
	int wait_ms;

	for (;;) {
		wait_ms = prepare(http, polls, stop_fd, clock_ns());
		if (poll(polls, used_polls(http), wait_ms) < 0) {
			if (errno != EINTR)
				poll(NULL, 0, 100); /* no memory: not all the time */
			continue;
		}
		if (polls[0].revents)
			return;
		/* To make a page can take long: the time is asked again and again. */
		for (uint32_t i = 0; i < HTTP_CONNS_MAX; i++)
			if (polls[1 + LISTENERS + i].revents)
				serve_conn(http, &http->conns[i], clock_ns());
		for (uint32_t i = 1; i <= LISTENERS; i++)
			if (polls[i].revents)
				accept_some(http, polls[i].fd, clock_ns());
	}
}
