/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/err.h"
#include "perf/env.h"
#include "perf/report.h"
#include "perf/report_figures.h"
#include "perf/report_json.h"
#include "perf/report_pair.h"
#include "perf/report_text.h"

static const char ratio_means[] =
	"ratio: of the medians, with its 95 % interval. Rates: second over first; times: first "
	"over "
	"second. Above 1 the second is better. Gb/s: 10^9 bits each second, us: 10^-6 s, "
	"Mop/s: 10^6 operations each second.";

static bool broken(const struct perf_result *r)
{
	return r->error || r->invalid;
}

/* Worse beyond the tolerance; also when there is no figure any more where there was one. */
static bool is_worse(const struct perf_pair *pair, double tolerance)
{
	if (broken(pair->b))
		return !broken(pair->a);
	return pair->verdict < 0 && pair->ratio.median < 1 - tolerance;
}

static const char *broken_word(const struct perf_pair *pair)
{
	const struct perf_result *r = broken(pair->b) ? pair->b : pair->a;

	return r->error ? "failed" : "INVALID";
}

static const char *diff_word(const struct perf_pair *pair, double tolerance)
{
	static const char *const words[] = { "no difference", "better", "cannot be told" };

	if (broken(pair->a) || broken(pair->b))
		return broken_word(pair);
	if (pair->verdict >= 0)
		return words[pair->verdict];
	return is_worse(pair, tolerance) ? "WORSE" : "worse, tolerated";
}

static void put_pair(FILE *file, const struct perf_pair *pair, const char *way, const char *verdict)
{
	const char *unit;
	double a = perf_shown(pair->a, &unit), b = perf_shown(pair->b, &unit);

	fprintf(file, "%-15.15s%-9.9s%11llu%9.9s%9.9s %-6s%6.6s %-16.16s %.16s\n",
		perf_what(&pair->a->c).text, way, (unsigned long long)pair->a->c.size,
		perf_number(a).text, perf_number(b).text, unit,
		perf_number(pair->ratio.median).text, perf_interval(&pair->ratio, 1).text, verdict);
}

static void put_head(FILE *file, const char *way, const char *a, const char *b)
{
	fprintf(file, "\n%-15s%-9s%11s%9.8s%9.8s %-6s%6s %-16s %s\n", "what", way, "bytes", a, b,
		"unit", "ratio", "95 % interval", "verdict");
}

/* Cases of report that other does not have. */
static uint32_t put_missing(FILE *file, const struct perf_report *report,
			    const struct perf_report *other, const char *where)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < report->results; i++) {
		const struct perf_case *c = &report->result[i].c;

		if (perf_twin(report, i, other))
			continue;
		perf_put_linesf(file, "   ", "%s: %s over %s, %llu bytes", where, perf_what(c).text,
				perf_label(report, &report->result[i]).text,
				(unsigned long long)c->size);
		n++;
	}
	return n;
}

static void put_verdict(FILE *file, uint32_t worse, uint32_t untold, uint32_t missing, int n,
			double tolerance)
{
	fputc('\n', file);
	perf_put_linesf(file, "",
			"%s: %u of %d are worse by more than %s, or have no valid figure "
			"any more.",
			worse ? "WORSE" : "Not worse", worse, n, perf_percent(tolerance).text);
	if (untold)
		perf_put_linesf(file, "",
				"%u cannot be told: repeat more often (from 6 repeats on there is "
				"an interval).",
				untold);
	if (missing)
		perf_put_linesf(file, "", "%u cases stand in one of the two files only.", missing);
}

static const char *fact_of(const struct perf_env *env, const char *name)
{
	const char *value = perf_env_get(env, name);

	return value ? value : "";
}

/* What else may have changed the figures. */
static void put_changes(FILE *file, const char *side, const struct perf_env *a,
			const struct perf_env *b)
{
	static const char *const names[] = { "hostname",   "instance_type",     "cpu",  "kernel",
					     "driver.efa", "library.libfabric", "weft", "doctor" };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strcmp(fact_of(a, names[i]), fact_of(b, names[i])) != 0)
			perf_put_linesf(file, "", "%s, %s: %s, now %s", side, names[i],
					*fact_of(a, names[i]) ? fact_of(a, names[i]) : "not told",
					*fact_of(b, names[i]) ? fact_of(b, names[i]) : "not told");
}

int perf_write_diff(const struct perf_report *a, const struct perf_report *b, double tolerance,
		    FILE *file)
{
	uint32_t worse = 0, untold = 0, missing;
	struct perf_pair *pairs = NULL;
	int n = perf_pair(a, b, &pairs), rc;

	if (n < 0)
		return n;
	if (!n) {
		free(pairs);
		return err_set(-EINVAL, "the two reports have no case in common: compare runs of "
					"the same tests, sizes and settings");
	}
	perf_put_warnings(file, b->emulated ? b : a);
	put_head(file, "over", "old", "new");
	for (int i = 0; i < n; i++) {
		put_pair(file, &pairs[i], perf_label(a, pairs[i].a).text,
			 diff_word(&pairs[i], tolerance));
		worse += is_worse(&pairs[i], tolerance);
		untold += !broken(pairs[i].b) && pairs[i].verdict == 2;
	}
	missing = put_missing(file, a, b, "only in the old one");
	missing += put_missing(file, b, a, "only in the new one");
	put_verdict(file, worse, untold, missing, n, tolerance);
	put_changes(file, "here", &a->here, &b->here);
	put_changes(file, "there", &a->there, &b->there);
	perf_put_lines(file, "", ratio_means);
	free(pairs);
	rc = perf_file_end(file, 0);
	return rc ? rc : worse > 0;
}

/* Is it what a name of the command line means: back end, provider, or both with a colon? */
static bool is_called(const struct perf_case *c, const char *name)
{
	char both[2 * PERF_NAME_MAX + 2];

	snprintf(both, sizeof(both), "%s:%s", c->backend, c->provider);
	return !strcasecmp(name, c->backend) || !strcasecmp(name, c->provider) ||
	       !strcasecmp(name, both);
}

/* Results of a set against those of b that measured the same. Returns how many, or -ENOMEM. */
static int pair_called(const struct perf_report *report, const char *a, const char *b,
		       struct perf_pair **ret)
{
	struct perf_pair *pairs = calloc(report->results + 1, sizeof(*pairs));
	bool *taken = calloc(report->results + 1, sizeof(*taken));
	int n = 0, rc = pairs && taken ? 0 : err_set(-ENOMEM, "no memory to compare");

	for (uint32_t i = 0; i < report->results && !rc; i++) {
		const struct perf_result *one = &report->result[i];

		for (uint32_t k = 0; is_called(&one->c, a) && k < report->results && !rc; k++) {
			if (k == i || taken[k] || !is_called(&report->result[k].c, b) ||
			    !perf_same_work(&one->c, &report->result[k].c))
				continue;
			taken[k] = true;
			rc = perf_pair_of(&pairs[n++], one, &report->result[k]);
			break;
		}
	}
	free(taken);
	if (rc) {
		free(pairs);
		return rc;
	}
	*ret = pairs;
	return n;
}

static struct perf_text compare_word(const struct perf_pair *pair, const char *a, const char *b)
{
	struct perf_text ret = { "no difference" };

	if (broken(pair->a) || broken(pair->b))
		snprintf(ret.text, sizeof(ret.text), "%s", broken_word(pair));
	else if (pair->verdict == 2)
		snprintf(ret.text, sizeof(ret.text), "cannot be told");
	else if (pair->verdict)
		snprintf(ret.text, sizeof(ret.text), "%.9s better", pair->verdict > 0 ? b : a);
	return ret;
}

static void put_cost(FILE *file, const struct perf_result *r)
{
	struct perf_cost here, there;

	perf_costs(r, &here, &there);
	fprintf(file, "%9.9s%9.9s%9.9s", perf_number(here.machine_s_per_gb).text,
		perf_number(there.machine_s_per_gb).text,
		perf_number(here.machine_us_per_op + there.machine_us_per_op).text);
}

static void put_costs(FILE *file, const struct perf_pair *pairs, int n, const char *a,
		      const char *b)
{
	fprintf(file, "\nProcessor time of the whole machine, above idle: seconds for each GB "
		      "(10^9 bytes), "
		      "us for\neach operation (both ends together)\n");
	fprintf(file, "%-26s %-27.26s  %-27.26s\n", "", a, b);
	fprintf(file, "%-15s%11s%9s%9s%9s  %9s%9s%9s\n", "what", "bytes", "here", "there", "us/op",
		"here", "there", "us/op");
	for (int i = 0; i < n; i++) {
		fprintf(file, "%-15.15s%11llu", perf_what(&pairs[i].a->c).text,
			(unsigned long long)pairs[i].a->c.size);
		put_cost(file, pairs[i].a);
		fputs("  ", file);
		put_cost(file, pairs[i].b);
		fputc('\n', file);
	}
}

int perf_write_compare(const struct perf_report *report, const char *a, const char *b, FILE *file)
{
	struct perf_pair *pairs = NULL;
	char of_a[32], of_b[32];
	bool shorts; /* do the names fit into columns? else they are "first" and "second" */
	int n = pair_called(report, a, b, &pairs);

	if (n < 0)
		return n;
	if (!n) {
		free(pairs);
		return err_set(-EINVAL, "nothing was measured over both '%s' and '%s'", a, b);
	}
	snprintf(of_a, sizeof(of_a), "%.31s", perf_label(report, pairs[0].a).text);
	snprintf(of_b, sizeof(of_b), "%.31s", perf_label(report, pairs[0].b).text);
	shorts = strlen(of_a) < 9 && strlen(of_b) < 9 && strcmp(of_a, of_b);
	perf_put_warnings(file, report);
	perf_put_linesf(file, "", "first: %s (%s); second: %s (%s)", of_a, perf_layer(pairs[0].a),
			of_b, perf_layer(pairs[0].b));
	a = shorts ? of_a : "first";
	b = shorts ? of_b : "second";
	put_head(file, "", a, b);
	for (int i = 0; i < n; i++)
		put_pair(file, &pairs[i], "", compare_word(&pairs[i], a, b).text);
	put_costs(file, pairs, n, of_a, of_b);
	fputc('\n', file);
	perf_put_lines(file, "", ratio_means);
	free(pairs);
	return perf_file_end(file, 0);
}
