/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A key-value server under load from several clients, each a thread that keeps a number of requests
 * in flight. The load is the same whatever the server; a driver speaks to it.
 */
#ifndef WEFT_BENCH_KVLOAD_H
#define WEFT_BENCH_KVLOAD_H

#include <pthread.h>
#include <stdint.h>

#include "base/err.h"
#include "base/hist.h"
#include "base/opt.h"

#define KVLOAD_CLIENTS_MAX  64
#define KVLOAD_INFLIGHT_MAX 256
#define KVLOAD_KEY_MAX      32
/* Between the beginnings of two keys' values, bytes. */
#define KVLOAD_STEP 64
/* An answer that takes longer is a failure. */
#define KVLOAD_TIMEOUT_NS 10000000000ull

enum kvload_phase {
	KVLOAD_FILL, /* each key once, by one client; not measured */
	KVLOAD_PUT,
	KVLOAD_GET,
};

struct kvload_opts {
#define OPT_FIELDS
#include "kvload.def"
};

/* The value of a key is a window of values, which begins at another place for each key. */
struct kvload {
	struct kvload_opts opts;
	const struct kvload_driver *driver;
	unsigned char *values;
	uint64_t values_len;
	uint64_t *hashes; /* XXH3-64 of each key's value */
	enum kvload_phase phase;
	uint64_t start_ns, end_ns; /* what is answered between them counts */
};

struct kvload_request {
	uint32_t key;
	uint64_t sent_ns;
};

struct kvload_client {
	const struct kvload *load;
	pthread_t thread;
	void *driver; /* the driver's state */
	struct hist *latency;
	uint64_t ops;
	uint64_t random;
	struct kvload_request requests[KVLOAD_INFLIGHT_MAX];
	uint32_t free_slots[KVLOAD_INFLIGHT_MAX];
	uint32_t n_free;
	int rc;
	char detail[ERR_DETAIL_MAX]; /* of rc: details belong to a thread */
};

/*
 * Speaks to one kind of server. What is called slot is the index of a request in flight; a driver
 * checks what it fetched against load->hashes.
 */
struct kvload_driver {
	const char *name;
	int (*open)(struct kvload_client *client);
	void (*close)(struct kvload_client *client); /* also after a failed open */
	/* Starts the load's phase's request for requests[slot].key; may hold it back until take().
	 */
	int (*start)(struct kvload_client *client, uint32_t slot);
	/* Waits for one of the requests in flight; *slot is which. */
	int (*take)(struct kvload_client *client, uint32_t *slot);
};

extern const struct kvload_driver kvload_redis, kvload_memcached, kvload_weft;

int kvload_client_open(struct kvload_client **ret, const struct kvload *load, uint32_t index);
void kvload_client_close(struct kvload_client *client);
/* Puts each key once. */
int kvload_client_fill(struct kvload_client *client);
/* Runs the phase of load until its end; a thread's function. */
void *kvload_client_run(void *client);

static inline const unsigned char *kvload_value(const struct kvload *load, uint32_t key)
{
	return load->values + (uint64_t)key * KVLOAD_STEP;
}

/* Writes the key's name for out (KVLOAD_KEY_MAX bytes); returns its length. */
size_t kvload_key(char *out, uint32_t key);

#endif /* WEFT_BENCH_KVLOAD_H */
