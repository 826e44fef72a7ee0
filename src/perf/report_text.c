/* SPDX-License-Identifier: Apache-2.0 */
#include "perf/report_text.h"

#include <math.h>
#include <stdarg.h>
#include <string.h>

#include "perf/report_figures.h"

struct perf_text perf_number(double value)
{
	struct perf_text ret;
	double size = fabs(value);
	int digits = size >= 1000               ? 0
		     : size >= 100              ? 1
		     : size >= 10               ? 2
		     : size >= 0.1 || size == 0 ? 3
						: 4;

	if (isnan(value))
		snprintf(ret.text, sizeof(ret.text), "n/a");
	else if (size >= 1e9 || (size && size < 0.01))
		snprintf(ret.text, sizeof(ret.text), "%.3g", value);
	else
		snprintf(ret.text, sizeof(ret.text), "%.*f", digits, value);
	return ret;
}

struct perf_text perf_interval(const struct perf_median *m, double scale)
{
	struct perf_text ret = { "n/a" };

	if (!isnan(m->low) && !isnan(m->high))
		snprintf(ret.text, sizeof(ret.text), "[%.20s, %.20s]",
			 perf_number(m->low * scale).text, perf_number(m->high * scale).text);
	return ret;
}

struct perf_text perf_percent(double share)
{
	struct perf_text ret = { "n/a" };

	if (!isnan(share))
		snprintf(ret.text, sizeof(ret.text), "%.1f %%", share * 100);
	return ret;
}

void perf_plain(char *ret, size_t room, const char *text)
{
	for (; *text && room > 1; text++, room--)
		*ret++ = *text >= 0x20 && *text < 0x7f ? *text : '?';
	*ret = '\0';
}

/* Bytes of the line that begins at text: at most room, broken at a space if there is one. */
static size_t line_len(const char *text, size_t room)
{
	size_t len = strlen(text), at;

	if (len <= room)
		return len;
	for (at = room; at; at--)
		if (text[at] == ' ')
			return at;
	return room;
}

void perf_put_lines(FILE *file, const char *lead, const char *text)
{
	char plain[4096], *at = plain;
	int indent = (int)strlen(lead);
	size_t len, room = PERF_COLUMNS - (size_t)indent;

	perf_plain(plain, sizeof(plain), text);
	do {
		len = line_len(at, room);
		fprintf(file, "%*s%.*s\n", indent, lead, (int)len, at);
		lead = "";
		at += len;
		at += strspn(at, " ");
	} while (*at);
}

void perf_put_linesf(FILE *file, const char *lead, const char *format, ...)
{
	char text[4096];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	perf_put_lines(file, lead, text);
}

static uint32_t count_invalid(const struct perf_report *report)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < report->results; i++)
		n += report->result[i].invalid;
	return n;
}

void perf_put_warnings(FILE *file, const struct perf_report *report)
{
	uint32_t invalid = count_invalid(report);

	if (report->emulated)
		perf_put_lines(
			file, "!! ",
			"EMULATED DEVICES: no figure here says anything about EFA. They show "
			"what this machine's processors can do, and that the program works.");
	if (invalid)
		perf_put_linesf(file, "!! ",
				"%u of %u results are INVALID: their figures must not be used. The "
				"reasons stand below them.",
				invalid, report->results);
	if (report->interrupted)
		perf_put_lines(file, "!! ",
			       "INTERRUPTED: ended early by a signal; what was measured until then "
			       "follows.");
}

struct perf_text perf_what(const struct perf_case *c)
{
	struct perf_text ret;

	snprintf(ret.text, sizeof(ret.text), "%.20s %.20s%s", perf_test_word(c->test),
		 perf_op_word(c->op), c->bidir ? " both" : "");
	return ret;
}

double perf_shown(const struct perf_result *r, const char **ret_unit)
{
	double value = perf_main_figure(r)->median;

	if (r->error)
		value = NAN;
	if (perf_is_time(&r->c)) {
		*ret_unit = "us";
		return value / 1e3;
	}
	*ret_unit = r->c.test == PERF_RATE ? "Mop/s" : "Gb/s";
	return r->c.test == PERF_RATE ? value / 1e6 : value * 8 / 1e9;
}
