/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Latency histogram of fixed memory: counts in log-linear buckets, each at most 1/1024 of its value
 * wide (three significant digits), from 0 to HIST_MAX_NS. Count, sum, minimum and maximum are
 * exact. Not locked: each thread records into its own, then they are merged.
 */
#ifndef WEFT_BASE_HIST_H
#define WEFT_BASE_HIST_H

#include <stdbool.h>
#include <stdint.h>

#define HIST_SUB_BITS 10 /* 1024 buckets for each power of two */
#define HIST_MAX_BITS 42
#define HIST_BUCKETS  ((HIST_MAX_BITS - HIST_SUB_BITS + 1) << HIST_SUB_BITS)
/* Values above (73 minutes) are counted in the last bucket; max and sum stay exact. */
#define HIST_MAX_NS (((uint64_t)1 << HIST_MAX_BITS) - 1)

/* 264 KiB: allocate it, keep it off the stack. All zero is a valid empty histogram. */
struct hist {
	unsigned __int128 sum;
	uint64_t count;
	uint64_t min, max; /* 0 while count is 0 */
	uint64_t buckets[HIST_BUCKETS];
};

/* Bucket of a value. Below 2048 each value has its own; above, the top 11 bits choose. */
static inline uint32_t hist_bucket(uint64_t value)
{
	uint32_t shift;

	if (value > HIST_MAX_NS)
		value = HIST_MAX_NS;
	if (value < (uint64_t)2 << HIST_SUB_BITS)
		return (uint32_t)value;
	shift = 63 - HIST_SUB_BITS - (uint32_t)__builtin_clzll(value);
	return (shift << HIST_SUB_BITS) + (uint32_t)(value >> shift);
}

static inline void hist_record_n(struct hist *hist, uint64_t value, uint64_t n)
{
	if (!n)
		return;
	if (!hist->count || value < hist->min)
		hist->min = value;
	if (value > hist->max)
		hist->max = value;
	hist->count += n;
	hist->sum += (unsigned __int128)value * n;
	hist->buckets[hist_bucket(value)] += n;
}

static inline void hist_record(struct hist *hist, uint64_t value)
{
	hist_record_n(hist, value, 1);
}

void hist_reset(struct hist *hist);
/* Adds what from holds to into. */
void hist_merge(struct hist *into, const struct hist *from);
/*
 * Smallest recorded value that at least percent % of the records do not exceed, rounded up to the
 * end of its bucket, never outside min..max. 100 gives the exact maximum. 0 when empty.
 */
uint64_t hist_percentile(const struct hist *hist, double percent);
double hist_mean(const struct hist *hist);   /* exact up to double's precision; 0 when empty */
double hist_stddev(const struct hist *hist); /* of the population, from bucket centres */
/* Lowest and highest value that fall into a bucket. */
uint64_t hist_bucket_low(uint32_t bucket);
uint64_t hist_bucket_high(uint32_t bucket);

#endif /* WEFT_BASE_HIST_H */
