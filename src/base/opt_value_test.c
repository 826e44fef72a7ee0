/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>
#include <weft/weft.h>

#include "base/clock.h"
#include "base/opt.h"

static void hostile_text_stays_one_short_line(void **state)
{
	char big[400], quoted[OPT_QUOTE_MAX];

	(void)state;
	assert_string_equal(opt_quote("a\nb\x1b[0m", quoted), "'a?b?[0m'");
	memset(big, 'x', sizeof(big) - 1);
	big[sizeof(big) - 1] = '\0';
	opt_quote(big, quoted);
	assert_int_equal(strlen(quoted), OPT_QUOTE_MAX - 1);
	assert_string_equal(quoted + strlen(quoted) - 4, "...'");
}

static void scaled_values_read_and_print(void **state)
{
	char text[OPT_NAME_MAX];
	uint64_t value;

	(void)state;
	assert_int_equal(opt_scaled(OPT_TYPE_size, "16EiB", &value), -EINVAL);
	assert_int_equal(opt_scaled(OPT_TYPE_size, "18446744073709551615", &value), 0);
	assert_true(value == UINT64_MAX);
	assert_int_equal(opt_scaled(OPT_TYPE_size, "18446744073709551615.1K", &value), -ERANGE);
	assert_int_equal(opt_scaled(OPT_TYPE_size, "100000000000000000000000000", &value), -ERANGE);
	assert_int_equal(opt_scaled(OPT_TYPE_size, "4kib", &value), 0);
	assert_int_equal(value, 4096);
	assert_int_equal(opt_scaled(OPT_TYPE_duration, "1.5", &value), 0);
	assert_int_equal(value, 1500 * NSEC_PER_MSEC);
	assert_int_equal(opt_scaled(OPT_TYPE_duration, "1S", &value), -EINVAL);
	assert_int_equal(opt_scaled(OPT_TYPE_duration, "0.000000001s", &value), 0);
	assert_int_equal(value, 1);
	assert_string_equal(opt_scaled_text(OPT_TYPE_size, 4 << 20, text), "4MiB");
	assert_string_equal(opt_scaled_text(OPT_TYPE_size, 1000, text), "1000B");
	assert_string_equal(opt_scaled_text(OPT_TYPE_size, 0, text), "0B");
	assert_string_equal(opt_scaled_text(OPT_TYPE_duration, 1500 * NSEC_PER_MSEC, text),
			    "1500ms");
	assert_string_equal(opt_scaled_text(OPT_TYPE_duration, 7200 * NSEC_PER_SEC, text), "2h");
}

static void what_is_allowed_is_told_in_the_units_of_the_type(void **state)
{
	const struct opt_row sizes = { .type = OPT_TYPE_sizes, .min = 512, .max = 1 << 30 };
	const struct opt_row time = { .type = OPT_TYPE_duration, .min = NSEC_PER_MSEC };
	const struct opt_row any = { .type = OPT_TYPE_u64 };
	const struct opt_row choice = { .type = OPT_TYPE_choice, .metavar = "a|b" };
	char text[64];

	(void)state;
	assert_string_equal(opt_allowed(&sizes, text, sizeof(text)), "512B..1GiB");
	assert_string_equal(opt_allowed(&time, text, sizeof(text)), "at least 1ms");
	assert_string_equal(opt_allowed(&any, text, sizeof(text)), "");
	assert_string_equal(opt_allowed(&choice, text, sizeof(text)), "a|b");
	assert_string_equal(opt_allowed(&choice, text, 3), "a|");
}

static void a_refused_value_leaves_the_field_alone(void **state)
{
	const struct opt_row number = { .type = OPT_TYPE_u32, .max = UINT64_MAX };
	const struct opt_row choice = { .type = OPT_TYPE_choice, .metavar = "a|b" };
	uint32_t value = 7;

	(void)state;
	assert_int_equal(opt_value(&number, "4294967296", &value), -EINVAL);
	assert_int_equal(opt_value(&number, "", &value), -EINVAL);
	assert_int_equal(opt_value(&choice, "", &value), -EINVAL);
	assert_int_equal(opt_value(&choice, "a|b", &value), -EINVAL);
	assert_int_equal(value, 7);
	assert_int_equal(opt_value(&number, "4294967295", &value), 0);
	assert_true(value == UINT32_MAX);
	assert_int_equal(opt_value(&choice, "b", &value), 0);
	assert_int_equal(value, 1);
}

static void a_suggestion_is_made_only_for_a_slip(void **state)
{
	const char *near = NULL;
	uint32_t distance = 0;

	(void)state;
	near = opt_nearest("serevr", "server", near, &distance);
	assert_string_equal(near, "server");
	near = opt_nearest("serevr", "serevr2", near, &distance);
	assert_string_equal(near, "serevr2"); /* nearer */
	assert_null(opt_nearest("x", "memory", NULL, &distance));
	assert_null(opt_nearest("", "kv", NULL, &distance));
	assert_string_equal(opt_nearest("mem", "memory-mb", NULL, &distance), "memory-mb");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(hostile_text_stays_one_short_line),
		cmocka_unit_test(scaled_values_read_and_print),
		cmocka_unit_test(what_is_allowed_is_told_in_the_units_of_the_type),
		cmocka_unit_test(a_refused_value_leaves_the_field_alone),
		cmocka_unit_test(a_suggestion_is_made_only_for_a_slip),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
