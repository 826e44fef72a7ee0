/* SPDX-License-Identifier: Apache-2.0 */
/* All that weft devices shows, gathered once. */
#ifndef WEFT_DEVICES_MACHINE_H
#define WEFT_DEVICES_MACHINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "host/net.h"
#include "host/nic.h"
#include "host/probe.h"

#define MACHINE_GPUS_MAX      64 /* bits of a set of GPUs */
#define MACHINE_NODES_MAX     64
#define MACHINE_PROVIDERS_MAX 32
#define MACHINE_ANY_SIZE      (1ull << 53) /* a limit from here on is none */
#define MACHINE_NOTES_MAX     32
#define MACHINE_NOTE_BYTES    512

/* How far a NIC is from the nearest GPU. */
enum near {
	NEAR_NONE,   /* there is no GPU, or nothing is known */
	NEAR_NODE,   /* in the same NUMA node */
	NEAR_ROOT,   /* below the same root complex */
	NEAR_SWITCH, /* below the same bridge */
};

extern const char *const near_names[]; /* NULL, "node", "root", "switch" */

/* Who says whether a NIC has RDMA read and write. */
enum rdma_source {
	RDMA_UNKNOWN,
	RDMA_DEVICE,    /* the device, asked through libefa */
	RDMA_INSTANCE,  /* the table of instance types */
	RDMA_TRANSPORT, /* InfiniBand, RoCE and iWARP have both */
};

extern const char *const rdma_sources[]; /* for JSON; NULL where it is not known */

/* What the files and the helper say of a NIC beyond struct host_nic. */
struct nic_facts {
	enum rdma_source source;
	bool read, write;
	uint64_t max_message, max_rdma; /* bytes; 0: not known */
	char open[128];                 /* "ok", why not, or "": not tried */
	enum near near;
	uint64_t gpus;  /* bit i: machine->gpus[i] is one of the nearest */
	bool below_max; /* the PCI link is slower or narrower than it could be */
};

struct node {
	int number;
	char cpus[256]; /* "0-47,96-143" */
};

struct provider {
	char name[64];
	uint64_t domains, max_message; /* 0: not known */
	bool rma_known, rma;
};

struct machine {
	struct sysroot root;
	char name[65];      /* host name; "" */
	char instance[64];  /* "p5.48xlarge"; "": not EC2, or not told */
	bool ec2, emulated; /* weft emu shows its devices */
	int nics_error;     /* 0, or why there are none: -ENOENT: no RDMA at all */
	size_t nics_count, gpus_count, efa_count, nets_count, nodes_count, providers_count;
	struct host_nic nics[HOST_NICS_MAX];
	struct nic_facts facts[HOST_NICS_MAX];
	struct host_pci gpus[MACHINE_GPUS_MAX];
	struct host_pci efa[HOST_NICS_MAX]; /* EFA functions that are no RDMA device */
	struct host_net nets[HOST_NETS_MAX];
	struct node nodes[MACHINE_NODES_MAX];
	struct provider providers[MACHINE_PROVIDERS_MAX];
	char libfabric[64], libfabric_path[256]; /* "" */
	char answer[HOST_PROBE_MAX];             /* of the helper */
	char why[SYSROOT_PATH_MAX + 128];        /* there is none, or it is not whole; "" */
	size_t notes_count;
	char notes[MACHINE_NOTES_MAX][MACHINE_NOTE_BYTES];
};

/*
 * Looks at the machine, or at the copy below sysroot, which has the helper's answer as a file
 * "probe". sysfs: instead of /sys; helper: instead of the one beside this program; each may be
 * NULL. emulated: this machine's devices are weft emu's. 0, or -errno with err_set(): the copy is
 * not there.
 */
int machine_look(struct machine *ret, const char *sysroot, const char *sysfs, const char *helper,
		 bool emulated);

/* facts.c: what the helper said, and how near GPUs are. */
void machine_take_answer(struct machine *m);
void machine_find_near(struct machine *m);
/* notes.c: what is missing or odd, and what to do. */
void machine_note(struct machine *m);

/* "rate" of a port and speeds as sysfs has them: the number at the start; 0: none. */
double machine_number(const char *text);
/* The numbers of a set of GPUs, "0-3,6". Returns ret. */
char *machine_gpus_text(uint64_t gpus, char *ret, size_t room);

#endif /* WEFT_DEVICES_MACHINE_H */
