/* SPDX-License-Identifier: Apache-2.0 */
/* The whole guide: bandwidth by size, latency, message rate, over the fabric and over TCP in turn;
 * what both cost the processors is recorded with each. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/err.h"
#include "common/program.h"
#include "perf/perf.h"
#include "perf/report.h"

struct part {
	enum perf_test test;
	enum perf_op op;
	const char *sizes;
	uint32_t window, eps;
};

static const struct part parts[] = {
	{ PERF_BW, PERF_WRITE, "4KiB,64KiB,256KiB,1MiB,4MiB", 64, 1 },
	{ PERF_BW, PERF_READ, "64KiB,1MiB", 64, 1 },
	{ PERF_LAT, PERF_WRITE_IMM, "64,4KiB,64KiB", 1, 1 },
	{ PERF_RATE, PERF_WRITE, "64", 256, 4 },
};

static int make_dir(const char *dir)
{
	if (!mkdir(dir, 0777) || errno == EEXIST)
		return 0;
	return program_fail(NAME, err_set(-errno, "%s: %s", dir, strerror(errno)), "--dir");
}

static int write_all(struct measuring *m, const char *dir)
{
	static const struct {
		const char *name;
		int (*write)(const struct perf_report *, FILE *);
	} files[] = {
		{ "report.json", perf_write_json },
		{ "report.csv", perf_write_csv },
		{ "report.html", perf_write_html },
	};
	int rc = 0, status = 0;
	char path[4200];

	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		snprintf(path, sizeof(path), "%s/%s", dir, files[i].name);
		rc = perf_write_file(&m->report, path, files[i].write);
		if (rc)
			status = program_fail(NAME, rc, NULL);
	}
	return status;
}

static int measure_part(struct measuring *m, const struct part *part)
{
	const struct perf_values *values = &m->line->values;
	struct perf_case base = {
		.test = part->test,
		.op = part->op,
		.nics = values->nics,
		.window = part->window,
		.threads = 1,
		.eps = part->eps,
		.post_list = 1,
		.inline_bytes = UINT32_MAX,
		.duration_ns = values->duration,
		.warm_ns = values->duration,
		.seed = 1,
	};
	struct perf_case cases[2];
	uint64_t sizes[PERF_SIZES];
	uint32_t n;
	int rc;

	if (values->provider)
		snprintf(base.provider, sizeof(base.provider), "%s", values->provider);
	if (values->devices)
		snprintf(base.devices, sizeof(base.devices), "%s", values->devices);
	cases[0] = cases[1] = base;
	snprintf(cases[0].backend, sizeof(cases[0].backend), "fabric");
	snprintf(cases[1].backend, sizeof(cases[1].backend), "tcp");
	cases[1].provider[0] = cases[1].devices[0] = '\0';
	rc = case_sizes(&base, part->sizes, sizes, &n);
	for (uint32_t i = 0; !rc && i < n && !measuring_is_over(m); i++) {
		cases[0].size = cases[1].size = sizes[i];
		rc = measuring_add(m, cases, 2);
	}
	return rc;
}

int command_suite(const struct command_line *line)
{
	const char *dir = line->values.dir;
	struct measuring m;
	int rc = make_dir(dir), failed = 0, status;

	if (!rc)
		rc = measuring_begin(&m, line, line->values.suite_host);
	if (rc)
		return rc;
	for (size_t i = 0; !failed && i < sizeof(parts) / sizeof(parts[0]); i++)
		if (!measuring_is_over(&m))
			failed = measure_part(&m, &parts[i]);
	if (failed)
		return measuring_status(&m, program_fail(NAME, failed, "suite"));
	m.report.interrupted = *stop_seen;
	status = write_all(&m, dir);
	failed = m.report.results ? perf_write_table(&m.report, stdout) : 0;
	if (failed)
		status = program_fail(NAME, failed, NULL);
	if (!status)
		printf("%s/report.html, report.csv, report.json\n", dir);
	return measuring_status(&m, status);
}
