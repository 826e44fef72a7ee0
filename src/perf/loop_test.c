/* SPDX-License-Identifier: Apache-2.0 */
/* The back end loop: that it copies and tells, and whole runs of it on the real clock. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include <weft/weft.h>

#include "base/alloc.h"
#include "perf/measure.h"
#include "perf/measure_fake.h"
#include "perf/result.h"

static struct perf_case loop_case(enum perf_test test, enum perf_op op)
{
	struct perf_case c = fake_case(test, op, "");

	strcpy(c.backend, "loop");
	c.size = 64;
	c.window = 64;
	c.post_list = 16;
	c.duration_ns = 0;
	c.iters = 20000;
	c.warm_ns = NSEC_PER_MSEC;
	return c;
}

static void operations_are_told_in_order_and_once(void **state)
{
	static const enum perf_op ops[] = { PERF_WRITE, PERF_READ, PERF_SEND, PERF_WRITE_IMM };
	struct perf_case c = loop_case(PERF_BW, PERF_WRITE);
	struct perf_event events[128];
	struct perf_port *port, *twin;
	struct perf_facts here, there;
	uint64_t number = 0, i;
	int o, round;

	(void)state;
	c.eps = 2;
	c.validate = true;
	for (o = 0; o < 4; o++) {
		c.op = ops[o];
		assert_int_equal(perf_loop.pair(&port, &twin, &c, 0), 0);
		for (round = 0, number = 0; round < 200; round++, number += 70) {
			assert_int_equal(perf_loop.post(port, 1, number, 70), 70);
			assert_int_equal(perf_loop.poll(port, events, 50), 50);
			assert_int_equal(perf_loop.poll(port, events + 50, 50), 20);
			for (i = 0; i < 70; i++) {
				assert_int_equal(events[i].number, number + i);
				assert_int_equal(events[i].kind, PERF_DONE);
				assert_int_equal(events[i].ep, 1);
			}
			if (o < 2)
				continue;
			assert_int_equal(perf_loop.poll(twin, events, 128), 70);
			assert_int_equal(events[69].kind, PERF_ARRIVED);
			assert_int_equal(events[69].number, number + 69);
		}
		assert_int_equal(perf_loop.poll(twin, events, 128), 0);
		perf_loop.facts(port, &here);
		perf_loop.facts(twin, &there);
		assert_false(here.wrong || there.wrong);
		assert_int_equal(here.bytes_landed, ops[o] == PERF_READ ? number * 64 : 0);
		assert_int_equal(there.bytes_landed, o >= 2 ? number * 64 : 0);
		perf_loop.close(port);
		perf_loop.close(twin);
	}
}

static void a_full_ring_takes_no_more(void **state)
{
	struct perf_case c = loop_case(PERF_BW, PERF_SEND);
	struct perf_event events[64];
	struct perf_port *port, *twin;

	(void)state;
	assert_int_equal(perf_loop.pair(&port, &twin, &c, 0), 0);
	assert_int_equal(perf_loop.post(port, 0, 0, 100), 64);
	assert_int_equal(perf_loop.post(port, 0, 64, 1), 0);
	assert_int_equal(perf_loop.poll(port, events, 64), 64);
	/* The twin has not taken what has arrived. */
	assert_int_equal(perf_loop.post(port, 0, 64, 1), 0);
	assert_int_equal(perf_loop.poll(twin, events, 10), 10);
	assert_int_equal(perf_loop.post(port, 0, 64, 64), 10);
	perf_loop.close(twin);
	perf_loop.close(port);
}

/* Each kind alone fills the room of every poll, for as long as the other is waited for. */
static void neither_kind_starves_the_other(void **state)
{
	struct perf_case c = loop_case(PERF_BW, PERF_SEND);
	struct perf_event events[8];
	struct perf_port *port, *twin;
	uint64_t number = 0, back = 0;
	uint32_t told[2] = { 0 };
	int round, n, i;

	(void)state;
	assert_int_equal(perf_loop.pair(&port, &twin, &c, 0), 0);
	for (round = 0; round < 100; round++) {
		number += (uint64_t)perf_loop.post(port, 0, number, 8);
		back += (uint64_t)perf_loop.post(twin, 0, back, 8);
		n = perf_loop.poll(port, events, 8);
		for (i = 0; i < n; i++)
			told[events[i].kind]++;
		while (perf_loop.poll(twin, events, 8) > 0)
			;
	}
	assert_in_range(told[PERF_DONE], 300, 500);
	assert_in_range(told[PERF_ARRIVED], 300, 500);
	perf_loop.close(twin);
	perf_loop.close(port);
}

static void runs_count_what_was_asked(void **state)
{
	static const enum perf_test tests[] = { PERF_BW, PERF_RATE, PERF_LAT };
	struct perf_case c;
	struct perf_run run;
	uint32_t i;

	(void)state;
	for (i = 0; i < 12; i++) {
		c = loop_case(tests[i % 3], (enum perf_op)(i / 3));
		c.threads = 2;
		c.eps = 1 + i % 2;
		c.validate = i % 2;
		c.bidir = tests[i % 3] != PERF_LAT && i % 2;
		assert_int_equal(perf_measure_alone(&c, &run), 0);
		assert_int_equal(run.here.ops, 2 * c.iters);
		assert_int_equal(run.here.bytes, run.here.ops * 64);
		assert_int_equal(run.there.ops, c.bidir ? 2 * c.iters : 0);
		assert_false(run.here.wrong || run.there.wrong);
		assert_int_equal(run.duplicates, 0);
		assert_string_equal(run.here.ways, "memory of this process");
		assert_true(run.here.ns > 0);
		if (tests[i % 3] == PERF_LAT)
			assert_int_equal(run.latency->count, run.here.ops);
		if (c.op == PERF_SEND && tests[i % 3] == PERF_BW)
			assert_true(run.there.landed > 0);
		perf_run_free(&run);
	}
}

static void a_duration_is_measured_by_the_real_clock(void **state)
{
	struct perf_case c = loop_case(PERF_OPEN, PERF_SEND);
	struct perf_run run;

	(void)state;
	c.iters = 0;
	c.duration_ns = 50 * NSEC_PER_MSEC;
	c.rate = 100000;
	assert_int_equal(perf_measure_alone(&c, &run), 0);
	assert_true(run.here.ns >= c.duration_ns);
	/* Each that was due counts, however late this machine let it be posted. */
	assert_in_range(run.latency->count, 4999, 5001);
	perf_run_free(&run);
}

static void large_operations_share_slots(void **state)
{
	struct perf_case c = loop_case(PERF_BW, PERF_WRITE);
	struct perf_run run;

	(void)state;
	c.size = (8 << 20) + 1;
	c.window = c.post_list = 4;
	c.iters = 3;
	c.validate = true;
	c.warm_ns = 0;
	assert_int_equal(perf_measure_alone(&c, &run), 0);
	assert_int_equal(run.here.bytes, 3 * c.size);
	assert_false(run.here.wrong || run.there.wrong);
	perf_run_free(&run);
}

static void no_memory_is_an_error_at_every_point(void **state)
{
	struct perf_case c = loop_case(PERF_LAT, PERF_WRITE);
	struct perf_run run;
	int n, rc;

	(void)state;
	c.iters = 10;
	c.warm_ns = 0;
	for (n = 1;; n++) {
		mem_fail_at(n);
		rc = perf_measure_alone(&c, &run);
		if (!mem_failed())
			break;
		assert_int_equal(rc, -12);
		assert_non_null(strstr(weft_error_detail(), "no memory"));
	}
	mem_fail_at(0);
	assert_int_equal(rc, 0);
	assert_true(n > 15);
	perf_run_free(&run);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(operations_are_told_in_order_and_once),
		cmocka_unit_test(a_full_ring_takes_no_more),
		cmocka_unit_test(neither_kind_starves_the_other),
		cmocka_unit_test(runs_count_what_was_asked),
		cmocka_unit_test(a_duration_is_measured_by_the_real_clock),
		cmocka_unit_test(large_operations_share_slots),
		cmocka_unit_test(no_memory_is_an_error_at_every_point),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
