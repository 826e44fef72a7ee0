/* SPDX-License-Identifier: Apache-2.0 */
#include "perf/cpu.h"

#include <errno.h>

#include "host/fake_tree.h"

#include "base/clock.h"

static struct perf_cpu_reading read_text(const char *text)
{
	struct perf_cpu_reading reading;

	tree_file("stat", text);
	assert_int_equal(perf_cpu_read(&reading, tree), 0);
	return reading;
}

static void all_fields_are_read(void **state)
{
	double tick = 1.0 / (double)sysconf(_SC_CLK_TCK);
	struct perf_cpu_reading r;

	(void)state;
	r = read_text("cpu  1000 200 300 40000 500 60 70 8 900 10\ncpu0 1 1 1 1\nintr 5\n");
	assert_float_equal(r.user, 1000 * tick, 1e-4);
	assert_float_equal(r.nice, 200 * tick, 1e-4);
	assert_float_equal(r.system, 300 * tick, 1e-4);
	assert_float_equal(r.idle, 40500 * tick, 1e-4);
	assert_float_equal(r.irq, 60 * tick, 1e-4);
	assert_float_equal(r.softirq, 70 * tick, 1e-4);
	assert_float_equal(r.steal, 8 * tick, 1e-4);
	assert_true(r.at_ns > 0);
	r = read_text("cpu  1 2 3 4\n");
	assert_float_equal(r.idle, 4 * tick, 1e-4);
	assert_float_equal(r.softirq, 0, 1e-4);
}

static void the_process_itself_is_read(void **state)
{
	struct perf_cpu_reading before = read_text("cpu 1 2 3 4\n"), after;
	volatile uint64_t work = 0;

	(void)state;
	/* Ends: processor time passes while the process works. */
	do {
		for (int i = 0; i < 1000000; i++)
			work = work + 1;
		assert_int_equal(perf_cpu_read(&after, tree), 0);
	} while (after.process < before.process + 0.01);
	assert_true(after.process_sys <= after.process);
}

static void garbage_is_refused(void **state)
{
	static const char *const texts[] = {
		"",
		"\n",
		"cpu",
		"cpu \n",
		"cpu  1 2 3\n",
		"cpu  1 2 3 4", /* cut short */
		"cpu  -1 2 3 4\n",
		"cpu  1 2 3 4x\n",
		"cpu  1 2 3 99999999999999999999999\n",
		"cpu0 1 2 3 4\n",
		"intr 1 2 3 4\n",
	};
	struct perf_cpu_reading reading;
	char big[8192];

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
		tree_file("stat", texts[i]);
		assert_int_equal(perf_cpu_read(&reading, tree), -EINVAL);
	}
	memset(big, '1', sizeof(big));
	memcpy(big, "cpu  ", 5);
	tree_bytes("stat", big, sizeof(big));
	assert_int_equal(perf_cpu_read(&reading, tree), -EINVAL);
	memset(big, 0, sizeof(big));
	tree_bytes("stat", big, sizeof(big));
	assert_int_equal(perf_cpu_read(&reading, tree), -EINVAL);
	tree_remove("stat");
	assert_int_equal(perf_cpu_read(&reading, tree), -ENOENT);
}

static const struct perf_cpu_reading idle_from = { .at_ns = 0 };
/* Two seconds in which others used 0.4 s, 0.1 s of it softirq, and this process 0.2 s. */
static const struct perf_cpu_reading idle_to = {
	.at_ns = 2 * NSEC_PER_SEC,
	.process = 0.2,
	.user = 0.3,
	.system = 0.2,
	.softirq = 0.1,
	.idle = 7,
};
static const struct perf_cpu_reading from = { .at_ns = 10 * NSEC_PER_SEC, .user = 100, .idle = 50 };
/* Ten seconds: 30 s busy, 12 of them this process, 5 softirq. */
static const struct perf_cpu_reading to = {
	.at_ns = 20 * NSEC_PER_SEC,
	.process = 12,
	.process_sys = 9,
	.user = 110,
	.nice = 3,
	.system = 9,
	.irq = 2,
	.softirq = 5,
	.steal = 1,
	.idle = 60,
};

static void differences(void **state)
{
	struct perf_cpu cpu;

	(void)state;
	perf_cpu_between(&cpu, &from, &to, NULL, NULL);
	assert_float_equal(cpu.process, 12, 1e-4);
	assert_float_equal(cpu.process_sys, 9, 1e-4);
	assert_float_equal(cpu.softirq, 5, 1e-4);
	assert_float_equal(cpu.machine, 30, 1e-4);
	assert_float_equal(cpu.foreign, 13, 1e-4);
	/* The baseline is five times as short. */
	perf_cpu_between(&cpu, &from, &to, &idle_from, &idle_to);
	assert_float_equal(cpu.softirq, 4.5, 1e-4);
	assert_float_equal(cpu.machine, 28, 1e-4);
	assert_float_equal(cpu.process, 12, 1e-4);
	assert_float_equal(cpu.foreign, 11.5, 1e-4);
}

static void nothing_gets_negative(void **state)
{
	struct perf_cpu_reading back = to, busy = idle_to;
	struct perf_cpu cpu;

	(void)state;
	back.softirq = -1;
	back.system = -1;
	perf_cpu_between(&cpu, &from, &back, NULL, NULL);
	assert_float_equal(cpu.softirq, 0, 1e-4);
	assert_float_equal(cpu.machine, 16, 1e-4);
	/* Busier before than while it was measured. */
	busy.user = 1000;
	busy.softirq = 1000;
	perf_cpu_between(&cpu, &from, &to, &idle_from, &busy);
	assert_float_equal(cpu.machine, 0, 1e-4);
	assert_float_equal(cpu.softirq, 0, 1e-4);
	assert_float_equal(cpu.foreign, 0, 1e-4);
	/* No time passed. */
	perf_cpu_between(&cpu, &to, &to, &idle_to, &idle_to);
	assert_float_equal(cpu.machine, 0, 1e-4);
}

static void this_machine(void **state)
{
	struct perf_cpu_reading reading;

	(void)state;
	assert_int_equal(perf_cpu_read(&reading, "/proc"), 0);
	assert_true(reading.idle + reading.user > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_fields_are_read),
		cmocka_unit_test(the_process_itself_is_read),
		cmocka_unit_test(garbage_is_refused),
		cmocka_unit_test(differences),
		cmocka_unit_test(nothing_gets_negative),
		cmocka_unit_test(this_machine),
	};

	return cmocka_run_group_tests(tests, tree_open, tree_close);
}
