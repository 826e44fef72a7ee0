/* SPDX-License-Identifier: Apache-2.0 */
/* How a case's process tells the runner what came out, and where it is. */
#ifndef CONFORM_VERDICT_H
#define CONFORM_VERDICT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

/* Exit statuses of a case's process. */
enum verdict_exit {
	VERDICT_PASS = 0,
	VERDICT_FAIL = 1,
	VERDICT_SKIP = 77,
};

#define VERDICT_PIDS_MAX 16

/* Shared by the runner and the case's process. */
struct verdict {
	char text[512];             /* SKIP: the reason */
	_Atomic(const char *) file; /* of the last check entered: a literal, so good in both */
	atomic_int line;            /* its line */
	int pids[VERDICT_PIDS_MAX]; /* processes that the case started */
	int pid_count;
};

/* NULL when there is no memory. */
struct verdict *verdict_open(void);
/* In the case's process: where to write. Sweeps too. */
void verdict_begin(struct verdict *verdict);
/* In the runner: "FILE:LINE" of the last check that the case entered. */
void verdict_where(struct verdict *verdict, char *text, size_t size);

/* The case has started a process. */
void verdict_started(int pid);
/* Whether a file of that name in /dev/shm is the process's. */
bool verdict_is_file_of(const char *name, int pid);
/* Whether a shared-memory file of the process is left in /dev/shm. */
bool verdict_leftover(int pid);
/* Removes what an earlier process with the id of this one has left: ids come again. */
void verdict_sweep_own(void);
/* Removes what killed processes of a case could not remove themselves. */
void verdict_sweep(const struct verdict *verdict, int pid);

#endif /* CONFORM_VERDICT_H */
