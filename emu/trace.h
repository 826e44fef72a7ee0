/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Trace of packets and decisions, one line each, for WEFT_EMU_TRACE. A line holds no time and no
 * process id, so that the same seed and the same program give the same set of lines.
 */
#ifndef EMU_TRACE_H
#define EMU_TRACE_H

#include <stdbool.h>

extern bool emu_tracing; /* set once, before there is traffic */

/* Appends one line (a newline is added) with a single write, so that processes may share the file.
 */
void emu_trace_line(const char *format, ...) __attribute__((format(printf, 1, 2)));

#define emu_trace(...)                                \
	do {                                          \
		if (__builtin_expect(emu_tracing, 0)) \
			emu_trace_line(__VA_ARGS__);  \
	} while (0)

/* Opens path for appending. 0 or -errno. */
int emu_trace_open(const char *path);

#endif
