/* SPDX-License-Identifier: Apache-2.0 */
/* JSON there and back; what a reader must refuse. */
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include <weft/weft.h>

#include "perf/report.h"
#include "perf/report_planted.h"
#include "perf/report_read.h"

static char *json_of(const struct perf_report *report, size_t *ret_len)
{
	char *text = NULL;
	FILE *file = open_memstream(&text, ret_len);

	assert_non_null(file);
	assert_int_equal(perf_write_json(report, file), 0);
	assert_int_equal(fclose(file), 0);
	return text;
}

static void assert_same_hist(const struct hist *a, const struct hist *b)
{
	assert_int_equal(!a, !b);
	if (a)
		assert_memory_equal(a, b, sizeof(*a));
}

static void assert_same_median(const struct perf_median *a, const struct perf_median *b)
{
	assert_true(a->median == b->median || (isnan(a->median) && isnan(b->median)));
	assert_true(a->low == b->low || (isnan(a->low) && isnan(b->low)));
	assert_true(a->high == b->high || (isnan(a->high) && isnan(b->high)));
	assert_true(a->cv == b->cv || (isnan(a->cv) && isnan(b->cv)));
	assert_int_equal(a->n, b->n);
}

static void assert_same_run(const struct perf_run *a, const struct perf_run *b)
{
	assert_memory_equal(&a->here, &b->here, sizeof(a->here));
	assert_memory_equal(&a->there, &b->there, sizeof(a->there));
	assert_int_equal(a->warm_ns, b->warm_ns);
	assert_int_equal(a->warm_ops, b->warm_ops);
	assert_int_equal(a->warm_stable, b->warm_stable);
	assert_int_equal(a->late, b->late);
	assert_int_equal(a->duplicates, b->duplicates);
	assert_int_equal(a->error, b->error);
	assert_string_equal(a->why, b->why);
	assert_same_hist(a->latency, b->latency);
	assert_same_hist(a->closed, b->closed);
	assert_int_equal(a->slices, b->slices);
	assert_int_equal(a->slice_ns, b->slice_ns);
	if (a->slice)
		assert_memory_equal(a->slice, b->slice, a->slices * sizeof(*a->slice));
}

static void assert_same_result(const struct perf_result *a, const struct perf_result *b)
{
	assert_memory_equal(&a->c, &b->c, sizeof(a->c));
	assert_same_median(&a->rate, &b->rate);
	assert_same_median(&a->ops, &b->ops);
	assert_same_median(&a->p50, &b->p50);
	assert_same_hist(a->latency, b->latency);
	assert_same_hist(a->closed, b->closed);
	assert_true(a->wanted == b->wanted);
	assert_true(a->reached == b->reached && a->drifts == b->drifts &&
		    a->bimodal == b->bimodal && a->invalid == b->invalid);
	assert_int_equal(a->error, b->error);
	assert_string_equal(a->why, b->why);
	assert_int_equal(a->flags, b->flags);
	for (uint32_t i = 0; i < a->flags; i++) {
		assert_string_equal(a->flag[i].gate, b->flag[i].gate);
		assert_int_equal(a->flag[i].how, b->flag[i].how);
		assert_string_equal(a->flag[i].why, b->flag[i].why);
	}
	assert_int_equal(a->runs, b->runs);
	for (uint32_t i = 0; i < a->runs; i++)
		assert_same_run(&a->run[i], &b->run[i]);
}

static void assert_same_env(const struct perf_env *a, const struct perf_env *b)
{
	assert_true(a->line_rate == b->line_rate);
	assert_int_equal(a->facts, b->facts);
	assert_memory_equal(a->fact, b->fact, a->facts * sizeof(*a->fact));
}

static void assert_comes_back(int how)
{
	struct perf_report report, back;
	char *text, *again;
	size_t len, len_again;

	perf_plant(&report, how);
	report.result[0].drifts = report.result[1].bimodal = true;
	report.result[2].c.rate = 0.1;
	text = json_of(&report, &len);
	assert_int_equal(perf_read_json_text(&back, "it", text, len), 0);
	assert_string_equal(report.command, back.command);
	assert_string_equal(report.started, back.started);
	assert_true(report.emulated == back.emulated && report.interrupted == back.interrupted);
	assert_same_env(&report.here, &back.here);
	assert_same_env(&report.there, &back.there);
	assert_int_equal(report.results, back.results);
	for (uint32_t i = 0; i < report.results; i++)
		assert_same_result(&report.result[i], &back.result[i]);
	again = json_of(&back, &len_again);
	assert_string_equal(text, again);
	free(text);
	free(again);
	perf_report_free(&report);
	perf_report_free(&back);
}

static void what_is_written_reads_back_the_same(void **state)
{
	(void)state;
	assert_comes_back(0);
	assert_comes_back(PLANTED_HOSTILE);
	assert_comes_back(PLANTED_EMULATED);
}

/* A report of two results: small enough to try much with. */
static char *small_json(size_t *ret_len)
{
	struct perf_report report;
	struct perf_result *all;
	uint32_t results;
	char *text;

	perf_plant(&report, 0);
	all = report.result;
	results = report.results;
	for (uint32_t i = 0; i < results; i++)
		if (all[i].c.test == PERF_LAT && all[i].runs > 1) {
			report.result = &all[i];
			break;
		}
	report.results = 1;
	text = json_of(&report, ret_len);
	report.result = all;
	report.results = results;
	perf_report_free(&report);
	return text;
}

static void assert_refused(const char *text, const char *why)
{
	struct perf_report report;

	assert_int_equal(perf_read_json_text(&report, "old.json", text, strlen(text)), -EINVAL);
	if (!strstr(weft_error_detail(), why) || strncmp(weft_error_detail(), "old.json: ", 10))
		fail_msg("'%s' is not in: %s", why, weft_error_detail());
}

/* text with the first old in it replaced. */
static char *with(const char *text, const char *old, const char *new)
{
	const char *at = strstr(text, old);
	char *ret = malloc(strlen(text) + strlen(new) + 1);

	if (!at)
		fail_msg("'%s' is not there", old);
	assert_non_null(ret);
	snprintf(ret, strlen(text) + strlen(new) + 1, "%.*s%s%s", (int)(at - text), text, new,
		 at + strlen(old));
	return ret;
}

static const struct {
	const char *old, *new, *why;
} damages[] = {
	{ "\"schema\":\"weft-perf-report\"", "\"schema\":\"iperf3\"", "no report of weft perf" },
	{ "\"version\":1", "\"version\":2",
	  "version 2 of the schema, this weft perf knows up to 1" },
	{ "\"version\":1", "\"version\":0", "version 0" },
	{ "\"version\":1", "\"version\":\"x\"", "version is not a whole number" },
	{ "\"started\"", "\"startled\"", "has no \"started\"" },
	{ "\"emulated\":false", "\"emulated\":0", "emulated is neither true nor false" },
	{ "\"test\":\"lat\"", "\"test\":\"frobnicate\"",
	  "results[0].case.test is 'frobnicate', which this program does not know" },
	{ "\"window\":1", "\"window\":-1", "results[0].case.window is not a whole number" },
	{ "\"window\":1", "\"window\":4294967296", "is more than 4294967295" },
	{ "\"size\":8", "\"size\":1.5", "case.size is not a whole number" },
	{ "\"seed\":\"18446744073709551609\"", "\"seed\":\"18446744073709551616\"",
	  "is too large" },
	{ "\"seed\":\"18446744073709551609\"", "\"seed\":\"12x\"", "is not a whole number" },
	{ "\"rate_bytes_per_s\":{", "\"rate_bytes_per_s\":[],\"x\":{", "is no object" },
	{ "\"flags\":[]", "\"flags\":{}", "flags is no list" },
	{ "\"flags\":[]", "\"flags\":[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1]",
	  "has more than 16 elements" },
	{ "\"error\":0", "\"error\":5", "is not a code" },
	{ "\"command\":\"", "\"command\":7,\"x\":\"", "command is not a string" },
	{ "\"lows_ns\":[", "\"lows_ns\":[1,", "minimum outside its buckets" },
	{ "\"lows_ns\":[", "\"lows_ns\":[400001,", "begins amiss" },
	{ "\"counts\":[", "\"counts\":[0,", "do not add up" },
	{ "\"counts\":[", "\"counts\":[18014398509481984,", "is not a whole number" },
	{ "\"max_ns\":500000", "\"max_ns\":5000000", "maximum outside its buckets" },
	{ "\"sum_ns\":\"", "\"sum_ns\":\"9999999999", "sum_ns that cannot be" },
	{ "\"latency\":{", "\"latency\":3,\"x\":{", "is no histogram" },
};

static void damage_is_named_with_its_place(void **state)
{
	size_t len;
	char *text = small_json(&len);

	(void)state;
	for (size_t i = 0; i < sizeof(damages) / sizeof(damages[0]); i++) {
		char *damaged = with(text, damages[i].old, damages[i].new);

		assert_refused(damaged, damages[i].why);
		free(damaged);
	}
	free(text);
}

static void cut_off_files_are_refused(void **state)
{
	size_t len, at;
	char *text = small_json(&len);

	(void)state;
	for (at = len - 2; at > 0; at = at > 4096 ? at - at / 7 : at / 3 * 2) {
		text[at] = '\0';
		assert_refused(text, text[at - 1] == '}' ? "is no JSON" : "is cut off");
	}
	assert_refused("", "is no JSON");
	assert_refused("bytes iters total\n64 1k 64k\n", "is no JSON");
	assert_refused("[]", "no report of weft perf");
	free(text);
}

static void files_that_cannot_be_reports_are_refused(void **state)
{
	char path[] = "/tmp/perf_report_json_test.XXXXXX";
	int fd = mkstemp(path);
	struct perf_report report;
	char *text;
	size_t len;

	(void)state;
	assert_true(fd >= 0);
	text = small_json(&len);
	assert_int_equal(write(fd, text, len), len);
	assert_int_equal(perf_read_json(&report, path), 0);
	assert_int_equal(report.results, 1);
	perf_report_free(&report);
	assert_int_equal(ftruncate(fd, (off_t)PERF_READ_BYTES_MAX + 1), 0);
	assert_int_equal(perf_read_json(&report, path), -EINVAL);
	assert_non_null(strstr(weft_error_detail(), "larger than any report (268 MB)"));
	assert_int_equal(perf_read_json(&report, "/nonexistent/x"), -ENOENT);
	assert_non_null(strstr(weft_error_detail(), "/nonexistent/x: cannot be opened"));
	assert_int_equal(perf_read_json(&report, "/tmp"), -EISDIR);
	close(fd);
	unlink(path);
	free(text);
}

/* Bytes that are no UTF-8 come back longer: what does not fit is cut between characters. */
static void text_that_is_no_utf8_still_reads_back(void **state)
{
	struct perf_report report, back;
	char *text;
	size_t len;

	(void)state;
	perf_plant(&report, 0);
	memset(report.result[0].why, '\xff', PERF_TEXT_MAX - 1);
	text = json_of(&report, &len);
	assert_int_equal(perf_read_json_text(&back, "it", text, len), 0);
	assert_int_equal(strlen(back.result[0].why), 255);
	assert_int_equal(strspn(back.result[0].why, "\xef\xbf\xbd"), 255);
	free(text);
	perf_report_free(&report);
	perf_report_free(&back);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_written_reads_back_the_same),
		cmocka_unit_test(damage_is_named_with_its_place),
		cmocka_unit_test(cut_off_files_are_refused),
		cmocka_unit_test(files_that_cannot_be_reports_are_refused),
		cmocka_unit_test(text_that_is_no_utf8_still_reads_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
