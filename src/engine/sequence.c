/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/sequence.h"

static uint64_t bit(uint32_t number)
{
	return 1ull << number % 64;
}

bool sequence_take(struct sequence_out *out, uint32_t *ret)
{
	if (out->next - out->oldest >= SEQUENCE_AHEAD)
		return false;
	*ret = out->next++;
	return true;
}

void sequence_untake(struct sequence_out *out)
{
	out->next--;
}

void sequence_settle(struct sequence_out *out, uint32_t number)
{
	uint64_t *word;

	if (number - out->oldest >= out->next - out->oldest)
		return;
	out->settled[number % SEQUENCE_AHEAD / 64] |= bit(number);
	for (; out->oldest != out->next; out->oldest++) {
		word = &out->settled[out->oldest % SEQUENCE_AHEAD / 64];
		if (!(*word & bit(out->oldest)))
			return;
		*word &= ~bit(out->oldest);
	}
}

bool sequence_is_new(struct sequence_in *in, uint32_t number)
{
	uint64_t *word = &in->came[number % SEQUENCE_MEMORY / 64];

	if (number - in->next < UINT32_MAX / 2) {
		if (number - in->next > SEQUENCE_MEMORY)
			in->next = number - SEQUENCE_MEMORY;
		for (; in->next != number + 1; in->next++)
			in->came[in->next % SEQUENCE_MEMORY / 64] &= ~bit(in->next);
	} else if (in->next - number > SEQUENCE_MEMORY || *word & bit(number)) {
		return false;
	}
	*word |= bit(number);
	return true;
}

bool sequence_has_all(const struct sequence_in *in, uint32_t number)
{
	uint32_t back;

	/* What is further back was settled before the number was given out. */
	for (back = 1; back <= SEQUENCE_AHEAD && back <= number; back++)
		if (!(in->came[(number - back) % SEQUENCE_MEMORY / 64] & bit(number - back)))
			return false;
	return true;
}

bool sequence_misses_none(const struct sequence_in *in, uint32_t number)
{
	uint32_t back, at;

	if (in->next - number > UINT32_MAX / 2) /* nothing so new has come yet */
		return false;
	for (back = 1; back <= number; back++) {
		at = number - back;
		if (in->next - at > SEQUENCE_MEMORY)
			break;
		if (!(in->came[at % SEQUENCE_MEMORY / 64] & bit(at)))
			return false;
	}
	return true;
}
