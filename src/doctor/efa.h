/* SPDX-License-Identifier: Apache-2.0 */
/* For checks: EFA's PCI functions and RDMA devices, names in a sentence, commands for a fix. */
#ifndef WEFT_DOCTOR_EFA_H
#define WEFT_DOCTOR_EFA_H

#include <string.h>

#include "doctor/doctor.h"
#include "host/nic.h"

#define EFA_MAX 64 /* functions or devices that are looked at */

/* The EFA PCI functions, 1d0f:efa0 to efaf, by name: an array for mem_free() in ret. How many, or
 * -errno. Unlike host_pci_is_efa(), with those that no driver known here binds. */
int efa_functions(const struct doctor *doctor, struct host_pci **ret);
/* All RDMA devices, EFA's or not: an array for mem_free() in ret. How many, or -errno. */
int efa_nics(const struct doctor *doctor, struct host_nic **ret);
/* EFA's, newer ones than host_nic_is_efa() knows too. */
static inline bool efa_is_nic(const struct host_nic *nic)
{
	return nic->vendor == HOST_EFA_VENDOR && nic->device >> 4 == HOST_EFA_DEVICE_FIRST >> 4;
}

/* "efa_0, efa_1, efa_2 and 29 more", whatever their number. Starts zeroed. */
struct name_list {
	char text[200];
	uint32_t count;
};

void name_list_add(struct name_list *list, const char *name);
/* Writes the "and N more"; nothing is added after it. Returns list->text. */
const char *name_list_text(struct name_list *list);

/* "s" unless count is 1. */
static inline const char *plural(int64_t count)
{
	return count == 1 ? "" : "s";
}

/* Whether the files look like a container's: what is missing there was not handed in. */
bool efa_in_container(const struct doctor *doctor);
/*
 * Whether /dev/infiniband/NAME can be opened by who asks: 0; -ENOENT: there is no node, and
 * libibverbs passes over the device; -ENXIO: the node is of another device; -EACCES, -EPERM
 * (a container's rules), others. In a copy of a machine the mode bits tell.
 */
int efa_try_node(const struct doctor *doctor, const char *uverbs);

/* What the helper says became of the process that asked a library ("libfabric"): "SIGABRT
 * libfabric", "SIGKILL libfabric did not answer within 4 s". false: nothing. */
bool efa_died(const struct doctor *doctor, const char *library, char *ret, size_t room);

/* Whether what efa_died() says is that it took too long, which is no fault of the library's. */
static inline bool efa_was_late(const char *died)
{
	return strstr(died, "did not answer") != NULL;
}

/* The newest EFA software: driver, libfabric, rdma-core. */
#define EFA_INSTALL                                                                     \
	"curl -sO https://efa-installer.amazonaws.com/aws-efa-installer-latest.tar.gz " \
	"&& tar xf aws-efa-installer-latest.tar.gz && cd aws-efa-installer && "         \
	"sudo ./efa_installer.sh -y"

#endif /* WEFT_DOCTOR_EFA_H */
