/* SPDX-License-Identifier: Apache-2.0 */
/* For the tests of statistics: samples that follow from a seed. */
#ifndef WEFT_PERF_STATS_KIT_H
#define WEFT_PERF_STATS_KIT_H

#include "base/random.h"

/* 0 to 1, without 1. */
static inline double next_random(uint64_t *state)
{
	return (double)(random_next(state) >> 11) / 9007199254740992.0;
}

/* Of the standard normal distribution, near enough: the sum of twelve. */
static inline double next_normal(uint64_t *state)
{
	double sum = -6;

	for (int i = 0; i < 12; i++)
		sum += next_random(state);
	return sum;
}

#endif /* WEFT_PERF_STATS_KIT_H */
