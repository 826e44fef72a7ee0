/* SPDX-License-Identifier: Apache-2.0 */
/* One row for each size, one column for each figure and way, as spreadsheets of guides have it. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "perf/report.h"
#include "perf/report_figures.h"
#include "perf/report_json.h"
#include "perf/report_text.h"

#define WAYS_MAX 16

enum {
	BANDWIDTH,
	LATENCY,
	MESSAGE_RATE,
	METRICS
};

static const char *const metric_names[] = { "Bandwidth (GB/s)", "Latency (us)",
					    "Message Rate (msg/s)" };

struct row {
	const struct perf_case *c; /* size and operation of the row */
	const struct perf_result *cell[METRICS][WAYS_MAX];
};

struct sheet {
	struct perf_label way[WAYS_MAX];
	uint32_t ways, rows;
	struct row *row;
};

/* METRICS: none that has a column. */
static uint32_t metric_of(const struct perf_case *c)
{
	switch (c->test) {
	case PERF_BW:
		return BANDWIDTH;
	case PERF_LAT:
		return LATENCY;
	case PERF_RATE:
		return MESSAGE_RATE;
	case PERF_OPEN:
	case PERF_SETUP:
	case PERF_REG:
	case PERF_TESTS:
		break;
	}
	return METRICS;
}

/* Its column, added when it is new; WAYS_MAX: there are too many. */
static uint32_t way_of(struct sheet *sheet, const char *label)
{
	uint32_t i;

	for (i = 0; i < sheet->ways; i++)
		if (!strcmp(sheet->way[i].text, label))
			return i;
	if (i < WAYS_MAX) {
		snprintf(sheet->way[i].text, sizeof(sheet->way[i].text), "%s", label);
		sheet->ways++;
	}
	return i;
}

/* EFA first, then TCP, both also when only one of them was measured; then others. */
static void find_ways(struct sheet *sheet, const struct perf_report *report)
{
	const char *efa = report->emulated ? "emulated EFA" : "EFA";
	bool guide = false;

	for (uint32_t i = 0; i < report->results; i++) {
		const char *label = perf_label(report, &report->result[i]).text;

		guide = guide || !strcmp(label, "TCP") || !strcmp(label, efa);
	}
	if (guide) {
		way_of(sheet, efa);
		way_of(sheet, "TCP");
	}
}

static struct row *row_for(struct sheet *sheet, const struct perf_case *c, uint32_t metric,
			   uint32_t way)
{
	struct row *row = sheet->row;

	for (; row < sheet->row + sheet->rows; row++)
		if (row->c->size == c->size && row->c->op == c->op && row->c->bidir == c->bidir &&
		    !row->cell[metric][way])
			return row;
	sheet->rows++;
	row->c = c;
	return row;
}

static void fill(struct sheet *sheet, const struct perf_report *report)
{
	for (uint32_t i = 0; i < report->results; i++) {
		const struct perf_result *r = &report->result[i];
		uint32_t metric = metric_of(&r->c), way;

		if (metric == METRICS)
			continue;
		way = way_of(sheet, perf_label(report, r).text);
		if (way < WAYS_MAX)
			row_for(sheet, &r->c, metric, way)->cell[metric][way] = r;
	}
}

/* A text, quoted; never one that a spreadsheet takes for a formula. */
static void put_text(FILE *file, const char *text)
{
	char plain[1024];

	perf_plain(plain, sizeof(plain), text);
	fputs(*plain && strchr("=+-@", *plain) ? "\"'" : "\"", file);
	for (const char *at = plain; *at; at++)
		fputs(*at == '"' ? "\"\"" : (char[]){ *at, '\0' }, file);
	fputc('"', file);
}

static bool is_plain_word(const char *text)
{
	return !strpbrk(text, ",\"=+-@");
}

static void put_head(FILE *file, const struct sheet *sheet)
{
	char text[256];

	fputs("Message Size (bytes)", file);
	for (uint32_t metric = 0; metric < METRICS; metric++)
		for (uint32_t way = 0; way < sheet->ways; way++) {
			snprintf(text, sizeof(text), "%s %s", sheet->way[way].text,
				 metric_names[metric]);
			fputc(',', file);
			if (is_plain_word(text))
				fputs(text, file);
			else
				put_text(file, text);
		}
	fputs(",Operation,Status\n", file);
}

static bool has_figure(const struct perf_result *r)
{
	return !r->error && !r->invalid && perf_main_figure(r)->median > 0;
}

static void put_cell(FILE *file, uint32_t metric, const struct perf_result *r)
{
	fputc(',', file);
	if (!r || !has_figure(r))
		return;
	if (metric == BANDWIDTH)
		fprintf(file, "%.6g", r->rate.median / 1e9);
	else if (metric == LATENCY)
		fprintf(file, "%.6g", r->p50.median / (perf_round_trip(&r->c) ? 2e3 : 1e3));
	else
		fprintf(file, "%.0f", r->ops.median);
}

/* Why cells are empty though they were measured. */
static void put_status(FILE *file, const struct sheet *sheet, const struct row *row)
{
	char text[1024];
	size_t len = 0;

	for (uint32_t i = 0; i < METRICS * sheet->ways; i++) {
		uint32_t metric = i / sheet->ways, way = i % sheet->ways;
		const struct perf_result *r = row->cell[metric][way];

		if (!r || has_figure(r) || len >= sizeof(text))
			continue;
		len += (size_t)snprintf(text + len, sizeof(text) - len, "%s%s %s %s",
					len ? "; " : "", sheet->way[way].text, metric_names[metric],
					r->error     ? "failed"
					: r->invalid ? "INVALID"
						     : "without a figure");
	}
	put_text(file, len ? text : "ok");
}

static void put_row(FILE *file, const struct sheet *sheet, const struct row *row)
{
	fprintf(file, "%" PRIu64, row->c->size);
	for (uint32_t metric = 0; metric < METRICS; metric++)
		for (uint32_t way = 0; way < sheet->ways; way++)
			put_cell(file, metric, row->cell[metric][way]);
	fprintf(file, ",%s%s,", perf_op_word(row->c->op), row->c->bidir ? " both ways" : "");
	put_status(file, sheet, row);
	fputc('\n', file);
}

int perf_write_csv(const struct perf_report *report, FILE *file)
{
	struct sheet sheet = { .row = calloc(report->results + 1, sizeof(*sheet.row)) };

	if (!sheet.row)
		return err_set(-ENOMEM, "no memory for the CSV file");
	find_ways(&sheet, report);
	fill(&sheet, report);
	put_head(file, &sheet);
	for (uint32_t i = 0; i < sheet.rows; i++)
		put_row(file, &sheet, &sheet.row[i]);
	free(sheet.row);
	return perf_file_end(file, 0);
}
