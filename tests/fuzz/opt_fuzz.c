/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Command lines (base/opt.h). Input: words, each ended by a NUL, as they would stand in argv after
 * the program's name. What is accepted must lie within the bounds of its row.
 */
#include "base/opt.h"

#include <errno.h>
#include <string.h>

#include "base/err.h"
#include "fuzz.h"
#include <weft/weft.h>

struct fuzz_opts {
#define OPT_FIELDS
#include "opt_fuzz.def"
};

static const struct opt_row rows[] = {
#define OPT_ROWS struct fuzz_opts
#include "opt_fuzz.def"
};

static const struct opt_table table = OPT_TABLE(rows, struct fuzz_opts);

enum {
	WORDS_MAX = 100
};

/* One line of plain text: fit for a terminal. */
static void check_line(const char *text)
{
	size_t i;

	for (i = 0; text[i]; i++)
		FUZZ_CHECK((unsigned char)text[i] >= ' ' && text[i] != 0x7f);
	FUZZ_CHECK(i > 0);
}

static void check_texts(const struct opt_strings *strings, const char *begin, const char *end)
{
	uint32_t i;

	FUZZ_CHECK(strings->count <= OPT_LIST_MAX);
	for (i = 0; i < strings->count; i++) {
		FUZZ_CHECK(strings->values[i] >= begin && strings->values[i] < end);
		FUZZ_CHECK(strlen(strings->values[i]) <= 5);
	}
}

static void check_rest(const struct opt_rest *rest, int argc)
{
	uint32_t i;

	FUZZ_CHECK(rest->count < (uint32_t)argc);
	for (i = 0; i < rest->count; i++)
		FUZZ_CHECK(rest->values[i]);
	FUZZ_CHECK(!rest->count || !rest->values[rest->count]);
}

static void check_numbers(const struct fuzz_opts *opts)
{
	FUZZ_CHECK(opts->u32 >= 5 && opts->u32 <= 4000000000);
	FUZZ_CHECK(opts->real >= 0 && opts->real <= 100);
	FUZZ_CHECK(opts->arg);
}

static void check_units(const struct fuzz_opts *opts)
{
	uint32_t i;

	FUZZ_CHECK(opts->size >= 1 && opts->size <= (uint64_t)1 << 40);
	FUZZ_CHECK(opts->duration >= 1000 && opts->duration <= 3600000000000);
	FUZZ_CHECK(opts->choice <= 2);
	FUZZ_CHECK(opts->sizes.count <= OPT_LIST_MAX);
	for (i = 0; i < opts->sizes.count; i++)
		FUZZ_CHECK(opts->sizes.values[i] >= 1 && opts->sizes.values[i] <= 1048576);
}

/* Rows of the command and the shared ones are within bounds, those of other commands are zero. */
static void check_values(const struct fuzz_opts *opts, int command, int argc)
{
	struct fuzz_opts zero = { 0 };

	FUZZ_CHECK(strlen(opts->string) >= 1 && strlen(opts->string) <= 9);
	FUZZ_CHECK(command >= 0 && command <= 2);
	if (command == 0)
		check_numbers(opts);
	else
		FUZZ_CHECK(opts->u32 == 0 && opts->u64 == 0 && !opts->arg && !opts->more);
	if (command == 1)
		check_units(opts);
	else
		FUZZ_CHECK(!memcmp(&opts->sizes, &zero.sizes, sizeof(zero.sizes)));
	FUZZ_CHECK((command == 2) == (opts->command.count > 0));
	check_rest(&opts->rest, argc);
	check_rest(&opts->command, argc);
}

static void check_command_line(char *words, size_t size)
{
	char *argv[WORDS_MAX + 2], program[] = "weft-fuzz";
	struct opt_result result;
	struct fuzz_opts opts;
	int argc = 0, rc;
	size_t at;

	argv[argc++] = program;
	for (at = 0; at < size && argc <= WORDS_MAX; at += strlen(words + at) + 1)
		argv[argc++] = words + at;
	argv[argc] = NULL;
	err_clear();
	rc = opt_parse(&table, argc, argv, &opts, &result);
	FUZZ_CHECK(rc == 0 || rc == -EINVAL);
	if (rc) {
		check_line(weft_error_detail());
		return;
	}
	if (result.help || result.version)
		return;
	check_values(&opts, result.command_index, argc);
	check_texts(&opts.strings, words, words + size);
}

/* A text that is a value means the same after it was written out and read again. */
static void check_scaled(enum opt_type type, const char *text)
{
	char again[OPT_NAME_MAX];
	uint64_t value, back;
	int rc;

	rc = opt_scaled(type, text, &value);
	FUZZ_CHECK(rc == 0 || rc == -EINVAL || rc == -ERANGE);
	if (rc)
		return;
	FUZZ_CHECK(opt_scaled_text(type, value, again) == again);
	FUZZ_CHECK(strlen(again) < sizeof(again));
	FUZZ_CHECK(opt_scaled(type, again, &back) == 0);
	FUZZ_CHECK(back == value);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *words = malloc(size + 1), quoted[OPT_QUOTE_MAX];

	FUZZ_CHECK(words);
	if (size)
		memcpy(words, data, size);
	words[size] = '\0';
	check_scaled(OPT_TYPE_size, words);
	check_scaled(OPT_TYPE_duration, words);
	check_line(opt_quote(words, quoted));
	FUZZ_CHECK(strlen(quoted) < sizeof(quoted));
	opt_nearest(words, "--server-addr", NULL, &(uint32_t){ 0 });
	check_command_line(words, size);
	free(words);
	return 0;
}
