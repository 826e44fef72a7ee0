/* SPDX-License-Identifier: Apache-2.0 */
/* Tests: a report with figures that are known. */
#ifndef WEFT_PERF_REPORT_PLANTED_H
#define WEFT_PERF_REPORT_PLANTED_H

#include "perf/result.h"

enum {
	PLANTED_REPEATS = 10,
	PLANTED_HOSTILE = 1,  /* strings of the other machine attack page, terminal, spreadsheet */
	PLANTED_EMULATED = 2, /* and interrupted */
	PLANTED_SLOWER = 4,   /* fabric's bandwidth is 20 % lower */
};

/* Bandwidth, rate, latency, open loop over EFA and TCP; one invalid, one failed. Free with
 * perf_report_free(). */
void perf_plant(struct perf_report *ret, int how);

/* The result of a case. Ends the process when there is none. */
struct perf_result *perf_planted(struct perf_report *report, const char *backend,
				 enum perf_test test, enum perf_op op, uint64_t size);

#endif /* WEFT_PERF_REPORT_PLANTED_H */
