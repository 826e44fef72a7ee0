/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests at and past what a queue pair and the device take, in calls and in completions. The
 * errors of calls are libefa's (providers/efa/verbs.c); statuses are emu/status.def's.
 */
#include <string.h>

#include "kit.h"

static const struct kit_ep_options plain = { 0 };

/* Exactly as many requests as were asked for; polling a completion makes room for another. */
static void send_queue_full(bool legacy)
{
	static const struct kit_ep_options small = { .sends = 16, .recvs = 64 };
	struct kit_wr wr;
	struct kit_wc wc;
	struct ibv_sge sge;
	struct kit_bench b;

	kit_bench_open(&b, &small);
	sge = kit_sge(&b.area, 0, 8);
	wr = kit_bench_wr(&b, KIT_SEND, 0);
	wr.legacy = legacy;
	for (int i = 0; i < 40; i++)
		check_int(kit_recv(&b.ep, 1000, &sge, 1), 0);
	for (int i = 0; i < 16; i++)
		check_int(kit_post(&b.ep, &wr), 0);
	for (int i = 0; i < 8; i++) {
		check_int(kit_post(&b.ep, &wr), ENOMEM);
		do
			kit_wait(b.ep.send_cq, &wc);
		while (wc.id == 1000);
		check_int(wc.status, IBV_WC_SUCCESS);
		check_int(kit_post(&b.ep, &wr), 0);
	}
	check_int(kit_post(&b.ep, &wr), ENOMEM);
	kit_bench_close(&b);
}

static void send_queue_full_new(void)
{
	send_queue_full(false);
}

static void send_queue_full_legacy(void)
{
	send_queue_full(true);
}

static void recv_queue_full(void)
{
	static const struct kit_ep_options small = { .sends = 16, .recvs = 16 };
	struct kit_wr wr;
	struct kit_wc wc;
	struct ibv_sge sge;
	struct kit_bench b;

	kit_bench_open(&b, &small);
	sge = kit_sge(&b.area, 0, 8);
	wr = kit_bench_wr(&b, KIT_SEND, 0);
	for (int i = 0; i < 16; i++)
		check_int(kit_recv(&b.ep, 1000, &sge, 1), 0);
	for (int i = 0; i < 8; i++) {
		check_int(kit_recv(&b.ep, 1000, &sge, 1), ENOMEM);
		check_int(kit_post(&b.ep, &wr), 0);
		for (int n = 0; n < 2; n++) {
			kit_wait(b.ep.send_cq, &wc);
			check_int(wc.status, IBV_WC_SUCCESS);
		}
		check_int(kit_recv(&b.ep, 1000, &sge, 1), 0);
	}
	check_int(kit_recv(&b.ep, 1000, &sge, 1), ENOMEM);
	kit_bench_close(&b);
}

/* A list of requests: those before the bad one are carried out. */
static void bad_in_the_middle(void)
{
	struct ibv_send_wr list[3], *bad = NULL;
	struct ibv_sge sge[3];
	struct kit_wc wc;
	struct kit_bench b;

	kit_bench_open(&b, &plain);
	for (int i = 0; i < 3; i++)
		sge[i] = kit_sge(&b.area, 0, 10);
	for (int i = 0; i < 3; i++)
		list[i] = (struct ibv_send_wr){
			.wr_id = 50 + i,
			.next = i < 2 ? &list[i + 1] : NULL,
			.sg_list = sge,
			.num_sge = i == 1 ? 3 : 1,
			.opcode = IBV_WR_SEND,
			.send_flags = IBV_SEND_SIGNALED,
			.wr = { .ud = { .ah = b.ah,
					.remote_qpn = b.ep.address.qpn,
					.remote_qkey = KIT_QKEY } },
		};
	for (int i = 0; i < 3; i++)
		check_int(kit_recv(&b.ep, 1000, sge, 1), 0);
	check_int(ibv_post_send(b.ep.qp, list, &bad), EINVAL);
	check(bad == &list[1]);
	for (int i = 0; i < 2; i++) {
		kit_wait(b.ep.send_cq, &wc);
		check_int(wc.status, IBV_WC_SUCCESS);
		check(wc.id == 50 || wc.id == 1000);
	}
	/* New calls: all or none. */
	struct kit_wr wr = kit_bench_wr(&b, KIT_SEND, 10);

	ibv_wr_start(b.ep.ex);
	for (int i = 0; i < 3; i++) {
		b.ep.ex->wr_id = 60 + i;
		b.ep.ex->wr_flags = IBV_SEND_SIGNALED;
		ibv_wr_send(b.ep.ex);
		ibv_wr_set_sge_list(b.ep.ex, i == 1 ? 3 : 1, sge);
		ibv_wr_set_ud_addr(b.ep.ex, b.ah, b.ep.address.qpn, KIT_QKEY);
	}
	check_int(ibv_wr_complete(b.ep.ex), EINVAL);
	ibv_wr_start(b.ep.ex);
	ibv_wr_send(b.ep.ex);
	ibv_wr_abort(b.ep.ex);
	check_int(kit_post(&b.ep, &wr), 0);
	for (int i = 0; i < 2; i++) {
		kit_wait(b.ep.send_cq, &wc);
		check(wc.id == 1 || wc.id == 1000);
	}
	check(!kit_poll(b.ep.send_cq, &wc));
	kit_bench_close(&b);
}

static void bad_requests(void)
{
	uint8_t bytes[64] = { 0 };
	struct ibv_send_wr old = { .opcode = IBV_WR_RDMA_READ, .send_flags = IBV_SEND_SIGNALED };
	struct ibv_send_wr *bad;
	struct ibv_sge sge[4] = { { 0 } };
	struct kit_wr wr;
	struct kit_bench b;

	kit_bench_open(&b, &plain);
	wr = kit_bench_wr(&b, KIT_SEND, 10);
	wr.inline_data = bytes;
	wr.inline_bytes = 33;
	check_int(kit_post(&b.ep, &wr), EINVAL);
	wr.legacy = true;
	check_int(kit_post(&b.ep, &wr), EINVAL);
	old.wr.ud.ah = b.ah;
	check_int(ibv_post_send(b.ep.qp, &old, &bad), EINVAL);
	old.opcode = IBV_WR_SEND;
	old.send_flags = 0; /* completions cannot be left out */
	check_int(ibv_post_send(b.ep.qp, &old, &bad), EINVAL);
	wr = kit_bench_wr(&b, KIT_WRITE, 10);
	wr.sges = 2; /* RDMA takes one */
	wr.sge[1] = wr.sge[0];
	check_int(kit_post(&b.ep, &wr), EINVAL);
	wr.op = KIT_READ;
	check_int(kit_post(&b.ep, &wr), EINVAL);
	check_int(kit_recv(&b.ep, 1, sge, 3), EINVAL); /* the queue pair has two */
	kit_bench_close(&b);
}

/* What only the device finds out comes as a completion. */
static void bad_completions(void)
{
	static const struct kit_ep_options retry_once = { .rnr_retry = 1 };
	struct ibv_pd *pd;
	struct ibv_mr *mr;
	struct kit_wr wr;
	struct kit_bench b;

	kit_bench_open(&b, &retry_once);
	wr = kit_bench_wr(&b, KIT_SEND, 8928);
	wr.sge[0].length = b.nic.mtu + 1;
	check_int(kit_post(&b.ep, &wr), 0);
	kit_wait_status(b.ep.send_cq, 1, 6);
	wr = kit_bench_wr(&b, KIT_SEND, 10);
	wr.sge[0].lkey ^= 0x155;
	check_int(kit_post(&b.ep, &wr), 0);
	kit_wait_status(b.ep.send_cq, 1, 5);
	for (enum kit_op op = KIT_READ; op <= KIT_WRITE; op++) {
		wr = kit_bench_wr(&b, op, 10);
		wr.sge[0].lkey ^= 0x155;
		check_int(kit_post(&b.ep, &wr), 0);
		kit_wait_status(b.ep.send_cq, 1, 5);
		wr = kit_bench_wr(&b, op, 4096);
		wr.sge[0].addr += b.area.size - 4095; /* one byte past the region */
		check_int(kit_post(&b.ep, &wr), 0);
		kit_wait_status(b.ep.send_cq, 1, 5);
		wr = kit_bench_wr(&b, op, 65537); /* the world says max_rdma_size=65536 */
		check_int(kit_post(&b.ep, &wr), 0);
		kit_wait_status(b.ep.send_cq, 1, 6);
		wr = kit_bench_wr(&b, op, 65536);
		wr.address += 65536;
		check_int(kit_post(&b.ep, &wr), 0);
		kit_wait_ok(b.ep.send_cq, 1);
		wr = kit_bench_wr(&b, op, 4096);
		wr.address += b.area.size - 4095;
		check_int(kit_post(&b.ep, &wr), 0);
		kit_wait_status(b.ep.send_cq, 1, 7);
		wr = kit_bench_wr(&b, op, 4096);
		wr.rkey ^= 0x155;
		check_int(kit_post(&b.ep, &wr), 0);
		kit_wait_status(b.ep.send_cq, 1, 7);
	}
	/* A key of another protection domain is no key. */
	pd = ibv_alloc_pd(b.nic.context);
	check(pd);
	mr = ibv_reg_mr(pd, b.area.data, 4096, KIT_ACCESS);
	check(mr);
	wr = kit_bench_wr(&b, KIT_SEND, 10);
	wr.sge[0].lkey = mr->lkey;
	check_int(kit_post(&b.ep, &wr), 0);
	kit_wait_status(b.ep.send_cq, 1, 5);
	wr = kit_bench_wr(&b, KIT_WRITE, 10);
	wr.rkey = mr->rkey;
	check_int(kit_post(&b.ep, &wr), 0);
	kit_wait_status(b.ep.send_cq, 1, 7);
	check_int(ibv_dereg_mr(mr), 0);
	check_int(ibv_dealloc_pd(pd), 0);
	kit_bench_close(&b);
}

/* Rights that a region lacks. */
static void rights(void)
{
	static const struct {
		int access;
		bool read_it, write_it, read_into_it;
	} rows[] = {
		{ 0, false, false, false },
		{ IBV_ACCESS_LOCAL_WRITE, false, false, true },
		{ IBV_ACCESS_REMOTE_READ, true, false, false },
		{ IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_REMOTE_WRITE, false, true, true },
	};
	struct kit_wr wr;
	struct ibv_mr *mr;
	struct kit_bench b;

	kit_bench_open(&b, &plain);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		mr = ibv_reg_mr(b.nic.pd, b.area.data, 8192, rows[i].access);
		check(mr);
		for (enum kit_op op = KIT_READ; op <= KIT_WRITE; op++) {
			wr = kit_bench_wr(&b, op, 100);
			wr.sge[0].addr += 50000;
			wr.rkey = mr->rkey;
			check_int(kit_post(&b.ep, &wr), 0);
			kit_wait_status(b.ep.send_cq, 1,
					(op == KIT_READ ? rows[i].read_it : rows[i].write_it) ? 0
											      : 7);
		}
		wr = kit_bench_wr(&b, KIT_READ, 100);
		wr.sge[0].lkey = mr->lkey;
		wr.address += 50000;
		check_int(kit_post(&b.ep, &wr), 0);
		kit_wait_status(b.ep.send_cq, 1, rows[i].read_into_it ? 0 : 5);
		check_int(ibv_dereg_mr(mr), 0);
	}
	kit_bench_close(&b);
}

/* --- at the other side --------------------------------------------------------------------- */

/* A receive that is too short: the sender is told, the receive has failed too. */
static void receive_too_short(void)
{
	static const struct kit_target_options options = {
		.host = 1, .bytes = 8192, .recvs = 1, .slot = 100
	};
	struct kit_pair p;
	struct kit_wr wr;
	struct kit_wc wc;

	kit_pair_open(&p, &options, 8192);
	wr = kit_pair_wr(&p, KIT_SEND, 1, 0, 101);
	check_int(kit_post(&p.ep, &wr), 0);
	kit_wait_status(p.ep.send_cq, 1, 11);
	kit_target_recv(&p.target, 7, 0, 101);
	check_int(kit_post(&p.ep, &wr), 0);
	kit_wait_ok(p.ep.send_cq, 1);
	/* Its receive may have been used up with an error; the next one is good. */
	kit_target_wait(&p.target, &wc);
	if (wc.id == 0)
		kit_target_wait(&p.target, &wc);
	check_int(wc.id, 7);
	check_int(wc.status, IBV_WC_SUCCESS);
	check_int(wc.bytes, 101);
	kit_pair_close(&p);
}

/* A datagram with another key is dropped; the next one with the right key comes. */
static void wrong_qkey(void)
{
	static const struct kit_target_options options = {
		.host = 1, .bytes = 8192, .recvs = 4, .slot = 1024, .ep.ud = true
	};
	struct kit_address wrong;
	struct kit_pair p;
	struct kit_wr wr;
	struct kit_wc wc;

	kit_pair_open(&p, &options, 8192);
	wrong = p.target.address;
	wrong.qkey ^= 1;
	kit_fill(p.area.data, 10, 1);
	wr = kit_pair_wr(&p, KIT_SEND, 1, 0, 10);
	wr.to = &wrong;
	check_int(kit_post(&p.ep, &wr), 0);
	kit_wait_ok(p.ep.send_cq, 1);
	kit_fill(p.area.data, 20, 2);
	wr = kit_pair_wr(&p, KIT_SEND, 2, 0, 20);
	check_int(kit_post(&p.ep, &wr), 0);
	kit_wait_ok(p.ep.send_cq, 2);
	kit_target_wait(&p.target, &wc);
	check_int(wc.bytes, 60);
	check(kit_holds(p.target.area.data + wc.id * 1024 + 40, 20, 2));
	check(!kit_target_poll(&p.target, &wc));
	kit_pair_close(&p);
}

/* States of a queue pair: what may be posted when, flushes on error, a fresh start by reset. */
static void states(void)
{
	struct ibv_qp_attr attr = { .qp_state = IBV_QPS_RTS, .port_num = 1, .qkey = KIT_QKEY };
	struct ibv_qp_init_attr init;
	struct ibv_sge sge;
	struct kit_bench b;
	struct kit_wr wr;
	struct kit_wc wc;

	kit_bench_open(&b, &plain);
	wr = kit_bench_wr(&b, KIT_SEND, 10);
	sge = kit_sge(&b.area, 100, 10);
	attr.qp_state = IBV_QPS_RESET;
	check_int(ibv_modify_qp(b.ep.qp, &attr, IBV_QP_STATE), 0);
	check_int(kit_post(&b.ep, &wr), EINVAL);
	check_int(kit_recv(&b.ep, 5, &sge, 1), EINVAL);
	attr.qp_state = IBV_QPS_RTS; /* not from there */
	check_int(ibv_modify_qp(b.ep.qp, &attr, IBV_QP_STATE | IBV_QP_SQ_PSN), EINVAL);
	attr.qp_state = IBV_QPS_INIT;
	check_int(ibv_modify_qp(b.ep.qp, &attr,
				IBV_QP_STATE | IBV_QP_PORT | IBV_QP_PKEY_INDEX | IBV_QP_QKEY),
		  0);
	check_int(kit_recv(&b.ep, 5, &sge, 1), 0);
	check_int(kit_post(&b.ep, &wr), EINVAL);
	attr.qp_state = IBV_QPS_RTR;
	check_int(ibv_modify_qp(b.ep.qp, &attr, IBV_QP_STATE), 0);
	check_int(kit_post(&b.ep, &wr), EINVAL);
	attr.qp_state = IBV_QPS_RTS;
	check_int(ibv_modify_qp(b.ep.qp, &attr, IBV_QP_STATE | IBV_QP_SQ_PSN), 0);
	check_int(kit_post(&b.ep, &wr), 0);
	for (int i = 0; i < 2; i++) {
		kit_wait(b.ep.send_cq, &wc);
		check_int(wc.status, IBV_WC_SUCCESS);
	}
	check_int(kit_recv(&b.ep, 6, &sge, 1), 0);
	attr.qp_state = IBV_QPS_ERR;
	check_int(ibv_modify_qp(b.ep.qp, &attr, IBV_QP_STATE), 0);
	check_int(ibv_query_qp(b.ep.qp, &attr, IBV_QP_STATE, &init), 0);
	check_int(attr.qp_state, IBV_QPS_ERR);
	check_int(kit_post(&b.ep, &wr), EINVAL);
	check_int(kit_recv(&b.ep, 7, &sge, 1), EINVAL);
	kit_wait_status(b.ep.recv_cq, 6, 1);
	kit_bench_close(&b);
}

static const struct kit_case cases[] = {
	{ "requests/send-queue-full", send_queue_full_new },
	{ "requests/send-queue-full-legacy", send_queue_full_legacy },
	{ "requests/recv-queue-full", recv_queue_full },
	{ "requests/bad-in-the-middle", bad_in_the_middle },
	{ "requests/bad", bad_requests },
	{ "requests/bad-completions", bad_completions, { .device = "max_rdma_size=65536" } },
	{ "requests/rights", rights },
	{ "requests/receive-too-short", receive_too_short },
	{ "requests/wrong-qkey", wrong_qkey },
	{ "requests/states", states },
	{ 0 },
};

int main(int argc, char **argv)
{
	return kit_main(argc, argv, cases);
}
