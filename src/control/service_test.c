/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The service in front of a KV layer that is the test's own, and control_grpc as its client; and
 * messages as a stub of the original protocol sends them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <weft/kv.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/clock.h"
#include "control/kvproto.h"
#include "control/service.h"
#include "health.pb-c.h"
#include "kv_cache.pb-c.h"

#define SECOND    NSEC_PER_SEC
#define TIMEOUT   (20 * SECOND)
#define STORE_MAX 256
#define LARGE     (1u << 20)

/* A KV layer that remembers what was asked and answers what the test gives. */
struct fake {
	pthread_mutex_t lock;
	pthread_cond_t change;
	struct wire_msg asked;
	uint64_t inline_max;
	uint32_t client_id;
	bool absolute;
	char key[64], data[64];
	struct wire_msg answer;
	bool hold;
	struct server_call *held;
	struct kv_hello hello;
	char descriptor[64];
	struct kv_welcome welcome;
	int hello_rc;
	uint64_t alive_session;
	int calls;
};

static struct fake fake = { .lock = PTHREAD_MUTEX_INITIALIZER, .change = PTHREAD_COND_INITIALIZER };

/* What this thread has written is seen by the fake's functions, and the other way round. */
static void fake_sync(void)
{
	pthread_mutex_lock(&fake.lock);
	pthread_mutex_unlock(&fake.lock);
}

static int fake_hello(void *kv, const struct kv_hello *hello, struct kv_welcome *ret)
{
	struct fake *self = kv;
	int rc;

	fake_sync();
	self->hello = *hello;
	if (hello->descriptor_len && hello->descriptor_len <= sizeof(self->descriptor))
		memcpy(self->descriptor, hello->descriptor, hello->descriptor_len);
	rc = self->hello_rc;
	if (!rc)
		*ret = self->welcome;
	fake_sync();
	return rc;
}

static bool fake_heartbeat(void *kv, uint64_t session, uint32_t client_id)
{
	struct fake *self = kv;

	fake_sync();
	return session == self->alive_session || (!session && client_id == 42);
}

static void fake_call(void *kv, struct server_call *call)
{
	struct fake *self = kv;
	struct wire_msg answer;
	bool hold;

	pthread_mutex_lock(&self->lock);
	self->calls++;
	self->asked = call->msg;
	self->inline_max = call->inline_max;
	self->client_id = call->client_id;
	self->absolute = call->absolute;
	memset(self->key, 0, sizeof(self->key));
	memset(self->data, 0, sizeof(self->data));
	if (call->msg.key_len && call->msg.key_len <= sizeof(self->key))
		memcpy(self->key, call->msg.key, call->msg.key_len);
	if (call->msg.data_len && call->msg.data_len <= sizeof(self->data))
		memcpy(self->data, call->msg.data, call->msg.data_len);
	hold = self->hold;
	if (hold)
		self->held = call;
	answer = self->answer;
	answer.kind = (uint8_t)(call->msg.kind | WIRE_REPLY);
	pthread_cond_signal(&self->change);
	pthread_mutex_unlock(&self->lock);
	if (!hold)
		call->reply(call->ctx, &answer);
}

static const struct kv_service_ops fake_ops = { .hello = fake_hello,
						.heartbeat = fake_heartbeat,
						.call = fake_call };

static struct service *service;
static char address[32];
static void *control;

static int start(void **state)
{
	struct service_opts opts = { .addr = "127.0.0.1:0", .ops = &fake_ops, .kv = &fake };

	(void)state;
	if (service_open(&service, &opts))
		return -1;
	snprintf(address, sizeof(address), "127.0.0.1:%u", service_port(service));
	return control_grpc.open(&control, NULL, address, TIMEOUT);
}

static int finish(void **state)
{
	(void)state;
	control_grpc.close(control);
	service_close(service);
	return 0;
}

static int reset(void **state)
{
	(void)state;
	pthread_mutex_lock(&fake.lock);
	fake.answer = (struct wire_msg){ .kind = 0 };
	fake.hello_rc = 0;
	fake.hold = false;
	fake.held = NULL;
	pthread_mutex_unlock(&fake.lock);
	return 0;
}

/* A reply, kept beyond the callback. */
struct got {
	bool done;
	struct wire_msg reply;
	char data[16384];
};

static void on_done(void *ctx, const struct wire_msg *reply)
{
	struct got *got = ctx;

	assert_true(reply->data_len <= sizeof(got->data));
	got->done = true;
	got->reply = *reply;
	if (reply->data_len)
		memcpy(got->data, reply->data, reply->data_len);
}

static void ask(const struct wire_msg *request, struct got *got)
{
	*got = (struct got){ .done = false };
	fake_sync();
	assert_int_equal(control_grpc.start(control, request, TIMEOUT, on_done, got), 0);
	while (!got->done)
		assert_int_equal(control_grpc.poll(control, TIMEOUT), 1);
	fake_sync();
}

/* --- the client of weft --------------------------------------------------------------------------
 */

#define BASE  .slot = 3, .generation = 9, .session = 77
#define KEYED .key = "k\0y", .key_len = 3

static const struct {
	struct wire_msg request, reply;
} rounds[] = {
	{ { .kind = WIRE_PING, .session = 77 }, { 0 } },
	{ { .kind = WIRE_GET,
	    .flags = WIRE_F_PIN | WIRE_F_LAST,
	    BASE,
	    KEYED,
	    .region = 2,
	    .remote = 4096,
	    .room = 100,
	    .offset = 7,
	    .length = 50,
	    .transfer = 5 },
	  { .length = 50,
	    .total = 70,
	    .version = 8,
	    .checksum = UINT64_MAX,
	    .ttl_ms = 9,
	    .transfer = 6 } },
	{ { .kind = WIRE_GET, BASE, KEYED, .room = 8, .length = UINT64_MAX },
	  { .flags = WIRE_F_INLINE,
	    .length = 4,
	    .total = 4,
	    .version = 1,
	    .data = "v\0l\xff",
	    .data_len = 4 } },
	{ { .kind = WIRE_PUT,
	    .flags = WIRE_F_INLINE | WIRE_F_CHECKED,
	    BASE,
	    KEYED,
	    .total = 5,
	    .checksum = 1,
	    .ttl_ms = 1500,
	    .data = "v\0lue",
	    .data_len = 5 },
	  { .version = 3 } },
	{ { .kind = WIRE_PUT, BASE, KEYED, .region = 1, .remote = 64, .total = 5 },
	  { .version = 4 } },
	{ { .kind = WIRE_PUT, .flags = WIRE_F_INLINE, BASE, KEYED }, { .version = 5 } },
	{ { .kind = WIRE_DELETE, .session = 77, KEYED }, { 0 } },
	{ { .kind = WIRE_STAT, .session = 77, KEYED },
	  { .total = 1ull << 40, .version = 2, .checksum = 3, .ttl_ms = 4 } },
	{ { .kind = WIRE_BEGIN, BASE, KEYED, .total = 1ull << 33, .ttl_ms = 5 },
	  { .transfer = 9 } },
	{ { .kind = WIRE_CHUNK,
	    BASE,
	    .region = 3,
	    .remote = 1,
	    .offset = 2,
	    .length = 4,
	    .transfer = 9 },
	  { 0 } },
	{ { .kind = WIRE_CHUNK,
	    .flags = WIRE_F_INLINE,
	    BASE,
	    .offset = 2,
	    .length = 3,
	    .transfer = 9,
	    .data = "abc",
	    .data_len = 3 },
	  { 0 } },
	{ { .kind = WIRE_COMMIT, .flags = WIRE_F_CHECKED, BASE, .checksum = 6, .transfer = 9 },
	  { .version = 7 } },
	{ { .kind = WIRE_RELEASE, .session = 77, .transfer = 9 }, { 0 } },
	{ { .kind = WIRE_CANCEL, BASE }, { .flags = WIRE_F_ACTIVE } },
	{ { .kind = WIRE_CANCEL, BASE }, { 0 } },
	{ { .kind = WIRE_ATTACH, .session = 77, .region = 4, .data = "descriptor", .data_len = 10 },
	  { 0 } },
	{ { .kind = WIRE_DETACH, .session = 77, .region = 4 }, { 0 } },
	{ { .kind = WIRE_BYE, .session = 77 }, { 0 } },
};

static void expect_same(const struct wire_msg *a, const struct wire_msg *b, bool reply)
{
	assert_int_equal(a->kind, b->kind);
	assert_int_equal(a->flags, b->flags);
	assert_int_equal(a->region, b->region);
	assert_int_equal(a->remote, b->remote);
	assert_int_equal(a->room, b->room);
	assert_int_equal(a->offset, b->offset);
	assert_true(a->length == b->length);
	assert_true(a->total == b->total);
	assert_int_equal(a->version, b->version);
	assert_true(a->checksum == b->checksum);
	assert_int_equal(a->ttl_ms, b->ttl_ms);
	assert_int_equal(a->transfer, b->transfer);
	assert_int_equal(a->key_len, b->key_len);
	assert_int_equal(a->data_len, b->data_len);
	assert_int_equal(a->session, b->session);
	if (reply)
		assert_int_equal(a->status, b->status);
}

static void every_request_and_answer_keeps_its_fields(void **state)
{
	struct got got;

	(void)state;
	for (size_t i = 0; i < sizeof(rounds) / sizeof(rounds[0]); i++) {
		struct wire_msg request = rounds[i].request, reply = rounds[i].reply;

		fake.answer = reply;
		ask(&request, &got);
		expect_same(&fake.asked, &request, false);
		if (request.key_len)
			assert_memory_equal(fake.key, request.key, request.key_len);
		if (request.data_len)
			assert_memory_equal(fake.data, request.data, request.data_len);
		assert_in_range(fake.asked.timeout_ms, 1000, 22000);
		reply.kind = (uint8_t)(request.kind | WIRE_REPLY);
		reply.session = request.session;
		expect_same(&got.reply, &reply, true);
		assert_int_equal(got.reply.slot, request.slot);
		assert_int_equal(got.reply.generation, request.generation);
		if (reply.data_len)
			assert_memory_equal(got.data, reply.data, reply.data_len);
	}
}

static void failures_keep_number_and_text(void **state)
{
	struct got got;

	(void)state;
	for (size_t i = 0; i < sizeof(rounds) / sizeof(rounds[0]); i++) {
		fake.answer = (struct wire_msg){ .status = WEFT_EPOOLFULL,
						 .total = 12,
						 .data = "the pool is full",
						 .data_len = 16 };
		ask(&rounds[i].request, &got);
		assert_int_equal(got.reply.status, WEFT_EPOOLFULL);
		assert_int_equal(got.reply.data_len, 16);
		assert_memory_equal(got.data, "the pool is full", 16);
		if (rounds[i].request.kind == WIRE_GET)
			assert_int_equal(got.reply.total, 12);
	}
}

static void nothing_to_delete_is_not_found(void **state)
{
	struct wire_msg request = { .kind = WIRE_DELETE, KEYED };
	struct got got;

	(void)state;
	fake.answer = (struct wire_msg){ .status = WEFT_ENOTFOUND };
	ask(&request, &got);
	assert_int_equal(got.reply.status, WEFT_ENOTFOUND);
}

static void listing_keeps_its_entries(void **state)
{
	struct wire_msg request = { .kind = WIRE_LIST,
				    .session = 77,
				    .offset = 5,
				    .length = 100,
				    .key = "pre",
				    .key_len = 3 };
	struct wire_entry entry;
	uint8_t bytes[4096];
	struct wbuf out;
	struct rbuf in;
	struct got got;
	char key[8];

	(void)state;
	wbuf_init(&out, bytes, sizeof(bytes));
	for (uint64_t i = 0; i < 50; i++) {
		snprintf(key, sizeof(key), "pre%02u", (unsigned)i);
		entry = (struct wire_entry){ key, 5, i << 30, i + 1, i * 1000 };
		assert_true(wire_put_entry(&out, &entry));
	}
	fake.answer = (struct wire_msg){
		.offset = 17, .length = 50, .data = bytes, .data_len = out.used
	};
	ask(&request, &got);
	assert_int_equal(fake.asked.offset, 5);
	assert_int_equal(fake.asked.length, 100);
	assert_memory_equal(fake.key, "pre", 3);
	assert_int_equal(got.reply.status, 0);
	assert_int_equal(got.reply.offset, 17);
	assert_int_equal(got.reply.length, 50);
	assert_int_equal(got.reply.data_len, out.used);
	assert_memory_equal(got.data, bytes, out.used);
	rbuf_init(&in, got.data, got.reply.data_len);
	for (int i = 0; i < 50; i++)
		assert_true(wire_get_entry(&in, &entry));
}

static void counters_keep_their_values(void **state)
{
	struct wire_msg request = { .kind = WIRE_STATS };
	uint64_t values[sizeof(struct weft_kv_stats) / 8];
	struct got got;
	size_t count = 0;

	(void)state;
#define COUNTER(name, text) values[count] = htole64(1000 + count), count++;
	WEFT_KV_COUNTER_MAP(COUNTER)
#undef COUNTER
	fake.answer = (struct wire_msg){ .data = values, .data_len = count * 8 };
	ask(&request, &got);
	assert_int_equal(got.reply.status, 0);
	assert_int_equal(got.reply.data_len, count * 8);
	assert_memory_equal(got.data, values, count * 8);
	/* A KV layer that breaks its promise fails the call, not the service. */
	fake.answer.data_len = 5;
	ask(&request, &got);
	assert_int_equal(got.reply.status, WEFT_EPROTOCOL);
}

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
	assert_int_equal(control_grpc.hello(control, &hello, TIMEOUT, &got), 0);
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
	assert_int_equal(control_grpc.hello(control, &hello, TIMEOUT, &got), -WEFT_EVERSION);
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
	assert_int_equal(control_grpc.hello(control, &hello, TIMEOUT, &got), -WEFT_EDESCRIPTOR);
}

static void server_without_sessions_is_no_weft_server(void **state)
{
	struct kv_hello hello = { .protocol = 1 };
	static struct kv_welcome got;

	(void)state;
	fake.welcome = (struct kv_welcome){ .session = 0 };
	fake_sync();
	assert_int_equal(control_grpc.hello(control, &hello, TIMEOUT, &got), -WEFT_EPROTOCOL);
}

static void heartbeat_tells_whether_the_session_is_known(void **state)
{
	(void)state;
	fake.alive_session = 1234;
	fake_sync();
	assert_int_equal(control_grpc.heartbeat(control, 1234, 0, TIMEOUT), 0);
	fake_sync();
	assert_int_equal(control_grpc.heartbeat(control, 1235, 0, TIMEOUT), -WEFT_ESESSION);
	fake_sync();
	assert_int_equal(control_grpc.heartbeat(control, 0, 42, TIMEOUT), 0);
}

static void bye_answers_what_the_server_answers(void **state)
{
	(void)state;
	fake_sync();
	assert_int_equal(control_grpc.bye(control, 5, 6, TIMEOUT), 0);
	fake_sync();
	assert_int_equal(fake.asked.kind, WIRE_BYE);
	assert_int_equal(fake.asked.session, 5);
	assert_int_equal(fake.client_id, 6);
	fake.answer.status = WEFT_ESESSION;
	fake_sync();
	assert_int_equal(control_grpc.bye(control, 5, 6, TIMEOUT), -WEFT_ESESSION);
}

static struct server_call *held_call(void)
{
	struct server_call *call;

	pthread_mutex_lock(&fake.lock);
	while (!fake.held)
		pthread_cond_wait(&fake.change, &fake.lock);
	call = fake.held;
	fake.held = NULL;
	pthread_mutex_unlock(&fake.lock);
	return call;
}

static void unanswered_requests_end_by_their_deadline(void **state)
{
	struct wire_msg request = { .kind = WIRE_GET, BASE, KEYED },
			late = { .kind = WIRE_GET | WIRE_REPLY };
	struct got got = { .done = false };
	struct server_call *call;

	(void)state;
	fake.hold = true;
	fake_sync();
	assert_int_equal(control_grpc.start(control, &request, SECOND / 5, on_done, &got), 0);
	assert_int_equal(control_grpc.poll(control, 0), 0);
	while (!got.done)
		assert_int_equal(control_grpc.poll(control, TIMEOUT), 1);
	assert_int_equal(got.reply.status, WEFT_EDEADLINE);
	assert_int_equal(got.reply.slot, 3);
	call = held_call();
	call->reply(call->ctx, &late);
}

static void closing_drops_requests_under_way(void **state)
{
	struct wire_msg request = { .kind = WIRE_GET, BASE, KEYED },
			late = { .kind = WIRE_GET | WIRE_REPLY };
	struct got got = { .done = false };
	struct server_call *call;
	void *other = NULL;

	(void)state;
	fake.hold = true;
	fake_sync();
	assert_int_equal(control_grpc.open(&other, NULL, address, TIMEOUT), 0);
	assert_int_equal(control_grpc.start(other, &request, TIMEOUT, on_done, &got), 0);
	assert_int_equal(control_grpc.poll(other, SECOND / 20), 0);
	call = held_call();
	control_grpc.close(other);
	assert_false(got.done);
	call->reply(call->ctx, &late);
}

static void unreachable_server_is_told_in_the_reply(void **state)
{
	struct wire_msg request = { .kind = WIRE_PING };
	struct got got = { .done = false };
	void *other = NULL;

	(void)state;
	assert_int_equal(control_grpc.open(&other, NULL, "127.0.0.1:1", TIMEOUT), 0);
	assert_int_equal(control_grpc.start(other, &request, TIMEOUT, on_done, &got), 0);
	while (!got.done)
		assert_int_equal(control_grpc.poll(other, TIMEOUT), 1);
	assert_int_equal(got.reply.status, WEFT_EUNAVAILABLE);
	assert_true(got.reply.data_len > 0);
	control_grpc.close(other);
	assert_int_equal(control_grpc.open(&other, NULL, "nonsense", TIMEOUT), -EINVAL);
}

/* --- stubs of the original protocol --------------------------------------------------------------
 */

/* Sends a message; the answer is to be freed. rc as rpc_unary(). */
static int unary(const char *path, const void *bytes, size_t len, struct kvproto *ret)
{
	const ProtobufCMethodDescriptor *method = kvproto_descriptor(path);
	struct rpc_channel *channel = NULL;
	struct rpc_op *op;
	void *copy = mem_alloc(len);
	int rc;

	if (len)
		memcpy(copy, bytes, len);
	assert_int_equal(rpc_channel_open(&channel, address), 0);
	fake_sync();
	rc = rpc_unary(channel, path, copy, len, TIMEOUT, &op);
	fake_sync();
	if (!rc) {
		assert_int_equal(
			kvproto_unpack(ret, method->output, rpc_op_data(op), rpc_op_len(op)), 0);
		rpc_op_close(op);
	}
	rpc_channel_close(channel);
	return rc;
}

static const void *send_message(const char *method, const ProtobufCMessage *message,
				struct kvproto *ret)
{
	char path[80];
	void *bytes = NULL;
	size_t len = 0;

	snprintf(path, sizeof(path), KVPROTO_SERVICE "%s", method);
	assert_int_equal(kvproto_pack(message, &bytes, &len), 0);
	assert_int_equal(unary(path, bytes, len, ret), 0);
	mem_free(bytes);
	return ret->message;
}

#define BYTES_OF(text)                                                        \
	{                                                                     \
		.data = (uint8_t *)(uintptr_t)(text), .len = sizeof(text) - 1 \
	}

static void original_put_is_inline_with_seconds(void **state)
{
	KvCache__PutRequest put = { PROTOBUF_C_MESSAGE_INIT(&kv_cache__put_request__descriptor),
				    .key = BYTES_OF("key"), .ttl_seconds = 30 };
	const KvCache__PutResponse *answer;
	struct kvproto proto;

	(void)state;
	put.value_source_case = KV_CACHE__PUT_REQUEST__VALUE_SOURCE_INLINE_VALUE;
	put.inline_value = (ProtobufCBinaryData)BYTES_OF("value");
	fake.answer.version = 3;
	answer = send_message("Put", &put.base, &proto);
	assert_true(answer->success);
	assert_string_equal(answer->error_message, "");
	assert_int_equal(answer->version, 3);
	kvproto_free(&proto);
	assert_int_equal(fake.asked.flags, WIRE_F_INLINE);
	assert_int_equal(fake.asked.ttl_ms, 30000);
	assert_int_equal(fake.asked.total, 5);
	assert_true(fake.asked.slot == SERVER_NO_SLOT);
	put.ttl_seconds = UINT64_MAX;
	send_message("Put", &put.base, &proto);
	kvproto_free(&proto);
	assert_true(fake.asked.ttl_ms == UINT64_MAX);
}

static void original_location_is_relative_to_the_base(void **state)
{
	KvCache__MemoryRegionDescriptor region = KV_CACHE__MEMORY_REGION_DESCRIPTOR__INIT;
	KvCache__ValueLocation location = KV_CACHE__VALUE_LOCATION__INIT;
	KvCache__GetRequest get = KV_CACHE__GET_REQUEST__INIT;
	KvCache__PutRequest put = { PROTOBUF_C_MESSAGE_INIT(&kv_cache__put_request__descriptor),
				    .key = BYTES_OF("key"), .client_id = 6 };
	struct kvproto proto;

	(void)state;
	region.ptr = 0x7f0000000000;
	location.mr_descriptor = &region;
	location.offset = 4096;
	location.length = 1 << 20;
	get.key = (ProtobufCBinaryData)BYTES_OF("key");
	get.response_location = &location;
	get.request_id = 17;
	get.client_id = 6;
	fake.answer = (struct wire_msg){ .length = 5, .total = 5 };
	assert_int_equal(
		((const KvCache__GetResponse *)send_message("Get", &get.base, &proto))->request_id,
		17);
	kvproto_free(&proto);
	assert_true(fake.absolute);
	assert_int_equal(fake.client_id, 6);
	assert_true(fake.asked.remote == 0x7f0000001000);
	assert_int_equal(fake.asked.room, 1 << 20);
	assert_true(fake.asked.length == UINT64_MAX);
	assert_int_equal(fake.inline_max, 0); /* such a stub looks into its buffer only */
	put.value_source_case = KV_CACHE__PUT_REQUEST__VALUE_SOURCE_RDMA_LOCATION;
	put.rdma_location = &location;
	send_message("Put", &put.base, &proto);
	kvproto_free(&proto);
	assert_true(fake.absolute);
	assert_int_equal(fake.asked.flags, 0);
	assert_true(fake.asked.remote == 0x7f0000001000);
	assert_int_equal(fake.asked.total, 1 << 20);
	/* A sum that does not fit is a place out of bounds, not one at the front. */
	region.ptr = UINT64_MAX - 1;
	send_message("Get", &get.base, &proto);
	kvproto_free(&proto);
	assert_true(fake.asked.remote == UINT64_MAX);
}

static void get_without_a_place_comes_inline(void **state)
{
	KvCache__GetRequest get = KV_CACHE__GET_REQUEST__INIT;
	const KvCache__GetResponse *answer;
	struct kvproto proto;
	char *value = malloc(SERVICE_INLINE_MAX);

	(void)state;
	memset(value, 'v', SERVICE_INLINE_MAX);
	get.key = (ProtobufCBinaryData)BYTES_OF("key");
	fake.answer = (struct wire_msg){ .flags = WIRE_F_INLINE,
					 .length = SERVICE_INLINE_MAX,
					 .total = SERVICE_INLINE_MAX,
					 .data = value,
					 .data_len = SERVICE_INLINE_MAX };
	answer = send_message("Get", &get.base, &proto);
	assert_int_equal(fake.inline_max, SERVICE_INLINE_MAX);
	assert_true(answer->success && answer->inlined);
	assert_int_equal(answer->inline_value.len, SERVICE_INLINE_MAX);
	assert_memory_equal(answer->inline_value.data, value, SERVICE_INLINE_MAX);
	kvproto_free(&proto);
	get.session_id = 5;
	fake.answer = (struct wire_msg){ .status = WEFT_ENOTFOUND };
	answer = send_message("Get", &get.base, &proto);
	assert_int_equal(fake.inline_max, WIRE_INLINE_GET);
	assert_false(answer->success);
	assert_int_equal(answer->error_code, WEFT_ENOTFOUND);
	assert_string_equal(answer->error_message, "no such key");
	kvproto_free(&proto);
	free(value);
}

static void original_delete_succeeds_without_a_key(void **state)
{
	KvCache__DeleteRequest request = KV_CACHE__DELETE_REQUEST__INIT;
	const KvCache__DeleteResponse *answer;
	struct kvproto proto;

	(void)state;
	request.key = (ProtobufCBinaryData)BYTES_OF("key");
	fake.answer.status = WEFT_ENOTFOUND;
	answer = send_message("Delete", &request.base, &proto);
	assert_true(answer->success);
	assert_false(answer->key_existed);
	assert_int_equal(answer->error_code, 0);
	kvproto_free(&proto);
	fake.answer.status = WEFT_EKEYSIZE;
	answer = send_message("Delete", &request.base, &proto);
	assert_false(answer->success);
	assert_int_equal(answer->error_code, WEFT_EKEYSIZE);
	kvproto_free(&proto);
}

static void garbage_is_an_invalid_argument(void **state)
{
	static const char *const methods[] = { "Get",       "Put",  "Delete", "RegisterClient",
					       "Heartbeat", "Stat", "Batch",  "List",
					       "Unregister" };
	char path[80];
	struct kvproto proto;

	(void)state;
	fake.calls = 0;
	for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++) {
		snprintf(path, sizeof(path), KVPROTO_SERVICE "%s", methods[i]);
		assert_int_equal(
			unary(path, "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", 11, &proto),
			-WEFT_EBADREQUEST);
		assert_int_equal(unary(path, "\x0a\x7fshort", 7, &proto), -WEFT_EBADREQUEST);
	}
	assert_int_equal(fake.calls, 0);
}

/* --- batch ---------------------------------------------------------------------------------------
 */

static void batch_answers_each_item_in_its_place(void **state)
{
	KvCache__GetRequest get = KV_CACHE__GET_REQUEST__INIT;
	KvCache__StatRequest stat = KV_CACHE__STAT_REQUEST__INIT;
	KvCache__DeleteRequest del = KV_CACHE__DELETE_REQUEST__INIT;
	KvCache__BatchItem items[SERVICE_BATCH_MAX + 1], *pointers[SERVICE_BATCH_MAX + 1];
	KvCache__BatchRequest batch = KV_CACHE__BATCH_REQUEST__INIT;
	const KvCache__BatchResponse *answer;
	struct kvproto proto;
	void *bytes = NULL;
	size_t len;

	(void)state;
	get.key = del.key = stat.key = (ProtobufCBinaryData)BYTES_OF("key");
	get.request_id = 5;
	for (size_t i = 0; i <= SERVICE_BATCH_MAX; i++) {
		kv_cache__batch_item__init(&items[i]);
		pointers[i] = &items[i];
		items[i].request_case = i % 3 == 0   ? KV_CACHE__BATCH_ITEM__REQUEST_GET
					: i % 3 == 1 ? KV_CACHE__BATCH_ITEM__REQUEST_STAT
						     : KV_CACHE__BATCH_ITEM__REQUEST_DELETE;
		items[i].get = i % 3 == 0   ? &get
			       : i % 3 == 1 ? (KvCache__GetRequest *)&stat
					    : (KvCache__GetRequest *)&del;
	}
	batch.items = pointers;
	fake.answer = (struct wire_msg){
		.flags = WIRE_F_INLINE, .length = 300, .total = 300, .data = items, .data_len = 300
	};
	for (batch.n_items = 0; batch.n_items <= SERVICE_BATCH_MAX; batch.n_items += 64) {
		answer = send_message("Batch", &batch.base, &proto);
		assert_int_equal(answer->error_code, 0);
		assert_int_equal(answer->n_results, batch.n_items);
		for (size_t i = 0; i < answer->n_results; i++) {
			const KvCache__BatchResult *result = answer->results[i];

			assert_int_equal(result->response_case, items[i].request_case);
			if (i % 3 == 0) {
				assert_int_equal(result->get->request_id, 5);
				assert_int_equal(result->get->inline_value.len, 300);
				assert_memory_equal(result->get->inline_value.data, items, 300);
			} else if (i % 3 == 1) {
				assert_int_equal(result->stat->value_length, 300);
			} else {
				assert_true(result->delete_->success);
			}
		}
		kvproto_free(&proto);
	}
	batch.n_items = SERVICE_BATCH_MAX + 1;
	assert_int_equal(kvproto_pack(&batch.base, &bytes, &len), 0);
	assert_int_equal(unary(KVPROTO_SERVICE "Batch", bytes, len, &proto), -WEFT_EBADREQUEST);
	mem_free(bytes);
	items[0].request_case = KV_CACHE__BATCH_ITEM__REQUEST__NOT_SET;
	batch.n_items = 1;
	bytes = NULL;
	assert_int_equal(kvproto_pack(&batch.base, &bytes, &len), 0);
	assert_int_equal(unary(KVPROTO_SERVICE "Batch", bytes, len, &proto), -WEFT_EBADREQUEST);
	mem_free(bytes);
}

/* --- health --------------------------------------------------------------------------------------
 */

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
	assert_int_equal(rpc_channel_open(&channel, address), 0);
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
	service_set_serving(service, false);
	assert_int_equal(check("", &status), 0);
	assert_int_equal(status, 2);
	service_set_serving(service, true);
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
	assert_int_equal(control_grpc.start(other, &request, TIMEOUT, on_done, &got), 0);
	assert_int_equal(control_grpc.poll(other, SECOND / 20), 0);
	call = held_call();
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
		cmocka_unit_test_setup(every_request_and_answer_keeps_its_fields, reset),
		cmocka_unit_test_setup(failures_keep_number_and_text, reset),
		cmocka_unit_test_setup(nothing_to_delete_is_not_found, reset),
		cmocka_unit_test_setup(listing_keeps_its_entries, reset),
		cmocka_unit_test_setup(counters_keep_their_values, reset),
		cmocka_unit_test_setup(registration_carries_everything, reset),
		cmocka_unit_test_setup(oversized_descriptor_is_refused, reset),
		cmocka_unit_test_setup(server_without_sessions_is_no_weft_server, reset),
		cmocka_unit_test_setup(heartbeat_tells_whether_the_session_is_known, reset),
		cmocka_unit_test_setup(bye_answers_what_the_server_answers, reset),
		cmocka_unit_test_setup(unanswered_requests_end_by_their_deadline, reset),
		cmocka_unit_test_setup(closing_drops_requests_under_way, reset),
		cmocka_unit_test_setup(unreachable_server_is_told_in_the_reply, reset),
		cmocka_unit_test_setup(original_put_is_inline_with_seconds, reset),
		cmocka_unit_test_setup(original_location_is_relative_to_the_base, reset),
		cmocka_unit_test_setup(get_without_a_place_comes_inline, reset),
		cmocka_unit_test_setup(original_delete_succeeds_without_a_key, reset),
		cmocka_unit_test_setup(garbage_is_an_invalid_argument, reset),
		cmocka_unit_test_setup(batch_answers_each_item_in_its_place, reset),
		cmocka_unit_test_setup(health_is_told, reset),
		cmocka_unit_test_setup(stop_waits_for_the_answer_of_the_kv_layer, reset),
	};

	return cmocka_run_group_tests(tests, start, finish);
}
