/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How long the parts of a registration are. A device has a longest registration, which libfabric
 * does not tell: it is what the caller says, else what the device's driver says, else found out
 * from what is refused. A driver pins all pages before the device refuses, so that is the last
 * resort.
 */
#ifndef WEFT_ENGINE_PIN_SHIFT_H
#define WEFT_ENGINE_PIN_SHIFT_H

#include <stdbool.h>
#include <stdint.h>

struct weft;

/*
 * The parts to begin with for len bytes: *ret is log2 of their length, or PLAN_WHOLE. -WEFT_ELIMIT:
 * more than WIRE_PARTS_MAX would be needed.
 */
int pin_shift_first(struct weft *weft, uint64_t len, uint32_t *ret);
/* The range was refused with *shift: the next shorter parts. False: there are none to try. */
bool pin_shift_next(uint64_t len, uint32_t *shift);

#endif /* WEFT_ENGINE_PIN_SHIFT_H */
