/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A peer that does not answer: a stopped process, or, in one process, a loop whose script delays or
 * swallows operations.
 */
#ifndef CONFORM_FROZEN_H
#define CONFORM_FROZEN_H

#include "child.h"

/* How long the loop script holds an operation back where it is to end some time. */
#define FROZEN_DELAY_NS (250 * NSEC_PER_MSEC)

struct frozen {
	struct net net;
	struct weft *a;
	struct area mem; /* of a */
	uint64_t each;   /* of the last frozen_fill() */
	struct weft_region *region;
	struct area *far; /* the peer's memory */
	struct weft_remote *remote;
	struct weft *b; /* loop */
	struct area mem_b;
	struct child child; /* else */
};

/* thaws: frozen_thaw() will be called. opts: of a, may be NULL. */
void frozen_open(struct frozen *f, const struct conform *c, size_t len, bool thaws,
		 const struct weft_opts *opts);
void frozen_thaw(struct frozen *f);
/* Closes all as it is; a may be closed (and NULL) already. */
void frozen_close(struct frozen *f);

/* Fills batch with count transfers of `each` bytes, one after the other in both memories. */
void frozen_fill(struct frozen *f, struct weft_batch *batch, bool read, uint32_t count,
		 uint64_t each);

#endif /* CONFORM_FROZEN_H */
