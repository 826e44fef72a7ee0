/* SPDX-License-Identifier: Apache-2.0 */
/* A table in text, never wider than TABLE_WIDTH: columns as wide as their cells, those without any
 * value left out, the widest cut where it must be. */
#ifndef WEFT_DEVICES_TABLE_H
#define WEFT_DEVICES_TABLE_H

#include <stddef.h>
#include <stdint.h>

#define TABLE_WIDTH   100
#define TABLE_COLUMNS 12
#define TABLE_ROWS    128 /* more are left out */
#define TABLE_CELL    64

struct table {
	size_t columns, rows;
	const char *titles[TABLE_COLUMNS];
	char cells[TABLE_ROWS][TABLE_COLUMNS][TABLE_CELL];
};

void table_begin(struct table *table);
void table_column(struct table *table, const char *title);
void table_row(struct table *table);
/* A cell of the last row, printf style; "" is shown as "-". */
void table_cell(struct table *table, size_t column, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
void table_print(const struct table *table);

#endif /* WEFT_DEVICES_TABLE_H */
