/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One phase: each thread has a stream of jobs and keeps up to --inflight of them under way. A key
 * is written only by the thread that owns it (key modulo threads), one write at a time, so that a
 * reader knows which versions it may see: none older than the last one acknowledged before it
 * asked.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "base/clock.h"
#include "base/err.h"
#include "kv/bench.h"

#define ERRORS_MAX    1000u /* of a thread; then it gives up */
#define TURN_FLIGHTS  8u    /* times --inflight jobs per turn of a thread that shares its client */
#define BENCH_KEY_MAX (1024 + 24)

const char *const phase_names[PHASE_COUNT] = {
	[PHASE_WRITE] = "write", [PHASE_WARMUP] = "warm-up",  [PHASE_READ] = "read",
	[PHASE_MIXED] = "mixed", [PHASE_LATENCY] = "latency", [PHASE_DELETE] = "delete",
};

enum job_kind {
	JOB_GET,
	JOB_PUT,
	JOB_DELETE,
};

struct flight {
	struct weft_kv_op *op;
	void *part;
	enum job_kind kind;
	uint64_t key, version; /* version: written, or the oldest that may be read */
	uint64_t start_ns;
};

struct worker {
	struct bench *bench;
	struct bench_client *client;
	enum phase_kind kind;
	uint32_t index, step; /* of step workers */
	uint64_t left, next;  /* jobs, and the key of the next one where keys come in turn */
	struct chooser chooser;
	struct flight *flights;
	uint32_t depth, head, tail;
	struct phase result;
	pthread_barrier_t *barrier;
	pthread_t thread;
};

static size_t key_name(const struct bench *bench, uint64_t key, char buf[BENCH_KEY_MAX])
{
	return (size_t)snprintf(buf, BENCH_KEY_MAX, "%s/%" PRIu64, bench->values->bench_prefix,
				key);
}

/* --- jobs ----------------------------------------------------------------------------------------
 */

static uint64_t owned_keys(const struct worker *worker)
{
	uint64_t keys = worker->bench->values->num_keys;

	return keys / worker->step + (worker->index < keys % worker->step);
}

static uint64_t share(const struct worker *worker, uint64_t all)
{
	return all / worker->step + (worker->index < all % worker->step);
}

static bool in_turn(const struct worker *worker)
{
	const struct kv_values *values = worker->bench->values;

	return worker->kind == PHASE_WRITE || worker->kind == PHASE_DELETE ||
	       (worker->kind == PHASE_READ && !values->ops && values->zipf <= 0);
}

static uint64_t job_count(const struct worker *worker)
{
	const struct kv_values *values = worker->bench->values;
	uint64_t reads = values->ops ? values->ops : values->num_keys * values->repeat_reads;

	switch (worker->kind) {
	case PHASE_WARMUP:
		return values->warmup;
	case PHASE_LATENCY:
		return values->latency_ops;
	case PHASE_MIXED:
		return share(worker, reads);
	case PHASE_READ:
		return in_turn(worker) ? owned_keys(worker) * values->repeat_reads
				       : share(worker, reads);
	case PHASE_WRITE:
	case PHASE_DELETE:
	case PHASE_COUNT:
		break;
	}
	return owned_keys(worker);
}

static bool is_written(const struct worker *worker, uint64_t key)
{
	uint32_t i;

	for (i = worker->head; i != worker->tail; i++)
		if (worker->flights[i % worker->depth].kind == JOB_PUT &&
		    worker->flights[i % worker->depth].key == key)
			return true;
	return false;
}

/* A key of this worker near the chosen one. */
static uint64_t own(const struct worker *worker, uint64_t key)
{
	uint64_t mine = key - key % worker->step + worker->index;

	return mine < worker->bench->values->num_keys ? mine : worker->index;
}

static void next_job(struct worker *worker, struct flight *flight)
{
	const struct kv_values *values = worker->bench->values;

	flight->kind = worker->kind == PHASE_WRITE    ? JOB_PUT
		       : worker->kind == PHASE_DELETE ? JOB_DELETE
						      : JOB_GET;
	if (in_turn(worker)) {
		flight->key = worker->next;
		worker->next += worker->step;
		if (worker->next >= values->num_keys)
			worker->next = worker->index;
	} else {
		flight->key = chooser_next(&worker->chooser);
	}
	if (worker->kind == PHASE_MIXED && chooser_random(&worker->chooser) % 100 >= values->mix &&
	    worker->index < values->num_keys && !is_written(worker, own(worker, flight->key))) {
		flight->key = own(worker, flight->key);
		flight->kind = JOB_PUT;
	}
	worker->left--;
}

/* --- one job -------------------------------------------------------------------------------------
 */

static void note_error(struct worker *worker, int rc)
{
	if (!worker->result.errors++) {
		worker->result.first_error = rc;
		snprintf(worker->result.text, sizeof(worker->result.text), "%s",
			 weft_error_detail());
	}
}

static int start_put(struct worker *worker, struct flight *flight, const char *key, size_t len)
{
	struct weft_kv_put_opts opts = { .size = sizeof(opts),
					 .ttl_ns = worker->bench->values->bench_ttl };
	struct bench *bench = worker->bench;

	flight->version = atomic_fetch_add(&bench->started[flight->key], 1) + 1;
	content_fill(flight->part, bench->value_size, flight->key, flight->version);
	flight->start_ns = clock_ns();
	return weft_kv_put_start(worker->client->kv, key, len, flight->part, bench->value_size,
				 &opts, &flight->op);
}

static int start(struct worker *worker, struct flight *flight)
{
	struct bench *bench = worker->bench;
	struct weft_kv *kv = worker->client->kv;
	char key[BENCH_KEY_MAX];
	size_t len = key_name(bench, flight->key, key);

	if (flight->kind == JOB_PUT)
		return start_put(worker, flight, key, len);
	flight->version = atomic_load(&bench->done[flight->key]);
	flight->start_ns = clock_ns();
	if (flight->kind == JOB_DELETE)
		return weft_kv_delete_start(kv, key, len, &flight->op);
	return weft_kv_get_start(kv, key, len, flight->part,
				 bench->value_size ? bench->value_size : 1, 0, &flight->op);
}

/* A value that came: its length, whose it is, and that it is none that was overwritten before. */
static bool is_right(const struct worker *worker, const struct flight *flight, uint64_t length)
{
	struct bench *bench = worker->bench;
	uint64_t version = 0;

	if (length != bench->value_size)
		return false;
	if (bench->values->no_verify)
		return true;
	if (!content_check(flight->part, length, flight->key, &version))
		return false;
	return length < CONTENT_HEADER ||
	       (version >= flight->version && version <= atomic_load(&bench->started[flight->key]));
}

static void finish(struct worker *worker, struct flight *flight)
{
	struct weft_kv_info info = { .size = sizeof(info) };
	struct phase *result = &worker->result;
	int rc = weft_kv_op_wait(flight->op, WEFT_FOREVER);
	uint64_t took_ns = clock_ns() - flight->start_ns;

	if (!rc)
		rc = weft_kv_op_result(flight->op, &info);
	if (rc) {
		note_error(worker, rc);
		/* The part must not be filled anew while the server may use it. */
		(void)weft_kv_op_quiesce(flight->op, WEFT_FOREVER);
	} else {
		result->ops++;
		hist_record(flight->kind == JOB_PUT ? result->writes : result->reads, took_ns);
		if (flight->kind != JOB_DELETE)
			result->bytes += worker->bench->value_size;
		if (flight->kind == JOB_PUT)
			atomic_store(&worker->bench->done[flight->key], flight->version);
		if (flight->kind == JOB_GET && !is_right(worker, flight, info.length))
			result->bad++;
	}
	weft_kv_op_close(flight->op);
}

/* --- a thread ------------------------------------------------------------------------------------
 */

static void launch(struct worker *worker)
{
	struct flight *flight = &worker->flights[worker->tail % worker->depth];
	int rc;

	next_job(worker, flight);
	rc = start(worker, flight);
	if (rc)
		note_error(worker, rc);
	else
		worker->tail++;
}

static void land(struct worker *worker)
{
	finish(worker, &worker->flights[worker->head % worker->depth]);
	worker->head++;
}

/* Up to so many jobs, none left under way at the end. */
static void turn(struct worker *worker, uint64_t jobs)
{
	while (jobs-- && worker->left && worker->result.errors < ERRORS_MAX) {
		if (worker->tail - worker->head == worker->depth)
			land(worker);
		launch(worker);
	}
	while (worker->head != worker->tail)
		land(worker);
}

static int take_parts(struct worker *worker)
{
	size_t size = worker->bench->value_size ? worker->bench->value_size : 1;
	uint32_t i;
	int rc = 0;

	pthread_mutex_lock(&worker->client->lock);
	for (i = 0; !rc && i < worker->depth; i++)
		rc = weft_kv_buffer_get(worker->client->kv, size, &worker->flights[i].part);
	pthread_mutex_unlock(&worker->client->lock);
	return rc;
}

static void give_parts(struct worker *worker)
{
	uint32_t i;

	pthread_mutex_lock(&worker->client->lock);
	for (i = 0; i < worker->depth; i++)
		weft_kv_buffer_put(worker->client->kv, worker->flights[i].part);
	pthread_mutex_unlock(&worker->client->lock);
}

static void *worker_main(void *arg)
{
	struct worker *worker = arg;
	uint64_t jobs = worker->client->threads > 1 ? TURN_FLIGHTS * worker->depth : UINT64_MAX;
	int rc = take_parts(worker);

	if (rc)
		note_error(worker, rc);
	pthread_barrier_wait(worker->barrier);
	while (!rc && worker->left && worker->result.errors < ERRORS_MAX) {
		pthread_mutex_lock(&worker->client->lock);
		turn(worker, jobs);
		pthread_mutex_unlock(&worker->client->lock);
	}
	give_parts(worker);
	return NULL;
}

/* --- all threads ---------------------------------------------------------------------------------
 */

static uint64_t cpu_ns(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return (uint64_t)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * NSEC_PER_SEC +
	       (uint64_t)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) * NSEC_PER_USEC;
}

static int worker_init(struct worker *worker, struct bench *bench, enum phase_kind kind,
		       uint32_t index, uint32_t count)
{
	const struct kv_values *values = bench->values;

	worker->bench = bench;
	worker->client = &bench->clients[index % bench->client_count];
	worker->kind = kind;
	worker->index = index;
	worker->step = count;
	worker->next = index;
	worker->depth = kind == PHASE_LATENCY ? 1 : values->inflight;
	worker->left = job_count(worker);
	chooser_init(&worker->chooser, values->num_keys, values->zipf,
		     index * 7919u + (uint64_t)kind);
	worker->flights = calloc(worker->depth, sizeof(*worker->flights));
	worker->result.reads = calloc(1, sizeof(*worker->result.reads));
	worker->result.writes = calloc(1, sizeof(*worker->result.writes));
	return worker->flights && worker->result.reads && worker->result.writes ? 0 : -ENOMEM;
}

static void worker_fini(struct worker *worker)
{
	free(worker->flights);
	free(worker->result.reads);
	free(worker->result.writes);
}

static void add_result(struct phase *phase, const struct phase *result)
{
	phase->ops += result->ops;
	phase->bytes += result->bytes;
	phase->bad += result->bad;
	if (result->errors && !phase->errors) {
		phase->first_error = result->first_error;
		memcpy(phase->text, result->text, sizeof(phase->text));
	}
	phase->errors += result->errors;
	hist_merge(phase->reads, result->reads);
	hist_merge(phase->writes, result->writes);
}

static int run_workers(struct phase *phase, struct worker *workers, uint32_t count)
{
	pthread_barrier_t barrier;
	uint64_t start_ns, start_cpu_ns;
	uint32_t i;
	int rc;

	pthread_barrier_init(&barrier, NULL, count + 1);
	for (i = 0; i < count; i++) {
		workers[i].barrier = &barrier;
		rc = pthread_create(&workers[i].thread, NULL, worker_main, &workers[i]);
		if (rc) /* those that run wait at the barrier: there is no way back */
			return err_set(-rc, "starting thread %u", i);
	}
	pthread_barrier_wait(&barrier);
	start_ns = clock_ns();
	start_cpu_ns = cpu_ns();
	for (i = 0; i < count; i++)
		pthread_join(workers[i].thread, NULL);
	phase->wall_ns = clock_ns() - start_ns;
	phase->cpu_ns = cpu_ns() - start_cpu_ns;
	pthread_barrier_destroy(&barrier);
	return 0;
}

int phase_run(struct bench *bench, enum phase_kind kind)
{
	uint32_t count = kind == PHASE_LATENCY ? 1 : bench->thread_count, i;
	struct phase *phase = &bench->phases[kind];
	struct worker *workers = calloc(count, sizeof(*workers));
	int rc = 0;

	phase->reads = calloc(1, sizeof(*phase->reads));
	phase->writes = calloc(1, sizeof(*phase->writes));
	if (!workers || !phase->reads || !phase->writes)
		rc = -ENOMEM;
	for (i = 0; !rc && i < count; i++)
		rc = worker_init(&workers[i], bench, kind, i, count);
	if (!rc)
		rc = run_workers(phase, workers, count);
	phase->ran = !rc;
	for (i = 0; workers && i < count; i++) {
		if (!rc)
			add_result(phase, &workers[i].result);
		worker_fini(&workers[i]);
	}
	free(workers);
	return rc;
}
