/* SPDX-License-Identifier: Apache-2.0 */
/* weft top: what RDMA devices and servers of the machine do, interval by interval. */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/err.h"
#include "common/program.h"
#include "top/top.h"

struct top_values {
#define OPT_FIELDS
#include "top/top.def"
};

static const struct opt_row top_rows[] = {
#define OPT_ROWS struct top_values
#include "top/top.def"
};

static const struct opt_table top_table = OPT_TABLE(top_rows, struct top_values);

#define NAME "weft top"

void top_read(struct top *top)
{
	uint64_t before_ns = top->nics->now_ns;

	nics_read(top->nics, clock_ns());
	servers_read(top->servers);
	top->seconds = before_ns ? (double)(top->nics->now_ns - before_ns) / NSEC_PER_SEC : 0;
}

uint64_t top_due_ns(const struct top *top)
{
	return top->nics->now_ns + top->interval_ns;
}

static void sleep_till(uint64_t when_ns)
{
	struct timespec when = {
		.tv_sec = (time_t)(when_ns / NSEC_PER_SEC),
		.tv_nsec = (long)(when_ns % NSEC_PER_SEC),
	};

	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &when, NULL) == EINTR)
		;
}

static void put_line(void *ctx, enum line_kind kind, const char *text)
{
	(void)ctx;
	(void)kind;
	/* Names of files can hold anything. */
	for (; *text; text++)
		putchar(*text < ' ' || *text > '~' ? '?' : *text);
	putchar('\n');
}

static void print_tables(const struct top *top)
{
	table_nics(top, put_line, NULL);
	putchar('\n');
	table_servers(top, put_line, NULL);
	table_notes(top, put_line, NULL);
}

/* Reading after reading on standard output, until nobody reads it. */
static int print(struct top *top, const struct top_values *values)
{
	int rc = 0, lost;

	do {
		sleep_till(top_due_ns(top));
		top_read(top);
		if (values->json)
			rc = print_json(top);
		else
			print_tables(top);
		if (!values->once && !values->json)
			putchar('\n');
		/* What could not be written is thrown away: program_finish() does not see why. */
		lost = fflush(stdout) ? errno : 0;
	} while (!rc && !lost && !values->once);
	if (lost == EPIPE)
		return PROGRAM_BROKENPIPE;
	return rc ? program_fail(NAME, rc, NULL) : 0;
}

static int run(struct top *top, const struct top_values *values)
{
	top->interval_ns = values->interval;
	top_read(top);
	if (values->once || values->json || !isatty(STDOUT_FILENO) || !isatty(STDIN_FILENO))
		return print(top, values);
	return screen_run(top);
}

static int open_and_run(const struct top_values *values)
{
	struct sysroot root;
	struct top top = { 0 };
	int status, rc = sysroot_open(&root, NULL, getenv("SYSFS_PATH"));

	if (rc)
		return program_fail(NAME, rc, NULL);
	nics_more_files();
	rc = nics_open(&top.nics, &root, true);
	if (!rc)
		rc = servers_open(&top.servers);
	status = rc ? program_fail(NAME, rc, NULL) : run(&top, values);
	servers_close(top.servers);
	nics_close(top.nics);
	sysroot_close(&root);
	return status;
}

int main(int argc, char **argv)
{
	struct top_values values;
	struct opt_result result;
	int status = program_start(&top_table, argc, argv, &values, &result);

	if (status != PROGRAM_GO)
		return status;
	signal(SIGPIPE, SIG_IGN);
	return program_finish(NAME, open_and_run(&values));
}
