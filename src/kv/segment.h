/* SPDX-License-Identifier: Apache-2.0 */
/* Memory for a server's pool or a client's buffer: page aligned, on huge pages where there are. */
#ifndef WEFT_KV_SEGMENT_H
#define WEFT_KV_SEGMENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct segment {
	void *base;
	size_t length; /* a multiple of the page size */
	bool huge;     /* reserved huge pages */
};

/* length is rounded up. Not touched yet: zero pages. -ENOMEM. */
int segment_open(struct segment *ret, size_t length);
void segment_close(struct segment *segment); /* a zeroed struct is fine */

/* Bytes that this process can still get: the smallest of MemAvailable and what the limits of its
 * control groups leave. UINT64_MAX: not known. */
uint64_t segment_available(void);

#endif /* WEFT_KV_SEGMENT_H */
