/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where NICs and GPUs stand in a machine: a picture taken once, of plain data. Loading it takes
 * hwloc 50 to 500 ms, so nothing loads it that does not need it. Read-only afterwards: any thread.
 */
#ifndef WEFT_ENGINE_TOPO_H
#define WEFT_ENGINE_TOPO_H

#include <sched.h>
#include <stdbool.h>
#include <stdint.h>

#define TOPO_NODES_MAX 64 /* bits of a set of nodes */
#define TOPO_NAMES_MAX 4
#define TOPO_ABOVE_MAX 8
#define TOPO_PCI_MAX   16 /* "0000:4f:00.0" */

struct topo_node {
	uint32_t number; /* the system's */
	cpu_set_t cpus;  /* none where a node has only memory */
};

enum topo_kind {
	TOPO_NIC,
	TOPO_GPU, /* and other accelerators */
};

struct topo_device {
	enum topo_kind kind;
	char pci[TOPO_PCI_MAX];
	char names[TOPO_NAMES_MAX][32];   /* the system's: "rdmap79s0", "eth0"; "" ends them */
	uint64_t nodes;                   /* near it, bit i: topo->nodes[i]; 0: not known */
	uint64_t bridges[TOPO_ABOVE_MAX]; /* PCI bridges above it, the nearest first; 0 ends them */
	uint64_t root;                    /* its root complex; 0: not known */
};

struct topo {
	uint32_t node_count, device_count;
	struct topo_node nodes[TOPO_NODES_MAX];
	struct topo_device *devices; /* in the order of their PCI addresses */
};

/* From near to far. */
enum topo_distance {
	TOPO_SWITCH, /* below the same PCI switch */
	TOPO_ROOT,   /* below the same root complex */
	TOPO_NODE,   /* in the same NUMA node */
	TOPO_OTHER,
};

/*
 * Takes the picture of this machine; of the one in the file when xml is given, or HWLOC_XMLFILE
 * names one (as lstopo writes them). -EOPNOTSUPP: no libhwloc; -EINVAL: not a topology;
 * -WEFT_ELIMIT, -ENOMEM, or why the file cannot be read. topo_load.c.
 */
int topo_load(struct topo **ret, const char *xml);
void topo_free(struct topo *topo);

/* By PCI address or else by one of the system's names; either may be "". NULL: not there. */
const struct topo_device *topo_find(const struct topo *topo, const char *pci, const char *name);
enum topo_distance topo_distance(const struct topo_device *a, const struct topo_device *b);
/*
 * Nodes of a thread that may use the CPUs of mask and runs on cpu: those of the mask where it
 * leaves nodes out, else that of cpu alone. 0: not known.
 */
uint64_t topo_here(const struct topo *topo, const cpu_set_t *mask, int cpu);
/* Takes out of mask what is not of these nodes. False: nothing would be left; mask is as before. */
bool topo_narrow(const struct topo *topo, uint64_t nodes, cpu_set_t *mask);
/* The system's number of the first of nodes; -1 when there is none. */
int topo_number(const struct topo *topo, uint64_t nodes);

#endif /* WEFT_ENGINE_TOPO_H */
