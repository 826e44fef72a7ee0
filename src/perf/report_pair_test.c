/* SPDX-License-Identifier: Apache-2.0 */
/* Pairs, their verdicts, the tables of diff and compare. */
#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <weft/weft.h>

#include "perf/report.h"
#include "perf/report_pair.h"
#include "perf/report_planted.h"

static struct perf_report old_report, new_report;

static int plant(void **state)
{
	(void)state;
	perf_plant(&old_report, 0);
	perf_plant(&new_report, 0);
	return 0;
}

static int uproot(void **state)
{
	(void)state;
	perf_report_free(&old_report);
	perf_report_free(&new_report);
	return 0;
}

static char *diff(double tolerance, int wanted)
{
	char *text = NULL;
	size_t size;
	FILE *file = open_memstream(&text, &size);

	assert_non_null(file);
	assert_int_equal(perf_write_diff(&old_report, &new_report, tolerance, file), wanted);
	assert_int_equal(fclose(file), 0);
	for (const char *at = text; *at; at = strchr(at, '\n') + 1)
		assert_in_range(strcspn(at, "\n"), 0, 100);
	return text;
}

static void assert_has(const char *text, const char *part)
{
	if (!strstr(text, part))
		fail_msg("'%s' is not in:\n%s", part, text);
}

static const struct perf_pair *pair_of(const struct perf_pair *pairs, int n,
				       const struct perf_result *a)
{
	for (int i = 0; i < n; i++)
		if (pairs[i].a == a)
			return &pairs[i];
	fail();
	return NULL;
}

static struct perf_result *planted_bw(struct perf_report *report, const char *backend,
				      enum perf_op op)
{
	return perf_planted(report, backend, PERF_BW, op, 1048576);
}

static void equal_reports_do_not_differ(void **state)
{
	char *text = diff(0.05, 0);

	(void)state;
	assert_has(text, "Not worse: 0 of 26");
	assert_has(text, "no difference");
	assert_null(strstr(text, "WORSE"));
	/* The one that failed, and the one that was invalid, in both. */
	assert_has(text, "failed\n");
	assert_has(text, "INVALID\n");
	free(text);
}

static void a_slower_one_is_worse(void **state)
{
	struct perf_pair *pairs;
	const struct perf_pair *pair;
	char *text;
	int n;

	(void)state;
	perf_report_free(&new_report);
	perf_plant(&new_report, PLANTED_SLOWER);
	n = perf_pair(&old_report, &new_report, &pairs);
	assert_int_equal(n, old_report.results);
	pair = pair_of(pairs, n, planted_bw(&old_report, "fabric", PERF_WRITE));
	assert_ptr_equal(pair->b, planted_bw(&new_report, "fabric", PERF_WRITE));
	assert_float_equal(pair->ratio.median, 0.8, 0.001);
	assert_int_equal(pair->verdict, -1);
	pair = pair_of(pairs, n, planted_bw(&old_report, "tcp", PERF_SEND));
	assert_int_equal(pair->verdict, 0);
	free(pairs);
	text = diff(0.05, 1);
	assert_has(text, "WORSE: 12 of 26 are worse by more than 5.0 %");
	free(text);
	text = diff(0.25, 0);
	assert_has(text, "worse, tolerated");
	free(text);
}

static void less_time_is_better(void **state)
{
	struct perf_result *r = perf_planted(&new_report, "fabric", PERF_LAT, PERF_SEND, 8);
	struct perf_pair *pairs;
	const struct perf_pair *pair;
	int n;

	(void)state;
	for (uint32_t i = 0; i < r->runs; i++) {
		hist_reset(r->run[i].latency);
		hist_record_n(r->run[i].latency, 15500, 1000);
	}
	n = perf_pair(&old_report, &new_report, &pairs);
	assert_true(n > 0);
	pair = pair_of(pairs, n, perf_planted(&old_report, "fabric", PERF_LAT, PERF_SEND, 8));
	assert_float_equal(pair->ratio.median, 2, 0.01);
	assert_int_equal(pair->verdict, 1);
	free(pairs);
}

static void a_figure_that_is_gone_is_worse(void **state)
{
	char *text;

	(void)state;
	planted_bw(&new_report, "tcp", PERF_SEND)->error = -EIO;
	text = diff(0.05, 1);
	assert_has(text, "WORSE: 1 of 26");
	free(text);
	planted_bw(&new_report, "tcp", PERF_SEND)->error = 0;
	planted_bw(&new_report, "tcp", PERF_SEND)->invalid = true;
	free(diff(0.05, 1));
	planted_bw(&old_report, "tcp", PERF_SEND)->invalid = true;
	free(diff(0.05, 0));
}

static void few_repeats_cannot_be_told(void **state)
{
	char *text;

	(void)state;
	for (uint32_t i = 3; i < PLANTED_REPEATS; i++)
		planted_bw(&new_report, "tcp", PERF_SEND)->run[i].error = -EIO;
	text = diff(0.05, 0);
	assert_has(text, "cannot be told\n");
	assert_has(text, "1 cannot be told: repeat more often");
	free(text);
}

static void cases_of_one_report_only_are_named(void **state)
{
	char *text;

	(void)state;
	planted_bw(&new_report, "tcp", PERF_SEND)->c.window = 8;
	text = diff(0.05, 0);
	assert_has(text, "only in the old one: bw send over TCP, 1048576 bytes");
	assert_has(text, "only in the new one: bw send over TCP, 1048576 bytes");
	assert_has(text, "2 cases stand in one of the two files only");
	free(text);
	for (uint32_t i = 0; i < new_report.results; i++)
		new_report.result[i].c.threads = 2;
	text = diff(0.05, -EINVAL);
	assert_has(weft_error_detail(), "no case in common");
	free(text);
}

/* Equal cases keep their order: the second one's twin is the second one. */
static void repeated_cases_pair_in_order(void **state)
{
	struct perf_pair *pairs;
	int n;

	(void)state;
	for (int i = 0; i < 2; i++) {
		new_report.result[i].c = old_report.result[i].c = new_report.result[0].c;
	}
	n = perf_pair(&old_report, &new_report, &pairs);
	assert_true(n > 2);
	assert_ptr_equal(pairs[0].b, &new_report.result[0]);
	assert_ptr_equal(pairs[1].b, &new_report.result[1]);
	free(pairs);
}

static char *compare(const char *a, const char *b, int wanted)
{
	char *text = NULL;
	size_t size;
	FILE *file = open_memstream(&text, &size);

	assert_non_null(file);
	assert_int_equal(perf_write_compare(&old_report, a, b, file), wanted);
	assert_int_equal(fclose(file), 0);
	for (const char *at = text; *at; at = strchr(at, '\n') + 1)
		assert_in_range(strcspn(at, "\n"), 0, 100);
	return text;
}

static void compare_sets_back_ends_against_each_other(void **state)
{
	static const char *const names[] = { "fabric", "fabric:efa", "efa", "EFA" };
	char *text;

	(void)state;
	for (int i = 0; i < 4; i++) {
		text = compare(names[i], "tcp", 0);
		/* Half the bandwidth, more than twice the time, a quarter of the messages. */
		assert_has(text, "1048576    47.81    23.90 Gb/s   0.500 [0.");
		assert_has(text, "EFA better\n");
		assert_null(strstr(text, "TCP better"));
		assert_has(text, "8    31.00    72.00 us     0.43");
		assert_has(text, "8    4.000    0.900 Mop/s  0.225");
		free(text);
	}
	text = compare("tcp", "fabric", 0);
	assert_has(text, "1048576    23.90    47.81 Gb/s   2.000 [");
	free(text);
	text = compare("tcp", "weft", -EINVAL);
	assert_has(weft_error_detail(), "over both 'tcp' and 'weft'");
	free(text);
}

static void back_ends_of_one_report_pair(void **state)
{
	struct perf_pair *pairs;
	int n = perf_pair_inside(&old_report, &pairs);

	(void)state;
	assert_int_equal(n, 8); /* six sizes, latency, message rate */
	for (int i = 0; i < n; i++) {
		assert_string_equal(pairs[i].a->c.backend, "fabric");
		assert_string_equal(pairs[i].b->c.backend, "tcp");
		assert_int_equal(pairs[i].verdict, -1);
	}
	free(pairs);
}

int main(void)
{
#define TEST_OF(name) cmocka_unit_test_setup_teardown(name, plant, uproot)
	const struct CMUnitTest tests[] = {
		TEST_OF(equal_reports_do_not_differ),
		TEST_OF(a_slower_one_is_worse),
		TEST_OF(less_time_is_better),
		TEST_OF(a_figure_that_is_gone_is_worse),
		TEST_OF(few_repeats_cannot_be_told),
		TEST_OF(cases_of_one_report_only_are_named),
		TEST_OF(repeated_cases_pair_in_order),
		TEST_OF(compare_sets_back_ends_against_each_other),
		TEST_OF(back_ends_of_one_report_pair),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
