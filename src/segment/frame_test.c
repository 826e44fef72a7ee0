/* SPDX-License-Identifier: Apache-2.0 */
#include "segment/frame.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/hash.h"
#include "segment/name.h"

static const struct frame samples[] = {
	{ .kind = FRAME_LOOKUP },
	{ .kind = FRAME_LOOKUP, .name = "weights" },
	{ .kind = FRAME_ENTRY, .name = "a-b_c.9", .bytes = "bytes", .len = 5 },
	{ .kind = FRAME_END, .count = 1024 },
	{ .kind = FRAME_FAIL, .code = -WEFT_ENONAME, .text = "no 'x' here" },
};
#define SAMPLES (sizeof(samples) / sizeof(samples[0]))

static size_t put(const struct frame *frame, uint8_t *buf)
{
	size_t len = FRAME_MAX;

	assert_int_equal(frame_put(frame, buf, &len), 0);
	return len;
}

/* Makes the checksum right again: what is refused then is refused for its fields. */
static void seal(uint8_t *data, size_t len)
{
	struct hash_stream stream;
	struct wbuf out;

	hash_stream_init(&stream);
	hash_stream_update(&stream, data, 16);
	hash_stream_update(&stream, data + FRAME_HEAD, len - FRAME_HEAD);
	wbuf_init(&out, data, len);
	out.used = len;
	buf_patch_u64(&out, 16, hash_stream_final(&stream));
}

static int get(const uint8_t *data, size_t len)
{
	struct frame frame;
	size_t used = 0;

	err_clear();
	return frame_get(&frame, data, len, &used);
}

static void what_is_put_is_got(void **state)
{
	uint8_t buf[FRAME_MAX + 1];
	struct frame got;
	size_t len, used, i;

	(void)state;
	for (i = 0; i < SAMPLES; i++) {
		len = put(&samples[i], buf);
		buf[len] = 0xee; /* of the next frame */
		used = 0;
		assert_int_equal(frame_get(&got, buf, len + 1, &used), 0);
		assert_int_equal(used, len);
		assert_int_equal(got.kind, samples[i].kind);
		assert_string_equal(got.name, samples[i].name);
		assert_int_equal(got.len, samples[i].len);
		if (got.len)
			assert_memory_equal(got.bytes, samples[i].bytes, got.len);
		assert_int_equal(got.count, samples[i].count);
		assert_int_equal(got.code, samples[i].code);
		assert_string_equal(got.text, samples[i].text);
		len--;
		assert_int_equal(frame_put(&samples[i], buf, &len), -EMSGSIZE);
	}
}

static void the_largest_fit(void **state)
{
	uint8_t buf[FRAME_MAX], bytes[WEFT_DESCRIPTOR_MAX] = { 1 };
	struct frame frame = { .kind = FRAME_ENTRY, .bytes = bytes, .len = sizeof(bytes) }, got;
	size_t used;

	(void)state;
	memset(frame.name, 'n', WEFT_NAME_MAX);
	assert_int_equal(put(&frame, buf), FRAME_MAX);
	assert_int_equal(frame_get(&got, buf, FRAME_MAX, &used), 0);
	frame.kind = FRAME_LOOKUP;
	assert_int_equal(put(&frame, buf), FRAME_ASK_MAX);
	assert_int_equal(frame_get(&got, buf, FRAME_ASK_MAX, &used), 0);
}

static void every_beginning_waits_for_more(void **state)
{
	uint8_t buf[FRAME_MAX];
	size_t len, i, cut;

	(void)state;
	for (i = 0; i < SAMPLES; i++) {
		len = put(&samples[i], buf);
		for (cut = 0; cut < len; cut++)
			assert_int_equal(get(buf, cut), -EAGAIN);
	}
}

static void every_flip_is_refused(void **state)
{
	uint8_t buf[FRAME_MAX + 65536];
	size_t len, i, bit;
	int rc;

	(void)state;
	for (i = 0; i < SAMPLES; i++) {
		memset(buf, 0, sizeof(buf));
		len = put(&samples[i], buf);
		for (bit = 0; bit < len * 8; bit++) {
			buf[bit / 8] ^= (uint8_t)(1 << bit % 8);
			/* Room behind it, so that a longer length does not just wait. */
			rc = get(buf, sizeof(buf));
			assert_true(rc == -WEFT_EPROTOCOL || rc == -WEFT_EVERSION ||
				    rc == -WEFT_EMESSAGE);
			assert_true(weft_error_detail()[0]);
			buf[bit / 8] ^= (uint8_t)(1 << bit % 8);
		}
	}
}

struct bad {
	const char *what;
	size_t at;
	uint8_t with;
	int rc;
};

/* Sealed: the checksum is right. */
static void check_bad(const struct frame *frame, const struct bad *bad)
{
	uint8_t buf[FRAME_MAX];
	size_t len = put(frame, buf);

	buf[bad->at] = bad->with;
	seal(buf, len);
	if (get(buf, len) != bad->rc)
		fail_msg("%s: %d, not %d", bad->what, get(buf, len), bad->rc);
}

static void wrong_fields_are_refused_by_what_they_are(void **state)
{
	static const struct bad of_all[] = {
		{ "mark", 0, 'G', -WEFT_EPROTOCOL },
		{ "version", 4, 2, -WEFT_EVERSION },
		{ "kind 0", 6, 0, -WEFT_EMESSAGE },
		{ "kind 5", 6, 5, -WEFT_EMESSAGE },
		{ "flags", 7, 1, -WEFT_EMESSAGE },
		{ "length below the head", 8, FRAME_HEAD - 1, -WEFT_EMESSAGE },
		{ "length of megabytes", 10, 0xff, -WEFT_EMESSAGE },
		{ "reserved bytes", 12, 1, -WEFT_EMESSAGE },
	};
	static const struct bad of_entry[] = {
		{ "name longer than the frame", FRAME_HEAD, 200, -WEFT_EMESSAGE },
		{ "name that takes all bytes", FRAME_HEAD, 7 + 5, -WEFT_EMESSAGE },
		{ "no name", FRAME_HEAD, 0, -WEFT_EMESSAGE },
		{ "name with a slash", FRAME_HEAD + 2, '/', -WEFT_EMESSAGE },
		{ "name that begins with a dot", FRAME_HEAD + 2, '.', -WEFT_EMESSAGE },
		{ "name with a NUL", FRAME_HEAD + 3, 0, -WEFT_EMESSAGE },
		{ "an entry that says it is an end", 6, FRAME_END, -WEFT_EMESSAGE },
	};
	static const struct bad of_lookup[] = {
		{ "bytes behind the name", FRAME_HEAD, 3, -WEFT_EMESSAGE },
		{ "a space", FRAME_HEAD + 2, ' ', -WEFT_EMESSAGE },
	};
	static const struct bad of_failure[] = {
		{ "a code that is none", FRAME_HEAD + 3, 0x7f, -WEFT_EMESSAGE },
		{ "a code out of range", FRAME_HEAD + 2, 0, -WEFT_EMESSAGE },
		{ "text longer than the frame", FRAME_HEAD + 4, 100, -WEFT_EMESSAGE },
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(of_all) / sizeof(of_all[0]); i++)
		check_bad(&samples[1], &of_all[i]);
	for (i = 0; i < sizeof(of_entry) / sizeof(of_entry[0]); i++)
		check_bad(&samples[2], &of_entry[i]);
	for (i = 0; i < sizeof(of_lookup) / sizeof(of_lookup[0]); i++)
		check_bad(&samples[1], &of_lookup[i]);
	for (i = 0; i < sizeof(of_failure) / sizeof(of_failure[0]); i++)
		check_bad(&samples[4], &of_failure[i]);
}

static void texts_cannot_write_to_a_terminal(void **state)
{
	struct frame frame = { .kind = FRAME_FAIL, .code = -1, .text = "a\x1b[2J\nb\xff" }, got;
	uint8_t buf[FRAME_MAX];
	size_t len = put(&frame, buf), used;

	(void)state;
	assert_int_equal(frame_get(&got, buf, len, &used), 0);
	assert_string_equal(got.text, "a?[2J?b?");
}

static void addresses_are_split_at_the_last_slash(void **state)
{
	static const struct {
		const char *address, *where, *name;
	} good[] = {
		{ "10.0.0.2:7070", "10.0.0.2:7070", "" },
		{ "10.0.0.2:7070/", "10.0.0.2:7070", "" },
		{ "[::1]:7070/a.b", "[::1]:7070", "a.b" },
		{ "file:/run/weft/", "file:/run/weft", "" },
		{ "file:/run/weft/x", "file:/run/weft", "x" },
	};
	static const char *const bad[] = { "", "/", "/x", "h:1/.x", "h:1/x y", "h:1/\x01" };
	char longest[WEFT_NAME_MAX + 8] = "h:1/";
	struct place place;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		assert_int_equal(place_parse(&place, good[i].address), 0);
		assert_string_equal(place.where, good[i].where);
		assert_string_equal(place.name, good[i].name);
	}
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(place_parse(&place, bad[i]), -EINVAL);
	assert_int_equal(place_parse(&place, NULL), -EINVAL);
	memset(longest + 4, 'x', WEFT_NAME_MAX);
	assert_int_equal(place_parse(&place, longest), 0);
	longest[4 + WEFT_NAME_MAX] = 'x';
	assert_int_equal(place_parse(&place, longest), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_put_is_got),
		cmocka_unit_test(the_largest_fit),
		cmocka_unit_test(every_beginning_waits_for_more),
		cmocka_unit_test(every_flip_is_refused),
		cmocka_unit_test(wrong_fields_are_refused_by_what_they_are),
		cmocka_unit_test(texts_cannot_write_to_a_terminal),
		cmocka_unit_test(addresses_are_split_at_the_last_slash),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
