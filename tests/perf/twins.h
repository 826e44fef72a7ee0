/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two processes with a port of one case each, for tests of back ends: the other process is this
 * program again, on another host where WEFT_PEER_ENV says so. Both go through the same cases; bytes
 * over a socket keep them in step while each polls its port. A failure ends the process with a text
 * and status 1.
 */
#ifndef WEFT_TESTS_PERF_TWINS_H
#define WEFT_TESTS_PERF_TWINS_H

#include <stdbool.h>
#include <stdint.h>

#include "perf/backend.h"

struct twins {
	const struct perf_backend *backend;
	bool target; /* this is the started one */
	int fd;
};

struct twins_run {
	uint64_t ops; /* of each endpoint */
	bool lazy;    /* the target does not poll until the initiator can post no more */
	/* Connected, and nothing is posted. NULL: nothing is to be done. */
	void (*before)(struct perf_port *port, const struct perf_case *c, bool target);
};

struct twins_seen {
	uint64_t done, arrived;
	uint64_t ahead; /* lazy: posted before the target polled */
	uint64_t ns;    /* from the first post to the last end */
	struct perf_facts here;
	bool wrong; /* at either side */
};

/* Starts the other process, which comes back from here with target set. */
void twins_start(struct twins *ret, const struct perf_backend *backend, char **argv);
/* Opens, connects, runs and closes. */
void twins_go(struct twins *twins, const struct perf_case *c, const struct twins_run *run,
	      struct twins_seen *ret);
/* Waits for the other one to end; fails when it did. */
void twins_end(struct twins *twins);

_Noreturn void fail(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif /* WEFT_TESTS_PERF_TWINS_H */
