/* SPDX-License-Identifier: Apache-2.0 */
/* Writers of a report, and the reader of what was written as JSON. */
#ifndef WEFT_PERF_REPORT_H
#define WEFT_PERF_REPORT_H

#include <stdio.h>

#include "perf/result.h"

/*
 * Each writes the whole report. 0, or -EIO with err_set() when the file cannot take it (a full
 * disk).
 *   table     at most 100 columns; flags and what was not reached below it
 *   json      schema: docs/perf-json.md; all sizes, histograms (sparse), environment, flags
 *   csv       the columns of performance guides, a row for each size
 *   fabtests  "bytes iters total time MB/sec usec/xfer Mxfers/sec", as fabtests prints them
 *   perftest  "#bytes #iterations ...", as perftest prints them, with right arithmetic
 *   html      one file that needs nothing else
 */
int perf_write_table(const struct perf_report *report, FILE *file);
int perf_write_json(const struct perf_report *report, FILE *file);
int perf_write_csv(const struct perf_report *report, FILE *file);
int perf_write_fabtests(const struct perf_report *report, FILE *file);
int perf_write_perftest(const struct perf_report *report, FILE *file);
int perf_write_html(const struct perf_report *report, FILE *file);

/* Writes to a file that appears whole or not at all; "-": standard output. */
int perf_write_file(const struct perf_report *report, const char *path,
		    int (*write)(const struct perf_report *, FILE *));

/*
 * Reads what perf_write_json() wrote, of this or an older schema; anything else is -EINVAL
 * with err_set() naming the place. Free with perf_report_free().
 */
int perf_read_json(struct perf_report *ret, const char *path);

/* A case of two reports, or of two back ends in one. */
struct perf_pair {
	const struct perf_result *a, *b;
	struct perf_median
		ratio; /* b / a: rates; for LAT and OPEN a's p50 over b's: above 1 is better */
	int verdict;   /* -1: b is worse; 0: no difference; 1: b is better; 2: cannot be told */
};

/* Pairs the results of equal cases. Returns how many; frees with free(). -ENOMEM. */
int perf_pair(const struct perf_report *a, const struct perf_report *b, struct perf_pair **ret);
/*
 * The table of weft perf diff; tolerance as a share. Returns 1 when something is worse than that
 * (beyond its interval, or it failed or is invalid now), else 0; -EINVAL with err_set() when the
 * reports have no case in common, -EIO, -ENOMEM.
 */
int perf_write_diff(const struct perf_report *a, const struct perf_report *b, double tolerance,
		    FILE *file);

/*
 * The table of weft perf compare: report holds the results of both. a, b: a back end, a provider,
 * or both with a colon between. -EINVAL with err_set() when nothing was measured over both.
 */
int perf_write_compare(const struct perf_report *report, const char *a, const char *b, FILE *file);

#endif /* WEFT_PERF_REPORT_H */
