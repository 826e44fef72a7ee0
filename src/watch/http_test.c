/* SPDX-License-Identifier: Apache-2.0 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include <weft/weft.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/err.h"
#include "watch/http.h"
#include "watch/http_conn.h"
#include "watch/local.h"

#define BIG ((size_t)8 << 20)

static _Atomic int written;
static struct http *http;
static pthread_t thread;
static uint16_t port;
static char local_name[LOCAL_NAME_MAX];
static int stop;

static int write_count(void *ctx, FILE *out)
{
	(void)ctx;
	fprintf(out, "%d\n", ++written);
	return 0;
}

static int write_big(void *ctx, FILE *out)
{
	static char some[1 << 16];

	(void)ctx;
	memset(some, 'b', sizeof(some));
	for (size_t i = 0; i < BIG; i += sizeof(some))
		fwrite(some, sizeof(some), 1, out);
	return 0;
}

static int write_nothing(void *ctx, FILE *out)
{
	(void)ctx;
	fputs("half", out);
	return err_set(-EIO, "the device has gone");
}

static const struct http_page pages[] = {
	{ "/each", "text/plain", write_count, 0 },
	{ "/kept", "text/plain", write_count, 3600 * NSEC_PER_SEC },
	{ "/big", "text/plain", write_big, 3600 * NSEC_PER_SEC },
	{ "/bad", "text/plain", write_nothing, 0 },
};

static void *serve(void *arg)
{
	(void)arg;
	http_run(http, stop);
	return NULL;
}

static int setup(void **state)
{
	struct address address = { .host = "localhost" };
	struct http_opts opts = { .name = "test", .pages = pages, .page_count = 4 };

	(void)state;
	written = 0;
	opts.tcp_fd = http_listen(&address, &port);
	opts.local_fd = local_listen(local_name);
	stop = eventfd(0, 0);
	return opts.tcp_fd < 0 || opts.local_fd < 0 || http_open(&http, &opts) ||
	       pthread_create(&thread, NULL, serve, NULL);
}

static int teardown(void **state)
{
	const uint64_t one = 1;

	(void)state;
	if (write(stop, &one, sizeof(one)) < 0)
		return -1;
	pthread_join(thread, NULL);
	http_close(http);
	close(stop);
	return 0;
}

static int dial(void)
{
	struct sockaddr_in addr = { .sin_family = AF_INET,
				    .sin_port = htons(port),
				    .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_int_equal(connect(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	return fd;
}

static void say(int fd, const char *text)
{
	assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

/* All until the end; NULL when the connection was reset. */
static char *hear(int fd)
{
	size_t room = BIG + 1024, len = 0;
	char *text = malloc(room);
	ssize_t n;

	while ((n = recv(fd, text + len, room - 1 - len, 0)) > 0)
		len += (size_t)n;
	text[len] = '\0';
	close(fd);
	if (!n)
		return text;
	free(text);
	return NULL;
}

static char *ask(const char *request)
{
	int fd = dial();
	char *text;

	say(fd, request);
	text = hear(fd);
	assert_non_null(text);
	return text;
}

static void expect(const char *request, const char *begin, const char *end)
{
	char *text = ask(request);

	if (strncmp(text, begin, strlen(begin)) || strlen(text) < strlen(end) ||
	    strcmp(text + strlen(text) - strlen(end), end))
		fail_msg("%s answered with %s", request, text);
	free(text);
}

#define GET(path) "GET " path " HTTP/1.1\r\nHost: a\r\n\r\n"

static void pages_are_answered(void **state)
{
	char *text = ask(GET("/each"));

	(void)state;
	assert_non_null(strstr(text, "\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n"));
	assert_non_null(strstr(text, "\r\nConnection: close\r\n"));
	free(text);
	expect(GET("/each"), "HTTP/1.1 200 OK\r\n", "\r\n\r\n2\n");
	expect("HEAD /each HTTP/1.1\r\nHost: a\r\n\r\n", "HTTP/1.1 200 OK\r\n", "close\r\n\r\n");
	expect(GET("/"), "HTTP/1.1 200 OK\r\n", "\r\n\r\ntest\n/each\n/kept\n/big\n/bad\n");
}

static void what_cannot_be_answered_says_so(void **state)
{
	(void)state;
	expect(GET("/none"), "HTTP/1.1 404 Not Found\r\n",
	       "no such page; / lists those that are there\n");
	expect(GET("/bad"), "HTTP/1.1 503 ", "\r\n\r\nthe device has gone\n");
	expect("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc", "HTTP/1.1 405 ",
	       "GET a page\n");
	expect("\x16\x03\x01", "HTTP/1.1 400 ", "GET a page\n");
}

static void a_page_is_made_anew_only_when_it_is_old(void **state)
{
	(void)state;
	for (int i = 0; i < 20; i++)
		expect(GET("/kept"), "HTTP/1.1 200 OK\r\n", "\r\n\r\n1\n");
	assert_int_equal(written, 1);
}

static void a_request_may_come_in_pieces(void **state)
{
	const char *text = GET("/each");
	int fd = dial();
	char *answer;

	(void)state;
	for (; *text; text++) {
		assert_int_equal(send(fd, text, 1, MSG_NOSIGNAL), 1);
		sched_yield();
	}
	answer = hear(fd);
	assert_non_null(strstr(answer, "200 OK"));
	free(answer);
}

static void those_who_say_nothing_keep_nobody_out(void **state)
{
	int idle[4 * HTTP_CONNS_MAX];
	size_t count = sizeof(idle) / sizeof(*idle);

	(void)state;
	for (size_t i = 0; i < count; i++) {
		idle[i] = dial();
		say(idle[i], "GET /");
	}
	for (int i = 0; i < 10; i++)
		expect(GET("/kept"), "HTTP/1.1 200 OK\r\n", "\r\n\r\n1\n");
	for (size_t i = 0; i < count; i++)
		close(idle[i]);
	expect(GET("/kept"), "HTTP/1.1 200 OK\r\n", "\r\n\r\n1\n");
}

static void those_who_do_not_read_keep_nobody_out(void **state)
{
	int slow[HTTP_CONNS_MAX - 2];
	size_t count = sizeof(slow) / sizeof(*slow);
	char *text;

	(void)state;
	for (size_t i = 0; i < count; i++) {
		slow[i] = dial();
		say(slow[i], GET("/big"));
	}
	expect(GET("/each"), "HTTP/1.1 200 OK\r\n", "\r\n\r\n1\n");
	/* It was made once for all of them, and is whole. */
	text = hear(slow[0]);
	assert_non_null(text);
	assert_true(strlen(text) > BIG);
	free(text);
	for (size_t i = 1; i < count; i++)
		close(slow[i]);
}

static void a_process_of_the_same_user_may_ask_locally(void **state)
{
	struct ucred who;
	char *text = NULL;
	size_t len = 0;

	(void)state;
	assert_int_equal(local_ask(local_name, "/each", 10 * NSEC_PER_SEC, &text, &len, &who), 0);
	assert_string_equal(text, "1\n");
	mem_free(text);
	assert_int_equal(local_ask(local_name, "/none", 10 * NSEC_PER_SEC, &text, &len, &who),
			 -EBADMSG);
}

static void addresses_that_cannot_be_used_are_said(void **state)
{
	struct address address = { .host = "localhost", .port = port };
	uint16_t got;

	(void)state;
	assert_int_equal(http_listen(&address, &got), -EADDRINUSE);
	assert_non_null(strstr(weft_error_detail(), "localhost port"));
	strcpy(address.host, "203.0.113.1");
	assert_int_equal(http_listen(&address, &got), -EADDRNOTAVAIL);
	strcpy(address.host, "some.name");
	assert_int_equal(http_listen(&address, &got), -EINVAL);
	assert_non_null(strstr(weft_error_detail(), "numeric"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(pages_are_answered),
		TEST(what_cannot_be_answered_says_so),
		TEST(a_page_is_made_anew_only_when_it_is_old),
		TEST(a_request_may_come_in_pieces),
		TEST(those_who_say_nothing_keep_nobody_out),
		TEST(those_who_do_not_read_keep_nobody_out),
		TEST(a_process_of_the_same_user_may_ask_locally),
		TEST(addresses_that_cannot_be_used_are_said),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
