/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Back end "model": a NIC that does not exist, whose every operation takes as long as was planted,
 * on a clock that moves only when both ends have nothing to do. So the tester can be tested: what
 * it reports is compared with what was planted, and the same case gives the same figures.
 *
 * perf_case.model is a list of words with spaces between, all optional:
 *
 *   service=TIME             from post to end of an operation; 1us
 *   jitter=TIME              evenly spread, so much less to so much more; at most the service
 *   rate=BYTES/s             of each direction; what is posted queues for it. 12.5GB/s; none
 *   outlier=TIME@1/N         of N operations the last takes so long, to the nanosecond
 *   bimodal=TIME,TIME        instead of service: one of two, evenly, by the seed
 *   drift=PERCENT            the service grows by so much each second: 10%
 *   start=TIME@TIME          a slow start: this service until then
 *   stall=TIME@TIME          the peer is stopped for the first, from the second on, once
 *   loss=1/N                 of N operations the last never ends
 *   duplicate=1/N            of N operations the last ends twice
 *   corrupt=1/N              of N operations the last lands with wrong content
 *
 * TIME: a number with ns, us, ms or s. BYTES: a number with B, KB, MB or GB, of 1000 each. Clocks
 * start at 0 when the port is made. Operations are counted by their numbers, so with N 10,000
 * those with the numbers 9999, 19999, ... are meant. Each direction, thus an answer too, takes its
 * own service. Registration takes a service, deregistration half of it.
 */
#ifndef WEFT_PERF_MODEL_H
#define WEFT_PERF_MODEL_H

#include <stdint.h>

struct perf_plan {
	uint64_t service, jitter;     /* ns */
	double rate;                  /* bytes per ns; 0: no limit */
	uint64_t outlier, outlier_of; /* ns; 0: none */
	uint64_t mode[2];             /* ns; 0: not bimodal */
	double drift;                 /* share by which the service grows each second */
	uint64_t start, start_until;  /* ns */
	uint64_t stall, stall_from;   /* ns */
	uint64_t loss_of, duplicate_of, corrupt_of; /* 0: none */
};

/* 0, or -EINVAL with err_set() telling which word is wrong and what it may be. */
int perf_plan_read(struct perf_plan *ret, const char *text);

/* When an operation ends that is posted at a time, if nothing is queued before it. */
uint64_t perf_plan_end(const struct perf_plan *plan, uint64_t posted, uint64_t number,
		       uint64_t seed);

#endif /* WEFT_PERF_MODEL_H */
