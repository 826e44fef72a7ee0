/* SPDX-License-Identifier: Apache-2.0 */
/* Registration, heartbeat and bye through control_grpc; health and stop of the service. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "control/kvproto.h"
#include "control/service_fake.h"
#include "health.pb-c.h"

static void registration_carries_everything(void **state)
{
	struct kv_hello hello = { .client_id = 5,
				  .protocol = 1,
				  .credits = 16,
				  .capabilities = 3,
				  .replaces = 99,
				  .buffer_bytes = 1 << 26,
				  .buffer_base = 0x7f0000000000,
				  .descriptor = "client",
				  .descriptor_len = 6 };
	static struct kv_welcome got;

	(void)state;
	fake.welcome = (struct kv_welcome){ .session = UINT64_MAX,
					    .client_id = 5,
					    .node_id = 3,
					    .protocol = 1,
					    .credits = 8,
					    .heartbeat_ms = 1000,
					    .session_timeout_ms = 3000,
					    .max_value = 1ull << 35,
					    .inline_max = 8000,
					    .capabilities = 1,
					    .descriptor_len = 6,
					    .descriptor = "server" };
	fake_sync();
	assert_int_equal(control_grpc.hello(fake_control, &hello, TIMEOUT, &got), 0);
	fake_sync();
	assert_true(got.session == fake.welcome.session);
	assert_int_equal(got.client_id, fake.welcome.client_id);
	assert_int_equal(got.node_id, fake.welcome.node_id);
	assert_int_equal(got.protocol, fake.welcome.protocol);
	assert_int_equal(got.credits, fake.welcome.credits);
	assert_int_equal(got.heartbeat_ms, fake.welcome.heartbeat_ms);
	assert_int_equal(got.session_timeout_ms, fake.welcome.session_timeout_ms);
	assert_true(got.max_value == fake.welcome.max_value);
	assert_int_equal(got.inline_max, fake.welcome.inline_max);
	assert_int_equal(got.capabilities, fake.welcome.capabilities);
	assert_int_equal(got.descriptor_len, fake.welcome.descriptor_len);
	assert_memory_equal(got.descriptor, "server", 6);
	assert_memory_equal(fake.descriptor, "client", 6);
	assert_int_equal(fake.hello.client_id, hello.client_id);
	assert_int_equal(fake.hello.protocol, hello.protocol);
	assert_int_equal(fake.hello.credits, hello.credits);
	assert_int_equal(fake.hello.capabilities, hello.capabilities);
	assert_int_equal(fake.hello.replaces, hello.replaces);
	assert_int_equal(fake.hello.buffer_bytes, hello.buffer_bytes);
	assert_true(fake.hello.buffer_base == hello.buffer_base);
	assert_int_equal(fake.hello.descriptor_len, hello.descriptor_len);
	fake.hello_rc = -WEFT_EVERSION;
	fake_sync();
	assert_int_equal(control_grpc.hello(fake_control, &hello, TIMEOUT, &got), -WEFT_EVERSION);
}

static void oversized_descriptor_is_refused(void **state)
{
	static char large[WEFT_DESCRIPTOR_MAX + 1];
	struct kv_hello hello = { .protocol = 1,
				  .descriptor = large,
				  .descriptor_len = sizeof(large) };
	static struct kv_welcome got;

	(void)state;
	fake_sync();
	assert_int_equal(control_grpc.hello(fake_control, &hello, TIMEOUT, &got),
			 -WEFT_EDESCRIPTOR);
}

static void server_without_sessions_is_no_weft_server(void **state)
{
	struct kv_hello hello = { .protocol = 1 };
	static struct kv_welcome got;

	(void)state;
	fake.welcome = (struct kv_welcome){ .session = 0 };
	fake_sync();
	assert_int_equal(control_grpc.hello(fake_control, &hello, TIMEOUT, &got), -WEFT_EPROTOCOL);
}

static void heartbeat_tells_whether_the_session_is_known(void **state)
{
	(void)state;
	fake.alive_session = 1234;
	fake_sync();
	assert_int_equal(control_grpc.heartbeat(fake_control, 1234, 0, TIMEOUT), 0);
	fake_sync();
	assert_int_equal(control_grpc.heartbeat(fake_control, 1235, 0, TIMEOUT), -WEFT_ESESSION);
	fake_sync();
	assert_int_equal(control_grpc.heartbeat(fake_control, 0, 42, TIMEOUT), 0);
}

static void bye_answers_what_the_server_answers(void **state)
{
	(void)state;
	fake_sync();
	assert_int_equal(control_grpc.bye(fake_control, 5, 6, TIMEOUT), 0);
	fake_sync();
	assert_int_equal(fake.asked.kind, WIRE_BYE);
	assert_int_equal(fake.asked.session, 5);
	assert_int_equal(fake.client_id, 6);
	fake.answer.status = WEFT_ESESSION;
	fake_sync();
	assert_int_equal(control_grpc.bye(fake_control, 5, 6, TIMEOUT), -WEFT_ESESSION);
}

static int check(const char *name, int *status)
{
	Grpc__Health__V1__HealthCheckRequest request = GRPC__HEALTH__V1__HEALTH_CHECK_REQUEST__INIT;
	struct rpc_channel *channel = NULL;
	struct kvproto proto;
	struct rpc_op *op;
	void *bytes = NULL;
	size_t len;
	int rc;

	request.service = (char *)(uintptr_t)name;
	assert_int_equal(kvproto_pack(&request.base, &bytes, &len), 0);
	assert_int_equal(rpc_channel_open(&channel, fake_address), 0);
	rc = rpc_unary(channel, "/grpc.health.v1.Health/Check", bytes, len, TIMEOUT, &op);
	if (!rc) {
		assert_int_equal(
			kvproto_unpack(&proto, &grpc__health__v1__health_check_response__descriptor,
				       rpc_op_data(op), rpc_op_len(op)),
			0);
		*status = ((Grpc__Health__V1__HealthCheckResponse *)proto.message)->status;
		kvproto_free(&proto);
		rpc_op_close(op);
	}
	rpc_channel_close(channel);
	return rc;
}

static void health_is_told(void **state)
{
	int status = 0;

	(void)state;
	assert_int_equal(check("", &status), 0);
	assert_int_equal(status, 1);
	assert_int_equal(check("kv_cache.KvCacheService", &status), 0);
	assert_int_equal(status, 1);
	service_set_serving(fake_service, false);
	assert_int_equal(check("", &status), 0);
	assert_int_equal(status, 2);
	service_set_serving(fake_service, true);
	assert_int_equal(check("no.such.Service", &status), -WEFT_EPROTOCOL);
}

static void stop_waits_for_the_answer_of_the_kv_layer(void **state)
{
	struct service_opts opts = { .addr = "127.0.0.1:0", .ops = &fake_ops, .kv = &fake };
	struct wire_msg request = { .kind = WIRE_STAT, KEYED },
			late = { .kind = WIRE_STAT | WIRE_REPLY };
	struct got got = { .done = false };
	struct service *stopped = NULL;
	struct server_call *call;
	void *other = NULL;
	char at[32];

	(void)state;
	fake.hold = true;
	fake_sync();
	assert_int_equal(service_open(&stopped, &opts), 0);
	snprintf(at, sizeof(at), "127.0.0.1:%u", service_port(stopped));
	assert_int_equal(control_grpc.open(&other, NULL, at, TIMEOUT), 0);
	assert_int_equal(control_grpc.start(other, &request, TIMEOUT, fake_on_done, &got), 0);
	assert_int_equal(control_grpc.poll(other, SECOND / 20), 0);
	call = fake_held();
	assert_int_equal(service_stop(stopped, SECOND / 10), 1);
	while (!got.done)
		assert_int_equal(control_grpc.poll(other, TIMEOUT), 1);
	assert_int_equal(got.reply.status, WEFT_EUNAVAILABLE);
	call->reply(call->ctx, &late);
	service_close(stopped);
	control_grpc.close(other);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(registration_carries_everything, fake_reset),
		cmocka_unit_test_setup(oversized_descriptor_is_refused, fake_reset),
		cmocka_unit_test_setup(server_without_sessions_is_no_weft_server, fake_reset),
		cmocka_unit_test_setup(heartbeat_tells_whether_the_session_is_known, fake_reset),
		cmocka_unit_test_setup(bye_answers_what_the_server_answers, fake_reset),
		cmocka_unit_test_setup(health_is_told, fake_reset),
		cmocka_unit_test_setup(stop_waits_for_the_answer_of_the_kv_layer, fake_reset),
	};

	return cmocka_run_group_tests(tests, fake_start, fake_finish);
}
