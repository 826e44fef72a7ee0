/* SPDX-License-Identifier: Apache-2.0 */
#include "perf/report_pair.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "perf/report_figures.h"
#include "perf/stats.h"

bool perf_same_work(const struct perf_case *x, const struct perf_case *y)
{
	return x->test == y->test && x->op == y->op && x->size == y->size &&
	       x->window == y->window && x->threads == y->threads && x->eps == y->eps &&
	       x->nics == y->nics && x->post_list == y->post_list &&
	       x->inline_bytes == y->inline_bytes && x->bidir == y->bidir &&
	       x->validate == y->validate && x->rate == y->rate && x->pace == y->pace;
}

static bool same_case(const struct perf_case *x, const struct perf_case *y)
{
	return perf_same_work(x, y) && !strcmp(x->backend, y->backend) &&
	       !strcmp(x->provider, y->provider) && !strcmp(x->model, y->model);
}

static double value_of(const struct perf_case *c, const struct perf_run *run)
{
	if (perf_is_time(c))
		return perf_run_p50(run);
	return c->test == PERF_RATE ? perf_run_ops(run) : perf_run_rate(run);
}

/* The repeats' figures, allocated; NULL without memory. */
static double *values_of(const struct perf_result *r, uint32_t *ret_n)
{
	double *values = malloc((r->runs + 1) * sizeof(*values)), value;
	uint32_t n = 0;

	for (uint32_t i = 0; values && i < r->runs; i++) {
		value = value_of(&r->c, &r->run[i]);
		if (value > 0)
			values[n++] = value;
	}
	*ret_n = n;
	return values;
}

static int verdict_of(const struct perf_pair *pair)
{
	const struct perf_median *ratio = &pair->ratio;

	if (pair->a->error || pair->b->error || pair->a->invalid || pair->b->invalid)
		return 2;
	if (isnan(ratio->low) || isnan(ratio->high))
		return 2;
	if (ratio->low > 1)
		return 1;
	return ratio->high < 1 ? -1 : 0;
}

int perf_pair_of(struct perf_pair *ret, const struct perf_result *a, const struct perf_result *b)
{
	uint32_t na, nb;
	double *of_a = values_of(a, &na), *of_b = values_of(b, &nb);
	int rc = 0;

	*ret = (struct perf_pair){ .a = a, .b = b, .ratio = { NAN, NAN, NAN, NAN, 0 } };
	if (!of_a || !of_b)
		rc = err_set(-ENOMEM, "no memory to compare");
	else if (na && nb && perf_is_time(&a->c))
		ret->ratio = perf_ratio(of_a, na, of_b, nb);
	else if (na && nb)
		ret->ratio = perf_ratio(of_b, nb, of_a, na);
	ret->verdict = verdict_of(ret);
	free(of_a);
	free(of_b);
	return rc;
}

/* Which one result[at] is among those of its case, from 0. */
static uint32_t ordinal_of(const struct perf_report *report, uint32_t at)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < at; i++)
		n += same_case(&report->result[i].c, &report->result[at].c);
	return n;
}

const struct perf_result *perf_twin(const struct perf_report *report, uint32_t at,
				    const struct perf_report *other)
{
	uint32_t left = ordinal_of(report, at);

	for (uint32_t i = 0; i < other->results; i++)
		if (same_case(&other->result[i].c, &report->result[at].c) && !left--)
			return &other->result[i];
	return NULL;
}

int perf_pair(const struct perf_report *a, const struct perf_report *b, struct perf_pair **ret)
{
	struct perf_pair *pairs = calloc(a->results + 1, sizeof(*pairs));
	const struct perf_result *twin;
	int n = 0, rc = 0;

	if (!pairs)
		return err_set(-ENOMEM, "no memory to compare");
	for (uint32_t i = 0; i < a->results && !rc; i++) {
		twin = perf_twin(a, i, b);
		if (twin)
			rc = perf_pair_of(&pairs[n++], &a->result[i], twin);
	}
	if (rc) {
		free(pairs);
		return rc;
	}
	*ret = pairs;
	return n;
}

static bool same_way(const struct perf_case *x, const struct perf_case *y)
{
	return !strcmp(x->backend, y->backend) && !strcmp(x->provider, y->provider);
}

/* The result against which result[at] is set: the first one of the same work. NULL: itself. */
static const struct perf_result *base_of(const struct perf_report *report, uint32_t at)
{
	const struct perf_result *r = &report->result[at], *base = NULL;
	uint32_t before = ordinal_of(report, at), i;

	for (i = 0; i < at && !base; i++)
		if (perf_same_work(&report->result[i].c, &r->c))
			base = &report->result[i];
	if (!base || same_way(&base->c, &r->c))
		return NULL;
	for (i = 0; i < report->results; i++)
		if (same_case(&report->result[i].c, &base->c) && !before--)
			return &report->result[i];
	return NULL;
}

int perf_pair_inside(const struct perf_report *report, struct perf_pair **ret)
{
	struct perf_pair *pairs = calloc(report->results + 1, sizeof(*pairs));
	const struct perf_result *base;
	int n = 0, rc = 0;

	if (!pairs)
		return err_set(-ENOMEM, "no memory to compare");
	for (uint32_t i = 0; i < report->results && !rc; i++) {
		base = base_of(report, i);
		if (base)
			rc = perf_pair_of(&pairs[n++], base, &report->result[i]);
	}
	if (rc) {
		free(pairs);
		return rc;
	}
	*ret = pairs;
	return n;
}
