/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A bounded set of latency samples with exact percentiles of what it holds. When it is full, every
 * second sample is dropped and from then on half as many are taken, so memory stays bounded and the
 * samples stay spread evenly over the run. The maximum is of all values, also of those not kept.
 */
#ifndef WEFT_BENCH_SAMPLE_H
#define WEFT_BENCH_SAMPLE_H

#include <stdint.h>

struct samples {
	uint64_t *ns;
	uint32_t n, room;
	uint32_t stride, skip;
	uint64_t max;
};

int samples_init(struct samples *s, uint32_t room);
void samples_fini(struct samples *s);
/* Forgets what was taken so far (the end of a warm-up). */
void samples_reset(struct samples *s);
void samples_thin(struct samples *s);
/* Value below which the fraction p (0..1) of the samples lies; 0 without samples. Sorts. */
uint64_t samples_percentile(struct samples *s, double p);
/* Adds the samples of other, which must not have been thinned more often than s can bear. */
void samples_merge(struct samples *s, const struct samples *other);

static inline void samples_add(struct samples *s, uint64_t ns)
{
	if (ns > s->max)
		s->max = ns;
	if (--s->skip)
		return;
	s->skip = s->stride;
	if (s->n == s->room)
		samples_thin(s);
	s->ns[s->n++] = ns;
}

#endif /* WEFT_BENCH_SAMPLE_H */
