/* SPDX-License-Identifier: Apache-2.0 */
/* For checks: memory, processors and the libfabric of the machine that is looked at. */
#ifndef WEFT_DOCTOR_MACHINE_H
#define WEFT_DOCTOR_MACHINE_H

#include "doctor/doctor.h"

#define KIB (UINT64_C(1) << 10)
#define MIB (UINT64_C(1) << 20)
#define GIB (UINT64_C(1) << 30)

/* A line of /proc/meminfo in bytes: "MemTotal", "Hugepagesize". 0, or -errno: -ENOENT when there is
 * no such line. */
int machine_memory(const struct doctor *doctor, const char *line, uint64_t *ret);
/* Processors that are on; 0: not told. */
uint32_t machine_cpus(const struct doctor *doctor);
/* How many numbers a list like "0-3,8" has, at most most; 0 when it is none. */
uint32_t machine_count_list(const char *text, uint32_t most);
/* Bytes of an ordinary page; a copy of a machine does not tell: 4096. */
uint64_t machine_page(const struct doctor *doctor);
/* "64 KiB", "1.5 GiB", "unlimited" for UINT64_MAX. Returns ret. */
const char *machine_bytes(uint64_t bytes, char *ret, size_t room);

/* EFA's PCI functions or RDMA devices are there, emulated ones too. If not, f says so and that the
 * check is skipped. */
bool machine_has_efa(const struct doctor *doctor, struct finding *f);
/* The release of the libfabric that the helper found (efa_variables.h); 0: not told. */
uint32_t machine_libfabric(const struct doctor *doctor);
/* A capability bit of efadv_query_device, of all devices that told: 1, 0 when one of them lacks it,
 * -1 when none told. */
int machine_efa_can(const struct doctor *doctor, uint64_t capability);
#define EFA_CAN_RDMA_READ 1 /* EFADV_DEVICE_ATTR_CAPS_RDMA_READ, rdma-core's efadv.h */

#endif /* WEFT_DOCTOR_MACHINE_H */
