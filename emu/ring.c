/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "emu/carrier.h"
#include "emu/util.h"

/* Cells are claimed lowest first: a ring with little in it stays in few cache lines. */

static const uint32_t cell_bytes[EMU_CELL_CLASSES] = { EMU_SMALL_BYTES, EMU_BIG_BYTES };

static uint8_t *cell_at(struct emu_ring *ring, int class, int cell)
{
	return class == EMU_BIG ? ring->big[cell] : ring->small[cell];
}

void emu_bell_ring(struct emu_world *world, uint32_t slot)
{
	struct emu_area *area = slot == world->slot ? world->area : emu_world_area(world, slot);

	if (area && atomic_load(&area->bell) == EMU_ASLEEP &&
	    atomic_exchange(&area->bell, EMU_AWAKE) == EMU_ASLEEP)
		emu_wake(&area->bell);
}

bool emu_ring_present(struct emu_world *world, struct emu_path *path)
{
	struct emu_process_shared *process = &world->shared->process[path->slot];

	if (!path->area) {
		if (!path->slot || path->slot >= EMU_SLOTS || path->place.nic >= EMU_NICS)
			return false;
		path->area =
			path->slot == world->slot ? world->area : emu_world_area(world, path->slot);
		if (!path->area)
			return false;
		path->generation = atomic_load(&process->generation);
	}
	return atomic_load(&process->generation) == path->generation &&
	       atomic_load(&process->host) == path->place.host &&
	       atomic_load_explicit(&path->area->ring[path->place.nic][path->index],
				    memory_order_acquire) != 0;
}

/* A claimed cell, or -1. The lowest of the class that fits, else (small packets) a big one. */
static int cell_claim(struct emu_ring *ring, int class, uint32_t holder)
{
	uint64_t free = atomic_load_explicit(&ring->free[class], memory_order_relaxed);
	int cell;

	while (free) {
		cell = __builtin_ctzll(free);
		if (atomic_compare_exchange_weak(&ring->free[class], &free,
						 free & ~(1ull << cell))) {
			atomic_store_explicit(&ring->holder[class][cell], holder,
					      memory_order_relaxed);
			return cell;
		}
	}
	return -1;
}

/* Frees the cells that processes died with while they wrote. */
static void cells_reclaim(struct emu_world *world, struct emu_ring *ring)
{
	for (int class = 0; class < EMU_CELL_CLASSES; class ++) {
		for (int cell = 0; cell < 64; cell++) {
			uint32_t holder = atomic_load(&ring->holder[class][cell]);

			if (!holder || emu_world_alive(world, holder & 0xff, holder >> 8))
				continue;
			if (atomic_compare_exchange_strong(&ring->holder[class][cell], &holder, 0))
				atomic_fetch_or(&ring->free[class], 1ull << cell);
		}
	}
}

static void ready_mark(struct emu_area *area, uint32_t nic, uint32_t index)
{
	atomic_fetch_or(&area->ready[nic].qps[index / 64], 1ull << (index % 64));
	atomic_fetch_or(&area->ready[nic].words, 1ull << (index / 64));
	atomic_fetch_or(&area->ready_nics, 1ull << nic);
}

static void waiter_mark(struct emu_world *world, struct emu_ring *ring)
{
	atomic_fetch_or(&ring->waiters[world->slot / 64], 1ull << (world->slot % 64));
}

static int claim_any(struct emu_world *world, struct emu_ring *ring, size_t bytes, int *class)
{
	uint32_t holder = EMU_HOLDER(world->slot, world->generation);
	int cell = -1;

	*class = bytes <= EMU_SMALL_BYTES ? EMU_SMALL : EMU_BIG;
	cell = cell_claim(ring, *class, holder);
	if (cell < 0 && *class == EMU_SMALL) {
		*class = EMU_BIG;
		cell = cell_claim(ring, EMU_BIG, holder);
	}
	return cell;
}

enum emu_emit emu_ring_emit(struct emu_world *world, struct emu_path *path,
			    const struct emu_packet *packet, const struct iovec *data, int count)
{
	struct emu_ring *ring;
	uint32_t index;
	uint8_t *to;
	int class, cell;

	if (!emu_ring_present(world, path))
		return EMU_EMIT_GONE;
	index = atomic_load(&path->area->ring[path->place.nic][path->index]);
	if (!index || index > EMU_RINGS)
		return EMU_EMIT_GONE;
	ring = emu_area_ring(path->area, index - 1);
	cell = claim_any(world, ring, sizeof(*packet) + packet->payload, &class);
	if (cell < 0) {
		/* Say that we wait, then look again: the owner may have freed cells in between. */
		waiter_mark(world, ring);
		cell = claim_any(world, ring, sizeof(*packet) + packet->payload, &class);
		if (cell < 0)
			return EMU_EMIT_FULL;
	}
	to = cell_at(ring, class, cell);
	memcpy(to, packet, sizeof(*packet));
	to += sizeof(*packet);
	for (int i = 0; i < count; i++) {
		memcpy(to, data[i].iov_base, data[i].iov_len);
		to += data[i].iov_len;
	}
	atomic_store_explicit(&ring->holder[class][cell], 0, memory_order_relaxed);
	atomic_fetch_or(&ring->full[class], 1ull << cell);
	ready_mark(path->area, path->place.nic, path->index);
	emu_bell_ring(world, path->slot);
	return EMU_EMITTED;
}

void emu_ring_reclaim(struct emu_world *world, struct emu_path *path)
{
	uint32_t index;

	if (!emu_ring_present(world, path))
		return;
	index = atomic_load(&path->area->ring[path->place.nic][path->index]);
	if (index && index <= EMU_RINGS)
		cells_reclaim(world, emu_area_ring(path->area, index - 1));
}

void emu_ring_wake_waiters(struct emu_world *world, uint32_t index)
{
	struct emu_ring *ring = emu_area_ring(world->area, index);

	for (uint32_t word = 0; word < EMU_SLOTS / 64; word++) {
		uint64_t waiters;

		if (!atomic_load_explicit(&ring->waiters[word], memory_order_relaxed))
			continue;
		waiters = atomic_exchange(&ring->waiters[word], 0);
		for (; waiters; waiters &= waiters - 1)
			emu_bell_ring(world, word * 64 + (uint32_t)__builtin_ctzll(waiters));
	}
}

unsigned int emu_ring_drain(struct emu_world *world, uint32_t index, const struct emu_sink *sink)
{
	struct emu_ring *ring = emu_area_ring(world->area, index);
	unsigned int taken = 0;

	for (int class = 0; class < EMU_CELL_CLASSES; class ++) {
		uint64_t full = atomic_load_explicit(&ring->full[class], memory_order_relaxed);

		if (!full)
			continue;
		full = atomic_exchange(&ring->full[class], 0);
		for (; full; full &= full - 1) {
			int cell = __builtin_ctzll(full);
			const uint8_t *from = cell_at(ring, class, cell);
			struct emu_packet packet;

			memcpy(&packet, from, sizeof(packet));
			if (packet.payload <= cell_bytes[class] - sizeof(packet) &&
			    emu_packet_valid(from, sizeof(packet) + packet.payload, false)) {
				sink->packet(sink->context, &packet, from + sizeof(packet));
				taken++;
			}
			atomic_fetch_or(&ring->free[class], 1ull << cell);
		}
	}
	if (taken)
		emu_ring_wake_waiters(world, index);
	return taken;
}
