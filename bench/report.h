/* SPDX-License-Identifier: Apache-2.0 */
/* One line of JSON with the figures of one run; the same for every program here. */
#ifndef WEFT_BENCH_REPORT_H
#define WEFT_BENCH_REPORT_H

#include <stdbool.h>
#include <stdint.h>

#include "sample.h"

struct report {
	const char *program, *provider, *mode, *checksum;
	const char *version; /* of what is measured */
	uint64_t size, window;
	uint32_t clients;
	bool delivery_complete;
	double seconds; /* measured */
	uint64_t ops;   /* done in that time */
	double cpu_initiator_s, cpu_target_s;
};

/* Prints to stdout. Sorts the samples. */
void report_print(const struct report *r, struct samples *latency);

#endif /* WEFT_BENCH_REPORT_H */
