/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Processor time of a measurement: the process, the whole machine, softirq (where the kernel's TCP
 * works), against a baseline that was taken while nothing was measured.
 */
#ifndef WEFT_PERF_CPU_H
#define WEFT_PERF_CPU_H

#include <stdint.h>

#include "perf/result.h"

/* A reading of /proc/stat and of this process, seconds. */
struct perf_cpu_reading {
	uint64_t at_ns;
	double process, process_sys;
	double user, nice, system, irq, softirq, steal, idle; /* of all processors together */
};

/* proc: "/proc", or a test's. 0, or a code with err_set(). */
int perf_cpu_read(struct perf_cpu_reading *ret, const char *proc);

/* What was used between two readings, less what the machine used per second between the two
 * readings of the baseline (NULL: no baseline, nothing is subtracted). */
void perf_cpu_between(struct perf_cpu *ret, const struct perf_cpu_reading *from,
		      const struct perf_cpu_reading *to, const struct perf_cpu_reading *idle_from,
		      const struct perf_cpu_reading *idle_to);

#endif /* WEFT_PERF_CPU_H */
