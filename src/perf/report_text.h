/* SPDX-License-Identifier: Apache-2.0 */
/* Text of the tables: numbers, lines of at most 100 columns, what came from the other machine. */
#ifndef WEFT_PERF_REPORT_TEXT_H
#define WEFT_PERF_REPORT_TEXT_H

#include <stdio.h>

#include "perf/result.h"

#define PERF_COLUMNS 100

struct perf_text {
	char text[48];
};

/* About four digits that count; "n/a" for NaN. */
struct perf_text perf_number(double value);
/* "[0.98, 1.02]"; "n/a" without an interval. scale: values are multiplied by it. */
struct perf_text perf_interval(const struct perf_median *m, double scale);
/* "12.3 %"; "n/a" for NaN. */
struct perf_text perf_percent(double share);

/*
 * Copies text as ASCII without control characters, so that it cannot steer a terminal or break a
 * line: they and what is not ASCII become '?'. Cut to room - 1 bytes.
 */
void perf_plain(char *ret, size_t room, const char *text);

/*
 * Prints text as perf_plain(), in lines of at most PERF_COLUMNS that break at spaces; the first
 * begins with lead, the others with as many spaces.
 */
void perf_put_lines(FILE *file, const char *lead, const char *text);
__attribute__((format(printf, 3, 4))) void perf_put_linesf(FILE *file, const char *lead,
							   const char *format, ...);

/* What stands above all figures: that devices are emulated, the run was cut short. */
void perf_put_warnings(FILE *file, const struct perf_report *report);
/* "bw write" */
struct perf_text perf_what(const struct perf_case *c);
/* The case's main figure in the unit that tables have it in, and that unit. */
double perf_shown(const struct perf_result *r, const char **ret_unit);

#endif /* WEFT_PERF_REPORT_TEXT_H */
