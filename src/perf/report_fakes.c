/* SPDX-License-Identifier: Apache-2.0 */
/* Tests: what the writers ask of other parts, in its simplest form. */
#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "perf/env.h"
#include "perf/gate.h"
#include "perf/stats.h"

#define FAKE __attribute__((weak))

FAKE double perf_percentile(const struct hist *hist, double share)
{
	if ((double)hist->count * (1 - share) < 100 - 1e-6)
		return NAN;
	return (double)hist_percentile(hist, share * 100);
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double middle(const double *values, uint32_t n)
{
	double *sorted = malloc(n * sizeof(*sorted)), ret;

	assert(sorted);
	memcpy(sorted, values, n * sizeof(*sorted));
	qsort(sorted, n, sizeof(*sorted), by_value);
	ret = (sorted[n / 2] + sorted[(n - 1) / 2]) / 2;
	free(sorted);
	return ret;
}

FAKE struct perf_median perf_ratio(const double *a, uint32_t na, const double *b, uint32_t nb)
{
	struct perf_median ret = { middle(a, na) / middle(b, nb), NAN, NAN, NAN,
				   na < nb ? na : nb };

	if (ret.n >= 6) {
		ret.low = ret.median * 0.99;
		ret.high = ret.median * 1.01;
	}
	return ret;
}

FAKE const struct perf_gate_row perf_gate_rows[] = {
	{ "above_line_rate", PERF_INVALID, "more than the line carries",
	  "look at which way it took" },
	{ "retransmits", PERF_FLAGGED, "packets were sent again", "look for congestion" },
};
FAKE const uint32_t perf_gate_rows_n = 2;

FAKE const struct perf_expect *perf_expect_find(const char *instance_type)
{
	static const struct perf_expect expect = { "m6i.metal",
						   50,
						   1,
						   true,
						   false,
						   "guides say 25 GB/s, which cannot be",
						   "instance tables",
						   "2026-11-01" };

	return strcmp(instance_type, expect.instance_type) ? NULL : &expect;
}
