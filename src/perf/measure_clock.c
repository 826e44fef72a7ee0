/* SPDX-License-Identifier: Apache-2.0 */
#include "perf/measure_clock.h"

#include <errno.h>
#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <time.h>

#ifdef __x86_64__
#include <cpuid.h>
#endif

#include "base/err.h"

#define CALIBRATE_NS (100 * NSEC_PER_MSEC)
#define PAIR_TRIES   32

static pthread_once_t calibrated = PTHREAD_ONCE_INIT;
static struct measure_clock process_clock;
static _Atomic bool unusable; /* it has drifted */

#ifdef __x86_64__
static bool counter_is_invariant(void)
{
	unsigned int a, b, c, d;

	return __get_cpuid(0x80000007, &a, &b, &c, &d) && (d & 1u << 8);
}

static uint64_t read_counter(void)
{
	_mm_lfence();
	return __rdtsc();
}
#else
static bool counter_is_invariant(void)
{
	return false;
}

static uint64_t read_counter(void)
{
	return 0;
}
#endif

static uint64_t read_raw(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC_RAW, &ts);
	return (uint64_t)ts.tv_sec * NSEC_PER_SEC + (uint64_t)ts.tv_nsec;
}

/* Both clocks at one instant: the pair between whose two readings of the counter least went by, so
 * that no interruption stands between. */
static void read_pair(uint64_t *ret_tick, uint64_t *ret_raw)
{
	uint64_t best = UINT64_MAX, before, after, raw;
	int i;

	for (i = 0; i < PAIR_TRIES; i++) {
		before = read_counter();
		raw = read_raw();
		after = read_counter();
		if (after - before >= best)
			continue;
		best = after - before;
		*ret_tick = before + best / 2;
		*ret_raw = raw;
	}
}

static void calibrate(void)
{
	struct timespec pause = { 0, CALIBRATE_NS };
	uint64_t tick, raw, ticks;

	if (!counter_is_invariant())
		return;
	read_pair(&process_clock.tick0, &process_clock.ns0);
	while (nanosleep(&pause, &pause) && errno == EINTR)
		;
	read_pair(&tick, &raw);
	ticks = tick - process_clock.tick0;
	if (ticks)
		process_clock.scale =
			(uint64_t)(((unsigned __int128)(raw - process_clock.ns0) << 32) / ticks);
}

void measure_clock_get(struct measure_clock *ret)
{
	pthread_once(&calibrated, calibrate);
	*ret = process_clock;
	if (atomic_load(&unusable))
		ret->scale = 0;
}

int measure_clock_judge(const struct measure_clock *clock, uint64_t tick, uint64_t raw_ns)
{
	double passed = (double)(raw_ns - clock->ns0), off, ppm;

	off = (double)(int64_t)(measure_ticks_ns(clock, tick) - raw_ns);
	ppm = off / passed * 1e6;
	if (fabs(ppm) <= MEASURE_DRIFT_PPM)
		return 0;
	return err_set(-EIO,
		       "the processor's time stamp counter has drifted by %.0f ppm against "
		       "CLOCK_MONOTONIC_RAW in %.1f s (at most %d are allowed): the machine was "
		       "moved or suspended, or its counter is broken; what was just measured does "
		       "not hold, measure again",
		       ppm, passed / 1e9, MEASURE_DRIFT_PPM);
}

int measure_clock_check(const struct measure_clock *clock)
{
	uint64_t tick, raw;
	int rc;

	if (!clock->scale)
		return 0;
	read_pair(&tick, &raw);
	rc = measure_clock_judge(clock, tick, raw);
	if (rc < 0)
		atomic_store(&unusable, true);
	return rc;
}
