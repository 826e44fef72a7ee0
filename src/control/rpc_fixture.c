/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "control/rpc_fixture.h"

#define HELD_MAX 256

/* Calls that a handler keeps for the test to answer. */
struct held {
	pthread_mutex_t lock;
	pthread_cond_t change;
	struct rpc_call *calls[HELD_MAX];
	int count;
};

static struct held held = { .lock = PTHREAD_MUTEX_INITIALIZER, .change = PTHREAD_COND_INITIALIZER };

struct rpc_server *fixture_server;
struct rpc_channel *fixture_channel;

void *fixture_copy(const void *data, size_t len)
{
	void *bytes = mem_alloc(len);

	return len ? memcpy(bytes, data, len) : bytes;
}

static void on_echo(void *ctx, struct rpc_call *call)
{
	size_t len = rpc_call_len(call);

	(void)ctx;
	rpc_reply(call, fixture_copy(rpc_call_data(call), len), len);
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
	rpc_reply(call, fixture_copy(peer, strlen(peer) + 1), strlen(peer) + 1);
}

static void on_large(void *ctx, struct rpc_call *call)
{
	(void)ctx;
	rpc_reply(call, mem_zalloc(RPC_MESSAGE_MAX + 1u), RPC_MESSAGE_MAX + 1u);
}

const struct rpc_method fixture_methods[FIXTURE_METHODS] = {
	{ "/t.T/Echo", on_echo, NULL },   { "/t.T/Hold", on_hold, &held },
	{ "/t.T/Fail", on_fail, NULL },   { "/t.T/Peer", on_peer, NULL },
	{ "/t.T/Large", on_large, NULL },
};

struct rpc_call *fixture_held(void)
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

void fixture_cancelled(struct rpc_call *waiting)
{
	uint64_t until = clock_ns() + 10 * SECOND;

	while (!rpc_call_cancelled(waiting) && clock_ns() < until)
		nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
	assert_true(rpc_call_cancelled(waiting));
	rpc_reply(waiting, fixture_copy("late", 4), 4);
}

struct rpc_server *fixture_serve(const char *addr, uint32_t call_limit)
{
	struct rpc_server_opts opts = { .addr = addr,
					.methods = fixture_methods,
					.method_count = FIXTURE_METHODS,
					.call_limit = call_limit };
	struct rpc_server *server = NULL;

	assert_int_equal(rpc_server_open(&server, &opts), 0);
	return server;
}

struct rpc_channel *fixture_dial(uint16_t port)
{
	struct rpc_channel *channel = NULL;
	char addr[64];

	snprintf(addr, sizeof(addr), "127.0.0.1:%u", port);
	assert_int_equal(rpc_channel_open(&channel, addr), 0);
	return channel;
}

int fixture_start(void **state)
{
	(void)state;
	fixture_server = fixture_serve("127.0.0.1:0", 0);
	fixture_channel = fixture_dial(rpc_server_port(fixture_server));
	return 0;
}

int fixture_finish(void **state)
{
	(void)state;
	rpc_channel_close(fixture_channel);
	rpc_server_close(fixture_server);
	return 0;
}

int fixture_call(const char *path, const void *data, size_t len, struct rpc_op **ret)
{
	return rpc_unary(fixture_channel, path, fixture_copy(data, len), len, 20 * SECOND, ret);
}

void fixture_echo(struct rpc_channel *to, const void *data, size_t len)
{
	struct rpc_op *op = NULL;

	assert_int_equal(rpc_unary(to, "/t.T/Echo", fixture_copy(data, len), len, 20 * SECOND, &op),
			 0);
	assert_int_equal(rpc_op_len(op), len);
	if (len)
		assert_memory_equal(rpc_op_data(op), data, len);
	rpc_op_close(op);
}
