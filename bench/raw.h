/* SPDX-License-Identifier: Apache-2.0 */
/* A plain loop over libfabric, without weft: what the fabric gives on this machine. */
#ifndef WEFT_BENCH_RAW_H
#define WEFT_BENCH_RAW_H

#include <stdbool.h>
#include <stdint.h>

#include "base/opt.h"
#include "fab.h"
#include "meter.h"
#include "pair.h"
#include "slots.h"

struct raw_opts {
#define OPT_FIELDS
#include "raw.def"
};

struct raw {
	struct raw_opts opts;
	struct pair pair;
	struct fab fab;
	struct meter meter;
	struct slots slots;
	bool inject;     /* pingpong sends by fi_inject() */
	uint32_t *order; /* scattered: where the i-th segment of the buffers stands; else NULL */
};

#define RAW_SEGMENTS_MAX 16

/* The two sides of a mode. */
int raw_rma_initiator(struct raw *raw);
int raw_rma_target(struct raw *raw);
int raw_pingpong_initiator(struct raw *raw);
int raw_pingpong_target(struct raw *raw);

#endif /* WEFT_BENCH_RAW_H */
