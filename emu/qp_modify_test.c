/* SPDX-License-Identifier: Apache-2.0 */
/* Queue pairs: which states follow which, what may be told and asked on the way. */
#include "emu/verbs_fake.h"

static struct ibv_cq_ex *cq;
static struct ibv_qp_init_attr_ex good;
static struct emu_abi_qp_init_attr efa;

static int setup(void **state)
{
	fake_setup(state);
	cq = make_cq(16, 0, NULL);
	good = (struct ibv_qp_init_attr_ex){
		.qp_type = IBV_QPT_DRIVER,
		.comp_mask = IBV_QP_INIT_ATTR_PD,
		.pd = fake_pd,
		.send_cq = ibv_cq_ex_to_cq(cq),
		.recv_cq = ibv_cq_ex_to_cq(cq),
		.cap = { 16, 16, 2, 2, 32 },
	};
	efa = (struct emu_abi_qp_init_attr){ 0 };
	return 0;
}

static int teardown(void **state)
{
	assert_int_equal(ibv_destroy_cq(ibv_cq_ex_to_cq(cq)), 0);
	return fake_teardown(state);
}

static struct ibv_qp *in_state(bool srd, enum ibv_qp_state target)
{
	struct ibv_qp_init_attr_ex attr = good;
	struct ibv_qp *qp;

	attr.qp_type = srd ? IBV_QPT_DRIVER : IBV_QPT_UD;
	qp = emu_qp_create(fake_context, &attr, &efa);
	assert_non_null(qp);
	emu_qp_of(qp)->state = target;
	return qp;
}

static int modify(struct ibv_qp *qp, enum ibv_qp_state to, int mask)
{
	struct ibv_qp_attr attr = {
		.qp_state = to,
		.cur_qp_state = emu_qp_of(qp)->state,
		.port_num = 1,
		.qkey = 0x5555,
		.sq_psn = 7,
		.rnr_retry = 3,
	};

	return ibv_modify_qp(qp, &attr, IBV_QP_STATE | mask);
}

enum {
	PIQ = IBV_QP_PKEY_INDEX | IBV_QP_PORT | IBV_QP_QKEY,
	CQ = IBV_QP_CUR_STATE | IBV_QP_QKEY,
	PQ = IBV_QP_PKEY_INDEX | IBV_QP_QKEY,
	NOTIFY = IBV_QP_EN_SQD_ASYNC_NOTIFY,
	NO = -1, /* no such transition */
};

/* What must be given, and what may be given. From the driver's table, written once more. */
static const int required[7][7] = {
	/* to: RESET INIT RTR RTS SQD SQE ERR */
	{ 0, PIQ, NO, NO, NO, NO, NO },          /* RESET */
	{ 0, 0, 0, NO, NO, NO, 0 },              /* INIT */
	{ 0, NO, NO, IBV_QP_SQ_PSN, NO, NO, 0 }, /* RTR */
	{ 0, NO, NO, 0, 0, NO, 0 },              /* RTS */
	{ 0, NO, NO, 0, 0, NO, 0 },              /* SQD */
	{ 0, NO, NO, 0, NO, NO, 0 },             /* SQE */
	{ 0, NO, NO, NO, NO, NO, 0 },            /* ERR */
};
static const int optional[7][7] = {
	{ 0, 0, 0, 0, 0, 0, 0 },
	{ 0, PIQ, PQ, 0, 0, 0, 0 },
	{ 0, 0, 0, CQ | IBV_QP_RNR_RETRY, 0, 0, 0 },
	{ 0, 0, 0, CQ, NOTIFY, 0, 0 },
	{ 0, 0, 0, CQ, PQ, 0, 0 },
	{ 0, 0, 0, CQ, 0, 0, 0 },
	{ 0, 0, 0, 0, 0, 0, 0 },
};

/* Each attribute by itself, added to what is required, and each required one left out. */
static void check_masks(bool srd, int from, int to)
{
	static const int bits[] = { IBV_QP_CUR_STATE, NOTIFY,        IBV_QP_PKEY_INDEX, IBV_QP_PORT,
				    IBV_QP_QKEY,      IBV_QP_SQ_PSN, IBV_QP_RNR_RETRY };
	int need = required[from][to];
	int may = optional[from][to] & (srd ? ~0 : ~IBV_QP_RNR_RETRY);

	for (size_t i = 0; i < EMU_COUNT(bits); i++) {
		struct ibv_qp *qp = in_state(srd, (enum ibv_qp_state)from);
		bool taken = need != NO && (need | may) & bits[i];

		assert_int_equal(
			modify(qp, (enum ibv_qp_state)to, (need == NO ? 0 : need) | bits[i]),
			taken ? 0 : EINVAL);
		assert_int_equal(emu_qp_of(qp)->state, taken ? to : from);
		assert_int_equal(ibv_destroy_qp(qp), 0);
		if (need == NO || !(need & bits[i]))
			continue;
		qp = in_state(srd, (enum ibv_qp_state)from);
		assert_int_equal(modify(qp, (enum ibv_qp_state)to, need & ~bits[i]), EINVAL);
		assert_int_equal(ibv_destroy_qp(qp), 0);
	}
}

static void transitions(void **state)
{
	(void)state;
	for (int i = 0; i < 2 * 7 * 7; i++) {
		bool srd = i % 2;
		int from = i / 2 % 7, to = i / 14;
		int need = required[from][to];
		struct ibv_qp *qp = in_state(srd, (enum ibv_qp_state)from);

		changes = 0;
		assert_int_equal(modify(qp, (enum ibv_qp_state)to, need == NO ? 0 : need),
				 need == NO ? EINVAL : 0);
		assert_int_equal(changes, need != NO);
		assert_int_equal(emu_qp_of(qp)->state, need == NO ? from : to);
		if (need != NO)
			assert_int_equal(qp->state, to);
		assert_int_equal(ibv_destroy_qp(qp), 0);
		check_masks(srd, from, to);
	}
}

static void values(void **state)
{
	struct ibv_qp *qp = in_state(true, IBV_QPS_RTR);
	struct ibv_qp_attr attr = { .qp_state = IBV_QPS_RTS, .rnr_retry = 8 };
	const int rts = IBV_QP_STATE | IBV_QP_SQ_PSN;

	(void)state;
	assert_int_equal(emu_qp_of(qp)->rnr_retry, 7);
	assert_int_equal(ibv_modify_qp(qp, &attr, rts | IBV_QP_RNR_RETRY), EINVAL);
	attr.cur_qp_state = IBV_QPS_RTS; /* it is RTR */
	assert_int_equal(ibv_modify_qp(qp, &attr, rts | IBV_QP_CUR_STATE), EINVAL);
	assert_int_equal(ibv_modify_qp(qp, &attr, rts | IBV_QP_TIMEOUT), EOPNOTSUPP);
	assert_int_equal(ibv_modify_qp(qp, &attr, rts | IBV_QP_AV), EOPNOTSUPP);
	attr.qp_state = (enum ibv_qp_state)17;
	assert_int_equal(ibv_modify_qp(qp, &attr, IBV_QP_STATE), EINVAL);
	attr.qp_state = IBV_QPS_RTS;
	fake_model.rnr_retry = 0;
	attr.rnr_retry = 3;
	assert_int_equal(ibv_modify_qp(qp, &attr, rts | IBV_QP_RNR_RETRY), EOPNOTSUPP);
	assert_int_equal(emu_qp_of(qp)->rnr_retry, 7);
	fake_model.rnr_retry = 1;
	assert_int_equal(ibv_modify_qp(qp, &attr, rts | IBV_QP_RNR_RETRY), 0);
	assert_int_equal(emu_qp_of(qp)->rnr_retry, 3);
	attr.qp_state = IBV_QPS_SQD;
	attr.en_sqd_async_notify = 1;
	assert_int_equal(ibv_modify_qp(qp, &attr, IBV_QP_STATE | NOTIFY), EOPNOTSUPP);
	assert_int_equal(ibv_destroy_qp(qp), 0);

	qp = in_state(true, IBV_QPS_RESET);
	attr = (struct ibv_qp_attr){ .qp_state = IBV_QPS_INIT, .port_num = 2 };
	assert_int_equal(ibv_modify_qp(qp, &attr, IBV_QP_STATE | PIQ), EOPNOTSUPP);
	attr.port_num = 1;
	attr.pkey_index = 1;
	assert_int_equal(ibv_modify_qp(qp, &attr, IBV_QP_STATE | PIQ), EOPNOTSUPP);
	assert_int_equal(qp->state, IBV_QPS_RESET);
	assert_int_equal(ibv_destroy_qp(qp), 0);
}

static void query(void **state)
{
	struct ibv_qp *qp = in_state(true, IBV_QPS_RTR);
	struct ibv_qp_init_attr init;
	struct ibv_qp_attr attr;

	(void)state;
	assert_int_equal(modify(qp, IBV_QPS_RTS, IBV_QP_SQ_PSN | IBV_QP_QKEY | IBV_QP_RNR_RETRY),
			 0);
	assert_int_equal(ibv_query_qp(qp, &attr, IBV_QP_TIMEOUT, &init), EOPNOTSUPP);
	assert_int_equal(ibv_query_qp(qp, &attr, IBV_QP_STATE | IBV_QP_CAP, &init), 0);
	assert_int_equal(attr.qp_state, IBV_QPS_RTS);
	assert_int_equal(attr.qkey, 0x5555);
	assert_int_equal(attr.sq_psn, 7);
	assert_int_equal(attr.rnr_retry, 3);
	assert_int_equal(attr.port_num, 1);
	assert_int_equal(attr.cap.max_send_wr, 16);
	assert_int_equal(init.qp_type, IBV_QPT_DRIVER);
	assert_ptr_equal(init.send_cq, cq);
	assert_int_equal(init.cap.max_inline_data, 32);
	assert_int_equal(ibv_destroy_qp(qp), 0);
}

/* A reset forgets what the queues hold and what nobody has polled. */
static void reset(void **state)
{
	struct ibv_qp *qp = in_state(true, IBV_QPS_RTS);
	struct emu_cqe cqe = completion(qp, 1);
	struct ibv_wc wc;

	(void)state;
	emu_qp_of(qp)->sq_used = 2;
	emu_cq_push(emu_cq_ex_of(cq), &cqe);
	assert_int_equal(modify(qp, IBV_QPS_ERR, 0), 0);
	assert_int_equal(modify(qp, IBV_QPS_RESET, 0), 0);
	assert_int_equal(direct_resets, 1);
	assert_int_equal(ibv_poll_cq(ibv_cq_ex_to_cq(cq), 1, &wc), 0);
	assert_int_equal(emu_qp_of(qp)->sq_used, 0);
	assert_int_equal(ibv_destroy_qp(qp), 0);
}

static void data_in_order(void **state)
{
	struct ibv_qp *qp = in_state(true, IBV_QPS_RTS);

	(void)state;
	assert_int_equal(ibv_query_qp_data_in_order(qp, IBV_WR_SEND, 1), 0);
	fake_model.data_in_order = 1;
	assert_int_equal(ibv_query_qp_data_in_order(qp, IBV_WR_SEND, 0), 0);
	assert_int_equal(ibv_query_qp_data_in_order(qp, IBV_WR_RDMA_WRITE, 1),
			 EMU_DATA_IN_ORDER_ALIGNED_128_BYTES);
	assert_int_equal(ibv_query_qp_data_in_order(qp, IBV_WR_RDMA_WRITE, 3),
			 EMU_DATA_IN_ORDER_ALIGNED_128_BYTES);
	assert_int_equal(ibv_query_qp_data_in_order(qp, IBV_WR_RDMA_WRITE, 1 | 4), 0);
	assert_int_equal(ibv_destroy_qp(qp), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(transitions), TEST(values), TEST(query), TEST(reset), TEST(data_in_order),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
