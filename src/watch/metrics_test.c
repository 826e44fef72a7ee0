/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "watch/metrics.h"

static char *text;
static size_t len;

static FILE *begin(void)
{
	free(text);
	text = NULL;
	return open_memstream(&text, &len);
}

static void end_is(FILE *out, const char *wanted)
{
	fclose(out);
	assert_string_equal(text, wanted);
}

static bool ends_with(const char *name, const char *end)
{
	size_t at = strlen(name);

	return at > strlen(end) && !strcmp(name + at - strlen(end), end);
}

/* Prometheus' rules for names, and what docs and dashboards rely on. */
static void the_table_is_sound(void **state)
{
	const struct metric *row;

	(void)state;
	for (row = metrics; row < metrics + METRICS; row++) {
		assert_non_null(row->name);
		assert_true(**row->help);
		if (strncmp(row->name, "weft_", 5) ||
		    strspn(row->name, "abcdefghijklmnopqrstuvwxyz_") != strlen(row->name))
			fail_msg("%s: a name has small letters and begins with weft_", row->name);
		if ((row->type == METRIC_counter) != ends_with(row->name, "_total"))
			fail_msg("%s: counters end with _total, others do not", row->name);
		if (strstr(row->name, "_counter_") || strstr(row->name, "_gauge"))
			fail_msg("%s: a name does not tell the type", row->name);
		if (row->type == METRIC_counter && row->scale < 1)
			fail_msg("%s: a counter keeps all its digits", row->name);
		for (const struct metric *other = metrics; other < row; other++)
			if (!strcmp(other->name, row->name) ||
			    (row->counter && other->counter &&
			     !strcmp(other->counter, row->counter)))
				fail_msg("%s stands twice", row->name);
	}
}

static void samples_are_written_as_the_format_says(void **state)
{
	const char *two[] = { "efa_0", "odd" }, *kind[] = { "read" };
	FILE *out = begin();

	(void)state;
	metric_head(out, METRIC_KV_gets);
	metric_u64(out, METRIC_KV_gets, NULL, UINT64_MAX);
	metric_u64(out, METRIC_nic_other, two, 7);
	end_is(out, "# HELP weft_kv_gets_total GET requests\n# TYPE weft_kv_gets_total counter\n"
		    "weft_kv_gets_total 18446744073709551615\n"
		    "weft_nic_other_total{device=\"efa_0\",counter=\"odd\"} 7\n");
	out = begin();
	metric_part(out, METRIC_transfer_seconds, kind, "", "0.99", 0.25);
	metric_part(out, METRIC_transfer_seconds, kind, "_count", NULL, 3);
	end_is(out, "weft_engine_transfer_seconds{kind=\"read\",quantile=\"0.99\"} 0.25\n"
		    "weft_engine_transfer_seconds_count{kind=\"read\"} 3\n");
}

static void scales_are_kept_to(void **state)
{
	const char *device[] = { "mlx5_0" };
	FILE *out = begin();

	(void)state;
	metric_u64(out, METRIC_NIC_port_xmit_data, device, 10);
	metric_u64(out, METRIC_KV_uptime_ms, NULL, 1500);
	metric_real(out, METRIC_read_seconds, NULL, INFINITY);
	metric_real(out, METRIC_read_seconds, NULL, NAN);
	end_is(out, "weft_nic_port_transmitted_bytes_total{device=\"mlx5_0\"} 40\n"
		    "weft_kv_uptime_seconds 1.5\nweft_nic_read_seconds +Inf\n"
		    "weft_nic_read_seconds NaN\n");
}

static void what_files_hold_cannot_break_a_line(void **state)
{
	const char *values[] = { "a\"b\\c\nd\x01\xff" };
	FILE *out = begin();

	(void)state;
	metric_u64(out, METRIC_nic_up, values, 1);
	end_is(out, "weft_nic_up{device=\"a\\\"b\\\\c\\nd??\"} 1\n");
}

static void a_counter_finds_its_metric(void **state)
{
	(void)state;
	assert_int_equal(metric_of_counter("rx_drops"), METRIC_NIC_rx_drops);
	assert_int_equal(metrics[METRIC_NIC_rx_drops].role, ROLE_DROPS);
	assert_int_equal(metric_of_counter("gets"), -1);
	assert_int_equal(metric_of_counter(""), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_table_is_sound),
		cmocka_unit_test(samples_are_written_as_the_format_says),
		cmocka_unit_test(scales_are_kept_to),
		cmocka_unit_test(what_files_hold_cannot_break_a_line),
		cmocka_unit_test(a_counter_finds_its_metric),
	};
	int rc = cmocka_run_group_tests(tests, NULL, NULL);

	free(text);
	return rc;
}
