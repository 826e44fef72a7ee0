/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How packets get from one queue pair to another: rings in shared memory (ring.c) or UDP datagrams
 * (udp.c). Both carry the same packets and neither promises order; UDP may lose and repeat them.
 */
#ifndef EMU_CARRIER_H
#define EMU_CARRIER_H

#include <sys/uio.h>

#include "emu/packet.h"
#include "emu/util.h"
#include "emu/world.h"

enum emu_emit {
	EMU_EMITTED,
	EMU_EMIT_FULL, /* no room: the own bell rings when there is (ring), or try again soon (UDP)
			*/
	EMU_EMIT_GONE, /* no process has this queue pair */
};

/* Where a flow's packets go. Filled by emu_path_init(); kept by the flow. */
struct emu_path {
	struct emu_place place;
	uint32_t slot, index;  /* of the destination's queue pair */
	uint32_t generation;   /* of the process, when last looked up (ring) */
	struct emu_area *area; /* NULL: not looked up yet (ring) */
	uint32_t address[4];   /* struct sockaddr_in (UDP) */
};

/* Who takes packets that arrive: called with a packet that passed emu_packet_valid(), and its
 * payload, on the thread that drains. */
struct emu_sink {
	void *context;
	void (*packet)(void *context, const struct emu_packet *packet, const void *payload);
};

/* False: gid is no device of this world. A number that no queue pair can have gives slot 0, which
 * is nobody's. */
bool emu_path_init(const struct emu_world *world, const uint8_t gid[16], uint32_t qpn,
		   struct emu_path *path);

/* Of this process: differs from that of others that have, or will have, its slot. Never 0. */
static inline uint32_t emu_incarnation(const struct emu_world *world)
{
	return (uint32_t)emu_mix(world->shared->id ^ EMU_HOLDER(world->slot, world->generation)) |
	       1;
}

/* --- ring.c -------------------------------------------------------------------------------- */

/* Copies header and data into a free cell of the destination's ring, marks the queue pair ready and
 * wakes its process if that sleeps. data: packet->payload bytes in all. Thread-safe. */
enum emu_emit emu_ring_emit(struct emu_world *world, struct emu_path *path,
			    const struct emu_packet *packet, const struct iovec *data, int count);

/* Hands what is in the ring to sink and frees the cells; wakes those that wait for room. How many
 * there were. One thread at a time per ring. Packets are in the owner's memory: validated before
 * sink sees them. */
unsigned int emu_ring_drain(struct emu_world *world, uint32_t index, const struct emu_sink *sink);

/* Is a queue pair of the path still there? Also maps; fills area and generation. No system call
 * when it is. */
bool emu_ring_present(struct emu_world *world, struct emu_path *path);

/* Takes back cells of the path's ring whose writers have died. System calls: when nothing moves. */
void emu_ring_reclaim(struct emu_world *world, struct emu_path *path);

/* Rings the bells of those that found the own ring full. */
void emu_ring_wake_waiters(struct emu_world *world, uint32_t index);

/* Rings the bell of a slot: its engine looks at once. */
void emu_bell_ring(struct emu_world *world, uint32_t slot);

/* --- udp.c --------------------------------------------------------------------------------- */

struct emu_udp; /* the socket of a process: port udp_port + slot of its host */

/* 0 or -errno; -EADDRINUSE with a line on stderr that names address and port. */
int emu_udp_open(struct emu_world *world, struct emu_udp **ret);
void emu_udp_close(struct emu_udp *udp);
int emu_udp_fd(const struct emu_udp *udp); /* readable when packets wait */

/* A whole packet as one datagram, with its sum. Thread-safe. GONE only for a queue pair number that
 * cannot be. */
enum emu_emit emu_udp_emit(struct emu_udp *udp, const struct emu_path *path,
			   const struct emu_packet *packet, const struct iovec *data, int count);

struct emu_udp_counts {
	uint64_t sent, lost;        /* lost: refused by the network here */
	uint64_t received, dropped; /* dropped: no packets */
};
void emu_udp_counts(const struct emu_udp *udp, struct emu_udp_counts *counts);

/* Receives at most budget datagrams without waiting, drops invalid ones, hands the rest to sink.
 * One thread at a time. How many were handed over. */
unsigned int emu_udp_drain(struct emu_udp *udp, unsigned int budget, const struct emu_sink *sink);

#endif
