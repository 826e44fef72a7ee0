/* SPDX-License-Identifier: Apache-2.0 */
/* Gates about how well it was measured: losses, load, gaps, steadiness, number of samples. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "perf/gate_parts.h"

/* Processors that others may use before it is told. */
#define FOREIGN_CPUS 0.2
/* A longest gap that matters: to latencies, and to the filling of a window. */
#define GAP_LATENCY_NS   1000000u
#define GAP_BANDWIDTH_NS 20000000u
/* Share of operations that may be posted late. */
#define LATE_SHARE 0.01
/* Percentiles that readers expect. */
#define PERCENTILE 0.999

static uint64_t sum_of_nics(const struct perf_side *side, bool drops)
{
	uint64_t sum = 0;

	for (uint32_t i = 0; i < side->nics; i++)
		sum += drops ? side->nic[i].drops : side->nic[i].retransmits;
	return sum;
}

/* Over TCP what RDMA devices lose is someone else's. */
bool gate_retransmits(const struct gate_at *at, char *why)
{
	uint64_t here = 0, there = 0;

	EACH_RUN(run, at)
	{
		here += run->here.retransmits + (at->nic ? sum_of_nics(&run->here, false) : 0);
		there += run->there.retransmits + (at->nic ? sum_of_nics(&run->there, false) : 0);
	}
	if (!here && !there)
		return false;
	snprintf(why, PERF_TEXT_MAX, "this side sent %llu packets again, the server %llu",
		 (unsigned long long)here, (unsigned long long)there);
	return true;
}

bool gate_drops(const struct gate_at *at, char *why)
{
	uint64_t here = 0, there = 0;

	if (!at->nic)
		return false;
	EACH_RUN(run, at)
	{
		here += sum_of_nics(&run->here, true);
		there += sum_of_nics(&run->there, true);
	}
	if (!here && !there)
		return false;
	snprintf(why, PERF_TEXT_MAX, "NICs of this side dropped %llu packets, of the server %llu",
		 (unsigned long long)here, (unsigned long long)there);
	return true;
}

/* On one host the other side is no stranger. */
static double foreign_cpus(const struct gate_at *at, const struct perf_side *side,
			   const struct perf_side *other)
{
	double foreign = side->cpu.foreign - (at->same_host ? other->cpu.process : 0);

	return side->ns && foreign > 0 ? foreign * 1e9 / (double)side->ns : 0;
}

bool gate_foreign_load(const struct gate_at *at, char *why)
{
	double most = 0, cpus;
	bool server = false;

	EACH_RUN(run, at)
	{
		cpus = foreign_cpus(at, &run->here, &run->there);
		if (cpus > most) {
			most = cpus;
			server = false;
		}
		cpus = foreign_cpus(at, &run->there, &run->here);
		if (cpus > most) {
			most = cpus;
			server = true;
		}
	}
	if (most <= FOREIGN_CPUS)
		return false;
	snprintf(why, PERF_TEXT_MAX, "others used %.2f processors at %s", most,
		 server ? "the server" : "this side");
	return true;
}

static bool wants_latency(const struct perf_case *c)
{
	return c->test == PERF_LAT || c->test == PERF_OPEN || c->test == PERF_SETUP;
}

bool gate_own_gap(const struct gate_at *at, char *why)
{
	uint64_t most = 0, limit = wants_latency(at->c) ? GAP_LATENCY_NS : GAP_BANDWIDTH_NS;
	bool server = false;

	EACH_RUN(run, at)
	{
		if (run->here.longest_gap_ns > most) {
			most = run->here.longest_gap_ns;
			server = false;
		}
		if (run->there.longest_gap_ns > most) {
			most = run->there.longest_gap_ns;
			server = true;
		}
	}
	if (most <= limit)
		return false;
	snprintf(why, PERF_TEXT_MAX, "%s's threads did not run for %.2f ms, at most",
		 server ? "the server" : "this side", (double)most / 1e6);
	return true;
}

bool gate_nothing_done(const struct gate_at *at, char *why)
{
	if (at->c->test == PERF_SETUP || at->c->test == PERF_REG)
		return false;
	EACH_RUN(run, at)
	{
		if (run->here.ops || run->there.ops)
			continue;
		snprintf(why, PERF_TEXT_MAX, "in %.3f s of a repeat", (double)run->here.ns / 1e9);
		return true;
	}
	return false;
}

bool gate_duplicates(const struct gate_at *at, char *why)
{
	uint64_t duplicates = 0;

	EACH_RUN(run, at)
	{
		duplicates += run->duplicates;
	}
	if (!duplicates)
		return false;
	snprintf(why, PERF_TEXT_MAX, "%llu of them", (unsigned long long)duplicates);
	return true;
}

bool gate_late(const struct gate_at *at, char *why)
{
	uint64_t late = 0, ops = 0;

	if (at->c->test != PERF_OPEN)
		return false;
	EACH_RUN(run, at)
	{
		/* What was never posted is late, too, and among the latencies only. */
		late += run->late;
		ops += run->latency && run->latency->count > run->here.ops ? run->latency->count
									   : run->here.ops;
	}
	if ((double)late <= LATE_SHARE * (double)ops)
		return false;
	snprintf(why, PERF_TEXT_MAX, "%llu of %llu operations", (unsigned long long)late,
		 (unsigned long long)ops);
	return true;
}

bool gate_failed_run(const struct gate_at *at, char *why)
{
	const struct perf_run *first = NULL;
	uint32_t failed = 0;

	for (uint32_t i = 0; i < at->result->runs; i++) {
		if (!at->result->run[i].error)
			continue;
		first = first ? first : &at->result->run[i];
		failed++;
	}
	if (!failed)
		return false;
	snprintf(why, PERF_TEXT_MAX, "%u of %u repeats; the first: %.180s", failed,
		 at->result->runs, first->why);
	return true;
}

bool gate_warm_unstable(const struct gate_at *at, char *why)
{
	uint32_t unstable = 0;
	uint64_t longest = 0;

	if (!at->c->warm_ns)
		return false;
	EACH_RUN(run, at)
	{
		unstable += !run->warm_stable;
		longest = run->warm_ns > longest ? run->warm_ns : longest;
	}
	if (!unstable)
		return false;
	snprintf(why, PERF_TEXT_MAX, "%u of %u repeats, after a warm-up of %.1f s", unstable,
		 at->result->runs, (double)longest / 1e9);
	return true;
}

bool gate_not_reached(const struct gate_at *at, char *why)
{
	const struct perf_result *r = at->result;
	double half = (r->rate.high - r->rate.low) / 2 / r->rate.median;

	if (r->reached || r->wanted <= 0)
		return false;
	if (isfinite(half))
		snprintf(why, PERF_TEXT_MAX, "half its width is %.1f %%, %.1f %% was asked for",
			 100 * half, 100 * r->wanted);
	else
		snprintf(why, PERF_TEXT_MAX, "%u repeats give no interval, %.1f %% was asked for",
			 r->rate.n, 100 * r->wanted);
	return true;
}

bool gate_drift(const struct gate_at *at, char *why)
{
	if (!at->result->drifts)
		return false;
	snprintf(why, PERF_TEXT_MAX, "the halves of %u repeats differ (rank sum, 1 %%)",
		 at->result->runs);
	return true;
}

bool gate_two_modes(const struct gate_at *at, char *why)
{
	const struct hist *latency = at->result->latency;

	if (!at->result->bimodal)
		return false;
	snprintf(why, PERF_TEXT_MAX, "of %llu latencies between %.2f and %.2f us",
		 latency ? (unsigned long long)latency->count : 0,
		 latency ? (double)latency->min / 1e3 : 0,
		 latency ? (double)latency->max / 1e3 : 0);
	return true;
}

bool gate_few_samples(const struct gate_at *at, char *why)
{
	const struct hist *latency = at->result->latency;
	double needed = 100 / (1 - PERCENTILE);

	if (!wants_latency(at->c) || !latency || (double)latency->count >= needed - 0.5)
		return false;
	snprintf(why, PERF_TEXT_MAX, "%llu samples; p%g takes %.0f",
		 (unsigned long long)latency->count, 100 * PERCENTILE, needed);
	return true;
}

bool gate_same_host(const struct gate_at *at, char *why)
{
	const char *host;

	if (at->alone || !at->same_host)
		return false;
	host = perf_env_get(at->here, "hostname");
	snprintf(why, PERF_TEXT_MAX, "%s", host ? host : "");
	return true;
}
