/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bounded queue of 64-bit values or pointers: any number of threads push, one thread pops. Each
 * producer's values come out in its order.
 *
 * Every cell carries a sequence number: position p may be filled when it is p, and taken when it
 * is p + 1; taking sets it to p + size for the next round. Producers claim positions by moving
 * head; the release store of the sequence hands the value over. A push never waits. A producer
 * that stops between claiming and handing over hides later values from the consumer until it goes
 * on, but blocks no other producer before the ring is full.
 *
 * Pushing and popping are a release and an acquire. A consumer that goes to sleep on an empty ring
 * and producers that wake it need a sequentially consistent fence on both sides: consumer: say
 * "asleep", fence, ring_empty(), sleep; producer: push, fence, look for "asleep", wake.
 */
#ifndef WEFT_BASE_RING_H
#define WEFT_BASE_RING_H

#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/alloc.h"

#define RING_MAX (1u << 24)

struct ring_cell {
	_Atomic uint64_t seq;
	uint64_t value;
};

struct ring {
	struct ring_cell *cells;
	uint64_t mask;
	_Alignas(64) _Atomic uint64_t head; /* next position to claim; producers */
	_Alignas(64) uint64_t tail;         /* next position to take; the consumer's own */
};

/* size: a power of two, 2..RING_MAX. -EINVAL, -ENOMEM. */
static inline int ring_init(struct ring *ring, uint32_t size)
{
	uint64_t i;

	if (size < 2 || size > RING_MAX || (size & (size - 1)))
		return -EINVAL;
	ring->cells = mem_aligned(64, size * sizeof(*ring->cells));
	if (!ring->cells)
		return -ENOMEM;
	ring->mask = size - 1;
	ring->tail = 0;
	atomic_init(&ring->head, 0);
	for (i = 0; i < size; i++)
		atomic_init(&ring->cells[i].seq, i);
	return 0;
}

/* No thread may push or pop any more. What is still in it is dropped. A zeroed struct is fine. */
static inline void ring_fini(struct ring *ring)
{
	mem_free(ring->cells);
	ring->cells = NULL;
}

/* Any thread. False when full. */
static inline bool ring_push(struct ring *ring, uint64_t value)
{
	uint64_t pos = atomic_load_explicit(&ring->head, memory_order_relaxed), seq;
	struct ring_cell *cell;

	for (;;) {
		cell = &ring->cells[pos & ring->mask];
		seq = atomic_load_explicit(&cell->seq, memory_order_acquire);
		if ((int64_t)(seq - pos) < 0)
			return false;
		if (seq != pos)
			pos = atomic_load_explicit(&ring->head, memory_order_relaxed);
		else if (atomic_compare_exchange_weak_explicit(&ring->head, &pos, pos + 1,
							       memory_order_relaxed,
							       memory_order_relaxed))
			break;
	}
	cell->value = value;
	atomic_store_explicit(&cell->seq, pos + 1, memory_order_release);
	return true;
}

/* The consumer only. Whether a pop would find nothing now. */
static inline bool ring_empty(const struct ring *ring)
{
	const struct ring_cell *cell = &ring->cells[ring->tail & ring->mask];

	return atomic_load_explicit(&cell->seq, memory_order_acquire) != ring->tail + 1;
}

/* The consumer only. False, and *ret untouched, when empty. */
static inline bool ring_pop(struct ring *ring, uint64_t *ret)
{
	struct ring_cell *cell = &ring->cells[ring->tail & ring->mask];

	if (ring_empty(ring))
		return false;
	*ret = cell->value;
	atomic_store_explicit(&cell->seq, ring->tail + ring->mask + 1, memory_order_release);
	ring->tail++;
	return true;
}

static inline bool ring_push_ptr(struct ring *ring, void *pointer)
{
	return ring_push(ring, (uintptr_t)pointer);
}

/* NULL when empty. */
static inline void *ring_pop_ptr(struct ring *ring)
{
	uint64_t value = 0;

	ring_pop(ring, &value);
	return (void *)(uintptr_t)value;
}

#endif /* WEFT_BASE_RING_H */
