/* SPDX-License-Identifier: Apache-2.0 */
/* Queues of a queue pair that a program drives: query, doorbells, receive descriptors. */
#include "emu/direct_fake.h"

#include <sched.h>

/* --- queries ------------------------------------------------------------------------------- */

static void test_off(void **state)
{
	(void)state;
	model.direct = 0;
	assert_int_equal(emu_direct_qp(&test_qp, &sq, &rq), EOPNOTSUPP);
	assert_int_equal(emu_direct_cq(&test_cq, &cqq), EOPNOTSUPP);
	assert_null(test_qp.direct);
	assert_null(test_cq.direct);
	emu_direct_qp_reset(&test_qp);
}

static void test_query(void **state)
{
	struct emu_direct_queue again[2];

	(void)state;
	make();
	assert_int_equal(polled_qps, 1);
	assert_int_equal(sq.entries, 16);
	assert_int_equal(sq.entry_size, 64);
	assert_int_equal(sq.caps, 0);
	assert_in_range(sq.max_batch, 1, sq.entries);
	assert_int_equal(rq.entries, 32); /* 12 receives of 2 buffers */
	assert_int_equal(rq.entry_size, 16);
	assert_int_equal(cqq.entries, 64);
	assert_int_equal(cqq.entry_size, 32);
	assert_null(cqq.doorbell);
	assert_true((uintptr_t)sq.buffer % EMU_PAGE == 0);
	assert_true(sq.buffer + sq.entries * sq.entry_size <= rq.buffer);
	assert_true(rq.buffer + rq.entries * rq.entry_size <= (uint8_t *)rq.doorbell);
	assert_ptr_not_equal(sq.doorbell, rq.doorbell);
	assert_int_equal(emu_direct_qp(&test_qp, &again[0], &again[1]), 0);
	assert_memory_equal(&again[0], &sq, sizeof(sq));
	assert_memory_equal(&again[1], &rq, sizeof(rq));
	assert_int_equal(emu_direct_cq(&test_cq, &again[0]), 0);
	assert_memory_equal(&again[0], &cqq, sizeof(cqq));
	assert_int_equal(polled_qps, 1);
	assert_int_equal(emu_direct_take(&test_qp), 0);
}

static void test_wide(void **state)
{
	(void)state;
	test_qp.cap.max_inline_data = 33;
	test_qp.cap.max_recv_wr = 0;
	model.req_id_64 = 1;
	make();
	assert_int_equal(sq.entry_size, 128);
	assert_int_equal(sq.caps, 1);
	assert_int_equal(rq.entries, 0);
	assert_null(rq.buffer);
	assert_null(rq.doorbell);
	emu_direct_qp_free(&test_qp);
	test_qp.cap.max_inline_data = 0;
	test_qp.cap.max_recv_wr = 65536;
	test_qp.inline_write = true;
	make();
	assert_int_equal(sq.entry_size, 128);
	assert_int_equal(rq.entries, 32768);
}

/* Many times round the ring, past the wrap of the 16-bit doorbell, in batches of all sizes. */
static void test_wrap(void **state)
{
	uint32_t total = 0;

	(void)state;
	make();
	while (total < 70000) {
		uint32_t batch = total % sq.entries + 1;

		for (uint32_t i = 0; i < batch; i++)
			put(good((uint16_t)(total + i)));
		ring(sq.doorbell, sq_pc);
		assert_int_equal(emu_direct_take(&test_qp), batch);
		assert_int_equal(posts, total + batch);
		for (uint32_t i = 0; i < batch; i++)
			assert_int_equal(posted[(total + i) % MANY].wr_id, (uint16_t)(total + i));
		total += batch;
		room = MANY;
	}
	assert_int_equal(pushes, 0);
}

/* What finds no room waits in the ring. */
static void test_no_room(void **state)
{
	(void)state;
	make();
	for (uint16_t i = 0; i < 10; i++)
		put(good(i));
	ring(sq.doorbell, sq_pc);
	room = 4;
	assert_int_equal(emu_direct_take(&test_qp), 4);
	assert_int_equal(emu_direct_take(&test_qp), 0);
	room = 1;
	assert_int_equal(emu_direct_take(&test_qp), 1);
	room = 100;
	assert_int_equal(emu_direct_take(&test_qp), 5);
	assert_int_equal(posts, 10);
	for (uint32_t i = 0; i < 10; i++)
		assert_int_equal(posted[i].wr_id, i);
	assert_int_equal(pushes, 0);
}

static void test_not_ready(void **state)
{
	(void)state;
	make();
	test_qp.state = IBV_QPS_INIT;
	send_wqe(good(1));
	put_rx(2, 10, EMU_RX_FIRST | EMU_RX_LAST);
	ring(rq.doorbell, rq_pc);
	assert_int_equal(emu_direct_take(&test_qp), 1);
	assert_int_equal(receives, 1);
	assert_int_equal(posts, 0);
	test_qp.state = IBV_QPS_RTS;
	assert_int_equal(emu_direct_take(&test_qp), 1);
	assert_int_equal(posts, 1);
}

/* --- doorbells that make no sense ---------------------------------------------------------- */

static void nonsense(uint32_t *doorbell, uint32_t value)
{
	uint32_t before = posts + receives;

	ring(doorbell, value);
	assert_int_equal(emu_direct_take(&test_qp), 0);
	assert_int_equal(posts + receives, before);
	assert_int_equal(test_qp.state, IBV_QPS_ERR);
	assert_int_equal(state_changes, 1);
	/* Whatever is written later. */
	ring(sq.doorbell, sq_pc);
	ring(rq.doorbell, rq_pc);
	assert_int_equal(emu_direct_take(&test_qp), 0);
	/* Until it is reset. */
	pthread_mutex_lock(&test_qp.lock);
	test_qp.state = IBV_QPS_RESET;
	emu_direct_qp_reset(&test_qp);
	pthread_mutex_unlock(&test_qp.lock);
	assert_int_equal(*sq.doorbell, 0);
	assert_int_equal(*rq.doorbell, 0);
	assert_int_equal(emu_direct_take(&test_qp), 0);
	sq_pc = rq_pc = 0;
	send_wqe(good(9));
	assert_int_equal(emu_direct_take(&test_qp), 0);
	test_qp.state = IBV_QPS_RTS;
	assert_int_equal(emu_direct_take(&test_qp), 1);
	assert_int_equal(posted[posts - 1].wr_id, 9);
	assert_int_equal(state_changes, 1);
	assert_int_equal(pushes, 0);
	state_changes = 0;
}

static void test_doorbells(void **state)
{
	(void)state;
	make();
	send_wqe(good(1));
	assert_int_equal(emu_direct_take(&test_qp), 1);
	nonsense(sq.doorbell, 0);
	nonsense(sq.doorbell, 1 + sq.entries + 1);
	nonsense(sq.doorbell, 0x10001);
	nonsense(rq.doorbell, 33);
	nonsense(rq.doorbell, 0xffff);
	nonsense(rq.doorbell, 0x80000000);
}

/* --- receive descriptors ------------------------------------------------------------------- */

static void test_receive(void **state)
{
	(void)state;
	model.max_rq_sge = 2;
	make();
	put_rx(11, 65535, EMU_RX_FIRST | EMU_RX_LAST);
	/* As libefa writes several buffers, */
	put_rx(12, 100, EMU_RX_FIRST);
	put_rx(0, 200, EMU_RX_LAST);
	/* and as libfabric does. */
	put_rx(13, 100, EMU_RX_FIRST);
	put_rx(13, 300, EMU_RX_FIRST | EMU_RX_LAST);
	/* The last of this one comes later. */
	put_rx(14, 7, EMU_RX_FIRST);
	ring(rq.doorbell, rq_pc);
	assert_int_equal(emu_direct_take(&test_qp), 5);
	assert_int_equal(emu_direct_take(&test_qp), 0);
	put_rx(0, 8, EMU_RX_LAST);
	ring(rq.doorbell, rq_pc);
	assert_int_equal(emu_direct_take(&test_qp), 2);
	assert_int_equal(receives, 4);
	assert_int_equal(pushes, 0);
	assert_int_equal(received[0].sges, 1);
	assert_int_equal(received[0].wr_id, 11);
	assert_int_equal(received[0].slot, 11);
	assert_int_equal(received[0].sge[0].addr, 0x100002000);
	assert_int_equal(received[0].sge[0].length, 65535);
	assert_int_equal(received[0].sge[0].lkey, 0x123456);
	for (uint32_t i = 1; i < 4; i++) {
		assert_int_equal(received[i].sges, 2);
		assert_int_equal(received[i].slot, 11 + i);
	}
	assert_int_equal(received[1].sge[1].length, 200);
	assert_int_equal(received[1].sge[1].addr, 0x100002002);
	assert_int_equal(received[2].sge[1].length, 300);
	assert_int_equal(received[3].sge[1].length, 8);
}

static void test_receive_malformed(void **state)
{
	(void)state;
	make();
	put_rx(1, 10, EMU_RX_LAST);  /* no first */
	put_rx(2, 10, EMU_RX_FIRST); /* too many */
	put_rx(0, 10, 0);
	put_rx(0, 10, 0);
	put_rx(0, 10, EMU_RX_LAST);
	put_rx(3, 10, EMU_RX_FIRST | EMU_RX_LAST);
	put_rx(4, 10, EMU_RX_FIRST); /* no last where there must be one */
	put_rx(0, 10, 0);
	put_rx(0, 10, 0);
	ring(rq.doorbell, rq_pc);
	assert_int_equal(emu_direct_take(&test_qp), 9);
	assert_int_equal(receives, 1);
	assert_int_equal(received[0].slot, 3);
	assert_int_equal(pushes, 3);
	assert_int_equal(pushed[0].status, EMU_STATUS_QP_INTERNAL);
	assert_int_equal(pushed[1].status, EMU_STATUS_LOCAL_LENGTH);
	assert_int_equal(pushed[2].status, EMU_STATUS_LOCAL_LENGTH);
	assert_int_equal(cqe_at(0)->req_id, 1);
	assert_int_equal(cqe_at(1)->req_id, 2);
	assert_int_equal(cqe_at(2)->req_id, 4);
	assert_int_equal((cqe_at(1)->flags & EMU_CQE_QUEUE) >> EMU_CQE_QUEUE_SHIFT, EMU_DESC_RQ);
	assert_int_equal(atomic_load(&test_qp.rq_used), 1);
}

static void test_receive_no_room(void **state)
{
	(void)state;
	make();
	for (uint16_t i = 0; i < 32; i++)
		put_rx(i, 10, EMU_RX_FIRST | EMU_RX_LAST);
	ring(rq.doorbell, rq_pc);
	room = 12;
	assert_int_equal(emu_direct_take(&test_qp), 12);
	room = 20;
	assert_int_equal(emu_direct_take(&test_qp), 20);
	for (uint32_t i = 0; i < 32; i++)
		assert_int_equal(received[i].slot, i);
}

/* --- with a thread that takes ----*/

static void test_threads(void **state)
{
	const uint32_t total = 20000;
	struct reader reader = { 0 };
	uint32_t sent = 0;

	(void)state;
	echo = true;
	make();
	start_device();
	while (reader.consumed < total) {
		uint32_t before = sent;

		while (sent < total && sent - reader.consumed < sq.entries) {
			put(good((uint16_t)sent));
			sent++;
		}
		if (sent != before)
			ring(sq.doorbell, sq_pc);
		drain(&reader);
	}
	stop_device();
	assert_int_equal(posts, total);
	assert_int_equal(atomic_load(&test_qp.sq_used), 0);
}

/* Nonsense, then a reset, while the device looks: what was wrong before the reset is not held
 * against the queue pair after it. */
static void test_reset_while_taken(void **state)
{
	(void)state;
	make();
	start_device();
	for (uint16_t i = 0; i < 300; i++) {
		ring(rq.doorbell, 2000);
		while (__atomic_load_n(&test_qp.state, __ATOMIC_RELAXED) != IBV_QPS_ERR)
			sched_yield();
		pthread_mutex_lock(&test_qp.lock);
		__atomic_store_n(&test_qp.state, IBV_QPS_RESET, __ATOMIC_RELAXED);
		emu_direct_qp_reset(&test_qp);
		__atomic_store_n(&test_qp.state, IBV_QPS_RTS, __ATOMIC_RELAXED);
		pthread_mutex_unlock(&test_qp.lock);
		sq_pc = 0;
		send_wqe(good(i));
		while (__atomic_load_n(&posts, __ATOMIC_RELAXED) == i &&
		       __atomic_load_n(&test_qp.state, __ATOMIC_RELAXED) == IBV_QPS_RTS)
			sched_yield();
		assert_int_equal(test_qp.state, IBV_QPS_RTS);
	}
	stop_device();
	assert_int_equal(posts, 300);
	assert_int_equal(posted[299].wr_id, 299);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_off, setup, teardown),
		cmocka_unit_test_setup_teardown(test_query, setup, teardown),
		cmocka_unit_test_setup_teardown(test_wide, setup, teardown),
		cmocka_unit_test_setup_teardown(test_wrap, setup, teardown),
		cmocka_unit_test_setup_teardown(test_no_room, setup, teardown),
		cmocka_unit_test_setup_teardown(test_not_ready, setup, teardown),
		cmocka_unit_test_setup_teardown(test_doorbells, setup, teardown),
		cmocka_unit_test_setup_teardown(test_receive, setup, teardown),
		cmocka_unit_test_setup_teardown(test_receive_malformed, setup, teardown),
		cmocka_unit_test_setup_teardown(test_receive_no_room, setup, teardown),
		cmocka_unit_test_setup_teardown(test_threads, setup, teardown),
		cmocka_unit_test_setup_teardown(test_reset_while_taken, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
