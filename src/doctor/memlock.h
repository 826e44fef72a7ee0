/* SPDX-License-Identifier: Apache-2.0 */
/* How much memory a process may lock, which is what registering memory does. */
#ifndef WEFT_DOCTOR_MEMLOCK_H
#define WEFT_DOCTOR_MEMLOCK_H

#include "doctor/machine.h"

/* What is enough for 128 endpoints with some to spare: awslabs/libfabric-ci-scripts efa-check.sh.
 */
#define MEMLOCK_ENOUGH (16 * GIB)
/* What one endpoint's buffers take; from the same. Below it nothing works, above it little does. */
#define MEMLOCK_ENDPOINT (110 * MIB)

struct memlock {
	uint64_t soft, hard; /* bytes; UINT64_MAX: unlimited */
	bool exempt;         /* CAP_IPC_LOCK, to which the limit does not apply */
};

/* process: "self" or a number. 0, or -errno: -EBADMSG when /proc/PROCESS/limits has no such line.
 */
int memlock_read(const struct doctor *doctor, const char *process, struct memlock *ret);

#endif /* WEFT_DOCTOR_MEMLOCK_H */
