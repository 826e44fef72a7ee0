/* SPDX-License-Identifier: Apache-2.0 */
#include "perf/nics.h"

#include "host/fake_tree.h"
#include "transport/fabric.h"

#define IB "class/infiniband/"

static void port_counter(const char *nic, const char *name, const char *text)
{
	char path[512];

	snprintf(path, sizeof(path), IB "%s/ports/1/hw_counters/%s", nic, name);
	tree_file(path, text);
}

static void put_efa(const char *nic)
{
	port_counter(nic, "lifespan", "12\n");
	port_counter(nic, "tx_bytes", "99000\n");
	port_counter(nic, "rx_bytes", "98000\n");
	port_counter(nic, "send_bytes", "1000\n");
	port_counter(nic, "rdma_write_bytes", "20000\n");
	port_counter(nic, "rdma_read_resp_bytes", "300000\n");
	port_counter(nic, "recv_bytes", "4\n");
	port_counter(nic, "rdma_read_bytes", "50\n");
	port_counter(nic, "rdma_write_recv_bytes", "600\n");
	port_counter(nic, "retrans_pkts", "7\n");
	port_counter(nic, "rx_drops", "8");
}

static struct perf_nic_reading read_tree(void)
{
	struct perf_nic_reading reading;

	memset(&reading, 0xee, sizeof(reading));
	perf_nics_read(&reading, tree);
	return reading;
}

static void counters_of_efa(void **state)
{
	struct perf_nic_reading r;

	(void)state;
	put_efa("rdmap16s6");
	put_efa("rdmap0s6");
	port_counter("rdmap0s6", "rx_drops", "18446744073709551615\n");
	r = read_tree();
	assert_int_equal(r.nics, 2);
	assert_string_equal(r.nic[0].name, "rdmap0s6");
	assert_string_equal(r.nic[1].name, "rdmap16s6");
	assert_int_equal(r.nic[1].tx_bytes, 321000);
	assert_int_equal(r.nic[1].rx_bytes, 654);
	assert_int_equal(r.nic[1].retransmits, 7);
	assert_int_equal(r.nic[1].drops, 8);
	assert_true(r.nic[0].drops == UINT64_MAX);
}

/* No counters of messages: those of the wire. None of them either: the standard's. */
static void other_devices_and_drivers(void **state)
{
	struct perf_nic_reading r;

	(void)state;
	tree_file(IB "efa_0/hw_counters/tx_bytes", "11\n");
	tree_file(IB "efa_0/hw_counters/rx_bytes", "12\n");
	tree_file(IB "efa_0/hw_counters/rx_drops", "13\n");
	tree_file(IB "mlx5_0/ports/1/counters/port_xmit_data", "100\n");
	tree_file(IB "mlx5_0/ports/1/counters/port_rcv_data", "1000\n");
	tree_file(IB "rxe0/ports/1/hw_counters/sent_pkts", "5\n");
	tree_file(IB "none/node_guid", "1\n");
	r = read_tree();
	assert_int_equal(r.nics, 2);
	assert_string_equal(r.nic[0].name, "efa_0");
	assert_int_equal(r.nic[0].tx_bytes, 11);
	assert_int_equal(r.nic[0].rx_bytes, 12);
	assert_int_equal(r.nic[0].drops, 13);
	assert_string_equal(r.nic[1].name, "mlx5_0");
	assert_int_equal(r.nic[1].tx_bytes, 400);
	assert_int_equal(r.nic[1].rx_bytes, 4000);
}

static void odd_files(void **state)
{
	static const char *const odd[] = {
		"",       "\n",    "-5\n",   "+5\n",         " 5\n",  "5 6\n",
		"0x10\n", "1e3\n", "five\n", "\xff\xfe\x01", "5\r\n", "18446744073709551616\n",
	};
	struct perf_nic_reading r;
	char big[65536];

	(void)state;
	for (size_t i = 0; i < sizeof(odd) / sizeof(*odd) + 3; i++) {
		put_efa("rdmap0s6");
		if (i < sizeof(odd) / sizeof(*odd))
			port_counter("rdmap0s6", "send_bytes", odd[i]);
		memset(big, i % 2 ? '1' : 0, sizeof(big));
		if (i == sizeof(odd) / sizeof(*odd) || i == sizeof(odd) / sizeof(*odd) + 1)
			tree_bytes(IB "rdmap0s6/ports/1/hw_counters/send_bytes", big, sizeof(big));
		if (i == sizeof(odd) / sizeof(*odd) + 2) {
			tree_remove(IB "rdmap0s6/ports/1/hw_counters/send_bytes");
			tree_file(IB "rdmap0s6/ports/1/hw_counters/send_bytes/file", "5\n");
		}
		r = read_tree();
		assert_int_equal(r.nics, 1);
		/* As if the odd one were not there. */
		assert_int_equal(r.nic[0].tx_bytes, 320000);
		tree_remove("class");
	}
}

/* Bytes that no one chose, in every counter: nothing but the reading's end is known. */
static void random_files(void **state)
{
	static const char alphabet[] = "0123456789 \n-x\0\xff";
	struct perf_nic_reading r;
	uint64_t random = 1;
	char bytes[64];

	(void)state;
	for (int round = 0; round < 300; round++) {
		for (size_t i = 0; i < sizeof(bytes); i++) {
			random = random * 6364136223846793005u + 1442695040888963407u;
			bytes[i] = alphabet[(random >> 33) % sizeof(alphabet)];
		}
		tree_bytes(IB "a/ports/1/hw_counters/send_bytes", bytes, random >> 58);
		tree_bytes(IB "a/ports/1/hw_counters/rx_drops", bytes, random >> 59);
		tree_bytes(IB "a/ports/1/counters/port_xmit_data", bytes, random >> 60);
		r = read_tree();
		assert_true(r.nics <= 1);
	}
}

static void odd_trees(void **state)
{
	struct perf_nic_reading r;
	char name[300];

	(void)state;
	/* No such directory, a file in its place, none in it. */
	perf_nics_read(&r, "/nowhere");
	assert_int_equal(r.nics, 0);
	tree_file("class/infiniband", "x");
	assert_int_equal(read_tree().nics, 0);
	tree_remove("class/infiniband");
	tree_file(IB "file", "x");
	tree_link(IB "dangling", "../nowhere");
	put_efa("there");
	tree_link(IB "linked", "there");
	/* A name that does not fit. */
	memset(name, 'n', 100);
	name[100] = '\0';
	put_efa(name);
	r = read_tree();
	assert_int_equal(r.nics, 2);
	assert_string_equal(r.nic[0].name, "linked");
	tree_remove("class");
	/* More than there is room for. */
	for (int i = 0; i < PERF_NICS_MAX + 3; i++) {
		snprintf(name, sizeof(name), "nic%03d", i);
		port_counter(name, "tx_bytes", "1\n");
	}
	r = read_tree();
	assert_int_equal(r.nics, PERF_NICS_MAX);
	assert_string_equal(r.nic[PERF_NICS_MAX - 1].name, "nic063");
}

static void differences(void **state)
{
	static struct perf_side side;
	struct perf_nic_reading from, to;

	(void)state;
	put_efa("a");
	put_efa("b");
	put_efa("gone");
	from = read_tree();
	port_counter("a", "send_bytes", "1500\n");
	port_counter("a", "rx_drops", "9\n");
	/* The device was reset. */
	port_counter("b", "send_bytes", "0\n");
	port_counter("b", "rdma_write_bytes", "1\n");
	port_counter("b", "recv_bytes", "10\n");
	tree_remove(IB "gone");
	put_efa("new");
	to = read_tree();
	perf_nics_between(&side, &from, &to);
	assert_int_equal(side.nics, 2);
	assert_string_equal(side.nic[0].name, "a");
	assert_int_equal(side.nic[0].tx_bytes, 500);
	assert_int_equal(side.nic[0].rx_bytes, 0);
	assert_int_equal(side.nic[0].drops, 1);
	assert_int_equal(side.nic[0].retransmits, 0);
	assert_string_equal(side.nic[1].name, "b");
	assert_int_equal(side.nic[1].tx_bytes, 0);
	assert_int_equal(side.nic[1].rx_bytes, 6);
}

static void sysfs_is_where_the_environment_says(void **state)
{
	struct perf_nic_reading r;

	(void)state;
	put_efa("emulated");
	assert_int_equal(setenv("SYSFS_PATH", tree, 1), 0);
	perf_nics_read(&r, NULL);
	assert_int_equal(r.nics, 1);
	assert_int_equal(setenv("SYSFS_PATH", "", 1), 0);
	assert_string_equal(fabric_sysfs(), "/sys");
	unsetenv("SYSFS_PATH");
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, tree_open, tree_close)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(counters_of_efa),
		CASE(other_devices_and_drivers),
		CASE(odd_files),
		CASE(random_files),
		CASE(odd_trees),
		CASE(differences),
		CASE(sysfs_is_where_the_environment_says),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
