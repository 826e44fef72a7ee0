/* SPDX-License-Identifier: Apache-2.0 */
#include "perf/gate.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define GB (1000000000ull)

/* Two repeats of one second on two hosts with a NIC each, without a flaw. */
struct scene {
	struct perf_result r;
	struct perf_run run[2];
	struct perf_env here, there;
	struct perf_fact fact[2][3];
	struct hist latency;
};

static struct scene s;

static void set_side(struct perf_side *side, bool sends)
{
	*side = (struct perf_side){
		.ops = sends ? 1000000 : 0,
		.bytes = sends ? 6 * GB : 0,
		.landed = sends ? 0 : 6 * GB,
		.ns = GB,
		.nics = 1,
		.ways = "efa rdmap0s6-rdm",
		.cpu = { .process = 1, .machine = 1.1, .foreign = 0.1 },
	};
	strcpy(side->nic[0].name, "rdmap0s6");
	if (sends)
		side->nic[0].tx_bytes = 6 * GB + 1000000 * 40;
	else
		side->nic[0].rx_bytes = 6 * GB + 1000000 * 40;
}

static void set_env(struct perf_env *env, struct perf_fact fact[3], const char *boot)
{
	strcpy(fact[0].name, "boot_id");
	strcpy(fact[0].value, boot);
	strcpy(fact[1].name, "hostname");
	strcpy(fact[1].value, "node");
	strcpy(fact[2].name, "x");
	*env = (struct perf_env){ fact, 3, 6.25e9 };
}

static void reset(void)
{
	memset(&s, 0, sizeof(s));
	s.r = (struct perf_result){
		.c = { .test = PERF_BW,
		       .op = PERF_SEND,
		       .backend = "fabric",
		       .provider = "efa",
		       .devices = "rdmap0s6-rdm",
		       .size = 6000,
		       .window = 64,
		       .threads = 1,
		       .eps = 1,
		       .warm_ns = GB },
		.run = s.run,
		.runs = 2,
		.rate = { 6e9, 5.9e9, 6.1e9, 0.01, 8 },
		.reached = true,
		.wanted = 0.02,
		.latency = &s.latency,
	};
	for (int i = 0; i < 2; i++) {
		s.run[i].warm_stable = true;
		set_side(&s.run[i].here, true);
		set_side(&s.run[i].there, false);
	}
	s.latency.count = 1000000;
	set_env(&s.here, s.fact[0], "aaaa");
	set_env(&s.there, s.fact[1], "bbbb");
}

static void reset_tcp(void)
{
	reset();
	strcpy(s.r.c.backend, "tcp");
	s.r.c.provider[0] = s.r.c.devices[0] = '\0';
	for (int i = 0; i < 2; i++)
		s.run[i].here.is_tcp = s.run[i].there.is_tcp = true;
}

/* --- what trips each gate: a function for each row, or this does not compile ------------------ */

static void trip_above_line_rate(void)
{
	s.there.line_rate = 5.9e9; /* the slower of both counts */
}

static void trip_nic_bytes(void)
{
	s.run[1].there.nic[0].tx_bytes = 0;
	s.run[1].here.nic[0].tx_bytes = 5 * GB;
}

static void trip_other_nic(void)
{
	s.run[0].here.nics = 2;
	strcpy(s.run[0].here.nic[1].name, "rdmap16s6");
	s.run[0].here.nic[1].tx_bytes = 3 * GB;
	s.run[0].here.nic[0].tx_bytes = 3 * GB;
}

static void trip_shm_used(void)
{
	strcpy(s.run[1].there.ways, "efa rdmap0s6-rdm, shm");
}

static void trip_ends_disagree(void)
{
	s.run[1].there.landed = 5 * GB;
}

static void trip_not_tcp(void)
{
	reset_tcp();
	s.run[0].there.is_tcp = false;
}

static void trip_wrong_content(void)
{
	s.run[1].there.wrong = true;
}

static void trip_retransmits(void)
{
	s.run[0].there.nic[0].retransmits = 3;
}

static void trip_drops(void)
{
	s.run[0].there.nic[0].drops = 4;
}

static void trip_nic_foreign(void)
{
	s.run[0].here.nic[0].tx_bytes = 9 * GB;
}

static void trip_foreign_load(void)
{
	s.run[1].there.cpu.foreign = 0.5;
}

static void trip_own_gap(void)
{
	s.run[1].there.longest_gap_ns = 25000000;
}

static void trip_late(void)
{
	s.r.c.test = PERF_OPEN;
	s.run[0].late = s.run[1].late = 20000;
}

static void trip_failed_run(void)
{
	s.run[1] = (struct perf_run){ .error = -5, .why = "the cable broke" };
}

static void trip_warm_unstable(void)
{
	s.run[0].warm_stable = false;
}

static void trip_not_reached(void)
{
	s.r.reached = false;
}

static void trip_drift(void)
{
	s.r.drifts = true;
}

static void trip_two_modes(void)
{
	s.r.bimodal = true;
}

static void trip_few_samples(void)
{
	s.r.c.test = PERF_LAT;
	s.latency.count = 99999;
}

static void trip_same_host(void)
{
	strcpy(s.fact[1][0].value, "aaaa");
}

static void trip_nic_unseen(void)
{
	s.run[0].there.nics = 0;
}

#define GATE(id, how, what, remedy) trip_##id,
static void (*const trips[])(void) = {
#include "perf/gate.def"
};
#undef GATE

/* Text that the reason has to hold: the figures. */
static const char *const reasons[][2] = {
	{ "above_line_rate", "6.00 GB/s" },
	{ "nic_bytes", "5.000 GB" },
	{ "other_nic", "rdmap16s6 carried 3.000 GB" },
	{ "shm_used", "rdmap0s6-rdm, shm" },
	{ "ends_disagree", "5.000 GB" },
	{ "not_tcp", "server" },
	{ "wrong_content", "the server" },
	{ "retransmits", "server 3" },
	{ "drops", "server 4" },
	{ "nic_foreign", "9.000 GB" },
	{ "foreign_load", "0.50" },
	{ "own_gap", "25.00 ms" },
	{ "late", "40000 of 2000000" },
	{ "failed_run", "1 of 2 repeats; the first: the cable broke" },
	{ "warm_unstable", "1 of 2" },
	{ "not_reached", "1.7 %, 2.0 %" },
	{ "drift", "2 repeats" },
	{ "two_modes", "1000000" },
	{ "few_samples", "99999 samples; p99.9 takes 100000" },
	{ "same_host", "node" },
	{ "nic_unseen", "the server" },
};

static void look(void)
{
	perf_gates(&s.r, &s.here, &s.there);
}

static void each_gate_trips_alone(void **state)
{
	(void)state;
	assert_int_equal(sizeof(reasons) / sizeof(*reasons), perf_gate_rows_n);
	for (uint32_t i = 0; i < perf_gate_rows_n; i++) {
		reset();
		trips[i]();
		look();
		if (s.r.flags != 1)
			fail_msg("%s: %u flags, the last: %s", perf_gate_rows[i].id, s.r.flags,
				 s.r.flags ? s.r.flag[s.r.flags - 1].gate : "");
		assert_string_equal(s.r.flag[0].gate, perf_gate_rows[i].id);
		assert_string_equal(reasons[i][0], perf_gate_rows[i].id);
		assert_int_equal(s.r.flag[0].how, perf_gate_rows[i].how);
		assert_int_equal(s.r.invalid, perf_gate_rows[i].how == PERF_INVALID);
		if (!strstr(s.r.flag[0].why, reasons[i][1]))
			fail_msg("%s: \"%s\" lacks \"%s\"", reasons[i][0], s.r.flag[0].why,
				 reasons[i][1]);
	}
}

static void a_clean_result_trips_none(void **state)
{
	(void)state;
	for (uint32_t op = 0; op < PERF_OPS; op++) {
		reset();
		s.r.c.op = op;
		for (int i = 0; i < 2; i++) {
			struct perf_side swap = s.run[i].here;

			if (op == PERF_READ) { /* bytes go the other way */
				s.run[i].here.nic[0] = s.run[i].there.nic[0];
				s.run[i].there.nic[0] = swap.nic[0];
				s.run[i].here.landed = s.run[i].here.bytes;
				s.run[i].there.landed = 0;
			}
			if (op == PERF_WRITE) /* unseen by the target */
				s.run[i].there.landed = 0;
		}
		look();
		assert_int_equal(s.r.flags, 0);
		assert_false(s.r.invalid);
	}
	reset_tcp();
	look();
	assert_int_equal(s.r.flags, 0);
}

static void expect(const char *gate)
{
	look();
	assert_int_equal(s.r.flags, gate ? 1 : 0);
	if (gate)
		assert_string_equal(s.r.flag[0].gate, gate);
}

static void limits_are_where_they_are_said_to_be(void **state)
{
	(void)state;
	reset();
	s.run[0].here.nic[0].tx_bytes = s.run[0].here.bytes * 96 / 100;
	expect(NULL);
	reset();
	s.run[0].here.nic[0].tx_bytes = s.run[0].here.bytes * 94 / 100;
	expect("nic_bytes");
	/* Headers of small messages are much, and no one else's. */
	reset();
	s.r.c.size = 8;
	for (int i = 0; i < 2; i++) {
		s.run[i].here.bytes = s.run[i].there.landed = 8000000;
		s.run[i].here.nic[0].tx_bytes = 200000000;
	}
	expect(NULL);
	reset();
	s.run[0].there.landed = s.run[0].here.bytes * 985 / 1000;
	expect(NULL);
	reset();
	s.run[0].there.landed = s.run[0].here.bytes * 97 / 100;
	expect("ends_disagree");
	/* A latency is disturbed by less than a bandwidth. */
	reset();
	s.run[0].here.longest_gap_ns = 2000000;
	expect(NULL);
	s.r.c.test = PERF_LAT;
	expect("own_gap");
	/* Too few repeats for an interval. */
	reset();
	s.r.reached = false;
	s.r.rate.low = s.r.rate.high = NAN;
	s.r.rate.n = 3;
	expect("not_reached");
	assert_non_null(strstr(s.r.flag[0].why, "3 repeats"));
}

static void both_ways(void **state)
{
	(void)state;
	reset();
	s.r.c.bidir = true;
	for (int i = 0; i < 2; i++) {
		s.run[i].there.bytes = s.run[i].here.landed = 6 * GB;
		s.run[i].there.ops = 1000000;
		s.run[i].there.nic[0].tx_bytes = s.run[i].here.nic[0].rx_bytes = 6 * GB;
	}
	/* 12 GB/s together, 6 in each direction: below the rate. */
	expect(NULL);
	s.run[1].here.landed = 1 * GB;
	expect("ends_disagree");
}

static void what_is_no_nic_is_not_held_against_nics(void **state)
{
	(void)state;
	reset();
	strcpy(s.r.c.provider, "tcp");
	s.run[0].here.nics = 0;
	s.run[1].here.nic[0].tx_bytes = 0;
	expect(NULL);
	/* No provider was named: the ways tell it. */
	reset();
	s.r.c.provider[0] = '\0';
	trip_nic_bytes();
	expect("nic_bytes");
	reset();
	s.r.c.provider[0] = '\0';
	strcpy(s.run[0].here.ways, "tcp eth0");
	trip_nic_bytes();
	expect(NULL);
	reset();
	strcpy(s.r.c.backend, "loop");
	strcpy(s.fact[1][0].value, "aaaa");
	for (int i = 0; i < 2; i++)
		s.run[i].here.bytes = s.run[i].there.landed = 100 * GB;
	expect(NULL);
	/* A stream's bytes may be held by both kernels. */
	reset_tcp();
	for (int i = 0; i < 2; i++) {
		s.run[i].here.bytes = 100000000;
		s.run[i].there.landed = 90000000;
	}
	expect(NULL);
}

static void one_host(void **state)
{
	(void)state;
	/* The other side is no foreign load, a line rate is none of the loopback's. */
	reset_tcp();
	trip_same_host();
	for (int i = 0; i < 2; i++) {
		s.run[i].here.cpu.foreign = s.run[i].there.cpu.foreign = 1.1;
		s.run[i].here.bytes = s.run[i].there.landed = 20 * GB;
	}
	expect("same_host");
	/* Two machines that both do not know. */
	reset();
	strcpy(s.fact[0][0].value, "unknown (no such file)");
	strcpy(s.fact[1][0].value, "unknown (no such file)");
	expect(NULL);
	/* Two hosts of an emulator: each has its own NICs. */
	reset();
	trip_same_host();
	strcpy(s.fact[0][2].name, "emulated");
	strcpy(s.fact[0][2].value, "host 0");
	strcpy(s.fact[1][2].name, "emulated");
	strcpy(s.fact[1][2].value, "host 1");
	trip_nic_foreign();
	look();
	assert_int_equal(s.r.flags, 2);
	assert_string_equal(s.r.flag[0].gate, "nic_foreign");
	assert_string_equal(s.r.flag[1].gate, "same_host");
}

static void names_of_nics(void **state)
{
	static const struct {
		const char *devices;
		bool named;
	} rows[] = {
		{ "rdmap0s6", true },   { "rdmap0s6-rdm", true }, { "a,rdmap0s6-rdm,b", true },
		{ "a,rdmap0s6", true }, { "rdmap0s60", false },   { "xrdmap0s6", false },
		{ "rdmap0s", false },   { "a,b", false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		reset();
		strcpy(s.r.c.devices, rows[i].devices);
		expect(rows[i].named ? NULL : "other_nic");
	}
	/* "shm" within another word is none. */
	reset();
	strcpy(s.run[0].here.ways, "efa shmoo0, washm");
	expect(NULL);
}

/* More than there is room for: those that invalidate stay. */
static void many_flags(void **state)
{
	(void)state;
	reset();
	for (uint32_t i = 0; i < perf_gate_rows_n; i++)
		if (strcmp(perf_gate_rows[i].id, "not_tcp") != 0 &&
		    strcmp(perf_gate_rows[i].id, "failed_run") != 0)
			trips[i]();
	s.run[0].error = 0;
	look();
	assert_true(s.r.flags <= PERF_FLAGS_MAX);
	assert_true(s.r.flags > 10);
	assert_true(s.r.invalid);
	for (uint32_t i = 1; i < s.r.flags; i++)
		assert_true(s.r.flag[i - 1].how >= s.r.flag[i].how);
	for (uint32_t i = 1; i < perf_gate_rows_n; i++)
		assert_true(perf_gate_rows[i - 1].how >= perf_gate_rows[i].how);
}

static void nothing_was_measured(void **state)
{
	(void)state;
	reset();
	s.r.run = NULL;
	s.r.runs = 0;
	s.r.latency = NULL;
	s.r.bimodal = true;
	expect("two_modes");
	reset();
	s.run[0].error = s.run[1].error = -1;
	expect("failed_run");
}

static void rows_say_what_to_do(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < perf_gate_rows_n; i++) {
		assert_true(strlen(perf_gate_rows[i].what) > 10);
		assert_true(strlen(perf_gate_rows[i].remedy) > 10);
		for (uint32_t j = 0; j < i; j++)
			assert_string_not_equal(perf_gate_rows[i].id, perf_gate_rows[j].id);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_gate_trips_alone),
		cmocka_unit_test(a_clean_result_trips_none),
		cmocka_unit_test(limits_are_where_they_are_said_to_be),
		cmocka_unit_test(both_ways),
		cmocka_unit_test(what_is_no_nic_is_not_held_against_nics),
		cmocka_unit_test(one_host),
		cmocka_unit_test(names_of_nics),
		cmocka_unit_test(many_flags),
		cmocka_unit_test(nothing_was_measured),
		cmocka_unit_test(rows_say_what_to_do),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
