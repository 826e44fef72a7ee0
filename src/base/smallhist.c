/* SPDX-License-Identifier: Apache-2.0 */
#include "base/smallhist.h"

uint64_t smallhist_bucket_high(uint32_t bucket)
{
	uint32_t shift = bucket >> SMALLHIST_SUB_BITS;

	if (shift < 2)
		return bucket;
	shift--;
	return ((uint64_t)(bucket - (shift << SMALLHIST_SUB_BITS) + 1) << shift) - 1;
}

void smallhist_merge(struct smallhist *into, const struct smallhist *from)
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
	for (i = 0; i < SMALLHIST_BUCKETS; i++)
		into->buckets[i] += from->buckets[i];
}

/* Rank, 1..count, of the record at permille: the smallest that is not below permille / 1000 of
 * count. */
static uint64_t rank_of(const struct smallhist *hist, uint32_t permille)
{
	uint64_t whole = hist->count / 1000 * permille;
	uint64_t rest = (hist->count % 1000 * permille + 999) / 1000;

	if (permille >= 1000)
		return hist->count;
	return whole + rest ? whole + rest : 1;
}

uint64_t smallhist_permille(const struct smallhist *hist, uint32_t permille)
{
	uint64_t rank = rank_of(hist, permille), seen = 0, high;
	uint32_t i;

	if (!hist->count || rank == hist->count)
		return hist->max;
	if (rank == 1)
		return hist->min;
	for (i = 0; i < SMALLHIST_BUCKETS - 1; i++) {
		seen += hist->buckets[i];
		if (seen >= rank)
			break;
	}
	high = i < SMALLHIST_BUCKETS - 1 ? smallhist_bucket_high(i) : hist->max;
	return high < hist->min ? hist->min : high > hist->max ? hist->max : high;
}

uint64_t smallhist_mean(const struct smallhist *hist)
{
	return hist->count ? hist->sum / hist->count : 0;
}
