/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>

#include "host/fake_tree.h"

#include "base/alloc.h"
#include "watch/nics.h"

#define PORT   "sys/class/infiniband/efa_0/ports/1/hw_counters/"
#define DEVICE "sys/class/infiniband/efa_0/hw_counters/"

static struct sysroot root;
static struct nics *nics;
static char said[2048];

static int setup_as(void **state, bool hold)
{
	if (tree_open(state) || sysroot_open(&root, tree, NULL) || nics_open(&nics, &root, hold))
		return -1;
	tree_file("sys/class/infiniband/efa_0/ports/1/state", "4: ACTIVE\n");
	tree_file(PORT "tx_bytes", "1000\n");
	tree_file(PORT "rx_drops", "5\n");
	tree_file(PORT "lifespan", "12\n");
	tree_file(DEVICE "cmds_err", "0\n");
	return 0;
}

static int setup(void **state)
{
	return setup_as(state, false);
}

static int setup_held(void **state)
{
	return setup_as(state, true);
}

static int teardown(void **state)
{
	nics_close(nics);
	sysroot_close(&root);
	return tree_close(state);
}

static void hear(void *ctx, const char *text)
{
	size_t used = strlen(said);

	(void)ctx;
	snprintf(said + used, sizeof(said) - used, "%s\n", text);
}

/* A reading so many seconds after the epoch of the test, and what there is to say of it. */
static const char *read_at(uint64_t second)
{
	nics_read(nics, second * NSEC_PER_SEC);
	said[0] = '\0';
	nics_notes(nics, hear, NULL);
	return said;
}

static uint64_t role(enum metric_role role)
{
	uint64_t value = 0;

	assert_true(nic_role(&nics->now[0], role, &value));
	return value;
}

static void only_what_came_between_counts(void **state)
{
	uint64_t value;

	(void)state;
	assert_string_equal(read_at(1), "");
	assert_int_equal(nics->count, 1);
	assert_int_equal(nics->now[0].count, 3);
	assert_true(nic_is_up(&nics->now[0].nic));
	assert_false(nic_role(&nics->now[0], ROLE_TX_BYTES, &value));
	tree_file(PORT "tx_bytes", "1500\n");
	tree_file(DEVICE "cmds_err", "2\n");
	assert_string_equal(read_at(2), "");
	assert_int_equal(role(ROLE_TX_BYTES), 500);
	assert_int_equal(role(ROLE_DROPS), 0);
	assert_int_equal(role(ROLE_ERRORS), 2);
	assert_false(nic_role(&nics->now[0], ROLE_RETRANSMITS, &value));
	/* What the device is is read anew. */
	tree_file(PORT "tx_bytes", "1501\n");
	tree_file("sys/class/infiniband/efa_0/ports/1/state", "1: DOWN\n");
	assert_string_equal(read_at(2 + NICS_FACTS_NS / NSEC_PER_SEC), "");
	assert_int_equal(role(ROLE_TX_BYTES), 1);
	assert_false(nic_is_up(&nics->now[0].nic));
}

static void a_device_that_was_replaced_is_read_anew(void **state)
{
	uint64_t value;

	(void)state;
	read_at(1);
	read_at(2);
	tree_remove("sys/class/infiniband/efa_0");
	read_at(3);
	tree_file(PORT "rx_bytes", "50\n");
	assert_string_equal(read_at(4), "efa_0 has come\n");
	tree_file(PORT "rx_bytes", "80\n");
	read_at(5);
	assert_int_equal(role(ROLE_RX_BYTES), 30);
	assert_false(nic_role(&nics->now[0], ROLE_TX_BYTES, &value));
}

static void a_counter_that_went_back_is_said_and_not_counted(void **state)
{
	uint64_t value;

	(void)state;
	read_at(1);
	tree_file(PORT "tx_bytes", "10\n");
	assert_string_equal(read_at(2),
			    "efa_0: tx_bytes went back from 1000 to 10: driver loaded anew or "
			    "device reset; not counted this time\n");
	assert_false(nic_role(&nics->now[0], ROLE_TX_BYTES, &value));
	assert_int_equal(nics->back[0], 1);
	tree_file(PORT "tx_bytes", "30\n");
	assert_string_equal(read_at(3), "");
	assert_int_equal(role(ROLE_TX_BYTES), 20);
	assert_int_equal(nics->back[0], 1);
}

static void files_that_hold_no_number_are_said_and_left_out(void **state)
{
	static const char binary[] = { 1, 0, (char)0xff, '7' };
	static const struct {
		const char *bytes;
		size_t len;
	} bad[] = {
		{ "", 0 },      { "12", 0 },   { "-1\n", 3 },  { "1x\n", 3 },
		{ "1 2\n", 4 }, { binary, 4 }, { "1e5\n", 4 }, { "99999999999999999999\n", 21 }
	};
	uint64_t value;

	(void)state;
	read_at(1);
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		tree_bytes(PORT "tx_bytes", bad[i].bytes, bad[i].len);
		assert_string_equal(read_at(2 + i),
				    "efa_0: tx_bytes cannot be read as a number; left out\n");
		assert_false(nic_role(&nics->now[0], ROLE_TX_BYTES, &value));
		assert_int_equal(nics->now[0].unread, 1);
	}
	tree_file(PORT "tx_bytes", "2000\n");
	assert_string_equal(read_at(20), "");
	assert_false(nic_role(&nics->now[0], ROLE_TX_BYTES, &value));
	tree_file(PORT "tx_bytes", "2001\n");
	read_at(21);
	assert_int_equal(role(ROLE_TX_BYTES), 1);
}

static void devices_come_and_go(void **state)
{
	(void)state;
	read_at(1);
	tree_file("sys/class/infiniband/efa_1/ports/1/hw_counters/tx_bytes", "7\n");
	assert_string_equal(read_at(2), "efa_1 has come\n");
	assert_int_equal(nics->count, 2);
	tree_remove("sys/class/infiniband/efa_0");
	assert_string_equal(read_at(3), "efa_0 is gone\n");
	assert_int_equal(nics->count, 1);
	tree_remove("sys/class/infiniband");
	assert_string_equal(read_at(4), "no RDMA device: there is no /sys/class/infiniband (is "
					"the driver loaded?)\nefa_1 is gone\n");
	assert_int_equal(nics->count, 0);
}

static void units_of_four_bytes_are_bytes(void **state)
{
	(void)state;
	tree_file("sys/class/infiniband/mlx5_0/ports/1/counters/port_xmit_data", "100\n");
	read_at(1);
	tree_file("sys/class/infiniband/mlx5_0/ports/1/counters/port_xmit_data", "110\n");
	read_at(2);
	uint64_t value = 0;

	assert_true(nic_role(&nics->now[1], ROLE_TX_BYTES, &value));
	assert_int_equal(value, 40);
}

/* A device with more counters than there is room for, and with names too long. */
static void limits_hold(void **state)
{
	char path[300];

	(void)state;
	for (int i = 0; i < NIC_COUNTERS_MAX + 10; i++) {
		snprintf(path, sizeof(path), DEVICE "c%d", i);
		tree_file(path, "1\n");
	}
	snprintf(path, sizeof(path), DEVICE "%0200d", 0);
	tree_file(path, "1\n");
	read_at(1);
	assert_int_equal(nics->now[0].count, NIC_COUNTERS_MAX);
	for (uint32_t i = 0; i < nics->now[0].count; i++)
		assert_true(strlen(nics->now[0].counters[i].name) < NIC_COUNTER_NAME_MAX);
}

static void metrics_show_what_was_read(void **state)
{
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	(void)state;
	tree_file(PORT "odd_one", "3\n");
	read_at(1);
	nics_metrics(nics, out);
	fclose(out);
	assert_non_null(strstr(text, "# TYPE weft_nic_transmitted_bytes_total counter\n"
				     "weft_nic_transmitted_bytes_total{device=\"efa_0\"} 1000\n"));
	assert_non_null(
		strstr(text, "weft_nic_other_total{device=\"efa_0\",counter=\"odd_one\"} 3\n"));
	assert_non_null(strstr(text, "weft_nic_up{device=\"efa_0\"} 1\n"));
	assert_non_null(strstr(text, "weft_nics 1\n"));
	assert_null(strstr(text, "lifespan"));
	assert_null(strstr(text, "weft_nic_received_bytes_total"));
	free(text);
}

static void no_memory_is_said(void **state)
{
	struct nics *none;
	int n, rc;

	(void)state;
	for (n = 1;; n++) {
		mem_fail_at(n);
		rc = nics_open(&none, &root, true);
		if (!mem_failed())
			break;
		assert_int_equal(rc, -ENOMEM);
	}
	mem_fail_at(0);
	assert_int_equal(rc, 0);
	assert_true(n > 4);
	mem_fail_at(1);
	nics_read(none, NSEC_PER_SEC);
	mem_fail_at(0);
	assert_int_equal(none->count, 0);
	assert_int_equal(none->error, -ENOMEM);
	nics_close(none);
}

/* Each with files opened anew each time, and with files that are kept open. */
#define TEST(name)                                              \
	cmocka_unit_test_setup_teardown(name, setup, teardown), \
		cmocka_unit_test_setup_teardown(name, setup_held, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(only_what_came_between_counts),
		TEST(a_device_that_was_replaced_is_read_anew),
		TEST(a_counter_that_went_back_is_said_and_not_counted),
		TEST(files_that_hold_no_number_are_said_and_left_out),
		TEST(devices_come_and_go),
		TEST(units_of_four_bytes_are_bytes),
		TEST(limits_hold),
		TEST(metrics_show_what_was_read),
		TEST(no_memory_is_said),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
