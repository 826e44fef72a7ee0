/* SPDX-License-Identifier: Apache-2.0 */
/* The table of checks for readers. */
#include <string.h>

#include "doctor/report.h"

void list_text(const struct doctor_table *table, FILE *out)
{
	const struct doctor_check *row;

	for (size_t g = 0; g < doctor_groups_count; g++) {
		fprintf(out, "%s%c  %s\n", g ? "\n" : "", doctor_groups[g].letter,
			doctor_groups[g].title);
		for (row = table->checks; row < table->checks + table->count; row++) {
			if (*row->id != doctor_groups[g].letter)
				continue;
			fprintf(out, "  %-4s %-8s ", row->id, doctor_severity_word(row->severity));
			report_wrap(out, 16, 16, row->what);
		}
	}
}

/* Signs that Markdown would take for its own, but for those between backquotes. */
static void put_words(FILE *out, const char *text)
{
	bool code = false;

	for (; *text; text++) {
		code ^= *text == '`';
		if (!code && strchr("*_<>", *text))
			fputc('\\', out);
		fputc(*text, out);
	}
}

static void put_item(FILE *out, const char *label, const char *text)
{
	if (!*text)
		return;
	fprintf(out, "- %s: ", label);
	put_words(out, text);
	fputc('\n', out);
}

static void put_row(FILE *out, const struct doctor_check *row)
{
	fprintf(out, "\n### %s %s (%s)\n\n", row->id, row->name,
		doctor_severity_word(row->severity));
	put_item(out, "Well when", row->what);
	put_item(out, "If not", row->consequence);
	put_item(out, "Looks at", row->detect);
	put_item(out, "Needs", row->needs);
	put_item(out, "Known from", row->source);
	if (*row->fix)
		fprintf(out, "\n```\n%s\n```\n", row->fix);
}

void list_markdown(const struct doctor_table *table, FILE *out)
{
	const struct doctor_check *row;

	fputs("# Troubleshooting\n\n"
	      "What `weft doctor` looks at, in its order: from cause to symptom. When a check "
	      "fails, "
	      "those that need it are\n"
	      "skipped, and what nothing else explains is named first, with a fix to paste. `weft "
	      "doctor --explain ID` shows one of\n"
	      "these with what it finds on the host. This page is written from the table of checks "
	      "(src/doctor/checks.def).\n",
	      out);
	for (size_t g = 0; g < doctor_groups_count; g++) {
		fprintf(out, "\n## %c: %s\n", doctor_groups[g].letter, doctor_groups[g].title);
		for (row = table->checks; row < table->checks + table->count; row++)
			if (*row->id == doctor_groups[g].letter)
				put_row(out, row);
	}
}
