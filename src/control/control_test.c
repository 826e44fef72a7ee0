/* SPDX-License-Identifier: Apache-2.0 */
/* A real KV server behind the service, and the KV client in front of it, in one process over tcp.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <weft/kv.h>

#include "base/clock.h"
#include "control/service.h"
#include "kv/client.h"

#define VALUE_MAX ((size_t)3 << 20)

static struct server *server;
static struct service *service;
static char address[32];

static int start(void **state)
{
	struct server_opts opts = { .provider = "tcp",
				    .bind_addr = "127.0.0.1",
				    .pool_bytes = 64 << 20 };
	struct service_opts front = { .addr = "127.0.0.1:0", .ops = &service_kv_ops };

	(void)state;
	if (server_open(&server, &opts))
		return -1;
	front.kv = server;
	if (service_open(&service, &front))
		return -1;
	snprintf(address, sizeof(address), "127.0.0.1:%u", service_port(service));
	return 0;
}

static int finish(void **state)
{
	(void)state;
	service_stop(service, 5 * NSEC_PER_SEC);
	server_drain(server, 5 * NSEC_PER_SEC);
	service_close(service);
	server_close(server);
	return 0;
}

static struct weft_kv *client(uint32_t control)
{
	struct weft_kv_opts opts = { .size = sizeof(opts),
				     .server_addr = address,
				     .provider = "tcp",
				     .bind_addr = "127.0.0.1",
				     .buffer_bytes = 1 << 20,
				     .control = control };
	struct weft_kv *kv = NULL;

	assert_int_equal(client_open(&kv, &opts, &control_grpc, NULL), 0);
	return kv;
}

/* Sizes around each way that a value can take, up to more than the client's buffer. */
static void values_round_trip(uint32_t control)
{
	static const size_t sizes[] = { 0, 1, 4000, 4001, 8000, 8001, 1 << 20, VALUE_MAX };
	uint8_t *sent = malloc(VALUE_MAX), *got = malloc(VALUE_MAX);
	struct weft_kv *kv = client(control);
	struct weft_kv_info info = { .size = sizeof(info) };
	size_t len;

	for (size_t i = 0; i < VALUE_MAX; i++)
		sent[i] = (uint8_t)(i * 2654435761u >> 24);
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		len = 0;
		memset(got, 0, VALUE_MAX);
		assert_int_equal(weft_kv_put(kv, "k", 1, sent, sizes[i], NULL), 0);
		assert_int_equal(weft_kv_get(kv, "k", 1, got, VALUE_MAX, &len), 0);
		assert_int_equal(len, sizes[i]);
		assert_memory_equal(got, sent, len);
		assert_int_equal(weft_kv_stat(kv, "k", 1, &info), 0);
		assert_int_equal(info.length, sizes[i]);
	}
	assert_int_equal(weft_kv_get(kv, "k", 1, got, 10, &len), -WEFT_EBUFFER);
	assert_int_equal(len, VALUE_MAX);
	assert_int_equal(weft_kv_delete(kv, "k", 1), 0);
	assert_int_equal(weft_kv_delete(kv, "k", 1), -WEFT_ENOTFOUND);
	assert_int_equal(weft_kv_ping(kv), 0);
	weft_kv_close(kv);
	free(sent);
	free(got);
}

static void values_round_trip_with_requests_by_grpc(void **state)
{
	(void)state;
	values_round_trip(WEFT_KV_GRPC);
}

static void values_round_trip_with_requests_over_the_fabric(void **state)
{
	(void)state;
	values_round_trip(WEFT_KV_FABRIC);
}

static int count_key(void *ctx, const void *key, size_t key_len, const struct weft_kv_info *info)
{
	(void)key;
	assert_int_equal(info->length, key_len);
	++*(int *)ctx;
	return 0;
}

static void keys_and_figures_are_told_by_grpc(void **state)
{
	struct weft_kv_stats stats = { .size = sizeof(stats) };
	struct weft_kv *kv = client(WEFT_KV_GRPC);
	int count = 0;
	char key[16];

	(void)state;
	for (int i = 0; i < 1000; i++) {
		snprintf(key, sizeof(key), "list-%04d", i);
		assert_int_equal(weft_kv_put(kv, key, 9, key, 9, NULL), 0);
	}
	assert_int_equal(weft_kv_list(kv, "list-", 5, count_key, &count), 1000);
	assert_int_equal(count, 1000);
	assert_int_equal(weft_kv_stats(kv, &stats), 0);
	assert_int_equal(stats.keys, 1000);
	assert_int_equal(stats.value_bytes, 9000);
	assert_int_equal(stats.sessions, 1);
	weft_kv_close(kv);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(values_round_trip_with_requests_by_grpc),
		cmocka_unit_test(values_round_trip_with_requests_over_the_fabric),
		cmocka_unit_test(keys_and_figures_are_told_by_grpc),
	};

	return cmocka_run_group_tests(tests, start, finish);
}
