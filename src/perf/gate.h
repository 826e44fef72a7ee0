/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sanity gates: what makes a figure doubtful or invalid. Rows of gate.def: id, severity, what it
 * means, what to do.
 */
#ifndef WEFT_PERF_GATE_H
#define WEFT_PERF_GATE_H

#include "perf/result.h"

/*
 * Looks at a result with its runs complete and adds flags: rate above the line rate; application
 * bytes against the NICs' counters (5 %) where a NIC was meant; shared memory or another NIC used;
 * retransmits; the two ends disagree (bytes done against bytes landed); a tcp case that was not
 * tcp; content wrong; warm-up not stable; interval not reached; drift; two modes; foreign load; the
 * tester's own thread did not run (longest gap); percentiles without samples. Sets invalid when one
 * of them is PERF_INVALID.
 */
void perf_gates(struct perf_result *result, const struct perf_env *here,
		const struct perf_env *there);

struct perf_gate_row {
	const char *id;
	enum perf_severity how;
	const char *what, *remedy;
};

extern const struct perf_gate_row perf_gate_rows[];
extern const uint32_t perf_gate_rows_n;

#endif /* WEFT_PERF_GATE_H */
