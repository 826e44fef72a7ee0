/* SPDX-License-Identifier: Apache-2.0 */
/* weft doctor --watch: the report once, then what changed. */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <time.h>

#include "base/alloc.h"
#include "common/program.h"
#include "doctor/cli.h"

/* True: SIGINT or SIGTERM came, which are blocked. */
static bool wait_or_stop(uint64_t ns)
{
	struct timespec left = { (time_t)(ns / NSEC_PER_SEC), (long)(ns % NSEC_PER_SEC) };
	sigset_t stops;

	sigemptyset(&stops);
	sigaddset(&stops, SIGINT);
	sigaddset(&stops, SIGTERM);
	return sigtimedwait(&stops, NULL, &left) >= 0;
}

static bool differs(const struct doctor_result *a, const struct doctor_result *b)
{
	return a->wanted && (a->finding.verdict != b->finding.verdict ||
			     strcmp(a->finding.text, b->finding.text) != 0);
}

static void put_changes(const struct cli_look *old, const struct cli_look *new)
{
	const struct doctor_table *table = new->report.table;
	char text[512];
	bool any = false;

	for (size_t i = 0; i < table->count; i++) {
		if (!differs(&new->results[i], &old->results[i]))
			continue;
		if (!any)
			printf("\n%s\n", new->report.time);
		any = true;
		if (new->results[i].finding.verdict != old->results[i].finding.verdict)
			printf("  was %s:\n", doctor_verdict_word(old->results[i].finding.verdict));
		report_text_line(&new->report, stdout, cli_colour(), i);
	}
	if (any)
		printf("  now: %s\n", report_counts(&new->report, text, sizeof(text)));
}

int cli_watch(const struct cli_values *values, const bool *wanted)
{
	struct cli_look *looks = mem_array(2, sizeof(*looks)), *now = looks, *old = NULL, *spare;
	int rc = looks ? 0 : -ENOMEM, status = CLI_FAILED;
	sigset_t stops;

	sigemptyset(&stops);
	sigaddset(&stops, SIGINT);
	sigaddset(&stops, SIGTERM);
	sigprocmask(SIG_BLOCK, &stops, NULL);
	while (!rc) {
		rc = cli_look(now, values, wanted);
		if (rc)
			break;
		if (old)
			put_changes(old, now);
		else
			report_text(&now->report, stdout, cli_colour());
		status = doctor_exit_status(&now->report.summary);
		cli_look_close(now);
		if (fflush(stdout) || wait_or_stop(values->watch))
			break;
		spare = old ? old : looks + 1;
		old = now;
		now = spare;
	}
	mem_free(looks);
	if (!rc)
		return status;
	program_fail(CLI_NAME, rc, NULL);
	return CLI_FAILED;
}
