/* SPDX-License-Identifier: Apache-2.0 */
/* Queue pairs: what is refused, what they get, which states follow which. */
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

/* --- make ---------------------------------------------------------------------------------------
 */

static void refused(const struct ibv_qp_init_attr_ex *attr, int error)
{
	struct ibv_qp_init_attr_ex copy = *attr;

	errno = 0;
	assert_null(emu_qp_create(fake_context, &copy, &efa));
	assert_int_equal(errno, error);
}

static void attributes(void **state)
{
	struct ibv_srq srq = { 0 };
	struct ibv_qp_init_attr_ex attr;

	(void)state;
	attr = good, attr.comp_mask = 0, refused(&attr, EINVAL);
	attr = good, attr.comp_mask |= IBV_QP_INIT_ATTR_XRCD, refused(&attr, EOPNOTSUPP);
	attr = good, attr.send_cq = NULL, refused(&attr, EINVAL);
	attr = good, attr.recv_cq = NULL, refused(&attr, EINVAL);
	attr = good, attr.srq = &srq, refused(&attr, EINVAL);
	efa.driver_qp_type = 1, refused(&good, EOPNOTSUPP), efa.driver_qp_type = 0;
	efa.flags = 1 << 2, refused(&good, EOPNOTSUPP), efa.flags = 0;
	efa.wr_flags = 1 << 1, refused(&good, EOPNOTSUPP), efa.wr_flags = 0;
	refuse = ENOSPC, refused(&good, ENOSPC), refuse = 0;
}

static void operations(void **state)
{
	static const struct {
		uint64_t flag;
		bool read, write, srd, ud; /* taken on a device that does so */
	} rows[] = {
		{ IBV_QP_EX_WITH_SEND, false, false, true, true },
		{ IBV_QP_EX_WITH_SEND_WITH_IMM, false, false, true, true },
		{ IBV_QP_EX_WITH_RDMA_READ, true, false, true, false },
		{ IBV_QP_EX_WITH_RDMA_READ, false, true, false, false },
		{ IBV_QP_EX_WITH_RDMA_WRITE, false, true, true, false },
		{ IBV_QP_EX_WITH_RDMA_WRITE_WITH_IMM, false, true, true, false },
		{ IBV_QP_EX_WITH_RDMA_WRITE, true, false, false, false },
		{ IBV_QP_EX_WITH_RDMA_WRITE_WITH_IMM, true, false, false, false },
		{ IBV_QP_EX_WITH_ATOMIC_CMP_AND_SWP, true, true, false, false },
		{ IBV_QP_EX_WITH_LOCAL_INV, true, true, false, false },
	};

	(void)state;
	good.comp_mask |= IBV_QP_INIT_ATTR_SEND_OPS_FLAGS;
	for (size_t i = 0; i < 2 * EMU_COUNT(rows); i++) {
		bool srd = i % 2;
		bool taken = srd ? rows[i / 2].srd : rows[i / 2].ud;
		struct ibv_qp_init_attr_ex attr = good;
		struct ibv_qp *qp;

		fake_model.rdma_read = rows[i / 2].read;
		fake_model.rdma_write = rows[i / 2].write;
		attr.qp_type = srd ? IBV_QPT_DRIVER : IBV_QPT_UD;
		attr.send_ops_flags = rows[i / 2].flag;
		qp = emu_qp_create(fake_context, &attr, &efa);
		assert_int_equal(qp != NULL, taken);
		if (!qp)
			assert_int_equal(errno, EOPNOTSUPP);
		else
			assert_int_equal(ibv_destroy_qp(qp), 0);
	}
}

static void device_flags(void **state)
{
	struct ibv_qp *qp;

	(void)state;
	efa.flags = EMU_QP_UNSOLICITED_WRITE_RECV | EMU_QP_INLINE_WRITE;
	efa.wr_flags = EMU_WR_EX_WITH_PROCESSING_HINTS;
	good.comp_mask |= IBV_QP_INIT_ATTR_SEND_OPS_FLAGS;
	qp = emu_qp_create(fake_context, &good, &efa);
	assert_non_null(qp);
	assert_true(emu_qp_of(qp)->unsolicited);
	assert_true(emu_qp_of(qp)->inline_write);
	assert_non_null(
		((struct emu_abi_qp *)(void *)&emu_qp_of(qp)->adv)->wr_set_processing_hints);
	assert_int_equal(ibv_destroy_qp(qp), 0);
	fake_model.unsolicited = 0;
	efa.flags = EMU_QP_UNSOLICITED_WRITE_RECV;
	refused(&good, EOPNOTSUPP);
	fake_model.rdma_write = 0;
	efa.flags = EMU_QP_INLINE_WRITE;
	refused(&good, EOPNOTSUPP);
}

static void caps(void **state)
{
	static const struct {
		struct ibv_qp_cap asked, given; /* given.max_send_sge 99: refused */
	} rows[] = {
		{ { 16, 16, 2, 2, 32 }, { 16, 16, 2, 2, 32 } },
		{ { 17, 5, 1, 3, 0 }, { 32, 5, 1, 3, 0 } }, /* 15 -> 16 buffers, 5 receives */
		{ { 1, 6, 1, 3, 0 }, { 1, 10, 1, 3, 0 } },  /* 18 -> 32 buffers, 10 receives */
		{ { 0, 0, 0, 0, 0 }, { 0, 0, 0, 0, 0 } },
		{ { 4096, 32768, 2, 1, 32 }, { 4096, 32768, 2, 1, 32 } },
		{ { 4097, 16, 2, 1, 32 }, { .max_send_sge = 99 } },
		{ { 16, 32769, 2, 1, 32 }, { .max_send_sge = 99 } },
		{ { 16, 16385, 2, 2, 32 }, { .max_send_sge = 99 } },
		{ { 16, 16, 3, 1, 32 }, { .max_send_sge = 99 } },
		{ { 16, 16, 2, 4, 32 }, { .max_send_sge = 99 } },
		{ { 16, 16, 2, 0, 32 }, { .max_send_sge = 99 } },
		{ { 16, 16, 2, 1, 81 }, { .max_send_sge = 99 } },
		{ { 2048, 16, 2, 1, 80 }, { 2048, 16, 2, 1, 80 } }, /* wide descriptors */
		{ { 2049, 16, 2, 1, 80 }, { .max_send_sge = 99 } },
		{ { 2049, 16, 2, 1, 32 }, { 4096, 16, 2, 1, 32 } },
	};

	(void)state;
	fake_model.inline_size_ex = 80;
	for (size_t i = 0; i < EMU_COUNT(rows); i++) {
		struct ibv_qp_init_attr_ex attr = good;
		struct ibv_qp *qp;

		attr.cap = rows[i].asked;
		errno = 0;
		qp = emu_qp_create(fake_context, &attr, &efa);
		assert_int_equal(qp != NULL, rows[i].given.max_send_sge != 99);
		if (!qp) {
			assert_int_equal(errno, EINVAL);
			continue;
		}
		assert_memory_equal(&attr.cap, &rows[i].given, sizeof(attr.cap));
		assert_int_equal(ibv_destroy_qp(qp), 0);
	}
	fake_model.inline_size_ex = 32;
	good.cap.max_inline_data = 33;
	refused(&good, EINVAL);
}

/* The public struct, references, and the ways to make one. */
static void ways(void **state)
{
	int user;
	struct ibv_qp_init_attr attr = {
		.qp_context = &user,
		.send_cq = ibv_cq_ex_to_cq(cq),
		.recv_cq = ibv_cq_ex_to_cq(cq),
		.cap = { 10, 10, 1, 1, 0 },
		.qp_type = IBV_QPT_UD,
	};
	struct ibv_qp *qp = ibv_create_qp(fake_pd, &attr);

	(void)state;
	assert_non_null(qp);
	assert_int_equal(attr.cap.max_send_wr, 16);
	assert_ptr_equal(qp->qp_context, &user);
	assert_ptr_equal(qp->context, fake_context);
	assert_ptr_equal(qp->pd, fake_pd);
	assert_int_equal(qp->state, IBV_QPS_RESET);
	assert_int_equal(qp->qp_type, IBV_QPT_UD);
	assert_null(ibv_qp_to_qp_ex(qp));
	assert_int_equal(((struct emu_pd *)(void *)fake_pd)->objects, 1);
	assert_int_equal(emu_cq_ex_of(cq)->qps, 2);
	assert_int_equal(ibv_destroy_qp(qp), 0);
	assert_int_equal(direct_frees, 1);

	attr.qp_type = IBV_QPT_RC;
	assert_null(ibv_create_qp(fake_pd, &attr));
	assert_int_equal(errno, EOPNOTSUPP);
	attr.qp_type = IBV_QPT_UD;
	assert_null(efadv_create_driver_qp(fake_pd, &attr, EFADV_QP_DRIVER_TYPE_SRD));
	assert_int_equal(errno, EINVAL);
	attr.qp_type = IBV_QPT_DRIVER;
	assert_null(efadv_create_driver_qp(fake_pd, &attr, 1));
	assert_int_equal(errno, EOPNOTSUPP);
	qp = efadv_create_driver_qp(fake_pd, &attr, EFADV_QP_DRIVER_TYPE_SRD);
	assert_non_null(qp);
	assert_true(emu_qp_of(qp)->srd);
	assert_int_equal(ibv_destroy_qp(qp), 0);

	assert_null(emu_create_qp_ex(fake_context, &good));
	assert_int_equal(errno, EOPNOTSUPP);
	good.qp_type = IBV_QPT_UD;
	good.comp_mask |= IBV_QP_INIT_ATTR_SEND_OPS_FLAGS;
	good.send_ops_flags = IBV_QP_EX_WITH_SEND;
	qp = emu_create_qp_ex(fake_context, &good);
	assert_non_null(qp);
	assert_ptr_equal(ibv_qp_to_qp_ex(qp), qp);
	assert_non_null(ibv_qp_to_qp_ex(qp)->wr_send);
	assert_null(ibv_qp_to_qp_ex(qp)->wr_send_imm);
	assert_int_equal(ibv_destroy_qp(qp), 0);
}

static struct ibv_qp *efa_qp(void *attr, uint32_t inlen)
{
	errno = 0;
	return efadv_create_qp_ex(fake_context, &good, attr, inlen);
}

static void efa_attributes(void **state)
{
	struct {
		struct emu_abi_qp_init_attr known;
		uint64_t newer;
	} attr = { 0 };
	struct ibv_qp *qp;

	(void)state;
	assert_null(efa_qp(&attr, 8));
	assert_int_equal(errno, EINVAL);
	qp = efa_qp(&attr, 16); /* as rdma-core 44 says it */
	assert_non_null(qp);
	assert_int_equal(ibv_destroy_qp(qp), 0);
	attr.known.reserved = 1;
	assert_null(efa_qp(&attr, sizeof(attr)));
	assert_int_equal(errno, EINVAL);
	attr.known.reserved = 0;
	attr.known.comp_mask = 1;
	assert_null(efa_qp(&attr, sizeof(attr)));
	assert_int_equal(errno, EINVAL);
	attr.known.comp_mask = 0;
	attr.newer = 1;
	assert_null(efa_qp(&attr, sizeof(attr)));
	assert_int_equal(errno, EINVAL);
	attr.newer = 0;
	good.qp_type = IBV_QPT_UD;
	assert_null(efa_qp(&attr, sizeof(attr)));
	assert_int_equal(errno, EINVAL);
}

/* --- states -------------------------------------------------------------------------------------
 */

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
		TEST(attributes), TEST(operations),     TEST(device_flags),  TEST(caps),
		TEST(ways),       TEST(efa_attributes), TEST(transitions),   TEST(values),
		TEST(query),      TEST(reset),          TEST(data_in_order),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
