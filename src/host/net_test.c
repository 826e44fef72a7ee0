/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>

#include "host/fake_root.h"
#include "host/net.h"

static struct host_net nets[3];

static void all_of_an_interface_is_read(void **state)
{
	(void)state;
	assert_int_equal(host_nets(&root, nets, 3), -ENOENT);
	tree_file("sys/class/net/lo/type", "772\n");
	tree_file("sys/class/net/lo/device/odd", "");
	tree_file("sys/class/net/br0/operstate", "up\n");
	tree_link("sys/class/net/ens5/device", "../../../devices/pci0000:00/0000:00:05.0/virtio1");
	tree_link("sys/devices/pci0000:00/0000:00:05.0/virtio1/driver", "/sys/bus/x/virtio_net");
	tree_link("sys/devices/pci0000:00/0000:00:05.0/driver", "/sys/bus/x/virtio-pci");
	tree_file("sys/devices/pci0000:00/0000:00:05.0/numa_node", "0\n");
	tree_file("sys/class/net/ens5/operstate", "up\n");
	tree_file("sys/class/net/ens5/address", "02:94:3d:89:1b:70\n");
	tree_file("sys/class/net/ens5/speed", "25000\n");
	tree_file("sys/class/net/ens5/mtu", "9001\n");
	assert_int_equal(host_nets(&root, nets, 3), 1);
	assert_string_equal(nets->name, "ens5");
	assert_string_equal(nets->pci, "0000:00:05.0");
	assert_string_equal(nets->path, "/sys/devices/pci0000:00/0000:00:05.0");
	assert_string_equal(nets->driver, "virtio_net");
	assert_int_equal(nets->node, 0);
	assert_string_equal(nets->state, "up");
	assert_string_equal(nets->address, "02:94:3d:89:1b:70");
	assert_int_equal(nets->mbits, 25000);
	assert_int_equal(nets->mtu, 9001);
	assert_true(nets->hardware);
}

static void a_container_has_those_without_hardware(void **state)
{
	(void)state;
	tree_file("sys/class/net/bonding_masters", "bond0\n");
	tree_link("sys/class/net/gone", "../../devices/gone");
	tree_file("sys/class/net/lo/type", "772\n");
	tree_file("sys/class/net/eth0/speed", "-1\n");
	tree_file("sys/class/net/eth1/type", "1\n");
	assert_int_equal(host_nets(&root, nets, 3), 2);
	assert_string_equal(nets[0].name, "eth0");
	assert_string_equal(nets[0].pci, "");
	assert_int_equal(nets[0].mbits, 0);
	assert_int_equal(nets[0].node, -1);
	assert_false(nets[0].hardware);
	assert_int_equal(host_nets(&root, nets, 1), 1);
	assert_int_equal(host_nets(&root, nets, 0), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, open_root, close_root)
		TEST(all_of_an_interface_is_read),
		TEST(a_container_has_those_without_hardware),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
