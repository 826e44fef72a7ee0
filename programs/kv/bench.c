/* SPDX-License-Identifier: Apache-2.0 */
#include "kv/bench.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/err.h"
#include "common/program.h"

static uint64_t padded(uint64_t size)
{
	return (size ? size + 63 : 64) / 64 * 64;
}

/* 0, or the exit status. */
static int check(const struct bench *bench)
{
	const struct kv_values *values = bench->values;
	uint32_t sharing = (bench->thread_count + bench->client_count - 1) / bench->client_count;
	uint64_t need = padded(bench->value_size) * values->inflight * sharing;

	if (values->in_process && bench->client_count > 1)
		return program_usage(NAME, "--in-process has one client: --clients 1");
	if (values->zipf >= 1)
		return program_usage(NAME, "--zipf: a number below 1");
	if (bench->client_count > bench->thread_count)
		return program_usage(NAME, "--clients %u for --threads %u: clients would be idle",
				     bench->client_count, bench->thread_count);
	if (values->inflight > bench->connection.credits)
		return program_usage(NAME, "--inflight %u: the server allows %u", values->inflight,
				     bench->connection.credits);
	if (need > values->buffer_mb << 20)
		return program_usage(NAME,
				     "a client needs %" PRIu64
				     " bytes of buffer for what is in flight: --buffer-mb %" PRIu64,
				     need, (need + (1 << 20) - 1) >> 20);
	return 0;
}

static int open_clients(struct bench *bench, struct weft_kv *first)
{
	struct weft_kv_opts opts = kv_opts(bench->values);
	uint32_t i;
	int rc = 0;

	bench->clients = calloc(bench->client_count, sizeof(*bench->clients));
	if (!bench->clients)
		return -ENOMEM;
	for (i = 0; i < bench->client_count; i++) {
		pthread_mutex_init(&bench->clients[i].lock, NULL);
		bench->clients[i].threads = bench->thread_count / bench->client_count +
					    (i < bench->thread_count % bench->client_count);
	}
	bench->clients[0].kv = first;
	for (i = 1; !rc && i < bench->client_count; i++) {
		opts.client_id = bench->values->client_id ? bench->values->client_id + i : 0;
		rc = weft_kv_open(&bench->clients[i].kv, &opts);
	}
	return rc;
}

static void close_clients(struct bench *bench)
{
	uint32_t i;

	for (i = 0; bench->clients && i < bench->client_count; i++) {
		if (i)
			weft_kv_close(bench->clients[i].kv);
		pthread_mutex_destroy(&bench->clients[i].lock);
	}
	free(bench->clients);
	for (i = 0; i < PHASE_COUNT; i++) {
		free(bench->phases[i].reads);
		free(bench->phases[i].writes);
	}
	free((void *)bench->started);
	free((void *)bench->done);
}

static bool is_wanted(const struct kv_values *values, enum phase_kind kind)
{
	switch (kind) {
	case PHASE_WARMUP:
		return values->warmup;
	case PHASE_MIXED:
		return values->mix;
	case PHASE_LATENCY:
		return values->latency_ops;
	case PHASE_DELETE:
		return !values->keep;
	case PHASE_WRITE:
	case PHASE_READ:
	case PHASE_COUNT:
		break;
	}
	return true;
}

static int run_phases(struct bench *bench)
{
	enum phase_kind kind;
	int rc = 0;

	for (kind = 0; !rc && kind < PHASE_COUNT; kind++)
		if (is_wanted(bench->values, kind))
			rc = phase_run(bench, kind);
	return rc;
}

/* Status of the whole: wrong content before errors. */
static int verdict(const struct bench *bench)
{
	const struct phase *phase;
	int i;

	for (i = 0; i < PHASE_COUNT; i++)
		if (bench->phases[i].bad)
			return program_fail(NAME,
					    err_set(-WEFT_ECHECKSUM,
						    "%" PRIu64 " values in phase %s",
						    bench->phases[i].bad, phase_names[i]),
					    "bench");
	for (i = 0; i < PHASE_COUNT; i++) {
		phase = &bench->phases[i];
		if (phase->errors)
			return program_fail(NAME, err_set(phase->first_error, "%s", phase->text),
					    "bench: %" PRIu64 " errors in phase %s", phase->errors,
					    phase_names[i]);
	}
	return 0;
}

int command_bench(struct weft_kv *kv, const struct kv_values *values)
{
	struct bench bench = { .values = values,
			       .client_count = values->clients,
			       .thread_count = values->threads,
			       .value_size = values->value_size,
			       .connection = { .size = sizeof(bench.connection) } };
	int rc = weft_kv_connection(kv, &bench.connection), status;

	if (rc)
		return program_fail(NAME, rc, "bench");
	if (bench.client_count > bench.thread_count && bench.thread_count == 1)
		bench.thread_count = bench.client_count;
	status = check(&bench);
	if (status)
		return status;
	bench.started = calloc(values->num_keys, sizeof(*bench.started));
	bench.done = calloc(values->num_keys, sizeof(*bench.done));
	rc = bench.started && bench.done ? open_clients(&bench, kv) : -ENOMEM;
	if (!rc)
		rc = run_phases(&bench);
	if (rc) {
		status = program_fail(NAME, rc, "bench");
	} else {
		if (values->json)
			bench_report_json(&bench);
		else
			bench_report_text(&bench);
		status = verdict(&bench);
	}
	close_clients(&bench);
	return status;
}
