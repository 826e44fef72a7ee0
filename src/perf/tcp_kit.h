/* SPDX-License-Identifier: Apache-2.0 */
/* For tests of perf_tcp: what they all need. */
#ifndef WEFT_PERF_TCP_KIT_H
#define WEFT_PERF_TCP_KIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "perf/backend.h"
#include "perf/tcp_port.h"

static inline struct perf_case case_of(enum perf_op op, uint64_t size, uint32_t window,
				       uint32_t eps)
{
	return (struct perf_case){
		.test = PERF_BW,
		.op = op,
		.backend = "tcp",
		.size = size,
		.window = window,
		.threads = 1,
		.eps = eps,
		.post_list = 1,
		.seed = 7,
	};
}

static inline struct perf_facts facts_of(struct perf_port *port)
{
	struct perf_facts facts;

	perf_tcp.facts(port, &facts);
	return facts;
}

/* Until it fails; 0 when it does not, however often. */
static inline int poll_until(struct perf_port *port)
{
	struct perf_event event;
	int rc = 0;

	for (int i = 0; i < 50000 && rc >= 0; i++)
		rc = perf_tcp.poll(port, &event, 1);
	return rc < 0 ? rc : 0;
}

#endif /* WEFT_PERF_TCP_KIT_H */
