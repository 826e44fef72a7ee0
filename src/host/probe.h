/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What only the libraries know (verbs, libfabric, CUDA) is asked of weft-doctor-probe, a program of
 * its own: where a library is missing, crashes or hangs, only the helper does. It prints
 * "key=value" lines, the last one "end=ok".
 *
 * Of devices, N from 0 (what is not known has no line):
 *	dev.N=NAME, dev.N.open=ok|why not, .max_msg, .efa.caps (0xHEX, efadv.h), .efa.max_rdma_size
 * Of libfabric and its providers, N from 0:
 *	libfabric=VERSION|absent: why, libfabric_path, fi.providers=NAME NAME ...
 *	prov.N=NAME, prov.N.domains=COUNT, .max_msg=BYTES, .rma=0|1
 */
#ifndef WEFT_HOST_PROBE_H
#define WEFT_HOST_PROBE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/clock.h"

#define HOST_PROBE_NAME "weft-doctor-probe"
#define HOST_PROBE_NS   (5 * NSEC_PER_SEC)
#define HOST_PROBE_MAX  (64 * 1024) /* bytes of an answer, its NUL too */

/*
 * Runs the helper and gives what it said. path: the helper, $WEFT_PROBE in programs; NULL or "":
 * the one in this program's own directory (or ../doctor, as programs are built). It is killed, and
 * what it started with it, after timeout_ns, and when it says more than fits; this never waits
 * longer, also where the kernel holds the helper fast.
 *
 * 0, or -errno with err_set(): -ENOENT, -EACCES: it cannot be run; -ETIMEDOUT: it was late;
 * -ENOBUFS: it said too much; -EIO: it ended by itself without having ended its answer. ret is what
 * it said until then (""), with a line "died=SIGSEGV" behind where a signal ended it.
 */
int host_probe_run(const char *path, uint64_t timeout_ns, char *ret, size_t room);

/* The value of the first line of this key, cut at room; false: there is none. */
bool host_probe_value(const char *answer, const char *key, char *ret, size_t room);

#endif /* WEFT_HOST_PROBE_H */
