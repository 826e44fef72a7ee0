/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inside of the measuring loops: a loop as a sequence of rounds, so that two ends of one process
 * can take turns. A round posts what may be posted, polls once, and reads the clock once; what it
 * found is then accounted to the phase that was seen before.
 */
#ifndef WEFT_PERF_MEASURE_LOOP_H
#define WEFT_PERF_MEASURE_LOOP_H

#include <string.h>

#include "perf/measure.h"
#include "perf/measure_clock.h"
#include "perf/stats.h"

#define MEASURE_EVENTS  64
#define MEASURE_WAKE_NS NSEC_PER_MSEC /* longest that a loop with nothing to do idles */

/* What is outstanding of an operation, in measure_loop.live. */
#define MEASURE_POSTED   1u                   /* its end */
#define MEASURE_UNHEARD  2u                   /* its answer */
#define MEASURE_MAX_DEBT (10 * NSEC_PER_MSEC) /* of pace, that is made up for */

enum measure_mode {
	MEASURE_WARMING,
	MEASURE_COUNTING,
	MEASURE_OVER,
};

enum measure_step {
	MEASURE_IDLE, /* nothing until measure_loop.wake, or an event */
	MEASURE_BUSY,
	MEASURE_DONE, /* the loop is over */
};

/* Of an operation of the open loop, by number. */
struct measure_times {
	uint64_t due, posted;
};

struct measure_loop {
	struct perf_port *port;
	const struct perf_backend *backend;
	const struct perf_case *c;
	struct perf_phases *phases;
	struct perf_measured *ret;
	struct measure_clock clock;
	int (*round)(struct measure_loop *l); /* 0 or a code; sets found, now, wake */

	bool initiator, answers, stopping, drained;
	bool told; /* that it has finished */
	enum measure_mode mode;
	uint64_t began, now, last, start, wake;
	uint64_t progress; /* when something last went on, or nothing had to */
	uint64_t stopped;  /* when STOP was seen */
	uint64_t slice_at, slice_end;
	uint32_t slice_index;

	uint64_t next;    /* number of the next operation */
	uint32_t *flying; /* of each endpoint: posted, not ended */
	uint32_t *asked;  /* of each endpoint: not answered; a target's: to be answered */
	uint32_t flying_all, asked_all;
	uint8_t *live; /* MEASURE_* by number & mask */
	uint64_t mask;
	bool blocked; /* something could have been posted, but nothing was taken */

	struct perf_steady steady;
	uint64_t block_ns, block_end, block_ops;

	double step;          /* ns between two operations due: OPEN, or pace; 0: neither */
	uint64_t base;        /* when operation base_number was due */
	uint64_t base_number; /* pace moves both when it drops a debt */
	uint64_t sample;      /* LAT, REG: of the operation that ended in this round */
	uint64_t sample_closed;
	uint64_t posted_at; /* LAT: of the operation under way */
	bool waiting;       /* LAT: one is under way */

	struct measure_times *times; /* OPEN: by number & mask */
	uint64_t *order;             /* OPEN, answered: numbers in their order, window of each ep */
	uint32_t *head;              /* OPEN, answered: of each endpoint, next to be answered */
	uint64_t due_first, due_all; /* OPEN: first number due within the measured time, how many */
	uint64_t heard;              /* OPEN: of them, those recorded */

	/* What a round found. */
	uint64_t found, landed; /* operations ended; bytes arrived */
	bool some;              /* anything at all went on */

	struct perf_event events[MEASURE_EVENTS];
};

/* measure_begin() fills *l; measure_finish() is called whatever it returned, with what the loop
 * ended with, and returns it, or the failure of the clock. */
int measure_begin(struct measure_loop *l, struct perf_port *port, const struct perf_case *c,
		  struct perf_phases *phases, struct perf_measured *ret, bool initiator);
int measure_step(struct measure_loop *l); /* enum measure_step, or a code */
int measure_finish(struct measure_loop *l, int rc);

/* For the rounds. */
int measure_poll(struct measure_loop *l); /* number of events, or a code */
/* Posts the next count operations on an endpoint that has room; returns how many were taken. */
int measure_post(struct measure_loop *l, uint32_t ep, uint32_t count);

int measure_round_bw(struct measure_loop *l);
int measure_round_lat(struct measure_loop *l);
int measure_round_open(struct measure_loop *l);
int measure_round_reg(struct measure_loop *l);
int measure_round_target(struct measure_loop *l);
void measure_open_start(struct measure_loop *l);
void measure_open_close(struct measure_loop *l);
void measure_open_give_up(struct measure_loop *l);
bool measure_open_all_heard(const struct measure_loop *l);

static inline uint64_t measure_now(struct measure_loop *l)
{
	return l->backend->now ? l->backend->now(l->port) : measure_clock_ns(&l->clock);
}

/* When an operation is due, where there is a step. */
static inline uint64_t measure_due(const struct measure_loop *l, uint64_t number)
{
	return l->base + (uint64_t)((double)(number - l->base_number) * l->step);
}

/* Takes note of the end of an operation; false when it was not under way. */
static inline bool measure_ended(struct measure_loop *l, const struct perf_event *event)
{
	uint8_t *live = &l->live[event->number & l->mask];

	if (event->ep >= l->c->eps || event->number >= l->next ||
	    l->next - event->number > l->mask + 1 || !(*live & MEASURE_POSTED)) {
		l->ret->duplicates++;
		return false;
	}
	*live &= (uint8_t)~MEASURE_POSTED;
	l->flying[event->ep]--;
	l->flying_all--;
	return true;
}

#endif /* WEFT_PERF_MEASURE_LOOP_H */
