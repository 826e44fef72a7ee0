/* SPDX-License-Identifier: Apache-2.0 */
/* Completions as a program reads them from the ring, and its doorbell that asks for events. */
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "emu/direct_fake.h"

/* --- completions --------------------------------------------------------------------------- */

static void test_completion(void **state)
{
	struct emu_cqe cqe = {
		.wr_id = 0x4321,
		.qp = &test_qp,
		.opcode = IBV_WC_RDMA_READ,
		.qpn = 0x1234,
		.status = EMU_STATUS_RNR,
	};
	struct emu_desc_cqe desc;

	(void)state;
	make();
	atomic_store(&test_qp.sq_used, 3);
	atomic_store(&test_qp.rq_used, 2);
	assert_int_equal(cqe_at(0)->flags & EMU_CQE_PHASE, 0);
	emu_cq_push(&test_cq, &cqe);
	assert_int_equal(atomic_load(&test_qp.sq_used), 2);
	desc = (struct emu_desc_cqe){
		.req_id = 0x4321, .status = 10, .flags = 1 | 1 << 1 | 1 << 4, .qp_num = 0x1234
	};
	assert_memory_equal(cqe_at(0), &desc, sizeof(desc));
	cqe = (struct emu_cqe){
		.wr_id = 7,
		.qp = &test_qp,
		.opcode = IBV_WC_RECV,
		.receive = true,
		.flags = IBV_WC_WITH_IMM,
		.qpn = 0x1234,
		.src_qpn = 0x99,
		.bytes = 4000,
		.imm = htobe32(0xa1b2c3d4),
		.ahn = AHN,
		.sgid = { 1, 2, 3 },
	};
	emu_cq_push(&test_cq, &cqe);
	assert_int_equal(atomic_load(&test_qp.rq_used), 1);
	desc = (struct emu_desc_cqe){ .req_id = 7,
				      .flags = 1 | 2 << 1 | 1 << 3,
				      .qp_num = 0x1234,
				      .rx = { .length = 4000, .ah = AHN, .src_qp_num = 0x99 },
				      .imm = 0xa1b2c3d4 };
	assert_memory_equal(cqe_at(1), &desc, sizeof(desc));
	assert_int_equal(atomic_load(&test_qp.sq_used), 2);
}

static int read_sgid(struct efadv_cq *queue, union ibv_gid *gid)
{
	(void)queue;
	(void)gid;
	return ENOENT;
}

static void test_completion_sgid(void **state)
{
	struct emu_cqe cqe = { .qp = &test_qp,
			       .opcode = IBV_WC_RECV,
			       .receive = true,
			       .ahn = EMU_AH_UNKNOWN,
			       .sgid = { 9, 8, 7 } };
	const uint8_t none[EMU_GID_BYTES] = { 0 };

	(void)state;
	make();
	atomic_store(&test_qp.rq_used, 9);
	emu_cq_push(&test_cq, &cqe);
	assert_int_equal(cqe_at(0)->rx.ah, 0xffff);
	assert_memory_equal(cqe_at(0)->src_addr, none, sizeof(none));
	test_cq.adv.wc_read_sgid = read_sgid;
	emu_cq_push(&test_cq, &cqe);
	assert_memory_equal(cqe_at(1)->src_addr, cqe.sgid, sizeof(cqe.sgid));
	cqe.ahn = AHN;
	emu_cq_push(&test_cq, &cqe);
	assert_memory_equal(cqe_at(2)->src_addr, none, sizeof(none));
	/* A write's length takes the place of the address. */
	cqe.opcode = IBV_WC_RECV_RDMA_WITH_IMM;
	cqe.ahn = EMU_AH_UNKNOWN;
	cqe.unsolicited = true;
	cqe.wr_id = 5;
	cqe.flags = IBV_WC_WITH_IMM;
	cqe.bytes = 0x12345678;
	emu_cq_push(&test_cq, &cqe);
	assert_int_equal(cqe_at(3)->flags, 1 | 2 << 1 | 1 << 3 | 2 << 4 | 1 << 7);
	assert_int_equal(cqe_at(3)->rx.length, 0x5678);
	assert_int_equal(cqe_at(3)->length_hi, 0x1234);
	assert_int_equal(cqe_at(3)->req_id, 0);
	/* It took no entry of the receive queue. */
	assert_int_equal(atomic_load(&test_qp.rq_used), 6);
}

/* Completions that nobody polled before the query are the first in the ring; then the phase turns
 * with each round. */
static void test_phase(void **state)
{
	struct emu_cqe *entries = calloc(test_cq.size, sizeof(*entries)), *own = test_cq.entries;

	(void)state;
	test_cq.entries = entries;
	test_cq.head = test_cq.tail = 62;
	for (uint32_t i = 0; i < 5; i++)
		entries[test_cq.head++ & (test_cq.size - 1)] =
			(struct emu_cqe){ .wr_id = i, .qp = &test_qp, .opcode = IBV_WC_SEND };
	atomic_store(&test_qp.sq_used, 1000);
	make();
	/* The library's functions find them as well, with no entry to give back. */
	assert_int_equal(test_cq.head - test_cq.tail, 5);
	for (uint32_t i = 0; i < 5; i++) {
		const struct emu_cqe *kept = &entries[(test_cq.tail + i) & (test_cq.size - 1)];

		assert_int_equal(kept->wr_id, i);
		assert_true(kept->given_back);
	}
	for (uint32_t i = 5; i < 200; i++) {
		const struct emu_desc_cqe *before = cqe_at(i);

		assert_int_equal(before->flags & 1, i / 64 & 1);
		emu_cq_push(&test_cq, &(struct emu_cqe){ .wr_id = i, .qp = &test_qp });
	}
	assert_int_equal(atomic_load(&test_qp.sq_used), 800);
	for (uint32_t i = 200 - 64; i < 200; i++) {
		assert_int_equal(cqe_at(i)->req_id, i);
		assert_int_equal(cqe_at(i)->flags & 1, !(i / 64 & 1));
	}
	assert_int_equal(test_cq.head - test_cq.tail, 64);
	assert_int_equal(entries[test_cq.tail & 63].wr_id, 200 - 64);
	test_cq.entries = own;
	free(entries);
}

/* --- doorbell of a completion queue -------------------------------------------------------- */

static bool push_asks(void)
{
	atomic_fetch_add(&test_qp.sq_used, 1);
	emu_cq_push(&test_cq, &(struct emu_cqe){ .qp = &test_qp });
	return told;
}

static void test_arm(void **state)
{
	(void)state;
	test_cq.channel = &channel;
	make();
	assert_non_null(cqq.doorbell);
	/* A program that never looked at the doorbell wants no events. */
	assert_false(push_asks());
	for (uint32_t number = 0; number < 9; number++) {
		ring(cqq.doorbell, word(number, true, 1));
		assert_true(push_asks());
		assert_false(push_asks());
		/* The event is not fetched yet: reading and arming change nothing. */
		ring(cqq.doorbell, word(number, false, 2));
		assert_false(push_asks());
		ring(cqq.doorbell, word(number, true, 3));
		assert_false(push_asks());
	}
	/* Armed, and gone over by a store that only tells what was read. */
	ring(cqq.doorbell, word(9, true, 3));
	ring(cqq.doorbell, word(9, false, 4));
	assert_true(push_asks());
	assert_false(push_asks());
}

/* --- with a thread that takes ----*/

/* One request at a time, asleep until its event comes: a lost one ends the test. */
static void test_sleep(void **state)
{
	const uint32_t total = 3000;
	struct reader reader = { 0 };
	uint32_t sent = 0, sleeps = 0;

	(void)state;
	echo = true;
	test_cq.channel = &channel;
	channel_fd = eventfd(0, EFD_SEMAPHORE | EFD_CLOEXEC);
	make();
	start_device();
	while (reader.consumed < total) {
		struct pollfd pfd = { .fd = channel_fd, .events = POLLIN };
		eventfd_t value;

		if (sent == reader.consumed) {
			for (uint32_t i = 0; i < 1 + sent % 3; i++)
				put(good((uint16_t)(sent + i)));
			sent += 1 + sent % 3;
			ring(sq.doorbell, sq_pc);
		}
		__atomic_store_n(cqq.doorbell, word(reader.number, true, reader.consumed),
				 __ATOMIC_RELAXED);
		/* Not all is there: sleeps on what was armed before the store in drain(). */
		drain(&reader);
		if (sent == reader.consumed)
			continue;
		assert_int_equal(poll(&pfd, 1, 20000), 1);
		eventfd_read(channel_fd, &value);
		reader.number++;
		sleeps++;
		drain(&reader);
	}
	stop_device();
	assert_true(sleeps > 0);
	assert_true(channel_events - sleeps <= 1);
	close(channel_fd);
	channel_fd = -1;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_completion, setup, teardown),
		cmocka_unit_test_setup_teardown(test_completion_sgid, setup, teardown),
		cmocka_unit_test_setup_teardown(test_phase, setup, teardown),
		cmocka_unit_test_setup_teardown(test_arm, setup, teardown),
		cmocka_unit_test_setup_teardown(test_sleep, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
