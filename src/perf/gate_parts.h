/* SPDX-License-Identifier: Apache-2.0 */
/* Inside the gates: what each one looks at. */
#ifndef WEFT_PERF_GATE_PARTS_H
#define WEFT_PERF_GATE_PARTS_H

#include "perf/env.h"
#include "perf/gate.h"

struct gate_at {
	const struct perf_result *result;
	const struct perf_case *c;
	const struct perf_env *here, *there;
	bool alone;     /* both ends are in this process: no machine or network is measured */
	bool same_host; /* both sides run on one machine */
	bool same_nics; /* and see the same NICs */
	bool nic;       /* a back end and provider that are to use NICs */
};

/* One for each row: true and the reason, of PERF_TEXT_MAX bytes, when it trips. Runs that failed
 * are passed over. */
#define GATE(id, how, what, remedy) bool gate_##id(const struct gate_at *at, char *why);
#include "perf/gate.def"
#undef GATE

/* Each run that did not fail. */
#define EACH_RUN(run, at)                                                               \
	for (const struct perf_run *run = (at)->result->run,                            \
				   *run##_end = (at)->result->run + (at)->result->runs; \
	     run < run##_end; run++)                                                    \
		if (!run->error)

#endif /* WEFT_PERF_GATE_PARTS_H */
