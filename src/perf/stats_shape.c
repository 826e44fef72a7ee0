/* SPDX-License-Identifier: Apache-2.0 */
/* Shapes: whether values change over a run, and whether a histogram has more than one mode. */
#include "perf/stats.h"

#include <math.h>
#include <stdlib.h>

#include "base/alloc.h"

/* Two-sided 1 %. */
#define DRIFT_CHANCE 0.01
#define DRIFT_EXACT  20 /* values of each half up to which the distribution is counted out */

struct ranked {
	double value;
	bool first; /* of the first half */
};

static int by_value(const void *a, const void *b)
{
	double x = ((const struct ranked *)a)->value, y = ((const struct ranked *)b)->value;

	return (x > y) - (x < y);
}

/*
 * Chance that the rank sum statistic of samples of n1 and n2 is at most u. The number of ways to
 * each u is the coefficient of q^u in the product of (1 - q^(n2 + i)) / (1 - q^i) for i = 1..n1.
 */
static double chance_at_most(uint32_t n1, uint32_t n2, double u)
{
	static const uint32_t room = DRIFT_EXACT * DRIFT_EXACT + 1;
	double ways[DRIFT_EXACT * DRIFT_EXACT + 1] = { 1 }, some = 0, all = 0;
	uint32_t i, k;

	for (i = 1; i <= n1; i++) {
		for (k = room; k-- > n2 + i;)
			ways[k] -= ways[k - n2 - i];
		for (k = i; k < room; k++)
			ways[k] += ways[k - i];
	}
	for (k = 0; k <= n1 * n2; k++) {
		all += ways[k];
		if (k <= u)
			some += ways[k];
	}
	return some / all;
}

/* Rank sum of the first half, ties with their mean rank; *ret_ties: sum of t^3 - t. */
static double rank_sum(const struct ranked *sorted, uint32_t n, double *ret_ties)
{
	double sum = 0, ties = 0, equal;
	uint32_t from, to, i;

	for (from = 0; from < n; from = to) {
		for (to = from + 1; to < n && sorted[to].value == sorted[from].value; to++)
			;
		equal = to - from;
		ties += equal * equal * equal - equal;
		for (i = from; i < to; i++)
			if (sorted[i].first)
				sum += (from + 1 + to) / 2.0;
	}
	*ret_ties = ties;
	return sum;
}

bool perf_drifts(const double *values, uint32_t n)
{
	uint32_t n1 = n / 2, n2 = n - n1, i;
	double ties, u, mean = (double)n1 * n2 / 2, variance;
	struct ranked *sorted;

	for (i = 0; i < n; i++)
		if (isnan(values[i]))
			return false;
	sorted = n ? mem_array(n, sizeof(*sorted)) : NULL;
	if (!sorted)
		return false;
	for (i = 0; i < n; i++) {
		sorted[i].value = values[i];
		sorted[i].first = i < n1;
	}
	qsort(sorted, n, sizeof(*sorted), by_value);
	u = rank_sum(sorted, n, &ties) - (double)n1 * (n1 + 1) / 2;
	mem_free(sorted);
	if (u > mean)
		u = 2 * mean - u;
	if (ties == 0 && n2 <= DRIFT_EXACT)
		return 2 * chance_at_most(n1, n2, u) < DRIFT_CHANCE;
	variance = (double)n1 * n2 / 12 * (n + 1 - ties / ((double)n * (n - 1)));
	if (!(variance > 0))
		return false;
	/* Half a step nearer to the mean: ranks are whole numbers. */
	return erfc(fmax(mean - u - 0.5, 0) / sqrt(2 * variance)) < DRIFT_CHANCE;
}

/*
 * Modes are looked for in bins of an eighth of a power of two, none finer than MODE_TICK_NS, since
 * clocks have ticks and histograms whole numbers; then smoothed, so that a gap of one bin is none.
 */
#define MODE_PARTS   8
#define MODE_TICK_NS 16
#define MODE_BINS    (MODE_PARTS * 48)
#define MODE_SHARE   0.05 /* of the samples that each side of the valley must have */
#define MODE_HEIGHT  0.05 /* of the higher mode that the lower one must have */
#define MODE_VALLEY  0.5  /* of the lower mode that the valley may have */
#define MODE_SIGMA   5    /* how many standard deviations of chance the valley must be deep */
#define MODE_SAMPLES 200

static void fill_bins(double *bins, const struct hist *hist)
{
	double middle;
	uint32_t i;

	for (i = 0; i < HIST_BUCKETS; i++) {
		if (!hist->buckets[i])
			continue;
		middle = ((double)hist_bucket_low(i) + (double)hist_bucket_high(i)) / 2;
		/* Near zero it is linear with slope 1 / tick, far away logarithmic. */
		middle = MODE_PARTS * log2(1 + middle * M_LN2 / (MODE_PARTS * MODE_TICK_NS));
		bins[(uint32_t)middle + 1] += (double)hist->buckets[i];
	}
}

static void smooth(double *bins)
{
	double before = 0, here;
	uint32_t i;

	for (i = 0; i + 1 < MODE_BINS; i++) {
		here = bins[i];
		bins[i] = (before + 2 * here + bins[i + 1]) / 4;
		before = here;
	}
}

/* above[i]: the highest bin from i on. */
static void fill_above(double *above, const double *bins)
{
	above[MODE_BINS] = 0;
	for (uint32_t i = MODE_BINS; i-- > 0;)
		above[i] = fmax(above[i + 1], bins[i]);
}

bool perf_bimodal(const struct hist *hist)
{
	double bins[MODE_BINS] = { 0 }, above[MODE_BINS + 1], left = 0, mass = 0, low, high;
	uint32_t i;

	if (hist->count < MODE_SAMPLES)
		return false;
	fill_bins(bins, hist);
	smooth(bins);
	fill_above(above, bins);
	for (i = 0; i < MODE_BINS; i++) {
		low = fmin(left, above[i + 1]);
		high = fmax(left, above[i + 1]);
		if (mass >= MODE_SHARE * (double)hist->count &&
		    (double)hist->count - mass - bins[i] >= MODE_SHARE * (double)hist->count &&
		    low >= MODE_HEIGHT * high && bins[i] <= MODE_VALLEY * low &&
		    low - bins[i] >= MODE_SIGMA * sqrt(low + bins[i]))
			return true;
		left = fmax(left, bins[i]);
		mass += bins[i];
	}
	return false;
}
