/* SPDX-License-Identifier: Apache-2.0 */
#include "perf/gate_scene.h"

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

static void trip_nothing_done(void)
{
	s.run[1].here.ops = s.run[1].here.bytes = s.run[1].there.landed = 0;
}

static void trip_duplicates(void)
{
	s.run[1].duplicates = 7;
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
	{ "nothing_done", "in 1.000 s" },
	{ "duplicates", "7 of them" },
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
		cmocka_unit_test(many_flags),
		cmocka_unit_test(nothing_was_measured),
		cmocka_unit_test(rows_say_what_to_do),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
