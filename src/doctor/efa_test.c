/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "doctor/efa.h"

static void few_names_are_all_there(void **state)
{
	struct name_list list = { 0 };

	(void)state;
	assert_string_equal(name_list_text(&list), "");
	name_list_add(&list, "efa_0");
	assert_string_equal(name_list_text(&list), "efa_0");
	name_list_add(&list, "efa_1");
	assert_string_equal(name_list_text(&list), "efa_0, efa_1");
	assert_int_equal(list.count, 2);
}

static void many_names_are_counted(void **state)
{
	struct name_list list = { 0 };
	char name[16];

	(void)state;
	for (int i = 0; i < 32; i++) {
		snprintf(name, sizeof(name), "efa_%d", i);
		name_list_add(&list, name);
	}
	assert_string_equal(name_list_text(&list), "efa_0, efa_1, efa_2, efa_3 and 28 more");
	assert_int_equal(list.count, 32);
}

/* The longest that fit nowhere else: the count is still there. */
static void long_names_are_cut(void **state)
{
	struct name_list list = { 0 };
	char name[300];

	(void)state;
	memset(name, 'x', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	for (int i = 0; i < 5; i++)
		name_list_add(&list, name);
	assert_non_null(strstr(name_list_text(&list), " and 1 more"));
}

static void the_library_that_died_is_found(void **state)
{
	struct doctor doctor = {
		.probe = "libfabric=2.4.0\n"
			 "died=SIGKILL libibverbs did not answer within 4 s\n"
			 "xdied=SIGBUS libcuda\n"
			 "died=SIGABRT libfabric\n"
			 "end=ok\n",
	};
	char text[64], little[8];

	(void)state;
	assert_true(efa_died(&doctor, "libfabric", text, sizeof(text)));
	assert_string_equal(text, "SIGABRT libfabric");
	assert_true(efa_died(&doctor, "libibverbs", text, sizeof(text)));
	assert_string_equal(text, "SIGKILL libibverbs did not answer within 4 s");
	assert_false(efa_died(&doctor, "libcuda", text, sizeof(text)));
	assert_false(efa_died(&doctor, "libfabric", little, sizeof(little)));
	doctor.probe = "";
	assert_false(efa_died(&doctor, "libfabric", text, sizeof(text)));
	doctor.probe = NULL;
	assert_false(efa_died(&doctor, "libfabric", text, sizeof(text)));
}

static void every_generation_is_efa(void **state)
{
	struct host_nic nic = { .vendor = HOST_EFA_VENDOR };

	(void)state;
	for (nic.device = 0xefa0; nic.device <= 0xefaf; nic.device++)
		assert_true(efa_is_nic(&nic));
	nic.device = 0xec20;
	assert_false(efa_is_nic(&nic));
	nic = (struct host_nic){ .vendor = 0x15b3, .device = 0xefa1 };
	assert_false(efa_is_nic(&nic));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(few_names_are_all_there),
		cmocka_unit_test(many_names_are_counted),
		cmocka_unit_test(long_names_are_cut),
		cmocka_unit_test(the_library_that_died_is_found),
		cmocka_unit_test(every_generation_is_efa),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
