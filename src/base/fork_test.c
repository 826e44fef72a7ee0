/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/err.h"
#include "base/fork.h"

/* What the child is told, as its exit status: 1 it refuses, 2 so does its own child, 4 opening. */
static int told_in_child(void)
{
	int status = 0;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (!pid) {
		pid = fork();
		if (!pid)
			_exit(fork_refuses() ? 2 : 0);
		waitpid(pid, &status, 0);
		_exit(WEXITSTATUS(status) | (fork_refuses() ? 1 : 0) |
		      (fork_open() == -WEFT_EFORKED ? 4 : 0));
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void only_what_is_open_is_the_parents(void **state)
{
	(void)state;
	assert_int_equal(told_in_child(), 0);
	assert_int_equal(fork_open(), 0);
	assert_int_equal(fork_open(), 0);
	assert_int_equal(told_in_child(), 7);
	fork_close();
	assert_int_equal(told_in_child(), 7);
	fork_close();
	assert_int_equal(told_in_child(), 0);
	assert_false(fork_refuses());
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(only_what_is_open_is_the_parents) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
