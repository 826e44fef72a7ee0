/* SPDX-License-Identifier: Apache-2.0 */
#include "devices/table.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "devices/machine.h"

#define GAP   2
#define LEAST 6 /* a column is not cut below */

void table_begin(struct table *table)
{
	table->columns = table->rows = 0;
}

void table_column(struct table *table, const char *title)
{
	if (table->columns < TABLE_COLUMNS)
		table->titles[table->columns++] = title;
}

void table_row(struct table *table)
{
	if (table->rows < TABLE_ROWS)
		memset(table->cells[table->rows++], 0, sizeof(table->cells[0]));
}

void table_cell(struct table *table, size_t column, const char *format, ...)
{
	char *cell = table->cells[table->rows - 1][column];
	va_list args;

	va_start(args, format);
	if (vsnprintf(cell, TABLE_CELL, format, args) >= TABLE_CELL)
		cell[TABLE_CELL - 2] = '~';
	va_end(args);
	sysroot_clean(cell);
}

static size_t widest_cell(const struct table *table, size_t column)
{
	size_t most = 0;

	for (size_t row = 0; row < table->rows; row++)
		if (strlen(table->cells[row][column]) > most)
			most = strlen(table->cells[row][column]);
	return most;
}

/* Zero: the column is left out. */
static void find_widths(const struct table *table, size_t width[TABLE_COLUMNS])
{
	size_t total = 0, widest;

	for (size_t i = 0; i < table->columns; i++) {
		width[i] = widest_cell(table, i);
		if (width[i] && width[i] < strlen(table->titles[i]))
			width[i] = strlen(table->titles[i]);
		total += width[i] ? width[i] + GAP : 0;
	}
	while (total > TABLE_WIDTH + GAP) {
		widest = 0;
		for (size_t i = 1; i < table->columns; i++)
			if (width[i] > width[widest])
				widest = i;
		if (width[widest] <= LEAST)
			return;
		width[widest]--;
		total--;
	}
}

static void put_line(const struct table *table, const size_t width[TABLE_COLUMNS],
		     const char *(*text)(const struct table *table, size_t row, size_t column),
		     size_t row)
{
	char line[TABLE_COLUMNS * (TABLE_CELL + GAP) + 1] = "";
	size_t used = 0, len;
	const char *cell;

	for (size_t i = 0; i < table->columns; i++) {
		if (!width[i])
			continue;
		cell = text(table, row, i);
		len = strlen(cell);
		if (len > width[i])
			snprintf(line + used, sizeof(line) - used, "%.*s~", (int)width[i] - 1,
				 cell);
		else
			snprintf(line + used, sizeof(line) - used, "%-*s", (int)width[i], cell);
		used += width[i];
		memset(line + used, ' ', GAP);
		used += GAP;
	}
	while (used && line[used - 1] == ' ')
		used--;
	printf("%.*s\n", (int)used, line);
}

static const char *title(const struct table *table, size_t row, size_t column)
{
	(void)row;
	return table->titles[column];
}

static const char *value(const struct table *table, size_t row, size_t column)
{
	const char *cell = table->cells[row][column];

	return *cell ? cell : "-";
}

void table_print(const struct table *table)
{
	size_t width[TABLE_COLUMNS] = { 0 };

	find_widths(table, width);
	put_line(table, width, title, 0);
	for (size_t row = 0; row < table->rows; row++)
		put_line(table, width, value, row);
}
