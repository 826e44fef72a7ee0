/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table of metrics for docs/metrics.md and for tests.
 *
 *	metricsdoc table	rows of Markdown
 *	metricsdoc names	each name that a query can ask for, with its labels by comma behind
 */
#include <stdio.h>
#include <string.h>

#include "watch/metrics.h"

static const char *source(const struct metric *row)
{
	if (row->counter)
		return row->counter;
	return "-";
}

static void put_row(const struct metric *row)
{
	printf("| `%s` | %s | %s | %s | %s |\n", row->name, metric_type_name(row->type),
	       *row->labels ? row->labels : "-", source(row), *row->help);
}

static void put_names(const struct metric *row)
{
	printf("%s %s\n", row->name, row->labels);
	if (row->type != METRIC_summary)
		return;
	printf("%s_sum %s\n", row->name, row->labels);
	printf("%s_count %s\n", row->name, row->labels);
}

int main(int argc, char **argv)
{
	const struct metric *row;

	if (argc != 2 || (strcmp(argv[1], "table") != 0 && strcmp(argv[1], "names") != 0)) {
		fprintf(stderr, "Usage: metricsdoc table|names\n");
		return 2;
	}
	for (row = metrics; row < metrics + METRICS; row++)
		if (*argv[1] == 't')
			put_row(row);
		else
			put_names(row);
	return 0;
}
