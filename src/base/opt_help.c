/* SPDX-License-Identifier: Apache-2.0 */
/* The text of --help, and the check of a table's own rows. */
#include "base/opt.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>

#include "base/err.h"

#define HELP_WIDTH  96
#define HELP_COLUMN 30

/* Prints text from column at, wrapped, continued at HELP_COLUMN; ends the line. */
static void put_wrapped(FILE *out, int at, const char *text)
{
	int column = at;
	size_t n;

	if (column > HELP_COLUMN - 2) {
		fputc('\n', out);
		column = 0;
	}
	fprintf(out, "%*s", HELP_COLUMN - column, "");
	column = HELP_COLUMN;
	while (*text) {
		n = strcspn(text, " ");
		if (column > HELP_COLUMN && column + 1 + (int)n > HELP_WIDTH) {
			fprintf(out, "\n%*s", HELP_COLUMN, "");
			column = HELP_COLUMN;
		} else if (column > HELP_COLUMN) {
			fputc(' ', out);
			column++;
		}
		fwrite(text, 1, n, out);
		column += (int)n;
		text += n + strspn(text + n, " ");
	}
	fputc('\n', out);
}

char *opt_text(const struct opt_row *row, char *buf, size_t room)
{
	char allowed[160], value[96] = "";

	if (row->type == OPT_TYPE_choice || row->type == OPT_TYPE_string ||
	    row->type == OPT_TYPE_strings)
		allowed[0] = '\0'; /* the words are the metavar; lengths are in the errors */
	else
		opt_allowed(row, allowed, sizeof(allowed));
	if (row->fallback == OPT_REQUIRED)
		snprintf(value, sizeof(value), "required");
	else if (row->fallback)
		snprintf(value, sizeof(value), "default %s", row->fallback);
	if (*allowed && *value)
		snprintf(buf, room, "%s (%s, %s)", row->help, allowed, value);
	else if (*allowed || *value)
		snprintf(buf, room, "%s (%s%s)", row->help, allowed, value);
	else
		snprintf(buf, room, "%s", row->help);
	return buf;
}

static void put_option(FILE *out, const struct opt_row *row)
{
	char text[OPT_TEXT_MAX];
	int n;

	n = row->short_name ? fprintf(out, "  -%c, ", row->short_name) : fprintf(out, "      ");
	n += fprintf(out, "--%s", row->name);
	if (row->metavar)
		n += fprintf(out, " %s", row->metavar);
	put_wrapped(out, n, opt_text(row, text, sizeof(text)));
}

static void put_entry(FILE *out, const char *name, const char *text)
{
	put_wrapped(out, fprintf(out, "  %s", name), text);
}

static void put_options(const struct opt_table *table, int command, FILE *out)
{
	const struct opt_row *row;
	int at = -1;

	while ((row = opt_next(table, command, OPT_KIND_OPTION, &at)))
		put_option(out, row);
}

static const char *argument_form(const struct opt_row *row)
{
	switch ((int)row->type) {
	case OPT_TYPE_maybe:
		return " [%s]";
	case OPT_TYPE_rest:
		return " [%s]...";
	case OPT_TYPE_some:
		return " %s...";
	case OPT_TYPE_command:
		return " [--] %s [ARGUMENT]...";
	default:
		return " %s";
	}
}

static void put_usage(const struct opt_table *table, int command, FILE *out)
{
	const struct opt_row *row;
	int at = -1;

	fprintf(out, "Usage: %s", opt_program(table));
	if (command >= 0)
		fprintf(out, " %s", opt_command(table, command)->name);
	fprintf(out, " [OPTION]...");
	if (command < 0 && opt_command(table, 0))
		fprintf(out, " COMMAND [ARGUMENT]...");
	while ((row = opt_next(table, command, OPT_KIND_ARGUMENT, &at))) {
		const char *form = argument_form(row), *mark = strstr(form, "%s");

		fprintf(out, "%.*s%s%s", (int)(mark - form), form, row->name, mark + 2);
	}
	fprintf(out, "\n");
}

static void put_summary(FILE *out, const char *text)
{
	if (*text)
		fprintf(out, "%c%s.\n", toupper((unsigned char)*text), text + 1);
}

static void put_commands(const struct opt_table *table, FILE *out)
{
	const struct opt_row *row;
	int at = -1;

	fprintf(out, "\nCommands (\"%s COMMAND --help\" tells more):\n", opt_program(table));
	while ((row = opt_next(table, -1, OPT_KIND_COMMAND, &at)))
		put_entry(out, row->name, row->help);
}

static void put_arguments(const struct opt_table *table, int command, FILE *out)
{
	const struct opt_row *row;
	int at = -1;

	if (opt_next(table, command, OPT_KIND_ARGUMENT, &at))
		fprintf(out, "\nArguments:\n");
	at = -1;
	while ((row = opt_next(table, command, OPT_KIND_ARGUMENT, &at)))
		put_entry(out, row->name, row->help);
}

void opt_help(const struct opt_table *table, int command, FILE *out)
{
	const struct opt_row *chosen = opt_command(table, command);
	int at = -1;

	put_usage(table, command, out);
	put_summary(out, chosen ? chosen->help : table->rows[0].help);
	put_arguments(table, command, out);
	if (!chosen && opt_command(table, 0))
		put_commands(table, out);
	if (chosen && opt_next(table, command, OPT_KIND_OPTION, &at)) {
		fprintf(out, "\nOptions of %s:\n", chosen->name);
		put_options(table, command, out);
	}
	fprintf(out, chosen ? "\nShared options:\n" : "\nOptions:\n");
	put_options(table, -1, out);
	put_wrapped(out, fprintf(out, "  -h, --help"), "show this help");
	put_wrapped(out, fprintf(out, "      --version"),
		    "show the versions of weft and libfabric");
}

static int bad_row(const struct opt_row *row, const char *why)
{
	return err_set(-EINVAL, "row %s: %s", row->name ? row->name : "?", why);
}

static bool name_is_good(const char *name)
{
	size_t len = strlen(name);

	return len > 0 && len < OPT_NAME_MAX &&
	       strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-") == len && name[0] != '-';
}

static int check_option(const struct opt_row *row)
{
	union {
		bool flag;
		const char *string;
		uint64_t number;
		double real;
		struct opt_sizes sizes;
		struct opt_strings strings;
	} field;

	if (!name_is_good(row->name))
		return bad_row(row, "name is not lower-case words with dashes");
	if (!strcmp(row->name, "help") || !strcmp(row->name, "version") || row->short_name == 'h')
		return bad_row(row, "help and version exist already");
	if (row->short_name && !isalnum((unsigned char)row->short_name))
		return bad_row(row, "short name is not a letter or digit");
	if (row->type == OPT_TYPE_none || row->type >= OPT_TYPE_one)
		return bad_row(row, "type is not an option's");
	if ((row->type == OPT_TYPE_flag) != !row->metavar)
		return bad_row(row, "flags have no metavar, others have one");
	if (row->type == OPT_TYPE_flag && row->fallback)
		return bad_row(row, "flags have no default");
	if (row->max && row->min > row->max)
		return bad_row(row, "min is above max");
	if (row->type == OPT_TYPE_choice && !row->fallback)
		return bad_row(row, "a choice needs a default, or OPT_REQUIRED");
	if (!row->fallback || row->fallback == OPT_REQUIRED)
		return 0;
	memset(&field, 0, sizeof(field));
	return opt_value(row, row->fallback, &field);
}

/* Whether both rows can be given on one command line. */
static bool rows_meet(const struct opt_table *table, uint32_t a, uint32_t b)
{
	uint32_t i, owner_a = 0, owner_b = 0;

	for (i = 0; i <= b; i++) {
		if (table->rows[i].kind != OPT_KIND_COMMAND)
			continue;
		owner_b = i;
		if (i <= a)
			owner_a = i;
	}
	return owner_a == 0 || owner_a == owner_b;
}

static int check_clash(const struct opt_table *table, uint32_t b)
{
	const struct opt_row *row = &table->rows[b];
	uint32_t a;

	for (a = 1; a < b; a++) {
		const struct opt_row *other = &table->rows[a];

		if (other->kind != row->kind)
			continue;
		if (row->kind != OPT_KIND_COMMAND && !rows_meet(table, a, b))
			continue;
		if (!strcmp(other->name, row->name))
			return bad_row(row, "name is used twice");
		if (row->short_name && other->short_name == row->short_name)
			return bad_row(row, "short name is used twice");
		if (row->kind != OPT_KIND_COMMAND && other->offset == row->offset)
			return bad_row(row, "field is used twice");
	}
	return 0;
}

static int check_argument(const struct opt_table *table, uint32_t index)
{
	const struct opt_row *row = &table->rows[index];
	const struct opt_row *next = index + 1 < table->count ? row + 1 : NULL;

	if (row->type < OPT_TYPE_one)
		return bad_row(row, "type is not an argument's");
	if (next && next->kind == OPT_KIND_ARGUMENT && next->type == OPT_TYPE_one &&
	    row->type != OPT_TYPE_one)
		return bad_row(next, "a required argument follows an optional one");
	if (next && next->kind == OPT_KIND_ARGUMENT && row->type >= OPT_TYPE_rest)
		return bad_row(next, "an argument follows one that takes the rest");
	return 0;
}

static int check_help(const struct opt_row *row)
{
	size_t len = row->help ? strlen(row->help) : 0;

	if (len == 0 || len > 600 || row->help[len - 1] == '.')
		return bad_row(row, "help is 1..600 bytes and has no full stop at its end");
	return 0;
}

int opt_check(const struct opt_table *table)
{
	uint32_t i;
	int rc;

	if (table->count == 0 || table->count > OPT_ROWS_MAX)
		return err_set(-EINVAL, "a table has 1..%d rows", OPT_ROWS_MAX);
	for (i = 0; i < table->count; i++) {
		const struct opt_row *row = &table->rows[i];

		if ((i == 0) != (row->kind == OPT_KIND_PROGRAM))
			return bad_row(row, "OPT_PROGRAM is the first row and the only one");
		rc = check_help(row);
		if (!rc && row->kind == OPT_KIND_OPTION)
			rc = check_option(row);
		if (!rc && row->kind == OPT_KIND_ARGUMENT)
			rc = check_argument(table, i);
		if (!rc)
			rc = check_clash(table, i);
		if (rc)
			return rc;
	}
	return 0;
}
