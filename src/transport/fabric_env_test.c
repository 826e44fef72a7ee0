/* SPDX-License-Identifier: Apache-2.0 */
/* What libfabric is told by the environment, and what weft reads there; devices are made up. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "transport/fabric.h"
#include <weft/environment.h>

/* Instead of efa_device.c's: device 0 is the first. */
static struct {
	const char *name;
	struct efa_device device;
} devices[2];

bool fabric_efa_device(const char *name, struct efa_device *ret)
{
	size_t i;

	for (i = 0; i < sizeof(devices) / sizeof(devices[0]); i++) {
		if (!devices[i].name || (name && strcmp(devices[i].name, name) != 0))
			continue;
		*ret = devices[i].device;
		return true;
	}
	return false;
}

/* A sysfs with one RDMA device, so that somebody asks. */
static char sysfs[64];

static int begin(void **state)
{
	char path[256];

	(void)state;
	memset(devices, 0, sizeof(devices));
	devices[0].name = "rdmap0";
	devices[0].device = (struct efa_device){ .part = 0xefa1, .reads = true };
	unsetenv("FI_EFA_USE_DEVICE_RDMA");
	unsetenv("FI_EFA_INTER_MIN_READ_WRITE_SIZE");
	unsetenv("FI_MR_CACHE_MAX_COUNT");
	snprintf(sysfs, sizeof(sysfs), "/tmp/weft-env-XXXXXX");
	assert_non_null(mkdtemp(sysfs));
	snprintf(path, sizeof(path), "%s/class", sysfs);
	assert_int_equal(mkdir(path, 0700), 0);
	snprintf(path, sizeof(path), "%s/class/infiniband", sysfs);
	assert_int_equal(mkdir(path, 0700), 0);
	snprintf(path, sizeof(path), "%s/class/infiniband/rdmap0", sysfs);
	assert_int_equal(mkdir(path, 0700), 0);
	return setenv("SYSFS_PATH", sysfs, 1);
}

static int end(void **state)
{
	static const char *const parts[] = { "/class/infiniband/rdmap0", "/class/infiniband",
					     "/class", "" };
	char path[256];

	(void)state;
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		snprintf(path, sizeof(path), "%s%s", sysfs, parts[i]);
		assert_int_equal(rmdir(path), 0);
	}
	return 0;
}

static bool asks(void)
{
	return FI_VERSION_LT(fi_version(), FI_VERSION(1, 18));
}

static void what_the_user_has_set_stays(void **state)
{
	(void)state;
	assert_int_equal(weft_set_environment(), 0);
	assert_string_equal(getenv("FI_MR_CACHE_MAX_COUNT"), "0");
	if (asks())
		assert_string_equal(getenv("FI_EFA_USE_DEVICE_RDMA"), "1");
	else
		assert_null(getenv("FI_EFA_USE_DEVICE_RDMA"));
	setenv("FI_MR_CACHE_MAX_COUNT", "7", 1);
	setenv("FI_EFA_USE_DEVICE_RDMA", "0", 1);
	assert_int_equal(weft_set_environment(), 0);
	assert_string_equal(getenv("FI_MR_CACHE_MAX_COUNT"), "7");
	assert_string_equal(getenv("FI_EFA_USE_DEVICE_RDMA"), "0");
}

/* There libfabric would end the process. */
static void no_device_is_asked_for_what_it_has_not(void **state)
{
	(void)state;
	devices[0].device.reads = false;
	assert_int_equal(weft_set_environment(), 0);
	assert_null(getenv("FI_EFA_USE_DEVICE_RDMA"));
	devices[0].name = NULL;
	assert_int_equal(weft_set_environment(), 0);
	assert_null(getenv("FI_EFA_USE_DEVICE_RDMA"));
}

static void who_reads_is_as_1_17_decides_it(void **state)
{
	(void)state;
	if (!asks()) {
		assert_int_equal(fabric_efa_fetches("rdmap0"), WEFT_RDMA_UNKNOWN);
		return;
	}
	assert_int_equal(fabric_efa_fetches("rdmap0"), WEFT_RDMA_SOFTWARE);
	setenv("FI_EFA_USE_DEVICE_RDMA", "1", 1);
	assert_int_equal(fabric_efa_fetches("rdmap0"), WEFT_RDMA_DEVICE);
	devices[0].device.part = 0xefa2;
	unsetenv("FI_EFA_USE_DEVICE_RDMA");
	assert_int_equal(fabric_efa_fetches("rdmap0"), WEFT_RDMA_DEVICE);
	devices[1].name = "rdmap1"; /* which cannot, behind one that can */
	assert_int_equal(fabric_efa_fetches("rdmap1"), WEFT_RDMA_SOFTWARE);
	assert_int_equal(fabric_efa_fetches("rdmap2"), WEFT_RDMA_UNKNOWN);
	setenv("FI_EFA_USE_DEVICE_RDMA", "0", 1);
	assert_int_equal(fabric_efa_fetches("rdmap0"), WEFT_RDMA_SOFTWARE);
}

static void the_shortest_write_that_is_fetched(void **state)
{
	(void)state;
	assert_int_equal(fabric_efa_fetch_min(), 64 << 10);
	setenv("FI_EFA_INTER_MIN_READ_WRITE_SIZE", "0x4000", 1);
	assert_int_equal(fabric_efa_fetch_min(), 16 << 10);
	setenv("FI_EFA_INTER_MIN_READ_WRITE_SIZE", "-1", 1); /* never */
	assert_true(fabric_efa_fetch_min() == UINT64_MAX);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(what_the_user_has_set_stays),
		CASE(no_device_is_asked_for_what_it_has_not),
		CASE(who_reads_is_as_1_17_decides_it),
		CASE(the_shortest_write_that_is_fetched),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
