/* SPDX-License-Identifier: Apache-2.0 */
/* Requests through control_grpc: every field, every failure, deadline and close. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <endian.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <weft/kv.h>

#include "base/buf.h"
#include "control/service_fake.h"

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
		fake_ask(&request, &got);
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
		fake_ask(&rounds[i].request, &got);
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
	fake_ask(&request, &got);
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
	fake_ask(&request, &got);
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
	fake_ask(&request, &got);
	assert_int_equal(got.reply.status, 0);
	assert_int_equal(got.reply.data_len, count * 8);
	assert_memory_equal(got.data, values, count * 8);
	/* A KV layer that breaks its promise fails the call, not the service. */
	fake.answer.data_len = 5;
	fake_ask(&request, &got);
	assert_int_equal(got.reply.status, WEFT_EPROTOCOL);
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
	assert_int_equal(control_grpc.start(fake_control, &request, SECOND / 5, fake_on_done, &got),
			 0);
	assert_int_equal(control_grpc.poll(fake_control, 0), 0);
	while (!got.done)
		assert_int_equal(control_grpc.poll(fake_control, TIMEOUT), 1);
	assert_int_equal(got.reply.status, WEFT_EDEADLINE);
	assert_int_equal(got.reply.slot, 3);
	call = fake_held();
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
	assert_int_equal(control_grpc.open(&other, NULL, fake_address, TIMEOUT), 0);
	assert_int_equal(control_grpc.start(other, &request, TIMEOUT, fake_on_done, &got), 0);
	assert_int_equal(control_grpc.poll(other, SECOND / 20), 0);
	call = fake_held();
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
	assert_int_equal(control_grpc.start(other, &request, TIMEOUT, fake_on_done, &got), 0);
	while (!got.done)
		assert_int_equal(control_grpc.poll(other, TIMEOUT), 1);
	assert_int_equal(got.reply.status, WEFT_EUNAVAILABLE);
	assert_true(got.reply.data_len > 0);
	control_grpc.close(other);
	assert_int_equal(control_grpc.open(&other, NULL, "nonsense", TIMEOUT), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(every_request_and_answer_keeps_its_fields, fake_reset),
		cmocka_unit_test_setup(failures_keep_number_and_text, fake_reset),
		cmocka_unit_test_setup(nothing_to_delete_is_not_found, fake_reset),
		cmocka_unit_test_setup(listing_keeps_its_entries, fake_reset),
		cmocka_unit_test_setup(counters_keep_their_values, fake_reset),
		cmocka_unit_test_setup(unanswered_requests_end_by_their_deadline, fake_reset),
		cmocka_unit_test_setup(closing_drops_requests_under_way, fake_reset),
		cmocka_unit_test_setup(unreachable_server_is_told_in_the_reply, fake_reset),
	};

	return cmocka_run_group_tests(tests, fake_start, fake_finish);
}
