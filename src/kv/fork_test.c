/* SPDX-License-Identifier: Apache-2.0 */
/* A process with a client and a server forks; a thread is cancelled inside the client. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "kv/client.h"
#include "kv/server.h"

#define MIB ((size_t)1 << 20)

struct world {
	struct server *server;
	struct weft_kv *kv;
	struct weft_kv_op *op;
};

static const struct weft_kv_opts client_opts = { .size = sizeof(client_opts),
						 .provider = "loop",
						 .timeout_ns = 20 * NSEC_PER_SEC };

static void must(int rc, const char *what)
{
	if (rc < 0)
		fail_msg("%s: %s: %s", what, weft_error_name(rc), weft_error_detail());
}

/* 0, or the number of what is wrong. */
static int use_in_child(struct world *world)
{
	struct weft_kv *kv = NULL;
	size_t len = 0;
	char byte;

	if (weft_kv_get(world->kv, "key", 3, &byte, 1, &len) != -WEFT_EFORKED)
		return 1;
	if (weft_kv_ping(world->kv) != -WEFT_EFORKED)
		return 2;
	if (weft_kv_op_wait(world->op, WEFT_FOREVER) != -WEFT_EFORKED)
		return 3;
	if (weft_kv_progress(world->kv, WEFT_FOREVER) != -WEFT_EFORKED)
		return 4;
	if (client_open(&kv, &client_opts, &control_local, world->server) != -WEFT_EFORKED)
		return 5;
	weft_kv_op_cancel(world->op);
	weft_kv_op_close(world->op);
	weft_kv_close(world->kv);
	return 0;
}

static void a_fork_leaves_the_client_to_the_parent(void **state)
{
	struct server_opts opts = { .provider = "loop", .pool_bytes = 64 * MIB };
	uint8_t *sent = malloc(MIB), *got = malloc(MIB);
	struct world world = { 0 };
	int status = -1;
	size_t len = 0;
	pid_t pid;

	(void)state;
	assert_true(sent && got);
	memset(sent, 'w', MIB);
	must(server_open(&world.server, &opts), "server_open");
	must(client_open(&world.kv, &client_opts, &control_local, world.server), "client_open");
	must(weft_kv_put_start(world.kv, "key", 3, "v", 1, NULL, &world.op), "put_start");
	pid = fork();
	assert_true(pid >= 0);
	if (!pid)
		_exit(use_in_child(&world));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	must(weft_kv_op_wait(world.op, WEFT_FOREVER), "put");
	weft_kv_op_close(world.op);
	must(weft_kv_put(world.kv, "large", 5, sent, MIB, NULL), "put");
	must(weft_kv_get(world.kv, "large", 5, got, MIB, &len), "get");
	assert_int_equal(len, MIB);
	assert_memory_equal(sent, got, MIB);
	weft_kv_close(world.kv);
	assert_int_equal(server_drain(world.server, 5 * NSEC_PER_SEC), 0);
	server_close(world.server);
	free(sent);
	free(got);
}

struct cancelled {
	struct weft_kv *kv;
	atomic_bool sent;
	atomic_int passed;
};

static void call_all(struct cancelled *x)
{
	size_t len = 0;
	char got[4];

	if (!weft_kv_put(x->kv, "key", 3, "word", 4, NULL) && !weft_kv_ping(x->kv) &&
	    !weft_kv_get(x->kv, "key", 3, got, sizeof(got), &len) && len == sizeof(got))
		atomic_store(&x->passed, 1);
}

/* A cancellation is pending during each of the calls. AddressSanitizer does not see that frames are
 * left by it: none of its own is there. */
__attribute__((no_sanitize("address"))) static void *cancelled_main(void *arg)
{
	struct cancelled *x = arg;

	while (!atomic_load(&x->sent))
		;
	call_all(x);
	pthread_testcancel();
	return NULL;
}

static void calls_end_before_a_cancellation(void **state)
{
	struct server_opts opts = { .provider = "loop", .pool_bytes = 64 * MIB };
	struct cancelled x = { 0 };
	struct server *server;
	pthread_t thread;
	void *result;

	(void)state;
	must(server_open(&server, &opts), "server_open");
	must(client_open(&x.kv, &client_opts, &control_local, server), "client_open");
	assert_int_equal(pthread_create(&thread, NULL, cancelled_main, &x), 0);
	assert_int_equal(pthread_cancel(thread), 0);
	atomic_store(&x.sent, true);
	assert_int_equal(pthread_join(thread, &result), 0);
	assert_ptr_equal(result, PTHREAD_CANCELED);
	assert_int_equal(atomic_load(&x.passed), 1);
	must(weft_kv_delete(x.kv, "key", 3), "delete");
	weft_kv_close(x.kv);
	assert_int_equal(server_drain(server, 5 * NSEC_PER_SEC), 0);
	server_close(server);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_fork_leaves_the_client_to_the_parent),
		cmocka_unit_test(calls_end_before_a_cancellation),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
