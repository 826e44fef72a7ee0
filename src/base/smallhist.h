/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A small latency histogram, for where there are many of them: four buckets for each power of two,
 * so that a percentile is at most a quarter of its value too high. Count, sum, minimum and maximum
 * are exact. struct hist (hist.h) is the one for measurements. Not locked. All zero is empty.
 */
#ifndef WEFT_BASE_SMALLHIST_H
#define WEFT_BASE_SMALLHIST_H

#include <stdint.h>

#define SMALLHIST_SUB_BITS 2
#define SMALLHIST_MAX_BITS 38
#define SMALLHIST_BUCKETS  ((SMALLHIST_MAX_BITS - SMALLHIST_SUB_BITS + 1) << SMALLHIST_SUB_BITS)
/* Values above (275 s, in nanoseconds) are counted in the last bucket. */
#define SMALLHIST_MAX (((uint64_t)1 << SMALLHIST_MAX_BITS) - 1)

/* 1,216 bytes; one record touches two cache lines. */
struct smallhist {
	uint64_t count, sum;
	uint64_t min, max; /* 0 while count is 0 */
	uint64_t buckets[SMALLHIST_BUCKETS];
};

/* Bucket of a value. Below 8 each value has its own; above, the top three bits choose. */
static inline uint32_t smallhist_bucket(uint64_t value)
{
	uint32_t shift;

	if (value > SMALLHIST_MAX)
		value = SMALLHIST_MAX;
	if (value < (uint64_t)2 << SMALLHIST_SUB_BITS)
		return (uint32_t)value;
	shift = 63 - SMALLHIST_SUB_BITS - (uint32_t)__builtin_clzll(value);
	return (shift << SMALLHIST_SUB_BITS) + (uint32_t)(value >> shift);
}

/* The same value several times; 0 is fine. */
static inline void smallhist_record_n(struct smallhist *hist, uint64_t value, uint64_t times)
{
	if (!times)
		return;
	if (value < hist->min || !hist->count)
		hist->min = value;
	if (value > hist->max)
		hist->max = value;
	hist->count += times;
	hist->sum += value * times;
	hist->buckets[smallhist_bucket(value)] += times;
}

static inline void smallhist_record(struct smallhist *hist, uint64_t value)
{
	smallhist_record_n(hist, value, 1);
}

/*
 * A histogram of what comes in runs of one value, such as the times of operations that were posted
 * and ended together: a run is counted, and recorded when another value follows or somebody looks.
 */
struct smallruns {
	uint64_t value, times; /* of the run that is not in hist yet */
	struct smallhist hist; /* look at it by smallruns_hist() only */
};

/* The same value several times, at least once. */
static inline void smallruns_record(struct smallruns *runs, uint64_t value, uint64_t times)
{
	if (value != runs->value) {
		smallhist_record_n(&runs->hist, runs->value, runs->times);
		runs->value = value;
		runs->times = 0;
	}
	runs->times += times;
}

/* All that was recorded; valid until the next record. */
static inline const struct smallhist *smallruns_hist(struct smallruns *runs)
{
	smallhist_record_n(&runs->hist, runs->value, runs->times);
	runs->times = 0;
	return &runs->hist;
}

/* Adds what from holds to into. */
void smallhist_merge(struct smallhist *into, const struct smallhist *from);
/*
 * Smallest recorded value that at least permille / 1000 of the records do not exceed, rounded up to
 * the end of its bucket, never outside min..max. 1000 gives the exact maximum. 0 when empty.
 */
uint64_t smallhist_permille(const struct smallhist *hist, uint32_t permille);
uint64_t smallhist_mean(const struct smallhist *hist); /* rounded down; 0 when empty */
/* Highest value that falls into a bucket; for the last one SMALLHIST_MAX. */
uint64_t smallhist_bucket_high(uint32_t bucket);

#endif /* WEFT_BASE_SMALLHIST_H */
