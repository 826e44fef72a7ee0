/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <signal.h>

#include <weft/weft.h>

#include "host/fake_tree.h"
#include "host/probe.h"

static char answer[HOST_PROBE_MAX];

/* A helper that is this script; its path. */
static const char *helper(const char *script)
{
	static char path[256];
	char text[512];

	snprintf(text, sizeof(text), "#!/bin/sh\n%s\n", script);
	tree_file("helper", text);
	snprintf(path, sizeof(path), "%s/helper", tree);
	assert_int_equal(chmod(path, 0755), 0);
	return path;
}

static int run(const char *script, uint64_t timeout_ns)
{
	return host_probe_run(helper(script), timeout_ns, answer, sizeof(answer));
}

static void an_answer_is_taken_whole(void **state)
{
	char value[16];

	(void)state;
	assert_int_equal(run("echo a=1; echo noise >&2; echo b=two words; echo b=3; echo end=ok",
			     HOST_PROBE_NS),
			 0);
	assert_string_equal(answer, "a=1\nb=two words\nb=3\nend=ok\n");
	assert_true(host_probe_value(answer, "b", value, sizeof(value)));
	assert_string_equal(value, "two words");
	assert_true(host_probe_value(answer, "b", value, 4));
	assert_string_equal(value, "two");
	assert_false(host_probe_value(answer, "c", value, sizeof(value)));
	assert_false(host_probe_value(answer, "en", value, sizeof(value)));
	assert_false(host_probe_value("", "a", value, sizeof(value)));
	assert_true(host_probe_value("x=1\na=", "a", value, sizeof(value)));
	assert_string_equal(value, "");
}

static void one_that_is_not_there_is_told(void **state)
{
	(void)state;
	assert_int_equal(host_probe_run("/no/such/helper", HOST_PROBE_NS, answer, sizeof(answer)),
			 -ENOENT);
	assert_non_null(strstr(weft_error_detail(), "/no/such/helper"));
	assert_string_equal(answer, "");
	assert_int_equal(host_probe_run(tree, HOST_PROBE_NS, answer, sizeof(answer)), -EACCES);
	/* Beside this test there is none. */
	assert_int_equal(host_probe_run(NULL, HOST_PROBE_NS, answer, sizeof(answer)), -ENOENT);
	assert_non_null(strstr(weft_error_detail(), "/" HOST_PROBE_NAME));
}

static void one_that_dies_or_breaks_off_is_told(void **state)
{
	char value[16];

	(void)state;
	assert_int_equal(run("printf a=1; kill -SEGV $$", HOST_PROBE_NS), -EIO);
	assert_string_equal(answer, "a=1\ndied=SIGSEGV\n");
	assert_true(host_probe_value(answer, "died", value, sizeof(value)));
	assert_int_equal(run("echo a=1; exit 3", HOST_PROBE_NS), -EIO);
	assert_string_equal(answer, "a=1\n");
	assert_non_null(strstr(weft_error_detail(), "status 3"));
}

/* With it goes what it started, which holds the pipe open. */
static void one_that_is_late_is_killed(void **state)
{
	char value[16];

	(void)state;
	assert_int_equal(run("sleep 1000 & echo pid=$!; wait", 2 * NSEC_PER_SEC), -ETIMEDOUT);
	assert_non_null(strstr(weft_error_detail(), "within 2 s"));
	assert_true(host_probe_value(answer, "pid", value, sizeof(value)));
	for (int i = 0; i < 5000 && !kill(atoi(value), 0); i++) {
		char path[64], stat[64] = "";
		FILE *file;

		/* Where nobody takes its status it stays as a zombie. */
		snprintf(path, sizeof(path), "/proc/%s/stat", value);
		file = fopen(path, "re");
		if (!file)
			return;
		assert_non_null(fgets(stat, sizeof(stat), file));
		fclose(file);
		if (strstr(stat, ") Z"))
			return;
		usleep(1000);
	}
	assert_int_equal(kill(atoi(value), 0), -1);
}

static void one_that_says_too_much_is_killed(void **state)
{
	(void)state;
	assert_int_equal(run("exec yes line=1", HOST_PROBE_NS), -ENOBUFS);
	assert_true(strlen(answer) < sizeof(answer));
	assert_int_equal(host_probe_run(helper("echo end=ok"), HOST_PROBE_NS, answer, 8), -ENOBUFS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, tree_open, tree_close)
		TEST(an_answer_is_taken_whole),
		TEST(one_that_is_not_there_is_told),
		TEST(one_that_dies_or_breaks_off_is_told),
		TEST(one_that_is_late_is_killed),
		TEST(one_that_says_too_much_is_killed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
