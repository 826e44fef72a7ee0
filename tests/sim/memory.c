/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "sim.h"

#define GUARD 64u

static uint64_t word_of(uint64_t pattern, uint32_t i)
{
	uint64_t z = pattern * 0x9e3779b97f4a7c15ull + i;

	z = (z ^ (z >> 31)) * 0xbf58476d1ce4e5b9ull;
	return z ^ (z >> 29);
}

static uint8_t byte_of(uint64_t pattern, uint32_t i)
{
	return (uint8_t)(word_of(pattern, i / 8) >> (i % 8 * 8));
}

static void fill(const struct slot *slot)
{
	uint32_t i;
	uint64_t word;

	for (i = 0; i < slot->size; i += 8) {
		word = word_of(slot->pattern, i / 8);
		memcpy(slot->at + i, &word, 8);
	}
}

/* Bytes [from, to) are the pattern's. The first that is not, or to. */
static uint32_t same_until(const struct slot *slot, uint32_t from, uint32_t to, uint64_t pattern)
{
	uint64_t word, held;

	for (; from % 8 == 0 && from + 8 <= to; from += 8) {
		word = word_of(pattern, from / 8);
		memcpy(&held, slot->at + from, 8);
		if (word != held)
			break;
	}
	while (from < to && slot->at[from] == byte_of(pattern, from))
		from++;
	return from;
}

void area_open(struct area *area)
{
	size_t at = GUARD;
	uint32_t i;

	for (i = 0; i < SIM_SLOTS; i++) {
		area->slots[i].size = i < SIM_BIGS ? SIM_BIG : SIM_SMALL;
		area->len += area->slots[i].size + GUARD;
	}
	area->len += GUARD;
	area->base = aligned_alloc(GUARD, (area->len + GUARD - 1) / GUARD * GUARD);
	if (!area->base)
		abort();
	memset(area->base, 0, area->len);
	for (i = 0; i < SIM_SLOTS; i++) {
		area->slots[i].at = area->base + at;
		area->slots[i].pattern = i + 1;
		fill(&area->slots[i]);
		at += area->slots[i].size + GUARD;
	}
}

void area_close(struct area *area)
{
	free(area->base);
}

struct slot *slot_take(struct sim *sim, struct area *area, bool big)
{
	uint32_t first = big ? 0 : SIM_BIGS, n = big ? SIM_BIGS : SIM_SLOTS - SIM_BIGS;
	uint32_t start = (uint32_t)sim_draw(sim, n), i;
	struct slot *slot;

	for (i = 0; i < n; i++) {
		slot = &area->slots[first + (start + i) % n];
		if (slot->busy)
			continue;
		slot_check(sim, slot);
		slot_refill(sim, slot);
		slot->busy = true;
		return slot;
	}
	return NULL;
}

void slot_give(struct sim *sim, struct slot *slot)
{
	slot_refill(sim, slot);
	slot->busy = false;
}

void slot_refill(struct sim *sim, struct slot *slot)
{
	slot->pattern = (sim->seed << 32) + ++sim->patterns + 1000;
	fill(slot);
}

static void guards_check(struct sim *sim, const struct slot *slot)
{
	uint32_t i;

	for (i = 0; i < GUARD; i++)
		if (slot->at[slot->size + i] || slot->at[-1 - (ptrdiff_t)i])
			sim_fail(sim, "bytes beside a slot were written to");
}

void slot_check_moved(struct sim *sim, const struct slot *slot, uint32_t len, uint64_t pattern)
{
	uint32_t at = same_until(slot, 0, len, pattern);

	if (at != len)
		sim_fail(sim, "byte %u of %u is not what was moved", at, len);
	at = same_until(slot, len, slot->size, slot->pattern);
	if (at != slot->size)
		sim_fail(sim, "byte %u was written to, past the %u that were moved", at, len);
	guards_check(sim, slot);
}

void slot_check_mixed(struct sim *sim, const struct slot *slot, uint32_t len, uint64_t pattern)
{
	uint32_t at = 0;

	while (at < len) {
		uint32_t next = same_until(slot, at, len, pattern);

		if (next == at)
			next = same_until(slot, at, len, slot->pattern);
		if (next == at)
			sim_fail(sim, "byte %u is neither the old nor the new one", at);
		at = next;
	}
	at = same_until(slot, len, slot->size, slot->pattern);
	if (at != slot->size)
		sim_fail(sim, "byte %u was written to, past the %u of the transfer", at, len);
	guards_check(sim, slot);
}

void slot_check(struct sim *sim, const struct slot *slot)
{
	slot_check_moved(sim, slot, 0, 0);
}
