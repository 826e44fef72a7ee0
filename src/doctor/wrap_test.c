/* SPDX-License-Identifier: Apache-2.0 */
#include "doctor/planted.h"

static char *wrapped(void (*wrap)(FILE *out, int now, int hang, const char *text), const char *text)
{
	static char *ret;
	static size_t len;
	FILE *out = open_memstream(&ret, &len);

	assert_non_null(out);
	fputs("  fix:  ", out);
	wrap(out, 8, 8, text);
	assert_int_equal(fclose(out), 0);
	return ret;
}

static void assert_wrapped(void (*wrap)(FILE *out, int now, int hang, const char *text),
			   const char *text, const char *wanted)
{
	char *got = wrapped(wrap, text);

	assert_string_equal(got, wanted);
	free(got);
}

static void sentences_are_broken_at_blanks(void **state)
{
	(void)state;
	assert_wrapped(report_wrap, "", "  fix:  \n");
	assert_wrapped(report_wrap, "a short one", "  fix:  a short one\n");
	assert_wrapped(
		report_wrap,
		"the quick brown fox jumps over the lazy dog and then it's the dog's turn to jump",
		"  fix:  the quick brown fox jumps over the lazy dog and then it's the dog's turn\n"
		"        to jump\n");
	assert_wrapped(report_wrap,
		       "th\xc3\xa9 quick brown fox jumps over the lazy dog and then it's the dog's "
		       "turn to",
		       "  fix:  th\xc3\xa9 quick brown fox jumps over the lazy dog and then it's "
		       "the dog's "
		       "turn\n"
		       "        to\n");
	assert_wrapped(
		report_wrap,
		"they quick brown fox jumps over the lazy dog and then it's the dog's turn",
		"  fix:  they quick brown fox jumps over the lazy dog and then it's the dog's\n"
		"        turn\n");
	assert_wrapped(report_wrap, "two\nlines", "  fix:  two\n        lines\n");
}

static void commands_are_broken_outside_of_quotes(void **state)
{
	(void)state;
	assert_wrapped(report_wrap_command,
		       "sudo modprobe efa && echo 'options  efa x=1' | sudo tee "
		       "/etc/modprobe.d/efa.conf.x",
		       "  fix:  sudo modprobe efa && echo 'options  efa x=1' | sudo tee \\\n"
		       "        /etc/modprobe.d/efa.conf.x\n");
	assert_wrapped(
		report_wrap_command,
		"echo 'a quoted text that does not fit, of which nothing may be broken, at all'",
		"  fix:  echo \\\n"
		"        'a quoted text that does not fit, of which nothing may be broken, at "
		"all'\n");
}

static void comments_of_commands_stay_comments(void **state)
{
	(void)state;
	assert_wrapped(report_wrap_command, "sudo modprobe efa # now",
		       "  fix:  sudo modprobe efa # now\n");
	assert_wrapped(
		report_wrap_command,
		"sudo modprobe efa # then look at what the kernel's log has to say about it, and "
		"say so",
		"  fix:  sudo modprobe efa\n"
		"        # then look at what the kernel's log has to say about it, and say so\n");
	assert_wrapped(
		report_wrap_command,
		"weft emu -- x # emulated ones, of which there are some, that need nothing at all; "
		"the "
		"others are at AWS",
		"  fix:  weft emu -- x\n"
		"        # emulated ones, of which there are some, that need nothing at all; the\n"
		"        # others are at AWS\n");
	assert_wrapped(report_wrap_command, "echo 'no # comment'", "  fix:  echo 'no # comment'\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sentences_are_broken_at_blanks),
		cmocka_unit_test(commands_are_broken_outside_of_quotes),
		cmocka_unit_test(comments_of_commands_stay_comments),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
