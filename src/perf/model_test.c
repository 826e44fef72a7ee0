/* SPDX-License-Identifier: Apache-2.0 */
#include "perf/model.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include <weft/weft.h>

#include "base/alloc.h"
#include "base/err.h"
#include "perf/backend.h"
#include "perf/measure_fake.h"

static struct perf_plan plan_of(const char *text)
{
	struct perf_plan plan;

	assert_int_equal(perf_plan_read(&plan, text), 0);
	return plan;
}

static void every_word_is_read(void **state)
{
	struct perf_plan plan = plan_of("");

	(void)state;
	assert_int_equal(plan.service, 1000);
	assert_int_equal(plan.jitter, 0);
	assert_true(plan.rate == 0);
	plan = plan_of("  service=2.5us jitter=100ns rate=12.5GB/s  outlier=500us@1/10000 "
		       "bimodal=2us,20us drift=10% start=1ms@20ms stall=100ms@1s loss=1/7 "
		       "duplicate=1/8 corrupt=1/9 ");
	assert_int_equal(plan.service, 2500);
	assert_int_equal(plan.jitter, 100);
	assert_true(plan.rate == 12.5);
	assert_int_equal(plan.outlier, 500000);
	assert_int_equal(plan.outlier_of, 10000);
	assert_int_equal(plan.mode[0], 2000);
	assert_int_equal(plan.mode[1], 20000);
	assert_true(plan.drift > 0.0999 && plan.drift < 0.1001);
	assert_int_equal(plan.start, 1000000);
	assert_int_equal(plan.start_until, 20000000);
	assert_int_equal(plan.stall, 100000000);
	assert_int_equal(plan.stall_from, 1000000000);
	assert_int_equal(plan.loss_of, 7);
	assert_int_equal(plan.duplicate_of, 8);
	assert_int_equal(plan.corrupt_of, 9);
	assert_true(plan_of("rate=250MB/s").rate == 0.25);
}

static void wrong_words_are_named(void **state)
{
	static const char *const wrong[] = {
		"service",      "service=",         "service=1",        "service=1h",
		"service=-1us", "service=nan",      "service=inf",      "service=1e300s",
		"service=1us,", "service=2us@",     "speed=1us",        "rate=0GB/s",
		"rate=12GB",    "outlier=500us",    "outlier=5us@2/3",  "outlier=5us@1/0",
		"outlier=@1/3", "outlier=5us@1/.5", "bimodal=1us",      "bimodal=1us,",
		"drift=10",     "drift=-3%",        "start=1us",        "stall=100ms@",
		"loss=0",       "loss=1/",          "duplicate=1/1e99", "corrupt=x",
	};
	struct perf_plan plan;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		char text[64];

		snprintf(text, sizeof(text), "jitter=1ns %s", wrong[i]);
		err_clear();
		if (perf_plan_read(&plan, text) != -EINVAL)
			fail_msg("\"%s\" was read", text);
		assert_non_null(strstr(weft_error_detail(), wrong[i]));
		assert_non_null(strstr(weft_error_detail(), "words are"));
	}
}

static void time_must_go_on(void **state)
{
	static const char *const still[] = {
		"service=0ns",      "service=1us jitter=1us",
		"bimodal=0ns,5us",  "start=1ns@1s jitter=1ns",
		"outlier=0ns@1/10",
	};
	struct perf_plan plan;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(still) / sizeof(still[0]); i++) {
		assert_int_equal(perf_plan_read(&plan, still[i]), -EINVAL);
		assert_non_null(strstr(weft_error_detail(), "at least 1 ns"));
	}
}

static void ends_are_as_planted(void **state)
{
	struct perf_plan plan = plan_of("service=10us outlier=500us@1/4");

	(void)state;
	assert_int_equal(perf_plan_end(&plan, 7, 0, 1), 10007);
	assert_int_equal(perf_plan_end(&plan, 7, 3, 1), 500007);
	assert_int_equal(perf_plan_end(&plan, 7, 4, 1), 10007);
	plan = plan_of("service=10us drift=50%");
	assert_int_equal(perf_plan_end(&plan, 0, 0, 1), 10000);
	assert_int_equal(perf_plan_end(&plan, 2000000000, 0, 1), 2000020000);
	plan = plan_of("service=10us start=80us@1ms");
	assert_int_equal(perf_plan_end(&plan, 999999, 0, 1), 1079999);
	assert_int_equal(perf_plan_end(&plan, 1000000, 0, 1), 1010000);
}

static void a_stop_holds_what_is_under_way(void **state)
{
	struct perf_plan plan = plan_of("service=10us stall=1ms@100us");

	(void)state;
	assert_int_equal(perf_plan_end(&plan, 80000, 0, 1), 90000);
	/* 6 us before the stop, 4 us after it. */
	assert_int_equal(perf_plan_end(&plan, 94000, 0, 1), 1104000);
	assert_int_equal(perf_plan_end(&plan, 100000, 0, 1), 1110000);
	assert_int_equal(perf_plan_end(&plan, 1099999, 0, 1), 1110000);
	assert_int_equal(perf_plan_end(&plan, 1100000, 0, 1), 1110000);
	assert_int_equal(perf_plan_end(&plan, 1200000, 0, 1), 1210000);
}

static void jitter_is_even(void **state)
{
	struct perf_plan plan = plan_of("service=1us jitter=2ns");
	uint32_t seen[5] = { 0 };
	uint64_t i, end;

	(void)state;
	for (i = 0; i < 50000; i++) {
		end = perf_plan_end(&plan, 0, i, 77);
		assert_in_range(end, 998, 1002);
		seen[end - 998]++;
	}
	for (i = 0; i < 5; i++)
		assert_in_range(seen[i], 9600, 10400);
}

/* Events come in the order of their times, out of that of their numbers, and none is lost. */
static void events_come_in_time(void **state)
{
	struct perf_case c = fake_case(PERF_BW, PERF_SEND, "service=10us jitter=9us");
	struct perf_port *port, *twin;
	struct perf_event events[8];
	uint64_t last, now, next = 0, told[1024] = { 0 }, arrived = 0, swapped = 0;
	uint32_t ended = 0;
	int n, i;

	(void)state;
	c.window = 1024;
	assert_int_equal(perf_model.pair(&port, &twin, &c, 0), 0);
	assert_int_equal(perf_model.post(port, 0, 0, 1024), 1024);
	for (last = 0; ended < 1024 || arrived < 1024; last = now) {
		now = perf_model.now(port);
		assert_true(now >= last);
		while ((n = perf_model.poll(port, events, 8)) > 0)
			for (i = 0; i < n; i++, ended++) {
				assert_int_equal(events[i].kind, PERF_DONE);
				assert_int_equal(told[events[i].number]++, 0);
				swapped += events[i].number < next;
				next = events[i].number;
			}
		while ((n = perf_model.poll(twin, events, 8)) > 0)
			for (i = 0; i < n; i++) {
				assert_int_equal(events[i].kind, PERF_ARRIVED);
				assert_int_equal(events[i].number, arrived++);
			}
		perf_model.idle(port, now + 1000000);
	}
	assert_true(swapped > 100);
	/* Time goes no further than it is let. */
	now = perf_model.now(port);
	perf_model.idle(port, now + 5);
	assert_int_equal(perf_model.now(twin), now + 5);
	perf_model.idle(port, now);
	assert_int_equal(perf_model.now(twin), now + 5);
	perf_model.close(port);
	perf_model.close(twin);
}

static void no_memory_is_an_error_at_every_point(void **state)
{
	static const struct perf_backend *const backends[] = { &perf_model, &perf_loop };
	struct perf_case c = fake_case(PERF_BW, PERF_SEND, "");
	struct perf_port *port, *twin;
	int n, i, rc;

	(void)state;
	for (i = 0; i < 2; i++) {
		for (n = 1;; n++) {
			mem_fail_at(n);
			rc = backends[i]->pair(&port, &twin, &c, 0);
			if (!mem_failed())
				break;
			assert_int_equal(rc, -ENOMEM);
		}
		mem_fail_at(0);
		assert_int_equal(rc, 0);
		assert_true(n > 4);
		backends[i]->close(port);
		backends[i]->close(twin);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_word_is_read),
		cmocka_unit_test(wrong_words_are_named),
		cmocka_unit_test(time_must_go_on),
		cmocka_unit_test(ends_are_as_planted),
		cmocka_unit_test(a_stop_holds_what_is_under_way),
		cmocka_unit_test(jitter_is_even),
		cmocka_unit_test(events_come_in_time),
		cmocka_unit_test(no_memory_is_an_error_at_every_point),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
