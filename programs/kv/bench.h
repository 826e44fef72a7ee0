/* SPDX-License-Identifier: Apache-2.0 */
/* weft kv bench: phases over a set of keys whose content tells key and version. */
#ifndef WEFT_PROGRAMS_KV_BENCH_H
#define WEFT_PROGRAMS_KV_BENCH_H

#include <pthread.h>
#include <stdatomic.h>

#include "base/hist.h"
#include "kv/kv.h"

/* --- content (bench_content.c) --------------------------------------------------------------- */

/* Values of at least this carry key and version; shorter ones only depend on the key. */
#define CONTENT_HEADER 16u

void content_fill(void *data, size_t len, uint64_t key, uint64_t version);
/* Whether data is what content_fill() made for the key; *version_ret: of which version (0 where it
 * is too short to tell). */
bool content_check(const void *data, size_t len, uint64_t key, uint64_t *version_ret);

/* --- random choice (bench_content.c) --------------------------------------------------------- */

struct chooser {
	uint64_t state, count;
	double theta, zeta, alpha, eta;
};
/* theta 0: uniform over 0..count-1; below 1: the smaller, the more often, by Zipf's law. */
void chooser_init(struct chooser *chooser, uint64_t count, double theta, uint64_t seed);
uint64_t chooser_next(struct chooser *chooser);
uint64_t chooser_random(struct chooser *chooser);

/* --- run ------------------------------------------------------------------------------------- */

enum phase_kind {
	PHASE_WRITE,
	PHASE_WARMUP,
	PHASE_READ,
	PHASE_MIXED,
	PHASE_LATENCY,
	PHASE_DELETE,
	PHASE_COUNT,
};

struct bench_client {
	struct weft_kv *kv;
	pthread_mutex_t lock; /* whoever uses kv */
	uint32_t threads;     /* that share it */
};

struct phase {
	bool ran;
	uint64_t ops, bytes, errors, bad; /* bad: content that was not right */
	uint64_t wall_ns, cpu_ns;         /* cpu: of this process */
	struct hist *reads, *writes;
	int first_error;
	char text[256]; /* of the first error */
};

struct bench {
	const struct kv_values *values;
	struct bench_client *clients;
	uint32_t client_count, thread_count;
	uint64_t value_size;
	_Atomic uint64_t *started, *done; /* per key: newest version begun, acknowledged */
	struct phase phases[PHASE_COUNT];
	struct weft_kv_connection connection;
};

extern const char *const phase_names[PHASE_COUNT];

/* Runs one phase on all threads (the latency phase: on one). 0 or a negative code. */
int phase_run(struct bench *bench, enum phase_kind kind);
/* Prints the results. */
void bench_report_text(const struct bench *bench);
void bench_report_json(const struct bench *bench);

#endif /* WEFT_PROGRAMS_KV_BENCH_H */
