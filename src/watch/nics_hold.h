/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files of counters kept open: to look again is one call for each, where to find, open and read
 * them takes five and more. A device is held or not as a whole; whatever is odd about one is a
 * reason to read it in the ordinary way instead.
 */
#ifndef WEFT_WATCH_NICS_HOLD_H
#define WEFT_WATCH_NICS_HOLD_H

#include "watch/nics.h"

struct nic_held {
	uint32_t count; /* 0: not held */
	int fds[NIC_COUNTERS_MAX];
};

/* Holds what has just been read. Not held when a file cannot be opened (no descriptors left). */
void nic_hold(struct nic_held *held, const struct sysroot *root, const struct nic_state *nic);
void nic_let_go(struct nic_held *held);
/* Reads the counters of before into now. False: it is to be read in the ordinary way. */
bool nic_read_held(const struct nic_held *held, const struct nic_state *before,
		   struct nic_state *now);

#endif /* WEFT_WATCH_NICS_HOLD_H */
