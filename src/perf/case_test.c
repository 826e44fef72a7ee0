/* SPDX-License-Identifier: Apache-2.0 */
#include "perf/case.h"

#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include <weft/weft.h>

#include "base/err.h"

static struct perf_case valid(enum perf_test test)
{
	struct perf_case c = {
		.test = test,
		.backend = "tcp",
		.size = 4096,
		.window = 64,
		.threads = 2,
		.eps = 1,
		.post_list = 16,
		.inline_bytes = UINT32_MAX,
		.duration_ns = 1000000000,
		.rate = test == PERF_OPEN ? 1000 : 0,
	};

	return c;
}

static void possible_cases_pass(void **state)
{
	struct perf_case c;
	uint32_t test;

	(void)state;
	for (test = 0; test < PERF_TESTS; test++) {
		c = valid(test);
		assert_int_equal(perf_case_check(&c), 0);
		c.duration_ns = 0;
		c.iters = 1000;
		assert_int_equal(perf_case_check(&c), 0);
	}
	c = valid(PERF_BW);
	c.bidir = c.validate = true;
	c.pace = 1000000;
	c.size = PERF_SIZE_MAX;
	c.window = c.post_list = PERF_WINDOW_MAX;
	assert_int_equal(perf_case_check(&c), 0);
	c = valid(PERF_LAT);
	strcpy(c.backend, "model");
	strcpy(c.model, "service=1us");
	assert_int_equal(perf_case_check(&c), 0);
}

/* The check refuses, and its text has the words that help. */
static void refused(const struct perf_case *c, const char *word)
{
	err_clear();
	assert_int_equal(perf_case_check(c), -EINVAL);
	if (!strstr(weft_error_detail(), word))
		fail_msg("\"%s\" lacks \"%s\"", weft_error_detail(), word);
}

#define REFUSED(test, change, word)               \
	do {                                      \
		struct perf_case c = valid(test); \
		change;                           \
		refused(&c, word);                \
	} while (0)

static void impossible_cases_are_refused_with_the_reason(void **state)
{
	(void)state;
	REFUSED(PERF_BW, c.test = PERF_TESTS, "test number 6");
	REFUSED(PERF_BW, c.op = PERF_OPS, "operation number 4");
	REFUSED(PERF_BW, c.backend[0] = 0, "back end");
	REFUSED(PERF_BW, memset(c.backend, 'x', sizeof(c.backend)), "too long");
	REFUSED(PERF_BW, memset(c.devices, 'x', sizeof(c.devices)), "too long");
	REFUSED(PERF_BW, memset(c.model, 'x', sizeof(c.model)), "too long");
	REFUSED(PERF_BW, strcpy(c.model, "service=1us"), "back end is tcp");
	REFUSED(PERF_BW, c.size = 0, "size is 0: give 1 to 1073741824");
	REFUSED(PERF_BW, c.size = PERF_SIZE_MAX + 1, "size");
	REFUSED(PERF_BW, c.window = 0, "window");
	REFUSED(PERF_BW, c.window = PERF_WINDOW_MAX + 1, "window is 4097");
	REFUSED(PERF_BW, c.threads = 0, "threads");
	REFUSED(PERF_BW, c.threads = PERF_THREADS_MAX + 1, "threads");
	REFUSED(PERF_BW, c.eps = 0, "eps");
	REFUSED(PERF_BW, c.eps = PERF_EPS_MAX + 1, "eps");
	REFUSED(PERF_BW, c.nics = 65, "nics");
	REFUSED(PERF_BW, c.post_list = 0, "post-list");
	REFUSED(PERF_BW, c.post_list = 65, "post-list is 65, the window 64");
	REFUSED(PERF_BW, c.duration_ns = 0, "would not end");
	REFUSED(PERF_BW, c.duration_ns = UINT64_MAX, "longer than a day");
	REFUSED(PERF_BW, c.warm_ns = UINT64_MAX, "warm-up is longer than a day");
	REFUSED(PERF_BW, c.iters = UINT64_MAX, "iters");
	REFUSED(PERF_BW, c.rate = 1000, "pace");
	REFUSED(PERF_OPEN, c.rate = 0, "needs a rate");
	REFUSED(PERF_OPEN, c.rate = -1, "needs a rate");
	REFUSED(PERF_OPEN, c.rate = NAN, "needs a rate");
	REFUSED(PERF_OPEN, c.rate = INFINITY, "needs a rate");
	REFUSED(PERF_OPEN, c.rate = 3e9, "1.5e+09 of each thread");
	REFUSED(PERF_OPEN, c.rate = 1e-9, "less than one a day");
	REFUSED(PERF_OPEN, c.pace = 1000, "pace is for");
	REFUSED(PERF_BW, c.pace = 1; c.size = 1000000, "less than one operation a day");
	REFUSED(PERF_LAT, c.bidir = true, "both ways");
	REFUSED(PERF_REG, c.validate = true, "validate");
}

static void words_are_those_of_the_table(void **state)
{
	(void)state;
	assert_string_equal(perf_test_word(PERF_OPEN), "open");
	assert_string_equal(perf_op_word(PERF_WRITE_IMM), "writeimm");
	assert_string_equal(perf_test_word(PERF_TESTS), "?");
	assert_string_equal(perf_op_word(PERF_OPS), "?");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(possible_cases_pass),
		cmocka_unit_test(impossible_cases_are_refused_with_the_reason),
		cmocka_unit_test(words_are_those_of_the_table),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
