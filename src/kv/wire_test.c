/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "kv/wire.h"

struct kind {
	uint8_t number;
	uint32_t request, reply;
};

static const struct kind kinds[] = {
#define WIRE_KIND(name, number, text, request, reply) { number, request, reply },
#include "kv/wire.def"
};

#define KIND_COUNT (sizeof(kinds) / sizeof(kinds[0]))

static const uint8_t key[] = "a\0key\xff";
static const uint8_t data[] = "some\0data";

/* A message with every field of its kind set to something that only it has. */
static struct wire_msg full(uint8_t kind, uint32_t fields)
{
	struct wire_msg msg = { .kind = kind,
				.flags = 0x8421,
				.slot = 7,
				.generation = 0xfffffff0,
				.status = kind & WIRE_REPLY ? 1100 : 0,
				.session = 0x1122334455667788 };
	uint64_t value = 0xa1b2c3d4e5f60718;

#define SET_u32(member)  msg.member = (uint32_t)(value += 0x0101010101010101);
#define SET_u64(member)  msg.member = (value += 0x0101010101010101);
#define SET_key(member)  msg.key = key, msg.key_len = sizeof(key) - 1;
#define SET_rest(member) msg.data = data, msg.data_len = sizeof(data) - 1;
#define WIRE_FIELD(name, type, member) \
	if (fields & W(name)) {        \
		SET_##type(member)     \
	}
#include "kv/wire.def"
	return msg;
}

static void assert_same(const struct wire_msg *a, const struct wire_msg *b)
{
	assert_int_equal(a->kind, b->kind);
	assert_int_equal(a->flags, b->flags);
	assert_int_equal(a->slot, b->slot);
	assert_int_equal(a->generation, b->generation);
	assert_int_equal(a->status, b->status);
	assert_int_equal(a->session, b->session);
#define SAME_u32(member) assert_int_equal(a->member, b->member);
#define SAME_u64(member) assert_int_equal(a->member, b->member);
#define SAME_key(member) SAME_rest(member)
#define SAME_rest(member)                                   \
	assert_int_equal(a->member##_len, b->member##_len); \
	if (a->member##_len)                                \
		assert_memory_equal(a->member, b->member, a->member##_len);
#define WIRE_FIELD(name, type, member) SAME_##type(member)
#include "kv/wire.def"
}

/* Calls fn for the request and the reply of every kind. */
static void each_message(void (*fn)(const struct wire_msg *msg))
{
	struct wire_msg msg;
	size_t i;

	for (i = 0; i < KIND_COUNT; i++) {
		msg = full(kinds[i].number, kinds[i].request);
		fn(&msg);
		msg = full(kinds[i].number | WIRE_REPLY, kinds[i].reply);
		fn(&msg);
	}
}

static void round_trip(const struct wire_msg *msg)
{
	uint8_t bytes[WIRE_MAX];
	struct wire_msg back;
	size_t len = wire_encode(msg, bytes, sizeof(bytes));

	assert_true(len >= WIRE_HEADER);
	assert_int_equal(wire_decode(&back, bytes, len), 0);
	assert_same(msg, &back);
}

static void every_message_comes_back_as_it_was(void **state)
{
	(void)state;
	each_message(round_trip);
}

/* In memory of exactly that length, so that a sanitizer sees a read past it. */
static int decode_copy(const uint8_t *bytes, size_t len, struct wire_msg *ret)
{
	uint8_t *copy = malloc(len ? len : 1);
	int rc;

	assert_non_null(copy);
	memcpy(copy, bytes, len);
	rc = wire_decode(ret, copy, len);
	if (!rc) {
		/* What it points at must lie inside. */
		assert_true(!ret->key_len ||
			    ((const uint8_t *)ret->key >= copy &&
			     (const uint8_t *)ret->key + ret->key_len <= copy + len));
		assert_true(!ret->data_len ||
			    ((const uint8_t *)ret->data >= copy &&
			     (const uint8_t *)ret->data + ret->data_len <= copy + len));
	}
	free(copy);
	return rc;
}

static void cut_short(const struct wire_msg *msg)
{
	uint8_t bytes[WIRE_MAX];
	size_t len = wire_encode(msg, bytes, sizeof(bytes)), i;
	size_t whole = len - msg->data_len; /* the rest may have any length */
	struct wire_msg back;
	int rc;

	for (i = 0; i < len; i++) {
		rc = decode_copy(bytes, i, &back);
		assert_int_equal(rc, i < whole ? -WEFT_EMESSAGE : 0);
	}
	for (i = 0; i < len; i++)
		assert_int_equal(wire_encode(msg, bytes, i), 0);
}

static void no_part_of_a_message_is_taken_for_it(void **state)
{
	(void)state;
	each_message(cut_short);
}

static void flip_bits(const struct wire_msg *msg)
{
	uint8_t bytes[WIRE_MAX], again[WIRE_MAX];
	size_t len = wire_encode(msg, bytes, sizeof(bytes)), i;
	struct wire_msg back;
	int rc;

	for (i = 0; i < len * 8; i++) {
		bytes[i / 8] ^= (uint8_t)(1 << i % 8);
		rc = decode_copy(bytes, len, &back);
		if (i < 8)
			assert_int_equal(rc, -WEFT_EVERSION);
		/* What is understood is exactly what was sent. */
		if (!rc && !wire_decode(&back, bytes, len)) {
			assert_int_equal(wire_encode(&back, again, sizeof(again)), len);
			assert_memory_equal(again, bytes, len);
		}
		bytes[i / 8] ^= (uint8_t)(1 << i % 8);
	}
}

static void a_flipped_bit_is_refused_or_read_as_it_stands(void **state)
{
	(void)state;
	each_message(flip_bits);
}

static void bounds_of_keys_and_messages_hold(void **state)
{
	static uint8_t big[WIRE_MAX + 1];
	struct wire_msg msg = { .kind = WIRE_STAT, .key = big, .key_len = WIRE_KEY_MAX };
	uint8_t bytes[WIRE_MAX + 1];
	struct wire_msg back;
	size_t len;

	(void)state;
	len = wire_encode(&msg, bytes, sizeof(bytes));
	assert_int_equal(len, WIRE_HEADER + 2 + WIRE_KEY_MAX);
	assert_int_equal(wire_decode(&back, bytes, len), 0);
	msg.key_len++;
	assert_int_equal(wire_encode(&msg, bytes, sizeof(bytes)), 0);
	/* The same, forged. */
	bytes[WIRE_HEADER] = (WIRE_KEY_MAX + 1) & 0xff;
	bytes[WIRE_HEADER + 1] = (WIRE_KEY_MAX + 1) >> 8;
	assert_int_equal(wire_decode(&back, bytes, len + 1), -WEFT_EMESSAGE);
	/* A GET's reply and a PUT with the largest key hold the largest inline value. */
	msg = (struct wire_msg){ .kind = WIRE_GET | WIRE_REPLY,
				 .data = big,
				 .data_len = WIRE_INLINE_GET };
	assert_true(wire_encode(&msg, bytes, sizeof(bytes)) > 0);
	msg = (struct wire_msg){ .kind = WIRE_PUT,
				 .key = big,
				 .key_len = WIRE_KEY_MAX,
				 .data = big,
				 .data_len = WIRE_INLINE_PUT };
	assert_true(wire_encode(&msg, bytes, sizeof(bytes)) > 0);
	msg.data_len = WIRE_MAX;
	assert_int_equal(wire_encode(&msg, bytes, sizeof(bytes)), 0);
	msg.kind = 99;
	assert_int_equal(wire_encode(&msg, bytes, sizeof(bytes)), 0);
}

static void entries_come_back_as_they_were(void **state)
{
	struct wire_entry entries[] = {
		{ "a", 1, 10, 11, 0 },
		{ "", 0, UINT64_MAX, 1, 2 },
		{ "a longer key", 12, 0, 7, 5000 },
	};
	uint8_t bytes[WIRE_ENTRY_FIXED * 3 + 13];
	struct wire_entry back;
	struct wbuf out;
	struct rbuf in;
	size_t i;

	(void)state;
	wbuf_init(&out, bytes, sizeof(bytes));
	for (i = 0; i < 3; i++)
		assert_true(wire_put_entry(&out, &entries[i]));
	assert_int_equal(out.used, sizeof(bytes));
	assert_false(wire_put_entry(&out, &entries[1]));
	assert_true(wbuf_ok(&out));
	rbuf_init(&in, bytes, sizeof(bytes));
	for (i = 0; i < 3; i++) {
		assert_true(wire_get_entry(&in, &back));
		assert_int_equal(back.key_len, entries[i].key_len);
		assert_memory_equal(back.key, entries[i].key, back.key_len);
		assert_int_equal(back.length, entries[i].length);
		assert_int_equal(back.version, entries[i].version);
		assert_int_equal(back.ttl_ms, entries[i].ttl_ms);
	}
	assert_false(wire_get_entry(&in, &back));
	assert_true(rbuf_end(&in));
	rbuf_init(&in, bytes, sizeof(bytes) - 1);
	while (wire_get_entry(&in, &back))
		;
	assert_false(rbuf_end(&in));
}

static void replies_name_their_request(void **state)
{
	struct wire_msg request = full(WIRE_GET, 0), reply = wire_reply(&request, -WEFT_ENOTFOUND);

	(void)state;
	assert_int_equal(reply.kind, WIRE_GET | WIRE_REPLY);
	assert_int_equal(reply.slot, request.slot);
	assert_int_equal(reply.generation, request.generation);
	assert_int_equal(reply.session, request.session);
	assert_int_equal(reply.status, WEFT_ENOTFOUND);
	assert_string_equal(wire_kind_text(reply.kind), "get");
	assert_string_equal(wire_kind_text(99), "?");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_message_comes_back_as_it_was),
		cmocka_unit_test(no_part_of_a_message_is_taken_for_it),
		cmocka_unit_test(a_flipped_bit_is_refused_or_read_as_it_stands),
		cmocka_unit_test(bounds_of_keys_and_messages_hold),
		cmocka_unit_test(entries_come_back_as_they_were),
		cmocka_unit_test(replies_name_their_request),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
