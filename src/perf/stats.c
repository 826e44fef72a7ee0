/* SPDX-License-Identifier: Apache-2.0 */
#include "perf/stats.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/random.h"

#define STATS_COVERAGE  0.95
#define STATS_RESAMPLES 10000
#define STATS_SEED      0x5eed0fbeefull
#define STATS_MIN       6 /* values of which an interval of 95 % can be told */
#define STATS_STEADY    0.02

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double median_of_sorted(const double *values, uint32_t n)
{
	return n % 2 ? values[n / 2] : (values[n / 2 - 1] + values[n / 2]) / 2;
}

static double deviation_share(const double *values, uint32_t n)
{
	double sum = 0, squares = 0, mean;
	uint32_t i;

	if (n < 2)
		return NAN;
	for (i = 0; i < n; i++)
		sum += values[i];
	mean = sum / n;
	for (i = 0; i < n; i++)
		squares += (values[i] - mean) * (values[i] - mean);
	return mean > 0 ? sqrt(squares / (n - 1)) / mean : NAN;
}

static double log_factorial(uint32_t n)
{
	int sign;

	return lgamma_r(n + 1.0, &sign);
}

/*
 * The largest rank r, from 1, so that the median lies between the r-th smallest and the r-th
 * largest of n values with at least STATS_COVERAGE: each value is below the median with 1/2, so
 * the chance that it is outside is twice that of fewer than r below. 0: there is none.
 */
static uint32_t interval_rank(uint32_t n)
{
	double below = 0, all = log_factorial(n) - n * log(2);
	uint32_t r;

	for (r = 0; r < n / 2; r++) {
		below += exp(all - log_factorial(r) - log_factorial(n - r));
		if (1 - 2 * below < STATS_COVERAGE)
			break;
	}
	return r;
}

struct perf_median perf_median_of(const double *values, uint32_t n)
{
	struct perf_median m = { NAN, NAN, NAN, NAN, n };
	double *sorted;
	uint32_t i, rank;

	for (i = 0; i < n; i++)
		if (isnan(values[i]))
			return m;
	sorted = n ? mem_array(n, sizeof(*sorted)) : NULL;
	if (!sorted)
		return m;
	memcpy(sorted, values, n * sizeof(*sorted));
	qsort(sorted, n, sizeof(*sorted), by_value);
	m.median = median_of_sorted(sorted, n);
	m.cv = deviation_share(sorted, n);
	rank = interval_rank(n);
	if (rank) {
		m.low = sorted[rank - 1];
		m.high = sorted[n - rank];
	}
	mem_free(sorted);
	return m;
}

double perf_median_width(const struct perf_median *m)
{
	return m->median > 0 ? (m->high - m->low) / 2 / m->median : NAN;
}

double perf_percentile(const struct hist *hist, double share)
{
	/* Of 100,000 samples 99.9 % can be told, though 0.999 is not a binary fraction. */
	if (!(share >= 0 && share < 1) || (double)hist->count * (1 - share) < 100 * (1 - 1e-9))
		return NAN;
	return (double)hist_percentile(hist, share * 100);
}

static double resampled_median(const double *values, uint32_t n, double *room, uint64_t *random)
{
	uint32_t i;

	for (i = 0; i < n; i++)
		room[i] = values[(random_next(random) >> 32) * n >> 32];
	qsort(room, n, sizeof(*room), by_value);
	return median_of_sorted(room, n);
}

struct perf_median perf_ratio(const double *a, uint32_t na, const double *b, uint32_t nb)
{
	struct perf_median ma = perf_median_of(a, na), mb = perf_median_of(b, nb);
	struct perf_median m = { ma.median / mb.median, NAN, NAN, NAN, na < nb ? na : nb };
	double *ratios, *room;
	uint64_t random = STATS_SEED;
	uint32_t i;

	if (!isfinite(m.median)) {
		m.median = NAN;
		return m;
	}
	if (m.n < STATS_MIN)
		return m;
	ratios = mem_array(STATS_RESAMPLES, sizeof(*ratios));
	room = mem_array(na > nb ? na : nb, sizeof(*room));
	if (ratios && room) {
		for (i = 0; i < STATS_RESAMPLES; i++) {
			ratios[i] = resampled_median(a, na, room, &random);
			ratios[i] /= resampled_median(b, nb, room, &random);
		}
		qsort(ratios, STATS_RESAMPLES, sizeof(*ratios), by_value);
		m.low = ratios[STATS_RESAMPLES / 40];
		m.high = ratios[STATS_RESAMPLES - 1 - STATS_RESAMPLES / 40];
		m.cv = deviation_share(ratios, STATS_RESAMPLES);
	}
	mem_free(ratios);
	mem_free(room);
	return m;
}

bool perf_steady_add(struct perf_steady *steady, double value)
{
	double group[2][PERF_STEADY_BLOCKS], median[2];
	uint32_t i, g;

	steady->block[steady->n++ % (2 * PERF_STEADY_BLOCKS)] = value;
	if (steady->n < 2 * PERF_STEADY_BLOCKS)
		return false;
	for (g = 0; g < 2; g++) {
		for (i = 0; i < PERF_STEADY_BLOCKS; i++)
			group[g][i] = steady->block[(steady->n + g * PERF_STEADY_BLOCKS + i) %
						    (2 * PERF_STEADY_BLOCKS)];
		qsort(group[g], PERF_STEADY_BLOCKS, sizeof(double), by_value);
		median[g] = median_of_sorted(group[g], PERF_STEADY_BLOCKS);
	}
	return median[0] > 0 && fabs(median[1] - median[0]) < STATS_STEADY * median[0];
}
