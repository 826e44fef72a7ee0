/* SPDX-License-Identifier: Apache-2.0 */
/* weft perf matrix: what was measured between hosts. */
#ifndef WEFT_PROGRAMS_PERF_MATRIX_H
#define WEFT_PROGRAMS_PERF_MATRIX_H

#include "perf/perf.h"

struct matrix_pair {
	uint32_t a, b; /* a ran against b */
	bool done;
	double value; /* bytes per second; of latency tests 1e9 / median nanoseconds */
	int error;
	char why[PERF_TEXT_MAX];
};

struct matrix_host {
	char address[PERF_HOST_MAX];
	uint32_t pairs; /* with a value */
	double median, low, high;
	bool slow;
	struct perf_env env; /* as its server told it; without facts when it could not be asked */
};

struct matrix {
	struct perf_case c;
	struct matrix_host *host;
	uint32_t hosts;
	struct matrix_pair *pair;
	uint32_t pairs;
	double median; /* of the hosts' medians */
	double slow;   /* share below it from which on a host is slow */
};

/* perf_round() into pairs. */
uint32_t matrix_round(uint32_t hosts, uint32_t round, struct matrix_pair *ret);

/* Fills in what follows from the pairs. 0 or -ENOMEM. */
int matrix_judge(struct matrix *matrix);
void matrix_print(const struct matrix *matrix, FILE *file);
/* 0 or -EIO. */
int matrix_write_json(const struct matrix *matrix, const char *path);

#endif /* WEFT_PROGRAMS_PERF_MATRIX_H */
