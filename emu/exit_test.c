/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Processes that call exit() while threads of theirs still post and poll: each ends with the status
 * that it gave, whatever the stand-in takes down at that moment. Their world goes with them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "emu/verbs.h"
#include "emu/world.h"

enum {
	ROUNDS = 20,
	THREADS = 3,
	STATUS = 7,
	QKEY = 1
};

struct ends {
	struct ibv_cq *cq;
	struct ibv_qp *qp;
	struct ibv_mr *mr;
	struct ibv_ah *self;
	char buffer[256];
};

static void *traffic(void *argument)
{
	struct ends *ends = argument;
	struct ibv_sge sge = { (uintptr_t)ends->buffer, 64, ends->mr->lkey };
	struct ibv_recv_wr receive = { .sg_list = &sge, .num_sge = 1 }, *bad_receive;
	struct ibv_send_wr send = { .sg_list = &sge,
				    .num_sge = 1,
				    .opcode = IBV_WR_SEND,
				    .send_flags = IBV_SEND_SIGNALED,
				    .wr.ud = { ends->self, ends->qp->qp_num, QKEY } },
			   *bad_send;
	struct ibv_wc wc[8];

	for (;;) {
		ibv_post_recv(ends->qp, &receive, &bad_receive);
		ibv_post_send(ends->qp, &send, &bad_send);
		ibv_poll_cq(ends->cq, 8, wc);
	}
	return NULL;
}

static bool ready(struct ibv_qp *qp)
{
	struct ibv_qp_attr attr = { .qp_state = IBV_QPS_INIT, .port_num = 1, .qkey = QKEY };

	if (ibv_modify_qp(qp, &attr, IBV_QP_STATE | IBV_QP_PKEY_INDEX | IBV_QP_PORT | IBV_QP_QKEY))
		return false;
	attr.qp_state = IBV_QPS_RTR;
	if (ibv_modify_qp(qp, &attr, IBV_QP_STATE))
		return false;
	attr.qp_state = IBV_QPS_RTS;
	return !ibv_modify_qp(qp, &attr, IBV_QP_STATE | IBV_QP_SQ_PSN);
}

static bool start(struct ends *ends)
{
	struct ibv_device **devices = ibv_get_device_list(NULL);
	struct ibv_context *context = devices ? ibv_open_device(devices[0]) : NULL;
	struct ibv_pd *pd = context ? ibv_alloc_pd(context) : NULL;
	struct ibv_qp_init_attr init = { .qp_type = IBV_QPT_UD, .cap = { 16, 16, 1, 1, 0 } };
	struct ibv_ah_attr self = { .is_global = 1, .port_num = 1 };

	if (!pd)
		return false;
	ibv_free_device_list(devices);
	ends->mr = ibv_reg_mr(pd, ends->buffer, sizeof(ends->buffer), IBV_ACCESS_LOCAL_WRITE);
	ends->cq = ibv_create_cq(context, 64, NULL, NULL, 0);
	init.send_cq = init.recv_cq = ends->cq;
	ends->qp = ends->mr && ends->cq ? ibv_create_qp(pd, &init) : NULL;
	if (!ends->qp || !ready(ends->qp) || ibv_query_gid(context, 1, 0, &self.grh.dgid))
		return false;
	ends->self = ibv_create_ah(pd, &self);
	return ends->self != NULL;
}

/* Tells the parent where its world is, then leaves from under its threads. */
static void child(int to_parent)
{
	static struct ends ends;
	const char *dir;
	pthread_t thread;

	if (!start(&ends))
		_exit(1);
	dir = emu_nic_at(0)->world->dir;
	if (write(to_parent, dir, strlen(dir)) < 0)
		_exit(2);
	for (int i = 0; i < THREADS; i++)
		if (pthread_create(&thread, NULL, traffic, &ends))
			_exit(3);
	usleep(10000);
	exit(STATUS);
}

static void leaves_from_under_its_threads(void **state)
{
	char dir[256];
	int pipes[2], status;
	ssize_t got;
	pid_t pid;

	(void)state;
	for (int i = 0; i < ROUNDS; i++) {
		assert_int_equal(pipe(pipes), 0);
		pid = fork();
		assert_true(pid >= 0);
		if (!pid)
			child(pipes[1]);
		close(pipes[1]);
		got = read(pipes[0], dir, sizeof(dir) - 1);
		close(pipes[0]);
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_true(WIFEXITED(status));
		assert_int_equal(WEXITSTATUS(status), STATUS);
		assert_true(got > 0);
		dir[got] = 0;
		assert_int_not_equal(access(dir, F_OK), 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(leaves_from_under_its_threads) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
