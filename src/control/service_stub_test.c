/* SPDX-License-Identifier: Apache-2.0 */
/* Messages as a stub of the protocol sends them, the original one among them; batches; garbage. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "control/kvproto.h"
#include "control/service_fake.h"
#include "kv_cache.pb-c.h"

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
	assert_int_equal(rpc_channel_open(&channel, fake_address), 0);
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(original_put_is_inline_with_seconds, fake_reset),
		cmocka_unit_test_setup(original_location_is_relative_to_the_base, fake_reset),
		cmocka_unit_test_setup(get_without_a_place_comes_inline, fake_reset),
		cmocka_unit_test_setup(original_delete_succeeds_without_a_key, fake_reset),
		cmocka_unit_test_setup(garbage_is_an_invalid_argument, fake_reset),
		cmocka_unit_test_setup(batch_answers_each_item_in_its_place, fake_reset),
	};

	return cmocka_run_group_tests(tests, fake_start, fake_finish);
}
