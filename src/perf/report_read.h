/* SPDX-License-Identifier: Apache-2.0 */
/* Inside the reader of reports: from memory, and its limits. */
#ifndef WEFT_PERF_REPORT_READ_H
#define WEFT_PERF_REPORT_READ_H

#include <stddef.h>

#include <cjson/cJSON.h>

#include "perf/report_fields.h"
#include "perf/result.h"

#define PERF_READ_BYTES_MAX 268435456 /* of a file */
#define PERF_READ_HISTS_MAX 16384     /* of a report: 264 KiB of address space each */

/*
 * As perf_read_json(), of len bytes at text with a NUL behind; path is what messages call it.
 */
int perf_read_json_text(struct perf_report *ret, const char *path, const char *text, size_t len);

#define PERF_PLACE_MAX 200

/* A reader on its way. place: "results[3].runs[0]", for messages. */
struct perf_in {
	const char *path;
	char place[PERF_PLACE_MAX];
	char *texts; /* where strings go; as long as the file, so that all fit */
	uint32_t hists;
};

/* A member that is a whole number, and a struct by its rows. 0, -EINVAL or -ENOMEM with err_set().
 */
int perf_in_u64(struct perf_in *in, const cJSON *object, const char *name, uint64_t *ret);
int perf_in_object(struct perf_in *in, const struct perf_object *object, const cJSON *item,
		   char *base);

#endif /* WEFT_PERF_REPORT_READ_H */
