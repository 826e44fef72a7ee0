/* SPDX-License-Identifier: Apache-2.0 */
/* How much memory a process may lock, as /proc/PID/limits says. */
#ifndef WEFT_DOCTOR_MEMLOCK_H
#define WEFT_DOCTOR_MEMLOCK_H

#include "doctor/doctor.h"

/* What EFA's buffers of 128 processes take, and some: awslabs/libfabric-ci-scripts efa-check.sh. */
#define MEMLOCK_ENOUGH    (16ull << 30)
#define MEMLOCK_UNLIMITED UINT64_MAX

/* Bytes; 0, or -errno: -EBADMSG when the file has no such line. */
int memlock_read(const struct doctor *doctor, const char *path, uint64_t *soft, uint64_t *hard);
/* "64 KiB", "16 GiB", "unlimited". Returns ret. */
const char *memlock_text(uint64_t bytes, char *ret, size_t room);

#endif /* WEFT_DOCTOR_MEMLOCK_H */
