/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>

#include "base/err.h"
#include "common/program.h"
#include "perf/perf.h"
#include "perf/report.h"

/* Is a server named where one is needed, and only there? 0 or the exit status. */
static int check_host(const struct perf_case *cases, uint32_t n, const char *host)
{
	bool needed = false;

	for (uint32_t i = 0; i < n; i++) {
		if (host && n == 1 && case_is_alone(&cases[i]))
			return program_usage(NAME, "back end %s is in this process: leave HOST out",
					     cases[i].backend);
		needed |= !case_is_alone(&cases[i]);
	}
	if (needed && !host)
		return program_usage(NAME,
				     "HOST is missing: start 'weft perf server' there, or measure "
				     "--backend loop or model alone");
	return 0;
}

/* Each size over all of the cases in turn. */
static int measure_sizes(const struct command_line *line, const struct perf_case *bases, uint32_t n,
			 const uint64_t *sizes, uint32_t count)
{
	struct perf_case cases[2];
	struct measuring m;
	int rc = measuring_begin(&m, line, line->values.host), failed = 0;

	if (rc)
		return rc;
	for (uint32_t i = 0; !failed && i < count && !measuring_is_over(&m); i++) {
		for (uint32_t k = 0; k < n; k++) {
			cases[k] = bases[k];
			cases[k].size = sizes[i];
		}
		failed = measuring_add(&m, cases, n);
	}
	rc = failed ? program_fail(NAME, failed, "%s", line->result.command) : 0;
	return rc ? measuring_status(&m, rc) : measuring_end(&m);
}

int command_run(const struct command_line *line)
{
	uint64_t sizes[PERF_SIZES];
	struct perf_case c;
	uint32_t n;
	int rc = case_from(line, &c);

	if (!rc)
		rc = case_backend(&c, line->values.backend);
	if (!rc && c.provider[0] && !case_has_provider(&c))
		rc = program_usage(NAME, "back end %s has no provider: leave --provider out",
				   c.backend);
	if (!rc && (c.devices[0] || c.nics) && !case_has_provider(&c))
		rc = program_usage(NAME,
				   "back end %s has no devices: leave --devices and --nics out",
				   c.backend);
	if (!rc && c.inline_bytes != UINT32_MAX && case_is_alone(&c))
		rc = program_usage(NAME, "back end %s sends nothing inline: leave --inline out",
				   c.backend);
	if (!rc)
		rc = check_host(&c, 1, line->values.host);
	if (!rc)
		rc = case_sizes(&c, line->values.size, sizes, &n);
	return rc ? rc : measure_sizes(line, &c, 1, sizes, n);
}

int command_compare(const struct command_line *line)
{
	uint64_t sizes[PERF_SIZES];
	struct perf_case cases[2];
	uint32_t n;
	int rc = case_from(line, &cases[0]);

	if (rc)
		return rc;
	cases[1] = cases[0];
	rc = case_backend(&cases[0], line->values.a);
	/* --provider is for the one of the two that has one. */
	if (!rc && !case_has_provider(&cases[0]))
		cases[0].provider[0] = '\0';
	if (!rc)
		rc = case_backend(&cases[1], line->values.b);
	if (!rc && !case_has_provider(&cases[1]))
		cases[1].provider[0] = '\0';
	if (!rc)
		rc = check_host(cases, 2, line->values.host);
	if (!rc)
		rc = case_sizes(&cases[1], line->values.size, sizes, &n);
	return rc ? rc : measure_sizes(line, cases, 2, sizes, n);
}

int command_diff(const struct command_line *line)
{
	struct perf_report before, after;
	int rc = perf_read_json(&before, line->values.old_file);

	if (rc)
		return program_fail(NAME, rc, NULL);
	rc = perf_read_json(&after, line->values.new_file);
	if (rc) {
		perf_report_free(&before);
		return program_fail(NAME, rc, NULL);
	}
	rc = perf_write_diff(&before, &after, line->values.tolerance / 100, stdout);
	perf_report_free(&before);
	perf_report_free(&after);
	return rc < 0 ? program_fail(NAME, rc, NULL) : rc;
}
