/* SPDX-License-Identifier: Apache-2.0 */
/* Figures that follow from a result: what all writers show, computed in one place. */
#ifndef WEFT_PERF_REPORT_FIGURES_H
#define WEFT_PERF_REPORT_FIGURES_H

#include "perf/result.h"

struct perf_share {
	double share;
	const char *name; /* "p99.9" */
};

/* Percentiles that are reported, ascending. */
extern const struct perf_share perf_shares[];
extern const uint32_t perf_shares_n;

/*
 * Processor time of one side. Bytes and operations are those of both directions, so that the two
 * sides' costs can be added. NaN: nothing was moved.
 */
struct perf_cost {
	double process_s_per_gb, softirq_s_per_gb, machine_s_per_gb; /* seconds per 10^9 bytes */
	double process_us_per_op, machine_us_per_op;
};
void perf_costs(const struct perf_result *r, struct perf_cost *here, struct perf_cost *there);

/* Of one repeat, both directions: bytes per second, operations per second; NaN: none. */
double perf_run_rate(const struct perf_run *run);
double perf_run_ops(const struct perf_run *run);
/* Median latency of one repeat, ns; NaN: none. */
double perf_run_p50(const struct perf_run *run);

/* Is it time that is measured (less is better), not a rate? */
bool perf_is_time(const struct perf_case *c);
/* Is a latency that of a message and its answer (perf/measure.h), so that half of it is one way? */
bool perf_round_trip(const struct perf_case *c);
/* The figure that the case is about: rate, ops or p50. */
const struct perf_median *perf_main_figure(const struct perf_result *r);

/*
 * Share of the line rate of the slower machine; of both directions, when both send. NaN: no line
 * rate is known, the case sends nothing over a line, or NICs are emulated.
 */
double perf_line_share(const struct perf_report *report, const struct perf_result *r);

struct perf_label {
	char text[2 * PERF_NAME_MAX];
};
/* What was measured, for a legend or a column: "EFA", "emulated EFA", "TCP", "fabric tcp", "weft
 * tcp". */
struct perf_label perf_label(const struct perf_report *report, const struct perf_result *r);
/* Back end's layer in words; its name, when this program does not know it. */
const char *perf_layer(const struct perf_result *r);
/* What to do about a flag; "" when this program does not know it. */
const char *perf_remedy(const struct perf_flag *flag);

#endif /* WEFT_PERF_REPORT_FIGURES_H */
