/* SPDX-License-Identifier: Apache-2.0 */
/*
 * weft doctor: why the fabric does not work. A static program, so that it runs where libraries do
 * not; these are asked by weft-doctor-probe.
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "common/program.h"
#include "doctor/bundle.h"
#include "doctor/cli.h"

static struct doctor_table all_checks(void)
{
	return (struct doctor_table){ doctor_checks, doctor_checks_count };
}

int cli_look(struct cli_look *ret, const struct cli_values *values, const bool *wanted)
{
	static struct doctor_table table;
	const struct doctor_source source = {
		.sysroot = values->sysroot,
		.sysfs = getenv("SYSFS_PATH"),
		.environ_file = values->environ,
		.environ = environ,
		.probe = true,
		.probe_path = getenv("WEFT_PROBE"),
	};
	int rc = doctor_open(&ret->doctor, &source);

	if (rc)
		return rc;
	table = all_checks();
	doctor_run(&ret->doctor, &table, wanted, DOCTOR_CHECK_NS, ret->results);
	report_begin(&ret->report, &ret->doctor, &table, ret->results);
	return 0;
}

void cli_look_close(struct cli_look *look)
{
	doctor_close(&look->doctor);
}

static int put_list(const struct cli_values *values)
{
	struct doctor_table table = all_checks();

	if (values->json)
		list_json(&table, stdout);
	else if (values->markdown)
		list_markdown(&table, stdout);
	else
		list_text(&table, stdout);
	return 0;
}

static int put_report(const struct cli_values *values, const bool *wanted)
{
	struct cli_look *look = mem_zalloc(sizeof(*look));
	int rc = look ? cli_look(look, values, wanted) : -ENOMEM, status;

	if (rc) {
		mem_free(look);
		program_fail(CLI_NAME, rc, NULL);
		return CLI_FAILED;
	}
	if (values->json)
		report_json(&look->report, stdout);
	else if (values->markdown)
		report_markdown(&look->report, stdout);
	else
		report_text(&look->report, stdout, cli_colour());
	status = doctor_exit_status(&look->report.summary);
	if (values->bundle && (rc = bundle_write(&look->report, values->bundle, BUNDLE_MS))) {
		program_fail(CLI_NAME, rc, "--bundle");
		status = CLI_FAILED;
	}
	cli_look_close(look);
	mem_free(look);
	return status;
}

static int put_explained(const struct cli_values *values)
{
	struct doctor_table table = all_checks();
	struct cli_look *look;
	bool wanted[DOCTOR_CHECKS_MAX] = { false };
	int at = doctor_find(&table, values->explain, strlen(values->explain)), rc;

	if (at < 0)
		return program_usage(CLI_NAME, "no check is called '%s' (weft doctor --list)",
				     values->explain);
	wanted[at] = true;
	look = mem_zalloc(sizeof(*look));
	rc = look ? cli_look(look, values, wanted) : -ENOMEM;
	if (rc) {
		program_fail(CLI_NAME, rc, NULL);
	} else {
		report_explain(&look->report, stdout, cli_colour(), (size_t)at);
		rc = doctor_exit_status(&look->report.summary);
		cli_look_close(look);
	}
	mem_free(look);
	return rc < 0 ? CLI_FAILED : rc;
}

static bool looks_elsewhere(const struct cli_values *values)
{
	return values->peer || values->cluster;
}

/* What does not go together. PROGRAM_GO, or an exit status. */
static int check_options(const struct cli_values *values, const struct opt_result *result)
{
	if (values->peer && values->cluster)
		return program_usage(CLI_NAME, "--peer and --cluster do not go together");
	if (looks_elsewhere(values) &&
	    (values->only || values->markdown || values->bundle || values->watch ||
	     values->explain || values->list || values->sysroot || values->environ))
		return program_usage(CLI_NAME, "--peer and --cluster go with --json, --provider "
					       "and --wait alone");
	if (!looks_elsewhere(values) &&
	    (opt_given(&cli_opts, result, "provider") || opt_given(&cli_opts, result, "wait")))
		return program_usage(CLI_NAME,
				     "--provider and --wait belong to --peer and --cluster");
	if (values->json && values->markdown)
		return program_usage(CLI_NAME, "--json and --markdown do not go together");
	if (values->watch && (values->json || values->markdown || values->bundle))
		return program_usage(CLI_NAME, "--watch prints text: leave out --json, --markdown "
					       "and --bundle");
	if ((values->explain && (values->only || values->json || values->markdown)) ||
	    ((values->explain || values->list) && (values->watch || values->bundle)) ||
	    (values->list && (values->only || values->explain)))
		return program_usage(CLI_NAME, "--list and --explain go with no other way to look");
	return PROGRAM_GO;
}

static int look(const struct cli_values *values, const bool *wanted)
{
	if (values->list)
		return put_list(values);
	if (values->explain)
		return put_explained(values);
	return values->watch ? cli_watch(values, wanted) : put_report(values, wanted);
}

int main(int argc, char **argv)
{
	struct doctor_table table = all_checks();
	bool wanted[DOCTOR_CHECKS_MAX];
	struct cli_values values;
	char **words = mem_array((size_t)argc + 1, sizeof(*words));
	struct opt_result result;
	int status;

	if (!words)
		return program_fail(CLI_NAME, -ENOMEM, NULL);
	/* Reading options takes them out of argv. */
	memcpy(words, argv, (size_t)argc * sizeof(*words));
	signal(SIGCHLD, SIG_DFL); /* ended children are waited for */
	status = program_start(&cli_opts, argc, argv, &values, &result);
	if (status == PROGRAM_GO)
		status = check_options(&values, &result);
	if (status == PROGRAM_GO && values.only)
		status = cli_select(&table, values.only, wanted);
	if (status == PROGRAM_GO)
		status = program_finish(CLI_NAME,
					looks_elsewhere(&values)
						? cli_launch_peer(words)
						: look(&values, values.only ? wanted : NULL));
	mem_free(words);
	return status;
}
