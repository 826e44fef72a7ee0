/* SPDX-License-Identifier: Apache-2.0 */
/*
 * weft_opts.nics and bind_thread on the four emulated NICs of a p4d.24xlarge, whose topology comes
 * from a file: two NICs in each node. Runs under weft emu; TOPOLOGY is the folder of the files.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <weft/weft.h>

static char logged[4096];
static cpu_set_t allowed; /* when the test began */

static void keep_log(void *ctx, int level, const char *text)
{
	size_t len = strlen(logged);

	(void)ctx;
	(void)level;
	snprintf(logged + len, sizeof(logged) - len, "%s\n", text);
}

static struct weft_opts near_opts(const char *topology, uint32_t nics, uint32_t rails)
{
	struct weft_opts opts = {
		.size = sizeof(opts),
		.provider = "efa",
		.rails = rails,
		.nics = nics,
		.progress = WEFT_PROGRESS_MANUAL,
		.log = keep_log,
		.log_level = WEFT_LOG_WARN,
	};
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/%s.xml", getenv("TOPOLOGY"), topology);
	setenv("HWLOC_XMLFILE", path, 1);
	logged[0] = '\0';
	return opts;
}

static struct weft *open_engine(const struct weft_opts *opts)
{
	struct weft *weft = NULL;

	if (weft_open(&weft, opts))
		fail_msg("weft_open: %s", weft_error_detail());
	return weft;
}

static void expect_rail(struct weft *weft, uint32_t index, const char *device, int node)
{
	struct weft_rail_info info = { .size = sizeof(info) };

	assert_int_equal(weft_rail(weft, index, &info), 0);
	assert_string_equal(info.device, device);
	assert_int_equal(info.numa_known, node >= 0);
	assert_int_equal(info.numa_node, node >= 0 ? node : 0);
}

static void expect_rails(struct weft *weft, uint32_t count)
{
	struct weft_rail_info info = { .size = sizeof(info) };

	assert_int_equal(weft_rail(weft, count - 1, &info), 0);
	assert_int_equal(weft_rail(weft, count, &info), -ENOENT);
}

static void use_cpu(int cpu)
{
	cpu_set_t mask;

	if (!CPU_ISSET(cpu, &allowed))
		skip(); /* this machine, or what this process may use of it, lacks it */
	CPU_ZERO(&mask);
	CPU_SET(cpu, &mask);
	assert_int_equal(sched_setaffinity(0, sizeof(mask), &mask), 0);
}

static int all_cpus(void **state)
{
	(void)state;
	return sched_setaffinity(0, sizeof(allowed), &allowed);
}

static void test_all(void **state)
{
	struct weft_opts opts = near_opts("p4d-mixed", WEFT_NICS_ALL, 4);
	struct weft *weft = open_engine(&opts);

	(void)state;
	expect_rails(weft, 4);
	/* As sysfs says, without a topology. */
	expect_rail(weft, 0, "rdmap16s27-rdm", 0);
	expect_rail(weft, 3, "rdmap160s27-rdm", 1);
	weft_close(weft);
}

static void near_node(int cpu, const char *first, const char *second)
{
	struct weft_opts opts = near_opts("p4d-mixed", WEFT_NICS_NEAR, 2);
	struct weft *weft;

	use_cpu(cpu);
	weft = open_engine(&opts);
	expect_rails(weft, 2);
	expect_rail(weft, 0, first, cpu);
	expect_rail(weft, 1, second, cpu);
	assert_string_equal(logged, "");
	weft_close(weft);
}

static void test_node_0(void **state)
{
	(void)state;
	near_node(0, "rdmap16s27-rdm", "rdmap32s27-rdm");
}

static void test_node_1(void **state)
{
	(void)state;
	near_node(1, "rdmap144s27-rdm", "rdmap160s27-rdm");
}

/* More rails than NICs in the node: told, not filled up with far ones. */
static void test_too_many(void **state)
{
	struct weft_opts opts = near_opts("p4d-mixed", WEFT_NICS_NEAR, 3);
	struct weft *weft = NULL;

	(void)state;
	use_cpu(0);
	assert_int_equal(weft_open(&weft, &opts), -WEFT_ENODEVICE);
	assert_non_null(strstr(weft_error_detail(), "3 rails asked, 2 devices (nics: near)"));
}

/* The list of devices comes first: of the one that it leaves, near has nothing to take. */
static void test_listed_far(void **state)
{
	struct weft_opts opts = near_opts("p4d-mixed", WEFT_NICS_NEAR, 1);
	struct weft *weft;

	(void)state;
	use_cpu(0);
	opts.devices = "rdmap144s27-rdm";
	weft = open_engine(&opts);
	expect_rail(weft, 0, "rdmap144s27-rdm", 1);
	assert_non_null(strstr(logged, "no device is in the NUMA node of this thread"));
	weft_close(weft);
}

static void test_unknown(void **state)
{
	struct weft_opts opts = near_opts("unplaced", WEFT_NICS_NEAR, 4);
	struct weft *weft = open_engine(&opts);

	(void)state;
	expect_rails(weft, 4);
	expect_rail(weft, 0, "rdmap16s27-rdm", -1);
	assert_non_null(strstr(logged, "the NUMA node of no device is known"));
	weft_close(weft);
}

static void test_no_file(void **state)
{
	struct weft_opts opts = near_opts("nonesuch", WEFT_NICS_NEAR, 1);
	struct weft *weft = NULL;

	(void)state;
	assert_int_equal(weft_open(&weft, &opts), -ENOENT);
	assert_non_null(strstr(weft_error_detail(), "nics: near: topology"));
	assert_non_null(strstr(weft_error_detail(), "nonesuch.xml"));
	opts.nics = WEFT_NICS_ALL; /* looks at no topology */
	weft_close(open_engine(&opts));
}

static void test_refused(void **state)
{
	struct weft_opts opts = near_opts("p4d-mixed", WEFT_NICS_NEAR + 1, 1);
	struct weft *weft = NULL;

	(void)state;
	assert_int_equal(weft_open(&weft, &opts), -EINVAL);
	opts.nics = WEFT_NICS_ALL;
	opts.bind_thread = 1; /* there is none in manual mode */
	assert_int_equal(weft_open(&weft, &opts), -EINVAL);
	opts.progress = WEFT_PROGRESS_THREAD;
	opts.bind_thread = 2;
	assert_int_equal(weft_open(&weft, &opts), -EINVAL);
	assert_null(weft);
}

static bool is_owner(const char *task)
{
	char path[PATH_MAX], name[32] = "";
	FILE *file;

	snprintf(path, sizeof(path), "/proc/self/task/%s/comm", task);
	file = fopen(path, "re");
	if (!file)
		return false;
	if (!fgets(name, sizeof(name), file))
		name[0] = '\0';
	fclose(file);
	return strcmp(name, "weft-engine\n") == 0;
}

/* The thread names itself when it starts: a call that it has answered comes after that. */
static cpu_set_t owner_cpus(struct weft *weft)
{
	struct weft_stats stats = { .size = sizeof(stats) };
	struct dirent *entry;
	cpu_set_t cpus;
	int found = 0;
	DIR *dir;

	assert_int_equal(weft_stats(weft, &stats), 0);
	dir = opendir("/proc/self/task");
	assert_non_null(dir);
	CPU_ZERO(&cpus);
	while ((entry = readdir(dir)))
		if (is_owner(entry->d_name)) {
			found++;
			assert_int_equal(
				sched_getaffinity(atoi(entry->d_name), sizeof(cpus), &cpus), 0);
		}
	closedir(dir);
	assert_int_equal(found, 1);
	return cpus;
}

static cpu_set_t bound_to(const char *topology, uint32_t bind_thread)
{
	struct weft_opts opts = near_opts(topology, WEFT_NICS_ALL, 1);
	struct weft *weft;
	cpu_set_t cpus;

	opts.progress = WEFT_PROGRESS_THREAD;
	opts.bind_thread = bind_thread;
	opts.devices = "rdmap144s27-rdm";
	weft = open_engine(&opts);
	cpus = owner_cpus(weft);
	expect_rail(weft, 0, "rdmap144s27-rdm",
		    bind_thread && strcmp(topology, "unplaced") == 0 ? -1 : 1);
	weft_close(weft);
	return cpus;
}

static void test_bound(void **state)
{
	cpu_set_t cpus, mask;

	(void)state;
	if (!CPU_ISSET(0, &allowed) || !CPU_ISSET(1, &allowed))
		skip();
	cpus = bound_to("p4d-mixed", 1);
	assert_true(CPU_ISSET(1, &cpus));
	assert_false(CPU_ISSET(0, &cpus));
	CPU_AND(&mask, &cpus, &allowed);
	assert_true(CPU_EQUAL(&mask, &cpus));
	assert_string_equal(logged, "");
	/* The thread that opened it keeps what it had. */
	assert_int_equal(sched_getaffinity(0, sizeof(mask), &mask), 0);
	assert_true(CPU_EQUAL(&mask, &allowed));
}

/* The process may use no CPU near the NIC: its mask is not widened. */
static void test_not_widened(void **state)
{
	cpu_set_t cpus;

	(void)state;
	use_cpu(0);
	cpus = bound_to("p4d-mixed", 1);
	assert_int_equal(CPU_COUNT(&cpus), 1);
	assert_true(CPU_ISSET(0, &cpus));
	assert_non_null(strstr(logged, "no CPU that this thread may use is near the NICs"));
}

static void test_not_bound(void **state)
{
	cpu_set_t cpus = bound_to("p4d-mixed", 0);

	(void)state;
	assert_true(CPU_EQUAL(&cpus, &allowed));
	cpus = bound_to("unplaced", 1);
	assert_true(CPU_EQUAL(&cpus, &allowed));
	assert_non_null(strstr(logged, "the NUMA node of no NIC is known"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(test_all, all_cpus),
		cmocka_unit_test_teardown(test_node_0, all_cpus),
		cmocka_unit_test_teardown(test_node_1, all_cpus),
		cmocka_unit_test_teardown(test_too_many, all_cpus),
		cmocka_unit_test_teardown(test_listed_far, all_cpus),
		cmocka_unit_test_teardown(test_unknown, all_cpus),
		cmocka_unit_test_teardown(test_no_file, all_cpus),
		cmocka_unit_test_teardown(test_refused, all_cpus),
		cmocka_unit_test_teardown(test_bound, all_cpus),
		cmocka_unit_test_teardown(test_not_widened, all_cpus),
		cmocka_unit_test_teardown(test_not_bound, all_cpus),
	};

	if (sched_getaffinity(0, sizeof(allowed), &allowed))
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
