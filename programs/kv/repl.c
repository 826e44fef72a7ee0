/* SPDX-License-Identifier: Apache-2.0 */
/* Commands from standard input: words by blanks; the value of a put is the rest of its line. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "common/program.h"
#include "kv/kv.h"

struct line {
	const char *key;
	const char *rest; /* "" when there is none */
};

struct repl_command {
	const char *name, *args, *help;
	bool needs_key;
	int (*run)(struct weft_kv *kv, const struct line *line);
};

/* weft_kv_sink_fn */
static int print_value(void *ctx, const void *data, size_t len, uint64_t offset, uint64_t total)
{
	(void)ctx;
	fwrite(data, 1, len, stdout);
	if (offset + len == total)
		putchar('\n');
	return ferror(stdout) ? -EIO : 0;
}

static int repl_get(struct weft_kv *kv, const struct line *line)
{
	return weft_kv_get_stream(kv, line->key, strlen(line->key), print_value, NULL);
}

static int repl_put(struct weft_kv *kv, const struct line *line)
{
	int rc =
		weft_kv_put(kv, line->key, strlen(line->key), line->rest, strlen(line->rest), NULL);

	if (!rc)
		puts("ok");
	return rc;
}

static int repl_delete(struct weft_kv *kv, const struct line *line)
{
	int rc = weft_kv_delete(kv, line->key, strlen(line->key));

	if (!rc)
		puts("ok");
	return rc;
}

static int repl_stat(struct weft_kv *kv, const struct line *line)
{
	struct weft_kv_info info = { .size = sizeof(info) };
	int rc = weft_kv_stat(kv, line->key, strlen(line->key), &info);

	if (!rc)
		printf("length %" PRIu64 " version %" PRIu64 " checksum %016" PRIx64
		       " ttl %.3f s\n",
		       info.length, info.version, info.checksum, (double)info.ttl_ns / 1e9);
	return rc;
}

/* weft_kv_list_fn */
static int print_key(void *ctx, const void *key, size_t len, const struct weft_kv_info *info)
{
	(void)ctx;
	(void)info;
	key_print(key, len, '\n');
	return 0;
}

static int repl_list(struct weft_kv *kv, const struct line *line)
{
	int64_t rc = weft_kv_list(kv, line->key, strlen(line->key), print_key, NULL);

	return rc < 0 ? (int)rc : 0;
}

static int repl_ping(struct weft_kv *kv, const struct line *line)
{
	int rc = weft_kv_ping(kv);

	(void)line;
	if (!rc)
		puts("ok");
	return rc;
}

static int repl_stats(struct weft_kv *kv, const struct line *line)
{
	struct weft_kv_stats stats = { .size = sizeof(stats) };
	int rc = weft_kv_stats(kv, &stats);

	(void)line;
	if (rc)
		return rc;
#define PRINT_COUNTER(name, text) printf("%-20s %" PRIu64 "\n", #name, stats.name);
	WEFT_KV_COUNTER_MAP(PRINT_COUNTER)
#undef PRINT_COUNTER
	return 0;
}

static int repl_help(struct weft_kv *kv, const struct line *line);

static const struct repl_command repl_commands[] = {
	{ "get", "KEY", "print a value", true, repl_get },
	{ "put", "KEY VALUE", "store the rest of the line", true, repl_put },
	{ "delete", "KEY", "remove a key", true, repl_delete },
	{ "del", "KEY", "the same", true, repl_delete },
	{ "stat", "KEY", "length, version, checksum, time to live", true, repl_stat },
	{ "list", "[PREFIX]", "print keys", false, repl_list },
	{ "ping", "", "ask the server", false, repl_ping },
	{ "stats", "", "the server's figures", false, repl_stats },
	{ "help", "", "this list; quit, exit or end of input ends", false, repl_help },
};

#define REPL_COUNT (sizeof(repl_commands) / sizeof(repl_commands[0]))

static int repl_help(struct weft_kv *kv, const struct line *line)
{
	size_t i;

	(void)kv;
	(void)line;
	for (i = 0; i < REPL_COUNT; i++)
		printf("%-7s %-10s %s\n", repl_commands[i].name, repl_commands[i].args,
		       repl_commands[i].help);
	return 0;
}

/* Cuts the next word off. */
static char *word(char **text)
{
	char *start = *text + strspn(*text, " \t"), *end = start + strcspn(start, " \t");

	*text = *end ? end + 1 : end;
	*end = '\0';
	return start;
}

static bool is_end(const char *name)
{
	return !strcmp(name, "quit") || !strcmp(name, "exit") || !strcmp(name, "q");
}

/* The exit status of one line. */
static int run_line(struct weft_kv *kv, const char *name, char *rest)
{
	struct line line = { .key = word(&rest), .rest = rest };
	size_t i;
	int rc;

	for (i = 0; i < REPL_COUNT && strcmp(repl_commands[i].name, name); i++)
		;
	if (i == REPL_COUNT)
		return program_usage(NAME, "unknown command '%s': see help", name);
	if (repl_commands[i].needs_key && !*line.key)
		return program_usage(NAME, "%s %s", name, repl_commands[i].args);
	rc = repl_commands[i].run(kv, &line);
	return rc ? program_fail(NAME, rc, "%s %s", name, line.key) : 0;
}

/* Goes on after a failed line; the status is that of the last failure. */
int command_repl(struct weft_kv *kv, const struct kv_values *values)
{
	bool terminal = isatty(STDIN_FILENO) && isatty(STDOUT_FILENO);
	char *line = NULL, *rest, *name;
	int status = 0, rc;
	size_t room = 0;
	ssize_t len;

	(void)values;
	for (;;) {
		if (terminal)
			fputs("weft> ", stdout);
		fflush(stdout);
		len = getline(&line, &room, stdin);
		if (len < 0)
			break;
		if (len && line[len - 1] == '\n')
			line[len - 1] = '\0';
		rest = line;
		name = word(&rest);
		if (is_end(name))
			break;
		rc = *name ? run_line(kv, name, rest) : 0;
		if (rc)
			status = rc;
	}
	free(line);
	return status;
}
