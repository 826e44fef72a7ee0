/* SPDX-License-Identifier: Apache-2.0 */
/* The EFA-only entry points, as programs of older and newer rdma-core call them. */
#include "emu/efadv.h"
#include "emu/verbs_fake.h"

/* A struct of the program, and what lies behind it. */
#define ROOM 96
static union {
	uint8_t bytes[ROOM];
	struct emu_abi_device_attr device;
	struct emu_abi_ah_attr ah;
	struct emu_abi_mr_attr mr;
	struct emu_abi_cq_attr cq;
	struct emu_abi_wq_attr wq;
	struct emu_abi_sq_depth_attr sq;
	struct emu_abi_rq_depth_attr rq;
} room, other;

static void fill(void)
{
	memset(&room, 0xee, sizeof(room));
	memset(&other, 0xee, sizeof(other));
}

/* Nothing was written from byte on; before it, nothing was left. */
static void check_written(const uint8_t *bytes, uint32_t from, uint32_t inlen)
{
	for (uint32_t i = from; i < inlen; i++)
		assert_int_equal(bytes[i], 0);
	for (uint32_t i = inlen; i < ROOM; i++)
		assert_int_equal(bytes[i], 0xee);
}

static int query_device(uint32_t inlen)
{
	fill();
	return efadv_query_device(fake_context, (struct efadv_device_attr *)(void *)&room, inlen);
}

static void device(void **state)
{
	(void)state;
	fake_model.inline_size_ex = 80;
	assert_int_equal(query_device(20), EINVAL);
	check_written(room.bytes, 0, 0);
	assert_int_equal(query_device(24), 0); /* up to the inline sizes */
	assert_int_equal(room.device.max_sq_wr, fake_model.max_sq_wr);
	assert_int_equal(room.device.max_rq_wr, fake_model.max_rq_wr);
	assert_int_equal(room.device.max_sq_sge, 2);
	assert_int_equal(room.device.max_rq_sge, 3);
	assert_int_equal(room.device.inline_buf_size, 32);
	assert_int_equal(room.device.inline_buf_size_ex, 80);
	check_written(room.bytes, 24, 24);
	assert_int_equal(query_device(28), 0); /* without max_rdma_size: no RDMA */
	assert_int_equal(room.device.device_caps,
			 EMU_CAP_RNR_RETRY | EMU_CAP_CQ_WITH_SGID | EMU_CAP_UNSOLICITED_WRITE_RECV);
	assert_int_equal(query_device(32), 0);
	assert_int_equal(room.device.device_caps, 0x1f);
	assert_int_equal(room.device.max_rdma_size, 1 << 30);
	assert_int_equal(query_device(ROOM - 8), 0);
	check_written(room.bytes, 32, ROOM - 8);
}

static void capabilities(void **state)
{
	static const uint32_t bits[] = { EMU_CAP_RDMA_READ, EMU_CAP_RNR_RETRY, EMU_CAP_CQ_WITH_SGID,
					 EMU_CAP_RDMA_WRITE, EMU_CAP_UNSOLICITED_WRITE_RECV };
	uint64_t *rows[] = { &fake_model.rdma_read, &fake_model.rnr_retry, &fake_model.cq_with_sgid,
			     &fake_model.rdma_write, &fake_model.unsolicited };

	(void)state;
	for (size_t i = 0; i < EMU_COUNT(rows); i++) {
		*rows[i] = 0;
		assert_int_equal(query_device(32), 0);
		assert_int_equal(room.device.device_caps, 0x1f & ~bits[i]);
		*rows[i] = 1;
	}
}

static int sq_depth(uint32_t inline_data, uint32_t flags, uint32_t sge, uint32_t rdma_sge)
{
	room.sq = (struct emu_abi_sq_depth_attr){ .flags = flags,
						  .max_send_sge = sge,
						  .max_rdma_sge = rdma_sge,
						  .max_inline_data = inline_data };
	return efadv_get_max_sq_depth(fake_context, (struct efadv_sq_depth_attr *)(void *)&room,
				      sizeof(room.sq));
}

static int rq_depth(uint32_t sge)
{
	room.rq = (struct emu_abi_rq_depth_attr){ .max_recv_sge = sge };
	return efadv_get_max_rq_depth(fake_context, (struct efadv_rq_depth_attr *)(void *)&room,
				      sizeof(room.rq));
}

static void depths(void **state)
{
	(void)state;
	memset(&room, 0, sizeof(room));
	fake_model.inline_size_ex = 80;
	assert_int_equal(sq_depth(32, 0, 2, 1), 4096);
	assert_int_equal(sq_depth(33, 0, 2, 1), 2048);
	assert_int_equal(sq_depth(0, EMU_SQ_DEPTH_INLINE_WRITE, 1, 1), 2048);
	assert_int_equal(sq_depth(81, 0, 1, 1), -EINVAL);
	assert_int_equal(sq_depth(0, 0, 3, 1), -EINVAL);
	assert_int_equal(sq_depth(0, 0, 1, 2), -EINVAL);
	fake_model.max_sq_wr = 5000;
	assert_int_equal(sq_depth(0, 0, 1, 1), 4096);
	room.sq.comp_mask = 1;
	assert_int_equal(efadv_get_max_sq_depth(fake_context,
						(struct efadv_sq_depth_attr *)(void *)&room, 24),
			 -EINVAL);
	room.sq.comp_mask = 0;
	assert_int_equal(efadv_get_max_sq_depth(fake_context,
						(struct efadv_sq_depth_attr *)(void *)&room, 20),
			 -EINVAL);
	assert_int_equal(rq_depth(1), 32768);
	assert_int_equal(rq_depth(3), 10922);
	assert_int_equal(rq_depth(0), 32768);
	assert_int_equal(rq_depth(4), -EINVAL);
}

static void handles_and_regions(void **state)
{
	struct ibv_mr mr = { .context = fake_context };

	(void)state;
	fill();
	assert_int_equal(efadv_query_ah(&fake_ah.ah, (struct efadv_ah_attr *)(void *)&room, 8),
			 EINVAL);
	check_written(room.bytes, 0, 0);
	assert_int_equal(efadv_query_ah(&fake_ah.ah, (struct efadv_ah_attr *)(void *)&room, 16), 0);
	assert_int_equal(room.ah.ahn, 7);
	check_written(room.bytes, 10, 16);
	fill();
	assert_int_equal(efadv_query_mr(&mr, (struct efadv_mr_attr *)(void *)&room, 14), EINVAL);
	assert_int_equal(efadv_query_mr(&mr, (struct efadv_mr_attr *)(void *)&room, 16), 0);
	check_written(room.bytes, 0, 16);
}

static int query_wqs(struct ibv_qp *qp, uint32_t inlen)
{
	fill();
	return efadv_query_qp_wqs(qp, (struct efadv_wq_attr *)(void *)&room,
				  (struct efadv_wq_attr *)(void *)&other, inlen);
}

static int query_cq(struct ibv_cq_ex *cq, uint32_t inlen)
{
	fill();
	return efadv_query_cq(ibv_cq_ex_to_cq(cq), (struct efadv_cq_attr *)(void *)&room, inlen);
}

static void queues(void **state)
{
	struct ibv_cq_ex *cq = make_cq(16, 0, NULL);
	struct ibv_qp *qp = make_qp(cq, 8);

	(void)state;
	assert_int_equal(query_wqs(qp, 40), EOPNOTSUPP);
	assert_int_equal(query_cq(cq, 32), EOPNOTSUPP);
	check_written(room.bytes, 0, 0);
	direct = true;
	assert_int_equal(query_wqs(qp, 32), EINVAL);
	assert_int_equal(query_wqs(qp, 36), 0); /* before caps were added */
	assert_int_equal(room.wq.max_batch, 16);
	check_written(room.bytes, 36, 36);
	assert_int_equal(query_wqs(qp, 40), 0);
	assert_int_equal(room.wq.num_entries, 64);
	assert_int_equal(other.wq.num_entries, 128);
	assert_int_equal(room.wq.entry_size, 32);
	assert_non_null(room.wq.buffer);
	assert_non_null(room.wq.doorbell);
	assert_int_equal(room.wq.caps, 1);
	check_written(other.bytes, 38, 40);
	assert_int_equal(query_cq(cq, 20), EINVAL);
	assert_int_equal(query_cq(cq, 24), 0); /* before the doorbell was added */
	assert_int_equal(room.cq.num_entries, 64);
	check_written(room.bytes, 24, 24);
	assert_int_equal(query_cq(cq, 32), 0);
	assert_non_null(room.cq.doorbell);
	check_written(room.bytes, 32, 32);
	assert_int_equal(ibv_destroy_qp(qp), 0);
	assert_int_equal(ibv_destroy_cq(ibv_cq_ex_to_cq(cq)), 0);
}

static void extensions(void **state)
{
	struct ibv_cq_ex *cq = make_cq(16, 0, NULL);
	struct ibv_qp *qp = make_qp(cq, 8);
	struct emu_abi_qp *adv =
		(struct emu_abi_qp *)(void *)efadv_qp_from_ibv_qp_ex(ibv_qp_to_qp_ex(qp));

	(void)state;
	assert_ptr_equal(adv, &emu_qp_of(qp)->adv);
	assert_int_equal(adv->comp_mask, 0);
	assert_ptr_equal(efadv_cq_from_ibv_cq_ex(cq), &emu_cq_ex_of(cq)->adv);
	/* The public structs of rdma-core 44 are the start of ours. */
	assert_int_equal(offsetof(struct efadv_cq, wc_read_sgid),
			 offsetof(struct emu_abi_cq, wc_read_sgid));
	assert_int_equal(offsetof(struct efadv_device_attr, max_rdma_size),
			 offsetof(struct emu_abi_device_attr, max_rdma_size));
	assert_int_equal(ibv_destroy_qp(qp), 0);
	assert_int_equal(ibv_destroy_cq(ibv_cq_ex_to_cq(cq)), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fake_setup, fake_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(device), TEST(capabilities), TEST(depths), TEST(handles_and_regions),
		TEST(queues), TEST(extensions),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
