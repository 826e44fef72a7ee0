/* SPDX-License-Identifier: Apache-2.0 */
#include "base/log.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"

static int log_pipe[2];

static int open_pipe(void **state)
{
	(void)state;
	if (pipe(log_pipe))
		return -1;
	log_set_fd(log_pipe[1]);
	return 0;
}

static int close_pipe(void **state)
{
	(void)state;
	log_set_fd(STDERR_FILENO);
	log_init(LOG_INFO, false);
	close(log_pipe[0]);
	close(log_pipe[1]);
	return 0;
}

/* The lines written so far, after their time stamps are checked for shape. */
static char *logged(void)
{
	static char buf[4 * LOG_LINE_MAX];
	ssize_t n;

	log_write(LOG_ERROR, "mark", NULL, 0);
	n = read(log_pipe[0], buf, sizeof(buf) - 1);
	assert_true(n > 0);
	buf[n] = '\0';
	return buf;
}

static void a_text_line_has_time_level_message_and_fields(void **state)
{
	char *line, *rest;

	(void)state;
	log_init(LOG_INFO, false);
	log_info("ready", log_str("addr", "h:1"), log_u64("n", 5), log_i64("i", -5),
		 log_bool("ok", true), log_double("x", 0.5), log_str("t", "two words\n"),
		 log_str("none", NULL));
	line = logged();
	assert_int_equal(line[4], '-');
	assert_int_equal(line[10], 'T');
	assert_int_equal(line[23], 'Z');
	rest = strchr(line, '\n');
	*rest = '\0';
	assert_string_equal(line + 25, "info  ready addr=h:1 n=5 i=-5 ok=true x=0.5 "
				       "t=\"two words\\n\" none=\"\"");
}

static void a_json_line_is_one_object(void **state)
{
	char *line, *end;

	(void)state;
	log_init(LOG_DEBUG, true);
	log_debug("say \"hi\"\n", log_str("k", "v"), log_u64("n", 1));
	line = logged();
	end = strchr(line, '\n');
	*end = '\0';
	assert_memory_equal(line, "{\"ts\":\"", 7);
	assert_string_equal(
		strstr(line, "\",\"level\""),
		"\",\"level\":\"debug\",\"msg\":\"say \\\"hi\\\"\\n\",\"k\":\"v\",\"n\":1}");
}

static void lower_levels_are_silent_and_their_arguments_not_evaluated(void **state)
{
	int touched = 0;

	(void)state;
	log_init(LOG_WARN, false);
	log_info("no", log_i64("x", ++touched));
	log_text(NULL, LOG_DEBUG, "no");
	assert_int_equal(touched, 0);
	log_warn("yes", log_i64("x", ++touched));
	assert_int_equal(touched, 1);
	assert_null(strstr(logged(), "no"));
}

static void hostile_text_cannot_make_a_second_line(void **state)
{
	char *line;

	(void)state;
	log_init(LOG_INFO, false);
	log_text(NULL, 99, "x"); /* clamped to debug: silent */
	log_text(NULL, -1, "a\nb\r\x1b[31m");
	line = logged();
	assert_ptr_equal(strchr(line, '\n'), strstr(line, "mark") - 32);
	assert_null(strchr(line, '\x1b'));
}

static void long_lines_are_cut_and_say_so(void **state)
{
	static char big[3 * LOG_LINE_MAX];
	char *line, *end;
	int json;

	(void)state;
	memset(big, 'y', sizeof(big) - 1);
	for (json = 0; json < 2; json++) {
		log_init(LOG_INFO, json);
		log_info("m", log_str("a", "b"), log_str("big", big));
		log_info(big);
		line = logged();
		end = strchr(line, '\n');
		assert_true(end - line < LOG_LINE_MAX);
		assert_memory_equal(end - (json ? 11 : 4), json ? "\"cut\":true}" : " ...",
				    json ? 11 : 4);
		end = strchr(end + 1, '\n');
		assert_memory_equal(end - (json ? 11 : 4), json ? "\"cut\":true}" : " ...",
				    json ? 11 : 4);
	}
}

static void a_limit_lets_a_burst_through_and_counts_the_rest(void **state)
{
	struct log_limit limit = LOG_LIMIT(2, 100);
	uint64_t left_out = 99;

	(void)state;
	assert_true(log_allow(&limit, 1000, &left_out));
	assert_int_equal(left_out, 0);
	assert_true(log_allow(&limit, 1001, &left_out));
	assert_false(log_allow(&limit, 1002, &left_out));
	assert_false(log_allow(&limit, 1099, &left_out));
	assert_true(log_allow(&limit, 1100, &left_out));
	assert_int_equal(left_out, 2);
	assert_true(log_allow(&limit, 1101, &left_out));
	assert_int_equal(left_out, 0);
}

static void limited_lines_tell_how_many_are_missing(void **state)
{
	static struct log_limit limit = LOG_LIMIT(1, 3600 * NSEC_PER_SEC);
	char *line;
	int i;

	(void)state;
	log_init(LOG_INFO, false);
	for (i = 0; i < 5; i++)
		log_limited(&limit, LOG_WARN, "garbage", log_i64("i", i));
	limit.interval_ns = 0;
	log_limited(&limit, LOG_WARN, "garbage", log_i64("i", i));
	line = logged();
	assert_non_null(strstr(line, "garbage i=0 left_out=0\n"));
	assert_null(strstr(line, "i=1"));
	assert_non_null(strstr(line, "garbage i=5 left_out=4\n"));
}

#define WRITER_LINES 40

static void *write_lines(void *arg)
{
	int i;

	for (i = 0; i < WRITER_LINES; i++)
		log_info("thread", log_str("who", arg));
	return NULL;
}

static void lines_of_threads_do_not_mix(void **state)
{
	pthread_t threads[4];
	char *line, *next;
	int i, count = 0;

	(void)state;
	log_init(LOG_INFO, false);
	for (i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, write_lines, "abcd"), 0);
	for (i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	for (line = logged(); (next = strchr(line, '\n')); line = next + 1) {
		*next = '\0';
		if (!strstr(line, "mark")) {
			assert_string_equal(line + 25, "info  thread who=abcd");
			count++;
		}
	}
	assert_int_equal(count, 4 * WRITER_LINES);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, open_pipe, close_pipe)
	const struct CMUnitTest tests[] = {
		TEST(a_text_line_has_time_level_message_and_fields),
		TEST(a_json_line_is_one_object),
		TEST(lower_levels_are_silent_and_their_arguments_not_evaluated),
		TEST(hostile_text_cannot_make_a_second_line),
		TEST(long_lines_are_cut_and_say_so),
		TEST(a_limit_lets_a_burst_through_and_counts_the_rest),
		TEST(limited_lines_tell_how_many_are_missing),
		TEST(lines_of_threads_do_not_mix),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
