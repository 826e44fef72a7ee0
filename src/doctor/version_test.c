/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "doctor/version.h"
#include "host/nic.h"

static void texts_are_read(void **state)
{
	static const struct {
		const char *text;
		struct doctor_version version;
	} rows[] = {
		{ "3.1.0g", { 3, 1, 0 } },       { "2.17.3", { 2, 17, 3 } },
		{ "v2.4", { 2, 4, 0 } },         { "58.amzn0", { 58, 0, 0 } },
		{ "2.1.0amzn3.0", { 2, 1, 0 } }, { "rdma-core 61.0", { 61, 0, 0 } },
		{ "1.47.0.9", { 1, 47, 0 } },    { "7", { 7, 0, 0 } },
		{ "1.2.3456789", { 1, 2, 0 } },
	};
	struct doctor_version got;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		memset(&got, 0xff, sizeof(got));
		if (!doctor_version_parse(&got, rows[i].text) ||
		    doctor_version_compare(&got, &rows[i].version))
			fail_msg("'%s' is read as %u.%u.%u", rows[i].text, got.major, got.minor,
				 got.patch);
	}
}

static void what_is_no_version_is_none(void **state)
{
	static const char *const rows[] = { "", "absent", "v", "...", "99999999999999999999" };
	struct doctor_version got = { 1, 2, 3 };

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_false(doctor_version_parse(&got, rows[i]));
	assert_int_equal(got.major, 1);
}

static void order_is_by_number(void **state)
{
	static const char *const rising[] = { "0.9.0",  "1.9.0",   "1.10.0", "2.4.0",
					      "2.17.2", "2.17.3g", "3.0" };
	struct doctor_version a, b;

	(void)state;
	for (size_t i = 1; i < sizeof(rising) / sizeof(rising[0]); i++) {
		assert_true(doctor_version_parse(&a, rising[i - 1]));
		assert_true(doctor_version_parse(&b, rising[i]));
		assert_true(doctor_version_compare(&a, &b) < 0);
		assert_true(doctor_version_compare(&b, &a) > 0);
		assert_int_equal(doctor_version_compare(&a, &a), 0);
	}
}

/* Each generation has a row, newer ones in newer releases, whatever the architecture. */
static void rows_are_in_order(void **state)
{
	const struct efa_driver_row *row, *before = NULL;

	(void)state;
	for (uint32_t i = 1; i < efa_driver_rows_n; i++)
		assert_true(doctor_version_compare(&efa_driver_rows[i - 1].version,
						   &efa_driver_rows[i].version) < 0);
	for (uint32_t id = HOST_EFA_DEVICE_FIRST; id <= HOST_EFA_DEVICE_LAST; id++) {
		row = efa_driver_binds(id);
		assert_non_null(row);
		assert_true(row > before);
		before = row;
	}
	assert_null(efa_driver_binds(0));
	assert_null(efa_driver_binds(0xec20));
	assert_null(efa_driver_binds(HOST_EFA_DEVICE_LAST + 1));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(texts_are_read),
		cmocka_unit_test(what_is_no_version_is_none),
		cmocka_unit_test(order_is_by_number),
		cmocka_unit_test(rows_are_in_order),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
