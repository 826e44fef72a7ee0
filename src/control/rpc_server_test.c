/* SPDX-License-Identifier: Apache-2.0 */
/* The life of a server, and strangers on either side of its port. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "control/rpc_fixture.h"

static int open_at(const char *addr)
{
	struct rpc_server_opts opts = { .addr = addr };
	struct rpc_server *none = NULL;
	int rc = rpc_server_open(&none, &opts);

	assert_null(none);
	return rc;
}

static void bad_listen_address_is_told(void **state)
{
	char addr[64];

	(void)state;
	snprintf(addr, sizeof(addr), "127.0.0.1:%u", rpc_server_port(fixture_server));
	assert_int_equal(open_at(addr), -EADDRINUSE);
	assert_non_null(strstr(weft_error_detail(), addr));
	assert_non_null(strstr(weft_error_detail(), "in use"));
	assert_int_equal(open_at("no-such-host.invalid:0"), -EINVAL);
	assert_non_null(strstr(weft_error_detail(), "does not resolve"));
	assert_int_equal(open_at("192.0.2.1:0"), -EADDRNOTAVAIL);
	assert_int_equal(open_at("nonsense"), -EINVAL);
	fixture_echo(fixture_channel, "unhurt", 6);
}

static int tcp_socket(struct sockaddr_in *addr, uint16_t port)
{
	*addr = (struct sockaddr_in){ .sin_family = AF_INET,
				      .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
				      .sin_port = htons(port) };
	return socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
}

/* A port of 127.0.0.1; with listen_on nobody accepts on it but the caller. */
static int some_port(bool listen_on, uint16_t *port)
{
	struct sockaddr_in addr;
	socklen_t len = sizeof(addr);
	int fd = tcp_socket(&addr, 0);

	assert_int_equal(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&addr, &len), 0);
	if (listen_on)
		assert_int_equal(listen(fd, 8), 0);
	*port = ntohs(addr.sin_port);
	return fd;
}

static void nobody_there_is_unavailable_and_nothing_is_printed(void **state)
{
	char text[4096];
	struct rpc_op *op = NULL;
	struct rpc_channel *to;
	uint16_t port;
	int bound = some_port(false, &port), pipes[2], stderr_copy = dup(2);
	uint64_t before = clock_ns();

	(void)state;
	assert_int_equal(pipe2(pipes, O_NONBLOCK), 0);
	dup2(pipes[1], 2);
	to = fixture_dial(port);
	assert_int_equal(rpc_unary(to, "/t.T/Echo", NULL, 0, 20 * SECOND, &op), -WEFT_EUNAVAILABLE);
	assert_non_null(strstr(weft_error_detail(), "refused"));
	rpc_channel_close(to);
	open_at("192.0.2.1:0");
	dup2(stderr_copy, 2);
	assert_true(read(pipes[0], text, sizeof(text)) < 0 && errno == EAGAIN);
	assert_true(clock_ns() - before < 10 * SECOND);
	close(stderr_copy);
	close(pipes[0]);
	close(pipes[1]);
	close(bound);
}

struct stranger {
	int fd;
	const char *says;
};

/* Answers whatever comes with a fixed text, as long as the listening socket lives. */
static void *stranger_main(void *arg)
{
	struct stranger *self = arg;
	char text[4096];
	int fd;

	while ((fd = accept(self->fd, NULL, NULL)) >= 0) {
		if (recv(fd, text, sizeof(text), 0) > 0)
			send(fd, self->says, strlen(self->says), MSG_NOSIGNAL);
		shutdown(fd, SHUT_WR);
		while (recv(fd, text, sizeof(text), 0) > 0)
			;
		close(fd);
	}
	return NULL;
}

static void other_servers_are_no_such_server(void **state)
{
	static const char *const says[] = {
		"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
		"-ERR unknown command 'PRI'\r\n",
		"SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u3\r\n",
		"\x16\x03\x01\x02\x03 garbage that is no frame at all, and goes on for a while",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(says) / sizeof(says[0]); i++) {
		struct stranger stranger = { .says = says[i] };
		struct rpc_channel *to;
		struct rpc_op *op = NULL;
		pthread_t thread;
		uint16_t port;

		stranger.fd = some_port(true, &port);
		assert_int_equal(pthread_create(&thread, NULL, stranger_main, &stranger), 0);
		to = fixture_dial(port);
		assert_int_equal(rpc_unary(to, "/t.T/Echo", NULL, 0, 10 * SECOND, &op),
				 -WEFT_EPROTOCOL);
		rpc_channel_close(to);
		shutdown(stranger.fd, SHUT_RDWR);
		pthread_join(thread, NULL);
		close(stranger.fd);
	}
}

static void garbage_on_the_port_is_survived(void **state)
{
	static const char *const lines[] = {
		"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
		"\x16\x03\x01\x02garbage",
		"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff",
		"",
	};
	struct timeval limit = { .tv_sec = 10 };

	(void)state;
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		struct sockaddr_in addr;
		int fd = tcp_socket(&addr, rpc_server_port(fixture_server));
		char text[4096];
		ssize_t got;

		setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
		assert_int_equal(connect(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
		assert_true(send(fd, lines[i], strlen(lines[i]), MSG_NOSIGNAL) >= 0);
		shutdown(fd, SHUT_WR);
		do
			got = recv(fd, text, sizeof(text), 0);
		while (got > 0);
		assert_true(got == 0 || errno == ECONNRESET); /* hung up, not left open */
		close(fd);
		fixture_echo(fixture_channel, "well", 4);
	}
}

static void stop_lets_calls_end_and_takes_no_more(void **state)
{
	struct rpc_server *stopped = fixture_serve("127.0.0.1:0", 0);
	struct rpc_channel *to = fixture_dial(rpc_server_port(stopped));
	struct rpc_op *ended = NULL, *cut = NULL, *after = NULL;
	struct rpc_call *first, *second;

	(void)state;
	assert_int_equal(rpc_start(to, NULL, "/t.T/Hold", NULL, 0, 20 * SECOND, &ended), 0);
	assert_int_equal(rpc_op_wait(ended, SECOND / 20), -EAGAIN);
	first = fixture_held();
	assert_int_equal(rpc_start(to, NULL, "/t.T/Hold", NULL, 0, 20 * SECOND, &cut), 0);
	assert_int_equal(rpc_op_wait(cut, SECOND / 20), -EAGAIN);
	second = fixture_held();
	assert_true(first && second);
	rpc_reply(first, fixture_copy("done", 4), 4);
	assert_int_equal(rpc_op_wait(ended, 10 * SECOND), 0);
	assert_int_equal(rpc_server_stop(stopped, SECOND / 5), 1);
	assert_int_equal(rpc_op_wait(cut, 10 * SECOND), -WEFT_EUNAVAILABLE);
	assert_int_equal(rpc_unary(to, "/t.T/Echo", NULL, 0, 5 * SECOND, &after),
			 -WEFT_EUNAVAILABLE);
	fixture_cancelled(second);
	rpc_op_close(ended);
	rpc_op_close(cut);
	rpc_channel_close(to);
	rpc_server_close(stopped);
}

static void client_finds_a_restarted_server(void **state)
{
	struct rpc_server *first = fixture_serve("127.0.0.1:0", 0);
	uint16_t port = rpc_server_port(first);
	struct rpc_channel *to = fixture_dial(port);
	uint64_t until = clock_ns() + 10 * SECOND;
	struct rpc_op *op = NULL;
	char addr[32];
	int rc;

	(void)state;
	fixture_echo(to, "1", 1);
	rpc_server_close(first);
	assert_int_equal(rpc_unary(to, "/t.T/Echo", NULL, 0, 5 * SECOND, &op), -WEFT_EUNAVAILABLE);
	snprintf(addr, sizeof(addr), "127.0.0.1:%u", port);
	first = fixture_serve(addr, 0);
	do
		rc = rpc_unary(to, "/t.T/Echo", NULL, 0, 5 * SECOND, &op);
	while (rc == -WEFT_EUNAVAILABLE && clock_ns() < until);
	assert_int_equal(rc, 0);
	rpc_op_close(op);
	rpc_channel_close(to);
	rpc_server_close(first);
}

static uint64_t cpu_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
	return (uint64_t)now.tv_sec * NSEC_PER_SEC + (uint64_t)now.tv_nsec;
}

static void idle_server_uses_no_cpu(void **state)
{
	uint64_t before;

	(void)state;
	fixture_echo(fixture_channel, "x", 1);
	before = cpu_ns();
	nanosleep(&(struct timespec){ .tv_sec = 1 }, NULL);
	assert_true(cpu_ns() - before < SECOND / 100);
}

static void open_fails_cleanly_without_memory(void **state)
{
	struct rpc_server_opts opts = { .addr = "127.0.0.1:0",
					.methods = fixture_methods,
					.method_count = 1 };

	(void)state;
	for (int n = 1;; n++) {
		struct rpc_server *one = NULL;
		int rc;

		mem_fail_at(n);
		rc = rpc_server_open(&one, &opts);
		if (!mem_failed()) {
			mem_fail_at(0);
			assert_int_equal(rc, 0);
			rpc_server_close(one);
			break;
		}
		assert_int_equal(rc, -ENOMEM);
		assert_null(one);
	}
	mem_fail_at(0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bad_listen_address_is_told),
		cmocka_unit_test(nobody_there_is_unavailable_and_nothing_is_printed),
		cmocka_unit_test(other_servers_are_no_such_server),
		cmocka_unit_test(garbage_on_the_port_is_survived),
		cmocka_unit_test(stop_lets_calls_end_and_takes_no_more),
		cmocka_unit_test(client_finds_a_restarted_server),
		cmocka_unit_test(idle_server_uses_no_cpu),
		cmocka_unit_test(open_fails_cleanly_without_memory),
	};

	return cmocka_run_group_tests(tests, fixture_start, fixture_finish);
}
