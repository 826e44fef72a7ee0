/* SPDX-License-Identifier: Apache-2.0 */
/* Numbers that follow from a seed, the same everywhere; not for secrets. */
#ifndef WEFT_BASE_RANDOM_H
#define WEFT_BASE_RANDOM_H

#include <stdint.h>

/* SplitMix64, one step; any state is a good one. */
static inline uint64_t random_next(uint64_t *state)
{
	uint64_t x = (*state += 0x9e3779b97f4a7c15u);

	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
	x = (x ^ x >> 27) * 0x94d049bb133111ebu;
	return x ^ x >> 31;
}

#endif /* WEFT_BASE_RANDOM_H */
