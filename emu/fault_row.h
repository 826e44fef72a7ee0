/* SPDX-License-Identifier: Apache-2.0 */
/* How the files fault_*.c and limit.c get at the faults of a world. */
#ifndef EMU_FAULT_ROW_H
#define EMU_FAULT_ROW_H

#include "emu/shared.h"

/* The rows in use, by kind: one bit each. */
struct emu_fault_index {
	const struct emu_world_shared *world;
	uint64_t id;
	uint32_t epoch;
	uint64_t rows[EMU_FAULT_KINDS]; /* [NONE]: all rows in use */
};

_Static_assert(EMU_FAULTS <= 64, "a bit per row");

/* The faults of the world as of now; NULL: none. Valid until the thread's next call. */
const struct emu_fault_index *emu_fault_index(const struct emu_world_shared *world);

/* Copies what a decision needs of a row (all up to seen). False: the row is free, of another kind,
 * or being written. */
bool emu_fault_read(const struct emu_fault *row, enum emu_fault_kind kind, struct emu_fault *fault);

/* Is now in the time of the fault? */
static inline bool emu_fault_on(const struct emu_fault *fault, uint64_t now)
{
	return now >= fault->start && now < fault->end;
}

/* The fault has struck once; for those that draw nothing, and so have no bound of hits. */
static inline void emu_fault_count(struct emu_fault *row)
{
	atomic_fetch_add_explicit(&row->seen, 1, memory_order_relaxed);
	atomic_fetch_add_explicit(&row->hit, 1, memory_order_relaxed);
}

/* for (each row of the mask): index takes its number. */
#define emu_fault_each(index, mask)   \
	for (uint64_t left_ = (mask); \
	     left_ && ((index) = (uint32_t)__builtin_ctzll(left_), left_ &= left_ - 1, true);)

#endif
