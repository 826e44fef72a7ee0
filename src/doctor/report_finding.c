/* SPDX-License-Identifier: Apache-2.0 */
/* A finding as text, whatever it is about: apart from the table of checks. */
#include <string.h>

#include "doctor/report.h"

#define LABEL_AT 8 /* column behind a label */

struct look {
	const char *word, *colour;
};

static const struct look looks[DOCTOR_VERDICTS] = {
	[DOCTOR_OK] = { "ok", "\033[32m" },       [DOCTOR_SKIPPED] = { "skip", "\033[2m" },
	[DOCTOR_UNKNOWN] = { "?", "\033[36m" },   [DOCTOR_WARN] = { "WARN", "\033[1;33m" },
	[DOCTOR_FAIL] = { "FAIL", "\033[1;31m" },
};

void report_text_word(FILE *out, bool colour, enum doctor_verdict verdict, int width)
{
	fprintf(out, "%s%-*s%s", colour ? looks[verdict].colour : "", width, looks[verdict].word,
		colour ? "\033[0m" : "");
}

static void put_label(FILE *out, const char *label)
{
	fprintf(out, "  %-*s", LABEL_AT - 2, label);
}

static void put_evidence(FILE *out, const char *evidence)
{
	char line[DOCTOR_EVIDENCE_MAX];
	const char *label = "seen:";
	size_t len;

	for (; *evidence; evidence += len + (evidence[len] == '\n')) {
		len = strcspn(evidence, "\n");
		snprintf(line, sizeof(line), "%.*s", (int)len, evidence);
		put_label(out, label);
		report_wrap(out, LABEL_AT, LABEL_AT + 2, line);
		label = "";
	}
}

/* What it means and what to do; nothing where there is nothing to say. */
static void put_advice(FILE *out, const struct finding *f)
{
	if (f->verdict >= DOCTOR_UNKNOWN && *f->consequence) {
		put_label(out, "so:");
		report_wrap(out, LABEL_AT, LABEL_AT, f->consequence);
	}
	if (*f->fix) {
		put_label(out, "fix:");
		report_wrap_command(out, LABEL_AT, LABEL_AT, f->fix);
	}
}

void report_text_finding(FILE *out, bool colour, const char *id, const struct finding *f)
{
	report_text_word(out, colour, f->verdict, 5);
	fprintf(out, "%-*s", LABEL_AT - 5, id);
	report_wrap(out, LABEL_AT, LABEL_AT, f->text);
	put_advice(out, f);
	put_evidence(out, f->evidence);
}
