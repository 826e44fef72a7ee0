/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/wire.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "base/hash.h"

static struct wire_descriptor sample(bool region)
{
	struct wire_descriptor d = {
		.host = 7, .pid = 42, .has_region = region, .fetches = region, .way_count = 2
	};

	memset(d.id, 0xa5, sizeof(d.id));
	if (region) {
		d.region = 3;
		d.generation = 9;
		d.access = WEFT_REMOTE_READ;
		d.length = 1ull << 40;
	}
	d.ways[0].provider = 1;
	d.ways[0].rail_count = 1;
	d.ways[0].rails[0] = (struct wire_rail){ .addr_len = 16, .base = 0, .key = 0x1234 };
	d.ways[1].provider = 6;
	d.ways[1].rail_count = 2;
	d.ways[1].rails[0] = (struct wire_rail){ .addr_len = PORT_ADDRESS_MAX, .key = 5 };
	d.ways[1].rails[1] = (struct wire_rail){ .addr_len = 0, .base = 77, .key = UINT64_MAX };
	return d;
}

static void descriptor_round_trip(void **state)
{
	struct wire_descriptor in, out;
	uint8_t buf[WEFT_DESCRIPTOR_MAX];
	size_t len;
	int region;

	(void)state;
	for (region = 0; region < 2; region++) {
		in = sample(region);
		len = sizeof(buf);
		assert_int_equal(wire_put_descriptor(&in, buf, &len), 0);
		assert_int_equal(wire_get_descriptor(&out, buf, len), 0);
		assert_memory_equal(out.id, in.id, sizeof(in.id));
		assert_int_equal(out.has_region, region);
		assert_int_equal(out.fetches, region);
		assert_int_equal(out.way_count, 2);
		assert_int_equal(out.ways[1].rails[0].addr_len, PORT_ADDRESS_MAX);
		assert_int_equal(out.ways[1].rails[1].addr_len, 0); /* it broke */
		if (region) {
			assert_true(out.length == in.length && out.generation == 9);
			assert_true(out.ways[1].rails[1].key == UINT64_MAX);
			assert_int_equal(out.ways[1].rails[1].base, 77);
		}
	}
}

/* Five parts, the last of one byte; keys of 4 bytes on one rail, of 8 on the others. */
static struct wire_descriptor sample_in_parts(void)
{
	struct wire_descriptor d = sample(true);
	uint32_t i;

	d.part_shift = 30;
	d.length = (4ull << 30) + 1;
	d.key_count = 12;
	d.ways[1].rails[0].more = 4;
	d.ways[1].rails[1].more = 8;
	for (i = 0; i < d.key_count; i++)
		d.keys[i] = i < 4 ? UINT32_MAX - i : UINT64_MAX - i;
	return d;
}

static void parts_round_trip(void **state)
{
	struct wire_descriptor in = sample_in_parts(), out;
	uint8_t buf[WEFT_DESCRIPTOR_MAX];
	size_t len = sizeof(buf), whole = sizeof(buf);

	(void)state;
	assert_int_equal(wire_put_descriptor(&in, buf, &len), 0);
	assert_int_equal(wire_get_descriptor(&out, buf, len), 0);
	assert_int_equal(out.part_shift, 30);
	assert_int_equal(wire_parts(out.length, out.part_shift), 5);
	assert_int_equal(out.key_count, in.key_count);
	assert_memory_equal(out.keys, in.keys, in.key_count * sizeof(in.keys[0]));
	assert_int_equal(out.ways[0].rails[0].more, 0);
	assert_int_equal(out.ways[1].rails[1].more, 8);
	assert_true(out.ways[1].rails[1].base == 77 && out.ways[1].rails[1].key == UINT64_MAX);
	in.part_shift = 0;
	assert_int_equal(wire_put_descriptor(&in, buf, &whole), 0);
	assert_int_equal(len - whole, 1 + 3 + 4 * 4 + 8 * 8);
	assert_int_equal(wire_get_descriptor(&out, buf, whole), 0);
	assert_int_equal(out.part_shift, 0);
	assert_int_equal(out.key_count, 0);
}

/* The keys of a way that is skipped leave no hole. */
static void keys_of_an_unknown_way_are_skipped(void **state)
{
	struct wire_descriptor in = sample_in_parts(), out;
	uint8_t buf[WEFT_DESCRIPTOR_MAX];
	size_t len = sizeof(buf);

	(void)state;
	in.ways[0].provider = 250;
	assert_int_equal(wire_put_descriptor(&in, buf, &len), 0);
	assert_int_equal(wire_get_descriptor(&out, buf, len), 0);
	assert_int_equal(out.way_count, 1);
	assert_int_equal(out.key_count, 8);
	assert_int_equal(out.ways[0].rails[0].more, 0);
	assert_true(out.keys[out.ways[0].rails[1].more] == UINT64_MAX - 8);
}

static void reseal(uint8_t *buf, size_t len)
{
	uint64_t sum = hash_content(buf + 20, len - 20) ^ (buf[6] | (uint64_t)buf[7] << 8);

	for (int i = 0; i < 8; i++)
		buf[12 + i] = (uint8_t)(sum >> (8 * i));
}

/* What no writer would say, under a right checksum: too many parts, too small ones, one part, more
 * keys than there are, a width that is none. */
static void parts_that_cannot_be_are_refused(void **state)
{
	enum {
		LENGTH_AT = 20 + 16 + 8 + 4 + 12,
		SHIFT_AT = LENGTH_AT + 8,
		WIDTH_AT = SHIFT_AT + 1 + 3 + 1 + 16 + 16,
	};
	static const struct {
		int at;
		uint8_t value;
	} lies[] = { { SHIFT_AT, 0 },  { SHIFT_AT, 11 }, { SHIFT_AT, 21 },       { SHIFT_AT, 29 },
		     { SHIFT_AT, 33 }, { SHIFT_AT, 63 }, { SHIFT_AT, 64 },       { SHIFT_AT, 255 },
		     { WIDTH_AT, 0 },  { WIDTH_AT, 8 },  { LENGTH_AT + 6, 0xff } };
	struct wire_descriptor in = sample_in_parts(), out;
	uint8_t buf[WEFT_DESCRIPTOR_MAX], before;
	size_t len = sizeof(buf), i;

	(void)state;
	assert_int_equal(wire_put_descriptor(&in, buf, &len), 0);
	assert_int_equal(buf[SHIFT_AT], 30);
	assert_int_equal(buf[WIDTH_AT], 4);
	for (i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
		before = buf[lies[i].at];
		buf[lies[i].at] = lies[i].value;
		reseal(buf, len);
		assert_int_equal(wire_get_descriptor(&out, buf, len), -WEFT_EDESCRIPTOR);
		buf[lies[i].at] = before;
	}
	reseal(buf, len);
	assert_int_equal(wire_get_descriptor(&out, buf, len), 0);
	in.part_shift = 11;
	assert_int_equal(wire_put_descriptor(&in, buf, &len), -EMSGSIZE);
	in.part_shift = 33;
	assert_int_equal(wire_put_descriptor(&in, buf, &len), -EMSGSIZE);
}

static void flip_and_cut(const struct wire_descriptor *in)
{
	struct wire_descriptor out;
	uint8_t buf[WEFT_DESCRIPTOR_MAX];
	size_t len = sizeof(buf), i, bit;

	assert_int_equal(wire_put_descriptor(in, buf, &len), 0);
	for (i = 0; i < len; i++) {
		assert_true(wire_get_descriptor(&out, buf, i) < 0);
		for (bit = 0; bit < 8; bit++) {
			buf[i] ^= (uint8_t)(1u << bit);
			assert_true(wire_get_descriptor(&out, buf, len) < 0);
			buf[i] ^= (uint8_t)(1u << bit);
		}
	}
	assert_int_equal(wire_get_descriptor(&out, buf, len + 1), -WEFT_EDESCRIPTOR);
}

static void every_flip_and_cut_is_refused(void **state)
{
	struct wire_descriptor in = sample(true);

	(void)state;
	flip_and_cut(&in);
	in = sample_in_parts();
	flip_and_cut(&in);
}

static void too_little_room_is_said(void **state)
{
	struct wire_descriptor in = sample(true);
	uint8_t buf[WEFT_DESCRIPTOR_MAX];
	size_t len = sizeof(buf), full, room;

	(void)state;
	assert_int_equal(wire_put_descriptor(&in, buf, &len), 0);
	full = len;
	for (room = 0; room < full; room++) {
		len = room;
		assert_int_equal(wire_put_descriptor(&in, buf, &len), -EMSGSIZE);
	}
}

static void unknown_version_is_named(void **state)
{
	struct wire_descriptor in = sample(true), out;
	uint8_t buf[WEFT_DESCRIPTOR_MAX];
	size_t len = sizeof(buf);

	(void)state;
	assert_int_equal(wire_put_descriptor(&in, buf, &len), 0);
	buf[4]++;
	assert_int_equal(wire_get_descriptor(&out, buf, len), -WEFT_EVERSION);
}

static void messages_round_trip_and_cuts_are_refused(void **state)
{
	struct wire_hello hello = { .slot = 5,
				    .token = 6,
				    .descriptor = "abc",
				    .descriptor_len = 3 },
			  hello_out;
	struct wire_welcome welcome = { .slot = 8, .token = 9 }, welcome_out;
	struct wire_grant grant = { .region = 1, .generation = 2, .code = -5 }, grant_out;
	struct wire_head head = { .type = WIRE_ASK, .slot = 7, .token = 8 }, head_out;
	uint8_t buf[256];
	size_t len = sizeof(buf), i;

	(void)state;
	assert_int_equal(wire_put_hello(&hello, buf, &len), 0);
	assert_int_equal(wire_get_hello(&hello_out, buf, len), 0);
	assert_int_equal(hello_out.descriptor_len, 3);
	assert_memory_equal(hello_out.descriptor, "abc", 3);
	for (i = 0; i < len; i++)
		assert_int_equal(wire_get_hello(&hello_out, buf, i), -WEFT_EMESSAGE);
	len = sizeof(buf);
	assert_int_equal(wire_put_welcome(&welcome, buf, &len), 0);
	assert_int_equal(wire_get_welcome(&welcome_out, buf, len), 0);
	assert_int_equal(welcome_out.token, 9);
	assert_int_equal(wire_get_welcome(&welcome_out, buf, len - 1), -WEFT_EMESSAGE);
	len = sizeof(buf);
	assert_int_equal(wire_put_grant(&grant, buf, &len), 0);
	assert_int_equal(wire_get_grant(&grant_out, buf, len), 0);
	assert_int_equal(grant_out.code, -5);
	assert_int_equal(wire_get_grant(&grant_out, buf, len + 1), -WEFT_EMESSAGE);
	wire_put_head(&head, buf);
	assert_int_equal(wire_get_head(&head_out, buf, WIRE_HEAD_BYTES), 0);
	assert_int_equal(head_out.slot, 7);
	assert_int_equal(wire_get_head(&head_out, buf, WIRE_HEAD_BYTES - 1), -WEFT_EMESSAGE);
	buf[0] ^= 1;
	assert_int_equal(wire_get_head(&head_out, buf, WIRE_HEAD_BYTES), -WEFT_EMESSAGE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(descriptor_round_trip),
		cmocka_unit_test(parts_round_trip),
		cmocka_unit_test(keys_of_an_unknown_way_are_skipped),
		cmocka_unit_test(parts_that_cannot_be_are_refused),
		cmocka_unit_test(every_flip_and_cut_is_refused),
		cmocka_unit_test(too_little_room_is_said),
		cmocka_unit_test(unknown_version_is_named),
		cmocka_unit_test(messages_round_trip_and_cuts_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
