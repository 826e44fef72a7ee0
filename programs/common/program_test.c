/* SPDX-License-Identifier: Apache-2.0 */
#include "common/program.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <weft/weft.h>

#include "base/err.h"

struct demo {
	uint64_t bytes;
};

static const struct opt_row demo_rows[] = {
	{ .kind = OPT_KIND_PROGRAM, .name = "weft demo", .help = "a demo" },
	{ .kind = OPT_KIND_OPTION,
	  .type = OPT_TYPE_size,
	  .name = "bytes",
	  .metavar = "SIZE",
	  .fallback = "1KiB",
	  .help = "how many",
	  .offset = offsetof(struct demo, bytes) },
};
static const struct opt_table demo_table = OPT_TABLE(demo_rows, struct demo);

const char *weft_version(void)
{
	return "weft test";
}

const char *weft_libfabric_version(void)
{
	return "0.0";
}

static void a_line_holds_text_detail_and_remedy(void **state)
{
	char line[256];

	(void)state;
	err_set(-WEFT_ENOTFOUND, "key 'k'");
	assert_string_equal(
		program_error_line(line, sizeof(line), "weft kv", -WEFT_ENOTFOUND, "get"),
		"weft kv: get: no such key: key 'k' (put it first; it may have expired)");
	err_clear();
	assert_string_equal(program_error_line(line, sizeof(line), "weft kv", -ENOENT, ""),
			    "weft kv: No such file or directory");
	err_set(-ENOENT, "file f: No such file or directory");
	assert_string_equal(program_error_line(line, sizeof(line), "weft kv", -ENOENT, "get"),
			    "weft kv: get: file f: No such file or directory");
}

static void a_line_is_cut_and_stays_one_line(void **state)
{
	char line[24];

	(void)state;
	err_set(-1, "a\nb\x1b[31m and much more than there is room for");
	program_error_line(line, sizeof(line), "p\n", -WEFT_ENOTFOUND, "x\ty");
	assert_int_equal(strlen(line), sizeof(line) - 1);
	assert_null(strpbrk(line, "\n\t\x1b"));
	err_clear();
}

static void start_tells_work_from_done(void **state)
{
	char *good[] = { "p", "--bytes", "2k", NULL };
	char *bad[] = { "p", "--bytes", "many", NULL };
	struct opt_result result;
	struct demo demo;

	(void)state;
	assert_int_equal(program_start(&demo_table, 3, good, &demo, &result), PROGRAM_GO);
	assert_int_equal(demo.bytes, 2048);
	assert_int_equal(program_start(&demo_table, 3, bad, &demo, &result), PROGRAM_USAGE);
}

static void statuses_of_failures_are_those_of_the_error_list(void **state)
{
	(void)state;
	err_clear();
	assert_int_equal(program_fail("weft kv", -WEFT_ENOTFOUND, "get %d", 1), 3);
	assert_int_equal(program_fail("weft kv", -EIO, NULL), 1);
	assert_int_equal(program_fail("weft kv", 0, NULL), PROGRAM_FAILED);
}

static void finish_keeps_the_first_failure(void **state)
{
	(void)state;
	assert_int_equal(program_finish("p", 0), 0);
	assert_int_equal(program_finish("p", 7), 7);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_line_holds_text_detail_and_remedy),
		cmocka_unit_test(a_line_is_cut_and_stays_one_line),
		cmocka_unit_test(start_tells_work_from_done),
		cmocka_unit_test(statuses_of_failures_are_those_of_the_error_list),
		cmocka_unit_test(finish_keeps_the_first_failure),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
