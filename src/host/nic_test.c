/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>

#include "host/fake_root.h"
#include "host/nic.h"

#define EFA "sys/devices/pci0000:10/0000:10:00.0/0000:10:1b.0"

/* A file of the tree below a directory of it. */
static void put(const char *dir, const char *file, const char *text)
{
	char path[512];

	snprintf(path, sizeof(path), "%s/%s", dir, file);
	tree_file(path, text);
}

static void put_link(const char *dir, const char *name, const char *target)
{
	char path[512];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	tree_link(path, target);
}

static void put_efa(void)
{
	put(EFA, "vendor", "0x1d0f\n");
	put(EFA, "device", "0xefa2\n");
	put(EFA, "class", "0x020000\n");
	put(EFA, "numa_node", "1\n");
	put(EFA, "current_link_speed", "16.0 GT/s PCIe\n");
	put(EFA, "current_link_width", "8\n");
	put(EFA, "max_link_speed", "32.0 GT/s PCIe\n");
	put(EFA, "max_link_width", "16\n");
	put_link(EFA, "driver", "../../../../bus/pci/drivers/efa");
	put(EFA "/infiniband/efa_0", "node_guid", "0000:0000:0000:0001\n");
	put(EFA "/infiniband/efa_0", "fw_ver", "1.2\n");
	put(EFA "/infiniband/efa_0/ports/1", "gids/0", "fe80:0000:0000:0000:0001\n");
	put(EFA "/infiniband/efa_0/ports/1", "state", "4: ACTIVE\n");
	put(EFA "/infiniband/efa_0/ports/1", "rate", "100 Gb/sec (4X EDR)\n");
	put(EFA "/infiniband/efa_0/ports/1", "link_layer", "Unknown\n");
	put_link(EFA "/infiniband/efa_0", "device", "../..");
	put(EFA "/infiniband_verbs/uverbs3", "ibdev", "efa_0\n");
	put_link("sys/class/infiniband", "efa_0",
		 "../../devices/pci0000:10/0000:10:00.0/0000:10:1b.0/infiniband/efa_0");
	put_link("sys/class/infiniband_verbs", "uverbs3",
		 "../../devices/pci0000:10/0000:10:00.0/0000:10:1b.0/infiniband_verbs/uverbs3");
	put_link("sys/bus/pci/devices", "0000:10:1b.0",
		 "../../../devices/pci0000:10/0000:10:00.0/0000:10:1b.0");
}

static void all_of_a_nic_is_read(void **state)
{
	static struct host_nic nics[2];

	(void)state;
	put_efa();
	assert_int_equal(host_nics(&root, nics, 2), 1);
	assert_string_equal(nics->name, "efa_0");
	assert_string_equal(nics->pci, "0000:10:1b.0");
	assert_string_equal(nics->path, "/" EFA);
	assert_int_equal(nics->vendor, 0x1d0f);
	assert_int_equal(nics->device, 0xefa2);
	assert_true(host_nic_is_efa(nics));
	assert_string_equal(nics->driver, "efa");
	assert_int_equal(nics->node, 1);
	assert_string_equal(nics->uverbs, "uverbs3");
	assert_string_equal(nics->gid, "fe80:0000:0000:0000:0001");
	assert_string_equal(nics->guid, "0000:0000:0000:0001");
	assert_string_equal(nics->state, "4: ACTIVE");
	assert_string_equal(nics->rate, "100 Gb/sec (4X EDR)");
	assert_string_equal(nics->layer, "Unknown");
	assert_string_equal(nics->firmware, "1.2");
	assert_string_equal(nics->net, "");
	assert_string_equal(nics->speed, "16.0 GT/s PCIe");
	assert_string_equal(nics->width, "8");
	assert_string_equal(nics->max_speed, "32.0 GT/s PCIe");
	assert_string_equal(nics->max_width, "16");
	assert_int_equal(nics->ports, 1);
	put(EFA "/net/eth1", "mtu", "9001");
	put(EFA "/infiniband/efa_0/ports/2", "state", "1: DOWN\n");
	assert_int_equal(host_nics(&root, nics, 2), 1);
	assert_string_equal(nics->net, "eth1");
	assert_int_equal(nics->ports, 2);
}

static void nics_come_by_name_and_no_more_than_fit(void **state)
{
	static struct host_nic nics[3];

	(void)state;
	assert_int_equal(host_nics(&root, nics, 3), -ENOENT);
	for (int i = 11; i >= 8; i--) {
		char path[64];

		snprintf(path, sizeof(path), "sys/class/infiniband/efa_%d/node_guid", i);
		tree_file(path, "");
	}
	assert_int_equal(host_nics(&root, nics, 3), 3);
	assert_string_equal(nics[0].name, "efa_8");
	assert_string_equal(nics[1].name, "efa_9");
	assert_string_equal(nics[2].name, "efa_10");
	assert_int_equal(host_nics(&root, nics, 0), 0);
}

/* A copy of a machine that was made with links followed. */
static void directories_do_in_place_of_links(void **state)
{
	static struct host_nic nics[1];

	(void)state;
	put("sys/class/infiniband/efa_0/device", "vendor", "0x1d0f");
	put("sys/class/infiniband/efa_0/device", "device", "0xefa0");
	put("sys/class/infiniband/efa_0/device", "current_link_width", "16");
	put("sys/class/infiniband/efa_0/device", "uevent",
	    "DRIVER=efa\nPCI_SLOT_NAME=0000:00:06.0\nMODALIAS=x\n");
	assert_int_equal(host_nics(&root, nics, 1), 1);
	assert_string_equal(nics->pci, "0000:00:06.0");
	assert_string_equal(nics->path, "");
	assert_string_equal(nics->width, "16");
	assert_true(host_nic_is_efa(nics));
	put("sys/class/infiniband/efa_0/device", "uevent", "NOT_PCI_SLOT_NAME=0000:00:06.0\n");
	assert_int_equal(host_nics(&root, nics, 1), 1);
	assert_string_equal(nics->pci, "");
}

static void a_soft_device_names_its_interface(void **state)
{
	static struct host_nic nics[1];

	(void)state;
	put("sys/devices/virtual/infiniband/rxe0", "parent", "eth0\n");
	put_link("sys/class/infiniband", "rxe0", "../../devices/virtual/infiniband/rxe0");
	assert_int_equal(host_nics(&root, nics, 1), 1);
	assert_string_equal(nics->net, "eth0");
	assert_string_equal(nics->pci, "");
	assert_int_equal(nics->vendor, 0);
	assert_int_equal(nics->node, -1);
	assert_false(host_nic_is_efa(nics));
}

static void a_gid_made_of_a_mac_address_names_its_interface(void **state)
{
	static struct host_nic nics[1];

	(void)state;
	put_efa();
	put(EFA "/infiniband/efa_0/ports/1", "gids/0", "fe80:0000:0000:0000:0094:3dff:fe89:1b70\n");
	/* A bridge with the same address, another interface, one with no address. */
	put("sys/class/net/br0", "address", "02:94:3d:89:1b:70\n");
	put("sys/class/net/ens4", "address", "02:94:3d:89:1b:71\n");
	put("sys/class/net/ens4", "device/vendor", "0x1d0f\n");
	put("sys/class/net/lo", "device/vendor", "0x1d0f\n");
	assert_int_equal(host_nics(&root, nics, 1), 1);
	assert_string_equal(nics->net, "");
	put("sys/class/net/ens5", "address", "02:94:3d:89:1b:70\n");
	put("sys/class/net/ens5", "device/vendor", "0x1d0f\n");
	assert_int_equal(host_nics(&root, nics, 1), 1);
	assert_string_equal(nics->net, "ens5");
	put(EFA "/infiniband/efa_0/ports/1", "gids/0", "fe80:0000:0000:0000:0094:3dfe:fe89:1b70\n");
	assert_int_equal(host_nics(&root, nics, 1), 1);
	assert_string_equal(nics->net, "");
}

static void garbage_is_no_device(void **state)
{
	static struct host_nic nics[8];
	static char huge[1 << 20];
	char name[81];

	(void)state;
	memset(huge, 'x', sizeof(huge));
	memset(name, 'n', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	put_link("sys/class/infiniband", "loop", "loop");
	put_link("sys/class/infiniband", "ping", "pong");
	put_link("sys/class/infiniband", "pong", "ping");
	put_link("sys/class/infiniband", "gone", "../../devices/none");
	put("sys/class/infiniband", "file", "text");
	put_link("sys/class/infiniband", name, ".");
	assert_int_equal(host_nics(&root, nics, 8), 0);
	/* A directory whose links lead back to itself, with what no driver writes. */
	put_link("sys/class/infiniband", "odd\n1", ".");
	put_link("sys/class/infiniband", "device", ".");
	put_link("sys/class/infiniband", "ports", ".");
	put_link("sys/class/infiniband", "net", ".");
	put_link("sys/class/infiniband", "driver", "/");
	tree_bytes("sys/class/infiniband/vendor", huge, sizeof(huge));
	tree_bytes("sys/class/infiniband/numa_node", "99999999999\n", 12);
	tree_bytes("sys/class/infiniband/fw_ver", huge, sizeof(huge));
	tree_bytes("sys/class/infiniband/node_guid", "\x01\xff\0z\nsecond", 11);
	tree_bytes("sys/class/infiniband/current_link_speed", "", 0);
	assert_int_equal(mkfifo(tree_path("sys/class/infiniband/max_link_speed"), 0600), 0);
	assert_int_equal(host_nics(&root, nics, 8), 5);
	for (int i = 0; i < 5; i++) {
		if (!strcmp(nics[i].name, "driver"))
			continue; /* the root directory */
		assert_int_equal(nics[i].vendor, 0);
		assert_int_equal(nics[i].node, -1);
		assert_string_equal(nics[i].pci, "");
		assert_string_equal(nics[i].driver, "");
		assert_string_equal(nics[i].guid, "?? z");
		assert_int_equal(strlen(nics[i].firmware), sizeof(nics[i].firmware) - 1);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, open_root, close_root)
		TEST(all_of_a_nic_is_read),
		TEST(nics_come_by_name_and_no_more_than_fit),
		TEST(directories_do_in_place_of_links),
		TEST(a_soft_device_names_its_interface),
		TEST(a_gid_made_of_a_mac_address_names_its_interface),
		TEST(garbage_is_no_device),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
