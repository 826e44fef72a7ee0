/* SPDX-License-Identifier: Apache-2.0 */
/* Inside of a session, on the side that conducts. */
#ifndef WEFT_PERF_SESSION_INT_H
#define WEFT_PERF_SESSION_INT_H

#include "perf/env.h"
#include "perf/session.h"
#include "perf/session_crew.h"
#include "perf/session_talk.h"

struct perf_session {
	struct perf_talk talk;
	struct perf_env there;
	struct perf_idle idle;
	bool has_idle;
	bool welcome;             /* hello was answered */
	const volatile int *stop; /* ends runs as perf_session_interrupt() does; or NULL */
	struct perf_wire *watch;  /* the same, once its other side is gone; or NULL */
};

/* Is the session to end its run early? */
bool perf_session_stops(const struct perf_session *session);
/* What is set when it is to end, for waits after which nothing more is said. */
const volatile int *perf_session_stop_flag(const struct perf_session *session);
/* perf_session_open() with what else ends it. */
int perf_session_open_for(struct perf_session **ret, const char *server_addr, uint64_t timeout_ns,
			  const volatile int *stop, struct perf_wire *watch);

/* Sends the case, which the server then has open, and swaps the ports' addresses. */
int perf_session_send_case(struct perf_session *session, const struct perf_case *c);
/* The server ends the case, at any point of it. */
void perf_session_drop(struct perf_session *session);
/* Fetches what the server counted, into run->there. */
int perf_session_fetch(struct perf_session *session, const char *type, struct perf_run *run);

/* The test setup, whole. */
int perf_session_setup(struct perf_session *session, const struct perf_case *c,
		       struct perf_run *ret);

#endif /* WEFT_PERF_SESSION_INT_H */
