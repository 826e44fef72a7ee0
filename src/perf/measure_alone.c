/* SPDX-License-Identifier: Apache-2.0 */
/* A case of a back end whose two ends are in this process: threads, phases, figures. */
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>

#include <weft/weft.h>

#include "base/alloc.h"
#include "base/err.h"
#include "perf/measure_loop.h"
#include "perf/result.h"

#define SLICES       200
#define SLICE_MIN_NS NSEC_PER_MSEC
#define PAUSE_NS     (200 * NSEC_PER_USEC)

/* One pair of ports, and the thread that drives both ends of it. */
struct alone_pair {
	const struct perf_case *c;
	struct alone *alone;
	struct perf_port *port, *twin;
	struct perf_measured here, there;
	pthread_t thread;
	int rc;
	char why[ERR_DETAIL_MAX];
};

/* Who conducts: the phases that pairs share. A clock of the back end's own has its own phases for
 * each pair. */
struct alone {
	const struct perf_case *c;
	struct perf_phases phases;
	uint32_t loops, initiators;
	bool conducted; /* by the pair itself, on its clock */
	uint64_t began;
	struct rusage at_start, at_end; /* of the measured time */
};

static bool conduct(struct alone *a, uint64_t now)
{
	uint32_t phase = atomic_load(&a->phases.phase), next = phase;

	if (atomic_load(&a->phases.failed))
		return false;
	switch ((enum perf_phase)phase) {
	case PERF_PHASE_WARM:
		if (atomic_load(&a->phases.stable) == a->initiators ||
		    now - a->began >= a->c->warm_ns) {
			next = PERF_PHASE_MEASURE;
			getrusage(RUSAGE_SELF, &a->at_start);
		}
		break;
	case PERF_PHASE_MEASURE:
		if (atomic_load(&a->phases.finished) == a->initiators) {
			next = PERF_PHASE_COOL;
			getrusage(RUSAGE_SELF, &a->at_end);
		}
		break;
	case PERF_PHASE_COOL:
		next = PERF_PHASE_STOP;
		break;
	case PERF_PHASE_STOP:
		if (atomic_load(&a->phases.drained) == a->loops)
			next = PERF_PHASE_END;
		break;
	case PERF_PHASE_END:
		return false;
	}
	if (next != phase)
		atomic_store_explicit(&a->phases.phase, next, memory_order_release);
	return true;
}

/* Rounds of both ends in turn until both are over. */
static int take_turns(struct alone_pair *pair, struct measure_loop *here,
		      struct measure_loop *there)
{
	const struct perf_backend *backend = pair->port->backend;
	int ra = MEASURE_BUSY, rb = MEASURE_BUSY;
	uint64_t wake;

	while (ra != MEASURE_DONE || rb != MEASURE_DONE) {
		if (ra != MEASURE_DONE && (ra = measure_step(here)) < 0)
			return ra;
		if (rb != MEASURE_DONE && (rb = measure_step(there)) < 0)
			return rb;
		if (pair->alone->conducted)
			conduct(pair->alone, here->now);
		if (!backend->idle || ra == MEASURE_BUSY || rb == MEASURE_BUSY)
			continue;
		wake = ra == MEASURE_DONE ? there->wake : here->wake;
		if (rb != MEASURE_DONE && there->wake < wake)
			wake = there->wake;
		backend->idle(pair->port, wake);
		here->last = there->last = measure_now(here);
	}
	return 0;
}

static int drive(struct alone_pair *pair)
{
	struct measure_loop *loops = mem_zalloc(2 * sizeof(*loops));
	uint32_t none = 0;
	int rc;

	if (!loops) {
		atomic_compare_exchange_strong(&pair->alone->phases.failed, &none, ENOMEM);
		return err_set(-ENOMEM, "no memory for the measuring loops");
	}
	rc = measure_begin(&loops[0], pair->port, pair->c, &pair->alone->phases, &pair->here, true);
	if (rc >= 0) {
		rc = measure_begin(&loops[1], pair->twin, pair->c, &pair->alone->phases,
				   &pair->there, pair->c->bidir);
		if (pair->alone->conducted)
			pair->alone->began = loops[0].began;
		if (rc >= 0)
			rc = take_turns(pair, &loops[0], &loops[1]);
		rc = measure_finish(&loops[1], rc);
	}
	rc = measure_finish(&loops[0], rc);
	mem_free(loops);
	return rc;
}

static void *drive_thread(void *arg)
{
	struct alone_pair *pair = arg;

	pair->rc = drive(pair);
	if (pair->rc < 0)
		snprintf(pair->why, sizeof(pair->why), "%s", weft_error_detail());
	return NULL;
}

static bool wants_latency(const struct perf_case *c)
{
	return c->test == PERF_LAT || c->test == PERF_OPEN || c->test == PERF_REG;
}

static bool wants_closed(const struct perf_case *c)
{
	return c->test == PERF_OPEN || c->test == PERF_REG;
}

static int make_room(const struct perf_case *c, struct perf_measured *measured)
{
	measured->slice_ns = c->duration_ns ? c->duration_ns / SLICES : 10 * NSEC_PER_MSEC;
	if (measured->slice_ns < SLICE_MIN_NS)
		measured->slice_ns = SLICE_MIN_NS;
	measured->slices = SLICES + 1; /* the last poll may be after the end */
	measured->slice = mem_array(measured->slices, sizeof(*measured->slice));
	if (wants_latency(c))
		measured->latency = mem_zalloc(sizeof(*measured->latency));
	if (wants_closed(c))
		measured->closed = mem_zalloc(sizeof(*measured->closed));
	if (!measured->slice || (wants_latency(c) && !measured->latency) ||
	    (wants_closed(c) && !measured->closed))
		return err_set(-ENOMEM, "no memory for the figures of a thread");
	return 0;
}

static void free_room(struct perf_measured *measured)
{
	mem_free(measured->slice);
	mem_free(measured->latency);
	mem_free(measured->closed);
}

static void add_side(struct perf_side *side, const struct perf_measured *measured,
		     struct perf_port *port)
{
	struct perf_facts facts = { 0 };

	port->backend->facts(port, &facts);
	side->ops += measured->ops;
	side->bytes += measured->bytes;
	side->landed += measured->landed;
	if (measured->ns > side->ns)
		side->ns = measured->ns;
	if (measured->longest_gap_ns > side->longest_gap_ns)
		side->longest_gap_ns = measured->longest_gap_ns;
	side->retransmits += facts.retransmits;
	side->wrong |= facts.wrong;
	side->is_tcp = facts.is_tcp;
	snprintf(side->ways, sizeof(side->ways), "%s", facts.ways);
}

/* Adds what a pair measured; the first one's room becomes the run's. */
static void add_run(struct perf_run *run, struct alone_pair *pair, bool first)
{
	struct perf_measured *here = &pair->here;
	uint32_t i;

	add_side(&run->here, here, pair->port);
	add_side(&run->there, &pair->there, pair->twin);
	run->late += here->late;
	run->duplicates += here->duplicates + pair->there.duplicates;
	run->warm_ops += here->warm_ops;
	if (here->warm_ns > run->warm_ns)
		run->warm_ns = here->warm_ns;
	run->warm_stable = here->warm_stable && (first || run->warm_stable);
	for (i = 0; i < here->slices; i++)
		here->slice[i] += pair->there.slice[i];
	if (first) {
		run->latency = here->latency;
		run->closed = here->closed;
		run->slice = here->slice;
		run->slice_ns = here->slice_ns;
		run->slices = here->slices;
		here->latency = here->closed = NULL;
		here->slice = NULL;
		return;
	}
	if (run->latency)
		hist_merge(run->latency, here->latency);
	if (run->closed)
		hist_merge(run->closed, here->closed);
	for (i = 0; i < run->slices; i++)
		run->slice[i] += here->slice[i];
}

static double seconds(const struct timeval *from, const struct timeval *to)
{
	return (double)(to->tv_sec - from->tv_sec) + (double)(to->tv_usec - from->tv_usec) / 1e6;
}

static void fill_run(struct perf_run *run, const struct alone *a, struct alone_pair *pairs)
{
	const struct rusage *from = &a->at_start, *to = &a->at_end;
	uint64_t whole;
	uint32_t i;

	for (i = 0; i < a->c->threads; i++)
		add_run(run, &pairs[i], i == 0);
	/* A slice that the measured time did not fill would look like a drop. */
	whole = run->here.ns / run->slice_ns;
	if (whole < run->slices)
		run->slices = (uint32_t)whole;
	run->here.cpu.process_sys = seconds(&from->ru_stime, &to->ru_stime);
	run->here.cpu.process = seconds(&from->ru_utime, &to->ru_utime) + run->here.cpu.process_sys;
}

/* All pairs at once, a thread each; this one conducts. */
static int run_threads(struct alone *a, struct alone_pair *pairs)
{
	struct timespec pause = { 0, PAUSE_NS };
	struct measure_clock clock;
	uint32_t started, i, none = 0;
	int rc = 0;

	measure_clock_get(&clock); /* calibrated before the warm-up begins */
	a->began = clock_ns();
	a->loops *= a->c->threads;
	a->initiators *= a->c->threads;
	for (started = 0; started < a->c->threads && rc == 0; started++) {
		pairs[started].alone = a;
		rc = pthread_create(&pairs[started].thread, NULL, drive_thread, &pairs[started]);
		if (rc)
			break;
	}
	if (rc) {
		atomic_compare_exchange_strong(&a->phases.failed, &none, (uint32_t)rc);
		rc = err_set(-rc, "thread %u of %u cannot be started", started + 1, a->c->threads);
	}
	while (conduct(a, clock_ns()))
		nanosleep(&pause, NULL);
	for (i = 0; i < started; i++)
		pthread_join(pairs[i].thread, NULL);
	/* The failure itself, not that of those who stopped for it. */
	for (i = 0; i < started; i++)
		if (pairs[i].rc < 0 && (rc == 0 || rc == -WEFT_ECANCELLED))
			rc = err_set(pairs[i].rc, "%s", pairs[i].why);
	return rc;
}

static int run_in_turn(struct alone *a, struct alone_pair *pairs)
{
	struct alone own;
	uint32_t i;
	int rc;

	for (i = 0; i < a->c->threads; i++) {
		own = *a;
		own.conducted = true;
		pairs[i].alone = &own;
		rc = drive(&pairs[i]);
		if (rc < 0)
			return rc;
	}
	return 0;
}

static int check_case(const struct perf_case *c, const struct perf_backend **ret)
{
	const struct perf_backend *backend;
	struct perf_limits limits = { 0 };
	int rc = perf_case_check(c);

	if (rc < 0)
		return rc;
	backend = perf_backend_find(c->backend);
	if (!backend)
		return err_set(-EINVAL, "there is no back end %s", c->backend);
	if (!backend->one_process)
		return err_set(-EINVAL,
			       "back end %s has its two ends in two processes: it needs "
			       "a server",
			       c->backend);
	if (!(backend->tests & 1u << c->test) || !(backend->ops & 1u << c->op))
		return err_set(-EOPNOTSUPP, "back end %s does not do test %s by %s", c->backend,
			       perf_test_word(c->test), perf_op_word(c->op));
	rc = backend->limits(c, &limits);
	if (rc < 0)
		return rc;
	if (c->size > limits.max_size || c->window > limits.max_window)
		return err_set(-EINVAL,
			       "size %" PRIu64 ", window %u: back end %s takes at most %" PRIu64
			       " and %u",
			       c->size, c->window, c->backend, limits.max_size, limits.max_window);
	*ret = backend;
	return 0;
}

int perf_measure_alone(const struct perf_case *c, struct perf_run *ret)
{
	const struct perf_backend *backend = NULL;
	struct alone a = { .c = c, .loops = 2, .initiators = c->bidir ? 2 : 1 };
	struct perf_run run = { 0 };
	struct alone_pair *pairs;
	uint32_t i;
	int rc;

	rc = check_case(c, &backend);
	if (rc < 0)
		return rc;
	pairs = mem_array(c->threads, sizeof(*pairs));
	if (!pairs)
		return err_set(-ENOMEM, "no memory for %u threads", c->threads);
	for (i = 0; i < c->threads && rc == 0; i++) {
		pairs[i].c = c;
		if ((rc = make_room(c, &pairs[i].here)) == 0 &&
		    (rc = make_room(c, &pairs[i].there)) == 0)
			rc = backend->pair(&pairs[i].port, &pairs[i].twin, c, i);
	}
	if (rc == 0)
		rc = backend->now ? run_in_turn(&a, pairs) : run_threads(&a, pairs);
	if (rc == 0) {
		fill_run(&run, &a, pairs);
		*ret = run;
	}
	for (i = 0; i < c->threads; i++) {
		if (pairs[i].port)
			backend->close(pairs[i].port);
		if (pairs[i].twin)
			backend->close(pairs[i].twin);
		free_room(&pairs[i].here);
		free_room(&pairs[i].there);
	}
	mem_free(pairs);
	return rc;
}
