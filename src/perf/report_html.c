/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One file: page, styles, chart library and the report as JSON. The script of the page makes all
 * text from the JSON by textContent; here nothing is put into markup.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "perf/report.h"
#include "perf/report_html.h"
#include "perf/report_json.h"

/* Inside <script> no "<" may stand, or the JSON could end it; in JSON it stands in strings alone.
 */
static void put_json(FILE *file, const char *text)
{
	for (; *text && !ferror(file); text++)
		if (*text == '<')
			fputs("\\u003c", file);
		else
			fputc(*text, file);
}

int perf_write_html(const struct perf_report *report, FILE *file)
{
	const char *at = (const char *)perf_html_page, *hole;
	char *text = NULL;
	size_t size = 0;
	FILE *memory = open_memstream(&text, &size);
	int rc;

	if (!memory)
		return err_set(-ENOMEM, "no memory for the report");
	rc = perf_write_json_as(report, true, memory);
	if (fclose(memory) && !rc)
		rc = err_set(-ENOMEM, "no memory for the report");
	if (rc)
		goto free;
	hole = strstr(at, PERF_HTML_HOLE);
	fwrite(at, 1, (size_t)(hole - at), file);
	put_json(file, text);
	fputs(hole + strlen(PERF_HTML_HOLE), file);
	rc = perf_file_end(file, 0);
free:
	free(text);
	return rc;
}
