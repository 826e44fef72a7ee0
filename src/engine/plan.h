/* SPDX-License-Identifier: Apache-2.0 */
/* Pure: how a transfer is cut over rails. */
#ifndef WEFT_ENGINE_PLAN_H
#define WEFT_ENGINE_PLAN_H

#include <stdint.h>

#define PLAN_ALIGN           128u         /* pieces begin on cache line pairs */
#define PLAN_STRIPE_MIN      (128u << 10) /* a smaller piece costs more per byte than it wins */
#define PLAN_STRIPE_MAX      (4u << 20) /* a larger one leaves a slow rail with too much at the end */
#define PLAN_PIECES_PER_RAIL 4u         /* so that unequal rails can balance */
/* Pieces that go as one operation are so long together: beyond that an operation's own cost does
 * not show beside its bytes'. Where rails share the work it is as long as an uncut transfer. */
#define PLAN_JOINT_MAX    (4u << 20)
#define PLAN_JOINT_SHARED (2 * PLAN_STRIPE_MIN)
/* A rail far from the memory counts as if so much more was queued: a microsecond of 100 Gb/s. */
#define PLAN_FAR (16u << 10)

/*
 * Length of a transfer's pieces, given its length, how many rails share it and the largest
 * operation of a rail (bytes, at least PLAN_ALIGN). Only the last piece is shorter. 0 for len 0.
 */
uint64_t plan_piece(uint64_t len, uint32_t rails, uint64_t max_message);
/* The longest transfer that is one piece over as many rails or fewer, with this or a larger largest
 * operation. */
uint64_t plan_whole(uint32_t rails, uint64_t max_message);

/*
 * Memory that is registered in parts: part i holds the bytes from i << shift on, counted from the
 * first byte that is registered. All parts are of 1 << shift bytes, but for the last. PLAN_WHOLE:
 * one part.
 */
#define PLAN_WHOLE 63u

/* From an offset to the end of its part. */
static inline uint64_t plan_room(uint64_t offset, uint32_t shift)
{
	return (1ull << shift) - (offset & ((1ull << shift) - 1));
}

/* Of len bytes at offset here and there, how many lie within one part on either side. */
static inline uint64_t plan_within(uint64_t len, uint64_t here, uint32_t here_shift, uint64_t there,
				   uint32_t there_shift)
{
	uint64_t room = plan_room(here, here_shift), far = plan_room(there, there_shift);

	room = far < room ? far : room;
	return len < room ? len : room;
}

/* The part of an offset. What has no bytes may stand at the very end: it is the last one's. */
static inline uint32_t plan_part(uint64_t offset, uint32_t shift, uint32_t parts)
{
	uint64_t part = offset >> shift;

	return part < parts ? (uint32_t)part : parts - 1;
}

#endif /* WEFT_ENGINE_PLAN_H */
