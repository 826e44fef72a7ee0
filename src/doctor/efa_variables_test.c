/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "doctor/efa_variables.h"

#define R(...) EFA_RELEASE(__VA_ARGS__)

static void rows_of_a_name_follow_each_other(void **state)
{
	const struct efa_variable *row = efa_variables, *before;

	(void)state;
	for (size_t i = 0; i < efa_variables_count; i++, row++) {
		before = i ? row - 1 : NULL;
		assert_true(strlen(row->name) < 64 && *row->what);
		assert_true(!row->until || row->since < row->until);
		/* In order, and nothing of a name is known twice at a time. */
		if (before && !strcmp(before->name, row->name))
			assert_true(before->until && before->until <= row->since);
		else
			assert_true(!before || strcmp(before->name, row->name) < 0);
		/* What is gone reads nothing, so only its being there can be dangerous. */
		if (row->type == EFA_TYPE_GONE)
			assert_true(row->danger == EFA_SAFE || row->danger == EFA_ABORTS_IF_SET);
	}
}

static void release_is_read_from_what_libraries_say(void **state)
{
	char text[32];

	(void)state;
	assert_int_equal(efa_release_parse("1.17.0"), R(1, 17, 0));
	assert_int_equal(efa_release_parse("2.1"), R(2, 1, 0));
	assert_int_equal(efa_release_parse("1.22.0amzn4.0"), R(1, 22, 0));
	assert_int_equal(efa_release_parse("absent: no such file"), 0);
	assert_int_equal(efa_release_parse(""), 0);
	assert_int_equal(efa_release_parse("99999999999999999999.1"), 0);
	assert_string_equal(efa_release_text(R(1, 19, 1), text, sizeof(text)), "1.19.1");
	assert_string_equal(efa_release_text(R(2, 0, 0), text, sizeof(text)), "2.0");
}

static void meaning_of_a_name_is_that_of_its_release(void **state)
{
	(void)state;
	assert_int_equal(efa_variable_find("MTU_SIZE", R(1, 17, 0))->type, EFA_TYPE_SIZE);
	assert_int_equal(efa_variable_find("MTU_SIZE", R(1, 18, 0))->danger, EFA_ABORTS_IF_SET);
	assert_int_equal(efa_variable_find("MTU_SIZE", 0)->danger, EFA_ABORTS_IF_SET);
	assert_int_equal(efa_variable_find("SHM_MAX_MEDIUM_SIZE", R(1, 19, 0))->danger,
			 EFA_ABORTS_IF_SET);
	assert_int_equal(efa_variable_find("SHM_MAX_MEDIUM_SIZE", R(1, 19, 1))->danger, EFA_SAFE);
	assert_null(efa_variable_find("IFACE", R(1, 22, 0)));
	assert_non_null(efa_variable_find("IFACE", R(2, 0, 0)));
	assert_null(efa_variable_find("TX_MAX_CREDITS", R(1, 16, 0)));
	assert_null(efa_variable_find("DEVICE_NAME", 0));
	assert_null(efa_variable_first("DEVICE_NAME"));
	assert_int_equal(efa_variable_first("TX_MAX_CREDITS")->since, R(1, 8, 1));
}

static void wrong_name_leads_to_the_one_that_was_meant(void **state)
{
	static const struct {
		const char *wrong, *right;
	} names[] = {
		{ "DEVICE_NAME", "IFACE" },
		{ "FORK_SAVE", "FORK_SAFE" },
		{ "IFCAE", "IFACE" },
		{ "USE_HUGEPAGE", "USE_HUGE_PAGE" },
		{ "SHM_TRANSFER", "ENABLE_SHM_TRANSFER" },
		{ "ENABLE_SHM", "ENABLE_SHM_TRANSFER" },
		{ "MAX_CACHED_COUNT", "MR_MAX_CACHED_COUNT" },
		{ "INTER_MIN_READ_WRITE_SIZES", "INTER_MIN_READ_WRITE_SIZE" },
		{ "disable_shm", "ENABLE_SHM_TRANSFER" },
	};
	char longest[4096];

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		assert_non_null(efa_variable_nearest(names[i].wrong));
		assert_string_equal(efa_variable_nearest(names[i].wrong), names[i].right);
		assert_non_null(efa_variable_first(names[i].right));
	}
	assert_null(efa_variable_nearest("SOMETHING_ELSE"));
	assert_null(efa_variable_nearest(""));
	assert_null(efa_variable_nearest("X"));
	memset(longest, 'A', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = '\0';
	assert_null(efa_variable_nearest(longest));
	longest[63] = '\0';
	assert_null(efa_variable_nearest(longest));
}

static void value_aborts_where_libfabric_does(void **state)
{
	static const struct {
		const char *name;
		uint32_t release;
		const char *value;
		int rdma;
		bool aborts;
	} cases[] = {
		{ "MTU_SIZE", R(1, 17, 0), "1500", -1, false },
		{ "MTU_SIZE", R(2, 1, 0), "", -1, true },
		{ "TX_MIN_CREDITS", R(1, 17, 0), "0", -1, false },
		{ "TX_MIN_CREDITS", R(1, 18, 0), "0", -1, true },
		{ "TX_MIN_CREDITS", R(1, 18, 0), "0x10", -1, false },
		{ "TX_MIN_CREDITS", R(1, 18, 0), "-1", -1, true },
		{ "TX_MIN_CREDITS", R(1, 18, 0), "32x", -1, false },
		/* It becomes an int, and that one is 0. */
		{ "TX_MIN_CREDITS", R(1, 18, 0), "4294967296", -1, true },
		{ "IFACE", R(2, 0, 0), "", -1, true },
		{ "IFACE", R(2, 0, 0), "all", -1, false },
		{ "USE_DEVICE_RDMA", R(1, 17, 0), "1", 0, true },
		{ "USE_DEVICE_RDMA", R(1, 17, 0), "true", 0, false },
		{ "USE_DEVICE_RDMA", R(1, 18, 0), "true", 0, true },
		{ "USE_DEVICE_RDMA", R(1, 18, 0), "true", 1, false },
		{ "USE_DEVICE_RDMA", R(1, 18, 0), "true", -1, false },
		{ "USE_DEVICE_RDMA", R(1, 18, 0), "OFF", 0, false },
		{ "USE_DEVICE_RDMA", R(1, 18, 0), "", 1, true },
		{ "CQ_SIZE", R(2, 1, 0), "rubbish", 0, false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_int_equal(
			efa_value_aborts(efa_variable_find(cases[i].name, cases[i].release),
					 cases[i].value, cases[i].rdma),
			cases[i].aborts);
}

static void value_fits_what_libfabric_reads(void **state)
{
	const struct efa_variable *number = efa_variable_find("CQ_SIZE", 0);
	const struct efa_variable *yes_no = efa_variable_find("FORK_SAFE", 0);

	(void)state;
	assert_true(efa_value_fits(number, "8192") && efa_value_fits(number, "0x2000") &&
		    efa_value_fits(number, "-1"));
	assert_false(efa_value_fits(number, "") || efa_value_fits(number, "8k") ||
		     efa_value_fits(number, "true"));
	assert_true(efa_value_fits(yes_no, "Yes") && efa_value_fits(yes_no, "oFF"));
	assert_false(efa_value_fits(yes_no, "") || efa_value_fits(yes_no, "2") ||
		     efa_value_fits(yes_no, "yes "));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rows_of_a_name_follow_each_other),
		cmocka_unit_test(release_is_read_from_what_libraries_say),
		cmocka_unit_test(meaning_of_a_name_is_that_of_its_release),
		cmocka_unit_test(wrong_name_leads_to_the_one_that_was_meant),
		cmocka_unit_test(value_aborts_where_libfabric_does),
		cmocka_unit_test(value_fits_what_libfabric_reads),
	};

	return cmocka_run_group_tests_name("efa variables", tests, NULL, NULL);
}
