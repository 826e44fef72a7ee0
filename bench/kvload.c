/* SPDX-License-Identifier: Apache-2.0 */
#include "kvload.h"

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

static const struct opt_row kvload_rows[] = {
#define OPT_ROWS struct kvload_opts
#include "kvload.def"
};

static const struct opt_table kvload_table = OPT_TABLE(kvload_rows, struct kvload_opts);

static const struct kvload_driver *const drivers[] = { &kvload_redis, &kvload_memcached,
						       &kvload_weft };

#define PROTOCOL_WEFT 2 /* of kvload.def */

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

static struct measured measure(const struct kvload *load)
{
	return (struct measured){ cpu_self(), cpu_of((pid_t)load->opts.server_pid) };
}

/* How the bytes travel. */
static const char *way(const struct kvload_opts *opts)
{
	if (opts->protocol == PROTOCOL_WEFT)
		return opts->provider;
	return strchr(opts->addr, '/') ? "unix" : "tcp";
}

static int report(const struct kvload *load, struct kvload_client **clients,
		  const struct measured *from, const struct measured *to)
{
	struct hist *latency = clients[0]->latency;
	uint64_t ops = clients[0]->ops;
	uint32_t i;

	for (i = 1; i < load->opts.clients; i++) {
		hist_merge(latency, clients[i]->latency);
		ops += clients[i]->ops;
	}
	return report_print(&(const struct report){
		.program = load->driver->name,
		.provider = way(&load->opts),
		.version = weft_version(),
		.mode = load->phase == KVLOAD_GET ? "get" : "put",
		.checksum = "receiver",
		.size = load->opts.size,
		.window = load->opts.inflight,
		.clients = load->opts.clients,
		.kv = true,
		.elapsed_ns = load->end_ns - load->start_ns,
		.ops = ops,
		.cpu_initiator_s = to->cpu_self - from->cpu_self,
		.cpu_target_s = to->cpu_server - from->cpu_server,
		.latency = latency,
	});
}

static int run_phase(struct kvload *load, struct kvload_client **clients, enum kvload_phase phase)
{
	struct measured from, to;
	uint32_t i, started;
	int rc = 0;

	load->phase = phase;
	load->start_ns = clock_ns() + load->opts.warm;
	load->end_ns = load->start_ns + load->opts.seconds;
	for (started = 0; started < load->opts.clients && !rc; started++)
		rc = -pthread_create(&clients[started]->thread, NULL, kvload_client_run,
				     clients[started]);
	if (rc)
		started--;
	sleep_until(load->start_ns);
	from = measure(load);
	sleep_until(load->end_ns);
	to = measure(load);
	for (i = 0; i < started; i++) {
		pthread_join(clients[i]->thread, NULL);
		if (!rc && clients[i]->rc)
			rc = err_set(clients[i]->rc, "%s", clients[i]->detail);
	}
	return rc ? rc : report(load, clients, &from, &to);
}

static int make_values(struct kvload *load)
{
	const uint64_t len = load->opts.size + (uint64_t)load->opts.keys * KVLOAD_STEP;
	uint64_t state = 1, i;

	load->values = malloc(len);
	load->values_len = len;
	load->hashes = calloc(load->opts.keys, sizeof(*load->hashes));
	if (!load->values || !load->hashes)
		return -ENOMEM;
	for (i = 0; i < len; i++) {
		state = state * 6364136223846793005ull + 1442695040888963407ull;
		load->values[i] = (unsigned char)(state >> 56);
	}
	for (i = 0; i < load->opts.keys; i++)
		load->hashes[i] = XXH3_64bits(kvload_value(load, (uint32_t)i), load->opts.size);
	return 0;
}

static int run(struct kvload *load)
{
	struct kvload_client *clients[KVLOAD_CLIENTS_MAX] = { 0 };
	uint32_t i;
	int rc;

	rc = make_values(load);
	for (i = 0; i < load->opts.clients && !rc; i++)
		rc = kvload_client_open(&clients[i], load, i);
	load->phase = KVLOAD_FILL;
	if (!rc)
		rc = kvload_client_fill(clients[0]);
	if (!rc)
		rc = run_phase(load, clients, KVLOAD_PUT);
	if (!rc)
		rc = run_phase(load, clients, KVLOAD_GET);
	for (i = 0; i < load->opts.clients; i++)
		kvload_client_close(clients[i]);
	free(load->values);
	free(load->hashes);
	return rc;
}

int main(int argc, char **argv)
{
	struct kvload load = { 0 };
	struct opt_result result;
	int rc;

	rc = program_start(&kvload_table, argc, argv, &load.opts, &result);
	if (rc != PROGRAM_GO)
		return rc;
	load.driver = drivers[load.opts.protocol];
	rc = run(&load);
	if (rc)
		return program_fail("bench-kvload", rc, "%s", load.driver->name);
	return program_finish("bench-kvload", 0);
}
