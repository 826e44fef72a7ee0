/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bandwidth limit of a NIC: a generic cell rate algorithm on one word in shared memory, the time at
 * which the limit lets the next packet go. Each packet moves it on by what it costs; one that comes
 * at most the limit's burst before that time may go. Whoever dies leaves nothing behind.
 */
#include "emu/fault_row.h"
#include "emu/util.h"

#define STALE EMU_S

/* What the lowest of the limits allows; rate 0: none. burst in ns. fault: which it is, NULL: the
 * NIC's own. */
struct allowed {
	uint64_t rate, burst;
	struct emu_fault *fault;
};

static struct allowed lowest(struct emu_world_shared *world, uint32_t host, uint32_t nic,
			     uint64_t now)
{
	const struct emu_fault_index *index = emu_fault_index(world);
	struct allowed lowest = { .burst = EMU_LIMIT_BURST };
	struct emu_fault fault;
	uint32_t i;

	lowest.rate = atomic_load_explicit(&world->host[host].nic[nic].rate, memory_order_relaxed);
	if (!index)
		return lowest;
	emu_fault_each(i, index->rows[EMU_FAULT_LIMIT])
	{
		if (!emu_fault_read(&world->faults[i], EMU_FAULT_LIMIT, &fault) ||
		    !emu_fault_on(&fault, now))
			continue;
		if ((fault.src_host != EMU_ANY && fault.src_host != host) ||
		    (fault.src_nic != EMU_ANY && fault.src_nic != nic))
			continue;
		if (fault.rate && (!lowest.rate || fault.rate < lowest.rate))
			lowest = (struct allowed){ fault.rate, fault.delay, &world->faults[i] };
	}
	return lowest;
}

/* Time that bytes take, in whole ns: the remainder decides by lot, so that costs of few ns add up
 * right. */
static uint64_t cost_of(uint64_t bytes, uint64_t rate, uint64_t lot)
{
	uint64_t cost;

	if (bytes > UINT32_MAX)
		bytes = UINT32_MAX;
	cost = bytes * EMU_S / rate;
	return cost + (emu_mix(lot) % rate < bytes * EMU_S % rate);
}

uint64_t emu_limit(struct emu_world_shared *world, uint32_t host, uint32_t nic, uint64_t bytes,
		   uint64_t now)
{
	uint64_t cost, next, base, most, wait;
	struct allowed limit;
	_Atomic uint64_t *word;

	if (host >= EMU_HOSTS || nic >= EMU_NICS)
		return 0;
	limit = lowest(world, host, nic, now);
	if (!limit.rate)
		return 0;
	word = &world->host[host].nic[nic].next_free;
	next = atomic_load_explicit(word, memory_order_relaxed);
	do {
		cost = cost_of(bytes, limit.rate, next);
		/* Further ahead than a large packet and a thread with an old now can put it: left
		 * by a lower limit. */
		most = STALE + limit.burst + 1 +
		       cost_of(bytes > EMU_BIG_BYTES ? bytes : EMU_BIG_BYTES, limit.rate, 0);
		base = next < now || next - now > most ? now : next;
		if (base - now > limit.burst) {
			if (limit.fault)
				emu_fault_count(limit.fault);
			wait = base - now - limit.burst;
			return wait < EMU_LIMIT_WAIT ? wait : EMU_LIMIT_WAIT;
		}
	} while (!atomic_compare_exchange_weak_explicit(
		word, &next, base + cost, memory_order_relaxed, memory_order_relaxed));
	return 0;
}
