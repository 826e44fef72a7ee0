/* SPDX-License-Identifier: Apache-2.0 */
/* Faults of NICs, links, calls, completions and processes. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "emu/fault_row.h"
#include "emu/util.h"

static int new_world(void **state)
{
	struct emu_world_shared *world = calloc(1, sizeof(*world));

	assert_non_null(world);
	emu_random(&world->id, sizeof(world->id));
	*state = world;
	return 0;
}

static int free_world(void **state)
{
	free(*state);
	return 0;
}

/* Adds the fault; answers when it begins. */
static uint64_t add(struct emu_world_shared *world, const char *text)
{
	struct emu_fault fault, seen;
	char why[512];
	uint32_t i;
	int number;

	if (emu_fault_parse(text, &fault, why, sizeof(why)))
		fail_msg("%s: %s", text, why);
	number = emu_fault_add(world, &fault);
	for (i = 0; i < EMU_FAULTS; i++)
		if (emu_fault_get(world, i, &seen) && seen.number == (uint32_t)number)
			return seen.start;
	fail_msg("%s is not there", text);
	return 0;
}

static bool cut(struct emu_world_shared *world, const char *way, uint64_t now)
{
	uint32_t n[4];

	assert_int_equal(sscanf(way, "h%un%u h%un%u", &n[0], &n[1], &n[2], &n[3]), 4);
	return emu_fault_cut(world, n[0], n[1], n[2], n[3], now);
}

static void test_nic_down(void **state)
{
	struct emu_world_shared *world = *state;
	uint64_t t = add(world, "nic-down:host=1,nic=2,after=1s,for=2s");

	assert_false(emu_fault_nic_down(world, 1, 2, t - 1));
	assert_true(emu_fault_nic_down(world, 1, 2, t));
	assert_true(emu_fault_nic_down(world, 1, 2, t + 2 * EMU_S - 1));
	assert_false(emu_fault_nic_down(world, 1, 2, t + 2 * EMU_S));
	assert_false(emu_fault_nic_down(world, 1, 1, t));
	assert_false(emu_fault_nic_down(world, 0, 2, t));
	assert_true(cut(world, "h1n2 h0n0", t));
	assert_true(cut(world, "h0n0 h1n2", t));
	assert_false(cut(world, "h0n2 h1n0", t));
	assert_false(cut(world, "h1n2 h0n0", t - 1));
	emu_fault_clear(world, 0);
	t = add(world, "nic-down:src=h0");
	assert_true(emu_fault_nic_down(world, 0, 31, t));
	assert_false(emu_fault_nic_down(world, 1, 0, t));
}

static void test_administrator(void **state)
{
	struct emu_world_shared *world = *state;

	atomic_store(&world->host[3].nic[4].down, 1);
	assert_true(emu_fault_nic_down(world, 3, 4, 0));
	assert_false(emu_fault_nic_down(world, 3, 3, 0));
	assert_true(cut(world, "h3n4 h0n0", 0));
	assert_true(cut(world, "h0n0 h3n4", 0));
	assert_false(cut(world, "h0n0 h3n0", 0));
	/* Numbers of no host or NIC are no reason to read elsewhere. */
	assert_false(emu_fault_cut(world, EMU_ANY, EMU_ANY, EMU_HOSTS, EMU_NICS, 0));
	assert_false(emu_fault_nic_down(world, EMU_HOSTS, 0, 0));
}

static void test_link_down(void **state)
{
	struct emu_world_shared *world = *state;
	uint64_t t = add(world, "link-down:src=h0n1,dst=h1");

	assert_true(cut(world, "h0n1 h1n0", t));
	assert_true(cut(world, "h1n7 h0n1", t));
	assert_false(cut(world, "h0n0 h1n0", t));
	assert_false(cut(world, "h0n1 h2n0", t));
	assert_false(cut(world, "h0n1 h0n1", t));
	assert_false(emu_fault_nic_down(world, 0, 1, t));
}

static void test_flap(void **state)
{
	struct emu_world_shared *world = *state;
	uint64_t t = add(world, "flap:src=h0n1,period=10ms,down=3ms"), i;

	for (i = 0; i < 50; i++) {
		assert_int_equal(emu_fault_nic_down(world, 0, 1, t + i * EMU_MS), i % 10 < 3);
		assert_int_equal(cut(world, "h1n0 h0n1", t + i * EMU_MS), i % 10 < 3);
	}
	assert_false(emu_fault_nic_down(world, 0, 0, t));
	emu_fault_clear(world, 0);
	/* Of a link: no NIC is down. */
	t = add(world, "flap:src=h0,dst=h1,period=10ms,down=10ms");
	assert_false(emu_fault_nic_down(world, 0, 1, t));
	assert_true(cut(world, "h0n1 h1n1", t + 9 * EMU_MS));
	assert_true(cut(world, "h1n1 h0n1", t + 9 * EMU_MS));
	assert_false(cut(world, "h0n1 h2n1", t));
}

static uint64_t hits_of_all(struct emu_world_shared *world)
{
	struct emu_fault fault;
	uint64_t hits = 0;
	uint32_t i;

	for (i = 0; i < EMU_FAULTS; i++)
		if (emu_fault_get(world, i, &fault))
			hits += fault.hit;
	return hits;
}

/* Of a fault that cuts, what was asked for and did not pass is counted; to look at a NIC is not. */
static void test_cut_counts(void **state)
{
	static const char *const texts[] = { "nic-down:host=1", "link-down:src=h0,dst=h1",
					     "flap:host=1,period=2ms,down=1ms",
					     "flap:src=h1,dst=h0,period=2ms,down=1ms" };
	struct emu_world_shared *world = *state;
	uint64_t t;
	size_t i;

	for (i = 0; i < EMU_COUNT(texts); i++) {
		t = add(world, texts[i]);
		assert_true(cut(world, "h0n0 h1n0", t));
		assert_true(cut(world, "h1n0 h0n0", t));
		assert_false(cut(world, "h0n0 h2n0", t));
		emu_fault_nic_down(world, 1, 0, t);
		assert_int_equal(hits_of_all(world), 2);
		emu_fault_clear(world, 0);
	}
	t = add(world, texts[2]);
	assert_false(cut(world, "h0n0 h1n0", t + 3 * EMU_MS / 2));
	assert_int_equal(hits_of_all(world), 0);
}

static void test_refuse(void **state)
{
	struct emu_world_shared *world = *state;
	uint64_t t = add(world, "refuse:host=1,nic=2,call=mr,errno=EAGAIN,skip=1,count=2");

	assert_int_equal(emu_fault_refuse(world, EMU_CALL_QP, 1, 2, t), 0);
	assert_int_equal(emu_fault_refuse(world, EMU_CALL_MR, 0, 2, t), 0);
	assert_int_equal(emu_fault_refuse(world, EMU_CALL_MR, 1, 1, t), 0);
	assert_int_equal(emu_fault_refuse(world, EMU_CALL_MR, 1, 2, t), 0); /* skipped */
	assert_int_equal(emu_fault_refuse(world, EMU_CALL_MR, 1, 2, t), EAGAIN);
	assert_int_equal(emu_fault_refuse(world, EMU_CALL_MR, 1, 2, t), EAGAIN);
	assert_int_equal(emu_fault_refuse(world, EMU_CALL_MR, 1, 2, t), 0);
	assert_int_equal(emu_fault_refuse(world, EMU_CALL_MR, 1, 2, t - 1), 0);
	add(world, "refuse:call=open");
	assert_int_equal(emu_fault_refuse(world, EMU_CALL_OPEN, 9, 9, emu_now()), ENOMEM);
}

/* Calls have no sequence number: the n-th one draws the same in each run. */
static void test_refuse_by_chance(void **state)
{
	struct emu_world_shared *world = *state, *other = calloc(1, sizeof(*other));
	unsigned int refused = 0, i;
	uint64_t now;

	assert_non_null(other);
	other->id = ~world->id;
	add(world, "refuse:call=qp,p=20%");
	add(other, "refuse:call=qp,p=20%");
	now = emu_now();
	for (i = 0; i < 10000; i++) {
		int error = emu_fault_refuse(world, EMU_CALL_QP, i % 3, i % 5, now);

		assert_int_equal(emu_fault_refuse(other, EMU_CALL_QP, 0, 0, now), error);
		refused += error != 0;
	}
	assert_in_range(refused, 1800, 2200);
	free(other);
}

static void test_cq_overflow(void **state)
{
	struct emu_world_shared *world = *state;
	uint64_t t = add(world, "cq-overflow:host=0,qp=600,skip=1,count=1");

	assert_false(emu_fault_cq_overflow(world, 0, 0, 601, t));
	assert_false(emu_fault_cq_overflow(world, 1, 0, 600, t));
	assert_false(emu_fault_cq_overflow(world, 0, 0, 600, t));
	assert_true(emu_fault_cq_overflow(world, 0, 3, 600, t));
	assert_false(emu_fault_cq_overflow(world, 0, 3, 600, t));
}

static void test_kill(void **state)
{
	struct emu_world_shared *world = *state;
	uint64_t t = add(world, "kill:host=2,after=1s,count=2");

	assert_false(emu_fault_kill(world, 2, t - 1));
	assert_false(emu_fault_kill(world, 1, t));
	assert_true(emu_fault_kill(world, 2, t));
	assert_true(emu_fault_kill(world, 2, t));
	assert_false(emu_fault_kill(world, 2, t));
}

/* The process that sends such a packet, and only that, is marked; time alone kills nobody. */
static void test_kill_by_packet(void **state)
{
	struct emu_world_shared *world = *state;
	struct emu_fault_packet packet = { .src_host = 2,
					   .src_qpn = EMU_QPN(5, 1),
					   .dst_qpn = EMU_QPN(6, 1),
					   .op = EMU_OP_WRITE };
	struct emu_verdict verdict;
	int i;

	add(world, "kill:host=2,op=write,skip=2,count=1");
	assert_false(emu_fault_kill(world, 2, emu_now()));
	packet.op = EMU_OP_SEND;
	emu_fault_packet(world, &packet, emu_now(), &verdict);
	packet.op = EMU_OP_WRITE;
	for (i = 0; i < 3; i++) {
		assert_int_equal(world->process[5].kill, 0);
		emu_fault_packet(world, &packet, emu_now(), &verdict);
		assert_false(verdict.drop);
	}
	assert_int_equal(world->process[5].kill, 1);
	assert_int_equal(world->process[6].kill, 0);
	packet.src_qpn = EMU_QPN(7, 0);
	emu_fault_packet(world, &packet, emu_now(), &verdict);
	assert_int_equal(world->process[7].kill, 0);
	/* A number that is no queue pair's marks nobody. */
	emu_fault_clear(world, 0);
	add(world, "kill:host=2,op=write");
	packet.src_qpn = UINT32_MAX;
	emu_fault_packet(world, &packet, emu_now(), &verdict);
}

#define WITH_WORLD(test) cmocka_unit_test_setup_teardown(test, new_world, free_world)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_WORLD(test_nic_down),       WITH_WORLD(test_administrator),
		WITH_WORLD(test_link_down),      WITH_WORLD(test_flap),
		WITH_WORLD(test_refuse),         WITH_WORLD(test_refuse_by_chance),
		WITH_WORLD(test_cq_overflow),    WITH_WORLD(test_kill),
		WITH_WORLD(test_kill_by_packet), WITH_WORLD(test_cut_counts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
