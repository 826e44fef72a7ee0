/* SPDX-License-Identifier: Apache-2.0 */
/* Posting by sessions: what requests become, and that one bad request refuses them all. */
#include "emu/verbs_fake.h"

static struct ibv_cq_ex *cq;
static struct ibv_qp *qp;
static struct ibv_qp_ex *ex;
static struct ibv_ah *ah;
static struct emu_qp *inner;

static int setup(void **state)
{
	fake_setup(state);
	cq = make_cq(16, 0, NULL);
	qp = make_qp(cq, 8);
	ex = ibv_qp_to_qp_ex(qp);
	ah = &fake_ah.ah;
	inner = emu_qp_of(qp);
	to_state(qp, IBV_QPS_RTS);
	return 0;
}

static int teardown(void **state)
{
	assert_int_equal(ibv_destroy_qp(qp), 0);
	assert_int_equal(ibv_destroy_cq(ibv_cq_ex_to_cq(cq)), 0);
	return fake_teardown(state);
}

static struct ibv_sge sges[3] = { { 0x1000, 100, 11 }, { 0x2000, 200, 22 }, { 0x3000, 300, 33 } };

static void begin(uint64_t id)
{
	ibv_wr_start(ex);
	ex->wr_id = id;
	ex->wr_flags = IBV_SEND_SIGNALED;
}

static void session(void **state)
{
	struct ibv_data_buf bufs[] = { { "first ", 6 }, { "second", 6 } };

	(void)state;
	begin(1);
	ibv_wr_send(ex);
	ibv_wr_set_ud_addr(ex, ah, 55, 0x66);
	ibv_wr_set_sge_list(ex, 2, sges);
	ex->wr_id = 2;
	ibv_wr_send_imm(ex, htobe32(5));
	ibv_wr_set_inline_data_list(ex, 2, bufs);
	ibv_wr_set_ud_addr(ex, ah, 56, 0x67);
	ex->wr_id = 3;
	ibv_wr_rdma_read(ex, 0xbeef, 0x10000);
	ibv_wr_set_sge(ex, 33, 0x3000, 1 << 20);
	ibv_wr_set_ud_addr(ex, ah, 57, 0);
	ex->wr_id = 4;
	ibv_wr_rdma_write(ex, 0xf00d, 0x20000);
	ibv_wr_set_sge_list(ex, 1, sges);
	ibv_wr_set_ud_addr(ex, ah, 58, 0);
	ex->wr_id = 5;
	ibv_wr_rdma_write_imm(ex, 0xfeed, 0x30000, htobe32(6));
	ibv_wr_set_sge_list(ex, 0, NULL);
	ibv_wr_set_ud_addr(ex, ah, 59, 0);
	assert_int_equal(posts, 0); /* not before it is complete */
	assert_int_equal(ibv_wr_complete(ex), 0);
	assert_int_equal(posts, 5);
	for (uint32_t i = 0; i < 5; i++) {
		assert_int_equal(posted[i].wr_id, i + 1);
		assert_int_equal(posted[i].dst_qpn, 55 + i);
		assert_true(posted[i].signaled);
	}
	assert_int_equal(posted[0].bytes, 300);
	assert_int_equal(posted[1].bytes, 12);
	assert_true(posted[1].is_inline && posted[1].has_imm);
	assert_memory_equal(posted[1].data, "first second", 12);
	assert_int_equal(posted[2].op, EMU_WR_READ);
	assert_int_equal(posted[2].rkey, 0xbeef);
	assert_int_equal(posted[2].address, 0x10000);
	assert_int_equal(posted[2].bytes, 1 << 20);
	assert_int_equal(posted[2].sge[0].lkey, 33);
	assert_int_equal(posted[3].op, EMU_WR_WRITE);
	assert_false(posted[3].has_imm);
	assert_int_equal(posted[4].op, EMU_WR_WRITE);
	assert_true(posted[4].has_imm);
	assert_int_equal(posted[4].imm, htobe32(6));
	assert_int_equal(posted[4].bytes, 0);
}

/* One bad request refuses the whole session; the next one is as new. */
static void session_refused(void **state)
{
	static char data[64];
	int expected;

	(void)state;
	for (int i = 0; i < 10; i++) {
		begin(1);
		expected = EINVAL;
		ibv_wr_send(ex);
		ibv_wr_set_ud_addr(ex, ah, 1, 1);
		switch (i) {
		case 0:
			ibv_wr_set_sge_list(ex, 3, sges);
			break;
		case 1:
			ibv_wr_rdma_write(ex, 1, 1);
			ibv_wr_set_ud_addr(ex, ah, 1, 1);
			ibv_wr_set_sge_list(ex, 2, sges);
			break;
		case 2:
			ibv_wr_rdma_read(ex, 1, 1);
			ibv_wr_set_ud_addr(ex, ah, 1, 1);
			ibv_wr_set_sge_list(ex, 2, sges);
			break;
		case 3:
			ibv_wr_set_inline_data(ex, data, 33);
			break;
		case 4: /* without EFADV_QP_FLAGS_INLINE_WRITE */
			ibv_wr_rdma_write(ex, 1, 1);
			ibv_wr_set_ud_addr(ex, ah, 1, 1);
			ibv_wr_set_inline_data(ex, data, 8);
			break;
		case 5:
			ibv_wr_set_inline_data_list(
				ex, 2, (struct ibv_data_buf[]){ { data, 32 }, { data, SIZE_MAX } });
			break;
		case 6:
			ex->wr_flags = 0;
			ibv_wr_send(ex);
			ibv_wr_set_ud_addr(ex, ah, 1, 1);
			break;
		case 7:
			ex->wr_flags |= IBV_SEND_SOLICITED;
			ibv_wr_send(ex);
			break;
		case 8:
			ibv_wr_send(ex); /* goes nowhere */
			break;
		default:
			for (int n = 0; n < 9; n++) {
				ibv_wr_send(ex);
				ibv_wr_set_ud_addr(ex, ah, 1, 1);
			}
			expected = ENOMEM;
			break;
		}
		assert_int_equal(ibv_wr_complete(ex), expected);
		assert_int_equal(posts, 0);
		assert_int_equal(inner->sq_used, 0);
	}
	begin(1);
	ibv_wr_send(ex);
	ibv_wr_set_ud_addr(ex, ah, 1, 1);
	assert_int_equal(ibv_wr_complete(ex), 0);
	assert_int_equal(posts, 1);
}

/* Describing what was not begun must not touch anything. */
static void session_empty(void **state)
{
	(void)state;
	begin(1);
	assert_int_equal(ibv_wr_complete(ex), 0);
	begin(1);
	ibv_wr_set_sge(ex, 1, 1, 1);
	ibv_wr_set_ud_addr(ex, ah, 1, 1);
	ibv_wr_set_inline_data(ex, "x", 1);
	assert_int_equal(ibv_wr_complete(ex), EINVAL);
	begin(1);
	ibv_wr_send(ex);
	ibv_wr_set_ud_addr(ex, NULL, 1, 1);
	assert_int_equal(ibv_wr_complete(ex), EINVAL);
	begin(1);
	ibv_wr_send(ex);
	ibv_wr_abort(ex);
	begin(2);
	ibv_wr_send(ex);
	ibv_wr_set_ud_addr(ex, ah, 1, 1);
	assert_int_equal(ibv_wr_complete(ex), 0);
	assert_int_equal(posts, 1);
	assert_int_equal(posted[0].wr_id, 2);
}

static void inline_write(void **state)
{
	struct emu_abi_qp *adv;
	struct emu_qp *wide = inner;

	(void)state;
	wide->inline_write = true;
	wide->cap.max_inline_data = 80;
	begin(1);
	ibv_wr_rdma_write(ex, 5, 6);
	ibv_wr_set_ud_addr(ex, ah, 1, 1);
	ibv_wr_set_inline_data(
		ex,
		"eighty bytes would be taken here, where sixteen bytes of buffer are "
		"described otherwise",
		80);
	assert_int_equal(ibv_wr_complete(ex), 0);
	assert_true(posted[0].is_inline);
	assert_int_equal(posted[0].bytes, 80);
	begin(1);
	ibv_wr_rdma_read(ex, 5, 6);
	ibv_wr_set_ud_addr(ex, ah, 1, 1);
	ibv_wr_set_inline_data(ex, "x", 1);
	assert_int_equal(ibv_wr_complete(ex), EINVAL);
	adv = &wide->adv;
	assert_null(adv->wr_set_processing_hints); /* not asked for */
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(session),
		TEST(session_refused),
		TEST(session_empty),
		TEST(inline_write),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
