/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Counts and times the operations of the initiator: a warm-up whose figures are thrown away, then
 * the measured time. Moves the phase of the pair accordingly.
 */
#ifndef WEFT_BENCH_METER_H
#define WEFT_BENCH_METER_H

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include "pair.h"
#include "sample.h"

/* Without a completion for this long a run has failed. */
#define METER_STALL_NS 10000000000ull

struct meter {
	struct pair *pair;
	struct samples latency;
	uint64_t warm_ns, measure_ns;
	uint64_t start_ns; /* of this phase */
	uint64_t last_ns;  /* of the last completion */
	uint64_t ops;      /* done in this phase */
	uint64_t measured_ops;
	double seconds;
};

int meter_open(struct meter *m, struct pair *pair, double warm_s, double measure_s);
void meter_close(struct meter *m);
bool meter_advance(struct meter *m, uint64_t now_ns);

static inline uint64_t meter_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ull + t.tv_nsec;
}

/* To be called with the time after completions: false when the measured time is over. */
static inline bool meter_goes_on(struct meter *m, uint64_t now_ns)
{
	const uint64_t length = m->pair->seen == PAIR_WARM ? m->warm_ns : m->measure_ns;

	if (m->pair->seen > PAIR_MEASURE)
		return false;
	return now_ns - m->start_ns < length || meter_advance(m, now_ns);
}

static inline void meter_done(struct meter *m, uint64_t posted_ns, uint64_t now_ns)
{
	m->ops++;
	m->last_ns = now_ns;
	samples_add(&m->latency, now_ns - posted_ns);
}

static inline bool meter_stalled(const struct meter *m)
{
	return meter_now() - m->last_ns > METER_STALL_NS;
}

#endif /* WEFT_BENCH_METER_H */
