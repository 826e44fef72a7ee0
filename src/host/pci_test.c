/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>

#include "host/fake_root.h"
#include "host/nic.h"

static void put_function(const char *address, const char *vendor, const char *device,
			 const char *class)
{
	static const char *const files[] = { "vendor", "device", "class" };
	const char *const texts[] = { vendor, device, class };
	char path[256], target[256];

	for (int i = 0; i < 3; i++) {
		snprintf(path, sizeof(path), "sys/devices/pci0000:10/%s/%s", address, files[i]);
		tree_file(path, texts[i]);
	}
	snprintf(path, sizeof(path), "sys/bus/pci/devices/%s", address);
	snprintf(target, sizeof(target), "../../../devices/pci0000:10/%s", address);
	tree_link(path, target);
}

static void functions_are_known_by_their_ids(void **state)
{
	static const struct {
		uint32_t vendor, device, class_code;
		bool efa, gpu;
	} rows[] = {
		{ 0x1d0f, 0xefa0, 0x020000, true, false },
		{ 0x1d0f, 0xefa4, 0x020000, true, false },
		{ 0x1d0f, 0xefa5, 0x020000, false, false },
		{ 0x1d0f, 0xec20, 0x020000, false, false },
		{ 0x10de, 0x2330, 0x030200, false, true },
		{ 0x10de, 0x1eb8, 0x030000, false, true },
		{ 0x10de, 0x22a3, 0x068000, false, false }, /* NVSwitch */
		{ 0x1d0f, 0x7064, 0x088000, false, true },
		{ 0x1d0f, 0x7164, 0x088000, false, true },
		{ 0x1d0f, 0x7264, 0x088000, false, true },
		{ 0x1d0f, 0x7364, 0x088000, false, true },
		{ 0x1d0f, 0x1111, 0x030000, false, false }, /* the console of an instance */
		{ 0x1002, 0x7064, 0x030000, false, false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		const struct host_pci pci = { .vendor = rows[i].vendor,
					      .device = rows[i].device,
					      .class_code = rows[i].class_code };

		assert_int_equal(host_pci_is_efa(&pci), rows[i].efa);
		assert_int_equal(host_pci_is_gpu(&pci), rows[i].gpu);
	}
}

static void functions_come_by_address_and_no_more_than_fit(void **state)
{
	struct host_pci pci[3];

	(void)state;
	assert_int_equal(host_pci(&root, NULL, pci, 3), -ENOENT);
	put_function("0000:10:1b.0", "0x1d0f\n", "0xefa1\n", "0x020000\n");
	put_function("0000:9a:00.0", "0x10de\n", "0x2330\n", "0x030200\n");
	put_function("0000:0b:00.0", "0x10de\n", "0x2330\n", "0x030200\n");
	put_function("0000:00:00.0", "0x8086\n", "0x1237\n", "0x060000\n");
	tree_file("sys/devices/pci0000:10/0000:9a:00.0/numa_node", "0\n");
	tree_link("sys/devices/pci0000:10/0000:9a:00.0/driver", "/sys/bus/pci/drivers/nvidia");
	assert_int_equal(host_pci(&root, NULL, pci, 3), 3);
	assert_string_equal(pci[0].name, "0000:00:00.0");
	assert_string_equal(pci[1].name, "0000:0b:00.0");
	assert_string_equal(pci[2].name, "0000:10:1b.0");
	assert_int_equal(host_pci(&root, host_pci_is_gpu, pci, 3), 2);
	assert_string_equal(pci[0].name, "0000:0b:00.0");
	assert_int_equal(pci[0].node, -1);
	assert_string_equal(pci[1].name, "0000:9a:00.0");
	assert_string_equal(pci[1].path, "/sys/devices/pci0000:10/0000:9a:00.0");
	assert_string_equal(pci[1].driver, "nvidia");
	assert_int_equal(pci[1].node, 0);
	assert_int_equal(host_pci(&root, host_pci_is_efa, pci, 0), 0);
}

static void garbage_is_no_function(void **state)
{
	struct host_pci pci[4];

	(void)state;
	tree_link("sys/bus/pci/devices/0000:00:01.0", "0000:00:01.0");
	tree_link("sys/bus/pci/devices/0000:00:02.0", "../../none");
	tree_file("sys/bus/pci/devices/0000:00:03.0", "");
	tree_file("sys/bus/pci/devices/not an address/vendor", "0x10de\n");
	tree_file("sys/bus/pci/devices/0000:00:04/vendor", "0x10de\n");
	assert_int_equal(host_pci(&root, NULL, pci, 4), 0);
	tree_bytes("sys/bus/pci/devices/0000:00:05.0/vendor", "\xff\0\xfe", 3);
	tree_file("sys/bus/pci/devices/0000:00:05.0/device", "0x1111111111");
	tree_link("sys/bus/pci/devices/0000:00:06.0", "/");
	assert_int_equal(host_pci(&root, NULL, pci, 4), 2);
	assert_string_equal(pci[0].name, "0000:00:05.0");
	assert_int_equal(pci[0].vendor, 0);
	assert_int_equal(pci[0].device, 0);
	assert_string_equal(pci[1].name, "0000:00:06.0");
	assert_string_equal(pci[1].path, "");
}

static void what_paths_share_is_bridges(void **state)
{
	static const struct {
		const char *a, *b;
		int shared;
	} rows[] = {
		{ "/sys/devices/pci0000:10/0000:10:00.0/0000:11:00.0",
		  "/sys/devices/pci0000:10/0000:10:00.0/0000:11:01.0", 2 },
		{ "/sys/devices/pci0000:10/0000:10:00.0", "/sys/devices/pci0000:10/0000:10:01.0",
		  1 },
		{ "/sys/devices/pci0000:10/0000:10:00.0", "/sys/devices/pci0000:1/0000:10:00.0",
		  0 },
		/* A name that starts alike is another one. */
		{ "/sys/devices/pci0000:10/0000:10:00.0/a",
		  "/sys/devices/pci0000:10/0000:10:00.01/a", 1 },
		{ "/sys/devices/platform/x/pci0000:00/0000:00:01.0",
		  "/sys/devices/platform/x/pci0000:00/0000:00:02.0", 1 },
		{ "/sys/devices/platform/x/pci0000:00/0000:00:01.0",
		  "/sys/devices/platform/x/pci0001:00/0001:00:01.0", 0 },
		{ "/sys/devices/pci0000:10/0000:10:00.0", "/sys/devices/pci0000:10/0000:10:00.0",
		  1 },
		{ "", "/sys/devices/pci0000:10/0000:10:00.0", 0 },
		{ "", "", 0 },
		{ "///", "//", 0 },
		{ "pci", "pci:", 0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		assert_int_equal(host_pci_shared(rows[i].a, rows[i].b), rows[i].shared);
		assert_int_equal(host_pci_shared(rows[i].b, rows[i].a), rows[i].shared);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, open_root, close_root)
		TEST(functions_are_known_by_their_ids),
		TEST(functions_come_by_address_and_no_more_than_fit),
		TEST(garbage_is_no_function),
		TEST(what_paths_share_is_bridges),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
