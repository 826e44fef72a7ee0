/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory that is registered with the provider on every rail of an engine, and which regions share.
 *
 * P1: what grants a peer anything is never shared. A key reaches the bytes of its one region with
 *     that region's rights, and taking the region back ends the key.
 * P2: a pin for local use covers whole pages and is offered to regions that lie within it, for as
 *     long as a live region covers it whole: that region's owner promises that all of it is still
 *     mapped as it was when it was pinned. Once nobody does, it stays for those that use a part and
 *     is offered to no one else, since the rest may be other memory at the same address by now.
 * P3: of the pins that are offered none lies within another, so that sorted by their first byte
 *     they are sorted by their end too, and one look finds the one that holds a range.
 *
 * What is longer than a device registers at once is registered in parts (plan.h), of one size on
 * all rails. Together they are one pin: taken, shared and given back as a whole.
 */
#ifndef WEFT_ENGINE_PIN_H
#define WEFT_ENGINE_PIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/wire.h"
#include "transport/transport.h"

/* A part is not made smaller than this because a device refuses it: its length is not why. */
#define PIN_FOUND_MIN 20u /* log2 of bytes */

struct weft;

struct pinned {
	uintptr_t first, end; /* bytes that are registered */
	uint32_t users;       /* regions */
	uint32_t whole;       /* of users: those that promise the whole of it, see P2 */
	bool offered;
	uint8_t shift; /* of its parts, counted from first; PLAN_WHOLE: there is one */
	uint32_t parts;
	struct pin pins[]; /* parts of the engine's first rail, then of the next */
};

static inline const struct pin *pin_part(const struct pinned *pinned, uint32_t rail, uint32_t part)
{
	return &pinned->pins[rail * pinned->parts + part];
}

/* Those that are offered, by first byte. Zero-initialised. */
struct pin_table {
	struct pinned **at;
	uint32_t count, room;
};

/*
 * Registers base..base+len on every rail, or finds that this has been done. 0, or the code of the
 * rail that refused, of which the detail tells; nothing is registered then. -WEFT_ELIMIT also where
 * more than WIRE_PARTS_MAX parts would be needed.
 */
int pin_take(struct weft *weft, void *base, size_t len, uint32_t access, struct pinned **ret);
/* The region that took it so is gone. The last one closes the registrations. */
void pin_give(struct weft *weft, struct pinned *pinned, const void *base, size_t len);
/* All have been given back. */
void pin_table_free(struct pin_table *table);

#endif /* WEFT_ENGINE_PIN_H */
