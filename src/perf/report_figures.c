/* SPDX-License-Identifier: Apache-2.0 */
#include "perf/report_figures.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "perf/backend.h"
#include "perf/gate.h"
#include "perf/report_text.h"

const struct perf_share perf_shares[] = {
	{ 0.5, "p50" },     { 0.9, "p90" },       { 0.99, "p99" },
	{ 0.999, "p99.9" }, { 0.9999, "p99.99" }, { 0.99999, "p99.999" },
};
const uint32_t perf_shares_n = sizeof(perf_shares) / sizeof(perf_shares[0]);

static void cost_of(struct perf_cost *ret, const struct perf_cpu *sum, double bytes, double ops)
{
	double gb = bytes > 0 ? bytes / 1e9 : NAN, mops = ops > 0 ? ops / 1e6 : NAN;

	ret->process_s_per_gb = sum->process / gb;
	ret->softirq_s_per_gb = sum->softirq / gb;
	ret->machine_s_per_gb = sum->machine / gb;
	ret->process_us_per_op = sum->process / mops;
	ret->machine_us_per_op = sum->machine / mops;
}

static void add_cpu(struct perf_cpu *sum, const struct perf_cpu *cpu)
{
	sum->process += cpu->process;
	sum->softirq += cpu->softirq;
	sum->machine += cpu->machine;
}

void perf_costs(const struct perf_result *r, struct perf_cost *here, struct perf_cost *there)
{
	struct perf_cpu at_here = { 0 }, at_there = { 0 };
	double bytes = 0, ops = 0;

	for (uint32_t i = 0; i < r->runs; i++) {
		const struct perf_run *run = &r->run[i];

		if (run->error)
			continue;
		add_cpu(&at_here, &run->here.cpu);
		add_cpu(&at_there, &run->there.cpu);
		bytes += (double)run->here.bytes + (double)run->there.bytes;
		ops += (double)run->here.ops + (double)run->there.ops;
	}
	cost_of(here, &at_here, bytes, ops);
	cost_of(there, &at_there, bytes, ops);
}

double perf_run_rate(const struct perf_run *run)
{
	if (run->error || !(run->here.ns || run->there.ns))
		return NAN;
	return perf_per_second(run->here.bytes, run->here.ns) +
	       perf_per_second(run->there.bytes, run->there.ns);
}

double perf_run_ops(const struct perf_run *run)
{
	if (run->error || !(run->here.ns || run->there.ns))
		return NAN;
	return perf_per_second(run->here.ops, run->here.ns) +
	       perf_per_second(run->there.ops, run->there.ns);
}

double perf_run_p50(const struct perf_run *run)
{
	if (run->error || !run->latency || !run->latency->count)
		return NAN;
	return (double)hist_percentile(run->latency, 50);
}

bool perf_is_time(const struct perf_case *c)
{
	return c->test != PERF_BW && c->test != PERF_RATE;
}

bool perf_round_trip(const struct perf_case *c)
{
	return (c->test == PERF_LAT || c->test == PERF_OPEN) &&
	       (c->op == PERF_SEND || c->op == PERF_WRITE_IMM);
}

const struct perf_median *perf_main_figure(const struct perf_result *r)
{
	if (perf_is_time(&r->c))
		return &r->p50;
	return r->c.test == PERF_RATE ? &r->ops : &r->rate;
}

static double line_rate(const struct perf_report *report)
{
	double here = report->here.line_rate, there = report->there.line_rate;

	if (!(here > 0))
		return there;
	return there > 0 && there < here ? there : here;
}

double perf_line_share(const struct perf_report *report, const struct perf_result *r)
{
	const struct perf_backend *backend = perf_backend_find(r->c.backend);
	double line = line_rate(report);

	if (report->emulated || perf_is_time(&r->c) || !(line > 0) || r->error)
		return NAN;
	if ((backend && backend->one_process) || !strcmp(r->c.provider, "shm"))
		return NAN;
	return r->rate.median / line / (r->c.bidir ? 2 : 1);
}

struct perf_label perf_label(const struct perf_report *report, const struct perf_result *r)
{
	const char *provider = r->c.provider, *mine = "", *nic = "";
	char text[2 * PERF_NAME_MAX + 16];
	struct perf_label label;

	if (!strcmp(r->c.backend, "tcp")) {
		snprintf(label.text, sizeof(label.text), "TCP");
		return label;
	}
	/* "tcp" alone would be taken for sockets. */
	if (strcmp(r->c.backend, "fabric") != 0 || strncmp(provider, "efa", 3) != 0)
		mine = r->c.backend;
	if (!strncmp(provider, "efa", 3)) {
		nic = report->emulated ? "emulated EFA" : "EFA";
		provider += 3;
	}
	snprintf(text, sizeof(text), "%s%s%s%s", mine, *mine && (*nic || *provider) ? " " : "", nic,
		 provider);
	perf_plain(label.text, sizeof(label.text), text);
	return label;
}

const char *perf_layer(const struct perf_result *r)
{
	const struct perf_backend *backend = perf_backend_find(r->c.backend);

	return backend && backend->layer ? backend->layer : r->c.backend;
}

const char *perf_remedy(const struct perf_flag *flag)
{
	for (uint32_t i = 0; flag->gate && i < perf_gate_rows_n; i++)
		if (!strcmp(perf_gate_rows[i].id, flag->gate))
			return perf_gate_rows[i].remedy ? perf_gate_rows[i].remedy : "";
	return "";
}
