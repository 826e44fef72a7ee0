/* SPDX-License-Identifier: Apache-2.0 */
#include "base/err.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>
#include <weft/weft.h>

static void every_row_is_found_and_complete(void **state)
{
	(void)state;
#define CHECK_ROW(name, number, exit_status, text, remedy)                   \
	assert_string_equal(weft_strerror(-number), text);                   \
	assert_string_equal(weft_error_name(number), "WEFT_" #name);         \
	assert_int_equal(weft_exit_status(-number), exit_status);            \
	assert_true(exit_status > 2 && exit_status < 126 && number >= 1000); \
	assert_true(strlen(remedy) > 0);
	WEFT_ERROR_MAP(CHECK_ROW)
#undef CHECK_ROW
}

static void numbers_are_unique(void **state)
{
	(void)state;
	switch (WEFT_EDEADLINE) {
		/* The compiler refuses two equal case labels. */
#define CASE_ROW(name, number, exit_status, text, remedy) case number:
		WEFT_ERROR_MAP(CASE_ROW)
#undef CASE_ROW
	default:
		break;
	}
}

static void errno_codes_have_names(void **state)
{
	(void)state;
	assert_string_equal(weft_error_name(-ENOENT), "ENOENT");
	assert_string_equal(weft_strerror(-ENOENT), "No such file or directory");
	assert_int_equal(weft_exit_status(-ENOENT), 1);
	assert_int_equal(weft_exit_status(0), 0);
	assert_string_equal(weft_strerror(-999999), "unknown error");
}

static void detail_is_kept_and_cut(void **state)
{
	char big[4 * ERR_DETAIL_MAX];

	(void)state;
	assert_int_equal(err_set(-WEFT_EBOUNDS, "rail %d", 3), -WEFT_EBOUNDS);
	assert_string_equal(weft_error_detail(), "rail 3");
	err_prefix(-WEFT_EBOUNDS, "peer %s", "x");
	assert_string_equal(weft_error_detail(), "peer x: rail 3");
	memset(big, 'a', sizeof(big) - 1);
	big[sizeof(big) - 1] = '\0';
	err_set(-1, "%s", big);
	assert_int_equal(strlen(weft_error_detail()), ERR_DETAIL_MAX - 1);
	err_clear();
	assert_string_equal(weft_error_detail(), "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_row_is_found_and_complete),
		cmocka_unit_test(numbers_are_unique),
		cmocka_unit_test(errno_codes_have_names),
		cmocka_unit_test(detail_is_kept_and_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
