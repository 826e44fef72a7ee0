/* SPDX-License-Identifier: Apache-2.0 */
/* Completion queues: what is refused, what programs read, what polling gives back. */
#include "emu/verbs_fake.h"

#define FLAGS (IBV_WC_STANDARD_FLAGS)

/* --- make ---------------------------------------------------------------------------------- */

static void refused(struct ibv_cq_init_attr_ex attr, int error)
{
	errno = 0;
	assert_null(emu_create_cq_ex(fake_context, &attr));
	assert_int_equal(errno, error);
}

static void limits(void **state)
{
	struct ibv_comp_channel channel = { 0 };
	struct ibv_cq_init_attr_ex attr = { .cqe = 100 };
	struct ibv_cq_ex *cq;

	(void)state;
	refused((struct ibv_cq_init_attr_ex){ .cqe = 0 }, EINVAL);
	refused((struct ibv_cq_init_attr_ex){ .cqe = (uint32_t)fake_model.max_cqe + 1 }, EINVAL);
	refused((struct ibv_cq_init_attr_ex){ .cqe = UINT32_MAX }, EINVAL);
	refused((struct ibv_cq_init_attr_ex){ .cqe = 1, .comp_vector = 8 }, EINVAL);
	refused((struct ibv_cq_init_attr_ex){ .cqe = 1, .comp_mask = 1u << 2 }, EOPNOTSUPP);
	refused((struct ibv_cq_init_attr_ex){ .cqe = 1, .wc_flags = IBV_WC_EX_WITH_CVLAN },
		EOPNOTSUPP);
	refused((struct ibv_cq_init_attr_ex){ .cqe = 1,
					      .comp_mask = IBV_CQ_INIT_ATTR_MASK_FLAGS,
					      .flags = IBV_CREATE_CQ_ATTR_IGNORE_OVERRUN },
		EOPNOTSUPP);
	refused((struct ibv_cq_init_attr_ex){ .cqe = 1, .comp_mask = IBV_CQ_INIT_ATTR_MASK_PD },
		EINVAL);
	fake_model.channels = 0;
	refused((struct ibv_cq_init_attr_ex){ .cqe = 1, .channel = &channel }, EOPNOTSUPP);
	refuse = EBUSY;
	refused((struct ibv_cq_init_attr_ex){ .cqe = 1 }, EBUSY);
	refuse = 0;
	fake_model.max_cq = 1;
	cq = emu_create_cq_ex(fake_context, &attr);
	assert_non_null(cq);
	assert_int_equal(attr.cqe, 128);
	assert_int_equal(cq->cqe, 128);
	refused((struct ibv_cq_init_attr_ex){ .cqe = 1 }, ENOMEM);
	assert_int_equal(ibv_destroy_cq(ibv_cq_ex_to_cq(cq)), 0);
}

static void plain(void **state)
{
	int user;
	struct ibv_cq *cq = ibv_create_cq(fake_context, 16, &user, NULL, 0);

	(void)state;
	assert_non_null(cq);
	assert_ptr_equal(cq->cq_context, &user);
	assert_ptr_equal(cq->context, fake_context);
	assert_int_equal(cq->cqe, 16);
	assert_int_equal(ibv_destroy_cq(cq), 0);
	assert_null(ibv_create_cq(fake_context, -1, NULL, NULL, 0));
	assert_int_equal(errno, EINVAL);
}

static void busy(void **state)
{
	struct ibv_cq_ex *cq = make_cq(16, 0, NULL);
	struct ibv_qp *qp = make_qp(cq, 16);

	(void)state;
	assert_int_equal(ibv_destroy_cq(ibv_cq_ex_to_cq(cq)), EBUSY);
	assert_int_equal(ibv_destroy_qp(qp), 0);
	assert_int_equal(ibv_destroy_cq(ibv_cq_ex_to_cq(cq)), 0);
}

static struct ibv_cq_ex *efa_cq(void *attr, uint32_t inlen)
{
	struct ibv_cq_init_attr_ex ex = { .cqe = 16, .wc_flags = FLAGS };

	errno = 0;
	return efadv_create_cq(fake_context, &ex, attr, inlen);
}

static void efa_attributes(void **state)
{
	struct {
		struct emu_abi_cq_init_attr known;
		uint64_t newer;
	} attr = { .known.wc_flags = EMU_WC_WITH_SGID | EMU_WC_WITH_IS_UNSOLICITED };
	struct emu_abi_cq *adv;
	struct ibv_cq_ex *cq;

	(void)state;
	assert_null(efa_cq(&attr, 8)); /* does not reach wc_flags */
	assert_int_equal(errno, EINVAL);
	cq = efa_cq(&attr, 16); /* as rdma-core 44 says it */
	assert_non_null(cq);
	adv = (struct emu_abi_cq *)(void *)efadv_cq_from_ibv_cq_ex(cq);
	assert_non_null(adv->wc_read_sgid);
	assert_non_null(adv->wc_is_unsolicited);
	assert_int_equal(ibv_destroy_cq(ibv_cq_ex_to_cq(cq)), 0);
	attr.newer = 1;
	assert_null(efa_cq(&attr, sizeof(attr)));
	assert_int_equal(errno, EINVAL);
	attr.newer = 0;
	attr.known.flags = EMU_CQ_EXT_MEM_DMABUF;
	assert_null(efa_cq(&attr, sizeof(attr)));
	assert_int_equal(errno, EOPNOTSUPP);
	attr.known.flags = 0;
	fake_model.unsolicited = 0;
	assert_null(efa_cq(&attr, sizeof(attr)));
	assert_int_equal(errno, EOPNOTSUPP);
	fake_model.cq_with_sgid = 0;
	attr.known.wc_flags = EMU_WC_WITH_SGID;
	assert_null(efa_cq(&attr, sizeof(attr)));
	assert_int_equal(errno, EOPNOTSUPP);
}

/* --- read ---------------------------------------------------------------------------------- */

static void readers(void **state)
{
	struct ibv_cq_ex *cq = make_cq(16, IBV_WC_EX_WITH_QP_NUM, NULL);

	(void)state;
	assert_non_null(cq->read_opcode);
	assert_non_null(cq->read_vendor_err);
	assert_non_null(cq->read_wc_flags);
	assert_non_null(cq->read_qp_num);
	assert_null(cq->read_byte_len);
	assert_null(cq->read_imm_data);
	assert_null(cq->read_src_qp);
	assert_null(cq->read_slid);
	assert_null(cq->read_sl);
	assert_null(cq->read_dlid_path_bits);
	assert_null(((struct emu_abi_cq *)(void *)efadv_cq_from_ibv_cq_ex(cq))->wc_read_sgid);
	assert_int_equal(ibv_destroy_cq(ibv_cq_ex_to_cq(cq)), 0);
}

/* The device's codes and what rdma-core's to_ibv_status() makes of them. */
static void statuses(void **state)
{
	static const int expected[] = { IBV_WC_SUCCESS,           IBV_WC_WR_FLUSH_ERR,
					IBV_WC_LOC_QP_OP_ERR,     IBV_WC_LOC_QP_OP_ERR,
					IBV_WC_LOC_QP_OP_ERR,     IBV_WC_LOC_PROT_ERR,
					IBV_WC_LOC_LEN_ERR,       IBV_WC_REM_ACCESS_ERR,
					IBV_WC_REM_ABORT_ERR,     IBV_WC_REM_INV_RD_REQ_ERR,
					IBV_WC_RNR_RETRY_EXC_ERR, IBV_WC_REM_INV_REQ_ERR,
					IBV_WC_BAD_RESP_ERR,      IBV_WC_RESP_TIMEOUT_ERR,
					IBV_WC_REM_OP_ERR,        IBV_WC_RESP_TIMEOUT_ERR,
					IBV_WC_GENERAL_ERR,       IBV_WC_GENERAL_ERR,
					IBV_WC_REM_INV_REQ_ERR,   IBV_WC_GENERAL_ERR };

	(void)state;
	for (size_t i = 0; i < EMU_COUNT(expected); i++)
		assert_int_equal(emu_wc_status((uint8_t)i), expected[i]);
	assert_int_equal(emu_wc_status(255), IBV_WC_GENERAL_ERR);
}

static struct emu_cqe received_write(struct ibv_qp *qp)
{
	struct emu_cqe cqe = completion(qp, 77);

	cqe.receive = true;
	cqe.opcode = IBV_WC_RECV_RDMA_WITH_IMM;
	cqe.flags = IBV_WC_WITH_IMM | IBV_WC_GRH;
	cqe.imm = htobe32(0xabcd);
	cqe.bytes = 1 << 20;
	cqe.src_qpn = 99;
	cqe.ahn = 3;
	return cqe;
}

static void extended_fields(void **state)
{
	struct ibv_poll_cq_attr none = { 0 }, bad = { 1 };
	struct emu_abi_cq_init_attr attr = { .wc_flags = EMU_WC_WITH_SGID |
							 EMU_WC_WITH_IS_UNSOLICITED };
	struct ibv_cq_ex *cq = efa_cq(&attr, sizeof(attr));
	struct efadv_cq *adv = efadv_cq_from_ibv_cq_ex(cq);
	struct emu_abi_cq *fields = (struct emu_abi_cq *)(void *)adv;
	struct ibv_qp *qp = make_qp(cq, 16);
	struct emu_cqe write = received_write(qp), recv = completion(qp, 5);
	union ibv_gid gid;

	(void)state;
	recv.receive = true;
	recv.opcode = IBV_WC_RECV;
	recv.status = EMU_STATUS_FLUSHED;
	memset(recv.sgid, 0x5a, sizeof(recv.sgid));
	emu_cq_push(emu_cq_ex_of(cq), &write);
	write.unsolicited = true;
	emu_cq_push(emu_cq_ex_of(cq), &write);
	emu_cq_push(emu_cq_ex_of(cq), &recv);
	emu_qp_of(qp)->rq_used = 2;

	assert_int_equal(ibv_start_poll(cq, &bad), EINVAL);
	assert_int_equal(ibv_start_poll(cq, &none), 0);
	assert_int_equal(cq->wr_id, 77);
	assert_int_equal(cq->status, IBV_WC_SUCCESS);
	assert_int_equal(ibv_wc_read_opcode(cq), IBV_WC_RECV_RDMA_WITH_IMM);
	assert_int_equal(ibv_wc_read_vendor_err(cq), 0);
	assert_int_equal(ibv_wc_read_wc_flags(cq), IBV_WC_WITH_IMM);
	assert_int_equal(ibv_wc_read_imm_data(cq), htobe32(0xabcd));
	assert_int_equal(ibv_wc_read_byte_len(cq), 1 << 20);
	assert_int_equal(ibv_wc_read_qp_num(cq), qp->qp_num);
	assert_int_equal(ibv_wc_read_src_qp(cq), 99);
	assert_int_equal(ibv_wc_read_slid(cq), 3);
	assert_int_equal(ibv_wc_read_sl(cq), 0);
	assert_int_equal(ibv_wc_read_dlid_path_bits(cq), 0);
	assert_int_equal(efadv_wc_read_sgid(adv, &gid), -ENOENT);
	assert_false(fields->wc_is_unsolicited(adv));
	assert_int_equal(emu_qp_of(qp)->rq_used, 2);

	assert_int_equal(ibv_next_poll(cq), 0);
	assert_int_equal(emu_qp_of(qp)->rq_used, 1); /* of the one before */
	assert_int_equal(cq->wr_id, 0);              /* there is no receive */
	assert_true(fields->wc_is_unsolicited(adv));

	assert_int_equal(ibv_next_poll(cq), 0);
	assert_int_equal(emu_qp_of(qp)->rq_used, 1); /* unsolicited: it used none */
	assert_int_equal(cq->status, IBV_WC_WR_FLUSH_ERR);
	assert_int_equal(ibv_wc_read_vendor_err(cq), EMU_STATUS_FLUSHED);
	assert_int_equal(efadv_wc_read_sgid(adv, &gid), 0);
	assert_memory_equal(gid.raw, recv.sgid, sizeof(gid.raw));
	assert_int_equal(ibv_next_poll(cq), ENOENT);
	assert_int_equal(emu_qp_of(qp)->rq_used, 0);
	ibv_end_poll(cq);
	assert_int_equal(emu_qp_of(qp)->rq_used, 0);
	assert_int_equal(ibv_start_poll(cq, &none), ENOENT);
	assert_int_equal(ibv_start_poll(cq, &none), ENOENT); /* the lock is free */
	assert_int_equal(ibv_destroy_qp(qp), 0);
	assert_int_equal(ibv_destroy_cq(ibv_cq_ex_to_cq(cq)), 0);
}

/* libfabric 1.17 knows no other opcode for a read. */
static void sends(void **state)
{
	static const struct {
		enum ibv_wc_opcode pushed, read;
	} rows[] = {
		{ IBV_WC_SEND, IBV_WC_SEND },
		{ IBV_WC_RDMA_READ, IBV_WC_SEND },
		{ IBV_WC_RDMA_WRITE, IBV_WC_RDMA_WRITE },
	};
	struct ibv_cq_ex *cq = make_cq(16, FLAGS, NULL);
	struct ibv_qp *qp = make_qp(cq, 16);
	struct ibv_poll_cq_attr none = { 0 };
	struct emu_cqe cqe = completion(qp, 1);
	struct ibv_wc wc;

	(void)state;
	cqe.bytes = 4096;
	for (size_t i = 0; i < EMU_COUNT(rows); i++) {
		emu_qp_of(qp)->sq_used = 2;
		cqe.opcode = rows[i].pushed;
		emu_cq_push(emu_cq_ex_of(cq), &cqe);
		emu_cq_push(emu_cq_ex_of(cq), &cqe);
		assert_int_equal(ibv_start_poll(cq, &none), 0);
		assert_int_equal(ibv_wc_read_opcode(cq), rows[i].read);
		assert_int_equal(ibv_wc_read_byte_len(cq), 0);
		assert_int_equal(ibv_wc_read_src_qp(cq), 0);
		assert_int_equal(emu_qp_of(qp)->sq_used, 2);
		ibv_end_poll(cq);
		assert_int_equal(emu_qp_of(qp)->sq_used, 1);
		assert_int_equal(ibv_poll_cq(ibv_cq_ex_to_cq(cq), 1, &wc), 1);
		assert_int_equal(wc.opcode, rows[i].read);
		assert_int_equal(wc.byte_len, 0);
		assert_int_equal(emu_qp_of(qp)->sq_used, 0);
	}
	assert_int_equal(ibv_destroy_qp(qp), 0);
	assert_int_equal(ibv_destroy_cq(ibv_cq_ex_to_cq(cq)), 0);
}

static void many(void **state)
{
	struct ibv_cq_ex *cq = make_cq(16, FLAGS, NULL);
	struct ibv_qp *qp = make_qp(cq, 16);
	struct emu_cqe cqe = received_write(qp);
	uint64_t pushed = 0, polled = 0;
	struct ibv_wc wc[7];

	(void)state;
	for (int round = 0; round < 100; round++) {
		for (int i = 0; i < 11; i++) {
			cqe.wr_id = pushed++;
			emu_cq_push(emu_cq_ex_of(cq), &cqe);
		}
		emu_qp_of(qp)->rq_used += 11;
		assert_int_equal(ibv_poll_cq(ibv_cq_ex_to_cq(cq), 7, wc), 7);
		for (int i = 0; i < 7; i++)
			assert_int_equal(wc[i].wr_id, polled++);
		assert_int_equal(ibv_poll_cq(ibv_cq_ex_to_cq(cq), 7, wc), 4);
		for (int i = 0; i < 4; i++)
			assert_int_equal(wc[i].wr_id, polled++);
		assert_int_equal(emu_qp_of(qp)->rq_used, 0);
	}
	assert_int_equal(wc[0].wc_flags, IBV_WC_WITH_IMM);
	assert_int_equal(wc[0].imm_data, htobe32(0xabcd));
	assert_int_equal(wc[0].src_qp, 99);
	assert_int_equal(wc[0].slid, 3);
	assert_int_equal(wc[0].byte_len, 1 << 20);
	assert_int_equal(ibv_poll_cq(ibv_cq_ex_to_cq(cq), 7, wc), 0);
	assert_int_equal(ibv_poll_cq(ibv_cq_ex_to_cq(cq), 0, wc), 0);
	assert_int_equal(ibv_destroy_qp(qp), 0);
	assert_int_equal(ibv_destroy_cq(ibv_cq_ex_to_cq(cq)), 0);
}

static struct ibv_cq_ex *arriving_cq;
static struct ibv_qp *arriving_qp;

static void arrive(void)
{
	struct emu_cqe cqe = completion(arriving_qp, 42);

	emu_cq_push(emu_cq_ex_of(arriving_cq), &cqe);
}

/* A poll that finds nothing takes packets in, and answers what they brought. */
static void polling_drives(void **state)
{
	struct ibv_poll_cq_attr none = { 0 };
	struct ibv_wc wc;

	(void)state;
	arriving_cq = make_cq(16, FLAGS, NULL);
	arriving_qp = make_qp(arriving_cq, 16);
	assert_int_equal(ibv_poll_cq(ibv_cq_ex_to_cq(arriving_cq), 1, &wc), 0);
	assert_int_equal(engine_polls, 1);
	on_poll = arrive;
	assert_int_equal(ibv_poll_cq(ibv_cq_ex_to_cq(arriving_cq), 1, &wc), 1);
	assert_int_equal(wc.wr_id, 42);
	assert_int_equal(ibv_start_poll(arriving_cq, &none), 0);
	assert_int_equal(arriving_cq->wr_id, 42);
	assert_int_equal(ibv_next_poll(arriving_cq), ENOENT); /* does not, or it would never end */
	ibv_end_poll(arriving_cq);
	on_poll = NULL;
	for (int i = 0; i < 1000; i++)
		assert_int_equal(ibv_poll_cq(ibv_cq_ex_to_cq(arriving_cq), 1, &wc), 0);
	assert_int_equal(ibv_destroy_qp(arriving_qp), 0);
	assert_int_equal(ibv_destroy_cq(ibv_cq_ex_to_cq(arriving_cq)), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fake_setup, fake_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(limits),          TEST(plain),   TEST(busy),
		TEST(efa_attributes),  TEST(readers), TEST(statuses),
		TEST(extended_fields), TEST(sends),   TEST(many),
		TEST(polling_drives),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
