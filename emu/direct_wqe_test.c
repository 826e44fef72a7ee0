/* SPDX-License-Identifier: Apache-2.0 */
/* Send descriptors, good and bad, become requests or completions in error. */
#include "emu/direct_fake.h"

/* --- send descriptors ---------------------------------------------------------------------- */

static void test_send(void **state)
{
	struct emu_desc_wqe wqe = good(0xbeef);
	uint8_t gid[EMU_GID_BYTES];

	(void)state;
	make();
	memset(gid, 0xab, sizeof(gid));
	wqe.meta.ctrl1 |= EMU_META_HAS_IMM;
	wqe.meta.immediate_data = 0x01020304;
	wqe.meta.length = 2;
	wqe.sgl[1] = (struct emu_desc_buf){ .length = 8828, .key = 0xff000001, .addr_lo = 64 };
	wqe.meta.req_id_ex[0] = 0xffff; /* not offered: not looked at */
	put(wqe);
	assert_int_equal(emu_direct_take(&test_qp), 0);
	assert_int_equal(posts, 0);
	ring(sq.doorbell, sq_pc);
	assert_int_equal(emu_direct_take(&test_qp), 1);
	assert_int_equal(emu_direct_take(&test_qp), 0);
	assert_int_equal(posts, 1);
	assert_int_equal(posted[0].wr_id, 0xbeef);
	assert_int_equal(posted[0].op, EMU_WR_SEND);
	assert_true(posted[0].signaled && posted[0].has_imm);
	assert_false(posted[0].is_inline || posted[0].solicited);
	assert_int_equal(be32toh(posted[0].imm), 0x01020304);
	assert_int_equal(posted[0].dst_qpn, 0x77);
	assert_int_equal(posted[0].qkey, 0x11223344);
	assert_int_equal(posted[0].ahn, AHN);
	assert_memory_equal(posted[0].gid, gid, sizeof(gid));
	assert_int_equal(posted[0].sges, 2);
	assert_int_equal(posted[0].bytes, 8928);
	assert_int_equal(posted[0].sge[0].addr, 0x7f00001000);
	assert_int_equal(posted[0].sge[0].length, 100);
	assert_int_equal(posted[0].sge[0].lkey, 0xabcdef);
	assert_int_equal(posted[0].sge[1].addr, 64);
	assert_int_equal(posted[0].sge[1].lkey, 1);
	wqe = good(1);
	wqe.meta.ctrl2 &= (uint8_t)~EMU_META_COMP_REQ;
	wqe.meta.length = 0;
	send_wqe(wqe);
	assert_int_equal(emu_direct_take(&test_qp), 1);
	assert_false(posted[1].signaled);
	assert_int_equal(posted[1].bytes, 0);
	assert_int_equal(pushes, 0);
}

static void test_inline(void **state)
{
	struct emu_desc_wqe wqe = good(1);

	(void)state;
	make();
	wqe.meta.ctrl1 |= EMU_META_INLINE;
	wqe.meta.length = 32;
	memset(wqe.inline_data, 0x5a, sizeof(wqe.inline_data));
	send_wqe(wqe);
	wqe.meta.length = 33;
	send_wqe(wqe);
	assert_int_equal(emu_direct_take(&test_qp), 2);
	assert_int_equal(posts, 1);
	assert_true(posted[0].is_inline);
	assert_int_equal(posted[0].bytes, 32);
	assert_int_equal(posted[0].sges, 0);
	assert_memory_equal(posted[0].data, wqe.inline_data, 32);
	assert_int_equal(pushes, 1);
	assert_int_equal(pushed[0].status, EMU_STATUS_LOCAL_LENGTH);
}

static void test_inline_wide(void **state)
{
	struct emu_desc_wqe wqe = good(0x4321);

	(void)state;
	test_qp.inline_write = true;
	model.req_id_64 = 1;
	make();
	wqe.meta.ctrl1 |= EMU_META_INLINE;
	wqe.meta.length = 80;
	memset(wqe.inline_data, 0x5a, sizeof(wqe.inline_data));
	send_wqe(wqe);
	wqe = good(0x4321);
	wqe.meta.req_id_ex[0] = 0x8765;
	wqe.meta.req_id_ex[1] = 0xcba9;
	wqe.meta.req_id_ex[2] = 0x0fed;
	wqe.meta.ctrl1 = EMU_META_DESC | EMU_META_INLINE | EMU_DESC_WRITE;
	wqe.meta.length = 80;
	wqe.rdma.remote = (struct emu_desc_buf){ .length = 80, .key = 0xffffffff, .addr_lo = 9 };
	memset(wqe.rdma.inline_data, 0xa5, sizeof(wqe.rdma.inline_data));
	send_wqe(wqe);
	wqe.rdma.remote.length = wqe.meta.length = 81;
	send_wqe(wqe);
	assert_int_equal(emu_direct_take(&test_qp), 3);
	assert_int_equal(posts, 2);
	assert_int_equal(posted[0].bytes, 80);
	assert_int_equal(posted[0].data[79], 0x5a);
	assert_int_equal(posted[1].op, EMU_WR_WRITE);
	assert_int_equal(posted[1].wr_id, 0x0fedcba987654321);
	assert_int_equal(posted[1].rkey, 0xffffffff);
	assert_int_equal(posted[1].address, 9);
	assert_int_equal(posted[1].bytes, 80);
	assert_int_equal(posted[1].data[0], 0xa5);
	assert_int_equal(posted[1].data[79], 0xa5);
	assert_int_equal(pushes, 1);
	assert_int_equal(pushed[0].status, EMU_STATUS_LOCAL_LENGTH);
	assert_int_equal(cqe_at(0)->req_id, 0x4321);
	assert_int_equal(cqe_at(0)->req_id_ex[0], 0x8765);
	assert_int_equal(cqe_at(0)->req_id_ex[1], 0xcba9);
	assert_int_equal(cqe_at(0)->req_id_ex[2], 0x0fed);
}

static struct emu_desc_wqe good_rdma(uint8_t op)
{
	struct emu_desc_wqe wqe = good(7);

	wqe.meta.ctrl1 = EMU_META_DESC | op;
	wqe.rdma.remote = (struct emu_desc_buf){
		.length = 1 << 20, .key = 0x87654321, .addr_lo = 0x10, .addr_hi = 0x20
	};
	wqe.rdma.local[0] = (struct emu_desc_buf){ .length = 1 << 20, .key = 3, .addr_lo = 0x30 };
	return wqe;
}

static void test_rdma(void **state)
{
	struct emu_desc_wqe wqe;

	(void)state;
	make();
	send_wqe(good_rdma(EMU_DESC_READ));
	wqe = good_rdma(EMU_DESC_WRITE);
	wqe.meta.ctrl1 |= EMU_META_HAS_IMM;
	wqe.meta.immediate_data = 6;
	send_wqe(wqe);
	wqe = good_rdma(EMU_DESC_WRITE);
	wqe.meta.length = 0;
	wqe.rdma.remote.length = 0;
	send_wqe(wqe);
	assert_int_equal(emu_direct_take(&test_qp), 3);
	assert_int_equal(posts, 3);
	assert_int_equal(posted[0].op, EMU_WR_READ);
	assert_int_equal(posted[0].bytes, 1 << 20);
	assert_int_equal(posted[0].rkey, 0x87654321);
	assert_int_equal(posted[0].address, 0x2000000010);
	assert_int_equal(posted[0].sges, 1);
	assert_int_equal(posted[0].sge[0].addr, 0x30);
	assert_int_equal(posted[0].sge[0].lkey, 3);
	assert_int_equal(posted[1].op, EMU_WR_WRITE);
	assert_true(posted[1].has_imm);
	assert_int_equal(be32toh(posted[1].imm), 6);
	assert_int_equal(posted[2].bytes, 0);
	assert_int_equal(posted[2].sges, 0);
}

/* Each spoils a good descriptor. */
static void bad_op(struct emu_desc_wqe *wqe)
{
	wqe->meta.ctrl1 |= 3;
}

static void bad_extension(struct emu_desc_wqe *wqe)
{
	wqe->meta.ctrl1 |= EMU_META_EXTENSION;
}

static void bad_meta(struct emu_desc_wqe *wqe)
{
	wqe->meta.ctrl1 &= (uint8_t)~EMU_META_DESC;
}

static void bad_first(struct emu_desc_wqe *wqe)
{
	wqe->meta.ctrl2 &= (uint8_t)~EMU_META_FIRST;
}

static void bad_last(struct emu_desc_wqe *wqe)
{
	wqe->meta.ctrl2 &= (uint8_t)~EMU_META_LAST;
}

static void bad_phase(struct emu_desc_wqe *wqe)
{
	wqe->meta.ctrl2 |= EMU_META_PHASE;
}

static void bad_reserved(struct emu_desc_wqe *wqe)
{
	wqe->meta.ctrl2 |= 0x80;
}

static void bad_ah(struct emu_desc_wqe *wqe)
{
	wqe->meta.ah = AHN - 1;
}

static void bad_ah_beyond(struct emu_desc_wqe *wqe)
{
	wqe->meta.ah = 0xffff;
}

static void bad_buffers(struct emu_desc_wqe *wqe)
{
	wqe->meta.length = 3;
}

static void bad_bytes(struct emu_desc_wqe *wqe)
{
	wqe->sgl[0].length = 8929;
}

static void bad_sum(struct emu_desc_wqe *wqe)
{
	wqe->meta.length = 2;
	wqe->sgl[0].length = wqe->sgl[1].length = UINT32_MAX;
}

static void bad_remote(struct emu_desc_wqe *wqe)
{
	*wqe = good_rdma(EMU_DESC_READ);
	wqe->rdma.remote.length--;
}

static void bad_rdma_buffers(struct emu_desc_wqe *wqe)
{
	*wqe = good_rdma(EMU_DESC_WRITE);
	wqe->meta.length = 2;
}

static void bad_rdma_bytes(struct emu_desc_wqe *wqe)
{
	*wqe = good_rdma(EMU_DESC_WRITE);
	wqe->rdma.remote.length = wqe->rdma.local[0].length = (1u << 30) + 1;
}

static void bad_read_imm(struct emu_desc_wqe *wqe)
{
	*wqe = good_rdma(EMU_DESC_READ);
	wqe->meta.ctrl1 |= EMU_META_HAS_IMM;
}

static void bad_read_inline(struct emu_desc_wqe *wqe)
{
	*wqe = good_rdma(EMU_DESC_READ);
	wqe->meta.ctrl1 |= EMU_META_INLINE;
}

static void bad_write_inline(struct emu_desc_wqe *wqe)
{
	*wqe = good_rdma(EMU_DESC_WRITE);
	wqe->meta.ctrl1 |= EMU_META_INLINE;
}

static const struct {
	void (*spoil)(struct emu_desc_wqe *wqe);
	uint8_t status;
} bads[] = {
	{ bad_op, EMU_STATUS_UNSUPPORTED_OP },
	{ bad_extension, EMU_STATUS_UNSUPPORTED_OP },
	{ bad_meta, EMU_STATUS_QP_INTERNAL },
	{ bad_first, EMU_STATUS_QP_INTERNAL },
	{ bad_last, EMU_STATUS_QP_INTERNAL },
	{ bad_phase, EMU_STATUS_QP_INTERNAL },
	{ bad_reserved, EMU_STATUS_QP_INTERNAL },
	{ bad_ah, EMU_STATUS_INVALID_AH },
	{ bad_ah_beyond, EMU_STATUS_INVALID_AH },
	{ bad_buffers, EMU_STATUS_LOCAL_LENGTH },
	{ bad_bytes, EMU_STATUS_LOCAL_LENGTH },
	{ bad_sum, EMU_STATUS_LOCAL_LENGTH },
	{ bad_remote, EMU_STATUS_LOCAL_LENGTH },
	{ bad_rdma_buffers, EMU_STATUS_LOCAL_LENGTH },
	{ bad_rdma_bytes, EMU_STATUS_LOCAL_LENGTH },
	{ bad_read_imm, EMU_STATUS_UNSUPPORTED_OP },
	{ bad_read_inline, EMU_STATUS_UNSUPPORTED_OP },
	{ bad_write_inline, EMU_STATUS_UNSUPPORTED_OP },
};

static void test_malformed(void **state)
{
	(void)state;
	test_qp.cap.max_send_wr = 64;
	test_cq.size = 256;
	make();
	for (uint32_t i = 0; i < EMU_COUNT(bads); i++) {
		struct emu_desc_wqe wqe = good(0);

		put(good((uint16_t)(100 + i)));
		bads[i].spoil(&wqe);
		wqe.meta.req_id = (uint16_t)i;
		put(wqe);
	}
	ring(sq.doorbell, sq_pc);
	assert_int_equal(emu_direct_take(&test_qp), 2 * EMU_COUNT(bads));
	assert_int_equal(posts, EMU_COUNT(bads));
	assert_int_equal(pushes, EMU_COUNT(bads));
	for (uint32_t i = 0; i < EMU_COUNT(bads); i++) {
		assert_int_equal(posted[i].wr_id, 100 + i);
		assert_int_equal(pushed[i].status, bads[i].status);
		assert_int_equal(cqe_at(i)->req_id, i);
		assert_int_equal(cqe_at(i)->status, bads[i].status);
		assert_int_equal(cqe_at(i)->qp_num, 0x1234);
	}
	/* What was refused holds no entry. */
	assert_int_equal(atomic_load(&test_qp.sq_used), posts);
	assert_int_equal(test_qp.state, IBV_QPS_RTS);
}

static void test_abilities(void **state)
{
	(void)state;
	make();
	model.rdma_read = model.rdma_write = 0;
	send_wqe(good_rdma(EMU_DESC_READ));
	send_wqe(good_rdma(EMU_DESC_WRITE));
	model.rdma_read = model.rdma_write = 1;
	assert_int_equal(emu_direct_take(&test_qp), 2);
	assert_int_equal(posts, 2);
	model.rdma_read = model.rdma_write = 0;
	send_wqe(good_rdma(EMU_DESC_READ));
	send_wqe(good_rdma(EMU_DESC_WRITE));
	assert_int_equal(emu_direct_take(&test_qp), 2);
	model.rdma_read = model.rdma_write = 1;
	test_qp.srd = false;
	send_wqe(good_rdma(EMU_DESC_READ));
	send_wqe(good_rdma(EMU_DESC_WRITE));
	send_wqe(good(3));
	assert_int_equal(emu_direct_take(&test_qp), 3);
	assert_int_equal(posts, 3);
	assert_int_equal(pushes, 4);
	for (uint32_t i = 0; i < 4; i++)
		assert_int_equal(pushed[i].status, EMU_STATUS_UNSUPPORTED_OP);
	assert_int_equal(pushed[0].opcode, IBV_WC_RDMA_READ);
	assert_int_equal(pushed[1].opcode, IBV_WC_RDMA_WRITE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_send, setup, teardown),
		cmocka_unit_test_setup_teardown(test_inline, setup, teardown),
		cmocka_unit_test_setup_teardown(test_inline_wide, setup, teardown),
		cmocka_unit_test_setup_teardown(test_rdma, setup, teardown),
		cmocka_unit_test_setup_teardown(test_malformed, setup, teardown),
		cmocka_unit_test_setup_teardown(test_abilities, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
