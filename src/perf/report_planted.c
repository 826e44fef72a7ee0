/* SPDX-License-Identifier: Apache-2.0 */
#include "perf/report_planted.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HOSTILE "</script><img src=x onerror=\"document.title='owned'\">\x1b[31m,=cmd\"'"

static void *must(void *memory)
{
	assert(memory);
	return memory;
}

/* In thousandths, of repeat i: 990 to 1010, the median of all ten 1000. */
static uint64_t spread(uint32_t i)
{
	static const uint64_t of[PLANTED_REPEATS] = { 1000, 995,  1005, 998, 1002,
						      990,  1010, 1000, 997, 1003 };

	return of[i % PLANTED_REPEATS];
}

static struct perf_result *add(struct perf_report *report, const char *backend, enum perf_test test,
			       enum perf_op op, uint64_t size)
{
	struct perf_result *r;

	report->result = must(realloc(report->result, (report->results + 1) * sizeof(*r)));
	r = &report->result[report->results++];
	memset(r, 0, sizeof(*r));
	r->c.test = test;
	r->c.op = op;
	r->c.size = size;
	snprintf(r->c.backend, sizeof(r->c.backend), "%s", backend);
	if (strcmp(backend, "tcp"))
		snprintf(r->c.provider, sizeof(r->c.provider), "efa");
	r->c.window = test == PERF_LAT ? 1 : 64;
	r->c.threads = r->c.eps = r->c.post_list = 1;
	r->c.inline_bytes = UINT32_MAX;
	r->c.duration_ns = 1000000000;
	r->c.seed = UINT64_MAX - 6;
	r->reached = true;
	r->wanted = 0.02;
	r->rate = r->ops = r->p50 = (struct perf_median){ NAN, NAN, NAN, NAN, 0 };
	r->runs = PLANTED_REPEATS;
	r->run = must(calloc(r->runs, sizeof(*r->run)));
	return r;
}

static struct perf_median around(double median)
{
	return (struct perf_median){ median, median * 0.995, median * 1.005, 0.006,
				     PLANTED_REPEATS };
}

static void plant_side(struct perf_side *side, uint64_t ops, uint64_t size, double cpu)
{
	side->ops = ops;
	side->bytes = ops * size;
	side->ns = 1000000000;
	side->cpu = (struct perf_cpu){ cpu, cpu / 4, cpu / 2, cpu * 1.5, cpu / 100 };
	snprintf(side->ways, sizeof(side->ways), "efa rdmap0s6-rdm");
}

static void plant_nic(struct perf_side *side, const char *name, uint64_t tx, uint64_t rx)
{
	struct perf_nic *nic = &side->nic[side->nics++];

	snprintf(nic->name, sizeof(nic->name), "%s", name);
	nic->tx_bytes = tx;
	nic->rx_bytes = rx;
}

/* ops: of each second. cpu: of the process, seconds, at each end. */
static void plant_rate(struct perf_result *r, uint64_t ops, double cpu)
{
	for (uint32_t i = 0; i < r->runs; i++) {
		struct perf_run *run = &r->run[i];
		uint64_t done = ops * spread(i) / 1000;

		plant_side(&run->here, done, r->c.size, cpu);
		plant_side(&run->there, 0, 0, cpu * 2);
		run->there.landed = run->here.bytes;
		run->there.longest_gap_ns = 12345;
		run->duplicates = i;
		plant_nic(&run->here, "rdmap0s6", run->here.bytes, 0);
		plant_nic(&run->there, "rdmap0s6", 0, run->here.bytes);
		run->warm_ns = 200000000;
		run->warm_stable = true;
		run->slices = 20;
		run->slice_ns = 50000000;
		run->slice = must(calloc(run->slices, sizeof(*run->slice)));
		for (uint32_t k = 0; k < run->slices; k++)
			run->slice[k] = run->here.bytes / 20 * (k == 7 ? 500 : spread(k)) / 1000;
	}
	r->rate = around((double)ops * (double)r->c.size);
	r->ops = around((double)ops);
}

/* n samples around base ns with a tail: a hundredth of them takes up to twice as long, 0.05 % up to
 * ten times, one 500 us. */
static struct hist *plant_hist(uint64_t base, uint64_t n, uint32_t seed)
{
	struct hist *hist = must(calloc(1, sizeof(*hist)));
	uint64_t state = 88172645463325252u + seed;

	for (uint64_t i = 0; i < n; i++) {
		uint64_t value, noise;

		state ^= state << 13;
		state ^= state >> 7;
		state ^= state << 17;
		noise = state >> 40;
		value = base - base / 20 + noise % (base / 10);
		if (i % 100 == 1)
			value += base * (noise % 1000) / 1000;
		if (i % 2000 == 1)
			value += base * (noise % 8000) / 1000;
		hist_record(hist, value);
	}
	hist_record(hist, 500000);
	return hist;
}

static void plant_latency(struct perf_result *r, uint64_t base)
{
	r->latency = must(calloc(1, sizeof(*r->latency)));
	for (uint32_t i = 0; i < r->runs; i++) {
		struct perf_run *run = &r->run[i];

		run->latency = plant_hist(base * spread(i) / 1000, 20000, i);
		plant_side(&run->here, run->latency->count, r->c.size, 0.9);
		plant_side(&run->there, 0, 0, 0.9);
		run->warm_stable = true;
		hist_merge(r->latency, run->latency);
	}
	r->p50 = around((double)base);
	r->rate = around(20001.0 * (double)r->c.size);
	r->ops = around(20001);
}

static void plant_open(struct perf_result *r, uint64_t base)
{
	r->c.rate = 20000;
	plant_latency(r, base * 2);
	r->closed = must(calloc(1, sizeof(*r->closed)));
	for (uint32_t i = 0; i < r->runs; i++) {
		r->run[i].closed = plant_hist(base, 20000, i);
		r->run[i].late = 17 + i;
		hist_merge(r->closed, r->run[i].closed);
	}
}

static void flag(struct perf_result *r, const char *gate, enum perf_severity how, const char *why)
{
	struct perf_flag *at = &r->flag[r->flags++];

	at->gate = gate;
	at->how = how;
	snprintf(at->why, sizeof(at->why), "%s", why);
	r->invalid = r->invalid || how == PERF_INVALID;
}

static void add_fact(struct perf_env *env, const char *name, const char *value)
{
	env->fact = must(realloc(env->fact, (env->facts + 1) * sizeof(*env->fact)));
	memset(&env->fact[env->facts], 0, sizeof(*env->fact));
	snprintf(env->fact[env->facts].name, PERF_NAME_MAX, "%s", name);
	snprintf(env->fact[env->facts++].value, PERF_TEXT_MAX, "%s", value);
}

static void plant_env(struct perf_env *env, const char *host, const char *governor)
{
	env->line_rate = 6.25e9;
	add_fact(env, "hostname", host);
	add_fact(env, "instance_type", "m6i.metal");
	add_fact(env, "kernel", "6.1.0-30-amd64");
	add_fact(env, "cpu", "Intel Xeon Platinum 8375C, 2 sockets, 64 cores");
	add_fact(env, "governor", governor);
	add_fact(env, "library.libfabric", "2.1.0");
	add_fact(env, "env.FI_PROVIDER", "efa");
}

static const uint64_t sizes[] = { 1024, 4096, 16384, 65536, 262144, 1048576 };

static void plant_bandwidth(struct perf_report *report, bool slower)
{
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		double reach = 1 - 1 / (1 + (double)sizes[i] / 4096);
		double efa = 6.0e9 * reach * (slower ? 0.8 : 1), tcp = 3.0e9 * reach;

		plant_rate(add(report, "fabric", PERF_BW, PERF_SEND, sizes[i]),
			   (uint64_t)(efa / (double)sizes[i]), 1);
		plant_rate(add(report, "tcp", PERF_BW, PERF_SEND, sizes[i]),
			   (uint64_t)(tcp / (double)sizes[i]), 4);
		plant_rate(add(report, "fabric", PERF_BW, PERF_WRITE, sizes[i]),
			   (uint64_t)(efa * 0.97 / (double)sizes[i]), 0.8);
	}
}

static void plant_rest(struct perf_report *report, const char *why)
{
	struct perf_result *r;

	plant_rate(add(report, "fabric", PERF_RATE, PERF_SEND, 8), 4000000, 1);
	plant_rate(add(report, "tcp", PERF_RATE, PERF_SEND, 8), 900000, 1);
	plant_latency(add(report, "fabric", PERF_LAT, PERF_SEND, 8), 31000);
	plant_latency(add(report, "tcp", PERF_LAT, PERF_SEND, 8), 72000);
	plant_open(add(report, "fabric", PERF_OPEN, PERF_WRITE, 4096), 16000);

	r = add(report, "fabric", PERF_BW, PERF_READ, 65536);
	plant_rate(r, 190000, 1);
	flag(r, "above_line_rate", PERF_INVALID, "12.5 GB/s is above the line rate of 6.25 GB/s");
	flag(r, "retransmits", PERF_FLAGGED, why);
	r = add(report, "fabric", PERF_BW, PERF_READ, 1048576);
	plant_rate(r, 5000, 1);
	r->reached = false;
	r->rate.low *= 0.9;
	r->run[3].error = -EIO;
	snprintf(r->run[3].why, sizeof(r->run[3].why), "the peer has gone");
	r = add(report, "fabric", PERF_SETUP, PERF_WRITE, 8);
	r->error = -EIO;
	snprintf(r->why, sizeof(r->why), "%s", why);
}

void perf_plant(struct perf_report *ret, int how)
{
	bool hostile = how & PLANTED_HOSTILE;

	memset(ret, 0, sizeof(*ret));
	ret->command =
		hostile ? "weft perf " HOSTILE : "weft perf suite 10.0.0.2 --html report.html";
	snprintf(ret->started, sizeof(ret->started), "2026-11-29T01:02:03Z");
	ret->emulated = ret->interrupted = how & PLANTED_EMULATED;
	plant_env(&ret->here, "node-a", "performance");
	plant_env(&ret->there, hostile ? HOSTILE : "node-b", "powersave");
	plant_bandwidth(ret, how & PLANTED_SLOWER);
	plant_rest(ret, hostile ? HOSTILE : "12 packets were sent again");
	if (!hostile)
		return;
	for (uint32_t i = 0; i < ret->results; i++)
		if (*ret->result[i].c.provider) {
			snprintf(ret->result[i].c.provider, PERF_NAME_MAX, "%.60s", HOSTILE);
			snprintf(ret->result[i].c.devices, PERF_DEVICES_MAX, "%s", HOSTILE);
		}
}

struct perf_result *perf_planted(struct perf_report *report, const char *backend,
				 enum perf_test test, enum perf_op op, uint64_t size)
{
	for (uint32_t i = 0; i < report->results; i++) {
		struct perf_result *r = &report->result[i];

		if (!strcmp(r->c.backend, backend) && r->c.test == test && r->c.op == op &&
		    r->c.size == size)
			return r;
	}
	assert(!"such a result was planted");
	return NULL;
}
