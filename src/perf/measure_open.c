/* SPDX-License-Identifier: Apache-2.0 */
/* The open loop: operations are due at times of their own, whatever became of those before. */
#include "perf/measure_loop.h"

#define OPEN_HEAR_NS NSEC_PER_SEC /* how long the last ones are waited for before it is over */

/* The first number that is due at or after a time. */
static uint64_t first_due_at(const struct measure_loop *l, uint64_t at)
{
	uint64_t number = (uint64_t)((double)(at - l->base) / l->step);

	while (number && measure_due(l, number - 1) >= at)
		number--;
	while (measure_due(l, number) < at)
		number++;
	return number;
}

void measure_open_start(struct measure_loop *l)
{
	l->due_first = first_due_at(l, l->start);
	l->due_all = UINT64_MAX;
	if (l->c->duration_ns)
		l->due_all = first_due_at(l, l->start + l->c->duration_ns) - l->due_first;
	if (l->c->iters && l->c->iters < l->due_all)
		l->due_all = l->c->iters;
}

void measure_open_close(struct measure_loop *l)
{
	uint64_t due = first_due_at(l, l->now) - l->due_first;

	if (due < l->due_all)
		l->due_all = due;
}

bool measure_open_all_heard(const struct measure_loop *l)
{
	return !l->times || l->heard == l->due_all ||
	       l->now - l->start - l->ret->ns >= OPEN_HEAR_NS;
}

static bool is_measured(const struct measure_loop *l, uint64_t number)
{
	return number >= l->due_first && number - l->due_first < l->due_all;
}

void measure_open_give_up(struct measure_loop *l)
{
	uint64_t number, end = l->due_first + l->due_all;

	if (l->mode == MEASURE_WARMING)
		return;
	for (number = l->next > l->due_first ? l->next : l->due_first; number < end; number++) {
		if (l->ret->latency)
			hist_record(l->ret->latency, l->now - measure_due(l, number));
		l->ret->late++;
	}
}

static void heard(struct measure_loop *l, uint64_t number)
{
	const struct measure_times *times = &l->times[number & l->mask];

	l->found++;
	if (l->c->op == PERF_READ)
		l->landed += l->c->size;
	if (!is_measured(l, number))
		return;
	l->heard++;
	if (l->ret->latency)
		hist_record(l->ret->latency, l->now - times->due);
	if (l->ret->closed)
		hist_record(l->ret->closed, l->now - times->posted);
}

static void answered(struct measure_loop *l, uint32_t ep)
{
	uint64_t number;

	l->landed += l->c->size;
	if (ep >= l->c->eps || !l->asked[ep]) {
		l->ret->duplicates++;
		return;
	}
	number = l->order[(uint64_t)ep * l->c->window + l->head[ep]];
	l->head[ep] = (l->head[ep] + 1) % l->c->window;
	l->asked[ep]--;
	l->asked_all--;
	l->live[number & l->mask] &= (uint8_t)~MEASURE_UNHEARD;
	heard(l, number);
}

static void note_posted(struct measure_loop *l, uint32_t ep, uint64_t number)
{
	struct measure_times *times = &l->times[number & l->mask];
	uint32_t slot;

	times->due = measure_due(l, number);
	times->posted = l->now;
	if (l->now - times->due > PERF_LATE_NS && is_measured(l, number))
		l->ret->late++;
	if (!l->answers)
		return;
	slot = (l->head[ep] + l->asked[ep]) % l->c->window;
	l->order[(uint64_t)ep * l->c->window + slot] = number;
	l->live[number & l->mask] |= MEASURE_UNHEARD;
	l->asked[ep]++;
	l->asked_all++;
}

/* An endpoint with room, the next in turn; how much in *ret_room, 0 when all windows are full. */
static uint32_t choose_ep(const struct measure_loop *l, uint32_t *ret_room)
{
	uint32_t first = (uint32_t)(l->next % l->c->eps), i, ep = first, used;

	for (i = 0; i < l->c->eps; i++) {
		ep = (first + i) % l->c->eps;
		used = l->asked[ep] > l->flying[ep] ? l->asked[ep] : l->flying[ep];
		*ret_room = l->c->window - used;
		if (*ret_room)
			break;
	}
	return ep;
}

static int post_due(struct measure_loop *l)
{
	uint32_t room = 0, count, ep;
	uint64_t first;
	int taken, i;

	for (;;) {
		l->now = measure_now(l);
		if (measure_due(l, l->next) > l->now)
			return 0;
		ep = choose_ep(l, &room);
		if (room > l->c->post_list)
			room = l->c->post_list;
		for (count = 0; count < room && measure_due(l, l->next + count) <= l->now; count++)
			;
		if (!count)
			return 0;
		first = l->next;
		taken = measure_post(l, ep, count);
		for (i = 0; i < taken; i++)
			note_posted(l, ep, first + (uint64_t)i);
		if (taken < (int)count)
			return taken < 0 ? taken : 0;
	}
}

int measure_round_open(struct measure_loop *l)
{
	int rc = l->stopping ? 0 : post_due(l), i;
	uint64_t due;

	if (rc < 0)
		return rc;
	rc = measure_poll(l);
	l->now = measure_now(l);
	for (i = 0; i < rc; i++) {
		if (l->events[i].kind == PERF_ARRIVED)
			answered(l, l->events[i].ep);
		else if (measure_ended(l, &l->events[i]) && !l->answers)
			heard(l, l->events[i].number);
	}
	due = measure_due(l, l->next);
	/* One that is due and does not fit waits for an event. */
	if (due > l->now && due < l->wake)
		l->wake = due;
	return rc;
}
