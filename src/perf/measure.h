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
	PERF_PHASE_STOP,    /* post nothing more, end what is under way, return */
};

struct perf_phases {
	_Atomic uint32_t phase;
	_Atomic uint32_t stable;   /* threads whose warm-up is stable */
	_Atomic uint32_t finished; /* threads that have counted all (iters) */
	_Atomic uint32_t failed;   /* a thread gave up: its code; the others stop */
};

/* What one thread measured. Zeroed by the caller; latency and closed may be NULL: not wanted. */
struct perf_measured {
	uint64_t ops, bytes, ns; /* initiated here, done within the measured time */
	uint64_t landed;         /* bytes that arrived within the measured time */
	uint64_t warm_ns, warm_ops;
	bool warm_stable;
	uint64_t late;
	struct hist *latency, *closed;
	uint64_t *slice; /* room for slices entries, or NULL */
	uint64_t slice_ns;
	uint32_t slices;
	uint64_t
		longest_gap_ns; /* between two polls: time in which the tester itself did not run */
};

/*
 * Runs the case's loop on an initiating port until phases says stop, or a failure (code,
 * err_set()). A target's loop serves the twin: polls, answers where the test needs it, counts what
 * lands.
 */
int perf_measure_initiator(struct perf_port *port, const struct perf_case *c,
			   struct perf_phases *phases, struct perf_measured *ret);
int perf_measure_target(struct perf_port *port, const struct perf_case *c,
			struct perf_phases *phases, struct perf_measured *ret);

/*
 * A case of a back end with one_process, whole: both ends, all threads, all phases. The model runs
 * its virtual clock.
 */
struct perf_run;
int perf_measure_alone(const struct perf_case *c, struct perf_run *ret);

#endif /* WEFT_PERF_MEASURE_H */
