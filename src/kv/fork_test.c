/* SPDX-License-Identifier: Apache-2.0 */
/* A process with a client and a server forks. */
#include <setjmp.h>
#include <stdarg.h>
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

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(
		a_fork_leaves_the_client_to_the_parent) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
