/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rows of faults in shared memory. A row is a seqlock whose sequence is the fault's number: 0
 * while it is written, and never the same again. Writer and reader move it in words, all atomic:
 * whoever dies in between leaves at worst one row unused.
 */
#include "emu/fault_row.h"

#include <errno.h>
#include <string.h>

#include "emu/util.h"

#define CLAIMED EMU_FAULT_KINDS /* kind of a row that is being written */

/* The body: what is behind kind and number. */
#define BODY       offsetof(struct emu_fault, src_host)
#define DECISION   offsetof(struct emu_fault, seen)
#define WORDS(end) (((end)-BODY) / sizeof(uint64_t))

_Static_assert(BODY % sizeof(uint64_t) == 0 && DECISION % sizeof(uint64_t) == 0 &&
		       sizeof(struct emu_fault) % sizeof(uint64_t) == 0,
	       "rows are moved in words");

typedef uint64_t word __attribute__((may_alias));

/* Acquire and release on each word keep them between the two looks at, the two changes of, number.
 */
static void load_body(const struct emu_fault *row, struct emu_fault *fault, size_t end)
{
	const word *from = (const word *)(const void *)((const char *)row + BODY);
	word *to = (word *)(void *)((char *)fault + BODY);
	size_t i;

	for (i = 0; i < WORDS(end); i++)
		to[i] = __atomic_load_n(from + i, __ATOMIC_ACQUIRE);
}

static void store_body(struct emu_fault *row, const struct emu_fault *fault)
{
	const word *from = (const word *)(const void *)((const char *)fault + BODY);
	word *to = (word *)(void *)((char *)row + BODY);
	size_t i;

	for (i = 0; i < WORDS(sizeof(*row)); i++)
		__atomic_store_n(to + i, from[i], __ATOMIC_RELEASE);
}

static bool copy_row(const struct emu_fault *row, struct emu_fault *fault, size_t end)
{
	uint32_t number = atomic_load_explicit(&row->number, memory_order_acquire);
	uint32_t kind = atomic_load_explicit(&row->kind, memory_order_acquire);

	if (!number || kind == EMU_FAULT_NONE || kind >= CLAIMED)
		return false;
	atomic_init(&fault->number, number);
	atomic_init(&fault->kind, kind);
	load_body(row, fault, end);
	return atomic_load_explicit(&row->number, memory_order_acquire) == number;
}

bool emu_fault_read(const struct emu_fault *row, enum emu_fault_kind kind, struct emu_fault *fault)
{
	return copy_row(row, fault, DECISION) && fault->kind == (uint32_t)kind;
}

bool emu_fault_get(const struct emu_world_shared *world, uint32_t index, struct emu_fault *fault)
{
	if (index >= EMU_FAULTS || !copy_row(&world->faults[index], fault, sizeof(*fault)))
		return false;
	fault->text[sizeof(fault->text) - 1] = '\0';
	return true;
}

static void changed(struct emu_world_shared *world)
{
	atomic_fetch_add_explicit(&world->fault_epoch, 1, memory_order_release);
}

static uint64_t later(uint64_t now, uint64_t ns)
{
	return ns > EMU_NEVER - now ? EMU_NEVER : now + ns;
}

static void fill(struct emu_fault *row, const struct emu_fault *fault, uint32_t number)
{
	struct emu_fault copy = *fault;
	uint64_t now = emu_now();

	atomic_init(&copy.seen, 0);
	atomic_init(&copy.hit, 0);
	copy.start = later(now, fault->start);
	copy.end = later(now, fault->end);
	atomic_store_explicit(&row->number, 0, memory_order_release);
	store_body(row, &copy);
	atomic_store_explicit(&row->kind, fault->kind, memory_order_release);
	atomic_store_explicit(&row->number, number, memory_order_release);
}

int emu_fault_add(struct emu_world_shared *world, const struct emu_fault *fault)
{
	uint32_t number, i, none;

	for (i = 0; i < EMU_FAULTS; i++) {
		none = EMU_FAULT_NONE;
		if (!atomic_compare_exchange_strong(&world->faults[i].kind, &none, CLAIMED))
			continue;
		number = atomic_fetch_add(&world->fault_number, 1) + 1;
		fill(&world->faults[i], fault, number);
		changed(world);
		return (int)number;
	}
	return -ENOSPC;
}

int emu_fault_clear(struct emu_world_shared *world, uint32_t number)
{
	uint32_t kind, here;
	int i, removed = 0;

	for (i = 0; i < EMU_FAULTS; i++) {
		here = atomic_load(&world->faults[i].number);
		kind = atomic_load(&world->faults[i].kind);
		if (!here || kind == EMU_FAULT_NONE || kind == CLAIMED)
			continue;
		if (number && number != here)
			continue;
		/* Of several who clear it one wins; a row that was added meanwhile is left. */
		if (!atomic_compare_exchange_strong(&world->faults[i].number, &here, 0))
			continue;
		atomic_store_explicit(&world->faults[i].kind, EMU_FAULT_NONE, memory_order_release);
		removed++;
	}
	if (removed)
		changed(world);
	return removed;
}

/* --- which rows are in use, as each thread last saw it ------------------------------------- */

static _Thread_local struct emu_fault_index thread_index __attribute__((tls_model("initial-exec")));

static void look(struct emu_fault_index *index, const struct emu_world_shared *world,
		 uint32_t epoch)
{
	uint32_t i, kind;

	memset(index->rows, 0, sizeof(index->rows));
	for (i = 0; i < EMU_FAULTS; i++) {
		kind = atomic_load_explicit(&world->faults[i].kind, memory_order_acquire);
		if (kind == EMU_FAULT_NONE || kind >= CLAIMED)
			continue;
		index->rows[kind] |= 1ull << i;
		index->rows[EMU_FAULT_NONE] |= 1ull << i;
	}
	index->world = world;
	index->id = world->id;
	index->epoch = epoch;
}

const struct emu_fault_index *emu_fault_index(const struct emu_world_shared *world)
{
	uint32_t epoch = atomic_load_explicit(&world->fault_epoch, memory_order_acquire);
	struct emu_fault_index *index = &thread_index;

	if (!epoch)
		return NULL;
	if (index->epoch != epoch || index->world != world || index->id != world->id)
		look(index, world, epoch);
	return index->rows[EMU_FAULT_NONE] ? index : NULL;
}
