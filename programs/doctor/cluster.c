/* SPDX-License-Identifier: Apache-2.0 */
/* weft doctor --cluster: all pairs of hosts, as many at a time as there are disjoint ones. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "common/program.h"
#include "doctor/cluster.h"

static void say_junk(const char *item, int error)
{
	program_fail(CLI_NAME, error, "--cluster: '%.60s' is left out", item);
}

static struct peer_try try_of(const struct cluster *cluster, const struct cluster_pair *pair)
{
	struct peer_try try = { .provider = cluster->opts->provider,
				.wait_ns = cluster->opts->wait_ns };

	strcpy(try.from, cluster->hosts.address[pair->a]);
	strcpy(try.to, cluster->hosts.address[pair->b]);
	return try;
}

/* What a pair came to. Memory is for what is wrong alone: most pairs are fine. */
static void keep(struct cluster *cluster, struct cluster_pair *pair, const struct peer_try *try)
{
	const struct perf_reach *found = try->found;

	peer_judge(try, &cluster->findings);
	for (uint32_t i = 0; found && found->passes && i < found->pass[0].pairs; i++) {
		pair->nics++;
		pair->lost[0] += perf_reach_way(found, i, true) != PERF_REACH_OK;
		pair->lost[1] += perf_reach_way(found, i, false) != PERF_REACH_OK;
	}
	pair->done = true;
	if (!peer_exit_status(&cluster->findings))
		return;
	pair->worst = mem_alloc(sizeof(*pair->worst));
	if (pair->worst)
		*pair->worst = cluster->findings.finding[0];
}

static void fail(struct cluster *cluster, struct cluster_pair *pair, int rc, bool at_from)
{
	struct peer_try try = try_of(cluster, pair);

	try.error = rc;
	try.at_from = at_from;
	snprintf(try.why, sizeof(try.why), "%s", weft_error_detail());
	sysroot_clean(try.why); /* a part of it may come from the network */
	keep(cluster, pair, &try);
}

static void begin(struct cluster *cluster, struct cluster_pair *pair, struct perf_session **ret)
{
	int rc;

	*ret = NULL;
	rc = perf_session_open(ret, cluster->hosts.address[pair->a], PEER_ANSWER_NS);
	if (!rc)
		rc = perf_reach_visit_begin(*ret, cluster->hosts.address[pair->b], cluster->opts);
	if (rc)
		fail(cluster, pair, rc, true);
}

/* All pairs of a round try at the same time. */
static void run_round(struct cluster *cluster, struct cluster_pair *pairs, uint32_t n,
		      struct perf_session **sessions, struct perf_reach *found)
{
	struct peer_try try;
	int rc;

	for (uint32_t i = 0; i < n; i++)
		begin(cluster, &pairs[i], &sessions[i]);
	for (uint32_t i = 0; i < n; i++) {
		if (pairs[i].done)
			continue;
		rc = perf_reach_visit_end(sessions[i], cluster->opts, found);
		if (rc) {
			/* What the asked machine did not say itself is about the way to it. */
			fail(cluster, &pairs[i], rc,
			     strncmp(weft_error_detail(), "the server at ", 14) != 0);
			continue;
		}
		try = try_of(cluster, &pairs[i]);
		try.found = found;
		keep(cluster, &pairs[i], &try);
	}
	for (uint32_t i = 0; i < n; i++)
		perf_session_close(sessions[i]);
}

static int run_all(struct cluster *cluster)
{
	const uint32_t hosts = cluster->hosts.n, rounds = perf_rounds(hosts);
	struct perf_session **sessions = mem_array(hosts, sizeof(*sessions));
	struct perf_reach *found = mem_zalloc(sizeof(*found));
	uint32_t(*of)[2] = mem_array(hosts, sizeof(*of)), n;
	bool shows = isatty(STDERR_FILENO);
	int rc = 0;

	cluster->pair = mem_array((size_t)rounds * (hosts / 2), sizeof(*cluster->pair));
	if (!sessions || !found || !of || !cluster->pair)
		rc = err_set(-ENOMEM, "no memory for the pairs of %u hosts", hosts);
	for (uint32_t round = 0; !rc && round < rounds && !peer_stopped; round++) {
		if (shows)
			fprintf(stderr, "\r\033[Kround %u of %u", round + 1, rounds);
		n = perf_round(hosts, round, of);
		for (uint32_t i = 0; i < n; i++) {
			cluster->pair[cluster->pairs + i].a = of[i][0];
			cluster->pair[cluster->pairs + i].b = of[i][1];
		}
		run_round(cluster, cluster->pair + cluster->pairs, n, sessions, found);
		cluster->pairs += n;
	}
	if (shows)
		fputs("\r\033[K", stderr);
	mem_free(sessions);
	mem_free(found);
	mem_free(of);
	return rc;
}

int peer_cluster(const struct cli_values *values, const struct perf_reach_opts *opts)
{
	struct cluster *cluster = mem_zalloc(sizeof(*cluster));
	int rc = cluster ? perf_hosts_add(&cluster->hosts, values->cluster, say_junk)
			 : err_set(-ENOMEM, "no memory for hosts"),
	    status = CLI_FAILED;

	if (!rc && cluster->hosts.n < 2)
		rc = err_set(-EINVAL, "%s names %u hosts: two at least are needed", values->cluster,
			     cluster->hosts.n);
	if (!rc) {
		cluster->opts = opts;
		rc = run_all(cluster);
	}
	if (rc) {
		program_fail(CLI_NAME, rc, "--cluster");
	} else {
		cluster_judge(cluster);
		if (values->json)
			cluster_put_json(cluster, stdout);
		else
			cluster_put_text(cluster, stdout);
		status = peer_stopped ? 128 + peer_stopped : cluster_exit_status(cluster);
	}
	for (uint32_t i = 0; cluster && i < cluster->pairs; i++)
		mem_free(cluster->pair[i].worst);
	if (cluster)
		mem_free(cluster->pair);
	mem_free(cluster);
	return status;
}
