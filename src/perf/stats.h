/* SPDX-License-Identifier: Apache-2.0 */
/* Statistics that hold: medians with intervals by rank, ratios by bootstrap, percentiles only
 * where samples suffice, warm-up by stability. Nothing is dropped, nothing assumed normal. */
#ifndef WEFT_PERF_STATS_H
#define WEFT_PERF_STATS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/hist.h"
#include "perf/result.h"

/* values are copied; n 0 gives NaN. The interval is that of order statistics with at least 95 %
 * coverage (binomial); with fewer than 6 values there is none. */
struct perf_median perf_median_of(const double *values, uint32_t n);

/* Half the interval's width as a share of the median; NaN without an interval. */
double perf_median_width(const struct perf_median *m);

/*
 * The percentile, or NaN when the samples do not suffice: at least 100 / (1 - p) of them are asked
 * for (p as a share, below 1). The exact maximum is hist->max.
 */
double perf_percentile(const struct hist *hist, double share);

/* Ratio a / b of medians with its 95 % bootstrap interval (10,000 resamples, seeded: the same input
 * gives the same output). */
struct perf_median perf_ratio(const double *a, uint32_t na, const double *b, uint32_t nb);

/* Are the second half's values another population than the first's (rank sum, 1 %)? */
bool perf_drifts(const double *values, uint32_t n);
/* Does the histogram have two modes that both matter, with a valley between? */
bool perf_bimodal(const struct hist *hist);

/* Warm-up: fed with the operations of each block of equal time; stable once the medians of the last
 * two groups of `perf_steady_blocks` blocks differ by less than 2 %. */
#define PERF_STEADY_BLOCKS 5
struct perf_steady {
	double block[2 * PERF_STEADY_BLOCKS];
	uint32_t n; /* blocks seen */
};
bool perf_steady_add(struct perf_steady *steady, double value);

#endif /* WEFT_PERF_STATS_H */
