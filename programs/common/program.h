/* SPDX-License-Identifier: Apache-2.0 */
/* Start and end of every program: options, --help, --version, one-line errors, exit status. */
#ifndef WEFT_PROGRAMS_COMMON_PROGRAM_H
#define WEFT_PROGRAMS_COMMON_PROGRAM_H

#include <stdio.h>

#include "base/opt.h"

/* Exit statuses that no error code has; the others come from weft_exit_status(). */
#define PROGRAM_FAILED     1
#define PROGRAM_USAGE      2
#define PROGRAM_BROKENPIPE 141 /* as a shell shows a program that SIGPIPE ended */

/* What program_start() returns when there is work to do. */
#define PROGRAM_GO (-1)

/*
 * Reads the command line. PROGRAM_GO, or the exit status of a program that is done: --help and
 * --version were printed (0), or an error was (2).
 */
int program_start(const struct opt_table *table, int argc, char **argv, void *values,
		  struct opt_result *result);

/*
 * Sets what libfabric reads of the environment when it is first used, where the user has not, and
 * undoes what its libraries did to the actions of signals. Before any engine, any thread, and any
 * handler of the program's own.
 */
void program_fabric(void);

/*
 * Prints one line on stderr, "PROGRAM: WHAT: text of code: detail (remedy)", and returns the exit
 * status of code. The detail is weft_error_detail(): call it right after the failure. format may be
 * NULL: no WHAT.
 */
int program_fail(const char *program, int code, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* Prints "PROGRAM: text" and returns PROGRAM_USAGE: the options are fine one by one, not together.
 */
int program_usage(const char *program, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/*
 * Flushes stdout and returns status, or the status of the output's failure when status is 0: what
 * was lost on a full disk must not look like success. A reader that went away is silent.
 */
int program_finish(const char *program, int status);

/* The line that program_fail() prints, without newline; cut at room. Returns buf. */
char *program_error_line(char *buf, size_t room, const char *program, int code, const char *what);

#endif /* WEFT_PROGRAMS_COMMON_PROGRAM_H */
