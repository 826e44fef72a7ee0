/* SPDX-License-Identifier: Apache-2.0 */
/* Completion queues: what is lost and what is taken away; threads. */
#include <pthread.h>
#include <sched.h>

#include "emu/verbs_fake.h"

#define FLAGS (IBV_WC_STANDARD_FLAGS)

/* --- lost and taken away ------------------------------------------------------------------- */

static void overflow(void **state)
{
	struct ibv_cq_ex *cq = make_cq(4, FLAGS, NULL);
	struct ibv_qp *qp = make_qp(cq, 16);
	struct emu_cqe cqe;
	struct ibv_wc wc[8];

	(void)state;
	for (uint64_t i = 0; i < 6; i++) {
		cqe = completion(qp, i);
		emu_cq_push(emu_cq_ex_of(cq), &cqe);
		assert_int_equal(async_errors, i >= 4);
	}
	emu_qp_of(qp)->sq_used = 6;
	assert_int_equal(ibv_poll_cq(ibv_cq_ex_to_cq(cq), 8, wc), 4);
	assert_int_equal(wc[3].wr_id, 3);
	assert_int_equal(emu_qp_of(qp)->sq_used, 2); /* the lost ones stay */
	emu_cq_push(emu_cq_ex_of(cq), &cqe);
	assert_int_equal(ibv_poll_cq(ibv_cq_ex_to_cq(cq), 8, wc), 1);
	assert_int_equal(ibv_destroy_qp(qp), 0);
	assert_int_equal(ibv_destroy_cq(ibv_cq_ex_to_cq(cq)), 0);
}

static void overflow_fault(void **state)
{
	struct ibv_cq_ex *cq = make_cq(4, FLAGS, NULL);
	struct ibv_qp *qp = make_qp(cq, 16);
	struct emu_cqe cqe = completion(qp, 1);
	struct ibv_wc wc;

	(void)state;
	lose = true;
	emu_cq_push(emu_cq_ex_of(cq), &cqe);
	assert_int_equal(async_errors, 1);
	assert_int_equal(ibv_poll_cq(ibv_cq_ex_to_cq(cq), 1, &wc), 0);
	lose = false;
	emu_cq_push(emu_cq_ex_of(cq), &cqe);
	assert_int_equal(ibv_poll_cq(ibv_cq_ex_to_cq(cq), 1, &wc), 1);
	assert_int_equal(async_errors, 1);
	assert_int_equal(ibv_destroy_qp(qp), 0);
	assert_int_equal(ibv_destroy_cq(ibv_cq_ex_to_cq(cq)), 0);
}

/* Completions of a queue pair that is gone are gone, also where the ring has wrapped round and
 * where one of them is being looked at. */
static void purge(void **state)
{
	struct ibv_cq_ex *cq = make_cq(8, FLAGS, NULL);
	struct ibv_qp *gone = make_qp(cq, 16), *stays = make_qp(cq, 16);
	struct ibv_poll_cq_attr none = { 0 };
	struct emu_cqe cqe;
	struct ibv_wc wc[8];

	(void)state;
	emu_qp_of(gone)->sq_used = emu_qp_of(stays)->sq_used = 16;
	for (uint64_t i = 0; i < 6; i++) {
		cqe = completion(gone, i);
		emu_cq_push(emu_cq_ex_of(cq), &cqe);
	}
	assert_int_equal(ibv_poll_cq(ibv_cq_ex_to_cq(cq), 6, wc), 6);
	for (uint64_t i = 0; i < 8; i++) {
		cqe = completion(i % 2 ? stays : gone, i);
		emu_cq_push(emu_cq_ex_of(cq), &cqe);
	}
	assert_int_equal(ibv_start_poll(cq, &none), 0);
	assert_int_equal(cq->wr_id, 0);
	assert_int_equal(ibv_destroy_qp(gone), 0);
	assert_null(emu_cq_ex_of(cq)->current.qp); /* it is freed memory now */
	assert_int_equal(ibv_next_poll(cq), 0);
	assert_int_equal(cq->wr_id, 1);
	ibv_end_poll(cq);
	assert_int_equal(ibv_poll_cq(ibv_cq_ex_to_cq(cq), 8, wc), 3);
	assert_int_equal(wc[0].wr_id, 3);
	assert_int_equal(wc[1].wr_id, 5);
	assert_int_equal(wc[2].wr_id, 7);
	assert_int_equal(emu_qp_of(stays)->sq_used, 12);
	assert_int_equal(ibv_destroy_qp(stays), 0);
	assert_int_equal(ibv_destroy_cq(ibv_cq_ex_to_cq(cq)), 0);
}

/* --- threads ------------------------------------------------------------------------------- */

enum {
	PUSHES = 20000
};

static _Atomic uint32_t seen;
static _Atomic bool pushed_all;

/* As the data path does it: under the lock of the queue pair. */
static void *pusher(void *argument)
{
	struct emu_qp *qp = emu_qp_of(argument);
	struct emu_cqe cqe = completion(argument, 0);

	for (uint32_t i = 0; i < PUSHES; i++) {
		while (i - atomic_load(&seen) >= 64)
			sched_yield();
		pthread_mutex_lock(&qp->lock);
		atomic_fetch_add(&qp->sq_used, 1);
		cqe.wr_id = i;
		emu_cq_push(qp->send_cq, &cqe);
		pthread_mutex_unlock(&qp->lock);
	}
	atomic_store(&pushed_all, true);
	return NULL;
}

/* Programs post while they hold the queue between start_poll and end_poll. */
static void *poller(void *argument)
{
	struct ibv_qp *qp = argument;
	struct ibv_cq_ex *cq = &emu_qp_of(qp)->send_cq->ex;
	struct ibv_recv_wr *bad, wr = { .wr_id = 1 };
	struct ibv_poll_cq_attr none = { 0 };

	while (atomic_load(&seen) < PUSHES) {
		if (ibv_start_poll(cq, &none))
			continue;
		do {
			ibv_post_recv(qp, &wr, &bad);
			atomic_fetch_add(&seen, 1);
		} while (!ibv_next_poll(cq));
		ibv_end_poll(cq);
	}
	return NULL;
}

static void threads(void **state)
{
	struct ibv_cq_ex *cq = make_cq(64, FLAGS, NULL);
	struct ibv_qp *qp = make_qp(cq, 16);
	pthread_t thread[3];

	(void)state;
	deadline(120);
	to_state(qp, IBV_QPS_RTS);
	seen = 0;
	assert_int_equal(pthread_create(&thread[0], NULL, pusher, qp), 0);
	assert_int_equal(pthread_create(&thread[1], NULL, poller, qp), 0);
	assert_int_equal(pthread_create(&thread[2], NULL, poller, qp), 0);
	for (int i = 0; i < 3; i++)
		pthread_join(thread[i], NULL);
	assert_int_equal(seen, PUSHES);
	assert_int_equal(emu_qp_of(qp)->sq_used, 0);
	assert_int_equal(async_errors, 0);
	deadline(0);
	assert_int_equal(ibv_destroy_qp(qp), 0);
	assert_int_equal(ibv_destroy_cq(ibv_cq_ex_to_cq(cq)), 0);
}

static void single(void **state)
{
	struct ibv_cq_init_attr_ex attr = {
		.cqe = 16,
		.comp_mask = IBV_CQ_INIT_ATTR_MASK_FLAGS,
		.flags = IBV_CREATE_CQ_ATTR_SINGLE_THREADED,
	};
	struct ibv_cq_ex *cq = emu_create_cq_ex(fake_context, &attr);
	struct ibv_qp *qp = make_qp(cq, 16);
	struct ibv_poll_cq_attr none = { 0 };
	struct emu_cqe cqe = completion(qp, 3);

	(void)state;
	emu_cq_push(emu_cq_ex_of(cq), &cqe);
	assert_int_equal(ibv_start_poll(cq, &none), 0);
	assert_int_equal(pthread_mutex_trylock(&emu_cq_ex_of(cq)->poll_lock), 0);
	pthread_mutex_unlock(&emu_cq_ex_of(cq)->poll_lock);
	ibv_end_poll(cq);
	assert_int_equal(ibv_destroy_qp(qp), 0);
	assert_int_equal(ibv_destroy_cq(ibv_cq_ex_to_cq(cq)), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fake_setup, fake_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(overflow), TEST(overflow_fault), TEST(purge), TEST(threads), TEST(single),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
