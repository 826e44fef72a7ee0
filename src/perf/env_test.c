/* SPDX-License-Identifier: Apache-2.0 */
#include "perf/env.h"

#include <math.h>

#include <weft/weft.h>

#include "host/fake_tree.h"

#define CPU "sys/devices/system/cpu/"

static struct perf_env env;

static void collect(void)
{
	perf_env_free(&env);
	assert_int_equal(perf_env_collect(&env, tree), 0);
}

static const char *value(const char *name)
{
	const char *text = perf_env_get(&env, name);

	if (!text)
		fail_msg("no fact %s", name);
	return text;
}

static int open_tree(void **state)
{
	unsetenv("WEFT_EMU_WORLD");
	return tree_open(state);
}

static int close_tree(void **state)
{
	perf_env_free(&env);
	return tree_close(state);
}

static void put_machine(void)
{
	tree_file("sys/class/dmi/id/sys_vendor", "Amazon EC2\n");
	tree_file("sys/class/dmi/id/product_name", "m6i.metal\n");
	tree_file("etc/os-release", "NAME=\"x\"\nPRETTY_NAME=\"Debian GNU/Linux 12\"\nID=debian\n");
	tree_file("proc/sys/kernel/osrelease", "6.1.0-efa\n");
	tree_file("proc/meminfo", "MemTotal:       1024 kB\nMemFree: 1 kB\n");
	tree_file("proc/self/limits",
		  "Limit                     Soft Limit           Hard Limit           Units\n"
		  "Max locked memory         65536                unlimited            bytes\n");
	tree_file("sys/kernel/mm/transparent_hugepage/enabled", "always [madvise] never\n");
	tree_file("sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages", "512\n");
	tree_file("sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages", "12\n");
	tree_file("proc/self/cgroup", "0::/weft/test\n");
	tree_file("sys/fs/cgroup/weft/test/cpu.max", "150000 100000\n");
	tree_file("sys/fs/cgroup/weft/test/memory.max", "max\n");
}

static void put_cpu(int cpu, const char *siblings, const char *governor)
{
	char path[256];

	snprintf(path, sizeof(path), CPU "cpu%d/topology/core_id", cpu);
	tree_file(path, "0\n");
	snprintf(path, sizeof(path), CPU "cpu%d/topology/thread_siblings_list", cpu);
	tree_file(path, siblings);
	snprintf(path, sizeof(path), CPU "cpu%d/cpufreq/scaling_governor", cpu);
	tree_file(path, governor);
}

static void the_machine(void **state)
{
	(void)state;
	put_machine();
	collect();
	assert_string_equal(value("instance_type"), "m6i.metal");
	assert_true(fabs(env.line_rate - 6.25e9) < 1);
	assert_string_equal(value("os"), "Debian GNU/Linux 12");
	assert_string_equal(value("kernel"), "6.1.0-efa");
	assert_string_equal(value("memory"), "1024 kB");
	assert_string_equal(value("memlock"), "65536 bytes, hard unlimited");
	assert_string_equal(value("thp"), "madvise");
	assert_string_equal(value("huge_pages.2048kB"), "512, free 12");
	assert_string_equal(value("cgroup"), "/weft/test");
	assert_string_equal(value("cgroup.cpus"), "1.50");
	assert_string_equal(value("cgroup.memory"), "no limit");
	assert_string_equal(value("weft"), weft_version());
	assert_true(*value("library.libfabric") >= '1');
	assert_null(perf_env_get(&env, "no such"));
}

static void other_machines(void **state)
{
	(void)state;
	put_machine();
	tree_file("sys/class/dmi/id/product_name", "zz9.xlarge\n");
	tree_file("sys/fs/cgroup/weft/test/cpu.max", "max 100000\n");
	collect();
	assert_string_equal(value("instance_type"), "zz9.xlarge");
	assert_true(env.line_rate == 0);
	assert_string_equal(value("cgroup.cpus"), "no quota");
	tree_file("sys/class/dmi/id/sys_vendor", "QEMU\n");
	tree_file("sys/class/dmi/id/product_name", "m6i.metal\n");
	tree_file("proc/self/cgroup", "1:cpu:/x\n");
	tree_file("sys/fs/cgroup/weft/test/cpu.max", "1\n");
	collect();
	assert_string_equal(value("instance_type"), "not EC2 (QEMU m6i.metal)");
	assert_true(env.line_rate == 0);
	assert_string_equal(value("cgroup"), "unknown (not version 2)");
}

/* Nothing is there: each fact says so. */
static void an_empty_root(void **state)
{
	static const char *const names[] = { "instance_type", "os",  "kernel",      "memory",
					     "memlock",       "cpu", "governor",    "smt",
					     "cgroup",        "thp", "cpus.online", "c_states",
					     "cores" };

	(void)state;
	collect();
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		assert_memory_equal(value(names[i]), "unknown (", 9);
	assert_string_equal(value("driver.efa"), "not loaded");
	assert_string_equal(value("nics"), "none");
}

static void processors(void **state)
{
	(void)state;
	tree_file("proc/cpuinfo", "processor\t: 0\nmodel name\t: Xeon (R) 8375C\nflags\t: x\n");
	tree_file(CPU "online", "0-2\n");
	tree_file(CPU "isolated", "\n");
	tree_file(CPU "smt/active", "1\n");
	put_cpu(0, "0,2\n", "performance\n");
	put_cpu(1, "1\n", "performance\n");
	put_cpu(2, "0,2\n", "performance\n");
	tree_file(CPU "cpu0/cpuidle/state0/name", "POLL\n");
	tree_file(CPU "cpu0/cpuidle/state0/disable", "0\n");
	tree_file(CPU "cpu0/cpuidle/state1/name", "C6\n");
	tree_file(CPU "cpu0/cpuidle/state1/disable", "1\n");
	collect();
	assert_string_equal(value("cpu"), "Xeon (R) 8375C");
	assert_string_equal(value("cpus.online"), "0-2");
	assert_string_equal(value("cpus.isolated"), "none");
	assert_string_equal(value("smt"), "on");
	assert_string_equal(value("cores"), "2, threads 3");
	assert_string_equal(value("governor"), "performance");
	assert_string_equal(value("c_states"), "POLL C6 (off)");
	put_cpu(2, "0,2\n", "powersave\n");
	collect();
	assert_string_equal(value("governor"), "mixed (performance, powersave)");
}

static void devices(void **state)
{
	(void)state;
	tree_file("sys/module/efa/version", "2.13.0\n");
	tree_file("sys/module/ena/parameters/x", "1\n");
	tree_file("sys/bus/0000:00:06.0/numa_node", "1\n");
	tree_file("sys/bus/0000:00:06.0/vendor", "0x1d0f\n");
	tree_file("sys/bus/0000:00:06.0/device", "0xefa1\n");
	tree_link("sys/bus/0000:00:06.0/driver", "../drivers/efa");
	tree_link("sys/class/infiniband/rdmap0s6/device", "../../../bus/0000:00:06.0");
	tree_file("sys/class/infiniband/rdmap0s6/ports/1/rate", "100 Gb/sec (4X EDR)\n");
	tree_file("sys/class/net/lo/mtu", "65536\n");
	tree_file("sys/class/net/eth0/mtu", "9001\n");
	tree_file("sys/class/net/eth0/speed", "-1\n");
	collect();
	assert_string_equal(value("driver.efa"), "2.13.0");
	assert_string_equal(value("driver.ena"), "of the kernel, without a version of its own");
	assert_string_equal(value("nic.rdmap0s6"),
			    "pci 0000:00:06.0, node 1, 0x1d0f:0xefa1, driver efa, firmware ?, "
			    "100 Gb/sec (4X EDR), port ?");
	assert_string_equal(value("net.eth0"), "mtu 9001, ? Mbit/s, ?, pci ?, driver ?");
	assert_null(perf_env_get(&env, "net.lo"));
	assert_null(perf_env_get(&env, "nics"));
}

static void variables(void **state)
{
	char big[1000];

	(void)state;
	memset(big, 'x', sizeof(big) - 1);
	big[sizeof(big) - 1] = '\0';
	assert_int_equal(setenv("FI_PROVIDER", "tcp", 1), 0);
	assert_int_equal(setenv("FI_EFA_DEVICE_NAME", "rdmap0s6", 1), 0);
	assert_int_equal(setenv("FI_EFA_USE_DEVICE_RDMA", "1", 1), 0);
	assert_int_equal(setenv("FI_ZZ_BIG", big, 1), 0);
	assert_int_equal(setenv("NCCL_DEBUG", "a\nb\x7f", 1), 0);
	assert_int_equal(setenv("RDMAV_FORK_SAFE", "", 1), 0);
	assert_int_equal(setenv("XFI_PROVIDER", "no", 1), 0);
	collect();
	assert_string_equal(value("env.FI_PROVIDER"), "tcp");
	assert_string_equal(value("env.FI_EFA_USE_DEVICE_RDMA"), "1");
	assert_string_equal(value("env.FI_EFA_DEVICE_NAME"),
			    "[libfabric does not know this name] rdmap0s6");
	assert_memory_equal(value("env.FI_ZZ_BIG"), "[libfabric does not know this name] xx", 38);
	assert_string_equal(value("env.FI_ZZ_BIG") + PERF_TEXT_MAX - 5, "x...");
	assert_string_equal(value("env.NCCL_DEBUG"), "a b ");
	assert_string_equal(value("env.RDMAV_FORK_SAFE"), "");
	assert_null(perf_env_get(&env, "env.XFI_PROVIDER"));
	for (uint32_t i = 1; i < env.facts; i++)
		if (!strncmp(env.fact[i - 1].name, "env.", 4))
			assert_true(strcmp(env.fact[i - 1].name, env.fact[i].name) < 0);
	unsetenv("FI_EFA_DEVICE_NAME");
	unsetenv("FI_ZZ_BIG");
	collect();
	assert_null(perf_env_get(&env, "env.FI_ZZ_BIG"));
}

/* efa would abort the process on this one: libfabric is not asked, no name is marked. */
static void a_variable_that_aborts(void **state)
{
	(void)state;
	tree_file("class/infiniband/rdmap0s6/node_guid", "1\n");
	assert_int_equal(setenv("SYSFS_PATH", tree, 1), 0);
	assert_int_equal(setenv("FI_EFA_MTU_SIZE", "1", 1), 0);
	assert_int_equal(setenv("FI_ZZ", "2", 1), 0);
	collect();
	assert_string_equal(value("env.FI_EFA_MTU_SIZE"), "1");
	assert_string_equal(value("env.FI_ZZ"), "2");
	unsetenv("FI_EFA_MTU_SIZE");
	collect();
	assert_string_equal(value("env.FI_ZZ"), "[libfabric does not know this name] 2");
	unsetenv("FI_ZZ");
	unsetenv("SYSFS_PATH");
}

static void an_emulated_nic_has_no_line_rate(void **state)
{
	(void)state;
	put_machine();
	assert_int_equal(setenv("WEFT_EMU_WORLD", "/dev/shm/w", 1), 0);
	collect();
	assert_non_null(strstr(value("emulated"), "/dev/shm/w"));
	assert_true(env.line_rate == 0);
	unsetenv("WEFT_EMU_WORLD");
}

/* Whatever stands in the files, facts are text that ends. */
static void odd_files(void **state)
{
	static const char *const paths[] = {
		"sys/class/dmi/id/sys_vendor",
		"sys/class/dmi/id/product_name",
		"etc/os-release",
		"proc/sys/kernel/osrelease",
		"proc/meminfo",
		"proc/cpuinfo",
		"proc/self/limits",
		"proc/self/cgroup",
		"proc/cmdline",
		CPU "cpu0/topology/core_id",
		CPU "cpu0/cpuidle/state0/name",
		CPU "smt/active",
	};
	uint64_t random = 3;
	char bytes[10000];

	(void)state;
	for (int round = 0; round < 40; round++) {
		for (size_t i = 0; i < sizeof(bytes); i++) {
			random = random * 6364136223846793005u + 1442695040888963407u;
			bytes[i] = round % 2 ? (char)(random >> 56)
					     : "Amazon\n:[]\"=/0::Max MemTotal: model name"
						       [(random >> 40) % 40];
		}
		for (size_t i = 0; i < sizeof(paths) / sizeof(*paths); i++)
			tree_bytes(paths[i], bytes + i * 7, round * 240u);
		collect();
		for (uint32_t i = 0; i < env.facts; i++) {
			assert_true(memchr(env.fact[i].name, 0, PERF_NAME_MAX) != NULL);
			assert_true(memchr(env.fact[i].value, 0, PERF_TEXT_MAX) != NULL);
			assert_null(strpbrk(env.fact[i].value, "\n\r\t\x1b"));
		}
	}
}

static void this_machine(void **state)
{
	(void)state;
	perf_env_free(&env);
	assert_int_equal(perf_env_collect(&env, ""), 0);
	assert_true(value("kernel")[0] >= '1' && value("kernel")[0] <= '9');
	assert_non_null(strstr(value("cores"), "threads"));
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, open_tree, close_tree)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(the_machine),
		CASE(other_machines),
		CASE(an_empty_root),
		CASE(processors),
		CASE(devices),
		CASE(variables),
		CASE(a_variable_that_aborts),
		CASE(an_emulated_nic_has_no_line_rate),
		CASE(odd_files),
		CASE(this_machine),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
