/* SPDX-License-Identifier: Apache-2.0 */
/* A report for a ticket. */
#include <string.h>

#include "doctor/report.h"

static void put_signs(FILE *out, const char *text)
{
	for (; *text; text++) {
		if (strchr("\\`*_[]<>|", *text))
			fputc('\\', out);
		fputc(*text == '\n' ? ' ' : *text, out);
	}
}

/* A fence longer than any row of backticks in it. */
static void put_block(FILE *out, const char *text)
{
	const char *fence = strstr(text, "```") ? "``````````" : "```";
	size_t len = strlen(text);

	fprintf(out, "\n%s\n%s%s%s\n", fence, text, len && text[len - 1] == '\n' ? "" : "\n",
		fence);
}

static void put_detail(const struct doctor_report *report, FILE *out, size_t check)
{
	const struct finding *f = &report->results[check].finding;

	fprintf(out, "\n### %s: %s: ", report->table->checks[check].id,
		doctor_verdict_word(f->verdict));
	put_signs(out, f->text);
	fputc('\n', out);
	if (*f->consequence) {
		fputs("\nConsequence: ", out);
		put_signs(out, f->consequence);
		fputs(".\n", out);
	}
	if (*f->fix) {
		fputs("\nFix:\n", out);
		put_block(out, f->fix);
	}
	if (*f->evidence) {
		fputs("\nSeen:\n", out);
		put_block(out, f->evidence);
	}
}

static void put_row(FILE *out, const struct doctor_check *row, const struct doctor_result *result)
{
	fprintf(out, "| %s | %s | ", row->id, doctor_verdict_word(result->finding.verdict));
	put_signs(out, row->name);
	fputs(" | ", out);
	put_signs(out, result->finding.text);
	fputs(" |\n", out);
}

void report_markdown(const struct doctor_report *report, FILE *out)
{
	const struct doctor_summary *sum = &report->summary;
	const struct doctor_table *table = report->table;
	char text[512];
	size_t i;

	fputs("# weft doctor: ", out);
	put_signs(out, report_verdict(report, text, sizeof(text)));
	fprintf(out, "\n\n%s. %s, kernel ", report_counts(report, text, sizeof(text)),
		report->time);
	put_signs(out, *report->kernel ? report->kernel : "unknown");
	fprintf(out, ", weft %s.\n", WEFT_VERSION);
	if (sum->causes_n)
		fputs("\n## Root causes\n", out);
	for (i = 0; i < sum->causes_n; i++)
		put_detail(report, out, sum->causes[i]);
	fputs("\n## Checks\n\n| id | verdict | check | finding |\n|---|---|---|---|\n", out);
	for (i = 0; i < table->count; i++)
		if (report->results[i].wanted)
			put_row(out, &table->checks[i], &report->results[i]);
	if (sum->counts[DOCTOR_FAIL] + sum->counts[DOCTOR_WARN] <= sum->causes_n)
		return;
	fputs("\n## Further findings\n", out);
	for (i = 0; i < table->count; i++)
		if (report->results[i].wanted &&
		    report->results[i].finding.verdict >= DOCTOR_WARN &&
		    !report_is_cause(report, i))
			put_detail(report, out, i);
}
