/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "host/instance.h"
#include "perf/backend.h"
#include "perf/env.h"
#include "perf/report.h"
#include "perf/report_figures.h"
#include "perf/report_json.h"
#include "perf/report_pair.h"
#include "perf/report_text.h"
#include "perf/stats.h"

static const char units[] =
	"Units: Gb/s is 10^9 bits each second, GB/s is 10^9 bytes each second, Mop/s is 10^6 "
	"operations each second, us is 10^-6 seconds. Figures are medians of the repeats; in "
	"brackets "
	"their 95 % interval. n/a: too few samples to say.";

static void put_side(FILE *file, const char *lead, const struct perf_env *env)
{
	/* A fact, and what stands in front of it. */
	static const struct {
		const char *fact, *word;
	} shown[] = {
		{ "hostname", "host " },  { "instance_type", "instance " },
		{ "cpu", "cpu " },        { "kernel", "kernel " },
		{ "weft", "" },           { "library.libfabric", "libfabric " },
		{ "doctor", "doctor: " },
	};
	char text[2048] = "";
	size_t len = 0;

	for (size_t i = 0; i < sizeof(shown) / sizeof(shown[0]); i++) {
		const char *value = perf_env_get(env, shown[i].fact);

		if (value)
			len += (size_t)snprintf(text + len, sizeof(text) - len, "%s%s%s",
						len ? ", " : "", shown[i].word, value);
	}
	if (env->line_rate > 0)
		snprintf(text + len, sizeof(text) - len, "%sline rate %s Gb/s (%s GB/s)",
			 len ? ", " : "", perf_number(env->line_rate * 8 / 1e9).text,
			 perf_number(env->line_rate / 1e9).text);
	else
		snprintf(text + len, sizeof(text) - len, "%sline rate not known", len ? ", " : "");
	perf_put_lines(file, lead, text);
}

/* What is typical of the instance type. */
static void put_expected(FILE *file, const struct perf_env *env)
{
	const char *type = perf_env_get(env, "instance_type");
	const struct host_instance *expect = type ? host_instance_find(type) : NULL;

	if (!expect)
		return;
	perf_put_linesf(file, "typical: ", "%s: %s Gb/s over %u NICs%s%s (%s, read %s)", type,
			perf_number(expect->gbits).text, expect->nics, *expect->note ? "; " : "",
			expect->note, expect->source, expect->date);
}

static void put_top(FILE *file, const struct perf_report *report)
{
	perf_put_warnings(file, report);
	perf_put_linesf(file, "command: ", "%s", report->command ? report->command : "");
	perf_put_linesf(file, "started: ", "%s", report->started);
	put_side(file, "here:    ", &report->here);
	put_side(file, "there:   ", &report->there);
	if (!report->emulated)
		put_expected(file, &report->here);
	perf_put_lines(file, "", units);
}

/* Results that stand in one table: all but size and rate are the same. */
static bool same_table(const struct perf_case *x, const struct perf_case *y)
{
	struct perf_case z = *y;

	z.size = x->size;
	z.rate = x->rate;
	return perf_same_work(x, &z) && !strcmp(x->backend, y->backend) &&
	       !strcmp(x->provider, y->provider) && !strcmp(x->devices, y->devices) &&
	       !strcmp(x->model, y->model);
}

static void put_title(FILE *file, const struct perf_report *report, const struct perf_result *r)
{
	const struct perf_case *c = &r->c;
	char text[2048];
	size_t len;

	fputc('\n', file);
	len = (size_t)snprintf(text, sizeof(text),
			       "%s over %s; measured: %s; window %u, threads %u, "
			       "endpoints of each %u, post list %u",
			       perf_what(c).text, perf_label(report, r).text, perf_layer(r),
			       c->window, c->threads, c->eps, c->post_list);
	if (c->pace)
		len += (size_t)snprintf(text + len, sizeof(text) - len, ", paced to %s GB/s",
					perf_number((double)c->pace / 1e9).text);
	if (*c->devices)
		len += (size_t)snprintf(text + len, sizeof(text) - len, ", devices %.400s",
					c->devices);
	if (*c->model)
		len += (size_t)snprintf(text + len, sizeof(text) - len, ", model %s", c->model);
	if (c->validate)
		snprintf(text + len, sizeof(text) - len, ", content checked (costs time)");
	perf_put_lines(file, "== ", text);
	if (perf_round_trip(c))
		perf_put_lines(
			file, "   ",
			"Times are those of a message and its answer; half is the time of one "
			"way only if both ways take the same.");
	if (c->test == PERF_OPEN)
		perf_put_lines(
			file, "   ",
			"Times count from when each operation was due; \"closed\": from when it "
			"was posted.");
}

static const char *mark(const struct perf_result *r)
{
	if (r->error || r->invalid)
		return "!!";
	return r->flags ? "* " : "  ";
}

static void put_rate_row(FILE *file, const struct perf_report *report, const struct perf_result *r)
{
	fprintf(file, "%s%11llu%6u %9.9s %9.9s %-18.18s %9.9s %-18.18s %8.8s\n", mark(r),
		(unsigned long long)r->c.size, r->rate.n,
		perf_number(r->rate.median * 8 / 1e9).text, perf_number(r->rate.median / 1e9).text,
		perf_interval(&r->rate, 8 / 1e9).text, perf_number(r->ops.median / 1e6).text,
		perf_interval(&r->ops, 1 / 1e6).text,
		perf_percent(perf_line_share(report, r)).text);
}

static void put_times(FILE *file, const char *lead, const struct hist *hist)
{
	static const double shares[] = { 0.9, 0.99, 0.999, 0.9999 };

	fputs(lead, file);
	for (size_t i = 0; i < sizeof(shares) / sizeof(shares[0]); i++)
		fprintf(file, " %8.8s",
			perf_number(hist ? perf_percentile(hist, shares[i]) / 1e3 : NAN).text);
	fprintf(file, " %9.9s\n",
		perf_number(hist && hist->count ? (double)hist->max / 1e3 : NAN).text);
}

static void put_time_row(FILE *file, const struct perf_result *r)
{
	char lead[128];

	snprintf(lead, sizeof(lead), "%s%11llu%5u%10llu %8.8s %-16.16s", mark(r),
		 (unsigned long long)r->c.size, r->p50.n,
		 (unsigned long long)(r->latency ? r->latency->count : 0),
		 perf_number(r->p50.median / 1e3).text, perf_interval(&r->p50, 1 / 1e3).text);
	put_times(file, lead, r->latency);
	if (perf_round_trip(&r->c))
		fprintf(file, "%29s%8.8s\n", "half of it ", perf_number(r->p50.median / 2e3).text);
	if (!r->closed)
		return;
	snprintf(lead, sizeof(lead), "%18s%10llu %8.8s %-16s",
		 r->c.test == PERF_REG ? "deregister" : "closed",
		 (unsigned long long)r->closed->count,
		 perf_number(perf_percentile(r->closed, 0.5) / 1e3).text, "");
	put_times(file, lead, r->closed);
}

static void put_head(FILE *file, const struct perf_case *c)
{
	if (perf_is_time(c))
		fprintf(file, "%13s%5s%10s %8s %-16s %8s %8s %8s %8s %9s\n", "bytes", "runs",
			"samples", "p50 us", "95 % interval", "p90 us", "p99 us", "p99.9 us",
			"p99.99", "max us");
	else
		fprintf(file, "%13s%6s %9s %9s %-18s %9s %-18s %8s\n", "bytes", "runs", "Gb/s",
			"GB/s", "95 % (Gb/s)", "Mop/s", "95 % (Mop/s)", "of line");
}

static void put_note(FILE *file, const struct perf_result *r, const char *word, const char *gate,
		     const char *why, const char *remedy)
{
	perf_put_linesf(file, "     ", "%llu bytes: %s%s%s: %s%s%s", (unsigned long long)r->c.size,
			word, *gate ? " " : "", gate, why, *remedy ? ". Remedy: " : "", remedy);
}

static void put_flags(FILE *file, const struct perf_result *r)
{
	static const char *const words[] = { "note", "flagged", "INVALID" };
	bool said = false;

	for (uint32_t i = 0; i < r->flags; i++) {
		const struct perf_flag *flag = &r->flag[i];

		said = said || flag->how == PERF_INVALID;
		put_note(file, r, words[flag->how], flag->gate ? flag->gate : "", flag->why,
			 perf_remedy(flag));
	}
	if (r->invalid && !said)
		put_note(file, r, "INVALID", "", "no reason was recorded", "");
}

static bool is_flagged(const struct perf_result *r, const char *gate)
{
	for (uint32_t i = 0; i < r->flags; i++)
		if (r->flag[i].gate && !strcmp(r->flag[i].gate, gate))
			return true;
	return false;
}

static void put_missing(FILE *file, const struct perf_result *r)
{
	if (r->error)
		return;
	if (!r->reached && r->wanted > 0 && !is_flagged(r, "not_reached"))
		perf_put_linesf(
			file, "     ",
			"%llu bytes: the interval is %s of the median to either side, %s was "
			"asked for: not reached with %u repeats",
			(unsigned long long)r->c.size,
			perf_percent(perf_median_width(perf_main_figure(r))).text,
			perf_percent(r->wanted).text, perf_main_figure(r)->n);
	for (uint32_t i = 0; i < r->runs; i++)
		if (r->run[i].error)
			perf_put_linesf(file, "     ", "%llu bytes: repeat %u failed: %s",
					(unsigned long long)r->c.size, i + 1, r->run[i].why);
}

static void put_row(FILE *file, const struct perf_report *report, const struct perf_result *r)
{
	if (r->c.test == PERF_OPEN)
		fprintf(file, "  at %s operations/s asked, %s reached:\n",
			perf_number(r->c.rate).text, perf_number(r->ops.median).text);
	if (r->error)
		put_note(file, r, "FAILED", "", *r->why ? r->why : "no reason was recorded", "");
	else if (perf_is_time(&r->c))
		put_time_row(file, r);
	else
		put_rate_row(file, report, r);
}

/* Both ends are in one process, whose time is all that was read. */
static bool is_alone(const struct perf_case *c)
{
	const struct perf_backend *backend = perf_backend_find(c->backend);

	return backend && backend->one_process;
}

/* known: the machine's time was read, and not the process's alone. */
static void put_cost(FILE *file, const struct perf_cost *cost, bool known)
{
	if (!known) {
		fprintf(file, " %8.8s %8s %8s %8s", perf_number(cost->process_s_per_gb).text, "n/a",
			"n/a", "n/a");
		return;
	}
	fprintf(file, " %8.8s %8.8s %8.8s %8.8s", perf_number(cost->process_s_per_gb).text,
		perf_number(cost->softirq_s_per_gb).text, perf_number(cost->machine_s_per_gb).text,
		perf_number(cost->machine_us_per_op).text);
}

static void put_costs(FILE *file, const struct perf_result *const *r, uint32_t n)
{
	fprintf(file, "  Processor time: seconds for each GB, us for each operation; machine and "
		      "softirq above idle\n");
	fprintf(file, "%13s %-35s   %s\n", "", "here", "there");
	fprintf(file, "%13s %8s %8s %8s %8s   %8s %8s %8s %8s\n", "bytes", "process", "softirq",
		"machine", "us/op", "process", "softirq", "machine", "us/op");
	for (uint32_t i = 0; i < n; i++) {
		struct perf_cost here, there;

		if (r[i]->error)
			continue;
		perf_costs(r[i], &here, &there);
		fprintf(file, "%13llu", (unsigned long long)r[i]->c.size);
		put_cost(file, &here, !is_alone(&r[i]->c));
		fputs("  ", file);
		if (is_alone(&r[i]->c))
			fprintf(file, " %8s %8s %8s %8s", "n/a", "n/a", "n/a", "n/a");
		else
			put_cost(file, &there, true);
		fputc('\n', file);
	}
}

/* What the NICs of a side counted over all repeats: "rdmap0s6 12.3 GB out, 0.1 GB in". */
static void put_nics(FILE *file, const struct perf_result *r, bool there)
{
	uint64_t out[PERF_NICS_MAX] = { 0 }, in[PERF_NICS_MAX] = { 0 };
	const struct perf_side *last = NULL;
	char text[2048] = "";
	size_t len = 0;

	for (uint32_t i = 0; i < r->runs; i++) {
		const struct perf_side *side = there ? &r->run[i].there : &r->run[i].here;

		last = side;
		for (uint32_t k = 0; k < side->nics && k < PERF_NICS_MAX; k++) {
			out[k] += side->nic[k].tx_bytes;
			in[k] += side->nic[k].rx_bytes;
		}
	}
	for (uint32_t k = 0; last && k < last->nics && len < sizeof(text); k++)
		if (out[k] || in[k])
			len += (size_t)snprintf(text + len, sizeof(text) - len,
						"%s%s %s GB out, %s GB in", len ? "; " : "",
						last->nic[k].name,
						perf_number((double)out[k] / 1e9).text,
						perf_number((double)in[k] / 1e9).text);
	if (len)
		perf_put_linesf(file, there ? "    there: " : "    here:  ", "%llu bytes: %s",
				(unsigned long long)r->c.size, text);
}

static void put_all_nics(FILE *file, const struct perf_result *const *r, uint32_t n)
{
	bool any = false;

	for (uint32_t i = 0; i < n && !any; i++)
		for (uint32_t k = 0; k < r[i]->runs && !any; k++)
			any = r[i]->run[k].here.nics || r[i]->run[k].there.nics;
	if (!any)
		return;
	fprintf(file, "  What the NICs counted while it was measured\n");
	for (uint32_t i = 0; i < n; i++) {
		put_nics(file, r[i], false);
		put_nics(file, r[i], true);
	}
}

static void put_table(FILE *file, const struct perf_report *report,
		      const struct perf_result *const *r, uint32_t n)
{
	put_title(file, report, r[0]);
	put_head(file, &r[0]->c);
	for (uint32_t i = 0; i < n; i++)
		put_row(file, report, r[i]);
	for (uint32_t i = 0; i < n; i++) {
		put_missing(file, r[i]);
		put_flags(file, r[i]);
	}
	put_costs(file, r, n);
	put_all_nics(file, r, n);
}

/* The results of the table that begins with result[first], also those that come later, since what
 * is compared is measured by turns. Returns how many; 0: result[first] stands in an earlier one. */
static uint32_t find_table(const struct perf_report *report, uint32_t first,
			   const struct perf_result **ret)
{
	const struct perf_case *c = &report->result[first].c;
	uint32_t n = 0;

	for (uint32_t i = 0; i < first; i++)
		if (same_table(&report->result[i].c, c))
			return 0;
	for (uint32_t i = first; i < report->results; i++)
		if (same_table(c, &report->result[i].c))
			ret[n++] = &report->result[i];
	return n;
}

int perf_write_table(const struct perf_report *report, FILE *file)
{
	const struct perf_result **list = calloc(report->results + 1, sizeof(const void *));
	uint32_t n;

	if (!list)
		return err_set(-ENOMEM, "no memory for the table");
	put_top(file, report);
	if (!report->results)
		perf_put_lines(file, "", "Nothing was measured.");
	for (uint32_t i = 0; i < report->results; i++) {
		n = find_table(report, i, list);
		if (n)
			put_table(file, report, list, n);
	}
	free(list);
	return perf_file_end(file, 0);
}
