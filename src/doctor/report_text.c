/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "doctor/report.h"

#define TEXT_AT 12 /* column of a finding's sentence */

static void put_cause(const struct doctor_report *report, FILE *out, bool colour, size_t check)
{
	fputc('\n', out);
	report_text_finding(out, colour, report->table->checks[check].id,
			    &report->results[check].finding);
}

static void put_summary(const struct doctor_report *report, FILE *out, bool colour)
{
	const struct doctor_summary *sum = &report->summary;
	char text[512];

	fprintf(out, "%s", colour ? "\033[1m" : "");
	report_wrap(out, 0, 2, report_verdict(report, text, sizeof(text)));
	fprintf(out, "%s", colour ? "\033[0m" : "");
	report_wrap(out, 0, 2, report_counts(report, text, sizeof(text)));
	for (uint32_t i = 0; i < sum->causes_n; i++)
		put_cause(report, out, colour, sum->causes[i]);
	if (sum->unexplained > sum->causes_n)
		fprintf(out, "\nFix these first; %u more that they do not explain stand%s below.\n",
			sum->unexplained - sum->causes_n,
			sum->unexplained - sum->causes_n == 1 ? "s" : "");
}

void report_text_line(const struct doctor_report *report, FILE *out, bool colour, size_t check)
{
	const struct finding *f = &report->results[check].finding;

	fputs("  ", out);
	report_text_word(out, colour, f->verdict, 5);
	fprintf(out, "%-*s", TEXT_AT - 7, report->table->checks[check].id);
	report_wrap(out, TEXT_AT, TEXT_AT, f->text);
	if (f->verdict >= DOCTOR_UNKNOWN && *f->fix && !report_is_cause(report, check)) {
		fprintf(out, "%*sfix: ", TEXT_AT, "");
		report_wrap_command(out, TEXT_AT + 5, TEXT_AT + 5, f->fix);
	}
}

void report_text(const struct doctor_report *report, FILE *out, bool colour)
{
	const struct doctor_check *checks = report->table->checks;
	bool headed;

	put_summary(report, out, colour);
	for (size_t g = 0; g < doctor_groups_count; g++) {
		headed = false;
		for (size_t i = 0; i < report->table->count; i++) {
			if (!report->results[i].wanted || *checks[i].id != doctor_groups[g].letter)
				continue;
			if (!headed)
				fprintf(out, "\n%c  %s\n", doctor_groups[g].letter,
					doctor_groups[g].title);
			headed = true;
			report_text_line(report, out, colour, i);
		}
	}
}

static void put_row_text(FILE *out, const char *label, const char *text)
{
	if (!*text)
		return;
	fprintf(out, "  %-12s", label);
	report_wrap(out, 14, 14, text);
}

void report_explain(const struct doctor_report *report, FILE *out, bool colour, size_t check)
{
	const struct doctor_check *row = &report->table->checks[check];
	const struct doctor_result *result = &report->results[check];

	fprintf(out, "%s  %s (%s)\n\n", row->id, row->name, doctor_severity_word(row->severity));
	put_row_text(out, "well when", row->what);
	put_row_text(out, "if not", row->consequence);
	put_row_text(out, "looks at", row->detect);
	put_row_text(out, "needs", row->needs);
	if (*row->fix) {
		fprintf(out, "  %-12s", "fix");
		report_wrap_command(out, 14, 14, row->fix);
	}
	put_row_text(out, "known from", row->source);
	if (!result->wanted)
		return;
	fputs("\nHere and now:\n", out);
	put_cause(report, out, colour, check);
}
