/* SPDX-License-Identifier: Apache-2.0 */
/* The rows of fault.def as tables, and numbers as users write them: for the files fault*.c. */
#ifndef EMU_FAULT_TABLE_H
#define EMU_FAULT_TABLE_H

#include <stdint.h>

#include "emu/fault.h"

enum emu_fault_key {
#define EMU_FAULT_KIND(id, name, keys, help)
#define EMU_FAULT_KEY(id, name, unit, help) EMU_KEY_##id,
#include "emu/fault.def"
#undef EMU_FAULT_KIND
#undef EMU_FAULT_KEY
	EMU_FAULT_KEYS
};

struct emu_fault_kind_row {
	const char *name, *keys;
};

struct emu_fault_key_row {
	const char *name, *unit;
};

extern const struct emu_fault_kind_row emu_fault_kinds[EMU_FAULT_KINDS]; /* [NONE]: no names */
extern const struct emu_fault_key_row emu_fault_keys[EMU_FAULT_KEYS];
extern const char *const emu_op_names[EMU_OPS];
extern const char *const emu_call_names[EMU_CALLS];

enum emu_key_use {
	EMU_KEY_UNUSED,
	EMU_KEY_ALLOWED,
	EMU_KEY_REQUIRED,
};

/* What the row of a kind says of a key. */
enum emu_key_use emu_fault_key_use(enum emu_fault_kind kind, enum emu_fault_key key);

/* Index of the name that text (of length bytes) spells, or -1. */
int emu_name_find(const char *const *names, int count, const char *text, size_t length);

/* Index of the name that text was probably meant to be, or -1. */
int emu_name_near(const char *const *names, int count, const char *text, size_t length);

/* A decimal number ("12", "1.5", ".25"), its value times scale, rounded down. *end: what follows
 * it. -EINVAL: no number there; -ERANGE: too large. */
int emu_decimal(const char *text, uint64_t scale, uint64_t *value, const char **end);

#endif
