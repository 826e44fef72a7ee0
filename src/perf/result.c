/* SPDX-License-Identifier: Apache-2.0 */
#include "perf/result.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"

int perf_hist_add(struct hist **into, const struct hist *from)
{
	if (!from)
		return 0;
	if (!*into)
		*into = calloc(1, sizeof(**into));
	if (!*into)
		return err_set(-ENOMEM, "no memory for a histogram");
	hist_merge(*into, from);
	return 0;
}

void perf_run_free(struct perf_run *run)
{
	free(run->latency);
	free(run->closed);
	free(run->slice);
	memset(run, 0, sizeof(*run));
}

void perf_result_free(struct perf_result *result)
{
	for (uint32_t i = 0; i < result->runs; i++)
		perf_run_free(&result->run[i]);
	free(result->run);
	free(result->latency);
	free(result->closed);
	memset(result, 0, sizeof(*result));
}

void perf_report_free(struct perf_report *report)
{
	for (uint32_t i = 0; i < report->results; i++)
		perf_result_free(&report->result[i]);
	free(report->result);
	free(report->here.fact);
	free(report->there.fact);
	free(report->texts);
	memset(report, 0, sizeof(*report));
}
