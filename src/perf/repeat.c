/* SPDX-License-Identifier: Apache-2.0 */
#include "perf/repeat.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <weft/weft.h>

#include "base/err.h"
#include "perf/backend.h"
#include "perf/gate.h"
#include "perf/measure.h"
#include "perf/report_figures.h"
#include "perf/stats.h"

static uint32_t collect(const struct perf_result *result, double (*value)(const struct perf_run *),
			double *values)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < result->runs; i++) {
		if (result->run[i].error)
			continue;
		values[n] = value(&result->run[i]);
		if (!isnan(values[n]))
			n++;
	}
	return n;
}

static double (*main_value(const struct perf_result *result))(const struct perf_run *)
{
	const struct perf_median *median = perf_main_figure(result);

	return median == &result->p50   ? perf_run_p50
	       : median == &result->ops ? perf_run_ops
					: perf_run_rate;
}

/* Medians of what there is so far. values: room for all runs. */
static void summarize(struct perf_result *result, double *values)
{
	double width;

	result->rate = perf_median_of(values, collect(result, perf_run_rate, values));
	result->ops = perf_median_of(values, collect(result, perf_run_ops, values));
	result->p50 = perf_median_of(values, collect(result, perf_run_p50, values));
	width = perf_median_width(perf_main_figure(result));
	result->reached = width <= result->wanted;
}

static int finish(struct perf_result *result, double *values, const struct perf_repeat *how)
{
	const struct perf_run *bad = NULL;
	uint32_t good = 0;
	int rc = 0;

	for (uint32_t i = 0; !rc && i < result->runs; i++) {
		const struct perf_run *run = &result->run[i];

		if (run->error) {
			bad = run;
			continue;
		}
		good++;
		rc = perf_hist_add(&result->latency, run->latency);
		if (!rc)
			rc = perf_hist_add(&result->closed, run->closed);
	}
	if (rc)
		return rc;
	if (bad && !good) {
		result->error = bad->error;
		memcpy(result->why, bad->why, sizeof(result->why));
		return 0;
	}
	if (!good)
		return 0;
	result->drifts = perf_drifts(values, collect(result, main_value(result), values));
	result->bimodal = result->latency && perf_bimodal(result->latency);
	perf_gates(result, how->here, how->there);
	return 0;
}

/* One repeat; what fails is recorded in it. */
static int repeat(struct perf_result *result, const struct perf_repeat *how)
{
	const struct perf_backend *backend = perf_backend_find(result->c.backend);
	struct perf_run *run = &result->run[result->runs];
	int rc;

	if (how->progress)
		how->progress(how->ctx, result, result->runs);
	memset(run, 0, sizeof(*run));
	if (backend && backend->one_process)
		rc = perf_measure_alone(&result->c, run);
	else if (how->session)
		rc = perf_session_run(how->session, &result->c, run);
	else
		rc = err_set(-EINVAL, "back end %s needs a server", result->c.backend);
	/* One that was ended before it measured is none. */
	if (rc == -WEFT_ECANCELLED && how->stopped && *how->stopped)
		return 0;
	if (rc) {
		run->error = rc;
		snprintf(run->why, sizeof(run->why), "%s", weft_error_detail());
	}
	result->runs++;
	return rc == -WEFT_EPEERGONE && how->session ? rc : 0;
}

static bool is_over(const struct perf_result *results, uint32_t n, const struct perf_repeat *how,
		    uint32_t round)
{
	bool reached = true;

	for (uint32_t i = 0; i < n; i++) {
		const struct perf_result *result = &results[i];

		/* Trying again would hide it. */
		if (result->runs && result->run[result->runs - 1].error)
			continue;
		reached &= result->reached;
	}
	return round >= how->max || reached || (how->stopped && *how->stopped);
}

int perf_repeat_cases(struct perf_result *results, uint32_t n, const struct perf_repeat *how)
{
	double *values = calloc(how->max, sizeof(*values));
	int rc = values ? 0 : -ENOMEM, lost;

	for (uint32_t i = 0; !rc && i < n; i++) {
		results[i].wanted = how->wanted;
		results[i].run = calloc(how->max, sizeof(*results[i].run));
		rc = results[i].run ? 0 : -ENOMEM;
	}
	lost = rc;
	for (uint32_t round = 0; !lost && !is_over(results, n, how, round); round++)
		for (uint32_t i = 0; !lost && i < n && !(how->stopped && *how->stopped); i++) {
			if (results[i].runs && results[i].run[results[i].runs - 1].error)
				continue;
			lost = repeat(&results[i], how);
			summarize(&results[i], values);
		}
	for (uint32_t i = 0; !rc && i < n; i++)
		rc = finish(&results[i], values, how);
	free(values);
	if (rc == -ENOMEM)
		return err_set(rc, "no memory for the results");
	return lost ? err_set(lost, "the session is lost") : rc;
}
