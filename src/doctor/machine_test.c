/* SPDX-License-Identifier: Apache-2.0 */
#include "doctor/machine.h"
#include "host/fake_tree.h"

#include <errno.h>

static struct doctor doctor;

static int open_tree(void **state)
{
	if (tree_open(state))
		return -1;
	memset(&doctor, 0, sizeof(doctor));
	doctor.sysroot_given = true;
	return sysroot_open(&doctor.root, tree, NULL);
}

static int close_tree(void **state)
{
	sysroot_close(&doctor.root);
	return tree_close(state);
}

static void list_of_numbers_is_counted(void **state)
{
	(void)state;
	assert_int_equal(machine_count_list("0-127", 1024), 128);
	assert_int_equal(machine_count_list("0-3,8,10-11", 1024), 7);
	assert_int_equal(machine_count_list("0", 1024), 1);
	assert_int_equal(machine_count_list("", 1024), 0);
	assert_int_equal(machine_count_list("0-", 1024), 0);
	assert_int_equal(machine_count_list("5-2", 1024), 0);
	assert_int_equal(machine_count_list("0-1024", 1024), 0);
	assert_int_equal(machine_count_list("0-1023", 1024), 1024);
	assert_int_equal(machine_count_list("0-99999999999999999999", 1024), 0);
	assert_int_equal(machine_count_list("all", 1024), 0);
}

static void bytes_are_shown_as_one_reads_them(void **state)
{
	char text[32];

	(void)state;
	assert_string_equal(machine_bytes(0, text, sizeof(text)), "0 bytes");
	assert_string_equal(machine_bytes(64 * KIB, text, sizeof(text)), "64 KiB");
	assert_string_equal(machine_bytes(GIB + GIB / 2, text, sizeof(text)), "1.5 GiB");
	assert_string_equal(machine_bytes(527950340 * KIB, text, sizeof(text)), "503 GiB");
	assert_string_equal(machine_bytes(UINT64_MAX, text, sizeof(text)), "unlimited");
	assert_string_equal(machine_bytes(UINT64_MAX - 1, text, sizeof(text)), "16777216 TiB");
}

static void line_of_meminfo_is_found(void **state)
{
	uint64_t value = 7;

	(void)state;
	assert_int_equal(machine_memory(&doctor, "MemTotal", &value), -ENOENT);
	tree_file("proc/meminfo", "MemTotalNot:  1 kB\nMemTotal:  16 kB\nMemFree: much\n");
	assert_int_equal(machine_memory(&doctor, "MemTotal", &value), 0);
	assert_int_equal(value, 16 * KIB);
	assert_int_equal(machine_memory(&doctor, "MemFree", &value), -EBADMSG);
	assert_int_equal(machine_memory(&doctor, "Hugepagesize", &value), -ENOENT);
	assert_int_equal(value, 16 * KIB);
}

static void capability_is_that_of_all_devices(void **state)
{
	(void)state;
	doctor.probe = "";
	assert_int_equal(machine_efa_can(&doctor, EFA_CAN_RDMA_READ), -1);
	doctor.probe = "dev.0=mlx5_0\ndev.1=efa_0\ndev.1.efa.caps=0xf\n";
	assert_int_equal(machine_efa_can(&doctor, EFA_CAN_RDMA_READ), 1);
	doctor.probe = "dev.1.efa.caps=0xf\ndev.7.efa.caps=0x2\n";
	assert_int_equal(machine_efa_can(&doctor, EFA_CAN_RDMA_READ), 0);
	assert_int_equal(machine_libfabric(&doctor), 0);
	doctor.probe = "libfabric=1.17.0\n";
	assert_int_equal(machine_libfabric(&doctor), 1017000);
	doctor.probe = NULL;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(list_of_numbers_is_counted),
		cmocka_unit_test(bytes_are_shown_as_one_reads_them),
		cmocka_unit_test_setup_teardown(line_of_meminfo_is_found, open_tree, close_tree),
		cmocka_unit_test_setup_teardown(capability_is_that_of_all_devices, open_tree,
						close_tree),
	};

	return cmocka_run_group_tests_name("machine", tests, NULL, NULL);
}
