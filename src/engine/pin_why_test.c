/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/pin_why.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>
#include <weft/weft.h>

#include "base/err.h"

static int why(int rc, size_t len, const struct pin_host *host)
{
	struct pin_refusal refusal = {
		.rc = rc, .len = len, .whole = len, .device = "rdmap0", .pins = 17
	};

	err_set(rc, "what the provider said");
	return pin_why(&refusal, host);
}

static void says(const char *text)
{
	if (!strstr(weft_error_detail(), text))
		fail_msg("'%s' is not in '%s'", text, weft_error_detail());
}

static const struct pin_host unlimited = { .memlock = UINT64_MAX, .group_max = UINT64_MAX };

static void memory_lock_limit(void **state)
{
	struct pin_host host = unlimited;

	(void)state;
	host.memlock = 8388608;
	host.pinned = 8000000;
	assert_int_equal(why(-ENOMEM, 388609, &host), -WEFT_EMEMLOCK);
	says("388609 bytes on rdmap0");
	says("8388608");
	says("8000000");
	says("what the provider said");
	assert_int_equal(why(-ENOMEM, 388608, &host), -ENOMEM);
	host.pinned = 9000000;
	assert_int_equal(why(-ENOMEM, 1, &host), -WEFT_EMEMLOCK);
	assert_non_null(strstr(weft_remedy(-WEFT_EMEMLOCK), "LimitMEMLOCK=infinity"));
	assert_non_null(strstr(weft_remedy(-WEFT_EMEMLOCK), "/etc/security/limits.d"));
}

static void full_device(void **state)
{
	(void)state;
	assert_int_equal(why(-ENOMEM, SIZE_MAX / 2, &unlimited), -ENOMEM);
	says("max_mr");
	says("17 registrations");
	says("what the provider said");
}

static void control_group(void **state)
{
	struct pin_host host = unlimited;

	(void)state;
	host.group_max = 123456789;
	host.group_in_use = 123456000;
	assert_int_equal(why(-ENOMEM, 790, &host), -ENOMEM);
	says("123456000 of its 123456789 bytes");
	says("memory.max");
	assert_int_equal(why(-ENOMEM, 789, &host), -ENOMEM);
	says("max_mr");
	assert_int_equal(why(-EAGAIN, 1, &unlimited), -WEFT_ELIMIT);
	says("rdma.max");
}

static void other_refusals(void **state)
{
	const struct pin_refusal part = {
		.rc = -EINVAL, .len = 1000, .whole = 5000, .device = "rdmap0"
	};
	struct pin_host host = { .memlock = 0, .group_max = 0 };

	(void)state;
	assert_int_equal(why(-EINVAL, 1000, &host), -WEFT_EPROVIDER);
	says("1000 bytes on rdmap0: the device refuses the range;");
	says("max_mr_size");
	assert_int_equal(pin_why(&part, &host), -WEFT_EPROVIDER);
	says("5000 bytes on rdmap0: the device refuses the range, and a part of 1000 bytes;");
	assert_int_equal(why(-EFAULT, 1000, &host), -EFAULT);
	says("mapped");
	assert_int_equal(why(-WEFT_EPROVIDER, 1000, &host), -WEFT_EPROVIDER);
	says("1000 bytes on rdmap0: what the provider said");
}

static void make_file(const char *root, const char *path, const char *text)
{
	char name[512];
	FILE *file;

	snprintf(name, sizeof(name), "%s/%s", root, path);
	for (char *slash = strchr(name + strlen(root) + 1, '/'); slash;
	     slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		mkdir(name, 0700);
		*slash = '/';
	}
	file = fopen(name, "w");
	assert_non_null(file);
	fputs(text, file);
	fclose(file);
}

static void host_is_read(void **state)
{
	char root[] = "/tmp/weft-pin-why-XXXXXX", remove[64];
	struct rlimit before, small = { 65536, 65536 };
	struct pin_host host;

	(void)state;
	assert_non_null(mkdtemp(root));
	assert_int_equal(getrlimit(RLIMIT_MEMLOCK, &before), 0);
	small.rlim_max = before.rlim_max;
	assert_int_equal(setrlimit(RLIMIT_MEMLOCK, &small), 0);
	pin_host_read(&host, root);
	assert_int_equal(host.memlock, 65536);
	assert_int_equal(host.pinned, 0);
	assert_true(host.group_max == UINT64_MAX);

	make_file(root, "proc/self/status", "VmLck:\t      12 kB\nVmPin:\t     300 kB\n");
	make_file(root, "proc/self/cgroup", "9:name=systemd:/x\n0::/a/b\n");
	make_file(root, "sys/fs/cgroup/a/b/memory.max", "max\n");
	make_file(root, "sys/fs/cgroup/a/b/memory.current", "4096\n");
	pin_host_read(&host, root);
	assert_int_equal(host.pinned, 300 * 1024);
	assert_true(host.group_max == UINT64_MAX);
	make_file(root, "sys/fs/cgroup/a/b/memory.max", "1048576\n");
	pin_host_read(&host, root);
	assert_int_equal(host.group_max, 1048576);
	assert_int_equal(host.group_in_use, 4096);

	make_file(root, "proc/self/cgroup", "4:cpu:/c\n3:memory:/m\n0::/\n");
	make_file(root, "sys/fs/cgroup/memory/m/memory.limit_in_bytes", "777\n");
	make_file(root, "sys/fs/cgroup/memory/m/memory.usage_in_bytes", "55\n");
	pin_host_read(&host, root);
	assert_int_equal(host.group_max, 777);
	assert_int_equal(host.group_in_use, 55);

	assert_int_equal(setrlimit(RLIMIT_MEMLOCK, &before), 0);
	snprintf(remove, sizeof(remove), "rm -r %s", root);
	assert_int_equal(system(remove), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(memory_lock_limit), cmocka_unit_test(full_device),
		cmocka_unit_test(control_group),     cmocka_unit_test(other_refusals),
		cmocka_unit_test(host_is_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
