/* SPDX-License-Identifier: Apache-2.0 */
#include "doctor/bundle.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/klog.h>
#include <time.h>

#include "base/alloc.h"
#include "base/err.h"
#include "doctor/secrets.h"
#include "doctor/tar.h"

#define TOP       "weft-doctor/"
#define FILES_MAX 1024
#define FILE_MAX  (256 << 10) /* bytes of a copied file */
#define KLOG_MAX  (4 << 20)
#define KLOG_READ 3 /* SYSLOG_ACTION_READ_ALL */

struct bundle {
	const struct doctor_report *report;
	struct tar tar;
	char *copied[FILES_MAX]; /* paths, each once */
	size_t copied_n;
	char *room; /* FILE_MAX bytes */
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

static bool is_copied(struct bundle *bundle, const char *path)
{
	for (size_t i = 0; i < bundle->copied_n; i++)
		if (!strcmp(bundle->copied[i], path))
			return true;
	if (bundle->copied_n == FILES_MAX)
		return true;
	bundle->copied[bundle->copied_n] = mem_strdup(path);
	return !bundle->copied[bundle->copied_n] || !++bundle->copied_n;
}

/* A regular file as it is, a link by what it ends in; nothing else. */
static void put_copy(struct bundle *bundle, const char *path)
{
	const struct sysroot *root = &bundle->report->doctor->root;
	char name[SYSROOT_PATH_MAX + sizeof(TOP "tree")], target[TAR_LINK_MAX];
	int len;

	if (*path != '/' || strstr(path, "/../") || secret_file(path) || is_copied(bundle, path))
		return;
	snprintf(name, sizeof(name), TOP "tree%s", path);
	len = sysroot_read(root, bundle->room, FILE_MAX, "%s", path);
	if (len >= 0) {
		bundle->room[len++] = '\n';
		put_text(bundle, name, bundle->room, (size_t)len);
	} else if (!sysroot_link(root, target, sizeof(target), "%s", path)) {
		tar_link(&bundle->tar, name, target);
	}
}

/* The paths in front of the colons of its lines. */
static void put_evidence(struct bundle *bundle, const char *evidence)
{
	char path[SYSROOT_PATH_MAX];
	size_t len, line;

	for (; *evidence; evidence += line + (evidence[line] == '\n')) {
		line = strcspn(evidence, "\n");
		len = strcspn(evidence, ": \n");
		if (*evidence != '/' || len >= sizeof(path))
			continue;
		snprintf(path, sizeof(path), "%.*s", (int)len, evidence);
		put_copy(bundle, path);
	}
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

static void put_all(struct bundle *bundle)
{
	const struct doctor_report *report = bundle->report;
	size_t i;

	put_report(bundle, TOP "report.txt", plain_text);
	put_report(bundle, TOP "report.json", report_json);
	put_report(bundle, TOP "report.md", report_markdown);
	put_kernel_log(bundle);
	put_environ(bundle);
	put_probe(bundle);
	for (i = 0; i < sizeof(general) / sizeof(general[0]); i++)
		put_copy(bundle, general[i]);
	for (i = 0; i < report->table->count; i++)
		if (report->results[i].wanted)
			put_evidence(bundle, report->results[i].finding.evidence);
}

int bundle_write(const struct doctor_report *report, const char *path)
{
	struct bundle *bundle = mem_zalloc(sizeof(*bundle));
	int rc;

	if (!bundle)
		return err_set(-ENOMEM, "%s", path);
	bundle->report = report;
	bundle->room = mem_alloc(FILE_MAX + 1);
	rc = bundle->room ? tar_open(&bundle->tar, path, (uint64_t)time(NULL))
			  : err_set(-ENOMEM, "%s", path);
	if (!rc) {
		put_all(bundle);
		rc = tar_close(&bundle->tar);
	}
	while (bundle->copied_n)
		mem_free(bundle->copied[--bundle->copied_n]);
	mem_free(bundle->room);
	mem_free(bundle);
	return rc;
}
