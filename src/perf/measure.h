/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The measuring loops: one thread, one port. The window is kept full and never drained in between;
 * what counts is what ends within the measured time. Time is the port's (perf_backend.now).
 */
#ifndef WEFT_PERF_MEASURE_H
#define WEFT_PERF_MEASURE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/hist.h"
#include "perf/backend.h"
#include "perf/case.h"

/*
 * The phases of a run, shared by the threads of a side and whoever conducts it (perf/session.h).
 * Loops look at it about every microsecond and never block on it.
 */
enum perf_phase {
	PERF_PHASE_WARM,    /* initiators run; figures are thrown away */
	PERF_PHASE_MEASURE, /* figures count */
	PERF_PHASE_COOL,    /* initiators still run, uncounted, until all threads of both sides have
			       left the measured time */
	PERF_PHASE_STOP,    /* post nothing more, end what is under way; go on serving the twin */
	PERF_PHASE_END,     /* nothing is under way on either side: return */
};

/*
 * How long a loop that has drained serves its twin when PERF_PHASE_END does not come. An initiator
 * of one direction returns as soon as it has drained.
 */
#define PERF_LINGER_NS (500 * 1000000ull)
/* A loop whose operations do not end for so long fails: the twin is dead, stopped or cut off. */
#define PERF_STALL_NS (5 * 1000000000ull)
/* Open loop: an operation that is posted so long after it was due is late. */
#define PERF_LATE_NS 1000

struct perf_phases {
	_Atomic uint32_t phase;
	_Atomic uint32_t stable;   /* threads whose warm-up is stable */
	_Atomic uint32_t finished; /* initiators that have counted all (duration or iters) */
	_Atomic uint32_t failed;   /* a thread gave up: its code; the others stop */
	_Atomic uint32_t drained;  /* threads with nothing under way any more, after STOP */
};

/*
 * What one thread measured. Zeroed by the caller but for what it wants: latency and closed may be
 * NULL, slice has room for slices entries or is NULL.
 *
 * Counted is what ends between two polls: the one before which the phase MEASURE was seen, and the
 * first one after duration_ns, or iters operations, or the phase COOL. ns is the time between them.
 */
struct perf_measured {
	uint64_t ops, bytes, ns; /* initiated here, done within the measured time */
	uint64_t landed;         /* bytes that arrived within the measured time */
	uint64_t warm_ns, warm_ops;
	bool warm_stable;
	uint64_t late;       /* OPEN: posted, or given up, more than PERF_LATE_NS after due */
	uint64_t duplicates; /* ends of operations that were not under way: the provider's fault */
	/*
	 * LAT: SEND and WRITE_IMM there and back, as the twin answers each; READ and WRITE until
	 * they are done. OPEN: the same, from when each was due; closed from when it was posted.
	 * REG: to register; closed to deregister.
	 */
	struct hist *latency, *closed;
	uint64_t *slice; /* bytes done in each slice_ns; what is done later is in none */
	uint64_t slice_ns;
	uint32_t slices;
	uint64_t
		longest_gap_ns; /* between two polls: time in which the tester itself did not run */
};

/*
 * Runs the case's loop on an initiating port until phases says stop, or a failure (code,
 * err_set(); phases->failed is set). A target's loop serves the twin: polls, answers where the test
 * needs it, counts what lands. With bidir both sides run the initiator's. -EOPNOTSUPP for SETUP,
 * which is not a loop on a port.
 *
 * BW, RATE: the window is kept full on all endpoints, post_list handed over at a time, or less
 * often as pace says; what a stop of the peer left behind is made up for, at most 10 ms of it.
 * OPEN: operation k is due k / rate after the first; what cannot be posted, as the window is full,
 * waits, and its wait counts. Recorded is what was due within the measured time, whenever it ends;
 * what has not been posted when the loop stops counts with the time that it has waited until then.
 * Answers are matched to the operations of their endpoint in order. ops is what ended.
 */
int perf_measure_initiator(struct perf_port *port, const struct perf_case *c,
			   struct perf_phases *phases, struct perf_measured *ret);
int perf_measure_target(struct perf_port *port, const struct perf_case *c,
			struct perf_phases *phases, struct perf_measured *ret);

/*
 * A case of a back end with one_process, whole: both ends, all threads, all phases. A thread drives
 * a port and its twin in turn. A back end with a clock of its own (now) runs its threads one after
 * the other, each on its clock, so that the same case gives the same figures. ret is written only
 * on success; perf_run_free() frees what it holds.
 */
struct perf_run;
int perf_measure_alone(const struct perf_case *c, struct perf_run *ret);

#endif /* WEFT_PERF_MEASURE_H */
