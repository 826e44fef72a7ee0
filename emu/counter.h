/* SPDX-License-Identifier: Apache-2.0 */
/* Hardware counters of an emulated NIC; the rows are counter.def. */
#ifndef EMU_COUNTER_H
#define EMU_COUNTER_H

enum emu_counter {
#define EMU_COUNTER(id, scope, since, source) EMU_COUNT_##id,
#include "emu/counter.def"
#undef EMU_COUNTER
	EMU_COUNTERS
};

#endif
