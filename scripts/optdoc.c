/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Documentation from one option table, compiled once per program with OPT_DEF = the table's file:
 *	optdoc check		looks for mistakes in the table
 *	optdoc names		one line per thing that --help, man page and completions must
 *mention optdoc man TEMPLATE	scdoc source: TEMPLATE with @OPTIONS@ and @EXIT@ filled in optdoc
 *bash, optdoc zsh	completion functions of this program
 */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include <weft/weft.h>

#include "base/opt.h"

struct optdoc_values {
#define OPT_FIELDS
#include OPT_DEF
	char unused; /* a table may have no options */
};

static const struct opt_row rows[] = {
#define OPT_ROWS struct optdoc_values
#include OPT_DEF
};

static const struct opt_table table = OPT_TABLE(rows, struct optdoc_values);

/* "weft kv" -> "weft_kv" (join '_') or "weft-kv" (join '-'). */
static const char *joined_name(char join)
{
	static char buf[OPT_NAME_MAX];
	char *c;

	snprintf(buf, sizeof(buf), "%s", opt_program(&table));
	for (c = buf; *c; c++)
		if (*c == ' ')
			*c = join;
	return buf;
}

/* --- names ---------------------------------------------------------------------------------- */

static void names_of(int command)
{
	const struct opt_row *row = opt_command(&table, command);
	const char *owner = row ? row->name : "-";
	int at = -1;

	while ((row = opt_next(&table, command, OPT_KIND_OPTION, &at)))
		printf("option %s --%s %s\n", owner, row->name, row->metavar ? row->metavar : "");
	at = -1;
	while ((row = opt_next(&table, command, OPT_KIND_ARGUMENT, &at)))
		printf("argument %s %s\n", owner, row->name);
}

static int put_names(void)
{
	const struct opt_row *row;
	int i;

	printf("program %s\n", opt_program(&table));
	names_of(-1);
	for (i = 0; (row = opt_command(&table, i)); i++) {
		printf("command %s\n", row->name);
		names_of(i);
	}
	return 0;
}

/* --- man page --------------------------------------------------------------------------------- */

static void put_escaped(const char *text, const char *special)
{
	for (; *text; text++) {
		if (strchr(special, *text))
			putchar('\\');
		putchar(*text);
	}
}

static void put_scd(const char *text)
{
	put_escaped(text, "\\_*#<>[]~");
}

static void man_rows(int command, enum opt_kind kind)
{
	const struct opt_row *row;
	char text[OPT_TEXT_MAX];
	int at = -1;

	while ((row = opt_next(&table, command, kind, &at))) {
		if (row->short_name)
			printf("*-%c*, ", row->short_name);
		printf("*");
		if (kind == OPT_KIND_OPTION)
			printf("--");
		put_scd(row->name);
		printf("*");
		if (row->metavar) {
			printf(" _");
			put_scd(row->metavar);
			printf("_");
		}
		printf("\n\t");
		opt_text(row, text, sizeof(text));
		putchar(toupper((unsigned char)text[0]));
		put_scd(text + 1);
		printf(".\n\n");
	}
}

static void man_options(void)
{
	const struct opt_row *row;
	int at = -1, i;

	if (opt_next(&table, -1, OPT_KIND_ARGUMENT, &at)) {
		printf("# ARGUMENTS\n\n");
		man_rows(-1, OPT_KIND_ARGUMENT);
	}
	for (i = 0; (row = opt_command(&table, i)); i++) {
		printf("%s## %s\n\n", i ? "" : "# COMMANDS\n\n", row->name);
		putchar(toupper((unsigned char)row->help[0]));
		put_scd(row->help + 1);
		printf(".\n\n");
		man_rows(i, OPT_KIND_ARGUMENT);
		man_rows(i, OPT_KIND_OPTION);
	}
	printf("# OPTIONS\n\n");
	if (i > 0)
		printf("These are accepted before and after the command.\n\n");
	man_rows(-1, OPT_KIND_OPTION);
	printf("*-h*, *--help*\n\tShow the options, of a command too.\n\n");
	printf("*--version*\n\tShow the versions of weft and libfabric.\n\n");
}

static void man_exit_row(const char *name, const char *text, int status)
{
	printf("*%d*\n\t", status);
	put_scd(text);
	printf(" (");
	put_scd(name);
	printf(")\n\n");
}

static void man_exit(void)
{
	int status;

	man_exit_row("any other error", "failed", 1);
	man_exit_row("nothing was done", "the command line is wrong", 2);
	for (status = 3; status < 126; status++) {
#define PUT_ROW(name, number, exit_status, text, remedy) \
	if (exit_status == status)                       \
		man_exit_row("WEFT_" #name, text, status);
		WEFT_ERROR_MAP(PUT_ROW)
#undef PUT_ROW
	}
}

static int put_man(const char *template)
{
	FILE *in = fopen(template, "r");
	char line[1024];

	if (!in) {
		perror(template);
		return 1;
	}
	while (fgets(line, sizeof(line), in)) {
		if (!strcmp(line, "@OPTIONS@\n"))
			man_options();
		else if (!strcmp(line, "@EXIT@\n"))
			man_exit();
		else
			fputs(line, stdout);
	}
	fclose(in);
	return 0;
}

/* --- completions ------------------------------------------------------------------------------ */

static const char *values_of(const struct opt_row *row)
{
	if (row->type == OPT_TYPE_choice)
		return row->metavar;
	if (row->metavar && !strcmp(row->metavar, "FILE"))
		return "@file";
	if (row->metavar && !strcmp(row->metavar, "DIR"))
		return "@dir";
	return "";
}

static void bash_options(int command)
{
	const struct opt_row *row;
	int at = -1;

	while ((row = opt_next(&table, command, OPT_KIND_OPTION, &at)))
		printf(" --%s", row->name);
}

static void bash_values(int command, const char *owner)
{
	const struct opt_row *row;
	int at = -1;

	while ((row = opt_next(&table, command, OPT_KIND_OPTION, &at))) {
		if (row->type == OPT_TYPE_flag)
			continue;
		printf("\t%s' --%s'", owner, row->name);
		if (row->short_name)
			printf(" | %s' -%c'", owner, row->short_name);
		printf(") echo '%s' ;;\n", values_of(row));
	}
}

/*
 * Three functions for scripts/completion.bash: PREFIX_commands; PREFIX_options COMMAND: all options
 * that fit there; PREFIX_values COMMAND OPTION: words by '|', @file, @dir or nothing known; status
 * 1 when the option takes no value. COMMAND is - before there is one.
 */
static int put_bash(void)
{
	const char *prefix = joined_name('_');
	const struct opt_row *row;
	int i;

	printf("_%s_commands() {\n\techo '", prefix);
	for (i = 0; (row = opt_command(&table, i)); i++)
		printf("%s%s", i ? " " : "", row->name);
	printf("'\n}\n\n_%s_options() {\n\tcase $1 in\n", prefix);
	for (i = 0; (row = opt_command(&table, i)); i++) {
		printf("\t%s) echo '", row->name);
		bash_options(i);
		printf("' ;;\n");
	}
	printf("\tesac\n\techo '");
	bash_options(-1);
	printf(" --help --version'\n}\n\n_%s_values() {\n\tcase \"$1 $2\" in\n", prefix);
	for (i = 0; (row = opt_command(&table, i)); i++)
		bash_values(i, row->name);
	bash_values(-1, "*");
	printf("\t*) return 1 ;;\n\tesac\n}\n\ncomplete -F _weft_complete %s\n\n",
	       joined_name('-'));
	return 0;
}

/* Text inside an _arguments specification in single quotes. */
static void put_zsh(const char *text)
{
	for (; *text; text++) {
		if (*text == '\'')
			fputs("'\\'", stdout);
		else if (strchr("[]:\\", *text))
			putchar('\\');
		putchar(*text);
	}
}

static void zsh_action(const struct opt_row *row)
{
	const char *c, *values = values_of(row);

	if (!strcmp(values, "@file"))
		printf("_files");
	else if (!strcmp(values, "@dir"))
		printf("_files -/");
	else if (*values) {
		putchar('(');
		for (c = values; *c; c++)
			putchar(*c == '|' ? ' ' : *c);
		putchar(')');
	}
}

static void zsh_option(const struct opt_row *row)
{
	bool list = row->type == OPT_TYPE_sizes || row->type == OPT_TYPE_strings;

	printf("\t\t'%s--%s[", list ? "*" : "", row->name);
	put_zsh(row->help);
	putchar(']');
	if (row->metavar) {
		putchar(':');
		put_zsh(row->type == OPT_TYPE_choice ? row->name : row->metavar);
		putchar(':');
		zsh_action(row);
	}
	printf("'\n");
}

static void zsh_arguments(int command)
{
	const struct opt_row *row;
	int at = -1;

	while ((row = opt_next(&table, command, OPT_KIND_OPTION, &at)))
		zsh_option(row);
	at = -1;
	while ((row = opt_next(&table, command, OPT_KIND_ARGUMENT, &at))) {
		printf("\t\t'%s:", row->type >= OPT_TYPE_rest    ? "*"
				   : row->type == OPT_TYPE_maybe ? ":"
								 : "");
		put_zsh(row->name);
		printf(":_files'\n");
	}
}

static void zsh_commands(const char *prefix)
{
	const struct opt_row *row;
	int i;

	printf("\tlocal -a commands=(\n");
	for (i = 0; (row = opt_command(&table, i)); i++) {
		printf("\t\t'%s:", row->name);
		put_zsh(row->help);
		printf("'\n");
	}
	printf("\t)\n\t_arguments -C -S $shared '1:command:->command' '*::argument:->argument'\n");
	printf("\tcase $state in\n\tcommand) _describe -t commands command commands ;;\n");
	printf("\targument)\n\t\tcase $words[1] in\n");
	for (i = 0; (row = opt_command(&table, i)); i++)
		printf("\t\t%s) _%s_%s $shared ;;\n", row->name, prefix, row->name);
	printf("\t\tesac ;;\n\tesac\n");
}

static int zsh_function(void)
{
	const char *prefix = joined_name('_');
	const struct opt_row *row;
	int i;

	for (i = 0; (row = opt_command(&table, i)); i++) {
		printf("_%s_%s() {\n\tlocal -a own=(\n", prefix, row->name);
		zsh_arguments(i);
		printf("\t)\n\t_arguments -S $@ $own\n}\n\n");
	}
	printf("_%s() {\n\tlocal context state state_descr line\n\tlocal -a shared=(\n", prefix);
	zsh_arguments(-1);
	printf("\t\t'(- *)--help[show help]'\n\t\t'(- *)--version[show versions]'\n\t)\n");
	if (i > 0)
		zsh_commands(prefix);
	else
		printf("\t_arguments -S $shared\n");
	printf("}\n\n");
	return 0;
}

/* --------------------------------------------------------------------------------------------- */

static int check(void)
{
	int rc = opt_check(&table);

	if (rc)
		fprintf(stderr, "%s: %s\n", opt_program(&table), weft_error_detail());
	return rc ? 1 : 0;
}

int main(int argc, char **argv)
{
	const char *mode = argc > 1 ? argv[1] : "";

	if (!strcmp(mode, "check"))
		return check();
	if (!strcmp(mode, "names"))
		return put_names();
	if (!strcmp(mode, "man") && argc > 2)
		return put_man(argv[2]);
	if (!strcmp(mode, "bash"))
		return put_bash();
	if (!strcmp(mode, "zsh"))
		return zsh_function();
	fprintf(stderr, "Usage: optdoc check|names|man TEMPLATE|bash|zsh\n");
	return 2;
}
