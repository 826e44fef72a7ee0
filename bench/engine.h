/* SPDX-License-Identifier: Apache-2.0 */
/* The engine as an application uses it, through weft.h, driven by the caller. */
#ifndef WEFT_BENCH_ENGINE_H
#define WEFT_BENCH_ENGINE_H

#include <stdbool.h>
#include <stdint.h>
#include <weft/weft.h>

#include "base/opt.h"
#include "bench.h"
#include "meter.h"
#include "pair.h"
#include "slots.h"

#define ENGINE_TIMEOUT_NS BENCH_STALL_NS

struct engine_opts {
#define OPT_FIELDS
#include "engine.def"
};

struct engine {
	struct engine_opts opts;
	struct pair pair;
	struct meter meter;
	struct slots slots;
	struct weft *weft;
	struct weft_region *region;
	struct weft_remote *remote;   /* the initiator's view of the target's region */
	struct weft_peer *peer;       /* of remote */
	struct weft_arrival *arrival; /* target */
	uint32_t imm;                 /* of the target's arrival */
	struct engine_ball *ball;     /* pingpong */
	char provider[32];            /* libfabric's name of the way in use */
};

/* Sets the options batch and batches when they are 0; a batch's share divides the window. */
void engine_batches(struct engine_opts *opts);

/* The two sides of a mode. */
int engine_rma_initiator(struct engine *engine);
int engine_rma_target(struct engine *engine);
int engine_pingpong_initiator(struct engine *engine);
int engine_pingpong_target(struct engine *engine);
/* weft_opts.on_message of both sides, ctx: struct engine. */
void engine_pingpong_message(void *ctx, struct weft_peer *peer, const void *data, size_t len);

#endif /* WEFT_BENCH_ENGINE_H */
