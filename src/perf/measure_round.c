/* SPDX-License-Identifier: Apache-2.0 */
/* The rounds of all tests but the open loop. */
#include <errno.h>

#include "base/err.h"
#include "perf/measure_loop.h"

/* May the next list operations be posted, as pace says? */
static bool pace_allows(struct measure_loop *l, uint32_t list)
{
	uint64_t due = measure_due(l, l->next + list - 1);

	if (due > l->now) {
		if (due < l->wake)
			l->wake = due;
		return false;
	}
	if (l->now - due > MEASURE_MAX_DEBT) {
		l->base = l->now - MEASURE_MAX_DEBT;
		l->base_number = l->next + list - 1;
	}
	return true;
}

static int fill_windows(struct measure_loop *l)
{
	uint32_t list = l->c->post_list, ep;
	int taken;

	for (ep = 0; ep < l->c->eps; ep++) {
		while (l->c->window - l->flying[ep] >= list) {
			if (l->step > 0 && !pace_allows(l, list))
				return 0;
			taken = measure_post(l, ep, list);
			if (taken < 0)
				return taken;
			if ((uint32_t)taken < list)
				break;
		}
	}
	return 0;
}

int measure_round_bw(struct measure_loop *l)
{
	uint64_t ended = 0, arrived = 0;
	int rc, i;

	if (!l->stopping) {
		if (l->step > 0)
			l->now = measure_now(l);
		rc = fill_windows(l);
		if (rc < 0)
			return rc;
	}
	rc = measure_poll(l);
	if (rc < 0)
		return rc;
	for (i = 0; i < rc; i++) {
		if (l->events[i].kind == PERF_DONE)
			ended += measure_ended(l, &l->events[i]);
		else
			arrived++;
	}
	l->now = measure_now(l);
	l->found = ended;
	l->landed = (arrived + (l->c->op == PERF_READ ? ended : 0)) * l->c->size;
	return 0;
}

static void lat_event(struct measure_loop *l, const struct perf_event *event)
{
	bool answer = event->kind == PERF_ARRIVED;

	if (answer && !l->waiting) {
		l->ret->duplicates++;
		return;
	}
	if (!answer && !measure_ended(l, event))
		return;
	if (answer || l->c->op == PERF_READ)
		l->landed += l->c->size;
	if (answer == l->answers) {
		l->waiting = false;
		l->found = 1;
		l->sample = l->now - l->posted_at;
	}
}

int measure_round_lat(struct measure_loop *l)
{
	uint32_t ep = (uint32_t)(l->next % l->c->eps);
	int rc, i;

	if (!l->waiting && !l->stopping && l->flying[ep] < l->c->window) {
		l->posted_at = measure_now(l);
		rc = measure_post(l, ep, 1);
		if (rc < 0)
			return rc;
		l->waiting = rc > 0;
	}
	rc = measure_poll(l);
	l->now = measure_now(l);
	for (i = 0; i < rc; i++)
		lat_event(l, &l->events[i]);
	return rc;
}

int measure_round_reg(struct measure_loop *l)
{
	int rc;

	if (l->stopping) {
		l->now = measure_now(l);
		return 0;
	}
	rc = l->backend->reg(l->port, l->c->size, &l->sample, &l->sample_closed);
	l->now = measure_now(l);
	if (rc < 0)
		return rc;
	l->found = 1;
	l->some = true;
	return 0;
}

static int give_answers(struct measure_loop *l)
{
	uint32_t ep, count;
	int taken;

	for (ep = 0; ep < l->c->eps; ep++) {
		count = l->c->window - l->flying[ep];
		if (count > l->asked[ep])
			count = l->asked[ep];
		if (!count)
			continue;
		taken = measure_post(l, ep, count);
		if (taken < 0)
			return taken;
		l->asked[ep] -= (uint32_t)taken;
		l->asked_all -= (uint32_t)taken;
	}
	return 0;
}

int measure_round_target(struct measure_loop *l)
{
	int events = measure_poll(l), rc = 0, i;

	for (i = 0; i < events; i++) {
		if (l->events[i].kind == PERF_DONE) {
			measure_ended(l, &l->events[i]);
			continue;
		}
		l->landed += l->c->size;
		if (l->answers && l->events[i].ep < l->c->eps) {
			l->asked[l->events[i].ep]++;
			l->asked_all++;
		}
	}
	if (l->asked_all)
		rc = give_answers(l);
	l->now = measure_now(l);
	return events < 0 ? events : rc;
}
