/* SPDX-License-Identifier: Apache-2.0 */
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
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "control/rpc.h"

#define SECOND   NSEC_PER_SEC
#define HELD_MAX 256

/* Calls that a handler keeps for the test to answer. */
struct held {
	pthread_mutex_t lock;
	pthread_cond_t change;
	struct rpc_call *calls[HELD_MAX];
	int count;
};

static struct held held = { .lock = PTHREAD_MUTEX_INITIALIZER, .change = PTHREAD_COND_INITIALIZER };

static void *copy(const void *data, size_t len)
{
	void *bytes = mem_alloc(len);

	return len ? memcpy(bytes, data, len) : bytes;
}

static void on_echo(void *ctx, struct rpc_call *call)
{
	size_t len = rpc_call_len(call);

	(void)ctx;
	rpc_reply(call, copy(rpc_call_data(call), len), len);
}

static void on_hold(void *ctx, struct rpc_call *call)
{
	struct held *keep = ctx;

	pthread_mutex_lock(&keep->lock);
	keep->calls[keep->count++] = call;
	pthread_cond_signal(&keep->change);
	pthread_mutex_unlock(&keep->lock);
}

static void on_fail(void *ctx, struct rpc_call *call)
{
	(void)ctx;
	rpc_fail(call, (enum rpc_status)(*(const char *)rpc_call_data(call)),
		 "as was asked for\x1b[31m\n");
}

static void on_peer(void *ctx, struct rpc_call *call)
{
	char peer[64];

	(void)ctx;
	rpc_call_peer(call, peer, sizeof(peer));
	rpc_reply(call, copy(peer, strlen(peer) + 1), strlen(peer) + 1);
}

static void on_large(void *ctx, struct rpc_call *call)
{
	(void)ctx;
	rpc_reply(call, mem_zalloc(RPC_MESSAGE_MAX + 1u), RPC_MESSAGE_MAX + 1u);
}

static const struct rpc_method methods[] = {
	{ "/t.T/Echo", on_echo, NULL },   { "/t.T/Hold", on_hold, &held },
	{ "/t.T/Fail", on_fail, NULL },   { "/t.T/Peer", on_peer, NULL },
	{ "/t.T/Large", on_large, NULL },
};

/* The oldest call that is held, or NULL after ten seconds. */
static struct rpc_call *held_take(void)
{
	struct rpc_call *call = NULL;
	struct timespec until;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += 10;
	pthread_mutex_lock(&held.lock);
	while (!held.count)
		if (pthread_cond_timedwait(&held.change, &held.lock, &until))
			break;
	if (held.count) {
		call = held.calls[0];
		memmove(held.calls, held.calls + 1, --held.count * sizeof(call));
	}
	pthread_mutex_unlock(&held.lock);
	return call;
}

static struct rpc_server *serve_at(const char *addr, uint32_t call_limit)
{
	struct rpc_server_opts opts = { .addr = addr,
					.methods = methods,
					.method_count = sizeof(methods) / sizeof(methods[0]),
					.call_limit = call_limit };
	struct rpc_server *server = NULL;

	assert_int_equal(rpc_server_open(&server, &opts), 0);
	return server;
}

static struct rpc_channel *channel_to(uint16_t port)
{
	struct rpc_channel *channel = NULL;
	char addr[64];

	snprintf(addr, sizeof(addr), "127.0.0.1:%u", port);
	assert_int_equal(rpc_channel_open(&channel, addr), 0);
	return channel;
}

static struct rpc_server *server;
static struct rpc_channel *channel;

static int start(void **state)
{
	(void)state;
	server = serve_at("127.0.0.1:0", 0);
	channel = channel_to(rpc_server_port(server));
	return 0;
}

static int finish(void **state)
{
	(void)state;
	rpc_channel_close(channel);
	rpc_server_close(server);
	return 0;
}

static int call(const char *path, const void *data, size_t len, struct rpc_op **ret)
{
	return rpc_unary(channel, path, copy(data, len), len, 20 * SECOND, ret);
}

static void expect_echo(struct rpc_channel *to, const void *data, size_t len)
{
	struct rpc_op *op = NULL;

	assert_int_equal(rpc_unary(to, "/t.T/Echo", copy(data, len), len, 20 * SECOND, &op), 0);
	assert_int_equal(rpc_op_len(op), len);
	if (len)
		assert_memory_equal(rpc_op_data(op), data, len);
	rpc_op_close(op);
}

static void addresses_are_read_strictly(void **state)
{
	static const struct {
		const char *text, *host;
		int port;
	} rows[] = {
		{ "127.0.0.1:50051", "127.0.0.1", 50051 },
		{ "http://host.example:1/", "host.example", 1 },
		{ "http://[::1]:65535", "::1", 65535 },
		{ "[fe80::1]:0", "fe80::1", 0 },
		{ "", NULL, 0 },
		{ "host", NULL, 0 },
		{ "host:", NULL, 0 },
		{ ":1", NULL, 0 },
		{ "host:65536", NULL, 0 },
		{ "host:1x", NULL, 0 },
		{ "host:-1", NULL, 0 },
		{ "::1:50051", NULL, 0 },
		{ "[::1]", NULL, 0 },
		{ "[::1", NULL, 0 },
		{ "[]:1", NULL, 0 },
		{ "[host]:1", NULL, 0 },
		{ "unix:/tmp/x", NULL, 0 },
		{ "https://host:1", NULL, 0 },
		{ "host:1/path", NULL, 0 },
		{ "ho st:1", NULL, 0 },
	};
	char longer[RPC_HOST_MAX + 8];
	struct rpc_address address;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		int rc = rpc_address_parse(&address, rows[i].text);

		if (!rows[i].host) {
			assert_int_equal(rc, -EINVAL);
			continue;
		}
		assert_int_equal(rc, 0);
		assert_string_equal(address.host, rows[i].host);
		assert_int_equal(address.port, rows[i].port);
	}
	memset(longer, 'a', sizeof(longer));
	strcpy(longer + RPC_HOST_MAX, ":1");
	assert_int_equal(rpc_address_parse(&address, longer), -EINVAL);
	assert_int_equal(rpc_channel_open(&(struct rpc_channel *){ NULL }, "127.0.0.1:0"), -EINVAL);
}

static void bytes_come_back(void **state)
{
	(void)state;
	expect_echo(channel, "", 0);
	expect_echo(channel, "a\0b\xff", 4);
}

static void v6_is_served(void **state)
{
	struct rpc_server_opts opts = { .addr = "[::1]:0",
					.methods = methods,
					.method_count = sizeof(methods) / sizeof(methods[0]) };
	struct rpc_server *v6 = NULL;
	struct rpc_channel *to = NULL;
	char addr[32];
	int rc = rpc_server_open(&v6, &opts);

	(void)state;
	if (rc == -EADDRNOTAVAIL || rc == -EAFNOSUPPORT)
		skip(); /* this host has no IPv6 */
	assert_int_equal(rc, 0);
	snprintf(addr, sizeof(addr), "http://[::1]:%u", rpc_server_port(v6));
	assert_int_equal(rpc_channel_open(&to, addr), 0);
	expect_echo(to, "six", 3);
	rpc_channel_close(to);
	rpc_server_close(v6);
}

static void largest_message_passes_and_one_more_byte_does_not(void **state)
{
	struct rpc_op *op = NULL;
	char *bytes = malloc(RPC_MESSAGE_MAX);

	(void)state;
	for (size_t i = 0; i < RPC_MESSAGE_MAX; i++)
		bytes[i] = (char)(i * 2654435761u >> 24);
	expect_echo(channel, bytes, RPC_MESSAGE_MAX);
	free(bytes);
	assert_int_equal(rpc_start(channel, NULL, "/t.T/Echo", mem_zalloc(RPC_MESSAGE_MAX + 1u),
				   RPC_MESSAGE_MAX + 1u, SECOND, &op),
			 -WEFT_ETOOLARGE);
	assert_int_equal(call("/t.T/Large", "", 0, &op), -WEFT_EQUEUEFULL);
}

static void statuses_become_errors(void **state)
{
	static const struct {
		char status;
		int rc;
	} rows[] = {
		{ RPC_CANCELLED, -WEFT_ECANCELLED },
		{ RPC_UNKNOWN, -WEFT_EPROTOCOL },
		{ RPC_INVALID_ARGUMENT, -WEFT_EBADREQUEST },
		{ RPC_DEADLINE_EXCEEDED, -WEFT_EDEADLINE },
		{ RPC_PERMISSION_DENIED, -EACCES },
		{ RPC_RESOURCE_EXHAUSTED, -WEFT_EQUEUEFULL },
		{ RPC_UNIMPLEMENTED, -WEFT_EPROTOCOL },
		{ RPC_INTERNAL, -WEFT_EPROTOCOL },
		{ RPC_UNAVAILABLE, -WEFT_EUNAVAILABLE },
		{ RPC_UNAUTHENTICATED, -EACCES },
	};
	struct rpc_op *op = NULL;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_int_equal(call("/t.T/Fail", &rows[i].status, 1, &op), rows[i].rc);
		assert_non_null(strstr(weft_error_detail(), "as was asked for?[31m?"));
		assert_non_null(strstr(weft_error_detail(), rpc_channel_address(channel)));
	}
}

static void unknown_method_is_told(void **state)
{
	struct rpc_op *op = NULL;

	(void)state;
	assert_int_equal(call("/t.T/Nothing", "x", 1, &op), -WEFT_EPROTOCOL);
	assert_int_equal(call("/u.U/Echo", "x", 1, &op), -WEFT_EPROTOCOL);
	expect_echo(channel, "on", 2);
}

static void peer_is_named(void **state)
{
	struct rpc_op *op = NULL;

	(void)state;
	assert_int_equal(call("/t.T/Peer", "", 0, &op), 0);
	assert_memory_equal(rpc_op_data(op), "ipv4:127.0.0.1:", 15);
	rpc_op_close(op);
}

static void late_answer_arrives(void **state)
{
	struct rpc_op *op = NULL;
	struct rpc_call *waiting;

	(void)state;
	assert_int_equal(rpc_start(channel, NULL, "/t.T/Hold", copy("q", 1), 1, 20 * SECOND, &op),
			 0);
	assert_int_equal(rpc_op_wait(op, SECOND / 20), -EAGAIN);
	waiting = held_take();
	assert_non_null(waiting);
	assert_in_range(rpc_call_timeout_ns(waiting), 10 * SECOND, 21 * SECOND);
	assert_false(rpc_call_cancelled(waiting));
	assert_int_equal(*(const char *)rpc_call_data(waiting), 'q');
	rpc_reply(waiting, copy("a", 1), 1);
	assert_int_equal(rpc_op_wait(op, 10 * SECOND), 0);
	assert_int_equal(rpc_op_wait(op, 0), 0);
	assert_int_equal(*(const char *)rpc_op_data(op), 'a');
	rpc_op_close(op);
}

/* The server hears of it by itself; a bounded wait, since the news travels by the network. */
static void expect_cancelled(struct rpc_call *waiting)
{
	uint64_t until = clock_ns() + 10 * SECOND;

	while (!rpc_call_cancelled(waiting) && clock_ns() < until)
		nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
	assert_true(rpc_call_cancelled(waiting));
	rpc_reply(waiting, copy("late", 4), 4);
}

static void queue_tells_which_call_has_ended(void **state)
{
	struct rpc_queue *queue = NULL;
	struct rpc_op *ops[3], *ended;
	struct rpc_call *calls[3];

	(void)state;
	assert_int_equal(rpc_queue_open(&queue), 0);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(
			rpc_start(channel, queue, "/t.T/Hold", NULL, 0, RPC_FOREVER, &ops[i]), 0);
		rpc_op_set_ctx(ops[i], &calls[i]);
		assert_null(rpc_queue_next(queue, SECOND / 20));
		calls[i] = held_take();
		assert_non_null(calls[i]);
	}
	rpc_reply(calls[1], copy("b", 1), 1);
	ended = rpc_queue_next(queue, 10 * SECOND);
	assert_ptr_equal(ended, ops[1]);
	assert_ptr_equal(rpc_op_ctx(ended), &calls[1]);
	assert_int_equal(rpc_op_wait(ended, 0), 0);
	rpc_op_close(ended);
	/* One that ends while another is waited for is told later, once. */
	rpc_reply(calls[0], NULL, 0);
	assert_int_equal(rpc_op_wait(ops[2], SECOND / 5), -EAGAIN);
	assert_ptr_equal(rpc_queue_next(queue, 0), ops[0]);
	assert_null(rpc_queue_next(queue, 0));
	rpc_op_close(ops[0]);
	rpc_op_close(ops[2]);
	expect_cancelled(calls[2]);
	rpc_queue_close(queue);
}

static void deadline_ends_a_call(void **state)
{
	struct rpc_op *op = NULL;
	uint64_t before = clock_ns();

	(void)state;
	assert_int_equal(rpc_unary(channel, "/t.T/Hold", NULL, 0, SECOND / 5, &op),
			 -WEFT_EDEADLINE);
	assert_in_range(clock_ns() - before, SECOND / 5, 10 * SECOND);
	expect_cancelled(held_take());
}

static void cancel_ends_a_call(void **state)
{
	struct rpc_op *op = NULL, *closed = NULL;
	struct rpc_call *waiting;

	(void)state;
	assert_int_equal(rpc_start(channel, NULL, "/t.T/Hold", NULL, 0, RPC_FOREVER, &op), 0);
	assert_int_equal(rpc_op_wait(op, SECOND / 20), -EAGAIN);
	waiting = held_take();
	assert_non_null(waiting);
	assert_true(rpc_call_timeout_ns(waiting) == RPC_FOREVER);
	rpc_op_cancel(op);
	assert_int_equal(rpc_op_wait(op, 10 * SECOND), -WEFT_ECANCELLED);
	assert_int_equal(rpc_op_wait(op, 0), -WEFT_ECANCELLED);
	rpc_op_close(op);
	expect_cancelled(waiting);
	assert_int_equal(rpc_start(channel, NULL, "/t.T/Hold", NULL, 0, RPC_FOREVER, &closed), 0);
	assert_int_equal(rpc_op_wait(closed, SECOND / 20), -EAGAIN);
	rpc_op_close(closed);
	expect_cancelled(held_take());
}

static void hundred_calls_run_side_by_side(void **state)
{
	struct rpc_op *ops[100];
	struct rpc_call *calls[100];

	(void)state;
	for (int i = 0; i < 100; i++)
		assert_int_equal(rpc_start(channel, NULL, "/t.T/Hold", copy(&i, sizeof(i)),
					   sizeof(i), 20 * SECOND, &ops[i]),
				 0);
	assert_int_equal(rpc_op_wait(ops[99], SECOND / 10), -EAGAIN);
	for (int i = 0; i < 100; i++) {
		calls[i] = held_take();
		assert_non_null(calls[i]);
	}
	assert_int_equal(rpc_server_active(server), 100);
	for (int i = 99; i >= 0; i--)
		rpc_reply(calls[i], copy(rpc_call_data(calls[i]), sizeof(i)), sizeof(i));
	for (int i = 0; i < 100; i++) {
		assert_int_equal(rpc_op_wait(ops[i], 10 * SECOND), 0);
		assert_memory_equal(rpc_op_data(ops[i]), &i, sizeof(i));
		rpc_op_close(ops[i]);
	}
}

struct echo_thread {
	pthread_t thread;
	int number;
	int right;
};

static void *echo_main(void *arg)
{
	struct echo_thread *self = arg;

	for (int i = 0; i < 50; i++) {
		int sent = self->number * 1000 + i;
		struct rpc_op *op;

		if (rpc_unary(channel, "/t.T/Echo", copy(&sent, sizeof(sent)), sizeof(sent),
			      20 * SECOND, &op))
			continue;
		self->right += rpc_op_len(op) == sizeof(sent) &&
			       !memcmp(rpc_op_data(op), &sent, sizeof(sent));
		rpc_op_close(op);
	}
	return NULL;
}

static void threads_share_a_channel(void **state)
{
	struct echo_thread threads[16] = { 0 };

	(void)state;
	for (int i = 0; i < 16; i++) {
		threads[i].number = i;
		assert_int_equal(pthread_create(&threads[i].thread, NULL, echo_main, &threads[i]),
				 0);
	}
	for (int i = 0; i < 16; i++) {
		pthread_join(threads[i].thread, NULL);
		assert_int_equal(threads[i].right, 50);
	}
}

static void calls_past_the_limit_are_refused(void **state)
{
	struct rpc_server *small = serve_at("127.0.0.1:0", 2);
	struct rpc_channel *to = channel_to(rpc_server_port(small));
	struct rpc_op *ops[2], *third = NULL;
	struct rpc_call *calls[2];

	(void)state;
	for (int i = 0; i < 2; i++) {
		assert_int_equal(rpc_start(to, NULL, "/t.T/Hold", NULL, 0, 20 * SECOND, &ops[i]),
				 0);
		assert_int_equal(rpc_op_wait(ops[i], SECOND / 20), -EAGAIN);
		calls[i] = held_take();
		assert_non_null(calls[i]);
	}
	assert_int_equal(rpc_unary(to, "/t.T/Echo", NULL, 0, 20 * SECOND, &third),
			 -WEFT_EQUEUEFULL);
	for (int i = 0; i < 2; i++) {
		rpc_reply(calls[i], NULL, 0);
		assert_int_equal(rpc_op_wait(ops[i], 10 * SECOND), 0);
		rpc_op_close(ops[i]);
	}
	while (rpc_server_active(small))
		nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
	expect_echo(to, "free", 4);
	rpc_channel_close(to);
	rpc_server_close(small);
}

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
	snprintf(addr, sizeof(addr), "127.0.0.1:%u", rpc_server_port(server));
	assert_int_equal(open_at(addr), -EADDRINUSE);
	assert_non_null(strstr(weft_error_detail(), addr));
	assert_non_null(strstr(weft_error_detail(), "in use"));
	assert_int_equal(open_at("no-such-host.invalid:0"), -EINVAL);
	assert_non_null(strstr(weft_error_detail(), "does not resolve"));
	assert_int_equal(open_at("192.0.2.1:0"), -EADDRNOTAVAIL);
	assert_int_equal(open_at("nonsense"), -EINVAL);
	expect_echo(channel, "unhurt", 6);
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
	to = channel_to(port);
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
		to = channel_to(port);
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
		int fd = tcp_socket(&addr, rpc_server_port(server));
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
		expect_echo(channel, "well", 4);
	}
}

static void stop_lets_calls_end_and_takes_no_more(void **state)
{
	struct rpc_server *stopped = serve_at("127.0.0.1:0", 0);
	struct rpc_channel *to = channel_to(rpc_server_port(stopped));
	struct rpc_op *ended = NULL, *cut = NULL, *after = NULL;
	struct rpc_call *first, *second;

	(void)state;
	assert_int_equal(rpc_start(to, NULL, "/t.T/Hold", NULL, 0, 20 * SECOND, &ended), 0);
	assert_int_equal(rpc_op_wait(ended, SECOND / 20), -EAGAIN);
	first = held_take();
	assert_int_equal(rpc_start(to, NULL, "/t.T/Hold", NULL, 0, 20 * SECOND, &cut), 0);
	assert_int_equal(rpc_op_wait(cut, SECOND / 20), -EAGAIN);
	second = held_take();
	assert_true(first && second);
	rpc_reply(first, copy("done", 4), 4);
	assert_int_equal(rpc_op_wait(ended, 10 * SECOND), 0);
	assert_int_equal(rpc_server_stop(stopped, SECOND / 5), 1);
	assert_int_equal(rpc_op_wait(cut, 10 * SECOND), -WEFT_EUNAVAILABLE);
	assert_int_equal(rpc_unary(to, "/t.T/Echo", NULL, 0, 5 * SECOND, &after),
			 -WEFT_EUNAVAILABLE);
	expect_cancelled(second);
	rpc_op_close(ended);
	rpc_op_close(cut);
	rpc_channel_close(to);
	rpc_server_close(stopped);
}

static void client_finds_a_restarted_server(void **state)
{
	struct rpc_server *first = serve_at("127.0.0.1:0", 0);
	uint16_t port = rpc_server_port(first);
	struct rpc_channel *to = channel_to(port);
	uint64_t until = clock_ns() + 10 * SECOND;
	struct rpc_op *op = NULL;
	char addr[32];
	int rc;

	(void)state;
	expect_echo(to, "1", 1);
	rpc_server_close(first);
	assert_int_equal(rpc_unary(to, "/t.T/Echo", NULL, 0, 5 * SECOND, &op), -WEFT_EUNAVAILABLE);
	snprintf(addr, sizeof(addr), "127.0.0.1:%u", port);
	first = serve_at(addr, 0);
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
	expect_echo(channel, "x", 1);
	before = cpu_ns();
	nanosleep(&(struct timespec){ .tv_sec = 1 }, NULL);
	assert_true(cpu_ns() - before < SECOND / 100);
}

static void open_fails_cleanly_without_memory(void **state)
{
	struct rpc_server_opts opts = { .addr = "127.0.0.1:0",
					.methods = methods,
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
		cmocka_unit_test(addresses_are_read_strictly),
		cmocka_unit_test(bytes_come_back),
		cmocka_unit_test(v6_is_served),
		cmocka_unit_test(largest_message_passes_and_one_more_byte_does_not),
		cmocka_unit_test(statuses_become_errors),
		cmocka_unit_test(unknown_method_is_told),
		cmocka_unit_test(peer_is_named),
		cmocka_unit_test(late_answer_arrives),
		cmocka_unit_test(queue_tells_which_call_has_ended),
		cmocka_unit_test(deadline_ends_a_call),
		cmocka_unit_test(cancel_ends_a_call),
		cmocka_unit_test(hundred_calls_run_side_by_side),
		cmocka_unit_test(threads_share_a_channel),
		cmocka_unit_test(calls_past_the_limit_are_refused),
		cmocka_unit_test(bad_listen_address_is_told),
		cmocka_unit_test(nobody_there_is_unavailable_and_nothing_is_printed),
		cmocka_unit_test(other_servers_are_no_such_server),
		cmocka_unit_test(garbage_on_the_port_is_survived),
		cmocka_unit_test(stop_lets_calls_end_and_takes_no_more),
		cmocka_unit_test(client_finds_a_restarted_server),
		cmocka_unit_test(idle_server_uses_no_cpu),
		cmocka_unit_test(open_fails_cleanly_without_memory),
	};

	return cmocka_run_group_tests(tests, start, finish);
}
