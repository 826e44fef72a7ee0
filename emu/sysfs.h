/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The sysfs tree of an emulated host: DIR/host<N>/sys. What libfabric, rdma-core's tools, perftest,
 * hwloc and scripts read of an EFA device: class/infiniband, class/infiniband_verbs, PCI devices
 * with driver, NUMA node and ids, hw_counters. Plain files and links; counter files are written
 * again while traffic flows.
 */
#ifndef EMU_SYSFS_H
#define EMU_SYSFS_H

#include "emu/shared.h"

/* Path of host's tree into path. -ENAMETOOLONG. */
int emu_sysfs_path(const char *dir, uint32_t host, char *path, size_t size);

/* Builds the tree of a host whose shared record is complete. 0 or -errno, why as in world.h. */
int emu_sysfs_build(const char *dir, const struct emu_world_shared *world, uint32_t host, char *why,
		    size_t size);

/* Writes the counters and the port state of one NIC into its files where they changed. Any process
 * of the host may; callers see to it that it is not often (emu_nic_shared.published). */
void emu_sysfs_publish(const char *dir, struct emu_world_shared *world, uint32_t host,
		       uint32_t nic);

#endif
