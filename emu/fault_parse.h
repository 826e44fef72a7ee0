/* SPDX-License-Identifier: Apache-2.0 */
/* Between fault_parse.c and fault_value.c: the text of a fault into its row. */
#ifndef EMU_FAULT_PARSE_H
#define EMU_FAULT_PARSE_H

#include "emu/fault_table.h"

struct emu_fault_text {
	struct emu_fault *fault;
	enum emu_fault_kind kind;
	uint32_t given;         /* bit per enum emu_fault_key */
	uint32_t host, nic, qp; /* the fault's own side, as host=, nic=, qp= say */
	char *why;
	size_t size;
};

/* The value of each key: 0, or -EINVAL with why set. */
extern int (*const emu_fault_parsers[EMU_FAULT_KEYS])(struct emu_fault_text *parse,
						      const char *value);

/* Sets why, one line; -EINVAL. */
int emu_fault_wrong(struct emu_fault_text *parse, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* The same for a name that is none of these: lists them, says which was probably meant. */
int emu_fault_no_name(struct emu_fault_text *parse, const char *what, const char *const *names,
		      int count, const char *text, size_t length);

#endif
