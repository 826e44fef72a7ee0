/* SPDX-License-Identifier: Apache-2.0 */
#include "base/hist.h"

#include <string.h>

uint64_t hist_bucket_low(uint32_t bucket)
{
	uint32_t shift = bucket >> HIST_SUB_BITS;

	if (shift < 2)
		return bucket;
	shift--;
	return (uint64_t)(bucket - (shift << HIST_SUB_BITS)) << shift;
}

uint64_t hist_bucket_high(uint32_t bucket)
{
	uint32_t shift = bucket >> HIST_SUB_BITS;

	if (shift < 2)
		return bucket;
	return hist_bucket_low(bucket) + ((uint64_t)1 << (shift - 1)) - 1;
}

void hist_reset(struct hist *hist)
{
	memset(hist, 0, sizeof(*hist));
}

void hist_merge(struct hist *into, const struct hist *from)
{
	uint32_t i;

	if (!from->count)
		return;
	if (!into->count || from->min < into->min)
		into->min = from->min;
	if (from->max > into->max)
		into->max = from->max;
	into->count += from->count;
	into->sum += from->sum;
	for (i = 0; i < HIST_BUCKETS; i++)
		into->buckets[i] += from->buckets[i];
}

/* Rank, 1..count, of the record at a percentile: the smallest that is not below percent % of count.
 */
static uint64_t hist_rank(const struct hist *hist, double percent)
{
	long double exact = (long double)percent * hist->count / 100;
	uint64_t rank;

	if (!(exact > 1)) /* also NaN */
		return 1;
	if (exact >= hist->count)
		return hist->count;
	/* 99.9 % of 1000 is 999, though 99.9 is not a binary fraction. */
	rank = (uint64_t)exact;
	return exact - rank > 1e-15L * exact ? rank + 1 : rank;
}

static uint64_t hist_clamp(const struct hist *hist, uint64_t value)
{
	if (value < hist->min)
		return hist->min;
	return value > hist->max ? hist->max : value;
}

uint64_t hist_percentile(const struct hist *hist, double percent)
{
	uint64_t rank, seen = 0;
	uint32_t i;

	if (!hist->count)
		return 0;
	rank = hist_rank(hist, percent);
	if (rank == hist->count)
		return hist->max;
	for (i = 0; i < HIST_BUCKETS; i++) {
		seen += hist->buckets[i];
		if (seen >= rank)
			return hist_clamp(hist, hist_bucket_high(i));
	}
	return hist->max;
}

double hist_mean(const struct hist *hist)
{
	return hist->count ? (double)hist->sum / (double)hist->count : 0;
}

/* sqrt() without libm: Newton's method from above, which falls until it is exact. */
static double hist_sqrt(double square)
{
	double root = square > 1 ? square : 1, next;

	if (!(square > 0))
		return 0;
	for (;;) {
		next = (root + square / root) / 2;
		if (next >= root)
			return root;
		root = next;
	}
}

double hist_stddev(const struct hist *hist)
{
	double mean = hist_mean(hist), squares = 0, off;
	uint32_t i;

	if (!hist->count)
		return 0;
	for (i = 0; i < HIST_BUCKETS; i++) {
		if (!hist->buckets[i])
			continue;
		off = ((double)hist_bucket_low(i) + (double)hist_bucket_high(i)) / 2 - mean;
		squares += off * off * (double)hist->buckets[i];
	}
	return hist_sqrt(squares / (double)hist->count);
}
