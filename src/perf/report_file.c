/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "perf/report.h"
#include "perf/report_json.h"

int perf_file_end(FILE *file, int rc)
{
	int code;

	errno = 0;
	if (!rc && !fflush(file) && !ferror(file))
		return 0;
	code = errno;
	if (rc && rc != -EIO)
		return rc;
	return err_set(-EIO, "the report could not be written: %s",
		       code ? strerror(code) : "the file does not take it (is the disk full?)");
}

/* Closes the file; a failure of that is one of writing, too. */
static int write_and_close(const struct perf_report *report, FILE *file, const char *path,
			   int (*write)(const struct perf_report *, FILE *), bool sync)
{
	int rc = write(report, file), code;

	if (!rc && sync && fsync(fileno(file)))
		rc = err_set(-EIO, "the report could not be written: %s", strerror(errno));
	if (fclose(file) && !rc) {
		code = errno;
		rc = err_set(-EIO, "the report could not be written: %s", strerror(code));
	}
	return rc ? err_prefix(rc, "%s", path) : 0;
}

static int cannot_open(const char *path)
{
	int code = errno;

	return err_set(-EIO, "%s: the report could not be written: %s", path, strerror(code));
}

/* Writes beside the path, then takes its place. */
static int write_new(const struct perf_report *report, const char *path,
		     int (*write)(const struct perf_report *, FILE *))
{
	char name[PATH_MAX];
	mode_t mask = umask(0);
	FILE *file;
	int fd, rc;

	umask(mask);
	if (snprintf(name, sizeof(name), "%s.XXXXXX", path) >= (int)sizeof(name)) {
		errno = ENAMETOOLONG;
		return cannot_open(path);
	}
	fd = mkstemp(name);
	if (fd < 0)
		return cannot_open(path);
	file = fdopen(fd, "w");
	if (!file || fchmod(fd, 0666 & ~mask)) {
		rc = cannot_open(path);
		file ? fclose(file) : close(fd);
		goto remove;
	}
	rc = write_and_close(report, file, path, write, true);
	if (!rc && rename(name, path))
		rc = cannot_open(path);
remove:
	if (rc)
		unlink(name);
	return rc;
}

int perf_write_file(const struct perf_report *report, const char *path,
		    int (*write)(const struct perf_report *, FILE *))
{
	char real[PATH_MAX];
	struct stat st;
	FILE *file;

	if (!strcmp(path, "-"))
		return write(report, stdout);
	if (stat(path, &st))
		return write_new(report, path, write);
	if (S_ISREG(st.st_mode))
		return write_new(report, realpath(path, real) ? real : path, write);
	/* A device or a pipe: nothing can take its place. */
	file = fopen(path, "we");
	return file ? write_and_close(report, file, path, write, false) : cannot_open(path);
}
