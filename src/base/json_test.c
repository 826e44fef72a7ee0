/* SPDX-License-Identifier: Apache-2.0 */
#include "base/json.h"

#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void write_report(struct json *json)
{
	json_object(json, NULL);
	json_string(json, "name", "weft");
	json_array(json, "sizes");
	json_u64(json, NULL, 64);
	json_u64(json, NULL, UINT64_MAX);
	json_array_end(json);
	json_object(json, "empty");
	json_object_end(json);
	json_i64(json, "low", INT64_MIN);
	json_double(json, "ratio", 0.1);
	json_bool(json, "ok", true);
	json_null(json, "none");
	json_string(json, "absent", NULL);
	json_object_end(json);
}

static const char report[] = "{\"name\":\"weft\",\"sizes\":[64,18446744073709551615],\"empty\":{},"
			     "\"low\":-9223372036854775808,\"ratio\":0.1,\"ok\":true,"
			     "\"none\":null,\"absent\":null}";

static void all_kinds_nest(void **state)
{
	struct json json;
	char buf[512];

	(void)state;
	json_begin_buf(&json, buf, sizeof(buf));
	write_report(&json);
	assert_int_equal(json_end(&json), 0);
	assert_string_equal(buf, report);
	assert_int_equal(json.len, strlen(report));
}

static void a_file_gets_the_same_bytes(void **state)
{
	char *text = NULL;
	struct json json;
	size_t size;
	FILE *file = open_memstream(&text, &size);

	(void)state;
	assert_non_null(file);
	json_begin_file(&json, file);
	write_report(&json);
	assert_int_equal(json_end(&json), 0);
	fclose(file);
	assert_string_equal(text, report);
	free(text);
}

static void every_too_small_buffer_is_refused_and_terminated(void **state)
{
	char buf[sizeof(report) + 8];
	struct json json;
	size_t room;

	(void)state;
	for (room = 1; room < sizeof(report); room++) {
		memset(buf, '#', sizeof(buf));
		json_begin_buf(&json, buf, room);
		write_report(&json);
		assert_int_equal(json_end(&json), -ENOSPC);
		assert_true(strlen(buf) < room);
		assert_int_equal(buf[room], '#');
	}
	json_begin_buf(&json, buf, sizeof(report));
	write_report(&json);
	assert_int_equal(json_end(&json), 0);
}

static void check_string(const char *value, size_t len, const char *expect)
{
	struct json json;
	char buf[256];

	json_begin_buf(&json, buf, sizeof(buf));
	json_string_n(&json, NULL, value, len);
	assert_int_equal(json_end(&json), 0);
	assert_string_equal(buf, expect);
}

static void strings_are_escaped_and_valid_utf8(void **state)
{
	(void)state;
	check_string("a\"b\\c\n\t", 7, "\"a\\\"b\\\\c\\n\\t\"");
	check_string("\0\x1f\x7f", 3, "\"\\u0000\\u001f\\u007f\"");
	check_string("\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80", 9,
		     "\"\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80\"");
	check_string("\xff", 1, "\"\xef\xbf\xbd\"");
	check_string("\xc3", 1, "\"\xef\xbf\xbd\"");                                 /* cut */
	check_string("\xc0\x80", 2, "\"\xef\xbf\xbd\xef\xbf\xbd\"");                 /* overlong */
	check_string("\xed\xa0\x80", 3, "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\""); /* surrogate */
	check_string("\xc3(", 2, "\"\xef\xbf\xbd(\"");
	check_string("", 0, "\"\"");
}

static void check_double(double value, const char *expect)
{
	struct json json;
	char buf[64];

	json_begin_buf(&json, buf, sizeof(buf));
	json_double(&json, NULL, value);
	assert_int_equal(json_end(&json), 0);
	assert_string_equal(buf, expect);
}

static void doubles_read_back_the_same(void **state)
{
	struct json json;
	char buf[64];

	(void)state;
	check_double(0.5, "0.5");
	check_double(NAN, "null");
	check_double(-INFINITY, "null");
	json_begin_buf(&json, buf, sizeof(buf));
	json_double(&json, NULL, 1.0 / 3);
	assert_true(strtod(buf, NULL) == 1.0 / 3);
}

/* Each step is a mistake on its own. */
static void wrong_use_is_an_error(void **state)
{
	struct json json;
	char buf[256];
	int i;

	(void)state;
	json_begin_buf(&json, buf, sizeof(buf));
	assert_int_equal(json_end(&json), -EINVAL); /* nothing written */
	json_begin_buf(&json, buf, sizeof(buf));
	json_object(&json, NULL);
	assert_int_equal(json_end(&json), -EINVAL); /* not closed */
	json_begin_buf(&json, buf, sizeof(buf));
	json_object(&json, NULL);
	json_u64(&json, NULL, 1); /* no key */
	json_object_end(&json);
	assert_int_equal(json_end(&json), -EINVAL);
	json_begin_buf(&json, buf, sizeof(buf));
	json_array(&json, NULL);
	json_object_end(&json); /* not an object */
	assert_int_equal(json_end(&json), -EINVAL);
	json_begin_buf(&json, buf, sizeof(buf));
	json_u64(&json, NULL, 1);
	json_u64(&json, NULL, 2); /* a second value at the top */
	assert_int_equal(json_end(&json), -EINVAL);
	json_begin_buf(&json, buf, sizeof(buf));
	for (i = 0; i <= JSON_DEPTH_MAX; i++)
		json_array(&json, NULL);
	assert_int_equal(json_end(&json), -EINVAL);
}

static void the_deepest_nesting_works(void **state)
{
	struct json json;
	char buf[256];
	int i;

	(void)state;
	json_begin_buf(&json, buf, sizeof(buf));
	for (i = 0; i < JSON_DEPTH_MAX; i++)
		json_array(&json, NULL);
	json_u64(&json, NULL, 1);
	json_u64(&json, NULL, 2);
	for (i = 0; i < JSON_DEPTH_MAX; i++)
		json_array_end(&json);
	assert_int_equal(json_end(&json), 0);
	assert_non_null(strstr(buf, "[1,2]"));
}

static void a_failing_file_is_reported(void **state)
{
	FILE *full = fopen("/dev/full", "w");
	struct json json;

	(void)state;
	assert_non_null(full);
	json_begin_file(&json, full);
	json_u64(&json, NULL, 1);
	assert_int_equal(json_end(&json), -EIO);
	fclose(full);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_kinds_nest),
		cmocka_unit_test(a_file_gets_the_same_bytes),
		cmocka_unit_test(every_too_small_buffer_is_refused_and_terminated),
		cmocka_unit_test(strings_are_escaped_and_valid_utf8),
		cmocka_unit_test(doubles_read_back_the_same),
		cmocka_unit_test(wrong_use_is_an_error),
		cmocka_unit_test(the_deepest_nesting_works),
		cmocka_unit_test(a_failing_file_is_reported),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
