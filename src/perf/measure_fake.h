/* SPDX-License-Identifier: Apache-2.0 */
/* For tests of the loops: cases of the model, and what was planted in it. */
#ifndef WEFT_PERF_MEASURE_FAKE_H
#define WEFT_PERF_MEASURE_FAKE_H

#include <stdio.h>

#include "base/clock.h"
#include "base/hash.h"
#include "perf/case.h"
#include "perf/model.h"

static inline struct perf_case fake_case(enum perf_test test, enum perf_op op, const char *model)
{
	struct perf_case c = {
		.test = test,
		.op = op,
		.backend = "model",
		.size = 4096,
		.window = 16,
		.threads = 1,
		.eps = 1,
		.post_list = 4,
		.inline_bytes = UINT32_MAX,
		.duration_ns = 100 * NSEC_PER_MSEC,
		.warm_ns = 20 * NSEC_PER_MSEC,
		.seed = 42,
	};

	snprintf(c.model, sizeof(c.model), "%s", model);
	return c;
}

/* How long operation number of the first thread takes, where the time does not matter. */
static inline uint64_t fake_planted(const struct perf_case *c, uint64_t number)
{
	struct perf_plan plan;

	if (perf_plan_read(&plan, c->model) < 0)
		return 0;
	return perf_plan_end(&plan, 0, number, hash_u64(0, c->seed));
}

#endif /* WEFT_PERF_MEASURE_FAKE_H */
