/* SPDX-License-Identifier: Apache-2.0 */
/* The loops against a port that does what a test says: full queues, failures, a dead twin. */
#include "perf/measure.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <weft/weft.h>

#include "base/alloc.h"
#include "base/err.h"
#include "perf/measure_fake.h"

#define QUEUE 256

/* Operations end one after the other, one at each poll, a microsecond apart; an idle poll takes
 * longer, so that bounds of seconds are reached soon. */
struct fake {
	struct perf_port port;
	struct perf_phases *phases;
	uint64_t now, queue[QUEUE], posted, ended, arrived;
	uint32_t most_in_flight, least_in_flight, largest_post, posts;
	uint32_t accepts;     /* at most so many at a time; 0: all */
	uint64_t dead_after;  /* nothing ends after so many */
	uint64_t fails_after; /* poll fails after so many */
	int post_fails;
	uint64_t pauses_at; /* the tester does not run for 7 ms when so many have ended */
	uint64_t arrives;   /* so many messages arrive, one at each poll */
	uint64_t measure_at, cool_at, stop_at, end_at, fail_at; /* when ended is so much */
	uint64_t posted_at_stop;
	bool end_late; /* END comes when all has drained */
};

static void conduct(struct fake *f)
{
	uint64_t seen = f->ended + f->arrived;

	if (f->fail_at && seen >= f->fail_at)
		atomic_store(&f->phases->failed, 5);
	if (f->measure_at && seen >= f->measure_at)
		atomic_store(&f->phases->phase, PERF_PHASE_MEASURE);
	if (f->cool_at && seen >= f->cool_at)
		atomic_store(&f->phases->phase, PERF_PHASE_COOL);
	if (f->stop_at && seen >= f->stop_at) {
		if (atomic_load(&f->phases->phase) != PERF_PHASE_STOP)
			f->posted_at_stop = f->posted;
		atomic_store(&f->phases->phase, PERF_PHASE_STOP);
	}
	if (f->end_late && atomic_load(&f->phases->drained))
		atomic_store(&f->phases->phase, PERF_PHASE_END);
}

static int fake_post(struct perf_port *port, uint32_t ep, uint64_t number, uint32_t count)
{
	struct fake *f = (struct fake *)port;

	assert_int_equal(ep, 0);
	assert_int_equal(number, f->posted);
	assert_true(count >= 1);
	if (f->post_fails)
		return err_set(f->post_fails, "the queue is broken");
	if (f->accepts && count > f->accepts)
		count = f->accepts;
	for (uint32_t i = 0; i < count; i++)
		f->queue[f->posted++ % QUEUE] = number + i;
	f->posts++;
	if (count > f->largest_post)
		f->largest_post = count;
	if (f->posted - f->ended > f->most_in_flight)
		f->most_in_flight = (uint32_t)(f->posted - f->ended);
	return (int)count;
}

static int fake_poll(struct perf_port *port, struct perf_event *events, uint32_t room)
{
	struct fake *f = (struct fake *)port;
	int n = 0;

	assert_true(room >= 1);
	f->now += 1000;
	if (f->posted && f->posted - f->ended < f->least_in_flight)
		f->least_in_flight = (uint32_t)(f->posted - f->ended);
	if (f->fails_after && f->ended >= f->fails_after)
		return err_set(-EIO, "the device is on fire");
	if (f->arrived < f->arrives) {
		events[n++] = (struct perf_event){ f->arrived++, 0, PERF_ARRIVED };
	} else if (f->ended < f->posted && !(f->dead_after && f->ended >= f->dead_after)) {
		events[n++] = (struct perf_event){ f->queue[f->ended % QUEUE], 0, PERF_DONE };
		f->ended++;
	}
	if (f->pauses_at && f->ended == f->pauses_at)
		f->now += 7 * NSEC_PER_MSEC;
	if (!n)
		f->now += 50 * NSEC_PER_USEC;
	conduct(f);
	return n;
}

static uint64_t fake_now(struct perf_port *port)
{
	return ((struct fake *)port)->now;
}

static void fake_facts(struct perf_port *port, struct perf_facts *ret)
{
	(void)port;
	memset(ret, 0, sizeof(*ret));
	snprintf(ret->ways, sizeof(ret->ways), "paper plane");
}

static const struct perf_backend fake_backend = {
	.name = "fake",
	.post = fake_post,
	.poll = fake_poll,
	.now = fake_now,
	.facts = fake_facts,
};

static struct perf_phases phases;
static struct perf_measured counted;

static struct fake make(void)
{
	struct fake f = { .port.backend = &fake_backend,
			  .phases = &phases,
			  .least_in_flight = UINT32_MAX };

	memset(&phases, 0, sizeof(phases));
	memset(&counted, 0, sizeof(counted));
	err_clear();
	return f;
}

static struct perf_case fake_bw(void)
{
	struct perf_case c = fake_case(PERF_BW, PERF_SEND, "");

	c.window = 32;
	c.post_list = 8;
	c.duration_ns = 0;
	c.iters = 1000;
	return c;
}

static void the_window_is_kept_full_and_lists_whole(void **state)
{
	struct perf_case c = fake_bw();
	struct fake f = make();

	(void)state;
	f.measure_at = 100;
	f.stop_at = 2000;
	/* Posted again is when a list fits: between a window less a list, and a window. */
	assert_int_equal(perf_measure_initiator(&f.port, &c, &phases, &counted), 0);
	assert_int_equal(f.most_in_flight, 32);
	assert_int_equal(f.largest_post, 8);
	assert_int_equal(f.posted % 8, 0);
	assert_int_equal(f.posts, f.posted / 8);
	/* Nothing is posted after the stop, and all is ended. */
	assert_int_equal(f.posted, f.posted_at_stop);
	assert_int_equal(f.ended, f.posted);
	assert_int_equal(phases.drained, 1);
	assert_int_equal(phases.finished, 1);
	/* Counted are those after the poll at which the phase was seen. */
	assert_int_equal(counted.warm_ops, 101);
	assert_int_equal(counted.ops, 1000);
	assert_int_equal(counted.ns, 1000 * 1000);
	assert_int_equal(counted.bytes, 1000 * c.size);
}

static void the_window_is_never_drained_while_it_runs(void **state)
{
	struct perf_case c = fake_bw();
	struct fake f = make();

	(void)state;
	c.iters = 0;
	c.duration_ns = 500000;
	f.measure_at = 1;
	f.fail_at = 3000; /* ends it with the window full */
	assert_int_equal(perf_measure_initiator(&f.port, &c, &phases, &counted), -WEFT_ECANCELLED);
	assert_non_null(strstr(weft_error_detail(), "another thread"));
	assert_true(f.least_in_flight > 32 - 8);
	assert_int_equal(counted.ns, 500000);
	assert_int_equal(counted.ops, 500);
	assert_int_equal(phases.failed, 5);
}

static void a_full_queue_takes_the_rest_later(void **state)
{
	struct perf_case c = fake_bw();
	struct fake f = make();

	(void)state;
	f.accepts = 3;
	f.measure_at = 1;
	f.stop_at = 1500;
	assert_int_equal(perf_measure_initiator(&f.port, &c, &phases, &counted), 0);
	assert_int_equal(f.largest_post, 3);
	assert_int_equal(counted.ops, 1000);
	assert_int_equal(f.ended, f.posted);
}

static void the_longest_gap_is_that_of_the_measured_time(void **state)
{
	struct perf_case c = fake_bw();
	struct fake f = make();

	(void)state;
	f.measure_at = 100;
	f.stop_at = 2000;
	f.pauses_at = 600;
	assert_int_equal(perf_measure_initiator(&f.port, &c, &phases, &counted), 0);
	assert_int_equal(counted.longest_gap_ns, 7 * NSEC_PER_MSEC + 1000);
	f = make();
	f.measure_at = 100;
	f.stop_at = 2000;
	f.pauses_at = 50;
	assert_int_equal(perf_measure_initiator(&f.port, &c, &phases, &counted), 0);
	assert_int_equal(counted.longest_gap_ns, 1000);
}

static void the_conductor_ends_what_is_counted(void **state)
{
	struct perf_case c = fake_bw();
	struct fake f = make();

	(void)state;
	f.measure_at = 100;
	f.cool_at = 400;
	f.stop_at = 600;
	assert_int_equal(perf_measure_initiator(&f.port, &c, &phases, &counted), 0);
	assert_int_equal(counted.ops, 300);
	assert_int_equal(counted.ns, 300 * 1000);
	assert_int_equal(f.posted, f.posted_at_stop);
}

static void a_dead_twin_is_an_error_and_no_hang(void **state)
{
	static const enum perf_test tests[] = { PERF_BW, PERF_LAT, PERF_OPEN };
	struct perf_case c;
	struct fake f;

	(void)state;
	for (int i = 0; i < 3; i++) {
		f = make();
		c = fake_bw();
		c.test = tests[i];
		c.op = PERF_WRITE;
		c.rate = 500000;
		f.measure_at = 10;
		f.dead_after = 500;
		assert_int_equal(perf_measure_initiator(&f.port, &c, &phases, &counted),
				 -WEFT_EDEADLINE);
		assert_non_null(strstr(weft_error_detail(), "dead or cut off"));
		assert_non_null(strstr(weft_error_detail(), "paper plane"));
		assert_int_equal(phases.failed, WEFT_EDEADLINE);
		/* The bound, and not much more. */
		assert_in_range(f.now, PERF_STALL_NS, PERF_STALL_NS + 10 * NSEC_PER_MSEC);
	}
}

static void a_twin_that_dies_while_it_drains_is_one_too(void **state)
{
	struct perf_case c = fake_bw();
	struct fake f = make();

	(void)state;
	f.measure_at = 10;
	f.stop_at = 490;
	f.dead_after = 500;
	assert_int_equal(perf_measure_initiator(&f.port, &c, &phases, &counted), -WEFT_EDEADLINE);
}

static void a_twin_that_never_answers_is_an_error(void **state)
{
	static const enum perf_test tests[] = { PERF_LAT, PERF_OPEN };
	struct perf_case c;
	struct fake f;

	(void)state;
	for (int i = 0; i < 2; i++) {
		f = make();
		c = fake_bw();
		c.test = tests[i];
		c.rate = 500000;
		assert_int_equal(perf_measure_initiator(&f.port, &c, &phases, &counted),
				 -WEFT_EDEADLINE);
		assert_non_null(strstr(weft_error_detail(), "not answered"));
	}
}

static void failures_come_with_their_place(void **state)
{
	struct perf_case c = fake_bw();
	struct fake f = make();

	(void)state;
	f.fails_after = 100;
	assert_int_equal(perf_measure_initiator(&f.port, &c, &phases, &counted), -EIO);
	assert_string_equal(weft_error_detail(),
			    "bw by send of 4096 bytes, initiating, back end fake (paper plane): "
			    "the device is on fire");
	assert_int_equal(phases.failed, EIO);
	f = make();
	f.post_fails = -ENOBUFS;
	assert_int_equal(perf_measure_initiator(&f.port, &c, &phases, &counted), -ENOBUFS);
	assert_non_null(strstr(weft_error_detail(), "the queue is broken"));
	f = make();
	c.test = PERF_SETUP;
	assert_int_equal(perf_measure_initiator(&f.port, &c, &phases, &counted), -EOPNOTSUPP);
	f = make();
	c.test = PERF_REG;
	assert_int_equal(perf_measure_initiator(&f.port, &c, &phases, &counted), -EOPNOTSUPP);
	assert_non_null(strstr(weft_error_detail(), "cannot register"));
}

static void a_target_answers_each(void **state)
{
	struct perf_case c = fake_bw();
	struct fake f = make();

	(void)state;
	c.test = PERF_LAT;
	f.arrives = 1000;
	f.measure_at = 500;
	f.stop_at = 1900;
	f.end_late = true;
	assert_int_equal(perf_measure_target(&f.port, &c, &phases, &counted), 0);
	assert_int_equal(f.posted, 1000);
	assert_true(f.most_in_flight <= 32);
	assert_int_equal(f.ended, 1000);
	assert_int_equal(counted.ops, 0);
	assert_int_equal(counted.landed, 499 * c.size);
	assert_int_equal(phases.finished, 0);
}

static void a_target_serves_until_the_end_or_a_while(void **state)
{
	struct perf_case c = fake_bw();
	struct fake f = make();

	(void)state;
	f.arrives = 1000;
	f.stop_at = 10;
	assert_int_equal(perf_measure_target(&f.port, &c, &phases, &counted), 0);
	assert_int_equal(f.arrived, 1000);
	assert_int_equal(f.posted, 0);
	assert_in_range(f.now, PERF_LINGER_NS, PERF_LINGER_NS + NSEC_PER_MSEC);
	f = make();
	f.arrives = 1000;
	f.stop_at = 10;
	f.end_late = true;
	assert_int_equal(perf_measure_target(&f.port, &c, &phases, &counted), 0);
	assert_true(f.now < NSEC_PER_MSEC);
}

static void an_initiator_of_both_ways_serves_its_twin(void **state)
{
	struct perf_case c = fake_bw();
	struct fake f = make();

	(void)state;
	c.bidir = true;
	f.stop_at = 100;
	assert_int_equal(perf_measure_initiator(&f.port, &c, &phases, &counted), 0);
	assert_in_range(f.now, PERF_LINGER_NS, PERF_LINGER_NS + NSEC_PER_MSEC);
	f = make();
	c.bidir = false;
	f.stop_at = 100;
	assert_int_equal(perf_measure_initiator(&f.port, &c, &phases, &counted), 0);
	assert_true(f.now < NSEC_PER_MSEC);
}

static void no_memory_is_an_error_at_every_point(void **state)
{
	static const enum perf_test tests[] = { PERF_BW, PERF_OPEN };
	struct perf_case c = fake_bw();
	struct fake f;
	int n, rc, i;

	(void)state;
	for (i = 0; i < 2; i++) {
		c.test = tests[i];
		c.op = PERF_WRITE;
		c.rate = 1000000;
		for (n = 1;; n++) {
			f = make();
			f.measure_at = 10;
			f.stop_at = 100;
			mem_fail_at(n);
			rc = perf_measure_initiator(&f.port, &c, &phases, &counted);
			if (!mem_failed())
				break;
			assert_int_equal(rc, -ENOMEM);
			assert_int_equal(phases.failed, ENOMEM);
		}
		mem_fail_at(0);
		assert_int_equal(rc, 0);
		assert_true(n > 3);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_window_is_kept_full_and_lists_whole),
		cmocka_unit_test(the_window_is_never_drained_while_it_runs),
		cmocka_unit_test(a_full_queue_takes_the_rest_later),
		cmocka_unit_test(the_longest_gap_is_that_of_the_measured_time),
		cmocka_unit_test(the_conductor_ends_what_is_counted),
		cmocka_unit_test(a_dead_twin_is_an_error_and_no_hang),
		cmocka_unit_test(a_twin_that_dies_while_it_drains_is_one_too),
		cmocka_unit_test(a_twin_that_never_answers_is_an_error),
		cmocka_unit_test(failures_come_with_their_place),
		cmocka_unit_test(a_target_answers_each),
		cmocka_unit_test(a_target_serves_until_the_end_or_a_while),
		cmocka_unit_test(an_initiator_of_both_ways_serves_its_twin),
		cmocka_unit_test(no_memory_is_an_error_at_every_point),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
