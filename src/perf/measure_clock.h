/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The clock of the measuring loops: the processor's time stamp counter where it runs at one rate
 * for ever (invariant TSC), calibrated against CLOCK_MONOTONIC_RAW, else clock_ns(). To record a
 * sample, one reading and its place in the histogram, costs 26 ns on an EPYC of 2024 in a virtual
 * machine, 22 of them the reading (clock_ns(): 29). Nothing is subtracted for it.
 *
 * A latency of the closed loop costs two, 48 ns in all. One reading could end an operation and
 * begin the next, if that is posted at once and all else is done while it is under way. It would
 * be right for an operation that others carry out. But one that is done within its own post, as
 * shm's READ and WRITE and all of the back end loop, would have to wait for the sample before it
 * to be recorded, for the phases and the progress to be looked at: 30 ns that are the tester's, in
 * every sample (back end loop: a median of 60 ns instead of 30). With a reading before each post
 * what the tester does for itself stands between the samples. There it costs nothing that is
 * reported as a latency, only operations per second, which a test of latency does not tell.
 */
#ifndef WEFT_PERF_MEASURE_CLOCK_H
#define WEFT_PERF_MEASURE_CLOCK_H

#include <stdint.h>

#include "base/clock.h"

#ifdef __x86_64__
#include <x86intrin.h>
#endif

#define MEASURE_DRIFT_PPM 50 /* more, and nothing that was measured holds */

struct measure_clock {
	uint64_t scale;      /* nanoseconds of a tick, times 2^32; 0: clock_ns() */
	uint64_t tick0, ns0; /* where the calibration began, of counter and CLOCK_MONOTONIC_RAW */
};

/*
 * The process's clock. The first call calibrates it, for 100 ms; any thread. A loop keeps its copy
 * from beginning to end, so that all its times come from one clock.
 */
void measure_clock_get(struct measure_clock *ret);

/*
 * At the end: has the counter kept pace with CLOCK_MONOTONIC_RAW since the calibration? 0, or -EIO
 * with err_set(); then measure_clock_get() gives clock_ns() from now on.
 */
int measure_clock_check(const struct measure_clock *clock);

/* The judgement of measure_clock_check() about one pair of readings. */
int measure_clock_judge(const struct measure_clock *clock, uint64_t tick, uint64_t raw_ns);

static inline uint64_t measure_ticks_ns(const struct measure_clock *clock, uint64_t tick)
{
	/* Signed: a tick may be a little before tick0. */
	return clock->ns0 +
	       (uint64_t)(((__int128)(int64_t)(tick - clock->tick0) * (int64_t)clock->scale) >> 32);
}

/* Nothing that follows is done before the reading, which is done when all before has been read. */
static inline uint64_t measure_clock_ns(const struct measure_clock *clock)
{
#ifdef __x86_64__
	if (__builtin_expect(clock->scale != 0, 1)) {
		_mm_lfence();
		return measure_ticks_ns(clock, __rdtsc());
	}
#endif
	(void)clock;
	return clock_ns();
}

#endif /* WEFT_PERF_MEASURE_CLOCK_H */
