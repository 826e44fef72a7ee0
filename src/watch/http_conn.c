/* SPDX-License-Identifier: Apache-2.0 */
#include "watch/http_conn.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "watch/http.h"

struct http_text *http_text_get(struct http_text *text)
{
	if (text)
		text->refs++;
	return text;
}

void http_text_put(struct http_text *text)
{
	if (!text || --text->refs)
		return;
	free(text->data);
	mem_free(text);
}

void conn_init(struct http_conn *conn, int fd, uint64_t number, uint64_t now_ns)
{
	conn->state = HTTP_READING;
	conn->fd = fd;
	conn->number = number;
	conn->deadline_ns = now_ns + HTTP_READ_NS;
	conn->got = conn->sent = conn->head_len = 0;
	conn->body = NULL;
}

void conn_close(struct http_conn *conn)
{
	if (conn->state == HTTP_CLOSED)
		return;
	close(conn->fd);
	http_text_put(conn->body);
	conn->body = NULL;
	conn->state = HTTP_CLOSED;
}

static bool must_wait(void)
{
	return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR;
}

int conn_read(struct http_conn *conn, struct request *request)
{
	ssize_t n;

	n = recv(conn->fd, conn->request + conn->got, sizeof(conn->request) - conn->got, 0);
	if (n < 0 && must_wait())
		return 0;
	if (n <= 0) {
		conn_close(conn);
		return 0;
	}
	conn->got += (size_t)n;
	return request_parse(conn->request, conn->got, request);
}

static const char *reason(int status)
{
	static const struct {
		int status;
		const char *text;
	} reasons[] = {
		{ 200, "OK" },
		{ 400, "Bad Request" },
		{ 403, "Forbidden" },
		{ 404, "Not Found" },
		{ 405, "Method Not Allowed" },
		{ 414, "URI Too Long" },
		{ 431, "Request Header Fields Too Large" },
		{ 503, "Service Unavailable" },
		{ 505, "HTTP Version Not Supported" },
	};

	for (size_t i = 0; i < sizeof(reasons) / sizeof(*reasons); i++)
		if (reasons[i].status == status)
			return reasons[i].text;
	return "Error";
}

void conn_answer(struct http_conn *conn, int status, const char *type, struct http_text *body,
		 bool head_only, uint64_t now_ns)
{
	time_t now = time(NULL);
	char date[64];
	struct tm tm;

	strftime(date, sizeof(date), "%a, %d %b %Y %H:%M:%S GMT", gmtime_r(&now, &tm));
	conn->head_len = (size_t)snprintf(conn->head, sizeof(conn->head),
					  "HTTP/1.1 %d %s\r\nDate: %s\r\nContent-Type: %s\r\n"
					  "Content-Length: %zu\r\nCache-Control: no-store\r\n"
					  "%sConnection: close\r\n\r\n",
					  status, reason(status), date, type, body ? body->len : 0,
					  status == 405 ? "Allow: GET, HEAD\r\n" : "");
	conn->body = head_only ? NULL : http_text_get(body);
	conn->state = HTTP_WRITING;
	conn->deadline_ns = now_ns + HTTP_WRITE_NS;
	conn_write(conn, now_ns);
}

/* What of a part has not been sent, when `sent` bytes of all parts have. */
static struct iovec rest_of(const char *data, size_t len, size_t sent)
{
	size_t skip = sent < len ? sent : len;

	return (struct iovec){ .iov_base = (char *)data + skip, .iov_len = len - skip };
}

void conn_write(struct http_conn *conn, uint64_t now_ns)
{
	size_t body_len = conn->body ? conn->body->len : 0;
	size_t body_sent = conn->sent > conn->head_len ? conn->sent - conn->head_len : 0;
	struct iovec parts[2] = {
		rest_of(conn->head, conn->head_len, conn->sent),
		rest_of(conn->body ? conn->body->data : "", body_len, body_sent),
	};
	struct msghdr message = { .msg_iov = parts, .msg_iovlen = 2 };
	ssize_t n = sendmsg(conn->fd, &message, MSG_NOSIGNAL);

	if (n < 0 && must_wait())
		return;
	if (n < 0) {
		conn_close(conn);
		return;
	}
	conn->sent += (size_t)n;
	if (conn->sent < conn->head_len + body_len)
		return;
	/* To close now, with bytes unread, could take the answer back from the other side. */
	shutdown(conn->fd, SHUT_WR);
	conn->state = HTTP_LINGERING;
	conn->deadline_ns = now_ns + HTTP_LINGER_NS;
	http_text_put(conn->body);
	conn->body = NULL;
}

void conn_linger(struct http_conn *conn)
{
	ssize_t n = recv(conn->fd, conn->request, sizeof(conn->request), 0);

	if (n > 0 || (n < 0 && must_wait()))
		return;
	conn_close(conn);
}
