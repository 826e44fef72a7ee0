/* SPDX-License-Identifier: Apache-2.0 */
/* Sums over the threads of a side. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "perf/session_crew.h"

/*
 * Each thread has a measured time of its own, a little apart from the others'. The side's time is
 * chosen so that its rate is the sum of the threads' rates.
 */
static uint64_t time_of(const struct perf_crew *crew)
{
	const struct perf_measured *measured;
	double rate = 0, amount = 0, ns = 0;
	uint64_t longest = 0, one;

	for (uint32_t i = 0; i < crew->threads; i++) {
		measured = &crew->thread[i].measured;
		one = measured->ops ? measured->ops : measured->landed;
		if (measured->ns > longest)
			longest = measured->ns;
		if (!one || !measured->ns)
			continue;
		amount += (double)one;
		rate += (double)one / (double)measured->ns;
	}
	ns = rate > 0 ? amount / rate : 0;
	return ns > 0 ? (uint64_t)(ns + 0.5) : longest;
}

/* Adds what is not said yet. */
static void add_way(char *ways, size_t room, const char *more)
{
	size_t len = strlen(ways);

	if (!strstr(ways, more))
		snprintf(ways + len, room - len, "%s%s", len ? ", " : "", more);
}

static void add_facts(struct perf_side *side, const struct perf_facts *facts)
{
	add_way(side->ways, sizeof(side->ways), facts->ways);
	side->retransmits += facts->retransmits;
	side->is_tcp &= facts->is_tcp;
	side->wrong |= facts->wrong;
}

void perf_crew_was(struct perf_crew *crew, struct perf_port *port)
{
	struct perf_facts facts = { 0 };

	crew->backend->facts(port, &facts);
	facts.retransmits += crew->fresh.retransmits;
	facts.wrong |= crew->fresh.wrong;
	crew->fresh = facts;
}

/* What the NICs counted between two readings, some of it outside of the measured time, for which
 * the same rate is taken. */
static void add_nics(const struct perf_crew *crew, struct perf_side *ret)
{
	double share = 1;

	perf_nics_between(ret, &crew->nics_from, &crew->nics_to);
	if (crew->threads && ret->ns && crew->nics_to_ns > crew->nics_from_ns)
		share = (double)ret->ns / (double)(crew->nics_to_ns - crew->nics_from_ns);
	for (uint32_t i = 0; i < ret->nics; i++) {
		ret->nic[i].tx_bytes = (uint64_t)((double)ret->nic[i].tx_bytes * share + 0.5);
		ret->nic[i].rx_bytes = (uint64_t)((double)ret->nic[i].rx_bytes * share + 0.5);
	}
}

void perf_crew_side(struct perf_crew *crew, const struct perf_idle *idle, struct perf_side *ret)
{
	const struct perf_measured *measured;

	memset(ret, 0, sizeof(*ret));
	ret->is_tcp = true;
	if (!crew->threads)
		add_facts(ret, &crew->fresh);
	for (uint32_t i = 0; i < crew->threads; i++) {
		struct perf_facts facts = { 0 };

		measured = &crew->thread[i].measured;
		ret->ops += measured->ops;
		ret->bytes += measured->bytes;
		ret->landed += measured->landed;
		if (measured->longest_gap_ns > ret->longest_gap_ns)
			ret->longest_gap_ns = measured->longest_gap_ns;
		crew->backend->facts(crew->thread[i].port, &facts);
		add_facts(ret, &facts);
	}
	ret->ns = time_of(crew);
	perf_cpu_between(&ret->cpu, &crew->cpu_from, &crew->cpu_to, idle ? &idle->from : NULL,
			 idle ? &idle->to : NULL);
	add_nics(crew, ret);
}

/* The slices until the first thread's measured time was over. */
static int merge_slices(struct perf_crew *crew, struct perf_run *ret)
{
	const struct perf_measured *first = &crew->thread[0].measured;
	uint64_t shortest = UINT64_MAX, full;

	for (uint32_t i = 0; i < crew->threads; i++)
		if (crew->thread[i].measured.ns < shortest)
			shortest = crew->thread[i].measured.ns;
	full = first->slice_ns ? shortest / first->slice_ns : 0;
	if (!first->slice || !full)
		return 0;
	ret->slices = full < first->slices ? (uint32_t)full : first->slices;
	ret->slice_ns = first->slice_ns;
	ret->slice = calloc(ret->slices, sizeof(*ret->slice));
	if (!ret->slice)
		return err_set(-ENOMEM, "no memory for slices of time");
	for (uint32_t i = 0; i < crew->threads; i++)
		for (uint32_t k = 0; k < ret->slices; k++)
			ret->slice[k] += crew->thread[i].measured.slice[k];
	return 0;
}

int perf_crew_run(struct perf_crew *crew, struct perf_run *ret)
{
	int rc = 0;

	ret->warm_stable = true;
	for (uint32_t i = 0; !rc && i < crew->threads; i++) {
		const struct perf_measured *measured = &crew->thread[i].measured;

		if (measured->warm_ns > ret->warm_ns)
			ret->warm_ns = measured->warm_ns;
		ret->warm_ops += measured->warm_ops;
		ret->warm_stable &= measured->warm_stable;
		ret->late += measured->late;
		ret->duplicates += measured->duplicates;
		rc = perf_hist_add(&ret->latency, measured->latency);
		if (!rc)
			rc = perf_hist_add(&ret->closed, measured->closed);
	}
	return rc ? rc : merge_slices(crew, ret);
}
