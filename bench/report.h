/* SPDX-License-Identifier: Apache-2.0 */
/* One line of JSON with the figures of one run; the same for every program here. */
#ifndef WEFT_BENCH_REPORT_H
#define WEFT_BENCH_REPORT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/hist.h"

struct report {
	const char *program, *provider, *version;
	const char *mode;
	const char *checksum;
	uint64_t size;   /* bytes of an operation */
	uint32_t window; /* operations in flight */
	uint32_t clients;
	bool kv; /* a server: completion flags have no meaning */
	bool delivery_complete;
	uint64_t elapsed_ns;
	uint64_t ops; /* done in that time */
	double cpu_initiator_s, cpu_target_s;
	const struct hist *latency;
	const uint64_t *series; /* as in struct meter */
	uint64_t series_ns, start_ns;
	uint32_t series_n;
};

/* Prints to stdout. 0 or a negative code. */
int report_print(const struct report *r);

#endif /* WEFT_BENCH_REPORT_H */
