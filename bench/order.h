/* SPDX-License-Identifier: Apache-2.0 */
/* The order in which pages stand in memory. */
#ifndef WEFT_BENCH_ORDER_H
#define WEFT_BENCH_ORDER_H

#include <stdint.h>

/* 0..n-1: as they are for seed 0, else without order, the same in each run. */
static inline void order_shuffle(uint32_t *numbers, uint32_t n, uint64_t seed)
{
	uint32_t i, j, kept;

	for (i = 0; i < n; i++)
		numbers[i] = i;
	for (i = n; seed && i > 1; i--) {
		seed = seed * 6364136223846793005u + 1442695040888963407u;
		j = (uint32_t)((seed >> 33) % i);
		kept = numbers[i - 1];
		numbers[i - 1] = numbers[j];
		numbers[j] = kept;
	}
}

#endif /* WEFT_BENCH_ORDER_H */
