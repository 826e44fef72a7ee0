/* SPDX-License-Identifier: Apache-2.0 */
/*
 * weft exporter: counters of the machine's RDMA devices for Prometheus. One thread; the devices are
 * read when someone asks, once a second at most.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <weft/weft.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "common/program.h"
#include "watch/http.h"
#include "watch/nics.h"

struct exporter_values {
#define OPT_FIELDS
#include "exporter/exporter.def"
};

static const struct opt_row exporter_rows[] = {
#define OPT_ROWS struct exporter_values
#include "exporter/exporter.def"
};

static const struct opt_table exporter_table = OPT_TABLE(exporter_rows, struct exporter_values);

#define NAME      "weft exporter"
#define NOTES_MAX 256 /* of one reading */

struct notes {
	uint32_t count;
	char text[NOTES_MAX][256];
};

/* Of this reading and the one before: what still holds is not said again. */
static struct notes notes[2];
static uint32_t notes_now;

static void log_note(void *ctx, const char *text)
{
	static struct log_limit limit = LOG_LIMIT(20, 3600 * NSEC_PER_SEC);
	struct notes *now = &notes[notes_now];
	const struct notes *before = &notes[!notes_now];

	(void)ctx;
	if (now->count < NOTES_MAX)
		snprintf(now->text[now->count++], sizeof(now->text[0]), "%s", text);
	for (uint32_t i = 0; i < before->count; i++)
		if (!strncmp(before->text[i], text, sizeof(before->text[i]) - 1))
			return;
	log_limited(&limit, LOG_WARN, text);
}

static int write_metrics(void *ctx, FILE *out)
{
	const char *build[] = { NAME, WEFT_VERSION, "" };
	struct nics *nics = ctx;

	nics_read(nics, clock_ns());
	notes_now = !notes_now;
	notes[notes_now].count = 0;
	nics_notes(nics, log_note, NULL);
	nics_metrics(nics, out);
	metric_head(out, METRIC_build);
	metric_u64(out, METRIC_build, build, 1);
	return 0;
}

static const struct http_page pages[] = {
	{ "/metrics", HTTP_METRICS_TYPE, write_metrics, NICS_PERIOD_NS },
};

/* Can be read when SIGTERM or SIGINT has come. */
static int stop_fd(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
	return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

static int serve(const struct exporter_values *values, struct nics *nics)
{
	struct http_opts opts = { .name = NAME,
				  .pages = pages,
				  .page_count = sizeof(pages) / sizeof(*pages),
				  .ctx = nics,
				  .local_fd = -1 };
	struct address address;
	struct http *http;
	uint16_t port = 0;
	int stop, rc;

	rc = address_parse(&address, values->addr);
	if (rc)
		return program_fail(NAME, rc, "--addr");
	opts.tcp_fd = http_listen(&address, &port);
	if (opts.tcp_fd < 0)
		return program_fail(NAME, opts.tcp_fd, "--addr");
	rc = http_open(&http, &opts);
	if (rc)
		return program_fail(NAME, rc, NULL);
	stop = stop_fd();
	printf("%s: ready on %s%s%s:%u\n", NAME, address.v6 ? "[" : "", address.host,
	       address.v6 ? "]" : "", port);
	if (stop < 0 || fflush(stdout))
		rc = program_fail(NAME, -errno, "before the first request");
	else
		http_run(http, stop);
	http_close(http);
	if (stop >= 0)
		close(stop);
	return rc;
}

int main(int argc, char **argv)
{
	struct exporter_values values;
	struct opt_result result;
	struct sysroot root;
	struct nics *nics;
	int rc, status = program_start(&exporter_table, argc, argv, &values, &result);

	if (status != PROGRAM_GO)
		return status;
	log_init((enum log_level)values.log_level, values.json_log);
	rc = sysroot_open(&root, NULL, getenv("SYSFS_PATH"));
	if (rc)
		return program_fail(NAME, rc, NULL);
	nics_more_files();
	rc = nics_open(&nics, &root, true);
	if (rc) {
		status = program_fail(NAME, rc, NULL);
	} else {
		status = values.once ? write_metrics(nics, stdout) : serve(&values, nics);
		nics_close(nics);
	}
	sysroot_close(&root);
	return program_finish(NAME, status);
}
