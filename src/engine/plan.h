/* SPDX-License-Identifier: Apache-2.0 */
/* Pure: how a transfer is cut over rails. */
#ifndef WEFT_ENGINE_PLAN_H
#define WEFT_ENGINE_PLAN_H

#include <stdint.h>

#define PLAN_ALIGN           128u         /* pieces begin on cache line pairs */
#define PLAN_STRIPE_MIN      (128u << 10) /* a smaller piece costs more per byte than it wins */
#define PLAN_STRIPE_MAX      (4u << 20) /* a larger one leaves a slow rail with too much at the end */
#define PLAN_PIECES_PER_RAIL 4u         /* so that unequal rails can balance */

/*
 * Length of a transfer's pieces, given its length, how many rails share it and the largest
 * operation of a rail (bytes, at least PLAN_ALIGN). Only the last piece is shorter. 0 for len 0.
 */
uint64_t plan_piece(uint64_t len, uint32_t rails, uint64_t max_message);
/* The longest transfer that is one piece over as many rails or fewer, with this or a larger largest
 * operation. */
uint64_t plan_whole(uint32_t rails, uint64_t max_message);

#endif /* WEFT_ENGINE_PLAN_H */
