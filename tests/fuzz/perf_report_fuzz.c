/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The reader of perf reports (perf/report_read.h). Input: the file's bytes. What is taken can be
 * written again, and that reads back to the same text: nothing that the reader accepts is beyond
 * the writer.
 */
#include <errno.h>
#include <string.h>

#include "fuzz.h"
#include "perf/report.h"
#include "perf/report_read.h"

/* As the file's JSON, and what follows from it. */
static char *write_again(const struct perf_report *report, size_t *ret_len)
{
	char *text = NULL;
	FILE *file = open_memstream(&text, ret_len);

	FUZZ_CHECK(file);
	FUZZ_CHECK(!perf_write_json(report, file));
	FUZZ_CHECK(!fclose(file));
	return text;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct perf_report report, again;
	char *text = malloc(size + 1), *first, *second;
	size_t len;
	int rc;

	FUZZ_CHECK(text);
	if (size)
		memcpy(text, data, size);
	text[size] = '\0';
	rc = perf_read_json_text(&report, "fuzz", text, size);
	free(text);
	FUZZ_CHECK(!rc || rc == -EINVAL || rc == -ENOMEM);
	if (rc)
		return 0;
	first = write_again(&report, &len);
	FUZZ_CHECK(!perf_read_json_text(&again, "again", first, len));
	second = write_again(&again, &len);
	FUZZ_CHECK(!strcmp(first, second));
	free(first);
	free(second);
	perf_report_free(&again);
	perf_report_free(&report);
	return 0;
}
