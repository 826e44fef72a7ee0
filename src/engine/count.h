/* SPDX-License-Identifier: Apache-2.0 */
/* What is counted for the engine and for each peer. */
#ifndef WEFT_ENGINE_COUNT_H
#define WEFT_ENGINE_COUNT_H

#include "engine/engine.h"

/* One more of a counter that both have. */
#define COUNT(peer, name) ((peer)->stats.name++, (peer)->weft->stats.name++)

/* Transfers done, which are recorded in peer->latency too. */
static inline void count_done(struct weft_peer *peer, uint32_t kind, uint32_t count, uint64_t bytes)
{
	peer->bytes[kind] += bytes;
	peer->weft->done[kind].count += count;
	peer->weft->done[kind].bytes += bytes;
}

#endif /* WEFT_ENGINE_COUNT_H */
