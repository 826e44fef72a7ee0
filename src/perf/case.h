/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One measurement: what is measured, by which operation, over which back end, with what in flight.
 * Both sides have the same case: the side that runs sends it to the server.
 */
#ifndef WEFT_PERF_CASE_H
#define WEFT_PERF_CASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PERF_NAME_MAX    64
#define PERF_DEVICES_MAX 1024
#define PERF_THREADS_MAX 64
#define PERF_EPS_MAX     64
#define PERF_WINDOW_MAX  4096
#define PERF_SIZE_MAX    ((uint64_t)1 << 30)

enum perf_test {
#define TEST(id, word, what) PERF_##id,
#include "perf/case.def"
	PERF_TESTS
};

enum perf_op {
#define OP(id, word, what) PERF_##id,
#include "perf/case.def"
	PERF_OPS
};

struct perf_case {
	enum perf_test test;
	enum perf_op op;
	char backend[PERF_NAME_MAX];  /* name of a row of perf_backends */
	char provider[PERF_NAME_MAX]; /* fabric, weft: libfabric's name; "": the first that is there
				       */
	char devices[PERF_DEVICES_MAX]; /* by comma; "": all, up to nics */
	uint32_t nics;                  /* at most so many devices; 0: all */
	uint64_t size;                  /* bytes of an operation */
	uint32_t window;                /* operations in flight, of each endpoint */
	uint32_t threads;               /* 1.. on each side; each drives its own port */
	uint32_t eps;                   /* endpoints (tcp: streams) of each thread, 1.. */
	uint32_t post_list;             /* operations handed over at a time, 1..window */
	uint32_t inline_bytes; /* send inline up to so many; UINT32_MAX: as the provider does */
	bool bidir;            /* both sides initiate */
	bool validate;         /* content is checked at its end; costs time, and says so */
	uint64_t duration_ns;  /* measured time; 0: until iters */
	uint64_t iters;        /* operations of each thread; 0: until duration_ns */
	double rate;           /* OPEN: operations per second, all threads together */
	uint64_t pace;         /* bytes per second of all threads; 0: as fast as it goes */
	uint64_t warm_ns;      /* longest warm-up; it ends earlier when the rate is stable */
	uint64_t seed;         /* of content, and of the model */
	char model[256];       /* model: what is planted, see perf/model.h */
};

/* The word of case.def; "?" for a number out of range. */
const char *perf_test_word(uint32_t test);
const char *perf_op_word(uint32_t op);

/*
 * Is the case possible in itself (windows, sizes, tests with operations), whatever the back end? 0,
 * or -EINVAL with err_set() saying which member, why, and what would do.
 */
int perf_case_check(const struct perf_case *c);

#endif /* WEFT_PERF_CASE_H */
