/* SPDX-License-Identifier: Apache-2.0 */
/* Where the gates' limits are, and what is not held against a result. */
#include <math.h>

#include "perf/gate_scene.h"

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
	/* Ends that did not measure for the same time, or did not look for a while. */
	reset();
	s.run[0].there.landed = s.run[0].here.bytes * 80 / 100;
	s.run[0].there.ns = s.run[0].here.ns * 80 / 100;
	expect(NULL);
	reset();
	s.run[0].there.landed = s.run[0].here.bytes * 97 / 100;
	s.run[0].there.longest_gap_ns = s.run[0].here.ns / 100;
	expect(NULL);
	reset();
	s.run[0].here.nic[0].tx_bytes = s.run[0].here.bytes * 94 / 100;
	s.run[0].here.longest_gap_ns = s.run[0].here.ns / 50;
	expect(NULL);
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
	s.run[1].here.nic[0].tx_bytes = 5 * GB;
	expect("nic_bytes");
	reset();
	s.r.c.provider[0] = '\0';
	strcpy(s.run[0].here.ways, "tcp eth0");
	s.run[1].here.nic[0].tx_bytes = 5 * GB;
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
	strcpy(s.fact[1][0].value, s.fact[0][0].value);
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
	strcpy(s.fact[1][0].value, s.fact[0][0].value);
	strcpy(s.fact[0][2].name, "emulated");
	strcpy(s.fact[0][2].value, "host 0");
	strcpy(s.fact[1][2].name, "emulated");
	strcpy(s.fact[1][2].value, "host 1");
	s.run[0].here.nic[0].tx_bytes = 9 * GB;
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(limits_are_where_they_are_said_to_be),
		cmocka_unit_test(both_ways),
		cmocka_unit_test(what_is_no_nic_is_not_held_against_nics),
		cmocka_unit_test(one_host),
		cmocka_unit_test(names_of_nics),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
