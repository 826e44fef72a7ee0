/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pure: numbers of messages between two engines, so that one that is sent again on another path
 * counts once. They start at 0 and wrap.
 */
#ifndef WEFT_ENGINE_SEQUENCE_H
#define WEFT_ENGINE_SEQUENCE_H

#include <stdbool.h>
#include <stdint.h>

/* The sender goes no further beyond its oldest unsettled message; the receiver remembers twice as
 * far, since what came last need not be what was sent last. */
#define SEQUENCE_AHEAD  256u
#define SEQUENCE_MEMORY (2u * SEQUENCE_AHEAD)

/* All zero at first. */
struct sequence_out {
	uint32_t next;   /* to be given out */
	uint32_t oldest; /* that is not settled; next, when all are */
	uint64_t settled[SEQUENCE_AHEAD / 64];
};

/* False: the oldest must be settled first. */
bool sequence_take(struct sequence_out *out, uint32_t *ret);
/* Takes back the number that was taken last. */
void sequence_untake(struct sequence_out *out);
/* It is sent, or will not be sent again. Numbers that are not out are ignored. */
void sequence_settle(struct sequence_out *out, uint32_t number);

/* All zero at first. */
struct sequence_in {
	uint32_t next; /* after the newest that came */
	uint64_t came[SEQUENCE_MEMORY / 64];
};

/* Whether a number comes for the first time. One too old to know does not. */
bool sequence_is_new(struct sequence_in *in, uint32_t number);
/* Whether all numbers below that one have come, which has come itself and is the newest. */
bool sequence_has_all(const struct sequence_in *in, uint32_t number);
/* Whether all below that one have come, as far back as is remembered, whatever is the newest. */
bool sequence_misses_none(const struct sequence_in *in, uint32_t number);

#endif /* WEFT_ENGINE_SEQUENCE_H */
