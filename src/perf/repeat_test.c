/* SPDX-License-Identifier: Apache-2.0 */
/* Repeats over the back end model, whose figures are the same each time. */
#include "perf/repeat.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#include "perf/report_figures.h"
// clang-format on

#define MAX 8

struct log {
	char order[64];
	uint32_t n, stop_after;
	bool stopped;
};

static void note(void *ctx, const struct perf_result *result, uint32_t index)
{
	struct log *log = ctx;

	assert_int_equal(index, result->runs);
	log->order[log->n++] = result->c.backend[0];
	log->stopped = log->stop_after && log->n >= log->stop_after;
}

static struct perf_case case_of(const char *backend, enum perf_test test, const char *model)
{
	struct perf_case c = { .test = test,
			       .op = PERF_SEND,
			       .size = 64,
			       .window = 1,
			       .threads = 1,
			       .eps = 1,
			       .post_list = 1,
			       .inline_bytes = UINT32_MAX,
			       .iters = 1000,
			       .warm_ns = 1000000,
			       .seed = 1 };

	strcpy(c.backend, backend);
	strcpy(c.model, model);
	return c;
}

static int repeat(struct perf_result *results, uint32_t n, uint32_t max, struct log *log)
{
	struct perf_env none = { 0 };
	struct perf_repeat how = { .here = &none,
				   .there = &none,
				   .max = max,
				   .wanted = 0.02,
				   .stopped = &log->stopped,
				   .progress = note,
				   .ctx = log };

	return perf_repeat_cases(results, n, &how);
}

static void what_is_steady_needs_no_more_than_an_interval(void **state)
{
	struct perf_result result = { .c = case_of("model", PERF_LAT, "service=3us") };
	struct log log = { 0 };

	(void)state;
	assert_int_equal(repeat(&result, 1, MAX, &log), 0);
	assert_int_equal(result.error, 0);
	assert_int_equal(result.runs, 6);
	assert_true(result.reached);
	assert_ptr_equal(perf_main_figure(&result), &result.p50);
	assert_true(fabs(result.p50.median - 6000) <= 6);
	assert_true(result.p50.low <= result.p50.median && result.p50.high >= result.p50.median);
	assert_non_null(result.latency);
	assert_int_equal(result.latency->count, 6000);
	perf_result_free(&result);
}

static void too_few_repeats_do_not_reach_it(void **state)
{
	struct perf_result result = { .c = case_of("model", PERF_BW, "") };
	struct log log = { 0 };

	(void)state;
	assert_int_equal(repeat(&result, 1, 3, &log), 0);
	assert_int_equal(result.runs, 3);
	assert_false(result.reached);
	assert_true(isnan(result.rate.low));
	assert_ptr_equal(perf_main_figure(&result), &result.rate);
	assert_true(result.rate.median > 0 && result.ops.median > 0);
	perf_result_free(&result);
}

static void cases_take_turns(void **state)
{
	struct perf_result results[2] = { { .c = case_of("model", PERF_BW, "") },
					  { .c = case_of("loop", PERF_BW, "") } };
	struct log log = { 0 };

	(void)state;
	assert_int_equal(repeat(results, 2, 3, &log), 0);
	assert_string_equal(log.order, "mlmlml");
	perf_result_free(&results[0]);
	perf_result_free(&results[1]);
}

static void what_fails_is_kept_and_not_tried_again(void **state)
{
	struct perf_result results[2] = { { .c = case_of("model", PERF_BW, "nonsense=1") },
					  { .c = case_of("model", PERF_BW, "") } };
	struct log log = { 0 };

	(void)state;
	assert_int_equal(repeat(results, 2, MAX, &log), 0);
	assert_int_equal(results[0].error, -EINVAL);
	assert_non_null(strstr(results[0].why, "nonsense"));
	assert_int_equal(results[0].runs, 1);
	assert_int_equal(results[1].runs, 6);
	assert_true(results[1].reached);
	perf_result_free(&results[0]);
	perf_result_free(&results[1]);
}

static void a_stop_keeps_what_there_is(void **state)
{
	struct perf_result results[2] = { { .c = case_of("model", PERF_BW, "") },
					  { .c = case_of("model", PERF_LAT, "") } };
	struct log log = { .stop_after = 3 };

	(void)state;
	assert_int_equal(repeat(results, 2, MAX, &log), 0);
	assert_int_equal(results[0].runs, 2);
	assert_int_equal(results[1].runs, 1);
	assert_false(results[0].reached);
	assert_true(results[0].rate.median > 0);
	perf_result_free(&results[0]);
	perf_result_free(&results[1]);
}

static void without_a_server_some_cannot(void **state)
{
	struct perf_result result = { .c = case_of("tcp", PERF_BW, "") };
	struct log log = { 0 };

	(void)state;
	assert_int_equal(repeat(&result, 1, MAX, &log), 0);
	assert_int_equal(result.error, -EINVAL);
	assert_non_null(strstr(result.why, "needs a server"));
	perf_result_free(&result);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_steady_needs_no_more_than_an_interval),
		cmocka_unit_test(too_few_repeats_do_not_reach_it),
		cmocka_unit_test(cases_take_turns),
		cmocka_unit_test(what_fails_is_kept_and_not_tried_again),
		cmocka_unit_test(a_stop_keeps_what_there_is),
		cmocka_unit_test(without_a_server_some_cannot),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
