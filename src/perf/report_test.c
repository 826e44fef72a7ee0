/* SPDX-License-Identifier: Apache-2.0 */
/* The writers for people and for foreign parsers, on a report whose figures are known. */
#include "perf/report.h"

#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include <weft/weft.h>

#include "host/instance.h"
#include "perf/env.h"
#include "perf/report_figures.h"
#include "perf/report_planted.h"
#include "perf/report_text.h"

typedef int perf_writer(const struct perf_report *, FILE *);

static perf_writer *const writers[] = { perf_write_table,    perf_write_json,     perf_write_csv,
					perf_write_fabtests, perf_write_perftest, perf_write_html };
enum {
	WRITERS = sizeof(writers) / sizeof(writers[0])
};

static char *text_of(perf_writer *write, const struct perf_report *report)
{
	char *text = NULL;
	size_t size;
	FILE *file = open_memstream(&text, &size);

	assert_non_null(file);
	assert_int_equal(write(report, file), 0);
	assert_int_equal(fclose(file), 0);
	return text;
}

static char *planted_text(perf_writer *write, int how)
{
	struct perf_report report;
	char *text;

	perf_plant(&report, how);
	text = text_of(write, &report);
	perf_report_free(&report);
	return text;
}

static void assert_has(const char *text, const char *part)
{
	if (!strstr(text, part))
		fail_msg("'%s' is not in:\n%s", part, text);
}

/* Wherever lines were broken. */
static void assert_says(const char *text, const char *part)
{
	char *plain = strdup(text), *to = plain;

	assert_non_null(plain);
	for (const char *at = text; *at; at++)
		if (*at == '\n' || *at == ' ')
			to = to > plain && to[-1] == ' ' ? to : strcpy(to, " ") + 1;
		else
			*to++ = *at;
	*to = '\0';
	assert_has(plain, part);
	free(plain);
}

static void assert_narrow(const char *text)
{
	for (const char *end; *text; text = end + 1) {
		end = strchr(text, '\n');
		assert_non_null(end);
		if (end - text > PERF_COLUMNS)
			fail_msg("%d columns: %.*s", (int)(end - text), (int)(end - text), text);
		for (const char *at = text; at < end; at++)
			assert_in_range(*at, 0x20, 0x7e);
	}
}

static void the_table_says_all_that_matters(void **state)
{
	char *text = planted_text(perf_write_table, 0), part[512];
	const struct perf_flag flag = { .gate = "above_line_rate" };

	(void)state;
	assert_narrow(text);
	assert_null(strstr(text, "EMULATED"));
	assert_has(text, "1 of 26 results are INVALID");
	assert_has(text, "10^9 bytes each second");
	assert_has(text, "line rate 50.00 Gb/s (6.250 GB/s)");
	snprintf(part, sizeof(part), "typical: m6i.metal: 50.00 Gb/s over 1 NICs; %s",
		 host_instance_find("m6i.metal")->note);
	assert_says(text, part);
	/* 6 GB/s * 256/257: median, interval, operations, share of the line. */
	assert_has(text, "   1048576    10     47.81     5.976 [47.57, 48.05]");
	assert_has(text, "95.6 %");
	assert_says(text, "65536 bytes: INVALID above_line_rate: 12.5 GB/s is above");
	assert_true(*perf_remedy(&flag));
	snprintf(part, sizeof(part), "Remedy: %s", perf_remedy(&flag));
	assert_says(text, part);
	assert_says(text, "5.5 % of the median to either side, 2.0 % was asked for: not reached");
	assert_says(text, "repeat 4 failed: the peer has gone");
	assert_says(text, "FAILED: 12 packets were sent again");
	assert_has(text, "half of it    15.50");
	assert_has(text, "500.0\n"); /* the one sample that took 500 us */
	free(text);
}

static void percentiles_without_samples_are_not_told(void **state)
{
	struct perf_report report, only;
	struct perf_result *r;
	char *text;

	(void)state;
	perf_plant(&report, 0);
	r = perf_planted(&report, "fabric", PERF_LAT, PERF_SEND, 8);
	free(r->latency);
	r->latency = calloc(1, sizeof(*r->latency));
	assert_non_null(r->latency);
	hist_record_n(r->latency, 30000, 1000);
	only = report;
	only.result = r;
	only.results = 1;
	text = text_of(perf_write_table, &only);
	assert_has(text, "   30.00      n/a      n/a      n/a     30.00\n");
	free(text);
	text = text_of(perf_write_perftest, &only);
	assert_has(text, "0.00   \t\tnan     \t\tnan    \n");
	free(text);
	perf_report_free(&report);
}

static void emulated_devices_are_said_first(void **state)
{
	char *text = planted_text(perf_write_table, PLANTED_EMULATED);

	(void)state;
	assert_narrow(text);
	assert_int_equal(
		strncmp(text, "!! EMULATED DEVICES: no figure here says anything about EFA", 59),
		0);
	assert_has(text, "!! INTERRUPTED");
	assert_has(text, "bw send over emulated EFA");
	assert_null(strstr(text, "typical:"));
	assert_null(strstr(text, "95.6 %"));
	free(text);
}

static void hostile_text_cannot_steer_a_terminal(void **state)
{
	char *text = planted_text(perf_write_table, PLANTED_HOSTILE);

	(void)state;
	assert_narrow(text);
	assert_has(text, "?[31m");
	free(text);
}

static void costs_are_of_both_ends(void **state)
{
	struct perf_report report;
	struct perf_cost here, there;

	(void)state;
	perf_plant(&report, 0);
	perf_costs(perf_planted(&report, "fabric", PERF_RATE, PERF_SEND, 8), &here, &there);
	/* Ten repeats of a second: 40 million operations of 8 bytes, 1 s of the process each. */
	assert_float_equal(here.process_us_per_op, 0.25, 1e-6);
	assert_float_equal(here.process_s_per_gb, 31.25, 1e-4);
	assert_float_equal(here.softirq_s_per_gb, 15.625, 1e-4);
	assert_float_equal(there.machine_us_per_op, 0.75, 1e-6);
	perf_report_free(&report);
}

static void csv_has_the_columns_of_the_guide(void **state)
{
	char *text = planted_text(perf_write_csv, 0), *line;

	(void)state;
	assert_int_equal(strncmp(text,
				 "Message Size (bytes),EFA Bandwidth (GB/s),TCP Bandwidth (GB/s),"
				 "EFA Latency (us),TCP Latency (us),EFA Message Rate (msg/s),"
				 "TCP Message Rate (msg/s),Operation,Status\n",
				 strcspn(text, "\n") + 1),
			 0);
	assert_has(text, "\n8,,,15.5,36,4000000,900000,send,\"ok\"\n");
	assert_has(text, "\n1048576,5.97583,2.98739,,,,,send,\"ok\"\n");
	assert_has(text, "\n65536,,,,,,,read,\"EFA Bandwidth (GB/s) INVALID\"\n");
	line = strstr(text, "\n65536,");
	assert_non_null(line);
	assert_int_equal(strncmp(line, "\n65536,5.6470", 13), 0);
	free(text);
	text = planted_text(perf_write_csv, PLANTED_HOSTILE);
	assert_null(strstr(text, ",=cmd"));
	assert_null(strstr(text, "\x1b"));
	free(text);
}

static void fabtests_columns_are_theirs(void **state)
{
	char *text = planted_text(perf_write_fabtests, PLANTED_EMULATED);

	(void)state;
	assert_int_equal(strncmp(text, "# !! EMULATED DEVICES", 21), 0);
	assert_has(text, "bytes   iters   total       time     MB/sec    usec/xfer   Mxfers/sec\n");
	assert_has(text, "\n8       40m     305m       10.00s     32.00       0.25       4.00\n");
	/* A message and its answer are two transfers. */
	assert_has(text, "\n8       200k    3m         10.00s      0.32      25.00       0.04\n");
	assert_has(text, "# bw read 65536 bytes is left out: INVALID: 12.5 GB/s");
	assert_has(text, "# setup write 8 bytes is left out: it failed: ");
	free(text);
}

static void perftest_columns_are_theirs_with_right_arithmetic(void **state)
{
	char *text = planted_text(perf_write_perftest, 0), *row;
	double min, max, typical, mean, sd, p99, p999;
	long size, count;

	(void)state;
	assert_has(text, " #bytes     #iterations    BW peak[MiB/sec]    BW average[MiB/sec]   "
			 "MsgRate[Mpps]\n");
	row = strstr(text, "t_typical[usec]");
	assert_non_null(row);
	row = strchr(row, '\n') + 1;
	assert_int_equal(sscanf(row, "%ld %ld %lf %lf %lf %lf %lf %lf %lf", &size, &count, &min,
				&max, &typical, &mean, &sd, &p99, &p999),
			 9);
	assert_int_equal(size, 8);
	assert_int_equal(count, 200010);
	/* Half a round trip: the true maximum is 500 us, ten times among all samples. */
	assert_float_equal(max, 250, 0.01);
	assert_float_equal(typical, 15.5, 0.1);
	assert_true(min < typical && mean > typical && sd > 1 && p99 < p999 && p999 < max);
	free(text);
}

static void a_full_disk_is_an_error_of_every_writer(void **state)
{
	struct perf_report report;

	(void)state;
	perf_plant(&report, 0);
	for (int i = 0; i < WRITERS; i++) {
		FILE *full = fopen("/dev/full", "w");

		assert_non_null(full);
		assert_int_equal(writers[i](&report, full), -EIO);
		assert_has(weft_error_detail(), "the report could not be written");
		fclose(full);
		assert_int_equal(perf_write_file(&report, "/dev/full", writers[i]), -EIO);
		assert_has(weft_error_detail(), "/dev/full: ");
	}
	perf_report_free(&report);
}

static int fails_midway(const struct perf_report *report, FILE *file)
{
	(void)report;
	fputs("half", file);
	return -EIO;
}

static int writes_word(const struct perf_report *report, FILE *file)
{
	(void)report;
	return fputs("whole", file) < 0 ? -EIO : 0;
}

static void assert_content(const char *path, const char *wanted)
{
	char text[64] = "";
	FILE *file = fopen(path, "r");

	assert_non_null(file);
	assert_true(fread(text, 1, sizeof(text) - 1, file) > 0);
	fclose(file);
	assert_string_equal(text, wanted);
}

static void a_file_appears_whole_or_not_at_all(void **state)
{
	struct perf_report report = { 0 };
	char dir[] = "/tmp/perf_report_test.XXXXXX", path[64], link[64], beside[64];
	struct stat st;

	(void)state;
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/report", dir);
	snprintf(link, sizeof(link), "%s/link", dir);
	snprintf(beside, sizeof(beside), "%s/none/report", dir);
	assert_int_equal(perf_write_file(&report, path, fails_midway), -EIO);
	assert_int_equal(stat(path, &st), -1);
	assert_int_equal(perf_write_file(&report, path, writes_word), 0);
	assert_content(path, "whole");
	assert_int_equal(perf_write_file(&report, path, fails_midway), -EIO);
	assert_content(path, "whole");
	/* A link stays one; what it leads to is replaced. */
	assert_int_equal(symlink(path, link), 0);
	assert_int_equal(truncate(path, 1), 0);
	assert_int_equal(perf_write_file(&report, link, writes_word), 0);
	assert_int_equal(lstat(link, &st), 0);
	assert_true(S_ISLNK(st.st_mode));
	assert_content(path, "whole");
	assert_int_equal(perf_write_file(&report, beside, writes_word), -EIO);
	assert_has(weft_error_detail(), "No such file");
	assert_int_equal(unlink(link) | unlink(path), 0);
	assert_int_equal(rmdir(dir), 0); /* nothing half is left */
}

static void an_empty_report_is_written_too(void **state)
{
	struct perf_report report = { .command = NULL };

	(void)state;
	for (int i = 0; i < WRITERS; i++)
		free(text_of(writers[i], &report));
}

/* In the page the JSON must not be able to end its element. */
static void html_keeps_hostile_text_inside(void **state)
{
	char *text = planted_text(perf_write_html, PLANTED_HOSTILE), *at;
	int n = 0;

	(void)state;
	assert_null(strstr(text, "<img"));
	assert_has(text, "\\u003c/script>\\u003cimg src=x onerror=");
	assert_null(strstr(text, "@REPORT@"));
	for (at = text; (at = strstr(at, "</script")); at++)
		n++;
	assert_int_equal(n, 4);
	assert_null(strstr(text, "src=\"http"));
	assert_null(strstr(text, "href=\"http"));
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_table_says_all_that_matters),
		cmocka_unit_test(percentiles_without_samples_are_not_told),
		cmocka_unit_test(emulated_devices_are_said_first),
		cmocka_unit_test(hostile_text_cannot_steer_a_terminal),
		cmocka_unit_test(costs_are_of_both_ends),
		cmocka_unit_test(csv_has_the_columns_of_the_guide),
		cmocka_unit_test(fabtests_columns_are_theirs),
		cmocka_unit_test(perftest_columns_are_theirs_with_right_arithmetic),
		cmocka_unit_test(a_full_disk_is_an_error_of_every_writer),
		cmocka_unit_test(a_file_appears_whole_or_not_at_all),
		cmocka_unit_test(an_empty_report_is_written_too),
		cmocka_unit_test(html_keeps_hostile_text_inside),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
