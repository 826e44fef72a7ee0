/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A case is repeated until the 95 % confidence interval of its median is narrow enough, or as often
 * as is allowed. Several cases are repeated in turn, A/B/A/B, so that what drifts falls on all.
 */
#ifndef WEFT_PERF_REPEAT_H
#define WEFT_PERF_REPEAT_H

#include "perf/env.h"
#include "perf/result.h"
#include "perf/session.h"

struct perf_repeat {
	struct perf_session *session; /* NULL: only back ends of one process */
	const struct perf_env *here, *there;
	uint32_t max;        /* most repeats of each */
	double wanted;       /* half the interval's width, share of the median */
	const bool *stopped; /* set: no further repeat begins */
	/* Before each repeat: for a line of progress. Or NULL. */
	void (*progress)(void *ctx, const struct perf_result *result, uint32_t index);
	void *ctx;
};

/*
 * Repeats the cases results[i].c, all else of which is zero, and fills in the rest, gates included.
 * What fails is in its result: error and why, where no repeat ended well. 0; -WEFT_EPEERGONE: the
 * session is lost, and what was measured until then stands in the results; -ENOMEM.
 */
int perf_repeat_cases(struct perf_result *results, uint32_t n, const struct perf_repeat *how);

#endif /* WEFT_PERF_REPEAT_H */
