/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What was measured: one perf_run for each repeat of a case, all repeats with their summary in a
 * perf_result, all results with the environment in a perf_report, which the writers (table, JSON,
 * CSV, HTML) read.
 */
#ifndef WEFT_PERF_RESULT_H
#define WEFT_PERF_RESULT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/hist.h"
#include "perf/case.h"

#define PERF_NICS_MAX  64
#define PERF_FLAGS_MAX 16
#define PERF_TEXT_MAX  256

/* Processor time of one side over the measured time, seconds. */
struct perf_cpu {
	double process;     /* user + system of the tester's process */
	double process_sys; /* system alone */
	double softirq;     /* of the whole machine, above the idle baseline */
	double machine;     /* everything but idle and iowait, above the idle baseline */
	double foreign; /* of others: machine's less the process's and softirq's; see gate.def */
};

/* Bytes that one NIC's own counters saw over the measured time. */
struct perf_nic {
	char name[PERF_NAME_MAX];
	uint64_t tx_bytes, rx_bytes; /* messages and RDMA of both kinds */
	uint64_t retransmits, drops;
};

struct perf_side {
	uint64_t ops, bytes; /* initiated here and done within the measured time */
	uint64_t landed;     /* bytes that arrived here within the measured time, payload */
	uint64_t ns;         /* measured time of this side's clock */
	struct perf_cpu cpu;
	uint32_t nics;
	struct perf_nic nic[PERF_NICS_MAX];
	char ways[PERF_TEXT_MAX];
	uint64_t retransmits;
	uint64_t longest_gap_ns; /* of all its threads, see perf_measured */
	bool is_tcp, wrong;
};

enum perf_severity {
	PERF_NOTE,
	PERF_FLAGGED,
	PERF_INVALID
};

struct perf_flag {
	const char *gate; /* id of the row in gate.def */
	enum perf_severity how;
	char why[PERF_TEXT_MAX]; /* with the figures */
};

/* One repeat. */
struct perf_run {
	struct perf_side here, there; /* the side that runs; the server */
	uint64_t warm_ns, warm_ops;   /* dropped before the measured time */
	bool warm_stable;             /* false: the warm-up ended at its limit */
	struct hist *latency;         /* ns; open loop: from when each was due. NULL: none */
	struct hist *closed;          /* open loop: from when each was posted. NULL: none */
	uint64_t late;                /* open loop: operations posted after they were due */
	uint64_t duplicates;          /* ends of operations that were not under way */
	uint64_t *slice; /* bytes done in each slice_ns of the measured time, or NULL */
	uint64_t slice_ns;
	uint32_t slices;
	int error; /* of this repeat: a code, or 0 */
	char why[PERF_TEXT_MAX];
};

/* A median with its nonparametric 95 % confidence interval. */
struct perf_median {
	double median, low, high; /* low and high NaN when there are too few values */
	double cv;                /* coefficient of variation, a share; NaN with less than two */
	uint32_t n;
};

struct perf_result {
	struct perf_case c;
	struct perf_run *run;
	uint32_t runs;
	struct perf_median rate; /* bytes per second, both directions together */
	struct perf_median ops;  /* operations per second */
	struct perf_median p50;  /* ns, of each run's latency */
	struct hist *latency;    /* of all runs merged; NULL: none */
	struct hist *closed;
	bool reached;         /* the interval got as narrow as asked */
	double wanted;        /* half its width, share of the median */
	bool drifts, bimodal; /* see perf/stats.h */
	uint32_t flags;
	struct perf_flag flag[PERF_FLAGS_MAX];
	bool invalid;
	int error; /* the case could not be measured at all */
	char why[PERF_TEXT_MAX];
};

/* A fact of the environment of one side, in the order in which they are shown. */
struct perf_fact {
	char name[PERF_NAME_MAX]; /* "kernel", "instance_type", "env.FI_PROVIDER" */
	char value[PERF_TEXT_MAX];
};

struct perf_env {
	struct perf_fact *fact;
	uint32_t facts;
	double line_rate; /* bytes per second of all NICs of the instance type; 0: not known */
};

struct perf_report {
	const char *command; /* as it was typed */
	char started[40];    /* ISO 8601, UTC */
	struct perf_env here, there;
	bool emulated;    /* some NIC is emulated: no figure says anything about EFA */
	bool interrupted; /* ended by a signal: what was measured until then */
	struct perf_result *result;
	uint32_t results;
	char *texts; /* owned: what command and gates point to when the report was read; or NULL */
};

/* 0 when no time has passed. */
static inline double perf_per_second(uint64_t amount, uint64_t ns)
{
	return ns ? (double)amount * 1e9 / (double)ns : 0;
}

/* Adds what from holds to *into, which is made when it is NULL. from NULL: nothing. -ENOMEM. */
int perf_hist_add(struct hist **into, const struct hist *from);

void perf_run_free(struct perf_run *run);
void perf_result_free(struct perf_result *result);
void perf_report_free(struct perf_report *report);

#endif /* WEFT_PERF_RESULT_H */
