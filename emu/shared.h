/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What processes of one emulated world share, as it lies in files of the world's directory:
 *
 *   DIR/world        struct emu_world_shared: hosts, NICs, processes, faults
 *   DIR/proc<slot>   struct emu_area and the rings behind it; the process that owns the slot holds
 * a write lock (fcntl) on its first byte for as long as it lives DIR/host<N>/sys  the sysfs tree of
 * host N (sysfs.h)
 *
 * No pointers, fixed sizes, every field that more than one process writes is atomic. A process may
 * be stopped or killed between any two instructions: nothing here is guarded by a lock that it
 * could take along.
 */
#ifndef EMU_SHARED_H
#define EMU_SHARED_H

#include <stdatomic.h>
#include <stdint.h>

#include "emu/counter.h"
#include "emu/fault.h"
#include "emu/model.h"

#define EMU_MAGIC     0x756d65746665770aull /* "\nweftemu" read as a little-endian number */
#define EMU_LAYOUT    1u                    /* of these structs; another number is another world */

#define EMU_HOSTS     64
#define EMU_NICS      32   /* per host */
#define EMU_SLOTS     128  /* processes in a world; slot 0 is never used */
#define EMU_QPS       512  /* per NIC and process */
#define EMU_RINGS     2048 /* queue pairs of one process, over all its NICs */
#define EMU_FAULTS    64   /* active at a time */
#define EMU_GID_BYTES 16

/* A queue pair's number says where it lives: process slot and index, so that nothing is looked up.
 */
#define EMU_QPN(slot, index) ((uint32_t)(slot)*EMU_QPS + (index))
#define EMU_QPN_SLOT(qpn)    ((qpn) / EMU_QPS)
#define EMU_QPN_INDEX(qpn)   ((qpn) % EMU_QPS)

enum emu_carrier {
	EMU_CARRIER_RING = 1, /* shared-memory rings: all processes see one directory */
	EMU_CARRIER_UDP = 2,  /* datagrams: hosts share nothing but an IP network */
};

/* One emulated network card. Written by the processes of its host and by `weft emu`. */
struct emu_nic_shared {
	uint8_t gid[EMU_GID_BYTES];
	char name[32];              /* rdmap0s6 */
	char pci[16];               /* 0000:00:06.0 */
	int32_t numa;               /* -1: none */
	_Atomic uint32_t down;      /* administratively: 1 down; faults may take it down too */
	_Atomic uint32_t qps;       /* queue pairs, of all processes */
	_Atomic uint64_t rate;      /* bytes per second that may leave; 0: no limit */
	_Atomic uint64_t next_free; /* emu_now() at which the limit lets the next packet go */
	_Atomic uint64_t published; /* emu_now() of the last writing of counter files */
	_Atomic uint64_t counters[EMU_COUNTERS];
	_Atomic uint64_t shown[EMU_COUNTERS]; /* what the counter files say: sysfs_publish.c */
	_Atomic uint32_t shown_down;          /* and the port's state */
};

struct emu_host_shared {
	_Atomic uint32_t ready; /* 1: filled in, stays so */
	uint32_t nics;
	char profile[32];
	uint8_t udp_address[4]; /* IPv4, network order; carrier UDP only */
	uint16_t udp_port;      /* slot s of this host listens on udp_port + s */
	struct emu_model model;
	struct emu_nic_shared nic[EMU_NICS];
};

enum emu_process_state {
	EMU_PROCESS_FREE,
	EMU_PROCESS_CLAIMED, /* its owner is setting it up */
	EMU_PROCESS_LIVE,
};

struct emu_process_shared {
	_Atomic uint32_t state;
	_Atomic uint32_t generation; /* one more each time the slot is taken */
	_Atomic int32_t pid;         /* in its own pid namespace: for people */
	_Atomic uint32_t host;
	_Atomic uint32_t kill; /* 1: its engine thread kills the process (fault "kill") */
	char command[16];
};

struct emu_world_shared {
	uint64_t magic;
	uint32_t layout;
	uint32_t bytes; /* sizeof(struct emu_world_shared) */
	uint64_t id;    /* random: part of every GID, so that worlds do not mix */
	uint64_t seed;
	uint32_t carrier;
	_Atomic uint32_t ready;        /* 1: this header is complete */
	_Atomic uint32_t fault_epoch;  /* one more after each change of faults */
	_Atomic uint32_t fault_number; /* of the last fault that was added */
	_Atomic uint32_t warned;       /* 1: it was said that timings are not EFA's */
	_Atomic uint64_t timeout;      /* ns until a silent remote is given up */
	struct emu_fault faults[EMU_FAULTS];
	struct emu_host_shared host[EMU_HOSTS];
	struct emu_process_shared process[EMU_SLOTS];
};

/* Cells of a ring. A packet and its header fit into one: ring.h. */
#define EMU_BIG_CELLS   32
#define EMU_BIG_BYTES   9216
#define EMU_SMALL_CELLS 64
#define EMU_SMALL_BYTES 512

enum emu_cell_class {
	EMU_SMALL,
	EMU_BIG,
	EMU_CELL_CLASSES
};

/*
 * Packets on their way to one queue pair. Any process puts packets in, the owner takes them out, in
 * no promised order. A cell is free (its bit in free), full (its bit in full), or being written or
 * read (in neither). So a producer that stops or dies in the middle keeps one cell and stops
 * nobody.
 */
struct emu_ring {
	_Alignas(64) _Atomic uint64_t free[EMU_CELL_CLASSES];
	_Alignas(64) _Atomic uint64_t full[EMU_CELL_CLASSES];
	_Alignas(64) _Atomic uint64_t
		waiters[EMU_SLOTS / 64];               /* slots to wake when cells are free */
	_Atomic uint32_t holder[EMU_CELL_CLASSES][64]; /* who writes the cell: EMU_HOLDER() or 0 */
	_Alignas(64) uint8_t small[EMU_SMALL_CELLS][EMU_SMALL_BYTES];
	_Alignas(64) uint8_t big[EMU_BIG_CELLS][EMU_BIG_BYTES];
};

#define EMU_HOLDER(slot, generation) (((generation) << 8) | (slot))

enum emu_bell {
	EMU_AWAKE = 0,  /* the engine thread, or a thread that polls, will look by itself */
	EMU_ASLEEP = 1, /* it must be woken */
};

/* The start of DIR/proc<slot>. */
struct emu_area {
	_Alignas(64) _Atomic uint32_t bell;       /* futex; enum emu_bell */
	_Alignas(64) _Atomic uint64_t ready_nics; /* bit per NIC with ready queue pairs */
	_Alignas(64) struct {
		_Atomic uint64_t words; /* bit per word of qps that is not 0 */
		_Atomic uint64_t qps[EMU_QPS / 64];
	} ready[EMU_NICS];
	_Atomic uint32_t
		ring[EMU_NICS][EMU_QPS]; /* 1 + index of the queue pair's ring; 0: no such */
};

#define EMU_PAGE       4096ull
#define EMU_AREA_BYTES ((sizeof(struct emu_area) + EMU_PAGE - 1) & ~(EMU_PAGE - 1))
#define EMU_RING_BYTES ((sizeof(struct emu_ring) + EMU_PAGE - 1) & ~(EMU_PAGE - 1))
#define EMU_FILE_BYTES (EMU_AREA_BYTES + EMU_RINGS * EMU_RING_BYTES)

static inline struct emu_ring *emu_area_ring(struct emu_area *area, uint32_t index)
{
	return (void *)((char *)area + EMU_AREA_BYTES + index * EMU_RING_BYTES);
}

#endif
