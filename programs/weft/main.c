/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `weft X ...` runs `weft-X ...`. Links neither libweft nor libfabric, so that `weft doctor` starts
 * on a host where these are missing or broken.
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/program.h"
#include "weft/find.h"

struct weft_values {
#define OPT_FIELDS
#include "weft/weft.def"
};

static const struct opt_row weft_rows[] = {
#define OPT_ROWS struct weft_values
#include "weft/weft.def"
};

static const struct opt_table weft_table = OPT_TABLE(weft_rows, struct weft_values);

struct command {
	const char *name;
	const char *summary;
};

static const struct command commands[] = {
#define X(name, summary) { name, summary },
#include "weft/commands.def"
#undef X
};

#define COMMAND_COUNT (sizeof(commands) / sizeof(commands[0]))

/* Folder of this executable. */
static int own_dir(char buf[PATH_MAX])
{
	ssize_t n = readlink("/proc/self/exe", buf, PATH_MAX - 1);
	char *slash;

	if (n < 0)
		return -errno;
	buf[n] = '\0';
	slash = strrchr(buf, '/');
	if (!slash)
		return -ENOENT;
	*slash = '\0';
	return 0;
}

static int find(const char *name, char *path)
{
	char dir[PATH_MAX];
	int rc = own_dir(dir);

	return rc ? rc : find_command(dir, getenv("PATH"), name, path, PATH_MAX);
}

static void put_commands(void)
{
	char path[PATH_MAX];
	size_t i, shown = 0;

	printf("\nCommands (\"weft COMMAND --help\" tells more):\n");
	for (i = 0; i < COMMAND_COUNT; i++) {
		if (find(commands[i].name, path))
			continue;
		printf("  %-10s %s\n", commands[i].name, commands[i].summary);
		shown++;
	}
	if (!shown)
		printf("  none is installed\n");
}

static int unknown(const char *name)
{
	const char *near = NULL;
	char quoted[OPT_QUOTE_MAX], path[PATH_MAX];
	uint32_t distance = 0;
	size_t i;

	opt_quote(name, quoted);
	for (i = 0; i < COMMAND_COUNT; i++) {
		if (!strcmp(commands[i].name, name))
			return program_usage("weft",
					     "command %s is not installed (no program weft-%s "
					     "beside weft or in PATH)",
					     quoted, name);
		if (find(commands[i].name, path) == 0)
			near = opt_nearest(name, commands[i].name, near, &distance);
	}
	if (near)
		return program_usage("weft", "unknown command %s; did you mean %s?", quoted, near);
	return program_usage("weft", "unknown command %s (weft --help lists them)", quoted);
}

/* Only returns on failure. argv[0] is the command's name and becomes weft-NAME. */
static int run(char **argv)
{
	char path[PATH_MAX], name[64];

	if (find(argv[0], path))
		return unknown(argv[0]);
	snprintf(name, sizeof(name), "weft-%s", argv[0]);
	argv[0] = name;
	execv(path, argv);
	return program_fail("weft", -errno, "cannot run %s", path);
}

static int help_of(char *name)
{
	char *argv[] = { name, "--help", NULL };

	return run(argv);
}

int main(int argc, char **argv)
{
	struct weft_values values;
	struct opt_result result;
	int status;

	status = program_start(&weft_table, argc, argv, &values, &result);
	if (status == 0 && result.help) {
		put_commands();
		return program_finish("weft", 0);
	}
	if (status != PROGRAM_GO)
		return status;
	if (!strcmp(values.command.values[0], "help")) {
		if (values.command.count > 1)
			return help_of(values.command.values[1]);
		opt_help(&weft_table, -1, stdout);
		put_commands();
		return program_finish("weft", 0);
	}
	return run(values.command.values);
}
