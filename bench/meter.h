/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Counts and times the operations of the initiator: a warm-up whose figures are thrown away, then
 * the measured time. Moves the phase of the pair accordingly.
 */
#ifndef WEFT_BENCH_METER_H
#define WEFT_BENCH_METER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/hist.h"
#include "bench.h"
#include "pair.h"

struct meter {
	struct pair *pair;
	struct hist *latency;
	uint64_t warm_ns, measure_ns;
	uint64_t start_ns; /* of this phase */
	uint64_t last_ns;  /* of the last completion */
	uint64_t ops;      /* done in this phase */
	uint64_t measured_ops;
	uint64_t measured_ns;
	uint64_t *series; /* operations of each series_ns of the measured time; NULL: not wanted */
	uint64_t series_ns;
	uint32_t series_n;
};

int meter_open(struct meter *m, struct pair *pair, uint64_t warm_ns, uint64_t measure_ns);
/* Counts by parts of the measured time, too. To be called right after meter_open(). */
int meter_series(struct meter *m, uint64_t part_ns);
void meter_close(struct meter *m);
bool meter_advance(struct meter *m, uint64_t now_ns);
void meter_series_done(struct meter *m, uint64_t now_ns, uint64_t n);

/* To be called with the time after completions: false when the measured time is over. */
static inline bool meter_goes_on(struct meter *m, uint64_t now_ns)
{
	const uint64_t length = m->pair->seen == PAIR_WARM ? m->warm_ns : m->measure_ns;

	if (m->pair->seen > PAIR_MEASURE)
		return false;
	return now_ns - m->start_ns < length || meter_advance(m, now_ns);
}

/* n operations that were posted together have ended together. */
static inline void meter_done(struct meter *m, uint64_t posted_ns, uint64_t now_ns, uint64_t n)
{
	/* What ends after the measured time is not of it. */
	if (m->pair->seen > PAIR_MEASURE)
		return;
	m->ops += n;
	m->last_ns = now_ns;
	hist_record_n(m->latency, now_ns - posted_ns, n);
	if (m->series && m->pair->seen == PAIR_MEASURE)
		meter_series_done(m, now_ns, n);
}

static inline bool meter_stalled(const struct meter *m)
{
	return clock_ns() - m->last_ns > BENCH_STALL_NS;
}

#endif /* WEFT_BENCH_METER_H */
