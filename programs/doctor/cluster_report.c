/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <string.h>

#include "common/program.h"
#include "doctor/cluster.h"

#define SHOWN      10 /* pairs whose findings are printed */
#define MATRIX_MAX 34 /* hosts for which there is room in a matrix of two columns each */

/* Of a direction of a pair: '.' all NICs, 'x' none, '-' some, '?' not tried. */
static char cell(const struct cluster_pair *pair, bool back)
{
	if (!pair->done || !pair->nics)
		return '?';
	if (!pair->lost[back])
		return '.';
	return pair->lost[back] == pair->nics ? 'x' : '-';
}

static void add_to(struct cluster *cluster, uint32_t from, uint32_t to, char cell)
{
	cluster->host[from].out += cell == 'x';
	cluster->host[to].in += cell == 'x';
}

void cluster_judge(struct cluster *cluster)
{
	for (uint32_t i = 0; i < cluster->pairs; i++) {
		const struct cluster_pair *pair = &cluster->pair[i];
		struct cluster_host *a = &cluster->host[pair->a], *b = &cluster->host[pair->b];

		if (cell(pair, false) == '?') {
			a->untried++;
			b->untried++;
			continue;
		}
		a->tried++;
		b->tried++;
		add_to(cluster, pair->a, pair->b, cell(pair, false));
		add_to(cluster, pair->b, pair->a, cell(pair, true));
	}
	/* Of two hosts nobody can tell whose the fault is. */
	for (uint32_t i = 0; i < cluster->hosts.n; i++) {
		struct cluster_host *host = &cluster->host[i];

		host->mute = host->tried > 1 && host->out == host->tried;
		host->deaf = host->tried > 1 && host->in == host->tried;
		host->absent = !host->tried && host->untried;
	}
}

int cluster_exit_status(const struct cluster *cluster)
{
	int status = 0;

	for (uint32_t i = 0; i < cluster->pairs; i++) {
		const struct finding *worst = cluster->pair[i].worst;

		if (!worst)
			continue;
		if (worst->verdict == DOCTOR_FAIL)
			return 2;
		status = 1;
	}
	return status;
}

/* --- text ---------------------------------------------------------------------------------- */

static void put_matrix(const struct cluster *cluster, FILE *out)
{
	const uint32_t n = cluster->hosts.n;
	char cells[MATRIX_MAX][MATRIX_MAX];

	memset(cells, ' ', sizeof(cells));
	for (uint32_t i = 0; i < cluster->pairs; i++) {
		const struct cluster_pair *pair = &cluster->pair[i];

		cells[pair->a][pair->b] = cell(pair, false);
		cells[pair->b][pair->a] = cell(pair, true);
	}
	fprintf(out, "\nfrom \\ to ");
	for (uint32_t i = 0; i < n; i++)
		fprintf(out, "%2" PRIu32, (i + 1) % 100);
	fputc('\n', out);
	for (uint32_t i = 0; i < n; i++) {
		fprintf(out, "%9" PRIu32 " ", i + 1);
		for (uint32_t k = 0; k < n; k++)
			fprintf(out, " %c", cells[i][k]);
		fputc('\n', out);
	}
	fprintf(out, ". all NICs  x none  - some NICs  ? not tried\n");
}

static void put_hosts(const struct cluster *cluster, FILE *out)
{
	fputc('\n', out);
	for (uint32_t i = 0; i < cluster->hosts.n; i++) {
		const struct cluster_host *host = &cluster->host[i];

		fprintf(out, "%9" PRIu32 "  %s%s%s%s%s\n", i + 1, cluster->hosts.address[i],
			host->mute ? "  NOTHING OF IT ARRIVES ANYWHERE" : "",
			host->mute && host->deaf ? "," : "",
			host->deaf ? "  NOTHING REACHES IT" : "",
			host->absent ? "  could not be tried" : "");
	}
}

/* Is a pair's trouble that of one of its hosts, which is told already? */
static bool is_told(const struct cluster *cluster, const struct cluster_pair *pair,
		    const bool *told)
{
	const struct cluster_host *a = &cluster->host[pair->a], *b = &cluster->host[pair->b];

	return (told[pair->a] && (a->mute || a->deaf || a->absent)) ||
	       (told[pair->b] && (b->mute || b->deaf || b->absent));
}

/* One pair of each host that is at fault, then others. */
static void put_findings(const struct cluster *cluster, FILE *out)
{
	bool told[PERF_HOSTS_MAX] = { false };
	uint32_t shown = 0, more = 0;

	for (uint32_t i = 0; i < cluster->pairs; i++) {
		const struct cluster_pair *pair = &cluster->pair[i];

		if (!pair->worst || is_told(cluster, pair, told))
			continue;
		if (shown == SHOWN) {
			more++;
			continue;
		}
		fprintf(out, "\n%" PRIu32 " and %" PRIu32 ":\n", pair->a + 1, pair->b + 1);
		report_text_finding(out, false, "", pair->worst);
		told[pair->a] = told[pair->b] = true;
		shown++;
	}
	if (more)
		fprintf(out, "\n%" PRIu32 " pairs more are not ok: --json has all.\n", more);
}

void cluster_put_text(const struct cluster *cluster, FILE *out)
{
	uint32_t fine = 0, untried = 0;

	for (uint32_t i = 0; i < cluster->pairs; i++) {
		fine += cell(&cluster->pair[i], false) == '.' &&
			cell(&cluster->pair[i], true) == '.';
		untried += cell(&cluster->pair[i], false) == '?';
	}
	fprintf(out,
		"%s between %" PRIu32 " hosts: %" PRIu32 " of %" PRIu32
		" pairs reach each other in both directions",
		cluster->opts->provider, cluster->hosts.n, fine, cluster->pairs);
	fprintf(out, untried ? ", %" PRIu32 " could not be tried\n" : "\n", untried);
	if (cluster->hosts.n <= MATRIX_MAX)
		put_matrix(cluster, out);
	put_hosts(cluster, out);
	put_findings(cluster, out);
}

/* --- JSON ---------------------------------------------------------------------------------- */

static void put_host(struct json *json, const struct cluster *cluster, uint32_t i)
{
	const struct cluster_host *host = &cluster->host[i];

	json_object(json, NULL);
	json_string(json, "address", cluster->hosts.address[i]);
	json_u64(json, "tried", host->tried);
	json_u64(json, "reaches_none_of", host->out);
	json_u64(json, "reached_by_none_of", host->in);
	json_bool(json, "mute", host->mute);
	json_bool(json, "deaf", host->deaf);
	json_bool(json, "absent", host->absent);
	json_object_end(json);
}

static void put_pair(struct json *json, const struct cluster *cluster,
		     const struct cluster_pair *pair)
{
	json_object(json, NULL);
	json_string(json, "a", cluster->hosts.address[pair->a]);
	json_string(json, "b", cluster->hosts.address[pair->b]);
	json_u64(json, "nics", pair->nics);
	json_u64(json, "lost_a_to_b", pair->lost[0]);
	json_u64(json, "lost_b_to_a", pair->lost[1]);
	json_array(json, "findings");
	if (pair->worst)
		peer_write_finding(json, pair->worst);
	json_array_end(json);
	json_object_end(json);
}

void cluster_put_json(const struct cluster *cluster, FILE *out)
{
	struct json json;

	json_begin_file(&json, out);
	json_object(&json, NULL);
	json_string(&json, "schema", CLUSTER_SCHEMA);
	json_u64(&json, "version", PEER_SCHEMA_VERSION);
	json_string(&json, "provider", cluster->opts->provider);
	json_string(&json, "verdict", peer_status_word(cluster_exit_status(cluster)));
	json_array(&json, "hosts");
	for (uint32_t i = 0; i < cluster->hosts.n; i++)
		put_host(&json, cluster, i);
	json_array_end(&json);
	json_array(&json, "pairs");
	for (uint32_t i = 0; i < cluster->pairs; i++)
		if (cluster->pair[i].done)
			put_pair(&json, cluster, &cluster->pair[i]);
	json_array_end(&json);
	json_object_end(&json);
	json_end(&json);
	fputc('\n', out);
}
