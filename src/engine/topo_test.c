/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <weft/weft.h>

#include "base/alloc.h"
#include "engine/topo.h"

/* One of tests/topology/make.py's machines. */
static struct topo *machine(const char *name)
{
	const char *dir = getenv("TOPOLOGY");
	struct topo *topo = NULL;
	char path[PATH_MAX];

	assert_non_null(dir);
	snprintf(path, sizeof(path), "%s/%s.xml", dir, name);
	if (topo_load(&topo, path))
		fail_msg("%s", weft_error_detail());
	return topo;
}

static const struct topo_device *device(const struct topo *topo, const char *name)
{
	const struct topo_device *found = topo_find(topo, "", name);

	assert_non_null(found);
	return found;
}

static uint32_t count(const struct topo *topo, enum topo_kind kind, uint64_t nodes)
{
	uint32_t i, n = 0;

	for (i = 0; i < topo->device_count; i++)
		n += topo->devices[i].kind == kind && topo->devices[i].nodes == nodes;
	return n;
}

/* NICs that are as far as that from GPU number index; the first one's name into first. */
static uint32_t nics_at(const struct topo *topo, uint32_t index, enum topo_distance distance,
			char first[32])
{
	const struct topo_device *gpu = NULL;
	uint32_t i, n = 0;

	first[0] = '\0';
	for (i = 0; i < topo->device_count && !gpu; i++)
		if (topo->devices[i].kind == TOPO_GPU && index-- == 0)
			gpu = &topo->devices[i];
	assert_non_null(gpu);
	for (i = 0; i < topo->device_count; i++)
		if (topo->devices[i].kind == TOPO_NIC &&
		    topo_distance(gpu, &topo->devices[i]) == distance && n++ == 0)
			snprintf(first, 32, "%s", topo->devices[i].names[0]);
	return n;
}

static void test_p5_nodes(void **state)
{
	struct topo *topo = machine("p5.48xlarge");
	const struct topo_device *nic = topo_find(topo, "0000:4f:00.0", "");

	(void)state;
	assert_int_equal(topo->node_count, 2);
	assert_int_equal(count(topo, TOPO_NIC, 1), 16);
	assert_int_equal(count(topo, TOPO_NIC, 2), 16);
	assert_int_equal(count(topo, TOPO_GPU, 1), 4);
	assert_int_equal(count(topo, TOPO_GPU, 2), 4);
	assert_non_null(nic);
	assert_string_equal(nic->names[0], "rdmap79s0");
	assert_ptr_equal(nic, device(topo, "rdmap79s0"));
	assert_int_equal(nic->nodes, 1);
	assert_int_equal(device(topo, "rdmap147s0")->nodes, 2);
	assert_int_equal(topo_number(topo, 2), 1);
	assert_int_equal(topo_number(topo, 0), -1);
	assert_null(topo_find(topo, "0000:4e:1f.0", ""));
	assert_null(topo_find(topo, "", "rdmap79s"));
	assert_null(topo_find(topo, "", ""));
	topo_free(topo);
}

static void test_p5_gpu(void **state)
{
	struct topo *topo = machine("p5.48xlarge");
	char first[32];

	(void)state;
	assert_int_equal(nics_at(topo, 3, TOPO_SWITCH, first), 4);
	assert_string_equal(first, "rdmap130s0");
	assert_int_equal(nics_at(topo, 3, TOPO_ROOT, first), 0);
	assert_int_equal(nics_at(topo, 3, TOPO_NODE, first), 12);
	assert_int_equal(nics_at(topo, 3, TOPO_OTHER, first), 16);
	assert_string_equal(first, "rdmap147s0");
	topo_free(topo);
}

static void test_p4d(void **state)
{
	struct topo *topo = machine("p4d.24xlarge");
	char first[32];

	(void)state;
	assert_int_equal(count(topo, TOPO_NIC, 1), 2);
	assert_int_equal(count(topo, TOPO_NIC, 2), 2);
	assert_int_equal(count(topo, TOPO_GPU, 1) + count(topo, TOPO_GPU, 2), 8);
	assert_int_equal(nics_at(topo, 3, TOPO_SWITCH, first), 1);
	assert_string_equal(first, "rdmap32s27");
	assert_int_equal(nics_at(topo, 3, TOPO_NODE, first), 1);
	assert_string_equal(first, "rdmap16s27");
	topo_free(topo);
}

/* One node: everything is near it. An instance's console is no GPU. */
static void test_one_node(void **state)
{
	struct topo *topo = machine("hpc7g.16xlarge");
	cpu_set_t mask;

	(void)state;
	assert_int_equal(topo->node_count, 1);
	assert_int_equal(topo->device_count, 2);
	assert_int_equal(count(topo, TOPO_NIC, 1), 2);
	assert_int_equal(topo_distance(device(topo, "rdmap0s6"), device(topo, "eth0")), TOPO_ROOT);
	CPU_ZERO(&mask);
	CPU_SET(63, &mask);
	assert_int_equal(topo_here(topo, &mask, 63), 1);
	topo_free(topo);
}

static void test_unplaced(void **state)
{
	struct topo *topo = machine("unplaced");

	(void)state;
	assert_int_equal(topo->node_count, 2);
	assert_int_equal(device(topo, "rdmap0s6")->nodes, 0);
	topo_free(topo);
}

static void range(cpu_set_t *mask, int first, int last)
{
	CPU_ZERO(mask);
	for (; first <= last; first++)
		CPU_SET(first, mask);
}

/* p5: CPUs 0-47 and 96-143 are node 0's. */
static void test_here(void **state)
{
	struct topo *topo = machine("p5.48xlarge");
	cpu_set_t mask;

	(void)state;
	range(&mask, 0, 191);
	assert_int_equal(topo_here(topo, &mask, 3), 1);
	assert_int_equal(topo_here(topo, &mask, 50), 2);
	assert_int_equal(topo_here(topo, &mask, 143), 1);
	assert_int_equal(topo_here(topo, &mask, 500), 0);
	assert_int_equal(topo_here(topo, &mask, -1), 0);
	range(&mask, 144, 150);
	assert_int_equal(topo_here(topo, &mask, -1), 2);
	topo_free(topo);
}

static void test_narrow(void **state)
{
	struct topo *topo = machine("p5.48xlarge");
	cpu_set_t mask, before, want;

	(void)state;
	range(&mask, 40, 60);
	range(&want, 40, 47);
	assert_true(topo_narrow(topo, 1, &mask));
	assert_true(CPU_EQUAL(&mask, &want));
	before = mask;
	assert_false(topo_narrow(topo, 2, &mask));
	assert_true(CPU_EQUAL(&mask, &before));
	range(&mask, 40, 60);
	range(&want, 40, 60);
	assert_true(topo_narrow(topo, 3, &mask));
	assert_true(CPU_EQUAL(&mask, &want));
	topo_free(topo);
}

static void write_file(char path[32], const char *text)
{
	int fd;

	snprintf(path, 32, "/tmp/weft_topo_XXXXXX");
	fd = mkstemp(path);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
}

static void test_bad_file(void **state)
{
	static const char *const texts[] = { "", "<topology", "GIF89a",
					     "<?xml version=\"1.0\"?>\n<topology version=\"2.0\">\n"
					     "</topology>\n" };
	struct topo *topo = NULL;
	char path[32];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		write_file(path, texts[i]);
		assert_int_equal(topo_load(&topo, path), -EINVAL);
		assert_non_null(strstr(weft_error_detail(), path));
		unlink(path);
	}
	assert_int_equal(topo_load(&topo, path), -ENOENT);
	assert_non_null(strstr(weft_error_detail(), path));
	assert_null(topo);
}

/* The variable is read too, and a wrong one is told. */
static void test_variable(void **state)
{
	struct topo *topo = NULL;
	char path[PATH_MAX];

	(void)state;
	snprintf(path, sizeof(path), "%s/p4d.24xlarge.xml", getenv("TOPOLOGY"));
	setenv("HWLOC_XMLFILE", path, 1);
	assert_int_equal(topo_load(&topo, NULL), 0);
	assert_int_equal(count(topo, TOPO_NIC, 2), 2);
	topo_free(topo);
	setenv("HWLOC_XMLFILE", "/nowhere/p4d.xml", 1);
	assert_int_equal(topo_load(&topo, NULL), -ENOENT);
	assert_non_null(strstr(weft_error_detail(), "/nowhere/p4d.xml"));
	unsetenv("HWLOC_XMLFILE");
}

/* Whatever machine this is: it has a node, and the CPU that runs this is in one. */
static void test_this_machine(void **state)
{
	struct topo *topo = NULL;
	cpu_set_t mask;

	(void)state;
	assert_int_equal(topo_load(&topo, NULL), 0);
	assert_true(topo->node_count >= 1);
	assert_int_equal(sched_getaffinity(0, sizeof(mask), &mask), 0);
	assert_true(topo_here(topo, &mask, sched_getcpu()) != 0);
	topo_free(topo);
}

static void test_no_memory(void **state)
{
	struct topo *topo = NULL;
	char path[PATH_MAX];
	int n, rc;

	(void)state;
	snprintf(path, sizeof(path), "%s/p4d.24xlarge.xml", getenv("TOPOLOGY"));
	for (n = 1;; n++) {
		mem_fail_at(n);
		rc = topo_load(&topo, path);
		if (!mem_failed())
			break;
		assert_int_equal(rc, -ENOMEM);
	}
	mem_fail_at(0);
	assert_int_equal(rc, 0);
	topo_free(topo);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_p5_nodes),  cmocka_unit_test(test_p5_gpu),
		cmocka_unit_test(test_p4d),       cmocka_unit_test(test_one_node),
		cmocka_unit_test(test_unplaced),  cmocka_unit_test(test_here),
		cmocka_unit_test(test_narrow),    cmocka_unit_test(test_bad_file),
		cmocka_unit_test(test_variable),  cmocka_unit_test(test_this_machine),
		cmocka_unit_test(test_no_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
