/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "common/program.h"
#include "perf/perf.h"

static const struct opt_row perf_rows[] = {
#define OPT_ROWS struct perf_values
#include "perf/perf.def"
};

static const struct opt_table perf_table = OPT_TABLE(perf_rows, struct perf_values);

struct command {
	const char *name;
	int (*run)(const struct command_line *line);
};

static const struct command commands[] = {
#define OPT_COMMANDS
#define OPT_COMMAND(id) { #id, command_##id },
#include "perf/perf.def"
};

#define COMMAND_COUNT ((int)(sizeof(commands) / sizeof(commands[0])))

static void keep_text(struct command_line *line, int argc, char **argv)
{
	size_t len = 0;
	int i;

	snprintf(line->text, sizeof(line->text), "%s", NAME);
	for (i = 1; i < argc; i++) {
		len = strlen(line->text);
		snprintf(line->text + len, sizeof(line->text) - len, " %s", argv[i]);
	}
}

int main(int argc, char **argv)
{
	static struct command_line line = { .table = &perf_table };
	int rc;

	/* Parsing puts the arguments into another order. */
	keep_text(&line, argc, argv);
	rc = program_start(&perf_table, argc, argv, &line.values, &line.result);
	if (rc != PROGRAM_GO)
		return rc;
	if (line.result.command_index < 0 || line.result.command_index >= COMMAND_COUNT)
		return program_usage(NAME, "a command is missing: see --help");
	program_fabric();
	stop_on_signals();
	return program_finish(NAME, commands[line.result.command_index].run(&line));
}
