/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two processes that measure together. The control channel is TCP, apart from what is measured:
 * lines of JSON, each at most PERF_LINE_MAX bytes, with a deadline for every answer. The side that
 * runs conducts: it sends the case, ports swap their addresses, phases follow each other by
 * barriers, and at the end both have what both sides counted.
 */
#ifndef WEFT_PERF_SESSION_H
#define WEFT_PERF_SESSION_H

#include "perf/result.h"

#define PERF_PROTOCOL 2 /* of the control channel; both sides must have the same */
#define PERF_LINE_MAX (1 << 20)
#define PERF_PORT     7081 /* default TCP port of weft perf server */

struct perf_server_opts {
	const char *listen_addr; /* HOST:PORT; port 0: any */
	const char *devices;     /* the only ones that may be asked for; NULL: all */
	uint64_t max_bytes;      /* most memory that a client may make it register */
	bool once;               /* end after the first client */
	void (*ready)(void *ctx, const char *address); /* listening */
	void *ctx;
};

/* Serves one client at a time until stop is set (from a signal handler); further ones are told that
 * it is busy, and with whom. */
int perf_server(const struct perf_server_opts *opts, const volatile int *stop);

struct perf_session;

/* Connects: versions are compared, and the server tells its environment. timeout_ns: of each
 * answer. -WEFT_EVERSION, -WEFT_EUNAVAILABLE, -WEFT_EPROTOCOL: no weft perf; -EBUSY: with whom
 * stands in err_set(). */
int perf_session_open(struct perf_session **ret, const char *server_addr, uint64_t timeout_ns);
const struct perf_env *perf_session_there(const struct perf_session *session);

/* One repeat of a case; perf_run_free() frees what *ret holds. A failure of the case leaves the
 * session usable; -WEFT_EPEERGONE: it is lost. */
int perf_session_run(struct perf_session *session, const struct perf_case *c, struct perf_run *ret);
void perf_session_close(struct perf_session *session);

/*
 * Asks the server to run a repeat against the server at address, as its client. begin only asks;
 * end waits for the run, timeout_ns beyond what the case itself may take. here is then the asked
 * server's side, there the other's.
 */
int perf_session_visit_begin(struct perf_session *session, const char *address,
			     const struct perf_case *c);
int perf_session_visit_end(struct perf_session *session, uint64_t timeout_ns, struct perf_run *ret);

/* Ends a run that is under way early; what was measured until then counts, and no other begins
 * (-WEFT_ECANCELLED). From a signal handler. */
void perf_session_interrupt(void);

#endif /* WEFT_PERF_SESSION_H */
