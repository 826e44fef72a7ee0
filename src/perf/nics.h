/* SPDX-License-Identifier: Apache-2.0 */
/* The NICs' own counters (sysfs hw_counters), to prove which NIC carried the bytes. */
#ifndef WEFT_PERF_NICS_H
#define WEFT_PERF_NICS_H

#include "perf/result.h"

struct perf_nic_reading {
	uint32_t nics;
	struct perf_nic nic[PERF_NICS_MAX]; /* totals since the device came up */
};

/*
 * Reads all RDMA devices under sysfs ("/sys", or a test's root): hw_counters of the device and of
 * port 1. A counter that is absent counts 0; a device that vanishes is left out. Files hold
 * anything: checked.
 */
void perf_nics_read(struct perf_nic_reading *ret, const char *sysfs);

/* The differences, into side->nic; a counter that went back is 0. */
void perf_nics_between(struct perf_side *side, const struct perf_nic_reading *from,
		       const struct perf_nic_reading *to);

#endif /* WEFT_PERF_NICS_H */
