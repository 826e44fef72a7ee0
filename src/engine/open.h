/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WEFT_ENGINE_OPEN_H
#define WEFT_ENGINE_OPEN_H

#include "engine/engine.h"

/* Opens the ways and rails that opts ask for; on failure those opened stay in weft for the caller
 * to close. */
int open_ways(struct weft *weft, const struct weft_opts *opts);

#endif /* WEFT_ENGINE_OPEN_H */
