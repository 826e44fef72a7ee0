/* SPDX-License-Identifier: Apache-2.0 */
/* For tests only; not exported from the shared library. */
#ifndef WEFT_ENGINE_TESTING_H
#define WEFT_ENGINE_TESTING_H

#include "engine/engine.h"

/* Rewrites a region's descriptor so that its keys are wrong, with a right checksum. */
int weft_test_forge_key(void *descriptor, size_t len);
/* As if no device told how long a registration may be. Manual mode. */
void weft_test_forget_longest(struct weft *weft);
/* Puts a rail into a node, for regions that are registered afterwards. Manual mode. */
void weft_test_place(struct weft *weft, uint32_t rail, int node);
/* The rail breaks; not loop's, which has a script for that. Manual mode. */
void weft_test_break(struct weft *weft, uint32_t rail);
/* Rails that break are closed by a thread, as those are whose provider may wait. Before any does.
 */
void weft_test_close_apart(struct weft *weft);
/* Rails that are not loop's keep addresses of peers that were let go so long. Manual mode, or
 * before any was. */
void weft_test_rest(struct weft *weft, uint64_t rest_ns);
/* The provider's row of the way to a peer. */
const struct provider *weft_test_provider(const struct weft_peer *peer);

#endif /* WEFT_ENGINE_TESTING_H */
