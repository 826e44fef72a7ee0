/* SPDX-License-Identifier: Apache-2.0 */
/* Monotonic time. Pure code takes the time as an argument; only edges call clock_ns(). */
#ifndef WEFT_BASE_CLOCK_H
#define WEFT_BASE_CLOCK_H

#include <stdint.h>

#define NSEC_PER_USEC 1000ull
#define NSEC_PER_MSEC 1000000ull
#define NSEC_PER_SEC  1000000000ull

/* Nanoseconds of CLOCK_MONOTONIC. */
uint64_t clock_ns(void);

/* now + timeout_ns, saturating at UINT64_MAX, which means "no deadline". */
static inline uint64_t clock_deadline(uint64_t now_ns, uint64_t timeout_ns)
{
	return timeout_ns > UINT64_MAX - now_ns ? UINT64_MAX : now_ns + timeout_ns;
}

#endif /* WEFT_BASE_CLOCK_H */
