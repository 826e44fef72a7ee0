/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What one emulated device can do: a struct of numbers, one per row of efa.def, and the instance
 * types that set some of them (profile.def).
 */
#ifndef EMU_MODEL_H
#define EMU_MODEL_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct emu_model {
#define EMU_MODEL(id, name, value, low, high, unit, source, help) uint64_t id;
#include "emu/efa.def"
#undef EMU_MODEL
};

struct emu_profile {
	const char *name;  /* p5.48xlarge */
	uint32_t nics;     /* EFA devices of the instance */
	const char *buses; /* PCI buses of the NICs, in order: "16 32" or "79-82 96-99" */
	uint32_t slot;     /* PCI device number on them; the next one when the buses are used up */
	uint32_t numa_nodes;  /* NICs are spread evenly, in order */
	const char *settings; /* model rows that differ from the defaults: "part_id=0xefa2" */
	const char *date;     /* of the facts, ISO 8601 */
	const char *source;
};

void emu_model_defaults(struct emu_model *model);

/* Sets the row called name (of length name_length) to text: a decimal or 0x number, on or off. 0;
 * -ENOENT: no such row, -EINVAL: not a number, -ERANGE: out of the row's bounds. why (of size
 * bytes; may be NULL) then says what would be right, in words. */
int emu_model_set(struct emu_model *model, const char *name, size_t name_length, const char *text,
		  char *why, size_t size);

/* Applies "name=value name=value ..." (blanks or commas between). Errors as emu_model_set(). */
int emu_model_apply(struct emu_model *model, const char *settings, char *why, size_t size);

/* Writes name, value, unit, bounds, source of each row: for `weft emu --list-device`. */
void emu_model_print(const struct emu_model *model, FILE *out);

/* PCI bus and device number of the profile's NIC index (which may be one more than it has). */
void emu_profile_pci(const struct emu_profile *profile, uint32_t index, uint32_t *bus,
		     uint32_t *device);

const struct emu_profile *emu_profile_find(const char *name); /* NULL: unknown */
const struct emu_profile *emu_profile_at(size_t index);       /* NULL: past the last */

#endif
