/* SPDX-License-Identifier: Apache-2.0 */
/* How a case's process tells the runner what came out, and the watchdog. */
#ifndef CONFORM_VERDICT_H
#define CONFORM_VERDICT_H

/* Exit statuses of a case's process. */
enum verdict_exit {
	VERDICT_PASS = 0,
	VERDICT_FAIL = 1,
	VERDICT_SKIP = 77,
	VERDICT_HANG = 78,
};

/* Shared by the runner and the case's process. */
struct verdict {
	char text[512]; /* SKIP: the reason; HANG: the file of the last check entered */
	int line;       /* HANG: its line */
};

/* NULL when there is no memory. */
struct verdict *verdict_open(void);
/* In the case's process: where to write, and the watchdog. */
void verdict_begin(struct verdict *verdict, unsigned int limit_s);

#endif /* CONFORM_VERDICT_H */
