/* SPDX-License-Identifier: Apache-2.0 */
/* RDMA devices, PCI functions and the counters of NICs, as sysfs shows them. */
#ifndef WEFT_HOST_NIC_H
#define WEFT_HOST_NIC_H

#include "host/sysroot.h"

#define HOST_NICS_MAX 64

/* PCI ids of EFA, rdma-core's providers/efa/efa.c: efa0 to efa4. */
#define HOST_EFA_VENDOR       0x1d0f
#define HOST_EFA_DEVICE_FIRST 0xefa0
#define HOST_EFA_DEVICE_LAST  0xefa4

struct host_nic {
	char name[64];           /* "efa_0", "rdmap16s27"; directory of /sys/class/infiniband */
	char pci[32];            /* "0000:10:1b.0"; "" when it is no PCI function */
	char path[512];          /* of the PCI function below /sys/devices, links followed; "" */
	uint32_t vendor, device; /* PCI ids; 0: not known */
	char driver[32];         /* "efa"; "" when none is bound */
	int node;                /* NUMA; -1: not known */
	char uverbs[32];         /* "uverbs0"; "" when there is none */
	char gid[64];            /* of port 1, index 0; "" */
	char guid[32];           /* node_guid */
	char state[32];          /* of port 1, "4: ACTIVE" */
	char rate[64];           /* of port 1, "100 Gb/sec (4X EDR)" */
	char layer[32];          /* link_layer of port 1 */
	char firmware[64];
	/* Network interface of the same PCI function; else the one whose MAC address the GID is
	 * made of, as an EFA device and its ENA device are two functions; "". */
	char net[32];
	char speed[32], width[16]; /* PCI link now: "16.0 GT/s PCIe", "16" */
	char max_speed[32], max_width[16];
	uint32_t ports;
};

static inline bool host_nic_is_efa(const struct host_nic *nic)
{
	return nic->vendor == HOST_EFA_VENDOR && nic->device >= HOST_EFA_DEVICE_FIRST &&
	       nic->device <= HOST_EFA_DEVICE_LAST;
}

/* All RDMA devices by name, at most room; how many there are of them in ret, or -errno: -ENOENT
 * when there is no class infiniband at all. */
int host_nics(const struct sysroot *root, struct host_nic *ret, size_t room);

/* A PCI function, an RDMA device or not. */
struct host_pci {
	char name[32];  /* "0000:10:1b.0" */
	char path[512]; /* links followed */
	uint32_t vendor, device, class_code;
	char driver[32];
	int node;
};

/* Those for which wanted says true, by name, at most room; how many, or -errno. */
int host_pci(const struct sysroot *root, bool (*wanted)(const struct host_pci *pci),
	     struct host_pci *ret, size_t room);
bool host_pci_is_efa(const struct host_pci *pci);
bool host_pci_is_gpu(const struct host_pci *pci); /* NVIDIA 3D or VGA controllers, Neuron */

/* How many levels of the PCI tree two paths below /sys/devices share: 0 none (other root
 * complexes), each bridge one more. */
int host_pci_shared(const char *path_a, const char *path_b);

/* Where counters are below a device's directory, in order of precedence: older drivers of EFA keep
 * the port's among the device's. */
#define HOST_COUNTER_DIRS 3
extern const char *const host_counter_dirs[HOST_COUNTER_DIRS];

/*
 * Calls fn with each counter of a NIC that is a number, sorted by name: hw_counters of the device,
 * then of port 1, then the counters of port 1, names of the later ones left out where an earlier
 * one had them. How many, or -errno.
 */
int host_counters(const struct sysroot *root, const char *nic,
		  void (*fn)(void *ctx, const char *name, uint64_t value), void *ctx);

#endif /* WEFT_HOST_NIC_H */
