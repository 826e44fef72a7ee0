/* SPDX-License-Identifier: Apache-2.0 */
#include "emu/trace.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define WRITERS 3
#define THREADS 2
#define LINES   500

static char path[] = "/tmp/weft-emu-trace-XXXXXX";

static int new_file(void **state)
{
	int fd = mkstemp(path);

	(void)state;
	assert_true(fd >= 0);
	close(fd);
	return 0;
}

static int remove_file(void **state)
{
	(void)state;
	unlink(path);
	return 0;
}

/* Before a file is open, the macro does nothing, not even look at its arguments. */
static void test_off(void **state)
{
	int touched = 0;

	(void)state;
	assert_false(emu_tracing);
	emu_trace("%d", touched++);
	assert_int_equal(touched, 0);
	assert_int_equal(emu_trace_open("/nowhere/trace"), -ENOENT);
	assert_false(emu_tracing);
}

static void *write_lines(void *argument)
{
	long writer = (long)argument;
	char text[200];
	int i;

	memset(text, 'a' + (int)writer, sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	for (i = 0; i < LINES; i++)
		emu_trace("%ld %d %s", writer, i, text);
	return NULL;
}

static void write_threads(long writer)
{
	pthread_t threads[THREADS];
	int i;

	for (i = 0; i < THREADS; i++)
		if (pthread_create(&threads[i], NULL, write_lines, (void *)writer))
			_exit(1);
	for (i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
}

/* Lines of several processes and threads in one file stay whole. */
static void test_whole_lines(void **state)
{
	unsigned int lines = 0, counts[WRITERS] = { 0 };
	char line[512], text[200];
	int status, i;
	long writer;
	FILE *file;

	(void)state;
	assert_int_equal(emu_trace_open(path), 0);
	assert_true(emu_tracing);
	for (writer = 0; writer < WRITERS; writer++) {
		pid_t child = fork();

		assert_true(child >= 0);
		if (!child) {
			write_threads(writer);
			_exit(0);
		}
	}
	for (i = 0; i < WRITERS; i++) {
		assert_true(wait(&status) > 0);
		assert_int_equal(status, 0);
	}
	file = fopen(path, "r");
	assert_non_null(file);
	while (fgets(line, sizeof(line), file)) {
		assert_int_equal(sscanf(line, "%ld %d %199s", &writer, &i, text), 3);
		assert_in_range(writer, 0, WRITERS - 1);
		assert_int_equal(strlen(text), 199);
		assert_int_equal(strspn(text, (char[]){ (char)('a' + writer), 0 }), 199);
		counts[writer]++;
		lines++;
	}
	fclose(file);
	assert_int_equal(lines, WRITERS * THREADS * LINES);
	for (i = 0; i < WRITERS; i++)
		assert_int_equal(counts[i], THREADS * LINES);
}

/* A line that is too long ends early, and in a newline; errno is kept. */
static void test_long_line(void **state)
{
	char text[5000], line[6000];
	FILE *file;

	(void)state;
	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	assert_int_equal(truncate(path, 0), 0);
	errno = EXDEV;
	emu_trace("%s", text);
	emu_trace("next");
	assert_int_equal(errno, EXDEV);
	file = fopen(path, "r");
	assert_non_null(file);
	assert_non_null(fgets(line, sizeof(line), file));
	assert_int_equal(line[strlen(line) - 1], '\n');
	assert_in_range(strlen(line), 900, 1024);
	assert_non_null(fgets(line, sizeof(line), file));
	assert_string_equal(line, "next\n");
	fclose(file);
}

/* Says so once where nothing can be written, and goes on. */
static void test_full(void **state)
{
	char line[256] = "";
	int pipes[2], saved;
	ssize_t n;

	(void)state;
	if (emu_trace_open("/dev/full"))
		skip();
	assert_int_equal(pipe2(pipes, O_NONBLOCK), 0);
	saved = dup(STDERR_FILENO);
	dup2(pipes[1], STDERR_FILENO);
	emu_trace("lost");
	emu_trace("lost");
	dup2(saved, STDERR_FILENO);
	close(saved);
	n = read(pipes[0], line, sizeof(line) - 1);
	close(pipes[0]);
	close(pipes[1]);
	assert_true(n > 0);
	assert_string_equal(line, "weft-emu: the trace is incomplete: No space left on device\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_off),
		cmocka_unit_test(test_whole_lines),
		cmocka_unit_test(test_long_line),
		cmocka_unit_test(test_full),
	};

	return cmocka_run_group_tests(tests, new_file, remove_file);
}
