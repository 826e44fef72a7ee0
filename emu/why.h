/* SPDX-License-Identifier: Apache-2.0 */
/* One line for a person about what went wrong, beside the -errno for the program. */
#ifndef EMU_WHY_H
#define EMU_WHY_H

#include <stddef.h>

/* Formats into why (of size bytes; may be NULL) and answers error. */
int emu_why(char *why, size_t size, int error, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

#endif
