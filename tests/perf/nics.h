/* SPDX-License-Identifier: Apache-2.0 */
/* What the NICs of this host count, by themselves. */
#ifndef WEFT_TESTS_PERF_NICS_H
#define WEFT_TESTS_PERF_NICS_H

#include <stdbool.h>
#include <stdint.h>

#define NICS_MAX 8

struct nics_bytes {
	uint32_t count;
	char name[NICS_MAX][64]; /* in the order of their names */
	uint64_t tx[NICS_MAX], rx[NICS_MAX];
	uint64_t tx_packets; /* of all */
};

void nics_read(struct nics_bytes *ret);
/* Fails unless device which, of two, carried the bytes alone; 2: each carried half. */
void nics_check(const struct nics_bytes *before, const struct nics_bytes *after, int which,
		uint64_t bytes, bool target);

#endif /* WEFT_TESTS_PERF_NICS_H */
