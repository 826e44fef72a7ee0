/* SPDX-License-Identifier: Apache-2.0 */
/* Calls that wait: their queue, their end by deadline or cancel, many at a time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "control/rpc_fixture.h"

static void late_answer_arrives(void **state)
{
	struct rpc_op *op = NULL;
	struct rpc_call *waiting;

	(void)state;
	assert_int_equal(rpc_start(fixture_channel, NULL, "/t.T/Hold", fixture_copy("q", 1), 1,
				   20 * SECOND, &op),
			 0);
	assert_int_equal(rpc_op_wait(op, SECOND / 20), -EAGAIN);
	waiting = fixture_held();
	assert_non_null(waiting);
	assert_in_range(rpc_call_timeout_ns(waiting), 10 * SECOND, 21 * SECOND);
	assert_false(rpc_call_cancelled(waiting));
	assert_int_equal(*(const char *)rpc_call_data(waiting), 'q');
	rpc_reply(waiting, fixture_copy("a", 1), 1);
	assert_int_equal(rpc_op_wait(op, 10 * SECOND), 0);
	assert_int_equal(rpc_op_wait(op, 0), 0);
	assert_int_equal(*(const char *)rpc_op_data(op), 'a');
	rpc_op_close(op);
}

static void queue_tells_which_call_has_ended(void **state)
{
	struct rpc_queue *queue = NULL;
	struct rpc_op *ops[3], *ended;
	struct rpc_call *calls[3];

	(void)state;
	assert_int_equal(rpc_queue_open(&queue), 0);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(rpc_start(fixture_channel, queue, "/t.T/Hold", NULL, 0,
					   RPC_FOREVER, &ops[i]),
				 0);
		rpc_op_set_ctx(ops[i], &calls[i]);
		assert_null(rpc_queue_next(queue, SECOND / 20));
		calls[i] = fixture_held();
		assert_non_null(calls[i]);
	}
	rpc_reply(calls[1], fixture_copy("b", 1), 1);
	ended = rpc_queue_next(queue, 10 * SECOND);
	assert_ptr_equal(ended, ops[1]);
	assert_ptr_equal(rpc_op_ctx(ended), &calls[1]);
	assert_int_equal(rpc_op_wait(ended, 0), 0);
	rpc_op_close(ended);
	/* One that ends while another is waited for is told later, once. */
	rpc_reply(calls[0], NULL, 0);
	assert_int_equal(rpc_op_wait(ops[2], SECOND / 5), -EAGAIN);
	assert_ptr_equal(rpc_queue_next(queue, 0), ops[0]);
	assert_null(rpc_queue_next(queue, 0));
	rpc_op_close(ops[0]);
	rpc_op_close(ops[2]);
	fixture_cancelled(calls[2]);
	rpc_queue_close(queue);
}

static void deadline_ends_a_call(void **state)
{
	struct rpc_op *op = NULL;
	uint64_t before = clock_ns();

	(void)state;
	assert_int_equal(rpc_unary(fixture_channel, "/t.T/Hold", NULL, 0, SECOND / 5, &op),
			 -WEFT_EDEADLINE);
	assert_in_range(clock_ns() - before, SECOND / 5, 10 * SECOND);
	fixture_cancelled(fixture_held());
}

static void cancel_ends_a_call(void **state)
{
	struct rpc_op *op = NULL, *closed = NULL;
	struct rpc_call *waiting;

	(void)state;
	assert_int_equal(rpc_start(fixture_channel, NULL, "/t.T/Hold", NULL, 0, RPC_FOREVER, &op),
			 0);
	assert_int_equal(rpc_op_wait(op, SECOND / 20), -EAGAIN);
	waiting = fixture_held();
	assert_non_null(waiting);
	assert_true(rpc_call_timeout_ns(waiting) == RPC_FOREVER);
	rpc_op_cancel(op);
	assert_int_equal(rpc_op_wait(op, 10 * SECOND), -WEFT_ECANCELLED);
	assert_int_equal(rpc_op_wait(op, 0), -WEFT_ECANCELLED);
	rpc_op_close(op);
	fixture_cancelled(waiting);
	assert_int_equal(
		rpc_start(fixture_channel, NULL, "/t.T/Hold", NULL, 0, RPC_FOREVER, &closed), 0);
	assert_int_equal(rpc_op_wait(closed, SECOND / 20), -EAGAIN);
	rpc_op_close(closed);
	fixture_cancelled(fixture_held());
}

static void hundred_calls_run_side_by_side(void **state)
{
	struct rpc_op *ops[100];
	struct rpc_call *calls[100];

	(void)state;
	for (int i = 0; i < 100; i++)
		assert_int_equal(rpc_start(fixture_channel, NULL, "/t.T/Hold",
					   fixture_copy(&i, sizeof(i)), sizeof(i), 20 * SECOND,
					   &ops[i]),
				 0);
	assert_int_equal(rpc_op_wait(ops[99], SECOND / 10), -EAGAIN);
	for (int i = 0; i < 100; i++) {
		calls[i] = fixture_held();
		assert_non_null(calls[i]);
	}
	assert_int_equal(rpc_server_active(fixture_server), 100);
	for (int i = 99; i >= 0; i--)
		rpc_reply(calls[i], fixture_copy(rpc_call_data(calls[i]), sizeof(i)), sizeof(i));
	for (int i = 0; i < 100; i++) {
		assert_int_equal(rpc_op_wait(ops[i], 10 * SECOND), 0);
		assert_memory_equal(rpc_op_data(ops[i]), &i, sizeof(i));
		rpc_op_close(ops[i]);
	}
}

struct echo_thread {
	pthread_t thread;
	int number;
	int right;
};

static void *echo_main(void *arg)
{
	struct echo_thread *self = arg;

	for (int i = 0; i < 50; i++) {
		int sent = self->number * 1000 + i;
		struct rpc_op *op;

		if (rpc_unary(fixture_channel, "/t.T/Echo", fixture_copy(&sent, sizeof(sent)),
			      sizeof(sent), 20 * SECOND, &op))
			continue;
		self->right += rpc_op_len(op) == sizeof(sent) &&
			       !memcmp(rpc_op_data(op), &sent, sizeof(sent));
		rpc_op_close(op);
	}
	return NULL;
}

static void threads_share_a_channel(void **state)
{
	struct echo_thread threads[16] = { 0 };

	(void)state;
	for (int i = 0; i < 16; i++) {
		threads[i].number = i;
		assert_int_equal(pthread_create(&threads[i].thread, NULL, echo_main, &threads[i]),
				 0);
	}
	for (int i = 0; i < 16; i++) {
		pthread_join(threads[i].thread, NULL);
		assert_int_equal(threads[i].right, 50);
	}
}

static void calls_past_the_limit_are_refused(void **state)
{
	struct rpc_server *small = fixture_serve("127.0.0.1:0", 2);
	struct rpc_channel *to = fixture_dial(rpc_server_port(small));
	struct rpc_op *ops[2], *third = NULL;
	struct rpc_call *calls[2];

	(void)state;
	for (int i = 0; i < 2; i++) {
		assert_int_equal(rpc_start(to, NULL, "/t.T/Hold", NULL, 0, 20 * SECOND, &ops[i]),
				 0);
		assert_int_equal(rpc_op_wait(ops[i], SECOND / 20), -EAGAIN);
		calls[i] = fixture_held();
		assert_non_null(calls[i]);
	}
	assert_int_equal(rpc_unary(to, "/t.T/Echo", NULL, 0, 20 * SECOND, &third),
			 -WEFT_EQUEUEFULL);
	for (int i = 0; i < 2; i++) {
		rpc_reply(calls[i], NULL, 0);
		assert_int_equal(rpc_op_wait(ops[i], 10 * SECOND), 0);
		rpc_op_close(ops[i]);
	}
	while (rpc_server_active(small))
		nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
	fixture_echo(to, "free", 4);
	rpc_channel_close(to);
	rpc_server_close(small);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(late_answer_arrives),
		cmocka_unit_test(queue_tells_which_call_has_ended),
		cmocka_unit_test(deadline_ends_a_call),
		cmocka_unit_test(cancel_ends_a_call),
		cmocka_unit_test(hundred_calls_run_side_by_side),
		cmocka_unit_test(threads_share_a_channel),
		cmocka_unit_test(calls_past_the_limit_are_refused),
	};

	return cmocka_run_group_tests(tests, fixture_start, fixture_finish);
}
