/* SPDX-License-Identifier: Apache-2.0 */
/* What run, compare and suite share: a session, results, and a report of them. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/err.h"
#include "common/program.h"
#include "perf/env.h"
#include "perf/perf.h"
#include "perf/report.h"
#include "perf/report_figures.h"

static void show_progress(void *ctx, const struct perf_result *result, uint32_t index)
{
	const struct perf_median *median = perf_main_figure(result);
	const struct measuring *m = ctx;
	const struct perf_case *c = &result->c;

	fprintf(stderr, "\r\033[K%s%s%s %s %s %" PRIu64 " B: repeat %u of at most %u", c->backend,
		c->provider[0] ? ":" : "", c->provider, perf_test_word(c->test),
		perf_op_word(c->op), c->size, index + 1, m->how.max);
	if (!index)
		return;
	if (median == &result->p50)
		fprintf(stderr, ", %.2f us", median->median / 1e3);
	else if (median == &result->ops)
		fprintf(stderr, ", %.3f M/s", median->median / 1e6);
	else
		fprintf(stderr, ", %.3f GB/s", median->median / 1e9);
}

static void clear_progress(const struct measuring *m)
{
	if (m->how.progress)
		fputs("\r\033[K", stderr);
}

static int copy_env(struct perf_env *ret, const struct perf_env *from)
{
	*ret = *from;
	ret->fact = calloc(from->facts ? from->facts : 1, sizeof(*ret->fact));
	if (!ret->fact)
		return -ENOMEM;
	if (from->facts)
		memcpy(ret->fact, from->fact, from->facts * sizeof(*ret->fact));
	return 0;
}

static void note_start(struct measuring *m)
{
	time_t now = time(NULL);
	struct tm tm;

	gmtime_r(&now, &tm);
	strftime(m->report.started, sizeof(m->report.started), "%Y-%m-%dT%H:%M:%SZ", &tm);
}

int measuring_begin(struct measuring *m, const struct command_line *line, const char *host)
{
	const struct perf_values *values = &line->values;
	char address[PERF_HOST_MAX];
	int rc = 0;

	*m = (struct measuring){ .line = line };
	note_start(m);
	m->report.command = line->text;
	if (host) {
		rc = perf_host_address(host, address);
		if (!rc)
			rc = perf_session_open(&m->session, address, values->timeout);
	}
	if (!rc)
		rc = perf_env_collect(&m->report.here, "");
	if (!rc && m->session)
		rc = copy_env(&m->report.there, perf_session_there(m->session));
	if (rc) {
		rc = program_fail(NAME, rc, "%s", host ? host : line->result.command);
		measuring_free(m);
		return rc;
	}
	m->report.emulated = perf_env_get(&m->report.here, "env.WEFT_EMU_WORLD") ||
			     perf_env_get(&m->report.there, "env.WEFT_EMU_WORLD");
	m->how = (struct perf_repeat){
		.session = m->session,
		.here = &m->report.here,
		.there = &m->report.there,
		.max = values->repeats,
		.wanted = values->confidence / 100,
		.stopped = stop_seen,
		.progress = values->quiet || !isatty(STDERR_FILENO) ? NULL : show_progress,
		.ctx = m,
	};
	return 0;
}

static int make_room(struct measuring *m, uint32_t n)
{
	uint32_t room = m->room ? m->room : 16;
	struct perf_result *result;

	while (room < m->report.results + n)
		room *= 2;
	if (room == m->room)
		return 0;
	result = realloc(m->report.result, room * sizeof(*result));
	if (!result)
		return -ENOMEM;
	m->report.result = result;
	m->room = room;
	return 0;
}

int measuring_add(struct measuring *m, const struct perf_case *cases, uint32_t n)
{
	struct perf_result *results;
	int rc = make_room(m, n);

	if (rc)
		return rc;
	results = m->report.result + m->report.results;
	memset(results, 0, n * sizeof(*results));
	for (uint32_t i = 0; i < n; i++)
		results[i].c = cases[i];
	m->report.results += n;
	rc = perf_repeat_cases(results, n, &m->how);
	/* One that was stopped before its first repeat is no result. */
	while (m->report.results && !m->report.result[m->report.results - 1].runs)
		perf_result_free(&m->report.result[--m->report.results]);
	clear_progress(m);
	m->lost = rc == -WEFT_EPEERGONE;
	return m->lost ? 0 : rc;
}

bool measuring_is_over(const struct measuring *m)
{
	return m->lost || *stop_seen;
}

/* Says on stderr what could not be measured, a line for each case. */
static int say_failures(const struct measuring *m)
{
	int status = 0;

	for (uint32_t i = 0; i < m->report.results; i++) {
		const struct perf_result *result = &m->report.result[i];
		const struct perf_run *last = result->runs ? &result->run[result->runs - 1] : NULL;

		if (!last || !last->error)
			continue;
		err_set(last->error, "%s", last->why);
		status = program_fail(
			NAME, last->error, "%s%s%s %s of %" PRIu64 " bytes, repeat %u",
			result->c.backend, result->c.provider[0] ? ":" : "", result->c.provider,
			perf_test_word(result->c.test), result->c.size, result->runs);
	}
	return status;
}

static int write_file(const struct measuring *m, const char *path,
		      int (*write)(const struct perf_report *, FILE *))
{
	int rc = path ? perf_write_file(&m->report, path, write) : 0;

	return rc ? program_fail(NAME, rc, NULL) : 0;
}

static int print(const struct measuring *m)
{
	static int (*const writers[])(const struct perf_report *, FILE *) = {
		perf_write_table, perf_write_fabtests, perf_write_perftest,
		perf_write_json,  perf_write_csv,
	};
	const struct perf_values *values = &m->line->values;
	int rc;

	if (!strcmp(m->line->result.command, "compare") && !values->format)
		rc = perf_write_compare(&m->report, values->a, values->b, stdout);
	else
		rc = writers[values->format](&m->report, stdout);
	return rc ? program_fail(NAME, rc, NULL) : 0;
}

int measuring_status(struct measuring *m, int status)
{
	int failed = say_failures(m);

	if (!status)
		status = failed;
	for (uint32_t i = 0; !status && i < m->report.results; i++)
		if (m->report.result[i].invalid)
			status = PROGRAM_FAILED;
	if (!status && m->report.interrupted)
		status = 128 + stop_number;
	measuring_free(m);
	return status;
}

int measuring_end(struct measuring *m)
{
	const struct perf_values *values = &m->line->values;
	int status[4] = { 0 };

	m->report.interrupted = *stop_seen;
	status[0] = write_file(m, values->json, perf_write_json);
	status[1] = write_file(m, values->csv, perf_write_csv);
	status[2] = write_file(m, values->html, perf_write_html);
	status[3] = m->report.results ? print(m) : 0;
	for (int i = 1; i < 4; i++)
		if (!status[0])
			status[0] = status[i];
	return measuring_status(m, status[0]);
}

void measuring_free(struct measuring *m)
{
	perf_session_close(m->session);
	m->session = NULL;
	perf_report_free(&m->report);
}
