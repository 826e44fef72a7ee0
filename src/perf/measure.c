/* SPDX-License-Identifier: Apache-2.0 */
#include "perf/measure.h"

#include <errno.h>
#include <inttypes.h>

#include "base/alloc.h"
#include "base/err.h"
#include "perf/measure_loop.h"

#define BLOCK_MIN_NS (250 * NSEC_PER_USEC)
#define BLOCK_MAX_NS (50 * NSEC_PER_MSEC)
#define BLOCKS       40 /* of the longest warm-up */

static int in_context(const struct measure_loop *l, int rc)
{
	struct perf_facts facts = { 0 };

	l->backend->facts(l->port, &facts);
	return err_prefix(rc, "%s by %s of %" PRIu64 " bytes, %s, back end %s (%s)",
			  perf_test_word(l->c->test), perf_op_word(l->c->op), l->c->size,
			  l->initiator ? "initiating" : "serving", l->backend->name, facts.ways);
}

int measure_poll(struct measure_loop *l)
{
	uint64_t room = MEASURE_EVENTS;
	int rc;

	/* So that exactly iters are counted. */
	if (l->mode == MEASURE_COUNTING && l->c->iters && l->initiator && l->c->test != PERF_OPEN &&
	    l->c->iters - l->ret->ops < room)
		room = l->c->iters - l->ret->ops;
	rc = l->backend->poll(l->port, l->events, (uint32_t)room);
	if (rc < 0)
		return in_context(l, rc);
	if (rc)
		l->some = true;
	return rc;
}

/* How many of the next count numbers are free: one whose operation of long ago has not ended is
 * not. */
static uint32_t free_numbers(const struct measure_loop *l, uint32_t count)
{
	uint32_t n;

	for (n = 0; n < count && !l->live[(l->next + n) & l->mask]; n++)
		;
	return n;
}

int measure_post(struct measure_loop *l, uint32_t ep, uint32_t count)
{
	int taken = 0, i;

	count = free_numbers(l, count);
	if (count)
		taken = l->backend->post(l->port, ep, l->next, count);
	if (taken < 0)
		return in_context(l, taken);
	if (!taken) {
		l->blocked = true;
		return 0;
	}
	for (i = 0; i < taken; i++)
		l->live[(l->next + (uint64_t)i) & l->mask] = MEASURE_POSTED;
	l->next += (uint64_t)taken;
	l->flying[ep] += (uint32_t)taken;
	l->flying_all += (uint32_t)taken;
	l->some = true;
	return taken;
}

static void account_warm(struct measure_loop *l, uint32_t phase)
{
	struct perf_measured *ret = l->ret;

	ret->warm_ops += l->found;
	ret->warm_ns = l->now - l->began;
	l->block_ops += l->found;
	if (l->now >= l->block_end) {
		/* A block ends with a poll: what is compared is its rate. */
		if (perf_steady_add(&l->steady,
				    (double)l->block_ops /
					    (double)(l->now - l->block_end + l->block_ns)) &&
		    !ret->warm_stable) {
			ret->warm_stable = true;
			if (l->initiator)
				atomic_fetch_add(&l->phases->stable, 1);
		}
		l->block_ops = 0;
		l->block_end = l->now + l->block_ns;
	}
	if (phase < PERF_PHASE_MEASURE)
		return;
	l->mode = MEASURE_COUNTING;
	l->start = l->now;
	l->slice_end = l->now + ret->slice_ns;
	if (l->times)
		measure_open_start(l);
}

static void count_slice(struct measure_loop *l)
{
	struct perf_measured *ret = l->ret;
	uint64_t index;

	if (l->now >= l->slice_end) {
		index = (l->now - l->start) / ret->slice_ns;
		l->slice_index = index < ret->slices ? (uint32_t)index : ret->slices;
		l->slice_end = l->start + (index + 1) * ret->slice_ns;
	}
	if (l->slice_index < ret->slices)
		ret->slice[l->slice_index] += l->found * l->c->size;
}

static bool counted_all(const struct measure_loop *l, uint32_t phase)
{
	const struct perf_case *c = l->c;

	if (phase >= PERF_PHASE_COOL || (c->duration_ns && l->now - l->start >= c->duration_ns))
		return true;
	if (!c->iters || !l->initiator)
		return false;
	if (l->times)
		return l->now - l->start >= (uint64_t)((double)c->iters * l->step);
	return l->ret->ops >= c->iters;
}

static void account_measured(struct measure_loop *l, uint32_t phase)
{
	struct perf_measured *ret = l->ret;

	ret->ops += l->found;
	ret->landed += l->landed;
	/* A registration is one long call. */
	if (l->now - l->last > ret->longest_gap_ns && l->c->test != PERF_REG)
		ret->longest_gap_ns = l->now - l->last;
	if (l->found && (l->c->test == PERF_LAT || l->c->test == PERF_REG)) {
		if (ret->latency)
			hist_record(ret->latency, l->sample);
		if (ret->closed)
			hist_record(ret->closed, l->sample_closed);
	}
	if (ret->slice && ret->slice_ns && l->found)
		count_slice(l);
	if (!counted_all(l, phase))
		return;
	ret->ns = l->now - l->start;
	l->mode = MEASURE_OVER;
	if (l->times)
		measure_open_close(l);
}

static void account(struct measure_loop *l, uint32_t phase)
{
	if (l->mode == MEASURE_WARMING)
		account_warm(l, phase);
	else if (l->mode == MEASURE_COUNTING)
		account_measured(l, phase);
	if (l->mode == MEASURE_OVER && !l->told && l->initiator && measure_open_all_heard(l)) {
		l->told = true;
		atomic_fetch_add(&l->phases->finished, 1);
	}
	l->last = l->now;
}

static int check_progress(struct measure_loop *l)
{
	bool under_way = l->flying_all || l->asked_all || l->waiting || l->blocked;

	/* A target that is to stop may have a twin that has returned. */
	if (l->some || !under_way || (l->stopping && !l->initiator)) {
		l->progress = l->now;
		return 0;
	}
	if (l->now - l->progress <= PERF_STALL_NS)
		return 0;
	return in_context(
		l, err_set(-WEFT_EDEADLINE,
			   "nothing of the %u operations under way%s has ended for %.0f s, and no "
			   "more are taken: the twin is stopped, dead or cut off, or an operation "
			   "was lost; look at the other side's process and at both logs",
			   l->flying_all > l->asked_all ? l->flying_all : l->asked_all,
			   l->asked_all || l->waiting ? " or not answered" : "",
			   (double)PERF_STALL_NS / 1e9));
}

static bool is_over(struct measure_loop *l, uint32_t phase)
{
	if (!l->stopping)
		return false;
	if (!l->drained && !l->flying_all && !l->asked_all && !l->waiting) {
		l->drained = true;
		atomic_fetch_add(&l->phases->drained, 1);
	}
	if (phase >= PERF_PHASE_END || (l->drained && l->initiator && !l->c->bidir))
		return true;
	/* A target's own answers may wait for a twin that has returned. */
	return (l->drained || !l->initiator) && l->now - l->stopped >= PERF_LINGER_NS;
}

int measure_step(struct measure_loop *l)
{
	uint32_t phase = atomic_load_explicit(&l->phases->phase, memory_order_acquire);
	int rc;

	if (atomic_load_explicit(&l->phases->failed, memory_order_relaxed))
		return err_set(-WEFT_ECANCELLED, "another thread of this run has failed");
	if (phase >= PERF_PHASE_STOP && !l->stopping) {
		l->stopping = true;
		l->stopped = l->now;
	}
	l->found = l->landed = 0;
	l->some = l->blocked = false;
	l->wake = l->now + MEASURE_WAKE_NS;
	rc = l->round(l);
	if (rc < 0)
		return rc;
	account(l, phase);
	rc = check_progress(l);
	if (rc < 0)
		return rc;
	if (is_over(l, phase))
		return MEASURE_DONE;
	return l->some ? MEASURE_BUSY : MEASURE_IDLE;
}

static int choose_round(struct measure_loop *l)
{
	l->answers = (l->c->test == PERF_LAT || l->c->test == PERF_OPEN) &&
		     (l->c->op == PERF_SEND || l->c->op == PERF_WRITE_IMM);
	switch (l->c->test) {
	case PERF_BW:
	case PERF_RATE:
		l->round = measure_round_bw;
		if (l->c->pace)
			l->step = (double)l->c->size * l->c->threads * 1e9 / (double)l->c->pace;
		break;
	case PERF_LAT:
		l->round = measure_round_lat;
		break;
	case PERF_OPEN:
		l->round = measure_round_open;
		l->step = l->c->threads * 1e9 / l->c->rate;
		break;
	case PERF_REG:
		l->round = measure_round_reg;
		if (!l->backend->reg)
			return err_set(-EOPNOTSUPP, "back end %s cannot register memory by itself",
				       l->backend->name);
		break;
	case PERF_SETUP:
	case PERF_TESTS:
		return err_set(-EOPNOTSUPP, "test %s is not a loop on an open port",
			       perf_test_word(l->c->test));
	}
	if (!l->initiator) {
		l->round = measure_round_target;
		l->step = 0;
	}
	return 0;
}

static int make_tables(struct measure_loop *l)
{
	uint64_t size = 64, window = (uint64_t)l->c->window * l->c->eps;
	bool opens = l->initiator && l->c->test == PERF_OPEN;

	while (size < 4 * window)
		size *= 2;
	l->mask = size - 1;
	l->live = mem_zalloc(size);
	l->flying = mem_array(l->c->eps, sizeof(*l->flying));
	l->asked = mem_array(l->c->eps, sizeof(*l->asked));
	if (opens) {
		l->times = mem_array(size, sizeof(*l->times));
		l->order = mem_array(window, sizeof(*l->order));
		l->head = mem_array(l->c->eps, sizeof(*l->head));
	}
	if (!l->live || !l->flying || !l->asked || (opens && (!l->times || !l->order || !l->head)))
		return err_set(-ENOMEM,
			       "no memory for the records of %" PRIu64 " operations in flight",
			       window);
	return 0;
}

int measure_begin(struct measure_loop *l, struct perf_port *port, const struct perf_case *c,
		  struct perf_phases *phases, struct perf_measured *ret, bool initiator)
{
	int rc;

	memset(l, 0, sizeof(*l));
	l->port = port;
	l->backend = port->backend;
	l->c = c;
	l->phases = phases;
	l->ret = ret;
	l->initiator = initiator;
	l->due_first = UINT64_MAX;
	rc = choose_round(l);
	if (rc == 0)
		rc = make_tables(l);
	if (rc < 0)
		return in_context(l, rc);
	if (!l->backend->now)
		measure_clock_get(&l->clock);
	l->began = l->now = l->last = l->progress = l->base = measure_now(l);
	l->block_ns = c->warm_ns / BLOCKS;
	if (l->block_ns < BLOCK_MIN_NS)
		l->block_ns = BLOCK_MIN_NS;
	else if (l->block_ns > BLOCK_MAX_NS)
		l->block_ns = BLOCK_MAX_NS;
	l->block_end = l->now + l->block_ns;
	return 0;
}

int measure_finish(struct measure_loop *l, int rc)
{
	uint32_t none = 0;

	if (rc >= 0) {
		if (l->times)
			measure_open_give_up(l);
		l->ret->bytes = l->ret->ops * l->c->size;
		rc = l->backend->now ? 0 : measure_clock_check(&l->clock);
	}
	if (rc < 0)
		atomic_compare_exchange_strong(&l->phases->failed, &none, (uint32_t)-rc);
	mem_free(l->live);
	mem_free(l->flying);
	mem_free(l->asked);
	mem_free(l->times);
	mem_free(l->order);
	mem_free(l->head);
	return rc;
}

static int run_loop(struct perf_port *port, const struct perf_case *c, struct perf_phases *phases,
		    struct perf_measured *ret, bool initiator)
{
	struct measure_loop *l = mem_alloc(sizeof(*l));
	uint32_t none = 0;
	int rc;

	if (!l) {
		atomic_compare_exchange_strong(&phases->failed, &none, ENOMEM);
		return err_set(-ENOMEM, "no memory for the measuring loop");
	}
	rc = measure_begin(l, port, c, phases, ret, initiator);
	while (rc >= 0) {
		rc = measure_step(l);
		if (rc == MEASURE_DONE)
			break;
		if (rc == MEASURE_IDLE && l->backend->idle) {
			l->backend->idle(port, l->wake);
			l->last = measure_now(l);
		}
	}
	rc = measure_finish(l, rc < 0 ? rc : 0);
	mem_free(l);
	return rc;
}

int perf_measure_initiator(struct perf_port *port, const struct perf_case *c,
			   struct perf_phases *phases, struct perf_measured *ret)
{
	return run_loop(port, c, phases, ret, true);
}

int perf_measure_target(struct perf_port *port, const struct perf_case *c,
			struct perf_phases *phases, struct perf_measured *ret)
{
	return run_loop(port, c, phases, ret, false);
}
