/* SPDX-License-Identifier: Apache-2.0 */
#include "emu/launcher.h"

#include <stdlib.h>
#include <string.h>

static const struct opt_row emu_rows[] = {
#define OPT_ROWS struct emu_values
#include "emu/emu.def"
};

static const struct opt_table emu_table = OPT_TABLE(emu_rows, struct emu_values);

static int (*const commands[])(const struct request *request) = {
#define OPT_COMMANDS
#define OPT_COMMAND(id) command_##id,
#include "emu/emu.def"
};

bool request_given(const struct request *request, const char *name)
{
	return opt_given(request->table, &request->result, name);
}

int fail(int status, const char *format, ...)
{
	char text[WHY_MAX * 2];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	program_usage(NAME, "%s", text);
	return status;
}

void notice(const struct request *request, const char *format, ...)
{
	char text[WHY_MAX];
	va_list args;

	if (request->values.quiet)
		return;
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	program_usage(NAME, "%s", text);
}

/* Whether the word is an option whose value is the next word. */
static bool takes_next(const char *word)
{
	size_t i;

	for (i = 0; i < sizeof(emu_rows) / sizeof(emu_rows[0]); i++) {
		const struct opt_row *row = &emu_rows[i];

		if (row->kind != OPT_KIND_OPTION || row->type == OPT_TYPE_flag)
			continue;
		if (!strncmp(word, "--", 2) && !strcmp(word + 2, row->name))
			return true;
		if (word[0] == '-' && word[1] == row->short_name && row->short_name && !word[2])
			return true;
	}
	return false;
}

/* The word before "--" that is to choose a command; NULL: there is none. */
static const char *command_word(int argc, char **argv)
{
	int i;

	for (i = 1; i < argc && strcmp(argv[i], "--"); i++) {
		if (argv[i][0] != '-' || !argv[i][1])
			return argv[i];
		if (takes_next(argv[i]))
			i++;
	}
	return NULL;
}

static bool is_command(const char *word)
{
	const struct opt_row *row;
	int i;

	for (i = 0; (row = opt_command(&emu_table, i)); i++)
		if (!strcmp(row->name, word))
			return true;
	return false;
}

/* Options of weft emu itself alone: what they show is not about run. */
static bool asks_for_help(int argc, char **argv)
{
	return argc < 2 || !strcmp(argv[1], "--help") || !strcmp(argv[1], "-h") ||
	       !strcmp(argv[1], "--version");
}

/* A copy of argv with the word "run" in front; NULL: no memory. */
static char **with_run(int argc, char **argv)
{
	static char run[] = "run";
	static char **all; /* for as long as the process lives */

	all = calloc((size_t)argc + 2, sizeof(*all));

	if (!all)
		return NULL;
	all[0] = argv[0];
	all[1] = run;
	memcpy(all + 2, argv + 1, (size_t)(argc - 1) * sizeof(*all));
	return all;
}

int main(int argc, char **argv)
{
	struct request request = { .table = &emu_table };
	const char *word = command_word(argc, argv);
	char quoted[OPT_QUOTE_MAX];
	int rc;

	if (word && !is_command(word) && find_program(word) == 0)
		return fail(PROGRAM_USAGE,
			    "%s is no command of weft emu; to run the program of that "
			    "name: weft emu [OPTION]... -- COMMAND [ARG]...",
			    opt_quote(word, quoted));
	if (!word && !asks_for_help(argc, argv)) {
		argv = with_run(argc, argv);
		argc++;
	}
	if (!argv)
		return fail(PROGRAM_FAILED, "out of memory");
	rc = program_start(&emu_table, argc, argv, &request.values, &request.result);
	if (rc != PROGRAM_GO)
		return rc;
	return program_finish(NAME, commands[request.result.command_index](&request));
}
