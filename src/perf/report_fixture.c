/* SPDX-License-Identifier: Apache-2.0 */
/* Tests: writes a report with planted figures in any format, or the JSON Schema, to a file. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <weft/weft.h>

#include "perf/report.h"
#include "perf/report_fields.h"
#include "perf/report_planted.h"

static const struct {
	const char *name;
	int (*write)(const struct perf_report *, FILE *);
} formats[] = {
	{ "table", perf_write_table },       { "json", perf_write_json },
	{ "csv", perf_write_csv },           { "fabtests", perf_write_fabtests },
	{ "perftest", perf_write_perftest }, { "html", perf_write_html },
};

static int write_format(const char *name, const char *path, int how)
{
	struct perf_report report;
	int rc = -1;

	perf_plant(&report, how);
	for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]); i++)
		if (!strcmp(formats[i].name, name))
			rc = perf_write_file(&report, path, formats[i].write);
	perf_report_free(&report);
	return rc;
}

int main(int argc, char **argv)
{
	int how = 0;

	if (argc == 2 && !strcmp(argv[1], "schema"))
		return perf_schema_write(stdout) ? 1 : 0;
	if (argc < 3) {
		fprintf(stderr, "Usage: %s schema | FORMAT FILE [hostile] [emulated]\n", argv[0]);
		return 2;
	}
	for (int i = 3; i < argc; i++)
		how |= !strcmp(argv[i], "hostile")    ? PLANTED_HOSTILE
		       : !strcmp(argv[i], "emulated") ? PLANTED_EMULATED
						      : 0;
	if (!write_format(argv[1], argv[2], how))
		return 0;
	fprintf(stderr, "%s\n", weft_error_detail());
	return 1;
}
