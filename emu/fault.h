/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Faults on demand: rows in the world's shared memory, added and removed while it runs. Whether a
 * fault hits is a function of the world's seed, the fault's number and what it is asked about (the
 * packet's flow, sequence number and attempt; the count of calls), never of time or thread: the
 * same seed gives the same decisions.
 *
 * Written as text KIND[:key=value[,key=value]...]; kinds and keys are the rows of fault.def.
 */
#ifndef EMU_FAULT_H
#define EMU_FAULT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum emu_fault_kind {
	EMU_FAULT_NONE,
#define EMU_FAULT_KIND(id, name, keys, help) EMU_FAULT_##id,
#define EMU_FAULT_KEY(id, name, unit, help)
#include "emu/fault.def"
#undef EMU_FAULT_KIND
#undef EMU_FAULT_KEY
	EMU_FAULT_KINDS
};

#define EMU_ANY UINT32_MAX

/* One fault, in shared memory. All but the atomics is written before kind is set. */
struct emu_fault {
	_Atomic uint32_t kind;   /* enum emu_fault_kind; NONE: the row is free */
	_Atomic uint32_t number; /* never used twice in a world: what `weft emu clear` takes; 0
				  * while the row is written */
	uint32_t src_host, src_nic, dst_host, dst_nic; /* EMU_ANY: all */
	uint32_t qpn;                                  /* of src, where the fault is the receiver's
							* of dst; EMU_ANY */
	uint32_t ops;                                  /* bit per enum emu_op; 0: all */
	uint32_t call;                                 /* refuse: enum emu_call */
	int32_t error;                                 /* refuse: errno */
	uint32_t status;                               /* completion status of the device */
	uint32_t depth;
	double probability;             /* 0..1 */
	uint64_t skip;                  /* the first so many that match go free */
	uint64_t count;                 /* how many it hits at most; UINT64_MAX: no bound */
	uint64_t delay, jitter, period; /* ns; delay of flap: how long it is down; of
					 * limit: its burst */
	uint64_t start, end;            /* emu_now(); end EMU_NEVER */
	uint64_t rate;                  /* bytes per second */
	_Atomic uint64_t seen;          /* that matched */
	_Atomic uint64_t hit; /* what it struck: packets, calls, completions, processes; of
			       * a NIC or link that is down, attempts that did not pass; of a
			       * limit, packets that were told to wait, each time */
	char text[128];       /* as it was given */
};

/* What a packet is, for ops= */
enum emu_op {
	EMU_OP_SEND,
	EMU_OP_READ,     /* the request */
	EMU_OP_RESPONSE, /* data of a read */
	EMU_OP_WRITE,
	EMU_OP_IMM, /* the end of a write with immediate */
	EMU_OP_ACK,
	EMU_OPS
};

/* Calls that can be refused. */
enum emu_call {
	EMU_CALL_OPEN,
	EMU_CALL_PD,
	EMU_CALL_MR,
	EMU_CALL_CQ,
	EMU_CALL_QP,
	EMU_CALL_AH,
	EMU_CALLS
};

struct emu_world_shared;

/* Parses text into *fault (number left 0; start and end relative to now). -EINVAL: why says what is
 * wrong.
 */
int emu_fault_parse(const char *text, struct emu_fault *fault, char *why, size_t size);

/* Puts it into the world from now on. The number it got, or -ENOSPC. */
int emu_fault_add(struct emu_world_shared *world, const struct emu_fault *fault);

/* Removes number, or all where it is 0. How many were removed. */
int emu_fault_clear(struct emu_world_shared *world, uint32_t number);

/* A copy of row index (below EMU_FAULTS) as it is now, to show it. False: free. */
bool emu_fault_get(const struct emu_world_shared *world, uint32_t index, struct emu_fault *fault);

/* What is asked about a packet. */
struct emu_fault_packet {
	uint32_t src_host, src_nic, src_qpn, dst_host, dst_nic, dst_qpn;
	enum emu_op op;
	uint32_t seq, attempt;
};

struct emu_verdict {
	bool drop;
	bool duplicate;
	uint8_t status; /* not 0: the remote answers with this status instead of taking it */
	uint32_t hold;  /* so many later packets of the queue pair overtake it (fault reorder) */
	uint64_t delay; /* ns */
};

/* Fills *verdict. Cheap (one load) while the world has no faults. Sender's side, once per attempt.
 */
void emu_fault_packet(struct emu_world_shared *world, const struct emu_fault_packet *packet,
		      uint64_t now, struct emu_verdict *verdict);

/* Receiver's side: the status to refuse an arriving packet with (RNR storm), or 0. *delay: ns by
 * which it is to be taken later (slow receiver). */
uint8_t emu_fault_arrival(struct emu_world_shared *world, const struct emu_fault_packet *packet,
			  uint64_t now, uint64_t *delay);

/* Is traffic between the two NICs cut (link down, a NIC down or in the down part of a flap)? Asked
 * for each attempt to send, and counted as a hit of the fault. */
bool emu_fault_cut(struct emu_world_shared *world, uint32_t src_host, uint32_t src_nic,
		   uint32_t dst_host, uint32_t dst_nic, uint64_t now);

/* Is the NIC itself down? Also for port state and asynchronous events. */
bool emu_fault_nic_down(struct emu_world_shared *world, uint32_t host, uint32_t nic, uint64_t now);

/* The errno with which the call is to fail on this NIC, or 0. */
int emu_fault_refuse(struct emu_world_shared *world, enum emu_call call, uint32_t host,
		     uint32_t nic, uint64_t now);

/* Is the completion that is about to be written lost, as in a queue that overflows? */
bool emu_fault_cq_overflow(struct emu_world_shared *world, uint32_t host, uint32_t nic,
			   uint32_t qpn, uint64_t now);

/* Is the process of this host to die now? */
bool emu_fault_kill(struct emu_world_shared *world, uint32_t host, uint64_t now);

/* After a pause a NIC with a limit may send so much (ns, at its rate) at once, unless the limit
 * says otherwise: what keeps the rate right although threads wake late. */
#define EMU_LIMIT_BURST 1000000ull

/* The longest that is asked of a packet at a time, since limits may be raised meanwhile. */
#define EMU_LIMIT_WAIT 20000000ull

/* How long (ns) a packet of so many bytes must wait for the NIC's bandwidth limit, and then ask
 * again; 0: it may go, and is accounted for. Limits: emu_nic_shared.rate and faults of kind limit,
 * the lowest counts. */
uint64_t emu_limit(struct emu_world_shared *world, uint32_t host, uint32_t nic, uint64_t bytes,
		   uint64_t now);

/* "10Gbps", "1.25GB/s", "500Mbit", plain number: bytes per second. -EINVAL. */
int emu_rate_parse(const char *text, uint64_t *bytes_per_second);

/* "150us", "2ms", "1.5s", plain number: microseconds. -EINVAL. */
int emu_time_parse(const char *text, uint64_t *ns);

#endif
