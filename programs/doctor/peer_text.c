/* SPDX-License-Identifier: Apache-2.0 */
/* The report about two machines, as text and as JSON. */
#include <inttypes.h>
#include <string.h>

#include "doctor/peer.h"

#define LABEL_AT 8

static const char *const way_words[] = {
	[PERF_REACH_OK] = "ok",     [PERF_REACH_WRONG] = "WRONG", [PERF_REACH_LARGE] = "LARGE LOST",
	[PERF_REACH_LOST] = "LOST", [PERF_REACH_UNSENT] = "?",
};

static void put_side(FILE *out, const char *label, const struct perf_reach_where *where,
		     const char *named)
{
	char text[1024];

	snprintf(text, sizeof(text), "%s%s%s%s: %s, libfabric %s, %s%s%" PRIu32 " NIC%s",
		 where->host, strcmp(named, where->host) ? " (" : "",
		 strcmp(named, where->host) ? named : "", strcmp(named, where->host) ? ")" : "",
		 where->version, where->libfabric, where->instance, *where->instance ? ", " : "",
		 where->nics, where->nics == 1 ? "" : "s");
	fprintf(out, "%-*s", LABEL_AT, label);
	report_wrap(out, LABEL_AT, LABEL_AT, text);
}

static void put_table(const struct peer_try *try, FILE *out)
{
	const struct perf_reach *reach = try->found;
	const struct perf_reach_pass *last = &reach->pass[reach->passes - 1];

	fprintf(out, "\n        %-18s %-18s %-10s   %s\n", "here", "there", "->", "<-");
	for (uint32_t i = 0; i < reach->pass[0].pairs; i++) {
		const enum perf_reach_way to = perf_reach_way(reach, i, true);
		const enum perf_reach_way back = perf_reach_way(reach, i, false);

		fprintf(out, "        %-18s %-18s %-10s   %s\n", last->here[i].device,
			last->there[i].device, way_words[to], way_words[back]);
	}
	fprintf(out, "        each way: 8 bytes%s; waited for at most %.3g s\n",
		reach->passes > 1 ? ", then 1 MiB" : "", (double)try->wait_ns / 1e9);
}

void peer_put_text(const struct peer_try *try, const struct peer_findings *findings, FILE *out,
		   bool colour)
{
	const int status = peer_exit_status(findings);

	fprintf(out, "%s", colour ? "\033[1m" : "");
	fprintf(out, "%s %s between %s and %s\n", try->provider,
		status == 2 && !try->error ? "does not work"
		: status == 2              ? "cannot be tried"
		: try->error               ? "could not be tried"
		: status                   ? "works, with a warning,"
					   : "works",
		peer_here(try), peer_there(try));
	fprintf(out, "%s\n", colour ? "\033[0m" : "");
	for (uint32_t i = 0; i < findings->n; i++)
		report_text_finding(out, colour, "", &findings->finding[i]);
	if (try->error || !try->found->passes)
		return;
	fputc('\n', out);
	put_side(out, "here", &try->found->here, peer_here(try));
	put_side(out, "there", &try->found->there, try->to);
	put_table(try, out);
}

/* --- JSON ---------------------------------------------------------------------------------- */

void peer_write_finding(struct json *json, const struct finding *f)
{
	const char *at = f->evidence;
	size_t len;

	json_object(json, NULL);
	json_string(json, "status", doctor_verdict_word(f->verdict));
	json_string(json, "text", f->text);
	json_string(json, "consequence", f->consequence);
	json_string(json, "fix", f->fix);
	json_array(json, "evidence");
	for (; *at; at += len + (at[len] == '\n')) {
		len = strcspn(at, "\n");
		json_string_n(json, NULL, at, len);
	}
	json_array_end(json);
	json_object_end(json);
}

void peer_put_json(const struct peer_try *try, const struct peer_findings *findings, FILE *out)
{
	struct json json;

	json_begin_file(&json, out);
	json_object(&json, NULL);
	json_string(&json, "schema", PEER_SCHEMA);
	json_u64(&json, "version", PEER_SCHEMA_VERSION);
	json_string(&json, "peer", try->to);
	json_string(&json, "provider", try->provider);
	json_string(&json, "verdict", peer_status_word(peer_exit_status(findings)));
	json_array(&json, "findings");
	for (uint32_t i = 0; i < findings->n; i++)
		peer_write_finding(&json, &findings->finding[i]);
	json_array_end(&json);
	if (try->error)
		json_null(&json, "found");
	else
		perf_reach_write(&json, "found", try->found);
	json_object_end(&json);
	json_end(&json);
	fputc('\n', out);
}
