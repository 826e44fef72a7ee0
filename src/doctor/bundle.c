/* SPDX-License-Identifier: Apache-2.0 */
#include "doctor/bundle.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/klog.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <weft/weft.h>

#include "base/alloc.h"
#include "base/err.h"
#include "doctor/copy.h"
#include "doctor/secrets.h"
#include "doctor/tar.h"

#define TOP       "weft-doctor/"
#define KLOG_MAX  (4 << 20)
#define KLOG_READ 3 /* SYSLOG_ACTION_READ_ALL */

/* What the process that writes has to say. */
struct said {
	int code;
	char detail[ERR_DETAIL_MAX];
};

struct bundle {
	const struct doctor_report *report;
	struct tar tar;
};

static const char *const general[] = {
	"/etc/os-release",
	"/opt/amazon/efa_installed_packages",
	"/proc/cmdline",
	"/proc/meminfo",
	"/proc/modules",
	"/proc/self/cgroup",
	"/proc/self/limits",
	"/proc/self/status",
	"/proc/self/uid_map",
	"/proc/sys/kernel/hostname",
	"/proc/sys/kernel/osrelease",
	"/proc/version",
	"/sys/devices/virtual/dmi/id/product_name",
	"/sys/devices/virtual/dmi/id/sys_vendor",
	"/sys/module/efa/version",
};

static void put_text(struct bundle *bundle, const char *name, char *text, size_t len)
{
	secret_scrub(text, len, bundle->report->doctor->environ);
	tar_file(&bundle->tar, name, text, len);
}

static void put_report(struct bundle *bundle, const char *name,
		       void (*put)(const struct doctor_report *report, FILE *out))
{
	char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);

	if (!out) {
		bundle->tar.error = -ENOMEM;
		return;
	}
	put(bundle->report, out);
	if (fclose(out))
		bundle->tar.error = -ENOMEM;
	else
		put_text(bundle, name, text, len);
	free(text);
}

static void plain_text(const struct doctor_report *report, FILE *out)
{
	report_text(report, out, false);
}

/* --- copies of files ------------------------------------------------------------------------ */

/* The paths in front of the colons of its lines. */
static void put_evidence(struct copy *copy, const char *evidence)
{
	char path[SYSROOT_PATH_MAX];
	size_t len, line;

	for (; *evidence; evidence += line + (evidence[line] == '\n')) {
		line = strcspn(evidence, "\n");
		len = strcspn(evidence, ": \n");
		if (*evidence != '/' || len >= sizeof(path))
			continue;
		snprintf(path, sizeof(path), "%.*s", (int)len, evidence);
		copy_path(copy, path);
	}
}

static void put_copies(struct bundle *bundle)
{
	const struct doctor_report *report = bundle->report;
	struct copy copy;
	size_t i;

	bundle->tar.error = copy_begin(&copy, report->doctor, &bundle->tar, TOP "tree");
	if (bundle->tar.error)
		return;
	for (i = 0; i < sizeof(general) / sizeof(general[0]); i++)
		copy_path(&copy, general[i]);
	copy_devices(&copy);
	for (i = 0; i < report->table->count; i++)
		if (report->results[i].wanted)
			put_evidence(&copy, report->results[i].finding.evidence);
	copy_end(&copy);
}

/* --- the rest ------------------------------------------------------------------------------- */

static void put_kernel_log(struct bundle *bundle)
{
	char *text = mem_zalloc(KLOG_MAX);
	int len;

	if (!text) {
		bundle->tar.error = -ENOMEM;
		return;
	}
	if (bundle->report->doctor->sysroot_given)
		len = snprintf(text, KLOG_MAX, "not there: these are the files of a copy\n");
	else if ((len = klogctl(KLOG_READ, text, KLOG_MAX)) < 0)
		len = snprintf(text, KLOG_MAX, "cannot be read: %s\n", strerror(errno));
	else
		put_text(bundle, TOP "tree/var/log/dmesg", text, (size_t)len);
	put_text(bundle, TOP "dmesg.txt", text, (size_t)len);
	mem_free(text);
}

static void put_environ(struct bundle *bundle)
{
	char *text = secret_environ(bundle->report->doctor->environ);

	if (!text) {
		bundle->tar.error = -ENOMEM;
		return;
	}
	put_text(bundle, TOP "tree/environ", text, strlen(text));
	mem_free(text);
}

static void put_probe(struct bundle *bundle)
{
	const char *probe = bundle->report->doctor->probe;
	char *text = probe && *probe ? mem_strdup(probe) : NULL;

	if (text)
		put_text(bundle, TOP "tree/probe", text, strlen(text));
	mem_free(text);
}

/* copies: of files too; without them nothing is read that may hang. */
static int write_all(const struct doctor_report *report, const char *path, bool copies)
{
	static const char none[] =
		"Files were not copied: the process that reads them did not end.\n";
	struct bundle bundle = { .report = report };
	int rc = tar_open(&bundle.tar, path, (uint64_t)time(NULL));

	if (rc)
		return rc;
	put_report(&bundle, TOP "report.txt", plain_text);
	put_report(&bundle, TOP "report.json", report_json);
	put_report(&bundle, TOP "report.md", report_markdown);
	put_kernel_log(&bundle);
	put_environ(&bundle);
	put_probe(&bundle);
	if (copies && !bundle.tar.error)
		put_copies(&bundle);
	else if (!copies)
		tar_file(&bundle.tar, TOP "tree/README", none, sizeof(none) - 1);
	return tar_close(&bundle.tar);
}

/* In a process of its own, since a file that hangs must not take the reports with it. What it says
 * is its code and the detail; nothing: it died. */
static void write_apart(const struct doctor_report *report, const char *path, int fd)
{
	struct said said = { .code = write_all(report, path, true) };

	snprintf(said.detail, sizeof(said.detail), "%s", said.code ? weft_error_detail() : "");
	_exit(write(fd, &said, sizeof(said)) != sizeof(said));
}

int bundle_write(const struct doctor_report *report, const char *path, int limit_ms)
{
	struct said said;
	struct pollfd wait;
	bool ended = false;
	int fds[2];
	pid_t pid;

	if (!limit_ms)
		return write_all(report, path, false);
	if (pipe2(fds, O_CLOEXEC))
		return err_set(-errno, "%s: %s", path, strerror(errno));
	pid = fork();
	if (!pid)
		write_apart(report, path, fds[1]);
	close(fds[1]);
	wait = (struct pollfd){ .fd = fds[0], .events = POLLIN };
	if (pid > 0 && poll(&wait, 1, limit_ms) == 1)
		ended = read(fds[0], &said, sizeof(said)) == sizeof(said);
	close(fds[0]);
	if (pid > 0) {
		kill(pid, SIGKILL);
		waitpid(pid, NULL, ended ? 0 : WNOHANG);
	}
	if (ended)
		return said.code ? err_set(said.code, "%s", said.detail) : 0;
	return write_all(report, path, false);
}
