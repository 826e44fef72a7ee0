/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What faults do. A draw is a hash of the world's seed, the fault's number and what is asked about;
 * only skip and count look at how often it was asked.
 */
#include <string.h>

#include "emu/fault_row.h"
#include "emu/util.h"

/* Draws of one hash that must not depend on one another. */
enum salt {
	SALT_HIT = 1,
	SALT_JITTER,
	SALT_DEPTH,
};

static uint64_t draw(uint64_t hash, enum salt salt)
{
	return emu_mix(hash + (uint64_t)salt * 0x9e3779b97f4a7c15ull);
}

static uint64_t mix_pair(uint64_t hash, uint32_t a, uint32_t b)
{
	return emu_mix(hash ^ ((uint64_t)a << 32 | b));
}

static uint64_t start_hash(const struct emu_world_shared *world, const struct emu_fault *fault)
{
	return mix_pair(emu_mix(world->seed), fault->number, fault->kind);
}

static uint64_t packet_hash(const struct emu_world_shared *world, const struct emu_fault *fault,
			    const struct emu_fault_packet *packet)
{
	uint64_t hash = start_hash(world, fault);

	hash = mix_pair(hash, packet->src_host << 16 | (packet->src_nic & 0xffff),
			packet->dst_host << 16 | (packet->dst_nic & 0xffff));
	hash = mix_pair(hash, packet->src_qpn, packet->dst_qpn);
	hash = mix_pair(hash, (uint32_t)packet->op, packet->attempt);
	return mix_pair(hash, packet->seq, 0);
}

static bool same(uint32_t wanted, uint32_t value)
{
	return wanted == EMU_ANY || wanted == value;
}

static bool matches(const struct emu_fault *fault, const struct emu_fault_packet *packet,
		    uint32_t qpn)
{
	return (!fault->ops || fault->ops & 1u << packet->op) &&
	       same(fault->src_host, packet->src_host) && same(fault->src_nic, packet->src_nic) &&
	       same(fault->dst_host, packet->dst_host) && same(fault->dst_nic, packet->dst_nic) &&
	       same(fault->qpn, qpn);
}

static bool drawn(const struct emu_fault *fault, uint64_t hash)
{
	return fault->probability >= 1 ||
	       (double)(draw(hash, SALT_HIT) >> 11) * 0x1p-53 < fault->probability;
}

/* Takes one of the hits that are left. */
static bool take_hit(struct emu_fault *row, uint64_t count)
{
	uint64_t hit = atomic_load_explicit(&row->hit, memory_order_relaxed);

	do {
		if (hit >= count)
			return false;
	} while (!atomic_compare_exchange_weak(&row->hit, &hit, hit + 1));
	return true;
}

/* It matches and is on: does it hit? */
static bool hits(struct emu_fault *row, const struct emu_fault *fault, uint64_t hash)
{
	uint64_t seen = atomic_fetch_add_explicit(&row->seen, 1, memory_order_relaxed);

	return seen >= fault->skip && drawn(fault, hash) && take_hit(row, fault->count);
}

static uint64_t delay(const struct emu_fault *fault, uint64_t hash)
{
	unsigned __int128 part = draw(hash, SALT_JITTER);

	return fault->delay + (uint64_t)(part * fault->jitter >> 64);
}

/* --- packets ------------------------------------------------------------------------------- */

static void kill_sender(struct emu_world_shared *world, uint32_t qpn)
{
	uint32_t slot = EMU_QPN_SLOT(qpn);

	if (slot < EMU_SLOTS)
		atomic_store(&world->process[slot].kill, 1);
}

static void apply(struct emu_world_shared *world, const struct emu_fault *fault,
		  const struct emu_fault_packet *packet, uint64_t hash, struct emu_verdict *verdict)
{
	uint32_t hold;

	switch ((int)fault->kind) {
	case EMU_FAULT_DELAY:
		verdict->delay += delay(fault, hash);
		break;
	case EMU_FAULT_REORDER:
		hold = 1 + (uint32_t)(draw(hash, SALT_DEPTH) % (fault->depth ? fault->depth : 1));
		if (hold > verdict->hold)
			verdict->hold = hold;
		break;
	case EMU_FAULT_DUPLICATE:
		verdict->duplicate = true;
		break;
	case EMU_FAULT_LOSS:
		verdict->drop = true;
		break;
	case EMU_FAULT_KILL:
		kill_sender(world, packet->src_qpn);
		break;
	case EMU_FAULT_BAD_KEY:
	case EMU_FAULT_REVOKED_KEY:
	case EMU_FAULT_STATUS:
		if (!verdict->status)
			verdict->status = (uint8_t)fault->status;
		break;
	}
}

/* One row; a kill without op= is no matter of packets. */
static void try_row(struct emu_world_shared *world, uint32_t i, enum emu_fault_kind kind,
		    const struct emu_fault_packet *packet, uint64_t now,
		    struct emu_verdict *verdict)
{
	struct emu_fault fault;
	uint64_t hash;

	if (!emu_fault_read(&world->faults[i], kind, &fault) || !emu_fault_on(&fault, now) ||
	    !matches(&fault, packet, packet->src_qpn))
		return;
	if (kind == EMU_FAULT_KILL && !fault.ops)
		return;
	hash = packet_hash(world, &fault, packet);
	if (hits(&world->faults[i], &fault, hash))
		apply(world, &fault, packet, hash, verdict);
}

void emu_fault_packet(struct emu_world_shared *world, const struct emu_fault_packet *packet,
		      uint64_t now, struct emu_verdict *verdict)
{
	static const uint8_t kinds[] = {
		EMU_FAULT_DELAY,   EMU_FAULT_REORDER,     EMU_FAULT_DUPLICATE, EMU_FAULT_LOSS,
		EMU_FAULT_BAD_KEY, EMU_FAULT_REVOKED_KEY, EMU_FAULT_STATUS,    EMU_FAULT_KILL,
	};
	const struct emu_fault_index *index = emu_fault_index(world);
	uint32_t i;
	size_t k;

	memset(verdict, 0, sizeof(*verdict));
	if (!index)
		return;
	for (k = 0; k < EMU_COUNT(kinds); k++)
		emu_fault_each(i, index->rows[kinds[k]])
			try_row(world, i, (enum emu_fault_kind)kinds[k], packet, now, verdict);
}

uint8_t emu_fault_arrival(struct emu_world_shared *world, const struct emu_fault_packet *packet,
			  uint64_t now, uint64_t *wait)
{
	const struct emu_fault_index *index = emu_fault_index(world);
	struct emu_fault fault;
	uint8_t status = 0;
	uint64_t hash;
	uint32_t i;

	*wait = 0;
	if (!index)
		return 0;
	emu_fault_each(i, index->rows[EMU_FAULT_RNR] | index->rows[EMU_FAULT_SLOW_RECEIVER])
	{
		enum emu_fault_kind kind = index->rows[EMU_FAULT_RNR] & 1ull << i
						   ? EMU_FAULT_RNR
						   : EMU_FAULT_SLOW_RECEIVER;

		if (!emu_fault_read(&world->faults[i], kind, &fault) ||
		    !emu_fault_on(&fault, now) || !matches(&fault, packet, packet->dst_qpn))
			continue;
		hash = packet_hash(world, &fault, packet);
		if (!hits(&world->faults[i], &fault, hash))
			continue;
		if (kind == EMU_FAULT_RNR)
			status = (uint8_t)fault.status;
		else
			*wait += delay(&fault, hash);
	}
	return status;
}

/* --- NICs and links ------------------------------------------------------------------------ */

static bool flap_down(const struct emu_fault *fault, uint64_t now)
{
	return fault->period && (now - fault->start) % fault->period < fault->delay;
}

static bool row_on(struct emu_world_shared *world, uint32_t i, enum emu_fault_kind kind,
		   uint64_t now, struct emu_fault *fault)
{
	return emu_fault_read(&world->faults[i], kind, fault) && emu_fault_on(fault, now) &&
	       (kind != EMU_FAULT_FLAP || flap_down(fault, now));
}

/* A flap with dst= is one of a link. */
static bool of_link(const struct emu_fault *fault)
{
	return fault->dst_host != EMU_ANY;
}

/* The row of the first fault by which the NIC is down; EMU_FAULTS: none. */
static uint32_t nic_down(struct emu_world_shared *world, const struct emu_fault_index *index,
			 uint32_t host, uint32_t nic, uint64_t now)
{
	static const uint8_t kinds[] = { EMU_FAULT_NIC_DOWN, EMU_FAULT_FLAP };
	struct emu_fault fault;
	uint32_t i;
	size_t k;

	for (k = 0; k < EMU_COUNT(kinds); k++)
		emu_fault_each(i, index->rows[kinds[k]])
		{
			if (row_on(world, i, (enum emu_fault_kind)kinds[k], now, &fault) &&
			    !of_link(&fault) && same(fault.src_host, host) &&
			    same(fault.src_nic, nic))
				return i;
		}
	return EMU_FAULTS;
}

/* By its administrator; a host that this directory does not know is up. */
static bool switched_off(struct emu_world_shared *world, uint32_t host, uint32_t nic)
{
	return host < EMU_HOSTS && nic < EMU_NICS &&
	       atomic_load_explicit(&world->host[host].nic[nic].down, memory_order_relaxed);
}

bool emu_fault_nic_down(struct emu_world_shared *world, uint32_t host, uint32_t nic, uint64_t now)
{
	const struct emu_fault_index *index;

	if (switched_off(world, host, nic))
		return true;
	index = emu_fault_index(world);
	return index && nic_down(world, index, host, nic, now) < EMU_FAULTS;
}

static uint32_t link_down(struct emu_world_shared *world, const struct emu_fault_index *index,
			  uint32_t src_host, uint32_t src_nic, uint32_t dst_host, uint32_t dst_nic,
			  uint64_t now)
{
	static const uint8_t kinds[] = { EMU_FAULT_LINK_DOWN, EMU_FAULT_FLAP };
	struct emu_fault fault;
	uint32_t i;
	size_t k;

	for (k = 0; k < EMU_COUNT(kinds); k++)
		emu_fault_each(i, index->rows[kinds[k]])
		{
			if (row_on(world, i, (enum emu_fault_kind)kinds[k], now, &fault) &&
			    (kinds[k] == EMU_FAULT_LINK_DOWN || of_link(&fault)) &&
			    same(fault.src_host, src_host) && same(fault.src_nic, src_nic) &&
			    same(fault.dst_host, dst_host) && same(fault.dst_nic, dst_nic))
				return i;
		}
	return EMU_FAULTS;
}

/* The row of the first fault that is between the two; EMU_FAULTS: none. */
static uint32_t cutting(struct emu_world_shared *world, const struct emu_fault_index *index,
			uint32_t src_host, uint32_t src_nic, uint32_t dst_host, uint32_t dst_nic,
			uint64_t now)
{
	uint32_t i = nic_down(world, index, src_host, src_nic, now);

	if (i == EMU_FAULTS)
		i = nic_down(world, index, dst_host, dst_nic, now);
	if (i == EMU_FAULTS)
		i = link_down(world, index, src_host, src_nic, dst_host, dst_nic, now);
	if (i == EMU_FAULTS)
		i = link_down(world, index, dst_host, dst_nic, src_host, src_nic, now);
	return i;
}

bool emu_fault_cut(struct emu_world_shared *world, uint32_t src_host, uint32_t src_nic,
		   uint32_t dst_host, uint32_t dst_nic, uint64_t now)
{
	const struct emu_fault_index *index;
	uint32_t i;

	if (switched_off(world, src_host, src_nic) || switched_off(world, dst_host, dst_nic))
		return true;
	index = emu_fault_index(world);
	if (!index || !(index->rows[EMU_FAULT_NIC_DOWN] | index->rows[EMU_FAULT_LINK_DOWN] |
			index->rows[EMU_FAULT_FLAP]))
		return false;
	i = cutting(world, index, src_host, src_nic, dst_host, dst_nic, now);
	if (i == EMU_FAULTS)
		return false;
	emu_fault_count(&world->faults[i]);
	return true;
}
