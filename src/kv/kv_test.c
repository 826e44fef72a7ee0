/* SPDX-License-Identifier: Apache-2.0 */
/* A server and clients in one process, over the transport named by the first argument. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "kv/client.h"
#include "kv/server.h"

#define MIB ((size_t)1 << 20)

static const char *provider = "loop";

struct world {
	struct server *server;
	struct weft_kv *kv;
};

static void must(int rc, const char *what)
{
	if (rc < 0)
		fail_msg("%s: %s: %s", what, weft_error_name(rc), weft_error_detail());
}

static struct server *serve(struct server_opts *opts)
{
	struct server *server = NULL;

	opts->provider = provider;
	opts->bind_addr = "127.0.0.1";
	if (!opts->pool_bytes)
		opts->pool_bytes = 64 * MIB;
	must(server_open(&server, opts), "server_open");
	return server;
}

static struct weft_kv *client_with(const struct control_ops *ops, struct server *server,
				   uint32_t control, size_t buffer_bytes)
{
	struct weft_kv_opts opts = { .size = sizeof(opts),
				     .provider = provider,
				     .bind_addr = "127.0.0.1",
				     .control = control,
				     .buffer_bytes = buffer_bytes,
				     .timeout_ns = 20 * NSEC_PER_SEC };
	struct weft_kv *kv = NULL;

	must(client_open(&kv, &opts, ops, server), "client_open");
	return kv;
}

static struct weft_kv *client(struct server *server, uint32_t control, size_t buffer_bytes)
{
	return client_with(&control_local, server, control, buffer_bytes);
}

static void open_world(struct world *world, uint32_t control)
{
	struct server_opts opts = { 0 };

	world->server = serve(&opts);
	world->kv = client(world->server, control, 4 * MIB);
}

static void close_world(struct world *world)
{
	weft_kv_close(world->kv);
	assert_int_equal(server_drain(world->server, 5 * NSEC_PER_SEC), 0);
	server_close(world->server);
}

/* Bytes that depend on the position and the seed. */
static uint8_t *content(size_t len, uint64_t seed)
{
	uint8_t *data = malloc(len + 1);
	uint64_t x = seed * 0x9e3779b97f4a7c15u + 1;
	size_t i;

	assert_non_null(data);
	for (i = 0; i < len; i++) {
		if (i % 8 == 0)
			x = x * 6364136223846793005u + 1442695040888963407u;
		data[i] = (uint8_t)(x >> (i % 8 * 8));
	}
	return data;
}

static const size_t sizes[] = { 0,     1,       64,  4000,    4001,        8000,         8001,
				65536, MIB - 1, MIB, 4 * MIB, 4 * MIB + 1, 9 * MIB + 77, 24 * MIB };

static void round_trip(struct weft_kv *kv, size_t len)
{
	uint8_t *data = content(len, len), *back = malloc(len + 1);
	char key[32];
	size_t got = 1;

	assert_non_null(back);
	snprintf(key, sizeof(key), "size %zu", len);
	must(weft_kv_put(kv, key, strlen(key), data, len, NULL), "put");
	must(weft_kv_get(kv, key, strlen(key), back, len, &got), "get");
	assert_int_equal(got, len);
	assert_memory_equal(back, data, len);
	if (len) {
		got = 0;
		assert_int_equal(weft_kv_get(kv, key, strlen(key), back, len - 1, &got),
				 -WEFT_EBUFFER);
		assert_int_equal(got, len);
	}
	must(weft_kv_delete(kv, key, strlen(key)), "delete");
	assert_int_equal(weft_kv_get(kv, key, strlen(key), back, len, &got), -WEFT_ENOTFOUND);
	free(data);
	free(back);
}

static void all_sizes(uint32_t control)
{
	struct world world;
	size_t i;

	open_world(&world, control);
	for (i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
		round_trip(world.kv, sizes[i]);
	close_world(&world);
}

static void what_is_put_comes_back_over_the_fabric(void **state)
{
	(void)state;
	all_sizes(WEFT_KV_FABRIC);
}

static void what_is_put_comes_back_over_calls(void **state)
{
	(void)state;
	all_sizes(WEFT_KV_GRPC);
}

static int count_key(void *ctx, const void *key, size_t key_len, const struct weft_kv_info *info)
{
	uint32_t *count = ctx;

	(void)key;
	assert_int_equal(key_len, 5);
	assert_int_equal(info->length, 3);
	(*count)++;
	return 0;
}

static void small_requests(uint32_t control)
{
	struct weft_kv_put_opts ttl = { .size = sizeof(ttl), .ttl_ns = 3600 * NSEC_PER_SEC };
	struct weft_kv_stats stats = { .size = sizeof(stats) };
	struct weft_kv_info info = { .size = sizeof(info) };
	uint32_t count = 0, i;
	struct world world;
	char key[8], back[8];
	size_t got;

	open_world(&world, control);
	must(weft_kv_ping(world.kv), "ping");
	for (i = 0; i < 1000; i++) {
		snprintf(key, sizeof(key), "k-%03u", i);
		must(weft_kv_put(world.kv, key, 5, "abc", 3, i ? NULL : &ttl), "put");
	}
	assert_int_equal(weft_kv_list(world.kv, NULL, 0, count_key, &count), 1000);
	assert_int_equal(count, 1000);
	count = 0;
	assert_int_equal(weft_kv_list(world.kv, "k-01", 4, count_key, &count), 10);
	must(weft_kv_stat(world.kv, "k-000", 5, &info), "stat");
	assert_int_equal(info.length, 3);
	assert_true(info.ttl_ns > 3500 * NSEC_PER_SEC && info.ttl_ns <= 3600 * NSEC_PER_SEC);
	assert_true(info.version != 0);
	assert_int_equal(weft_kv_stat(world.kv, "none", 4, &info), -WEFT_ENOTFOUND);
	assert_int_equal(weft_kv_delete(world.kv, "none", 4), -WEFT_ENOTFOUND);
	assert_int_equal(weft_kv_get(world.kv, "", 0, back, 8, &got), -WEFT_EKEYSIZE);
	must(weft_kv_get_range(world.kv, "k-001", 5, 1, back, 8, &got), "range");
	assert_int_equal(got, 2);
	assert_memory_equal(back, "bc", 2);
	must(weft_kv_stats(world.kv, &stats), "stats");
	assert_int_equal(stats.keys, 1000);
	assert_int_equal(stats.sessions, 1);
	assert_int_equal(stats.puts, 1000);
	close_world(&world);
}

static void small_requests_do_what_they_say_over_the_fabric(void **state)
{
	(void)state;
	small_requests(WEFT_KV_FABRIC);
}

static void small_requests_do_what_they_say_over_calls(void **state)
{
	(void)state;
	small_requests(WEFT_KV_GRPC);
}

static void registered_memory_is_used_in_place(void **state)
{
	uint8_t *data = content(3 * MIB, 5), *back = calloc(1, 3 * MIB);
	struct weft_kv_memory *from, *to;
	struct weft_kv_info info = { .size = sizeof(info) };
	struct weft_kv_op *op;
	struct world world;

	(void)state;
	open_world(&world, WEFT_KV_FABRIC);
	must(weft_kv_register(world.kv, data, 3 * MIB, &from), "register");
	must(weft_kv_register(world.kv, back, 3 * MIB, &to), "register");
	must(weft_kv_put_start(world.kv, "k", 1, data + 1, 2 * MIB, NULL, &op), "put");
	must(weft_kv_op_wait(op, WEFT_FOREVER), "wait");
	weft_kv_op_close(op);
	must(weft_kv_get_start(world.kv, "k", 1, back + 7, 2 * MIB + 5, 0, &op), "get");
	must(weft_kv_op_wait(op, WEFT_FOREVER), "wait");
	must(weft_kv_op_result(op, &info), "result");
	assert_int_equal(info.length, 2 * MIB);
	must(weft_kv_op_quiesce(op, 0), "quiesce");
	weft_kv_op_close(op);
	assert_memory_equal(back + 7, data + 1, 2 * MIB);
	assert_int_equal(weft_kv_get_start(world.kv, "k", 1, &world, 8, 0, &op), -WEFT_EBOUNDS);
	must(weft_kv_unregister(from, NSEC_PER_SEC), "unregister");
	must(weft_kv_unregister(to, NSEC_PER_SEC), "unregister");
	close_world(&world);
	free(data);
	free(back);
}

#define MANY 64u

static void many_operations_are_under_way(void **state)
{
	struct weft_kv_op *ops[MANY], *more;
	uint8_t *data = content(32768, 9);
	struct world world;
	uint8_t *parts[MANY];
	char key[16];
	uint32_t i;

	(void)state;
	open_world(&world, WEFT_KV_FABRIC);
	assert_int_equal(weft_kv_credits(world.kv), MANY);
	for (i = 0; i < MANY; i++) {
		must(weft_kv_buffer_get(world.kv, 32768, (void **)&parts[i]), "buffer");
		memcpy(parts[i], data, 32768);
		parts[i][0] = (uint8_t)i;
		snprintf(key, sizeof(key), "%u", i);
		must(weft_kv_put_start(world.kv, key, strlen(key), parts[i], 32768, NULL, &ops[i]),
		     "put");
	}
	assert_int_equal(weft_kv_delete_start(world.kv, "x", 1, &more), -WEFT_EQUEUEFULL);
	for (i = 0; i < MANY; i++) {
		must(weft_kv_op_wait(ops[i], WEFT_FOREVER), "wait");
		weft_kv_op_close(ops[i]);
		memset(parts[i], 0xee, 32768);
	}
	for (i = 0; i < MANY; i++) {
		snprintf(key, sizeof(key), "%u", i);
		must(weft_kv_get_start(world.kv, key, strlen(key), parts[i], 32768, 0, &ops[i]),
		     "get");
	}
	for (i = 0; i < MANY; i++) {
		must(weft_kv_op_wait(ops[i], WEFT_FOREVER), "wait");
		weft_kv_op_close(ops[i]);
		data[0] = (uint8_t)i;
		assert_memory_equal(parts[i], data, 32768);
		weft_kv_buffer_put(world.kv, parts[i]);
	}
	close_world(&world);
	free(data);
}

static void cancelled_operations_come_to_rest(void **state)
{
	uint8_t *data = content(MIB, 3);
	struct weft_kv_op *op;
	struct world world;
	void *part;
	uint32_t i;

	(void)state;
	open_world(&world, WEFT_KV_FABRIC);
	must(weft_kv_put(world.kv, "k", 1, data, MIB, NULL), "put");
	must(weft_kv_buffer_get(world.kv, MIB, &part), "buffer");
	for (i = 0; i < 200; i++) {
		must(weft_kv_get_start(world.kv, "k", 1, part, MIB, 0, &op), "get");
		if (i % 3)
			weft_kv_progress(world.kv, 0);
		weft_kv_op_cancel(op);
		must(weft_kv_op_quiesce(op, 10 * NSEC_PER_SEC), "quiesce");
		weft_kv_op_close(op);
	}
	assert_int_equal(weft_kv_credits(world.kv), MANY);
	must(weft_kv_get_start(world.kv, "k", 1, part, MIB, 0, &op), "get");
	must(weft_kv_op_wait(op, WEFT_FOREVER), "wait");
	weft_kv_op_close(op);
	assert_memory_equal(part, data, MIB);
	close_world(&world);
	free(data);
}

static void a_forgotten_client_comes_back(void **state)
{
	struct server_opts opts = { .session_timeout_ns = 5 * NSEC_PER_SEC };
	struct weft_kv_connection connection = { .size = sizeof(connection) };
	struct weft_kv_stats stats = { .size = sizeof(stats) };
	struct server *server = serve(&opts);
	struct weft_kv *kv = client(server, WEFT_KV_FABRIC, MIB);
	uint64_t session, until_ns;
	char back[4];
	size_t got;

	(void)state;
	must(weft_kv_put(kv, "k", 1, "abc", 3, NULL), "put");
	must(weft_kv_connection(kv, &connection), "connection");
	session = connection.session;
	assert_true(server_heartbeat(server, session, 0));
	/* Once the server has forgotten it, the next call registers again. */
	must(server_bye(server, session, 0, NSEC_PER_SEC), "bye");
	assert_false(server_heartbeat(server, session, 0));
	must(weft_kv_get(kv, "k", 1, back, sizeof(back), &got), "get");
	assert_memory_equal(back, "abc", 3);
	must(weft_kv_connection(kv, &connection), "connection");
	assert_int_equal(connection.connects, 2);
	assert_true(connection.session != session);
	/* bye returns when nothing touches the client's memory; the session itself goes with a
	 * tick. */
	until_ns = clock_deadline(clock_ns(), 10 * NSEC_PER_SEC);
	do {
		must(weft_kv_stats(kv, &stats), "stats");
	} while (stats.sessions != 1 && clock_ns() < until_ns);
	assert_int_equal(stats.sessions, 1);
	weft_kv_close(kv);
	assert_int_equal(server_drain(server, 5 * NSEC_PER_SEC), 0);
	server_close(server);
}

static int not_known(void *control, uint64_t session, uint32_t client_id, uint64_t timeout_ns)
{
	(void)control;
	(void)session;
	(void)client_id;
	(void)timeout_ns;
	return -WEFT_ESESSION;
}

/* An operation whose answer will not come ends when a heartbeat says that the session is lost, long
 * before its own time is over. */
static void a_forgotten_client_does_not_wait_on(void **state)
{
	struct server_opts opts = { .session_timeout_ns = 400 * NSEC_PER_MSEC,
				    .devices = "hang_every=1" };
	struct control_ops ops = control_local;
	struct weft_kv_op *op;
	struct server *server;
	struct weft_kv *kv;
	uint64_t start_ns;
	void *part;

	(void)state;
	if (strcmp(provider, "loop"))
		skip();
	server = serve(&opts);
	ops.heartbeat = not_known;
	kv = client_with(&ops, server, WEFT_KV_FABRIC, MIB);
	must(weft_kv_buffer_get(kv, MIB, &part), "buffer");
	memset(part, 1, MIB);
	must(weft_kv_put_start(kv, "k", 1, part, MIB, NULL, &op), "put");
	start_ns = clock_ns();
	assert_int_equal(weft_kv_op_wait(op, 18 * NSEC_PER_SEC), -WEFT_ESESSION);
	assert_true(clock_ns() - start_ns < 15 * NSEC_PER_SEC);
	weft_kv_op_close(op);
	weft_kv_close(kv);
	server_close(server);
}

static void a_full_pool_is_said(void **state)
{
	struct server_opts opts = { .pool_bytes = 4 * MIB };
	struct server *server = serve(&opts);
	struct weft_kv *kv = client(server, WEFT_KV_FABRIC, 8 * MIB);
	uint8_t *data = content(8 * MIB, 1);
	char key[8];
	int rc = 0, i;

	(void)state;
	assert_int_equal(weft_kv_put(kv, "huge", 4, data, 8 * MIB, NULL), -WEFT_ETOOLARGE);
	for (i = 0; !rc && i < 16; i++) {
		snprintf(key, sizeof(key), "%d", i);
		rc = weft_kv_put(kv, key, strlen(key), data, MIB, NULL);
	}
	assert_int_equal(rc, -WEFT_EPOOLFULL);
	assert_true(i > 4);
	weft_kv_close(kv);
	assert_int_equal(server_drain(server, 5 * NSEC_PER_SEC), 0);
	server_close(server);
	free(data);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_put_comes_back_over_the_fabric),
		cmocka_unit_test(what_is_put_comes_back_over_calls),
		cmocka_unit_test(small_requests_do_what_they_say_over_the_fabric),
		cmocka_unit_test(small_requests_do_what_they_say_over_calls),
		cmocka_unit_test(registered_memory_is_used_in_place),
		cmocka_unit_test(many_operations_are_under_way),
		cmocka_unit_test(cancelled_operations_come_to_rest),
		cmocka_unit_test(a_forgotten_client_comes_back),
		cmocka_unit_test(a_forgotten_client_does_not_wait_on),
		cmocka_unit_test(a_full_pool_is_said),
	};

	if (argc > 1)
		provider = argv[1];
	return cmocka_run_group_tests_name(provider, tests, NULL, NULL);
}
