/* SPDX-License-Identifier: Apache-2.0 */
#include "base/opt.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <weft/weft.h>

#include "base/clock.h"

struct demo {
#define OPT_FIELDS
#include "base/opt_test.def"
};

static const struct opt_row demo_rows[] = {
#define OPT_ROWS struct demo
#include "base/opt_test.def"
};

static const char *const demo_commands[] = {
#define OPT_COMMANDS
#define OPT_COMMAND(id) #id,
#include "base/opt_test.def"
};

static const struct opt_table demo_table = OPT_TABLE(demo_rows, struct demo);

#define WORDS_MAX 160

/* Parses a line of words separated by one space. Strings of *demo live until the next call. */
static int parse(const char *line, struct demo *demo, struct opt_result *result)
{
	static char text[4096];
	static char *argv[WORDS_MAX + 2];
	int argc = 1;
	char *word;

	assert_true(strlen(line) < sizeof(text));
	strcpy(text, line);
	argv[0] = (char *)"weft-demo";
	for (word = text; word && *line; argc++) {
		assert_true(argc <= WORDS_MAX);
		argv[argc] = word;
		word = strchr(word, ' ');
		if (word)
			*word++ = '\0';
	}
	argv[argc] = NULL;
	return opt_parse(&demo_table, argc, argv, demo, result);
}

static void good(const char *line, struct demo *demo, struct opt_result *result)
{
	int rc = parse(line, demo, result);

	if (rc)
		print_error("%s: %s\n", line, weft_error_detail());
	assert_int_equal(rc, 0);
}

static void a_sound_table_passes_the_check(void **state)
{
	(void)state;
	assert_int_equal(opt_check(&demo_table), 0);
}

static void defaults_fill_shared_rows_and_those_of_the_command(void **state)
{
	struct opt_result result;
	struct demo demo;

	(void)state;
	good("bench --threads 3", &demo, &result);
	assert_string_equal(demo.addr, "127.0.0.1:1");
	assert_int_equal(demo.memory_mb, 1024);
	assert_int_equal(demo.buffer, 64 << 20);
	assert_int_equal(demo.timeout, 10 * NSEC_PER_SEC);
	assert_int_equal(demo.provider, 0);
	assert_false(demo.json);
	assert_int_equal(demo.value_size.count, 2);
	assert_int_equal(demo.value_size.values[1], 1 << 20);
	assert_null(demo.file);
	good("get k", &demo, &result);
	assert_string_equal(demo.file, "out");
	assert_int_equal(demo.value_size.count, 0);
	assert_false(opt_given(&demo_table, &result, "file"));
}

static void every_type_is_read(void **state)
{
	struct opt_result result;
	struct demo demo;

	(void)state;
	good("--addr=h:2 --memory-mb 7 --seed 18446744073709551615 --zipf 0.99 --buffer 5.5k "
	     "--timeout 250ms --provider shm --json put k v --file=-",
	     &demo, &result);
	assert_string_equal(demo.addr, "h:2");
	assert_int_equal(demo.memory_mb, 7);
	assert_true(demo.seed == UINT64_MAX);
	assert_true(demo.zipf > 0.98 && demo.zipf < 1.0);
	assert_int_equal(demo.buffer, 5632);
	assert_int_equal(demo.timeout, 250 * NSEC_PER_MSEC);
	assert_int_equal(demo.provider, 2);
	assert_true(demo.json);
	assert_string_equal(demo.key, "k");
	assert_string_equal(demo.value, "v");
	assert_string_equal(demo.file, "-");
	assert_string_equal(result.command, "put");
	assert_int_equal(result.command_index, 0);
	assert_true(opt_given(&demo_table, &result, "timeout"));
	assert_false(opt_given(&demo_table, &result, "quiet"));
}

static void lists_replace_their_default_and_grow(void **state)
{
	struct opt_result result;
	struct demo demo;

	(void)state;
	good("bench --threads 1 --value-size 1,2K --tag a --value-size 3MiB --tag b", &demo,
	     &result);
	assert_int_equal(demo.value_size.count, 3);
	assert_int_equal(demo.value_size.values[0], 1);
	assert_int_equal(demo.value_size.values[1], 2048);
	assert_int_equal(demo.value_size.values[2], 3 << 20);
	assert_int_equal(demo.tag.count, 2);
	assert_string_equal(demo.tag.values[1], "b");
}

static void short_names_bundle_and_take_values(void **state)
{
	struct opt_result result;
	struct demo demo;

	(void)state;
	good("put -jq k -ffile -t 5", &demo, &result);
	assert_true(demo.json && demo.quiet);
	assert_string_equal(demo.file, "file");
	assert_int_equal(demo.timeout, 5 * NSEC_PER_SEC);
}

static void the_last_of_a_repeated_option_counts(void **state)
{
	struct opt_result result;
	struct demo demo;

	(void)state;
	good("put --memory-mb 1 k --memory-mb 2 --memory-mb 3", &demo, &result);
	assert_int_equal(demo.memory_mb, 3);
}

static void arguments_mix_with_options(void **state)
{
	struct opt_result result;
	struct demo demo;

	(void)state;
	good("get a --json b -f x c", &demo, &result);
	assert_int_equal(demo.keys.count, 3);
	assert_string_equal(demo.keys.values[0], "a");
	assert_string_equal(demo.keys.values[2], "c");
	assert_null(demo.keys.values[3]);
	good("put -- --key -v", &demo, &result);
	assert_string_equal(demo.key, "--key");
	assert_string_equal(demo.value, "-v");
	good("put - ", &demo, &result);
	assert_string_equal(demo.key, "-");
	assert_string_equal(demo.value, "");
	good("list", &demo, &result);
	assert_int_equal(demo.prefixes.count, 0);
}

static void a_command_to_run_keeps_its_own_options(void **state)
{
	struct opt_result result;
	struct demo demo;

	(void)state;
	good("run --json ls --json -- --help", &demo, &result);
	assert_true(demo.json);
	assert_false(result.help);
	assert_int_equal(demo.words.count, 4);
	assert_string_equal(demo.words.values[1], "--json");
	assert_string_equal(demo.words.values[2], "--");
	good("run -- --odd", &demo, &result);
	assert_string_equal(demo.words.values[0], "--odd");
}

static void help_and_version_come_before_mistakes_behind_them(void **state)
{
	struct opt_result result;
	struct demo demo;

	(void)state;
	good("--help --nonsense", &demo, &result);
	assert_true(result.help);
	assert_int_equal(result.command_index, -1);
	good("bench -h", &demo, &result);
	assert_true(result.help);
	assert_int_equal(result.command_index, 2);
	good("--version", &demo, &result);
	assert_true(result.version);
}

struct bad_line {
	const char *line;
	const char *detail;
};

static const struct bad_line bad_lines[] = {
	{ "", "a command is missing (see --help)" },
	{ "putt k", "unknown command 'putt'; did you mean put?" },
	{ "zzz", "unknown command 'zzz' (see --help)" },
	{ "put", "KEY is missing (see --help)" },
	{ "put a b c", "'c' is one argument too many (see --help)" },
	{ "put k --memory-mb abc", "--memory-mb: 'abc' is not a number (1..1048576)" },
	{ "put k --memory-mb 0", "--memory-mb: '0' is too small (1..1048576)" },
	{ "put k --memory-mb 1048577", "--memory-mb: '1048577' is too large (1..1048576)" },
	{ "put k --memory-mb -1", "--memory-mb: '-1' is not a number (1..1048576)" },
	{ "put k --memory-mb +1", "--memory-mb: '+1' is not a number (1..1048576)" },
	{ "put k --memory-mb 1.5", "--memory-mb: '1.5' is not a number (1..1048576)" },
	{ "put k --memory-mb=", "--memory-mb: '' is not a number (1..1048576)" },
	{ "put k --memory-mb", "--memory-mb: needs a value (N, 1..1048576)" },
	{ "put k --seed 18446744073709551616", "--seed: '18446744073709551616' is too large" },
	{ "put k --zipf 10.1", "--zipf: '10.1' is too large (0..10)" },
	{ "put k --zipf .", "--zipf: '.' is not a number (0..10)" },
	{ "put k --zipf 1e3", "--zipf: '1e3' is not a number (0..10)" },
	{ "put k --buffer 1", "--buffer: '1' is too small (4KiB..1TiB)" },
	{ "put k --buffer 5XB", "--buffer: '5XB' is not a size like 64KiB or 1.5G (4KiB..1TiB)" },
	{ "put k --buffer 99999999999TB", "--buffer: '99999999999TB' is too large (4KiB..1TiB)" },
	{ "put k --timeout 5x", "--timeout: '5x' is not a duration like 500ms or 10s (1ns..1h)" },
	{ "put k --timeout 61m", "--timeout: '61m' is too large (1ns..1h)" },
	{ "put k --timeout 0", "--timeout: '0' is too small (1ns..1h)" },
	{ "put k --provider efa", "--provider: 'efa' is not one of the choices (auto|tcp|shm)" },
	{ "put k --provider aut", "--provider: 'aut' is not one of the choices (auto|tcp|shm)" },
	{ "put k --provider", "--provider: needs a value (auto|tcp|shm)" },
	{ "put k --addr=", "--addr: '' must not be empty (1..20 bytes)" },
	{ "put k --addr 123456789012345678901",
	  "--addr: '123456789012345678901' is too long (1..20 bytes)" },
	{ "put k --json=yes", "--json: takes no value" },
	{ "put k --jsonn", "unknown option '--jsonn'; did you mean --json?" },
	{ "put k --mem 5", "unknown option '--mem'; did you mean --memory-mb?" },
	{ "put k --qqqqqqqq", "unknown option '--qqqqqqqq' (see --help)" },
	{ "put k -x", "unknown option '-x' (see --help)" },
	{ "put k -jx", "unknown option '-jx' (see --help)" },
	{ "--threads 4 bench", "option --threads belongs after the command 'bench'" },
	{ "put k --threads 4", "option --threads belongs to the command 'bench'" },
	{ "bench", "--threads N is missing: how many at once" },
	{ "bench --threads 1 --value-size 1,,2",
	  "--value-size: '' is not a size like 64KiB or 1.5G (1B..1GiB)" },
	{ "bench --threads 1 --tag 123456789", "--tag: '123456789' is too long (1..8 bytes)" },
	{ "get", "KEY is missing (see --help)" },
	{ "run", "PROGRAM is missing (see --help)" },
};

static void mistakes_name_option_value_reason_and_what_is_allowed(void **state)
{
	struct opt_result result;
	struct demo demo;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(bad_lines) / sizeof(bad_lines[0]); i++) {
		if (parse(bad_lines[i].line, &demo, &result) != -EINVAL)
			fail_msg("accepted: %s", bad_lines[i].line);
		assert_string_equal(weft_error_detail(), bad_lines[i].detail);
	}
}

static void list_options_are_bounded(void **state)
{
	char line[1024] = "bench --threads 1 --value-size 1";
	struct opt_result result;
	struct demo demo;
	int i;

	(void)state;
	for (i = 1; i < OPT_LIST_MAX; i++)
		strcat(line, ",1");
	good(line, &demo, &result);
	assert_int_equal(demo.value_size.count, OPT_LIST_MAX);
	strcat(line, ",1");
	assert_int_equal(parse(line, &demo, &result), -EINVAL);
	assert_string_equal(weft_error_detail(), "--value-size: more than 64 values");
}

static void no_arguments_at_all_touch_nothing_outside(void **state)
{
	struct opt_result result;
	struct demo demo;
	char *argv[] = { NULL };

	(void)state;
	assert_int_equal(opt_parse(&demo_table, 0, argv, &demo, &result), -EINVAL);
}

static char *help_text(int command)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	assert_non_null(out);
	opt_help(&demo_table, command, out);
	fclose(out);
	return text;
}

static void help_names_every_row_and_fits_the_width(void **state)
{
	const struct opt_row *row;
	char name[OPT_NAME_MAX + 4], *text, *line;
	int command, at;

	(void)state;
	for (command = -1; command < 5; command++) {
		text = help_text(command);
		for (at = -1; (row = opt_next(&demo_table, command, OPT_KIND_OPTION, &at));) {
			snprintf(name, sizeof(name), "--%s", row->name);
			assert_non_null(strstr(text, name));
		}
		for (line = strtok(text, "\n"); line; line = strtok(NULL, "\n"))
			assert_true(strlen(line) <= 96);
		free(text);
	}
	text = help_text(-1);
	assert_non_null(strstr(text, "Usage: weft demo [OPTION]... COMMAND [ARGUMENT]...\n"));
	assert_non_null(strstr(text, "memory (1..1048576, default 1024)\n"));
	free(text);
	text = help_text(0);
	assert_non_null(strstr(text, "Usage: weft demo put [OPTION]... KEY [VALUE]\n"));
	free(text);
}

static void commands_expand_in_the_order_of_the_table(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(demo_commands) / sizeof(demo_commands[0]); i++)
		assert_string_equal(opt_command(&demo_table, (int)i)->name, demo_commands[i]);
	assert_int_equal(i, 5);
	assert_null(opt_command(&demo_table, 5));
}

/* The rows of a broken table: index 0 is the program, the others are options of one byte. */
static void broken(struct opt_row row, const char *detail)
{
	const struct opt_row rows[] = {
		{ .kind = OPT_KIND_PROGRAM, .name = "p", .help = "p" },
		{ .kind = OPT_KIND_OPTION,
		  .type = OPT_TYPE_u32,
		  .name = "first",
		  .metavar = "N",
		  .short_name = 'f',
		  .help = "x" },
		row,
	};
	const struct opt_table table = { .rows = rows, .count = 3, .size = 64 };

	assert_int_equal(opt_check(&table), -EINVAL);
	assert_non_null(strstr(weft_error_detail(), detail));
}

static void the_check_finds_broken_tables(void **state)
{
	const struct opt_row sound = { .kind = OPT_KIND_OPTION,
				       .type = OPT_TYPE_u32,
				       .name = "second",
				       .metavar = "N",
				       .help = "x",
				       .offset = 8 };
	struct opt_row row;

	(void)state;
#define BROKEN(text, ...) \
	row = sound;      \
	__VA_ARGS__;      \
	broken(row, text)
	BROKEN("name is used twice", row.name = "first");
	BROKEN("short name is used twice", row.short_name = 'f');
	BROKEN("field is used twice", row.offset = 0);
	BROKEN("lower-case", row.name = "Bad");
	BROKEN("exist already", row.name = "help");
	BROKEN("min is above max", row.min = 2; row.max = 1);
	BROKEN("too large", row.max = 5; row.fallback = "6");
	BROKEN("full stop", row.help = "x.");
	BROKEN("metavar", row.metavar = NULL);
	BROKEN("a choice needs", row.type = OPT_TYPE_choice);
	BROKEN("not an option's", row.type = OPT_TYPE_one);
	BROKEN("first row", row.kind = OPT_KIND_PROGRAM);
#undef BROKEN
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_sound_table_passes_the_check),
		cmocka_unit_test(defaults_fill_shared_rows_and_those_of_the_command),
		cmocka_unit_test(every_type_is_read),
		cmocka_unit_test(lists_replace_their_default_and_grow),
		cmocka_unit_test(short_names_bundle_and_take_values),
		cmocka_unit_test(the_last_of_a_repeated_option_counts),
		cmocka_unit_test(arguments_mix_with_options),
		cmocka_unit_test(a_command_to_run_keeps_its_own_options),
		cmocka_unit_test(help_and_version_come_before_mistakes_behind_them),
		cmocka_unit_test(mistakes_name_option_value_reason_and_what_is_allowed),
		cmocka_unit_test(list_options_are_bounded),
		cmocka_unit_test(no_arguments_at_all_touch_nothing_outside),
		cmocka_unit_test(help_names_every_row_and_fits_the_width),
		cmocka_unit_test(commands_expand_in_the_order_of_the_table),
		cmocka_unit_test(the_check_finds_broken_tables),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
