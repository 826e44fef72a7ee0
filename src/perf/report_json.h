/* SPDX-License-Identifier: Apache-2.0 */
/* Inside the writers: the report as JSON, whole or as the HTML file carries it. */
#ifndef WEFT_PERF_REPORT_JSON_H
#define WEFT_PERF_REPORT_JSON_H

#include <stdbool.h>
#include <stdio.h>

#include "perf/result.h"

/* brief: without the histograms of single repeats; the merged ones stay. As perf_write_json(). */
int perf_write_json_as(const struct perf_report *report, bool brief, FILE *file);

/* Ends a writer: rc, or -EIO with err_set() when the file has taken less than was written. */
int perf_file_end(FILE *file, int rc);

#endif /* WEFT_PERF_REPORT_JSON_H */
