/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "host/pick.h"

static const char text[] = "{ \"a\": {\"b c\" :[1, -2.5e3,true , \"x\\\"y\\u0041\\n\"],\n"
			   "  \"e\": {}, \"f\": [] }, \"a\": 1, \"s\": \"}\\\\\", \"n\": null }";

static bool append(void *ctx, const char *key, const char *value)
{
	char one[64];

	strcat(ctx, key);
	strcat(ctx, "=");
	strcat(ctx, pick_text(value, one, sizeof(one)) ? one : "...");
	strcat(ctx, ";");
	return strlen(ctx) < 200;
}

static void finds_values(void **state)
{
	char ret[256] = "";

	(void)state;
	assert_int_equal(pick_each(pick_path(text, "a/b c"), append, ret), 4);
	assert_string_equal(ret, "=1;=-2.5e3;=true;=x\"yA\n;");
	*ret = '\0';
	assert_int_equal(pick_each(text, append, ret), 4);
	assert_string_equal(ret, "a=...;a=1;s=}\\;n=null;");
	assert_int_equal(pick_each(pick_path(text, "a/e"), append, ret), 0);
	assert_int_equal(pick_each(pick_path(text, "a/f"), append, ret), 0);
	assert_int_equal(pick_each(pick_member(text, "s"), append, ret), 0);
	assert_null(pick_member(text, "zz"));
	assert_null(pick_path(text, "a/b c/d"));
	assert_null(pick_path(NULL, "a"));
	assert_true(pick_true("true"));
	assert_true(pick_true(" \"true\""));
	assert_false(pick_true("truer"));
}

static void text_that_does_not_fit_is_none(void **state)
{
	char ret[4];

	(void)state;
	assert_true(pick_text("\"abc\"", ret, sizeof(ret)));
	assert_string_equal(ret, "abc");
	assert_false(pick_text("\"abcd\"", ret, sizeof(ret)));
	assert_string_equal(ret, "");
	assert_false(pick_text("[1]", ret, sizeof(ret)));
	assert_false(pick_text("", ret, sizeof(ret)));
	assert_true(pick_text("\"\\u00e9\"", ret, sizeof(ret)));
	assert_string_equal(ret, "?");
}

static void a_long_name_is_left_out(void **state)
{
	char json[600], ret[64] = "";

	(void)state;
	memset(json, 'k', sizeof(json));
	memcpy(json, "{\"", 2);
	strcpy(json + 400, "\":1,\"b\":2}");
	assert_int_equal(pick_each(json, append, ret), 1);
	assert_string_equal(ret, "b=2;");
	assert_non_null(pick_member(json, "b"));
}

/* Cut anywhere, and with any byte changed: memory of its own, so that a sanitizer sees. */
static void what_is_no_json_has_nothing(void **state)
{
	static const char bytes[] = "\"\\{}[]:,u \x80";
	char ret[512], *copy;

	(void)state;
	for (size_t len = 0; len < sizeof(text); len++) {
		for (size_t b = 0; b < sizeof(bytes); b++) {
			copy = malloc(len + 1);
			assert_non_null(copy);
			memcpy(copy, text, len);
			copy[len] = '\0';
			if (len && bytes[b])
				copy[len - 1] = bytes[b];
			*ret = '\0';
			pick_each(copy, append, ret);
			*ret = '\0';
			pick_each(pick_path(copy, "a/b c"), append, ret);
			pick_text(pick_member(copy, "s"), ret, sizeof(ret));
			free(copy);
		}
	}
	assert_null(pick_member("{\"a\" 1}", "a"));
	assert_null(pick_member("{\"a\":", "a"));
	assert_null(pick_member("{a:1}", "a"));
	assert_null(pick_member("[1]", "a"));
	assert_int_equal(pick_each("[[[[1]", append, ret), 0);
}

/* A million levels take a million bytes of text and no stack. */
static void depth_costs_no_stack(void **state)
{
	size_t half = 1000000;
	char *deep = malloc(2 * half + 32), ret[8];

	(void)state;
	assert_non_null(deep);
	strcpy(deep, "{\"d\":");
	memset(deep + 5, '[', half);
	memset(deep + 5 + half, ']', half);
	strcpy(deep + 5 + 2 * half, ",\"e\":7}");
	assert_true(pick_text(pick_member(deep, "e"), ret, sizeof(ret)));
	assert_string_equal(ret, "7");
	free(deep);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(finds_values),
		cmocka_unit_test(text_that_does_not_fit_is_none),
		cmocka_unit_test(a_long_name_is_left_out),
		cmocka_unit_test(what_is_no_json_has_nothing),
		cmocka_unit_test(depth_costs_no_stack),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
