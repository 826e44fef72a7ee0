/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Verbs objects over the real data path, in one process that talks to itself: they come and go
 * while there is traffic, and threads poll, post and sleep on them.
 */
#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "emu/verbs.h"

enum {
	DEPTH = 64,
	BYTES = 256,
	QKEY = 0x11111111,
};

static struct ibv_device **devices;
static struct ibv_context *context;
static struct ibv_pd *pd;
static struct ibv_ah *self;
static struct ibv_mr *mr;
static char memory[DEPTH * BYTES];

static int setup(void **state)
{
	struct ibv_ah_attr attr = { .is_global = 1, .port_num = 1 };

	(void)state;
	alarm(280);
	devices = ibv_get_device_list(NULL);
	assert_non_null(devices);
	context = ibv_open_device(devices[0]);
	assert_non_null(context);
	pd = ibv_alloc_pd(context);
	assert_non_null(pd);
	assert_int_equal(ibv_query_gid(context, 1, 0, &attr.grh.dgid), 0);
	self = ibv_create_ah(pd, &attr);
	assert_non_null(self);
	mr = ibv_reg_mr(pd, memory, sizeof(memory),
			IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_REMOTE_READ | IBV_ACCESS_REMOTE_WRITE);
	assert_non_null(mr);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	assert_int_equal(ibv_dereg_mr(mr), 0);
	assert_int_equal(ibv_destroy_ah(self), 0);
	assert_int_equal(ibv_dealloc_pd(pd), 0);
	assert_int_equal(ibv_close_device(context), 0);
	ibv_free_device_list(devices);
	return 0;
}

static struct ibv_cq_ex *make_cq(struct ibv_comp_channel *channel)
{
	struct ibv_cq_init_attr_ex attr = { .cqe = 4 * DEPTH,
					    .wc_flags = IBV_WC_STANDARD_FLAGS,
					    .channel = channel };
	struct ibv_cq_ex *cq = ibv_create_cq_ex(context, &attr);

	assert_non_null(cq);
	return cq;
}

static struct ibv_qp *make_qp(struct ibv_cq_ex *send_cq, struct ibv_cq_ex *recv_cq)
{
	struct ibv_qp_init_attr_ex attr = {
		.qp_type = IBV_QPT_DRIVER,
		.comp_mask = IBV_QP_INIT_ATTR_PD | IBV_QP_INIT_ATTR_SEND_OPS_FLAGS,
		.pd = pd,
		.send_cq = ibv_cq_ex_to_cq(send_cq),
		.recv_cq = ibv_cq_ex_to_cq(recv_cq),
		.cap = { DEPTH, DEPTH, 2, 1, 32 },
		.send_ops_flags = IBV_QP_EX_WITH_SEND | IBV_QP_EX_WITH_RDMA_WRITE,
	};
	struct efadv_qp_init_attr efa = { .driver_qp_type = EFADV_QP_DRIVER_TYPE_SRD };
	struct ibv_qp *qp = efadv_create_qp_ex(context, &attr, &efa, sizeof(efa));
	struct ibv_qp_attr to = { .qp_state = IBV_QPS_INIT, .port_num = 1, .qkey = QKEY };

	assert_non_null(qp);
	assert_int_equal(
		ibv_modify_qp(qp, &to,
			      IBV_QP_STATE | IBV_QP_PKEY_INDEX | IBV_QP_PORT | IBV_QP_QKEY),
		0);
	to.qp_state = IBV_QPS_RTR;
	assert_int_equal(ibv_modify_qp(qp, &to, IBV_QP_STATE), 0);
	to.qp_state = IBV_QPS_RTS;
	assert_int_equal(ibv_modify_qp(qp, &to, IBV_QP_STATE | IBV_QP_SQ_PSN), 0);
	return qp;
}

static void destroy_cq(struct ibv_cq_ex *cq)
{
	assert_int_equal(ibv_destroy_cq(ibv_cq_ex_to_cq(cq)), 0);
}

static int post_receive(struct ibv_qp *qp, uint64_t id)
{
	struct ibv_sge sge = { (uintptr_t)memory + id % DEPTH * BYTES, BYTES, mr->lkey };
	struct ibv_recv_wr *bad, wr = { .wr_id = id, .sg_list = &sge, .num_sge = 1 };

	return ibv_post_recv(qp, &wr, &bad);
}

static int post_send(struct ibv_qp *qp, uint64_t id, const struct ibv_qp *to)
{
	struct ibv_qp_ex *ex = ibv_qp_to_qp_ex(qp);

	ibv_wr_start(ex);
	ex->wr_id = id;
	ex->wr_flags = IBV_SEND_SIGNALED;
	ibv_wr_send(ex);
	ibv_wr_set_sge(ex, mr->lkey, (uintptr_t)memory, BYTES);
	ibv_wr_set_ud_addr(ex, self, to->qp_num, QKEY);
	return ibv_wr_complete(ex);
}

/* --- teardown under traffic ---------------------------------------------------------------- */

enum {
	LIVES = 400
};

static _Atomic bool stop;
static _Atomic uint64_t arrived;
static _Atomic uint32_t wrong; /* what threads found that must not be */

/* Takes messages and posts receives again, between start_poll and end_poll as libfabric does. */
static void *receiver(void *argument)
{
	struct ibv_qp *qp = argument;
	struct ibv_cq_ex *cq = (struct ibv_cq_ex *)(void *)qp->recv_cq;
	struct ibv_poll_cq_attr none = { 0 };

	while (!atomic_load(&stop)) {
		if (ibv_start_poll(cq, &none)) {
			sched_yield();
			continue;
		}
		do {
			wrong += cq->status != IBV_WC_SUCCESS || ibv_wc_read_byte_len(cq) != BYTES;
			atomic_fetch_add(&arrived, 1);
			/* Its entry is taken until the next poll: the queue may be full by one. */
			post_receive(qp, cq->wr_id);
		} while (!ibv_next_poll(cq));
		ibv_end_poll(cq);
	}
	return NULL;
}

/* One life of a queue pair that shares its completion queue with all others: sends what fits, looks
 * at some of it, and is gone with the rest under way. No completion is of an earlier one. */
static void one_life(struct ibv_cq_ex *cq, const struct ibv_qp *to, uint64_t life)
{
	struct ibv_qp *qp = make_qp(cq, cq);
	struct ibv_wc wc[8];
	uint64_t sent = 0;
	int n;

	while (sent < DEPTH && !post_send(qp, life, to))
		sent++;
	assert_int_equal(sent, DEPTH);
	assert_int_equal(post_send(qp, life, to), ENOMEM);
	for (uint64_t seen = 0; seen < life % DEPTH; seen += (uint64_t)n) {
		n = ibv_poll_cq(ibv_cq_ex_to_cq(cq), 8, wc);
		assert_true(n >= 0);
		for (int i = 0; i < n; i++) {
			assert_int_equal(wc[i].status, IBV_WC_SUCCESS);
			assert_int_equal(wc[i].wr_id, life);
			assert_int_equal(wc[i].qp_num, qp->qp_num);
		}
	}
	assert_int_equal(ibv_destroy_qp(qp), 0);
	assert_int_equal(ibv_poll_cq(ibv_cq_ex_to_cq(cq), 8, wc), 0);
}

static void teardown_under_traffic(void **state)
{
	struct ibv_cq_ex *recv_cq = make_cq(NULL), *send_cq = make_cq(NULL);
	struct ibv_qp *qp = make_qp(recv_cq, recv_cq);
	pthread_t thread;

	(void)state;
	stop = false;
	wrong = 0;
	arrived = 0;
	for (uint64_t i = 0; i < DEPTH; i++)
		assert_int_equal(post_receive(qp, i), 0);
	assert_int_equal(post_receive(qp, 0), ENOMEM);
	assert_int_equal(pthread_create(&thread, NULL, receiver, qp), 0);
	for (uint64_t life = 0; life < LIVES; life++)
		one_life(send_cq, qp, life);
	atomic_store(&stop, true);
	pthread_join(thread, NULL);
	assert_true(arrived > 0);
	assert_int_equal(wrong, 0);
	assert_int_equal(ibv_destroy_qp(qp), 0);
	destroy_cq(send_cq);
	destroy_cq(recv_cq);
}

/* --- many threads on one queue pair and one queue ------------------------------------------ */

enum {
	POSTERS = 3,
	POSTS = 5000
};

static struct ibv_qp *shared_from, *shared_to;
static _Atomic uint32_t posted, completed;

static void *poster(void *unused)
{
	(void)unused;
	for (int i = 0; i < POSTS;) {
		if (post_send(shared_from, 1, shared_to))
			sched_yield();
		else
			i++;
	}
	atomic_fetch_add(&posted, POSTS);
	return NULL;
}

static void *completer(void *unused)
{
	struct ibv_wc wc[4];
	int n;

	(void)unused;
	while (atomic_load(&completed) < POSTERS * POSTS) {
		n = ibv_poll_cq(shared_from->send_cq, 4, wc);
		wrong += n < 0;
		for (int i = 0; i < n; i++)
			wrong += wc[i].status != IBV_WC_SUCCESS;
		atomic_fetch_add(&completed, (uint32_t)n);
		if (!n)
			sched_yield();
	}
	return NULL;
}

static void shared_by_threads(void **state)
{
	struct ibv_cq_ex *recv_cq = make_cq(NULL), *send_cq = make_cq(NULL);
	pthread_t thread[POSTERS + 3];
	struct ibv_wc wc;

	(void)state;
	stop = false;
	wrong = 0;
	posted = completed = 0;
	arrived = 0;
	shared_from = make_qp(send_cq, recv_cq);
	shared_to = make_qp(send_cq, recv_cq);
	for (uint64_t i = 0; i < DEPTH; i++)
		assert_int_equal(post_receive(shared_to, i), 0);
	assert_int_equal(pthread_create(&thread[0], NULL, receiver, shared_to), 0);
	for (int i = 1; i < POSTERS + 3; i++)
		assert_int_equal(pthread_create(&thread[i], NULL, i < 3 ? completer : poster, NULL),
				 0);
	for (int i = 1; i < POSTERS + 3; i++)
		pthread_join(thread[i], NULL);
	assert_int_equal(completed, POSTERS * POSTS);
	/* A sender's completion says that the device has taken the message in, not that it was
	 * polled. */
	while (atomic_load(&arrived) < POSTERS * POSTS)
		sched_yield();
	assert_int_equal(arrived, POSTERS * POSTS);
	atomic_store(&stop, true);
	pthread_join(thread[0], NULL);
	assert_int_equal(wrong, 0);
	assert_int_equal(ibv_poll_cq(ibv_cq_ex_to_cq(send_cq), 1, &wc), 0);
	assert_int_equal(ibv_destroy_qp(shared_from), 0);
	assert_int_equal(ibv_destroy_qp(shared_to), 0);
	destroy_cq(send_cq);
	destroy_cq(recv_cq);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(teardown_under_traffic),
		TEST(shared_by_threads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
