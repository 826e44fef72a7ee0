/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/pin_shift.h"

#include "base/err.h"
#include "engine/engine.h"

/* Largest for which 1 << shift <= len; len 1 or more. */
static uint32_t log2_of(uint64_t len)
{
	return 63u - (uint32_t)__builtin_clzll(len);
}

/* Asked once; what is short needs no answer, and what no descriptor can tell is none. */
static uint64_t longest_of(struct rail *rail, uint64_t len)
{
	if (!rail->longest && len >> PIN_FOUND_MIN) {
		rail->longest = nic_longest(rail->limits.nic);
		if (rail->longest >> WIRE_PART_MIN == 0)
			rail->longest = UINT64_MAX;
	}
	return rail->longest ? rail->longest : UINT64_MAX;
}

int pin_shift_first(struct weft *weft, uint64_t len, uint32_t *ret)
{
	uint64_t longest = weft->max_registration, rail_longest;
	const char *device = "max_registration";
	uint32_t i, shift;

	for (i = 0; i < weft->rail_count; i++) {
		rail_longest = longest_of(&weft->rails[i], len);
		if (rail_longest < longest) {
			longest = rail_longest;
			device = weft->rails[i].limits.device;
		}
	}
	*ret = PLAN_WHOLE;
	if (len <= longest)
		return 0;
	shift = log2_of(longest);
	if (wire_parts(len, shift) > WIRE_PARTS_MAX)
		return err_set(
			-WEFT_ELIMIT,
			"%llu bytes: a registration has at most %llu (%s), and %llu parts would "
			"be needed, at most %u; register several regions",
			(unsigned long long)len, (unsigned long long)longest, device,
			(unsigned long long)wire_parts(len, shift), WIRE_PARTS_MAX);
	*ret = shift;
	return 0;
}

bool pin_shift_next(uint64_t len, uint32_t *shift)
{
	uint32_t next = *shift == PLAN_WHOLE ? log2_of(len - (len > 1)) : *shift - 1;

	if (next < PIN_FOUND_MIN || wire_parts(len, next) > WIRE_PARTS_MAX)
		return false;
	*shift = next;
	return true;
}
