/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "control/kvproto.h"
#include "kv/server.h"
#include "kv_cache.pb-c.h"

enum {
	U32 = PROTOBUF_C_TYPE_UINT32,
	U64 = PROTOBUF_C_TYPE_UINT64,
	BOOL = PROTOBUF_C_TYPE_BOOL,
	BYTES = PROTOBUF_C_TYPE_BYTES,
	STRING = PROTOBUF_C_TYPE_STRING,
	MESSAGE = PROTOBUF_C_TYPE_MESSAGE,
};

#define REPEATED 1
#define ONEOF    2

/* The original protocol, number by number. */
static const struct original {
	const ProtobufCMessageDescriptor *message;
	struct original_field {
		unsigned number;
		const char *name;
		int type, how;
	} fields[5];
} originals[] = {
	{ &kv_cache__memory_region_descriptor__descriptor,
	  { { 1, "ptr", U64 }, { 2, "addr_rkey_list", MESSAGE, REPEATED } } },
	{ &kv_cache__domain_address_key__descriptor,
	  { { 1, "domain_address", BYTES }, { 2, "rkey", U64 } } },
	{ &kv_cache__value_location__descriptor,
	  { { 1, "node_id", U32 },
	    { 2, "mr_descriptor", MESSAGE },
	    { 3, "offset", U64 },
	    { 4, "length", U64 } } },
	{ &kv_cache__get_request__descriptor,
	  { { 1, "key", BYTES }, { 2, "response_location", MESSAGE }, { 3, "request_id", U64 } } },
	{ &kv_cache__get_response__descriptor,
	  { { 1, "success", BOOL },
	    { 2, "value_length", U64 },
	    { 3, "error_message", STRING },
	    { 4, "request_id", U64 } } },
	{ &kv_cache__put_request__descriptor,
	  { { 1, "key", BYTES },
	    { 2, "inline_value", BYTES, ONEOF },
	    { 3, "rdma_location", MESSAGE, ONEOF },
	    { 4, "ttl_seconds", U64 } } },
	{ &kv_cache__put_response__descriptor,
	  { { 1, "success", BOOL }, { 2, "error_message", STRING } } },
	{ &kv_cache__delete_request__descriptor, { { 1, "key", BYTES } } },
	{ &kv_cache__delete_response__descriptor,
	  { { 1, "success", BOOL }, { 2, "key_existed", BOOL } } },
	{ &kv_cache__register_client_request__descriptor,
	  { { 1, "client_id", U32 },
	    { 2, "domain_addresses", BYTES, REPEATED },
	    { 3, "receive_buffer_size", U64 } } },
	{ &kv_cache__register_client_response__descriptor,
	  { { 1, "success", BOOL },
	    { 2, "server_id", U32 },
	    { 3, "server_domain_addresses", BYTES, REPEATED } } },
	{ &kv_cache__heartbeat_request__descriptor, { { 1, "client_id", U32 } } },
	{ &kv_cache__heartbeat_response__descriptor, { { 1, "alive", BOOL } } },
};

static const char *const submessages[][2] = {
	{ "addr_rkey_list", "kv_cache.DomainAddressKey" },
	{ "mr_descriptor", "kv_cache.MemoryRegionDescriptor" },
	{ "response_location", "kv_cache.ValueLocation" },
	{ "rdma_location", "kv_cache.ValueLocation" },
};

static void expect_submessage(const ProtobufCFieldDescriptor *field)
{
	const ProtobufCMessageDescriptor *type = field->descriptor;

	for (size_t i = 0; i < sizeof(submessages) / sizeof(submessages[0]); i++)
		if (!strcmp(submessages[i][0], field->name)) {
			assert_string_equal(type->name, submessages[i][1]);
			return;
		}
	fail();
}

static void expect_field(const ProtobufCMessageDescriptor *message,
			 const struct original_field *row)
{
	const ProtobufCFieldDescriptor *field =
		protobuf_c_message_descriptor_get_field(message, row->number);

	assert_non_null(field);
	assert_string_equal(field->name, row->name);
	assert_int_equal(field->type, row->type);
	assert_int_equal(field->label == PROTOBUF_C_LABEL_REPEATED, row->how == REPEATED);
	assert_int_equal(!!(field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF), row->how == ONEOF);
	if (field->type == PROTOBUF_C_TYPE_MESSAGE)
		expect_submessage(field);
}

static void original_fields_keep_their_numbers(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(originals) / sizeof(originals[0]); i++) {
		const ProtobufCMessageDescriptor *message = originals[i].message;
		unsigned known = 0, below = 0;

		for (; originals[i].fields[known].number; known++)
			expect_field(message, &originals[i].fields[known]);
		for (unsigned f = 0; f < message->n_fields; f++)
			below += message->fields[f].id < 16;
		assert_int_equal(below, known); /* what is added begins at 16 */
	}
}

static void original_methods_keep_their_messages(void **state)
{
	static const char *const methods[] = { "Get", "Put", "Delete", "RegisterClient",
					       "Heartbeat" };
	const ProtobufCServiceDescriptor *service = &kv_cache__kv_cache_service__descriptor;
	char path[64], name[64];

	(void)state;
	assert_string_equal(service->name, "kv_cache.KvCacheService");
	for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++) {
		const ProtobufCMethodDescriptor *method;

		snprintf(path, sizeof(path), "/kv_cache.KvCacheService/%s", methods[i]);
		method = kvproto_descriptor(path);
		assert_non_null(method);
		snprintf(name, sizeof(name), "kv_cache.%sRequest", methods[i]);
		assert_string_equal(method->input->name, name);
		snprintf(name, sizeof(name), "kv_cache.%sResponse", methods[i]);
		assert_string_equal(method->output->name, name);
	}
	assert_null(kvproto_descriptor("/kv_cache.KvCacheService/Nothing"));
	assert_null(kvproto_descriptor("Get"));
}

static void every_wire_kind_has_one_method(void **state)
{
	static const uint8_t kinds[] = {
#define WIRE_KIND(name, number, text, request, reply) number,
#include "kv/wire.def"
	};

	(void)state;
	for (size_t i = 0; i < sizeof(kinds); i++) {
		const struct kvproto_method *method = kvproto_kind(kinds[i]);

		assert_non_null(method);
		assert_ptr_equal(kvproto_path(method->path), method);
		assert_non_null(kvproto_descriptor(method->path));
	}
	assert_null(kvproto_kind(0));
	assert_null(kvproto_kind(100));
	assert_null(kvproto_path("/kv_cache.KvCacheService/Batch"));
}

/* A request of each kind, with all that its method can carry. */
static struct wire_msg full_request(uint8_t kind)
{
	struct wire_msg msg = { .kind = kind,
				.slot = 3,
				.generation = 9,
				.session = 0x0123456789abcdef,
				.region = 2,
				.remote = 4096,
				.room = 1 << 20,
				.offset = 77,
				.length = 5,
				.total = 5,
				.checksum = UINT64_MAX,
				.ttl_ms = 60000,
				.transfer = 12,
				.key = "k\0y",
				.key_len = 3,
				.data = "value",
				.data_len = 5 };

	if (kind == WIRE_PUT || kind == WIRE_CHUNK)
		msg.flags = WIRE_F_INLINE;
	if (kind == WIRE_PUT || kind == WIRE_COMMIT)
		msg.flags |= WIRE_F_CHECKED;
	if (kind == WIRE_GET)
		msg.flags = WIRE_F_PIN | WIRE_F_LAST;
	return msg;
}

/* What a decoder makes of bytes; rc is what unpacking or taking over answered. */
static int decode(uint8_t kind, const void *bytes, size_t len, struct wire_msg *msg,
		  struct kvproto *proto)
{
	const struct kvproto_method *method = kvproto_kind(kind);
	int rc = kvproto_unpack(proto, kvproto_descriptor(method->path)->input, bytes, len);

	*msg = (struct wire_msg){ .kind = kind, .slot = SERVER_NO_SLOT };
	return rc ? rc : method->request_in(proto->message, msg, &proto->extra);
}

static void damaged_requests_do_no_harm(void **state)
{
	(void)state;
	for (uint8_t kind = WIRE_PING; kind <= WIRE_BYE; kind++) {
		struct wire_msg msg = full_request(kind);
		size_t len = 0;
		uint8_t *bytes = NULL;

		assert_int_equal(kvproto_encode(&msg, 0, (void **)&bytes, &len), 0);
		for (size_t bit = 0; bit < len * 8; bit++) {
			struct kvproto proto = { .message = NULL };
			struct wire_msg got;
			int rc;

			bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
			rc = decode(kind, bytes, len, &got, &proto);
			assert_true(rc == 0 || rc == -WEFT_EMESSAGE);
			kvproto_free(&proto);
			bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
		}
		for (size_t cut = 0; cut < len; cut++) {
			uint8_t *shorter = malloc(cut + 1); /* so that reading past the end shows */
			struct kvproto proto = { .message = NULL };
			struct wire_msg got;
			int rc;

			memcpy(shorter, bytes, cut);
			shorter = realloc(shorter, cut ? cut : 1);
			rc = decode(kind, shorter, cut, &got, &proto);
			assert_true(rc == 0 || rc == -WEFT_EMESSAGE);
			kvproto_free(&proto);
			free(shorter);
		}
		mem_free(bytes);
	}
}

static void damaged_replies_do_no_harm(void **state)
{
	uint8_t data[8 * 64] = { 1 };

	(void)state;
	for (uint8_t kind = WIRE_PING; kind <= WIRE_BYE; kind++) {
		struct wire_msg msg = full_request(kind);
		size_t len = 0;
		uint8_t *bytes = NULL;

		msg.kind |= WIRE_REPLY;
		msg.flags = kind == WIRE_GET ? WIRE_F_INLINE : 0;
		if (kind == WIRE_LIST)
			msg.length = 0;
		if (kind == WIRE_STATS) {
			msg.data = data;
			msg.data_len = sizeof(data);
		}
		assert_int_equal(kvproto_encode(&msg, 7, (void **)&bytes, &len), 0);
		for (size_t bit = 0; bit < len * 8; bit++) {
			struct kvproto proto = { .message = NULL };
			struct wire_msg got;
			int rc;

			bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
			rc = kvproto_reply(&proto, kind, bytes, len, &got);
			assert_true(rc == 0 || rc == -WEFT_EMESSAGE);
			kvproto_free(&proto);
			bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
		}
		mem_free(bytes);
	}
}

/* Two bytes of the network must not cost a hundred of memory, many times over. */
static void many_small_fields_are_refused(void **state)
{
	const size_t len = 8 << 20;
	uint8_t *bytes = malloc(len);
	struct kvproto proto;

	(void)state;
	for (size_t i = 0; i < len; i += 2) {
		bytes[i] = 15 << 3 | 0; /* field 15, a number; unknown */
		bytes[i + 1] = 1;
	}
	assert_int_equal(kvproto_unpack(&proto, &kv_cache__get_request__descriptor, bytes, len),
			 -WEFT_EMESSAGE);
	for (size_t i = 0; i < len; i += 2) {
		bytes[i] = 2 << 3 | 2; /* RegisterClientRequest.domain_addresses, empty */
		bytes[i + 1] = 0;
	}
	assert_int_equal(
		kvproto_unpack(&proto, &kv_cache__register_client_request__descriptor, bytes, len),
		-WEFT_EMESSAGE);
	free(bytes);
}

static void slot_none_and_the_first_slot_differ(void **state)
{
	static const struct {
		uint32_t slot;
	} rows[] = { { 0 }, { 63 }, { SERVER_NO_SLOT } };

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct wire_msg msg = { .kind = WIRE_CANCEL, .slot = rows[i].slot }, got;
		struct kvproto proto = { .message = NULL };
		size_t len = 0;
		void *bytes = NULL;

		assert_int_equal(kvproto_encode(&msg, 0, &bytes, &len), 0);
		assert_int_equal(decode(WIRE_CANCEL, bytes, len, &got, &proto), 0);
		assert_int_equal(got.slot, rows[i].slot);
		kvproto_free(&proto);
		mem_free(bytes);
	}
}

static void texts_are_made_printable_and_cut(void **state)
{
	char text[KVPROTO_TEXT_MAX], big[2 * KVPROTO_TEXT_MAX];

	(void)state;
	kvproto_text(text, "a\xff\n\tb\0c", 7);
	assert_string_equal(text, "a???b");
	memset(big, 'x', sizeof(big));
	kvproto_text(text, big, sizeof(big));
	assert_int_equal(strlen(text), KVPROTO_TEXT_MAX - 1);
	kvproto_failure(text, WEFT_ENOTFOUND, NULL, 0);
	assert_string_equal(text, weft_strerror(WEFT_ENOTFOUND));
	kvproto_failure(text, WEFT_ENOTFOUND, "gone", 4);
	assert_string_equal(text, "gone");
}

static void encoding_fails_cleanly_without_memory(void **state)
{
	(void)state;
	for (uint8_t kind = WIRE_PING; kind <= WIRE_BYE; kind++) {
		struct wire_msg msg = full_request(kind);

		for (int n = 1;; n++) {
			void *bytes = NULL;
			size_t len;
			int rc;

			mem_fail_at(n);
			rc = kvproto_encode(&msg, 0, &bytes, &len);
			if (!mem_failed()) {
				assert_int_equal(rc, 0);
				mem_free(bytes);
				break;
			}
			assert_int_equal(rc, -ENOMEM);
			assert_null(bytes);
		}
		mem_fail_at(0);
	}
}

static void decoding_fails_cleanly_without_memory(void **state)
{
	struct wire_msg msg = full_request(WIRE_PUT), got;
	size_t len = 0;
	void *bytes = NULL;

	(void)state;
	assert_int_equal(kvproto_encode(&msg, 0, &bytes, &len), 0);
	for (int n = 1;; n++) {
		struct kvproto proto = { .message = NULL };
		int rc;

		mem_fail_at(n);
		rc = decode(WIRE_PUT, bytes, len, &got, &proto);
		if (!mem_failed()) {
			assert_int_equal(rc, 0);
			kvproto_free(&proto);
			break;
		}
		assert_int_equal(rc, -WEFT_EMESSAGE);
	}
	mem_fail_at(0);
	mem_free(bytes);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(original_fields_keep_their_numbers),
		cmocka_unit_test(original_methods_keep_their_messages),
		cmocka_unit_test(every_wire_kind_has_one_method),
		cmocka_unit_test(damaged_requests_do_no_harm),
		cmocka_unit_test(damaged_replies_do_no_harm),
		cmocka_unit_test(many_small_fields_are_refused),
		cmocka_unit_test(slot_none_and_the_first_slot_differ),
		cmocka_unit_test(texts_are_made_printable_and_cut),
		cmocka_unit_test(encoding_fails_cleanly_without_memory),
		cmocka_unit_test(decoding_fails_cleanly_without_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
