/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "perf/report.h"
#include "perf/report_fields.h"
#include "perf/report_read.h"

static int check_schema(struct perf_in *in, const cJSON *json)
{
	const cJSON *schema = cJSON_GetObjectItemCaseSensitive(json, "schema");
	uint64_t version = 0;
	int rc;

	if (!cJSON_IsString(schema) || strcmp(schema->valuestring, PERF_SCHEMA_NAME))
		return err_set(
			-EINVAL,
			"%s: is JSON, but no report of weft perf (\"schema\" is not \"%s\"); "
			"give a file that weft perf --json has written",
			in->path, PERF_SCHEMA_NAME);
	rc = perf_in_u64(in, json, "version", &version);
	if (rc)
		return rc;
	if (version > PERF_SCHEMA_VERSION || !version)
		return err_set(-EINVAL,
			       "%s: has version %llu of the schema, this weft perf knows up to %d; "
			       "read it with the weft perf that wrote it, or a newer one",
			       in->path, (unsigned long long)version, PERF_SCHEMA_VERSION);
	return 0;
}

static int no_json(const char *path, const char *text, size_t len, const char *at)
{
	size_t last = len;

	while (last && strchr(" \n\r\t", text[last - 1]))
		last--;
	if (last && *text == '{' && text[last - 1] != '}')
		return err_set(-EINVAL, "%s: is cut off after %zu bytes; write it again", path,
			       len);
	return err_set(-EINVAL, "%s: is no JSON: the error is at byte %zu of %zu", path,
		       at ? (size_t)(at - text) : 0, len);
}

int perf_read_json_text(struct perf_report *ret, const char *path, const char *text, size_t len)
{
	struct perf_report report = { 0 };
	struct perf_in in = { .path = path };
	const char *end = NULL;
	cJSON *json = cJSON_ParseWithLengthOpts(text, len + 1, &end, 1);
	int rc;

	if (!json)
		return no_json(path, text, len, end);
	in.texts = report.texts = malloc(len + 1);
	rc = report.texts ? check_schema(&in, json)
			  : err_set(-ENOMEM, "%s: no memory for %zu bytes", path, len);
	rc = rc ? rc : perf_in_object(&in, &perf_report_object, json, (char *)&report);
	cJSON_Delete(json);
	if (rc)
		perf_report_free(&report);
	else
		*ret = report;
	return rc;
}

static int too_large(const char *path)
{
	return err_set(-EINVAL, "%s: is larger than any report (%d MB)", path,
		       PERF_READ_BYTES_MAX / 1000000);
}

/* The whole file, terminated; a pipe will do. */
static int load(const char *path, int fd, char **ret_text, size_t *ret_len)
{
	size_t room = 1 << 16, len = 0;
	char *text = NULL, *more;
	ssize_t got = 1;

	while (got > 0) {
		more = len + 1 < room && text ? text : realloc(text, room *= 2);
		if (!more)
			break;
		text = more;
		got = read(fd, text + len, room - 1 - len);
		if (got < 0 && errno == EINTR)
			got = 1;
		else
			len += got > 0 ? (size_t)got : 0;
		if (len > PERF_READ_BYTES_MAX)
			break;
	}
	if (got || !text) {
		int code = got < 0 ? errno : 0;

		free(text);
		if (got < 0)
			return err_set(-code, "%s: cannot be read: %s", path, strerror(code));
		if (len > PERF_READ_BYTES_MAX)
			return too_large(path);
		return err_set(-ENOMEM, "%s: no memory to read it", path);
	}
	text[len] = '\0';
	*ret_text = text;
	*ret_len = len;
	return 0;
}

int perf_read_json(struct perf_report *ret, const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC), rc;
	struct stat st;
	char *text = NULL;
	size_t len = 0;

	if (fd < 0) {
		rc = errno;
		return err_set(-rc, "%s: cannot be opened: %s", path, strerror(rc));
	}
	rc = !fstat(fd, &st) && st.st_size > PERF_READ_BYTES_MAX ? too_large(path)
								 : load(path, fd, &text, &len);
	close(fd);
	if (rc)
		return rc;
	rc = perf_read_json_text(ret, path, text, len);
	free(text);
	return rc;
}
