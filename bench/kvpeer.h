/* SPDX-License-Identifier: Apache-2.0 */
/* A key-value server under load from several connections. */
#ifndef WEFT_BENCH_KVPEER_H
#define WEFT_BENCH_KVPEER_H

#include <pthread.h>
#include <stdint.h>

#include "base/err.h"
#include "base/hist.h"
#include "base/opt.h"
#include "conn.h"
#include "kvproto.h"

#define KVPEER_INFLIGHT_MAX 256
/* Between the beginnings of two keys' values, bytes. */
#define VALUE_STEP 64

enum kvpeer_phase {
	KVPEER_LOAD, /* each key once, by one client; not measured */
	KVPEER_PUT,
	KVPEER_GET,
};

struct kvpeer_opts {
#define OPT_FIELDS
#include "kvpeer.def"
};

/* The value of a key is a window of values, which begins at another place for each key. */
struct kvpeer {
	struct kvpeer_opts opts;
	const struct kvproto *proto;
	unsigned char *values;
	uint64_t *hashes; /* of each key's value */
	enum kvpeer_phase phase;
	uint64_t start_ns, end_ns; /* what is answered between counts */
};

struct kvpeer_request {
	uint32_t key;
	uint64_t sent_ns;
};

struct kvpeer_client {
	struct kvpeer *kvpeer;
	pthread_t thread;
	struct conn conn;
	struct hist *latency;
	uint64_t ops;
	uint64_t random;
	unsigned char *value;                            /* received */
	struct kvpeer_request ring[KVPEER_INFLIGHT_MAX]; /* in flight, answered in order */
	uint32_t head, in_flight;
	int rc;
	char detail[ERR_DETAIL_MAX]; /* of rc: details belong to a thread */
};

int kvpeer_client_open(struct kvpeer_client **ret, struct kvpeer *kvpeer, uint32_t index);
void kvpeer_client_close(struct kvpeer_client *client);
/* Puts each key once. */
int kvpeer_client_load(struct kvpeer_client *client);
/* Runs the phase of kvpeer until its end; a thread's function. */
void *kvpeer_client_run(void *arg);

#endif /* WEFT_BENCH_KVPEER_H */
