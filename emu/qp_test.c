/* SPDX-License-Identifier: Apache-2.0 */
/* Queue pairs: what is refused and what they get. */
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

/* --- make ---------------------------------------------------------------------------------- */

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

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(attributes), TEST(operations), TEST(device_flags),
		TEST(caps),       TEST(ways),       TEST(efa_attributes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
