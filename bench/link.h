/* SPDX-License-Identifier: Apache-2.0 */
/* The two engines of a pair and one region on each side, as programs use them that measure
 * something else than a stream of equal operations. */
#ifndef WEFT_BENCH_LINK_H
#define WEFT_BENCH_LINK_H

#include <stdint.h>
#include <weft/weft.h>

#include "pair.h"

struct link {
	struct pair *pair;
	struct weft *weft;
	void *mem;
	uint64_t len;
	struct weft_region *region;
	struct weft_remote *remote; /* initiator: the target's region; connected */
	char provider[32];          /* initiator: libfabric's name of the way in use */
};

/* Either side. len bytes of zeroed memory are registered; the target grants all rights. */
int link_open(struct link *link, struct pair *pair, const struct weft_opts *opts, uint64_t len);
/* Sound after a failed open, too. */
void link_close(struct link *link);

#endif /* WEFT_BENCH_LINK_H */
