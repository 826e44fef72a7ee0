/* SPDX-License-Identifier: Apache-2.0 */
/* Completion channels: who is told what and when, and how queues leave. */
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <unistd.h>

#include "emu/verbs_fake.h"

static struct ibv_comp_channel *channel;
static struct ibv_cq_ex *cq;
static struct ibv_qp *qp;

static int setup(void **state)
{
	fake_setup(state);
	channel = ibv_create_comp_channel(fake_context);
	assert_non_null(channel);
	cq = make_cq(256, IBV_WC_STANDARD_FLAGS, channel);
	qp = make_qp(cq, 16);
	return 0;
}

static int teardown(void **state)
{
	assert_int_equal(ibv_destroy_qp(qp), 0);
	assert_int_equal(ibv_destroy_cq(ibv_cq_ex_to_cq(cq)), 0);
	assert_int_equal(ibv_destroy_comp_channel(channel), 0);
	return fake_teardown(state);
}

static void complete(struct ibv_cq_ex *on)
{
	struct emu_cqe cqe = completion(qp, 1);

	emu_cq_push(emu_cq_ex_of(on), &cqe);
}

static void arm(struct ibv_cq_ex *on)
{
	assert_int_equal(ibv_req_notify_cq(ibv_cq_ex_to_cq(on), 0), 0);
}

static bool readable(void)
{
	struct pollfd fd = { .fd = channel->fd, .events = POLLIN };

	return poll(&fd, 1, 0) == 1;
}

static struct ibv_cq *fetch(void)
{
	struct ibv_cq *told = NULL;
	void *user;

	if (ibv_get_cq_event(channel, &told, &user))
		return NULL;
	assert_ptr_equal(user, told->cq_context);
	return told;
}

static void drain(void)
{
	struct ibv_wc wc[16];

	while (ibv_poll_cq(ibv_cq_ex_to_cq(cq), 16, wc) > 0)
		;
}

/* One event for each time it was asked for, and only of completions that came afterwards. */
static void one_event(void **state)
{
	(void)state;
	complete(cq);
	assert_false(readable()); /* nobody asked */
	arm(cq);
	assert_int_equal(engine_arms, 1);
	assert_false(readable()); /* that one was there before */
	complete(cq);
	assert_true(readable());
	complete(cq);
	assert_ptr_equal(fetch(), cq);
	assert_false(readable());
	arm(cq);
	arm(cq);
	complete(cq);
	complete(cq);
	assert_ptr_equal(fetch(), cq);
	assert_false(readable());
	ibv_ack_cq_events(ibv_cq_ex_to_cq(cq), 2);
}

static void refusals(void **state)
{
	struct ibv_cq_ex *silent = make_cq(16, 0, NULL);

	(void)state;
	assert_int_equal(ibv_req_notify_cq(ibv_cq_ex_to_cq(cq), 1), EOPNOTSUPP);
	assert_int_equal(ibv_req_notify_cq(ibv_cq_ex_to_cq(silent), 0), EINVAL);
	complete(cq);
	assert_false(readable());
	assert_int_equal(engine_arms, 0);
	assert_int_equal(ibv_destroy_comp_channel(channel), EBUSY);
	assert_int_equal(ibv_destroy_cq(ibv_cq_ex_to_cq(silent)), 0);
}

static void without_waiting(void **state)
{
	int flags = fcntl(channel->fd, F_GETFL);

	(void)state;
	assert_false(flags & O_NONBLOCK);
	assert_true(fcntl(channel->fd, F_GETFD) & FD_CLOEXEC);
	fcntl(channel->fd, F_SETFL, flags | O_NONBLOCK);
	assert_null(fetch());
	assert_int_equal(errno, EAGAIN);
	arm(cq);
	complete(cq);
	assert_ptr_equal(fetch(), cq);
	ibv_ack_cq_events(ibv_cq_ex_to_cq(cq), 1);
}

/* As libfabric reads events of queues that it drives directly. */
static void read_raw(void **state)
{
	uint64_t event = 0;

	(void)state;
	arm(cq);
	complete(cq);
	assert_int_equal(read(channel->fd, &event, sizeof(event)), sizeof(event));
	assert_true(event == (uintptr_t)cq);
	ibv_ack_cq_events(ibv_cq_ex_to_cq(cq), 1);
}

/* A queue that a program drives asks through its doorbell, not by ibv_req_notify_cq(). */
static void direct_queue(void **state)
{
	struct emu_cq *mapped = emu_cq_ex_of(cq);

	(void)state;
	mapped->direct = (struct emu_direct_cq *)(void *)mapped;
	complete(cq);
	mapped->direct = NULL;
	assert_ptr_equal(fetch(), cq);
	ibv_ack_cq_events(ibv_cq_ex_to_cq(cq), 1);
}

/* Events that nobody fetched leave with their queue, whether the fd waits or not; others stay, in
 * their order. */
static void leave_early(void **state)
{
	struct ibv_cq_ex *leaves = make_cq(16, 0, channel), *stays = make_cq(16, 0, channel);

	(void)state;
	for (int i = 0; i < 300; i++) { /* more than is taken out at a time */
		arm(leaves);
		complete(leaves);
		drain();
		if (i % 3)
			continue;
		arm(i % 2 ? cq : stays);
		complete(i % 2 ? cq : stays);
	}
	assert_int_equal(async_errors,
			 2); /* small queues: they overflowed, and told all the same */
	async_errors = 0;
	emu_cq_purge(emu_cq_ex_of(leaves), emu_qp_of(qp));
	assert_int_equal(ibv_destroy_cq(ibv_cq_ex_to_cq(leaves)), 0);
	assert_ptr_equal(fetch(), stays);
	ibv_ack_cq_events(ibv_cq_ex_to_cq(stays), 1);
	assert_int_equal(ibv_destroy_cq(ibv_cq_ex_to_cq(stays)), 0);
	while (readable()) {
		assert_ptr_equal(fetch(), cq);
		ibv_ack_cq_events(ibv_cq_ex_to_cq(cq), 1);
	}
}

/* --- threads ------------------------------------------------------------------------------- */

static _Atomic bool destroyed;

static void *destroyer(void *argument)
{
	atomic_store(&destroyed, !ibv_destroy_cq(argument));
	return NULL;
}

/* Who destroys a queue waits until its events that were fetched are acknowledged. */
static void wait_for_acknowledgement(void **state)
{
	struct ibv_cq_ex *leaves = make_cq(16, 0, channel);
	pthread_t thread;

	(void)state;
	deadline(60);
	arm(leaves);
	complete(leaves);
	assert_ptr_equal(fetch(), leaves);
	emu_cq_purge(emu_cq_ex_of(leaves), emu_qp_of(qp));
	destroyed = false;
	assert_int_equal(pthread_create(&thread, NULL, destroyer, ibv_cq_ex_to_cq(leaves)), 0);
	usleep(20000);
	assert_false(atomic_load(&destroyed));
	ibv_ack_cq_events(ibv_cq_ex_to_cq(leaves), 1);
	pthread_join(thread, NULL);
	assert_true(atomic_load(&destroyed));
	deadline(0);
}

enum {
	ROUNDS = 5000
};

static _Atomic uint32_t polled;

static void *producer(void *unused)
{
	(void)unused;
	for (uint32_t i = 0; i < ROUNDS; i++) {
		while (i - atomic_load(&polled) >= 200)
			sched_yield();
		complete(cq);
		if (i % 7 == 0)
			sched_yield();
	}
	return NULL;
}

/* Asks, polls, sleeps: a wake-up that is lost would leave it asleep for ever. */
static void never_lost(void **state)
{
	struct ibv_wc wc[16];
	pthread_t thread;
	int n;

	(void)state;
	deadline(120);
	polled = 0;
	assert_int_equal(pthread_create(&thread, NULL, producer, NULL), 0);
	while (polled < ROUNDS) {
		arm(cq);
		n = ibv_poll_cq(ibv_cq_ex_to_cq(cq), 16, wc);
		if (n > 0) {
			atomic_fetch_add(&polled, (uint32_t)n);
			continue;
		}
		assert_ptr_equal(fetch(), cq);
		ibv_ack_cq_events(ibv_cq_ex_to_cq(cq), 1);
	}
	pthread_join(thread, NULL);
	assert_int_equal(polled, ROUNDS);
	deadline(0);
}

static _Atomic uint32_t fetchers, failed;

static void *fetcher(void *unused)
{
	struct ibv_cq *told;
	void *user;

	(void)unused;
	for (uint32_t i = 0; i < ROUNDS / 10; i++) {
		if (ibv_get_cq_event(channel, &told, &user))
			failed++;
		else
			ibv_ack_cq_events(told, 1);
	}
	atomic_fetch_sub(&fetchers, 1);
	return NULL;
}

/* Queues come and go, with events that somebody may be fetching, while others wait on the same
 * channel: an event is either taken out or waited for, and its queue is there until then. */
static void come_and_go(void **state)
{
	pthread_t thread[2];

	(void)state;
	deadline(120);
	fetchers = 2;
	failed = 0;
	for (int i = 0; i < 2; i++)
		assert_int_equal(pthread_create(&thread[i], NULL, fetcher, NULL), 0);
	while (fetchers) {
		struct ibv_cq_ex *other = make_cq(16, 0, channel);

		arm(other);
		complete(other);
		arm(cq);
		complete(cq);
		drain();
		emu_cq_purge(emu_cq_ex_of(other), emu_qp_of(qp));
		assert_int_equal(ibv_destroy_cq(ibv_cq_ex_to_cq(other)), 0);
	}
	for (int i = 0; i < 2; i++)
		pthread_join(thread[i], NULL);
	assert_int_equal(failed, 0);
	assert_int_equal(async_errors, 0);
	deadline(0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(one_event),
		TEST(refusals),
		TEST(without_waiting),
		TEST(read_raw),
		TEST(direct_queue),
		TEST(leave_early),
		TEST(wait_for_acknowledgement),
		TEST(never_lost),
		TEST(come_and_go),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
