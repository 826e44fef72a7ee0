/* SPDX-License-Identifier: Apache-2.0 */
/* Faults of calls, completions and processes: drawn by how often they were asked. */
#include "emu/fault_row.h"
#include "emu/util.h"

/* Row i is of this kind, on, and of this place. */
static bool here(struct emu_world_shared *world, uint32_t i, enum emu_fault_kind kind,
		 uint32_t host, uint32_t nic, uint64_t now, struct emu_fault *fault)
{
	return emu_fault_read(&world->faults[i], kind, fault) && emu_fault_on(fault, now) &&
	       (fault->src_host == EMU_ANY || fault->src_host == host) &&
	       (fault->src_nic == EMU_ANY || nic == EMU_ANY || fault->src_nic == nic);
}

static bool hits(struct emu_world_shared *world, uint32_t i, const struct emu_fault *fault)
{
	struct emu_fault *row = &world->faults[i];
	uint64_t nth = atomic_fetch_add_explicit(&row->seen, 1, memory_order_relaxed);
	uint64_t hash = emu_mix(emu_mix(world->seed) ^ fault->number);
	uint64_t hit = atomic_load_explicit(&row->hit, memory_order_relaxed);

	if (nth < fault->skip)
		return false;
	if (fault->probability < 1 &&
	    (double)(emu_mix(hash ^ nth) >> 11) * 0x1p-53 >= fault->probability)
		return false;
	do {
		if (hit >= fault->count)
			return false;
	} while (!atomic_compare_exchange_weak(&row->hit, &hit, hit + 1));
	return true;
}

int emu_fault_refuse(struct emu_world_shared *world, enum emu_call call, uint32_t host,
		     uint32_t nic, uint64_t now)
{
	const struct emu_fault_index *index = emu_fault_index(world);
	struct emu_fault fault;
	uint32_t i;

	if (!index)
		return 0;
	emu_fault_each(
		i, index->rows[EMU_FAULT_REFUSE]) if (here(world, i, EMU_FAULT_REFUSE, host, nic,
							   now, &fault) &&
						      fault.call == (uint32_t)call &&
						      hits(world, i, &fault)) return fault.error;
	return 0;
}

bool emu_fault_cq_overflow(struct emu_world_shared *world, uint32_t host, uint32_t nic,
			   uint32_t qpn, uint64_t now)
{
	const struct emu_fault_index *index = emu_fault_index(world);
	struct emu_fault fault;
	uint32_t i;

	if (!index)
		return false;
	emu_fault_each(i,
		       index->rows[EMU_FAULT_CQ_OVERFLOW]) if (here(world, i, EMU_FAULT_CQ_OVERFLOW,
								    host, nic, now, &fault) &&
							       (fault.qpn == EMU_ANY ||
								fault.qpn == qpn) &&
							       hits(world, i, &fault)) return true;
	return false;
}

/* Those with op= wait for a packet: emu_fault_packet(). */
bool emu_fault_kill(struct emu_world_shared *world, uint32_t host, uint64_t now)
{
	const struct emu_fault_index *index = emu_fault_index(world);
	struct emu_fault fault;
	uint32_t i;

	if (!index)
		return false;
	emu_fault_each(i, index->rows[EMU_FAULT_KILL]) if (here(world, i, EMU_FAULT_KILL, host,
								EMU_ANY, now, &fault) &&
							   !fault.ops &&
							   hits(world, i, &fault)) return true;
	return false;
}
