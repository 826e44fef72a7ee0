/* SPDX-License-Identifier: Apache-2.0 */
#include "base/buf.h"
#include "base/random.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

static void the_bytes_on_the_wire_are_little_endian(void **state)
{
	static const uint8_t expected[] = { 0x01, 0x03, 0x02, 0x07, 0x06, 0x05, 0x04,
					    0x0f, 0x0e, 0x0d, 0x0c, 0x0b, 0x0a, 0x09,
					    0x08, 2,    0,    'h',  'i',  0 };
	uint8_t data[sizeof(expected)];
	struct wbuf buf;

	(void)state;
	wbuf_init(&buf, data, sizeof(data));
	assert_true(buf_put_u8(&buf, 0x01));
	assert_true(buf_put_u16(&buf, 0x0203));
	assert_true(buf_put_u32(&buf, 0x04050607));
	assert_true(buf_put_u64(&buf, 0x08090a0b0c0d0e0f));
	assert_true(buf_put_str(&buf, "hi"));
	assert_true(buf_put_zero(&buf, 1));
	assert_int_equal(buf.used, sizeof(expected));
	assert_int_equal(wbuf_room(&buf), 0);
	assert_memory_equal(data, expected, sizeof(expected));
}

/* One operation on both cursors, by kind, with the size that it takes. */
static size_t write_one(struct wbuf *buf, unsigned int kind, uint64_t value, bool *ok)
{
	char text[8] = { 0 };

	switch (kind) {
	case 0:
		*ok = buf_put_u8(buf, (uint8_t)value);
		return 1;
	case 1:
		*ok = buf_put_u16(buf, (uint16_t)value);
		return 2;
	case 2:
		*ok = buf_put_u32(buf, (uint32_t)value);
		return 4;
	case 3:
		*ok = buf_put_u64(buf, value);
		return 8;
	default:
		memset(text, 'a', value % sizeof(text));
		*ok = buf_put_str(buf, text);
		return 2 + value % sizeof(text);
	}
}

static bool read_one(struct rbuf *buf, unsigned int kind, uint64_t value)
{
	char text[8], expected[8] = { 0 };
	uint64_t u64 = 0;
	uint32_t u32 = 0;
	uint16_t u16 = 0;
	uint8_t u8 = 0;

	switch (kind) {
	case 0:
		return buf_get_u8(buf, &u8) && u8 == (uint8_t)value;
	case 1:
		return buf_get_u16(buf, &u16) && u16 == (uint16_t)value;
	case 2:
		return buf_get_u32(buf, &u32) && u32 == (uint32_t)value;
	case 3:
		return buf_get_u64(buf, &u64) && u64 == value;
	default:
		memset(expected, 'a', value % sizeof(expected));
		return buf_get_str(buf, text, sizeof(text)) && !strcmp(text, expected);
	}
}

/* Random sequences in heap memory of exactly the size, so that ASan sees any byte too far. */
static void what_fits_is_read_back_and_the_rest_is_refused(void **state)
{
	uint64_t seed = 1, values[32];
	unsigned int kinds[32], round, n, i;
	size_t size, used, len;
	struct wbuf out;
	struct rbuf in;
	uint8_t *data;
	bool ok;

	(void)state;
	for (round = 0; round < 2000; round++) {
		size = random_next(&seed) % 100;
		data = malloc(size ? size : 1);
		assert_non_null(data);
		wbuf_init(&out, data, size);
		used = 0;
		for (n = 0; n < 32; n++) {
			values[n] = random_next(&seed);
			kinds[n] = random_next(&seed) % 5;
			len = write_one(&out, kinds[n], values[n], &ok);
			assert_int_equal(ok, used + len <= size);
			assert_int_equal(wbuf_ok(&out), ok);
			if (!ok)
				break;
			used += len;
			assert_int_equal(out.used, used);
		}
		assert_int_equal(out.used, used);
		rbuf_init(&in, data, used);
		for (i = 0; i < n; i++) {
			assert_false(rbuf_end(&in) && used > in.used);
			assert_true(read_one(&in, kinds[i], values[i]));
		}
		assert_true(rbuf_end(&in));
		assert_false(read_one(&in, round % 5, 0));
		assert_false(rbuf_ok(&in));
		free(data);
	}
}

static void a_cut_message_is_refused_at_every_length(void **state)
{
	uint8_t whole[17], *cut;
	struct wbuf out;
	struct rbuf in;
	uint32_t a;
	uint64_t b;
	char text[8];
	size_t len;

	(void)state;
	wbuf_init(&out, whole, sizeof(whole));
	buf_put_u32(&out, 1);
	buf_put_str(&out, "abc");
	buf_put_u64(&out, 2);
	assert_true(wbuf_ok(&out));
	for (len = 0; len <= sizeof(whole); len++) {
		cut = malloc(len ? len : 1);
		assert_non_null(cut);
		memcpy(cut, whole, len);
		rbuf_init(&in, cut, len);
		buf_get_u32(&in, &a);
		buf_get_str(&in, text, sizeof(text));
		buf_get_u64(&in, &b);
		assert_int_equal(rbuf_end(&in), len == sizeof(whole));
		free(cut);
	}
}

static void after_a_failure_everything_fails(void **state)
{
	uint8_t data[4] = { 1, 2, 3, 4 }, byte = 77;
	const void *bytes = NULL;
	struct wbuf out;
	struct rbuf in;

	(void)state;
	wbuf_init(&out, data, sizeof(data));
	assert_false(buf_put_u64(&out, 0));
	assert_false(buf_put_u8(&out, 9));
	assert_false(buf_put_zero(&out, 0));
	assert_false(buf_patch_u16(&out, 0, 0));
	assert_null(buf_put_space(&out, 0));
	assert_int_equal(out.used, 0);
	assert_int_equal(data[0], 1);

	rbuf_init(&in, data, sizeof(data));
	assert_false(buf_skip(&in, 5));
	assert_false(buf_get_u8(&in, &byte));
	assert_false(buf_get_bytes(&in, &bytes, 0));
	assert_false(buf_get_copy(&in, &byte, 0));
	assert_int_equal(byte, 77);
	assert_null(bytes);
	assert_int_equal(in.used, 0);
	assert_false(rbuf_end(&in));
}

static void sizes_near_the_largest_do_not_wrap(void **state)
{
	uint8_t data[16] = { 0 }, to[16];
	const void *bytes;
	struct wbuf out;
	struct rbuf in;
	volatile size_t back; /* the compiler would warn of what must be refused */

	(void)state;
	for (back = 0; back < 32; back++) {
		wbuf_init(&out, data, sizeof(data));
		assert_true(buf_put_u64(&out, 0));
		assert_null(buf_put_space(&out, SIZE_MAX - back));
		wbuf_init(&out, data, sizeof(data));
		assert_true(buf_put_u64(&out, 0));
		assert_false(buf_patch_bytes(&out, SIZE_MAX - back, to, 8));
		wbuf_init(&out, data, sizeof(data));
		assert_true(buf_put_u64(&out, 0));
		assert_false(buf_patch_bytes(&out, 4, to, SIZE_MAX - back));
		rbuf_init(&in, data, sizeof(data));
		assert_true(buf_skip(&in, 8));
		assert_false(buf_get_bytes(&in, &bytes, SIZE_MAX - back));
	}
}

static void patches_stay_inside_what_was_written(void **state)
{
	uint8_t data[16] = { 0 };
	struct wbuf out;
	struct rbuf in;
	uint32_t value;

	(void)state;
	wbuf_init(&out, data, sizeof(data));
	assert_true(buf_put_zero(&out, 8));
	assert_true(buf_patch_u32(&out, 4, 0xaabbccdd));
	assert_true(buf_patch_u64(&out, 0, 5));
	assert_true(buf_patch_u16(&out, 6, 0x1122));
	rbuf_init(&in, data, 8);
	assert_true(buf_get_u32(&in, &value));
	assert_int_equal(value, 5);
	assert_true(buf_get_u32(&in, &value));
	assert_int_equal(value, 0x11220000);
	assert_int_equal(out.used, 8);
	assert_false(buf_patch_u32(&out, 5, 0));
	assert_false(wbuf_ok(&out));
}

static void text_that_is_no_c_string_is_refused(void **state)
{
	static const uint8_t nul_inside[] = { 3, 0, 'a', 0, 'b' },
			     too_long[] = { 4, 0, 'a', 'b', 'c', 'd' };
	char text[4] = "xyz", *big;
	uint8_t *data;
	struct rbuf in;
	struct wbuf out;

	(void)state;
	rbuf_init(&in, nul_inside, sizeof(nul_inside));
	assert_false(buf_get_str(&in, text, sizeof(text)));
	rbuf_init(&in, too_long, sizeof(too_long));
	assert_false(buf_get_str(&in, text, sizeof(text)));
	rbuf_init(&in, too_long, sizeof(too_long));
	assert_false(buf_get_str(&in, text, 0));
	assert_string_equal(text, "xyz");

	big = malloc(UINT16_MAX + 2);
	data = malloc(2 * UINT16_MAX);
	assert_non_null(big);
	assert_non_null(data);
	memset(big, 'b', UINT16_MAX + 1);
	big[UINT16_MAX + 1] = '\0';
	wbuf_init(&out, data, 2 * UINT16_MAX);
	assert_true(buf_put_str(&out, big + 1));
	assert_false(buf_put_str(&out, big));
	assert_int_equal(out.used, 2 + UINT16_MAX);
	free(data);
	free(big);
}

static void a_cursor_without_memory_is_empty(void **state)
{
	const void *bytes = "";
	struct wbuf out;
	struct rbuf in;

	(void)state;
	wbuf_init(&out, NULL, 0);
	assert_true(buf_put_bytes(&out, NULL, 0));
	assert_true(buf_put_zero(&out, 0));
	assert_false(buf_put_u8(&out, 0));
	rbuf_init(&in, NULL, 0);
	assert_true(rbuf_end(&in));
	assert_true(buf_get_bytes(&in, &bytes, 0));
	assert_null(bytes);
	assert_true(buf_get_copy(&in, NULL, 0));
	assert_false(buf_skip(&in, 1));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_bytes_on_the_wire_are_little_endian),
		cmocka_unit_test(what_fits_is_read_back_and_the_rest_is_refused),
		cmocka_unit_test(a_cut_message_is_refused_at_every_length),
		cmocka_unit_test(after_a_failure_everything_fails),
		cmocka_unit_test(sizes_near_the_largest_do_not_wrap),
		cmocka_unit_test(patches_stay_inside_what_was_written),
		cmocka_unit_test(text_that_is_no_c_string_is_refused),
		cmocka_unit_test(a_cursor_without_memory_is_empty),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
