/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/plan.h"

uint64_t plan_piece(uint64_t len, uint32_t rails, uint64_t max_message)
{
	uint64_t piece = len;

	if (rails > 1 && len >= 2 * PLAN_STRIPE_MIN) {
		piece = len / ((uint64_t)rails * PLAN_PIECES_PER_RAIL);
		if (piece < PLAN_STRIPE_MIN)
			piece = PLAN_STRIPE_MIN;
		if (piece > PLAN_STRIPE_MAX)
			piece = PLAN_STRIPE_MAX;
		piece = (piece + PLAN_ALIGN - 1) / PLAN_ALIGN * PLAN_ALIGN;
	}
	if (piece > max_message)
		piece = max_message / PLAN_ALIGN * PLAN_ALIGN;
	return piece;
}

uint64_t plan_whole(uint32_t rails, uint64_t max_message)
{
	if (rails > 1 && max_message >= 2 * PLAN_STRIPE_MIN)
		return 2 * PLAN_STRIPE_MIN - 1;
	return max_message;
}
