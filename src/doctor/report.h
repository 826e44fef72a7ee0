/* SPDX-License-Identifier: Apache-2.0 */
/* The findings of a run as text, JSON, Markdown; the table of checks in the same forms. */
#ifndef WEFT_DOCTOR_REPORT_H
#define WEFT_DOCTOR_REPORT_H

#include <stdio.h>

#include "base/json.h"
#include "doctor/run.h"

#define DOCTOR_SCHEMA "weft-doctor-report"
/* Counts changes that old readers do not understand. */
#define DOCTOR_SCHEMA_VERSION 1
#define DOCTOR_COLUMNS        80

struct doctor_report {
	const struct doctor *doctor;
	const struct doctor_table *table;
	const struct doctor_result *results;
	struct doctor_summary summary;
	char host[256];    /* its name; "" when that is not known */
	char instance[64]; /* "p5.48xlarge"; "" */
	char kernel[128];  /* its release; "" */
	char time[32];     /* when it was looked at, RFC 3339 in UTC */
};

/* Everything that it points to has to stay. */
void report_begin(struct doctor_report *ret, const struct doctor *doctor,
		  const struct doctor_table *table, const struct doctor_result *results);

/* "EFA does not work on HOST (p5.48xlarge)"; cut at room. Returns ret. */
char *report_verdict(const struct doctor_report *report, char *ret, size_t room);
/* "1 fatal, 2 warnings, 30 ok"; cut at room. Returns ret. */
char *report_counts(const struct doctor_report *report, char *ret, size_t room);
/* "ok", "warnings", "fatal", "unknown": of the whole. */
const char *report_word(const struct doctor_report *report);
bool report_is_cause(const struct doctor_report *report, size_t check);

/* Each writes to a stream; its failures are the stream's. colour: escapes of a terminal. */
void report_text(const struct doctor_report *report, FILE *out, bool colour);
void report_json(const struct doctor_report *report, FILE *out);
void report_markdown(const struct doctor_report *report, FILE *out);
/* One finding as the text has it: for what changed since. */
void report_text_line(const struct doctor_report *report, FILE *out, bool colour, size_t check);
/* "FAIL", in its colour, in so many columns. */
void report_text_word(FILE *out, bool colour, enum doctor_verdict verdict, int width);
/* A finding with its consequence, fix and evidence. id: of its check, or "". */
void report_text_finding(FILE *out, bool colour, const char *id, const struct finding *f);
/* All that is known of a check, and its finding when it has one. */
void report_explain(const struct doctor_report *report, FILE *out, bool colour, size_t check);

/* The rows, whatever they find. Markdown is docs/troubleshooting.md. */
void list_text(const struct doctor_table *table, FILE *out);
void list_json(const struct doctor_table *table, FILE *out);
void list_markdown(const struct doctor_table *table, FILE *out);

/* Text broken at blanks so that it fits: at column now, further lines begin at column hang. Ends
 * the line. */
void report_wrap(FILE *out, int now, int hang, const char *text);
/* The same for what is pasted into a shell: broken by backslashes outside of quotes, if it is a
 * command and no sentence. */
void report_wrap_command(FILE *out, int now, int hang, const char *text);

#endif /* WEFT_DOCTOR_REPORT_H */
