/* SPDX-License-Identifier: Apache-2.0 */
#include "args.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct arg *args_find(const struct arg *rows, const char *text, const char **value)
{
	const char *equals = strchr(text, '=');
	const struct arg *row;

	if (!equals)
		return NULL;
	*value = equals + 1;
	for (row = rows; row->name; row++) {
		if (strlen(row->name) == (size_t)(equals - text) &&
		    !strncmp(row->name, text, equals - text))
			return row;
	}
	return NULL;
}

static int args_scale(const char *end, double *number)
{
	static const char units[] = "KMG";
	const char *unit;

	if (!*end)
		return 0;
	unit = strchr(units, *end);
	if (!unit || end[1])
		return -EINVAL;
	for (; unit >= units; unit--)
		*number *= 1024;
	return 0;
}

static int args_set(void *out, const struct arg *row, const char *value)
{
	double number;
	char *end;

	if (row->type == ARG_TEXT) {
		*(const char **)((char *)out + row->offset) = value;
		return 0;
	}
	number = strtod(value, &end);
	if (end == value || args_scale(end, &number))
		return -EINVAL;
	if (!(number >= row->min && number <= row->max))
		return -ERANGE;
	if (row->type == ARG_U64)
		*(uint64_t *)((char *)out + row->offset) = (uint64_t)number;
	else
		*(double *)((char *)out + row->offset) = number;
	return 0;
}

static void args_usage(const struct arg *rows)
{
	const struct arg *row;

	for (row = rows; row->name; row++)
		fprintf(stderr, "  %s=  %s\n", row->name, row->help);
}

int args_parse(void *out, const struct arg *rows, int argc, char **argv)
{
	const struct arg *row;
	const char *value;
	int i, rc;

	for (i = 1; i < argc; i++) {
		row = args_find(rows, argv[i], &value);
		rc = row ? args_set(out, row, value) : -EINVAL;
		if (rc) {
			fprintf(stderr, "%s: bad argument '%s'; arguments are:\n", argv[0],
				argv[i]);
			args_usage(rows);
			return -EINVAL;
		}
	}
	return 0;
}
