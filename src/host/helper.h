/* SPDX-License-Identifier: Apache-2.0 */
/* Runs a program that may crash, hang or say too much, for what it prints. */
#ifndef WEFT_HOST_HELPER_H
#define WEFT_HOST_HELPER_H

#include <stddef.h>
#include <stdint.h>

#define HOST_HELPER_PATH_MAX 4096

/* Where a program of weft is: in ../dir beside this program's own directory, as programs are
 * built, or in that directory itself, as they are installed. 0, or -errno with err_set(). */
int host_helper_beside(const char *dir, const char *name, char *ret, size_t room);

/*
 * Runs argv[0], a path, and gives what it wrote to standard output, as text; standard error goes
 * nowhere. It is killed, and what it started with it, after timeout_ns, and when it says more than
 * fits; this never waits longer, also where the kernel holds the program fast. *ret_status: as of
 * waitpid().
 *
 * 0, or -errno with err_set(): -ENOENT, -EACCES: it cannot be run; -ETIMEDOUT: it was late;
 * -ENOBUFS: it said too much. ret is what it said until then, or "".
 */
int host_helper_run(char *const argv[], uint64_t timeout_ns, char *ret, size_t room,
		    int *ret_status);

#endif /* WEFT_HOST_HELPER_H */
