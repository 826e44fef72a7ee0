/* SPDX-License-Identifier: Apache-2.0 */
/* Posting lists and receives: what they become, what is refused at once. */
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

/* --- lists --------------------------------------------------------------------------------- */

static struct ibv_sge sges[3] = { { 0x1000, 100, 11 }, { 0x2000, 200, 22 }, { 0x3000, 300, 33 } };

static struct ibv_send_wr send_wr(uint64_t id, struct ibv_send_wr *next)
{
	return (struct ibv_send_wr){
		.wr_id = id,
		.next = next,
		.sg_list = sges,
		.num_sge = 2,
		.opcode = IBV_WR_SEND,
		.send_flags = IBV_SEND_SIGNALED,
		.wr.ud = { ah, 55, 0x66 },
	};
}

static void list(void **state)
{
	struct ibv_send_wr *bad = NULL, second, first;
	struct emu_wr *wr = &posted[0];

	(void)state;
	second = send_wr(2, NULL);
	second.opcode = IBV_WR_SEND_WITH_IMM;
	second.imm_data = htobe32(9);
	first = send_wr(1, &second);
	assert_int_equal(ibv_post_send(qp, &first, &bad), 0);
	assert_null(bad);
	assert_int_equal(posts, 2);
	assert_int_equal(wr->wr_id, 1);
	assert_int_equal(wr->op, EMU_WR_SEND);
	assert_true(wr->signaled);
	assert_false(wr->has_imm || wr->is_inline);
	assert_int_equal(wr->sges, 2);
	assert_memory_equal(wr->sge, sges, sizeof(wr->sge));
	assert_int_equal(wr->bytes, 300);
	assert_int_equal(wr->dst_qpn, 55);
	assert_int_equal(wr->qkey, 0x66);
	assert_int_equal(wr->ahn, 7);
	assert_memory_equal(wr->gid, fake_ah.gid, sizeof(wr->gid));
	assert_true(posted[1].has_imm);
	assert_int_equal(posted[1].imm, htobe32(9));
}

static void list_inline(void **state)
{
	char data[40] = "what lies in two places, and is too long";
	struct ibv_sge two[] = { { (uintptr_t)data, 20, 0 },
				 { (uintptr_t)data + 20, 12, 0 },
				 { 0, 0, 0 } };
	struct ibv_send_wr *bad, wr = send_wr(1, NULL);

	(void)state;
	wr.sg_list = two;
	wr.num_sge = 3; /* more than max_send_sge: inline data has no buffers */
	wr.send_flags |= IBV_SEND_INLINE;
	assert_int_equal(ibv_post_send(qp, &wr, &bad), 0);
	memset(data, 0, 32); /* may be used again at once */
	assert_true(posted[0].is_inline);
	assert_int_equal(posted[0].bytes, 32);
	assert_memory_equal(posted[0].data, "what lies in two places, and is ", 32);
	two[1].length = 13;
	assert_int_equal(ibv_post_send(qp, &wr, &bad), EINVAL);
	assert_ptr_equal(bad, &wr);
	two[1].length = UINT32_MAX;
	assert_int_equal(ibv_post_send(qp, &wr, &bad), EINVAL);
	assert_int_equal(posts, 1);
}

/* Requests before the bad one are posted, it and those after it are not. */
static void list_refused(void **state)
{
	struct ibv_send_wr third, second, first, *bad;
	struct ibv_send_wr *row;

	(void)state;
	for (int i = 0; i < 9; i++) {
		third = send_wr(3, NULL);
		second = send_wr(2, &third);
		first = send_wr(1, &second);
		row = &second;
		switch (i) {
		case 0:
			row->opcode = IBV_WR_RDMA_WRITE;
			break;
		case 1:
			row->opcode = IBV_WR_RDMA_READ;
			break;
		case 2:
			row->num_sge = 3;
			break;
		case 3:
			row->num_sge = -1;
			break;
		case 4:
			row->send_flags = 0; /* EFA completes everything */
			break;
		case 5:
			row->send_flags |= IBV_SEND_SOLICITED;
			break;
		case 6:
			row->send_flags |= IBV_SEND_FENCE;
			break;
		case 7:
			row->wr.ud.ah = NULL;
			break;
		default:
			row->opcode = (enum ibv_wr_opcode)99;
			break;
		}
		posts = 0;
		bad = NULL;
		inner->sq_used = 0;
		assert_int_equal(ibv_post_send(qp, &first, &bad), EINVAL);
		assert_ptr_equal(bad, &second);
		assert_int_equal(posts, 1);
		assert_int_equal(posted[0].wr_id, 1);
	}
}

static void list_full(void **state)
{
	struct ibv_send_wr wr[10], *bad;

	(void)state;
	for (int i = 9; i >= 0; i--)
		wr[i] = send_wr((uint64_t)i, i < 9 ? &wr[i + 1] : NULL);
	assert_int_equal(ibv_post_send(qp, wr, &bad), ENOMEM);
	assert_ptr_equal(bad, &wr[8]);
	assert_int_equal(posts, 8);
	assert_int_equal(ibv_post_send(qp, wr, &bad), ENOMEM);
	assert_ptr_equal(bad, &wr[0]);
	inner->sq_used = 7;
	assert_int_equal(ibv_post_send(qp, wr, &bad), ENOMEM);
	assert_ptr_equal(bad, &wr[1]);
	assert_int_equal(posts, 9);
}

static void begin(uint64_t id)
{
	ibv_wr_start(ex);
	ex->wr_id = id;
	ex->wr_flags = IBV_SEND_SIGNALED;
}

static void states(void **state)
{
	struct ibv_send_wr *bad, wr = send_wr(1, NULL);
	struct ibv_recv_wr *bad_recv, recv = { .wr_id = 1 };

	(void)state;
	for (int i = IBV_QPS_RESET; i <= IBV_QPS_ERR; i++) {
		inner->state = (enum ibv_qp_state)i;
		assert_int_equal(ibv_post_send(qp, &wr, &bad),
				 i == IBV_QPS_RTS || i == IBV_QPS_SQD ? 0 : EINVAL);
		assert_int_equal(ibv_post_recv(qp, &recv, &bad_recv),
				 i == IBV_QPS_RESET || i == IBV_QPS_ERR ? EINVAL : 0);
		begin(1);
		ibv_wr_send(ex);
		ibv_wr_set_ud_addr(ex, ah, 1, 1);
		assert_int_equal(ibv_wr_complete(ex),
				 i == IBV_QPS_RTS || i == IBV_QPS_SQD ? 0 : EINVAL);
	}
}

static void signals_all(void **state)
{
	struct ibv_send_wr *bad, wr = send_wr(1, NULL);

	(void)state;
	inner->sig_all = true;
	wr.send_flags = 0;
	assert_int_equal(ibv_post_send(qp, &wr, &bad), 0);
	assert_true(posted[0].signaled);
}

/* --- receives ------------------------------------------------------------------------------ */

static void receives_posted(void **state)
{
	struct ibv_recv_wr second = { .wr_id = 2, .sg_list = sges, .num_sge = 2 };
	struct ibv_recv_wr first = { .wr_id = 1, .next = &second, .sg_list = sges, .num_sge = 1 };
	struct ibv_recv_wr *bad;

	(void)state;
	assert_int_equal(ibv_post_recv(qp, &first, &bad), EINVAL); /* max_recv_sge is 1 */
	assert_ptr_equal(bad, &second);
	assert_int_equal(receives, 1);
	assert_int_equal(received[0].wr_id, 1);
	assert_int_equal(received[0].sges, 1);
	assert_memory_equal(&received[0].sge[0], &sges[0], sizeof(sges[0]));
	second.num_sge = -1;
	assert_int_equal(ibv_post_recv(qp, &second, &bad), EINVAL);
	second.num_sge = 0;
	assert_int_equal(ibv_post_recv(qp, &second, &bad), 0);
	inner->rq_used = 7;
	assert_int_equal(ibv_post_recv(qp, &first, &bad), ENOMEM);
	assert_ptr_equal(bad, &second);
}

/* --- threads ------------------------------------------------------------------------------- */

enum {
	POSTS = 2000
};

static void *poster(void *list_too)
{
	struct ibv_send_wr *bad, wr = send_wr(1, NULL);

	for (int i = 0; i < POSTS;) {
		if (list_too && i % 2) {
			i += !ibv_post_send(qp, &wr, &bad);
		} else {
			ibv_wr_start(ex);
			ex->wr_id = 2;
			ex->wr_flags = IBV_SEND_SIGNALED;
			ibv_wr_send(ex);
			ibv_wr_set_ud_addr(ex, ah, 2, 2);
			i += !ibv_wr_complete(ex);
		}
		atomic_store(&inner->sq_used, 0);
	}
	return NULL;
}

static void threads(void **state)
{
	pthread_t thread[2];

	(void)state;
	deadline(60);
	for (uintptr_t i = 0; i < 2; i++)
		assert_int_equal(pthread_create(&thread[i], NULL, poster, i ? qp : NULL), 0);
	for (int i = 0; i < 2; i++)
		pthread_join(thread[i], NULL);
	deadline(0);
	assert_int_equal(posts, 2 * POSTS);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(list),   TEST(list_inline), TEST(list_refused),    TEST(list_full),
		TEST(states), TEST(signals_all), TEST(receives_posted), TEST(threads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
