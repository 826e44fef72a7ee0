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
 * Reads all RDMA devices under sysfs (NULL: fabric_sysfs()), by name: hw_counters of port 1, or of
 * the device where old drivers keep them, or the standard counters of port 1. A counter that is
 * absent or not a number counts 0; a device that counts no bytes at all, or vanishes, is left out.
 */
void perf_nics_read(struct perf_nic_reading *ret, const char *sysfs);

/* The differences, into side->nic, of the devices that are in both; a counter that went back is 0.
 */
void perf_nics_between(struct perf_side *side, const struct perf_nic_reading *from,
		       const struct perf_nic_reading *to);

#endif /* WEFT_PERF_NICS_H */
