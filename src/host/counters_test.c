/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <inttypes.h>

#include "host/fake_tree.h"
#include "host/nic.h"

#define NIC "sys/class/infiniband/efa_0/"

static struct sysroot root;
static char seen[4096];

static int open_root(void **state)
{
	*seen = '\0';
	return tree_open(state) || sysroot_open(&root, tree, NULL);
}

static int close_root(void **state)
{
	sysroot_close(&root);
	return tree_close(state);
}

static void note(void *ctx, const char *name, uint64_t value)
{
	size_t len = strlen(seen);

	assert_ptr_equal(ctx, &root);
	snprintf(seen + len, sizeof(seen) - len, "%s=%" PRIu64 " ", name, value);
}

static int count(const char *nic)
{
	return host_counters(&root, nic, note, &root);
}

static void the_first_directory_that_has_a_counter_says_it(void **state)
{
	(void)state;
	tree_file(NIC "hw_counters/submitted_cmds", "7\n");
	tree_file(NIC "hw_counters/tx_bytes", "1\n");
	tree_file(NIC "hw_counters/lifespan", "12\n");
	tree_file(NIC "ports/1/hw_counters/tx_bytes", "2\n");
	tree_file(NIC "ports/1/hw_counters/rx_bytes", "18446744073709551615\n");
	tree_file(NIC "ports/1/hw_counters/lifespan", "12\n");
	tree_file(NIC "ports/1/counters/rx_bytes", "4\n");
	tree_file(NIC "ports/1/counters/port_xmit_data", "5\n");
	assert_int_equal(count("efa_0"), 4);
	assert_string_equal(seen, "submitted_cmds=7 tx_bytes=1 rx_bytes=18446744073709551615 "
				  "port_xmit_data=5 ");
}

static void what_is_no_number_is_left_out(void **state)
{
	(void)state;
	tree_file(NIC "hw_counters/words", "many\n");
	tree_file(NIC "hw_counters/negative", "-1\n");
	tree_file(NIC "hw_counters/too_big", "18446744073709551616\n");
	tree_file(NIC "hw_counters/none", "");
	tree_bytes(NIC "hw_counters/binary", "1\0002", 3);
	tree_link(NIC "hw_counters/loop", "loop");
	tree_link(NIC "hw_counters/gone", "../gone");
	tree_file(NIC "hw_counters/dir/x", "1");
	assert_int_equal(mkfifo(tree_path(NIC "hw_counters/fifo"), 0600), 0);
	tree_link(NIC "ports/1/hw_counters", ".");
	assert_int_equal(count("efa_0"), 0);
	tree_file(NIC "hw_counters/one", "1");
	assert_int_equal(count("efa_0"), 1);
	assert_string_equal(seen, "one=1 ");
}

static void a_device_that_is_not_there_is_told(void **state)
{
	(void)state;
	assert_int_equal(count("efa_0"), -ENOENT);
	tree_file(NIC "node_guid", "");
	assert_int_equal(count("efa_0"), 0);
	assert_int_equal(count(""), -EINVAL);
	assert_int_equal(count("."), -EINVAL);
	assert_int_equal(count(".."), -EINVAL);
	assert_int_equal(count("../infiniband/efa_0"), -EINVAL);
	tree_file(NIC "hw_counters", "a file\n");
	assert_int_equal(count("efa_0"), -ENOTDIR);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, open_root, close_root)
		TEST(the_first_directory_that_has_a_counter_says_it),
		TEST(what_is_no_number_is_left_out),
		TEST(a_device_that_is_not_there_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
