/* SPDX-License-Identifier: Apache-2.0 */
/* Inside of weft perf server: its door, and the client that it serves. */
#ifndef WEFT_PERF_SERVER_INT_H
#define WEFT_PERF_SERVER_INT_H

#include <pthread.h>
#include <stdatomic.h>

#include "perf/reach_ports.h"
#include "perf/session.h"
#include "perf/session_crew.h"
#include "perf/session_talk.h"

/* The client that is served, by a thread of its own. */
struct perf_client {
	const struct perf_server_opts *opts;
	struct perf_talk talk;
	uint64_t hello_id;
	volatile int stop; /* the server ends */
	atomic_bool done;  /* the thread is about to return */
	pthread_t thread;
	struct perf_idle idle;
	bool has_idle;
	/* The case that is open, if any. */
	struct perf_crew *crew;
	bool running;           /* its threads */
	struct perf_port *port; /* SETUP: the fresh one, and the address of its twin */
	char *twin;
	int twin_len;
	/* A try to reach (perf/reach.h): its ends; whether they know their twins. */
	struct reach_ports *reach;
	bool reach_goes;
	uint64_t reach_wait_ns;
};

static inline bool perf_client_stops(const struct perf_client *client)
{
	return __atomic_load_n(&client->stop, __ATOMIC_RELAXED);
}

/* Serves a client that has said hello, until it goes or the server stops. */
void *perf_client_main(void *client);

/* Answers one message: 0, or a code for an error to be told. */
int perf_client_answer(struct perf_client *client, const struct perf_message *message);
/* Ends the case that is open. */
void perf_client_drop(struct perf_client *client);
/* The message visit. */
int perf_client_visit(struct perf_client *client, const struct perf_message *message);
/* Messages of a try to reach. */
int perf_client_reach(struct perf_client *client, const struct perf_message *message);
int perf_client_reach_meet(struct perf_client *client, const struct perf_message *message);
int perf_client_reach_go(struct perf_client *client, const struct perf_message *message);
int perf_client_reach_told(struct perf_client *client, const struct perf_message *message);
int perf_client_reach_end(struct perf_client *client, const struct perf_message *message);
int perf_client_reach_visit(struct perf_client *client, const struct perf_message *message);
/* The case of a message, checked against what this server allows. */
int perf_client_case(struct perf_client *client, const struct perf_message *message,
		     struct perf_case *ret);
/* The error of a message at a time when nobody waits for it. */
int perf_client_misplaced(const struct perf_message *message);
/* "ok" to a message, without members of its own. */
int perf_client_ok(struct perf_client *client, const struct perf_message *message);

#endif /* WEFT_PERF_SERVER_INT_H */
