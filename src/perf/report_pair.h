/* SPDX-License-Identifier: Apache-2.0 */
/* Inside the comparisons: what is set against what. */
#ifndef WEFT_PERF_REPORT_PAIR_H
#define WEFT_PERF_REPORT_PAIR_H

#include "perf/report.h"

/* Is the same measured, apart from the back end? */
bool perf_same_work(const struct perf_case *x, const struct perf_case *y);
/* Ratio and verdict of two results. 0 or -ENOMEM. */
int perf_pair_of(struct perf_pair *ret, const struct perf_result *a, const struct perf_result *b);
/* The result of other that has the case of report's result at; of equal ones the one that has the
 * same place among them. NULL: none. */
const struct perf_result *perf_twin(const struct perf_report *report, uint32_t at,
				    const struct perf_report *other);

/*
 * Pairs of one report whose sides differ in the back end or provider alone: the first that was
 * measured against each other one. Returns how many; frees with free(). -ENOMEM.
 */
int perf_pair_inside(const struct perf_report *report, struct perf_pair **ret);

#endif /* WEFT_PERF_REPORT_PAIR_H */
