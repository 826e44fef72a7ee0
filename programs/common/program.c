/* SPDX-License-Identifier: Apache-2.0 */
#include "common/program.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <string.h>

#include <weft/weft.h>

#define LINE_MAX_BYTES 2048

/* One line stays one line whatever names and peers put into it. */
static void flatten(char *text)
{
	for (; *text; text++)
		if ((unsigned char)*text < 0x20 || *text == 0x7f)
			*text = ' ';
}

/* Appends, cut at room. */
static void __attribute__((format(printf, 3, 4)))
append(char *buf, size_t room, const char *format, ...)
{
	size_t len = strlen(buf);
	va_list args;

	va_start(args, format);
	vsnprintf(buf + len, room - len, format, args);
	va_end(args);
}

/* Details often end with the same words, where the system gave the cause. */
static bool ends_with(const char *text, const char *end)
{
	size_t len = strlen(text), end_len = strlen(end);

	return end_len && len >= end_len && strcmp(text + len - end_len, end) == 0;
}

char *program_error_line(char *buf, size_t room, const char *program, int code, const char *what)
{
	const char *detail = weft_error_detail(), *remedy = weft_remedy(code);

	buf[0] = '\0';
	append(buf, room, "%s: ", program);
	if (what && *what)
		append(buf, room, "%s: ", what);
	if (!ends_with(detail, weft_strerror(code)))
		append(buf, room, "%s%s", weft_strerror(code), *detail ? ": " : "");
	append(buf, room, "%s", detail);
	if (*remedy)
		append(buf, room, " (%s)", remedy);
	flatten(buf);
	return buf;
}

int program_fail(const char *program, int code, const char *format, ...)
{
	char line[LINE_MAX_BYTES], what[LINE_MAX_BYTES / 2] = "";
	int status = weft_exit_status(code);
	va_list args;

	if (format) {
		va_start(args, format);
		vsnprintf(what, sizeof(what), format, args);
		va_end(args);
	}
	fprintf(stderr, "%s\n", program_error_line(line, sizeof(line), program, code, what));
	return status ? status : PROGRAM_FAILED;
}

int program_usage(const char *program, const char *format, ...)
{
	char text[LINE_MAX_BYTES];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	flatten(text);
	fprintf(stderr, "%s: %s\n", program, text);
	return PROGRAM_USAGE;
}

int program_finish(const char *program, int status)
{
	int rc = 0;

	errno = 0;
	if (fflush(stdout) || ferror(stdout))
		rc = errno ? errno : EIO;
	if (!rc || status)
		return status;
	if (rc == EPIPE)
		return PROGRAM_BROKENPIPE;
	fprintf(stderr, "%s: cannot write to standard output: %s\n", program, strerror(rc));
	return PROGRAM_FAILED;
}

static void put_version(void)
{
	printf("%s\nlibfabric %s\n", weft_version(), weft_libfabric_version());
}

int program_start(const struct opt_table *table, int argc, char **argv, void *values,
		  struct opt_result *result)
{
	const char *name = opt_program(table);
	char full[2 * OPT_NAME_MAX];
	int rc = opt_parse(table, argc, argv, values, result);

	if (rc) {
		snprintf(full, sizeof(full), "%s%s%s", name, result->command ? " " : "",
			 result->command ? result->command : "");
		return program_usage(full, "%s", weft_error_detail());
	}
	if (!result->help && !result->version)
		return PROGRAM_GO;
	if (result->version)
		put_version();
	else
		opt_help(table, result->command_index, stdout);
	return program_finish(name, 0);
}
