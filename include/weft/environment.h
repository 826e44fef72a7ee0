/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libweft: what libfabric reads in the process's environment. Returns and errors are as in
 * weft/weft.h.
 */
#ifndef WEFT_ENVIRONMENT_H
#define WEFT_ENVIRONMENT_H

#include "weft.h"

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Sets the variables below, but for those that are set. Optional: weft's programs call it, other
 * processes may. Once, before the first weft_open() and any other use of libfabric, and, as
 * setenv(), while no other thread uses the environment. Children inherit it.
 *
 * FI_MR_CACHE_MAX_COUNT=0: else, over verbs, libfabric keeps registrations that were closed, and a
 * peer that has the key goes on reading and writing there.
 *
 * FI_EFA_USE_DEVICE_RDMA=1, with libfabric 1.17 and an EFA device that has RDMA read: the device
 * does READs, and, for the target, WRITEs of 64 KiB and more. Else 1.17 has both processors copy
 * packets where the device is of part 0xefa0 or 0xefa1; later versions need no variable. Of two
 * engines both need it, else they work as if neither had it.
 *
 * 0, -ENOMEM.
 */
WEFT_API int weft_set_environment(void);

#ifdef __cplusplus
}
#endif

#endif /* WEFT_ENVIRONMENT_H */
