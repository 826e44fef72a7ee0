/* SPDX-License-Identifier: Apache-2.0 */
/*
 * All pairs of servers, as many at a time as there are disjoint ones. One of a pair is asked to run
 * the case against the other, so that nothing of what is measured comes through here.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <weft/weft.h>

#include "base/clock.h"
#include "base/err.h"
#include "common/program.h"
#include "perf/env.h"
#include "perf/matrix.h"

#define LONGEST_NS (3600 * NSEC_PER_SEC)

static int take_hosts(struct matrix *matrix, struct perf_hosts *hosts, const struct opt_rest *rest)
{
	int rc = 0;

	for (uint32_t i = 0; !rc && i < rest->count; i++)
		rc = perf_hosts_add(hosts, rest->values[i], NULL);
	if (rc == -EINVAL || rc == -ENOSPC)
		return program_usage(NAME, "matrix: %s", weft_error_detail());
	if (rc)
		return program_fail(NAME, rc, "matrix");
	if (hosts->n < 2)
		return program_usage(NAME, "a matrix needs two hosts at least");
	matrix->host = calloc(hosts->n, sizeof(*matrix->host));
	if (!matrix->host)
		return program_fail(NAME, err_set(-ENOMEM, "no memory for hosts"), "matrix");
	for (matrix->hosts = 0; matrix->hosts < hosts->n; matrix->hosts++)
		strcpy(matrix->host[matrix->hosts].address, hosts->address[matrix->hosts]);
	return 0;
}

static int read_hosts(struct matrix *matrix, const struct opt_rest *rest)
{
	struct perf_hosts *hosts = calloc(1, sizeof(*hosts));
	int rc = hosts ? take_hosts(matrix, hosts, rest)
		       : program_fail(NAME, err_set(-ENOMEM, "no memory for hosts"), "matrix");

	free(hosts);
	return rc;
}

static double value_of(const struct perf_run *run, enum perf_test test)
{
	double value = 0;

	if (test == PERF_LAT || test == PERF_OPEN || test == PERF_SETUP) {
		uint64_t p50 = run->latency ? hist_percentile(run->latency, 50) : 0;

		return p50 ? 1e9 / (double)p50 : 0;
	}
	if (run->here.ns)
		value += (double)run->here.bytes * 1e9 / (double)run->here.ns;
	if (run->there.ns)
		value += (double)run->there.bytes * 1e9 / (double)run->there.ns;
	return value;
}

static void fail_pair(const struct matrix *matrix, struct matrix_pair *pair, int rc)
{
	pair->error = rc;
	snprintf(pair->why, sizeof(pair->why), "%s", weft_error_detail());
	program_fail(NAME, rc, "%s with %s", matrix->host[pair->a].address,
		     matrix->host[pair->b].address);
}

/* Once for each host. Without memory for it the matrix goes without. */
static void take_env(struct matrix_host *host, const struct perf_session *session)
{
	const struct perf_env *there = perf_session_there(session);

	if (host->env.fact || !there->facts)
		return;
	host->env.fact = calloc(there->facts, sizeof(*there->fact));
	if (!host->env.fact)
		return;
	memcpy(host->env.fact, there->fact, there->facts * sizeof(*there->fact));
	host->env.facts = there->facts;
	host->env.line_rate = there->line_rate;
}

/* Of those that were only ever the other side of a pair. */
static void ask_others(struct matrix *matrix, uint64_t timeout_ns)
{
	struct perf_session *session;
	struct matrix_host *host;

	for (uint32_t i = 0; i < matrix->pairs && !*stop_seen; i++) {
		host = &matrix->host[matrix->pair[i].b];
		if (!matrix->pair[i].done || matrix->pair[i].error || host->env.fact ||
		    perf_session_open(&session, host->address, timeout_ns))
			continue;
		take_env(host, session);
		perf_session_close(session);
	}
}

static void run_round(struct matrix *matrix, struct matrix_pair *pairs, uint32_t n,
		      struct perf_session **sessions, uint64_t timeout_ns)
{
	/* How long so many operations take nobody knows. */
	uint64_t measured_ns = matrix->c.iters ? LONGEST_NS : matrix->c.duration_ns;
	uint64_t longest_ns = measured_ns + matrix->c.warm_ns + 4 * timeout_ns;
	struct perf_run run;
	int rc;

	for (uint32_t i = 0; i < n; i++) {
		sessions[i] = NULL;
		rc = perf_session_open(&sessions[i], matrix->host[pairs[i].a].address, timeout_ns);
		if (!rc)
			take_env(&matrix->host[pairs[i].a], sessions[i]);
		if (!rc)
			rc = perf_session_visit_begin(sessions[i], matrix->host[pairs[i].b].address,
						      &matrix->c);
		if (rc)
			fail_pair(matrix, &pairs[i], rc);
	}
	for (uint32_t i = 0; i < n; i++) {
		pairs[i].done = true;
		if (pairs[i].error)
			continue;
		rc = perf_session_visit_end(sessions[i], longest_ns, &run);
		if (rc) {
			fail_pair(matrix, &pairs[i], rc);
			continue;
		}
		pairs[i].value = value_of(&run, matrix->c.test);
		perf_run_free(&run);
	}
	for (uint32_t i = 0; i < n; i++)
		perf_session_close(sessions[i]);
}

static int run_all(struct matrix *matrix, const struct perf_values *values)
{
	struct perf_session **sessions = calloc(matrix->hosts, sizeof(*sessions));
	uint32_t rounds = perf_rounds(matrix->hosts), n;
	bool shows = !values->quiet && isatty(STDERR_FILENO);

	matrix->pair = calloc((size_t)rounds * (matrix->hosts / 2), sizeof(*matrix->pair));
	if (!sessions || !matrix->pair) {
		free(sessions);
		return program_fail(NAME, err_set(-ENOMEM, "no memory for the pairs"), "matrix");
	}
	for (uint32_t round = 0; round < rounds && !*stop_seen; round++) {
		if (shows)
			fprintf(stderr, "\r\033[Kround %u of %u", round + 1, rounds);
		n = matrix_round(matrix->hosts, round, matrix->pair + matrix->pairs);
		run_round(matrix, matrix->pair + matrix->pairs, n, sessions, values->timeout);
		matrix->pairs += n;
	}
	if (shows)
		fputs("\r\033[K", stderr);
	free(sessions);
	ask_others(matrix, values->timeout);
	return 0;
}

static int report(struct matrix *matrix, const struct perf_values *values)
{
	int rc = matrix_judge(matrix), status = 0;

	if (rc)
		return program_fail(NAME, rc, "matrix");
	matrix_print(matrix, stdout);
	if (values->json) {
		rc = matrix_write_json(matrix, values->json);
		status = rc ? program_fail(NAME, rc, NULL) : 0;
	}
	for (uint32_t i = 0; !status && i < matrix->hosts; i++)
		if (matrix->host[i].slow)
			status = PROGRAM_FAILED;
	for (uint32_t i = 0; !status && i < matrix->pairs; i++)
		if (matrix->pair[i].error)
			status = PROGRAM_FAILED;
	return !status && *stop_seen ? 128 + stop_number : status;
}

int command_matrix(const struct command_line *line)
{
	struct matrix matrix = { .slow = line->values.slow / 100 };
	uint64_t sizes[PERF_SIZES];
	uint32_t n;
	int rc = case_from(line, &matrix.c);

	if (!rc)
		rc = case_backend(&matrix.c, line->values.backend);
	if (!rc && case_is_alone(&matrix.c))
		rc = program_usage(NAME, "back end %s has no other side", matrix.c.backend);
	if (!rc)
		rc = case_sizes(&matrix.c, line->values.size, sizes, &n);
	if (!rc && n != 1)
		rc = program_usage(NAME, "a matrix is of one --size");
	if (rc)
		return rc;
	matrix.c.size = sizes[0];
	rc = read_hosts(&matrix, &line->values.hosts);
	if (!rc)
		rc = run_all(&matrix, &line->values);
	if (!rc)
		rc = report(&matrix, &line->values);
	for (uint32_t i = 0; i < matrix.hosts; i++)
		perf_env_free(&matrix.host[i].env);
	free(matrix.pair);
	free(matrix.host);
	return rc;
}
