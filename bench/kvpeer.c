/* SPDX-License-Identifier: Apache-2.0 */
#include "kvpeer.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <weft/weft.h>
#include <xxhash.h>

#include "base/clock.h"
#include "common/program.h"
#include "cpu.h"
#include "report.h"

#define CLIENTS_MAX 64

static const struct opt_row kvpeer_rows[] = {
#define OPT_ROWS struct kvpeer_opts
#include "kvpeer.def"
};

static const struct opt_table kvpeer_table = OPT_TABLE(kvpeer_rows, struct kvpeer_opts);

static const struct kvproto *const protocols[] = { &kvproto_redis, &kvproto_memcached };
static const char *const checksum_names[] = { "none", "receiver" };

const char *weft_version(void)
{
	return "bench-kvpeer " WEFT_VERSION;
}

const char *weft_libfabric_version(void)
{
	return "not used";
}

struct measured {
	double cpu_self, cpu_server;
};

static void sleep_until(uint64_t ns)
{
	const struct timespec t = { .tv_sec = (time_t)(ns / NSEC_PER_SEC),
				    .tv_nsec = (long)(ns % NSEC_PER_SEC) };

	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL) == EINTR)
		;
}

static struct measured measure(const struct kvpeer *kvpeer)
{
	return (struct measured){ cpu_self(), cpu_of((pid_t)kvpeer->opts.server_pid) };
}

static int report(const struct kvpeer *kvpeer, struct kvpeer_client **clients,
		  const struct measured *from, const struct measured *to)
{
	struct hist *latency = clients[0]->latency;
	uint64_t ops = clients[0]->ops;
	uint32_t i;

	for (i = 1; i < kvpeer->opts.clients; i++) {
		hist_merge(latency, clients[i]->latency);
		ops += clients[i]->ops;
	}
	return report_print(&(const struct report){
		.program = kvpeer->proto->name,
		.provider = strchr(kvpeer->opts.addr, '/') ? "unix" : "tcp",
		.version = "",
		.mode = kvpeer->phase == KVPEER_GET ? "get" : "put",
		.checksum = checksum_names[kvpeer->opts.checksum],
		.size = kvpeer->opts.size,
		.window = kvpeer->opts.inflight,
		.clients = kvpeer->opts.clients,
		.elapsed_ns = kvpeer->end_ns - kvpeer->start_ns,
		.ops = ops,
		.cpu_initiator_s = to->cpu_self - from->cpu_self,
		.cpu_target_s = to->cpu_server - from->cpu_server,
		.latency = latency,
	});
}

static int run_phase(struct kvpeer *kvpeer, struct kvpeer_client **clients, enum kvpeer_phase phase)
{
	struct measured from, to;
	uint32_t i, started;
	int rc = 0;

	kvpeer->phase = phase;
	kvpeer->start_ns = clock_ns() + kvpeer->opts.warm;
	kvpeer->end_ns = kvpeer->start_ns + kvpeer->opts.seconds;
	for (started = 0; started < kvpeer->opts.clients && !rc; started++)
		rc = -pthread_create(&clients[started]->thread, NULL, kvpeer_client_run,
				     clients[started]);
	if (rc)
		started--;
	sleep_until(kvpeer->start_ns);
	from = measure(kvpeer);
	sleep_until(kvpeer->end_ns);
	to = measure(kvpeer);
	for (i = 0; i < started; i++) {
		pthread_join(clients[i]->thread, NULL);
		if (!rc && clients[i]->rc)
			rc = err_set(clients[i]->rc, "%s", clients[i]->detail);
	}
	return rc ? rc : report(kvpeer, clients, &from, &to);
}

static int make_values(struct kvpeer *kvpeer)
{
	const uint64_t len = kvpeer->opts.size + (uint64_t)kvpeer->opts.keys * VALUE_STEP;
	uint64_t state = 1, i;

	kvpeer->values = malloc(len);
	kvpeer->hashes = calloc(kvpeer->opts.keys, sizeof(*kvpeer->hashes));
	if (!kvpeer->values || !kvpeer->hashes)
		return -ENOMEM;
	for (i = 0; i < len; i++) {
		state = state * 6364136223846793005ull + 1442695040888963407ull;
		kvpeer->values[i] = (unsigned char)(state >> 56);
	}
	for (i = 0; i < kvpeer->opts.keys; i++)
		kvpeer->hashes[i] = XXH3_64bits(kvpeer->values + i * VALUE_STEP, kvpeer->opts.size);
	return 0;
}

static int run(struct kvpeer *kvpeer)
{
	struct kvpeer_client *clients[CLIENTS_MAX] = { 0 };
	uint32_t i;
	int rc;

	rc = make_values(kvpeer);
	for (i = 0; i < kvpeer->opts.clients && !rc; i++)
		rc = kvpeer_client_open(&clients[i], kvpeer, i);
	kvpeer->phase = KVPEER_LOAD;
	if (!rc)
		rc = kvpeer_client_load(clients[0]);
	if (!rc)
		rc = run_phase(kvpeer, clients, KVPEER_PUT);
	if (!rc)
		rc = run_phase(kvpeer, clients, KVPEER_GET);
	for (i = 0; i < kvpeer->opts.clients; i++)
		kvpeer_client_close(clients[i]);
	free(kvpeer->values);
	free(kvpeer->hashes);
	return rc;
}

int main(int argc, char **argv)
{
	struct kvpeer kvpeer = { 0 };
	struct opt_result result;
	int rc;

	rc = program_start(&kvpeer_table, argc, argv, &kvpeer.opts, &result);
	if (rc != PROGRAM_GO)
		return rc;
	kvpeer.proto = protocols[kvpeer.opts.protocol];
	rc = run(&kvpeer);
	if (rc)
		return program_fail("bench-kvpeer", rc, "%s", kvpeer.proto->name);
	return program_finish("bench-kvpeer", 0);
}
