/* SPDX-License-Identifier: Apache-2.0 */
/* Which devices, which edges, what content: no libfabric is opened but for tcp's addresses. */
#include "perf/fabric.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "perf/content.h"

#include <weft/weft.h>

#define SIZE   100
#define STRIDE 128
#define SLOTS  5

/* --- devices ------------------------------------------------------------------------------- */

static void test_the_least_used_is_taken(void **state)
{
	const int node[] = { 0, 0, 1, 1 };
	uint32_t used[] = { 0, 0, 0, 0 };
	uint32_t i, n;

	(void)state;
	/* Near ones first, while all are used alike. */
	assert_int_equal(pfab_pick(used, node, 4, 1), 2);
	used[2]++;
	assert_int_equal(pfab_pick(used, node, 4, 1), 3);
	used[3]++;
	/* Then those that nobody uses, near or not. */
	assert_int_equal(pfab_pick(used, node, 4, 1), 0);
	used[0]++;
	assert_int_equal(pfab_pick(used, node, 4, -1), 1);
	used[1]++;
	for (i = 0; i < 96; i++) {
		n = pfab_pick(used, node, 4, (int)i % 3 - 1);
		used[n]++;
	}
	for (i = 0; i < 4; i++)
		assert_int_equal(used[i], 25);
}

static void test_unknown_nodes_are_no_nearer(void **state)
{
	const int node[] = { -1, -1 };
	const uint32_t used[] = { 1, 1 };

	(void)state;
	assert_int_equal(pfab_pick(used, node, 2, -1), 0);
	assert_int_equal(pfab_pick(used, node, 2, 0), 0);
}

/* --- edges --------------------------------------------------------------------------------- */

#define OLD FI_VERSION(1, 17)
#define NEW FI_VERSION(2, 1)

static void check_edges(const char *provider, uint32_t version, enum perf_op op, uint64_t mtu,
			const uint64_t *want, uint32_t n)
{
	uint64_t got[PERF_EDGES_MAX];
	uint32_t i;

	assert_int_equal(pfab_edges(provider, version, op, mtu, 32, got), n);
	for (i = 0; i < n; i++)
		assert_int_equal(got[i], want[i]);
}

static void test_edges_of_the_providers(void **state)
{
	(void)state;
	/* The device's MTU is 8928; 1.17 tells less. */
	check_edges("efa", NEW, PERF_SEND, 8928, (uint64_t[]){ 8916, 65536, 1048575 }, 3);
	check_edges("efa", OLD, PERF_SEND, 8760, (uint64_t[]){ 8916, 65536, 1048575 }, 3);
	check_edges("efa", OLD, PERF_WRITE, 8760, (uint64_t[]){ 8884, 65535 }, 2);
	check_edges("efa", NEW, PERF_SEND, 0, (uint64_t[]){ 65536, 1048575 }, 2);
	check_edges("efa", NEW, PERF_READ, 8928, NULL, 0);
	check_edges("efa-direct", NEW, PERF_SEND, 8928, (uint64_t[]){ 32 }, 1);
	check_edges("shm", OLD, PERF_WRITE, 0, NULL, 0);
	check_edges("shm", OLD, PERF_WRITE_IMM, 0, (uint64_t[]){ 192, 4096 }, 2);
	check_edges("shm", NEW, PERF_WRITE, 0, (uint64_t[]){ 4096 }, 1);
	check_edges("tcp", OLD, PERF_SEND, 0, (uint64_t[]){ 9000, 16384 }, 2);
	check_edges("nosuch", OLD, PERF_SEND, 0, NULL, 0);
}

static void test_edges_follow_the_environment(void **state)
{
	(void)state;
	setenv("FI_EFA_INTER_MAX_MEDIUM_MESSAGE_SIZE", "16384", 1);
	setenv("FI_EFA_INTER_MIN_READ_MESSAGE_SIZE", "what", 1);
	setenv("FI_EFA_RUNT_SIZE", "307200", 1);
	check_edges("efa", NEW, PERF_SEND, 8928, (uint64_t[]){ 8916, 16384, 307200, 1048575 }, 4);
	/* Equal ones count once, and none at 0. */
	setenv("FI_EFA_INTER_MAX_MEDIUM_MESSAGE_SIZE", "8916", 1);
	setenv("FI_EFA_RUNT_SIZE", "0", 1);
	check_edges("efa", NEW, PERF_SEND, 8928, (uint64_t[]){ 8916, 1048575 }, 2);
	unsetenv("FI_EFA_INTER_MAX_MEDIUM_MESSAGE_SIZE");
	unsetenv("FI_EFA_INTER_MIN_READ_MESSAGE_SIZE");
	unsetenv("FI_EFA_RUNT_SIZE");
}

/* --- content ------------------------------------------------------------------------------- */

static void fill_slots(unsigned char *p, uint32_t n)
{
	uint32_t i;

	memset(p, 0, SLOTS * STRIDE);
	for (i = 0; i < n; i++)
		content_fill(p + i * STRIDE, SIZE, 3, content_key(true, 1, 2), i);
}

static bool check_slots(const unsigned char *p, uint32_t *touched, uint32_t *bad)
{
	return content_check_slots(p, SIZE, STRIDE, SLOTS, 3, content_key(true, 1, 2), touched,
				   bad);
}

static void test_content_is_told_from_any_other(void **state)
{
	unsigned char a[64], b[64];
	uint64_t size;
	uint32_t i;

	(void)state;
	for (size = 1; size <= sizeof(a); size++) {
		memset(a, 0, sizeof(a));
		assert_int_equal(content_check(a, size, 1, 2, 3), CONTENT_UNTOUCHED);
		content_fill(a, size, 1, 2, 3);
		assert_int_equal(content_check(a, size, 1, 2, 3), CONTENT_RIGHT);
		assert_int_equal(content_slot(a, size), size < 8 ? 0 : 3);
		for (i = 0; i < size; i++) {
			assert_int_not_equal(a[i], 0);
			a[i] ^= 0x10;
			assert_int_equal(content_check(a, size, 1, 2, 3), CONTENT_WRONG);
			a[i] ^= 0x10;
		}
		for (; i < sizeof(a); i++)
			assert_int_equal(a[i], 0); /* nothing beyond it */
	}
	content_fill(a, 64, 1, content_key(true, 0, 0), 0);
	content_fill(b, 64, 1, content_key(false, 0, 0), 0);
	assert_memory_not_equal(a + 8, b + 8, 56);
	content_fill(b, 64, 1, content_key(true, 0, 1), 0);
	assert_memory_not_equal(a + 8, b + 8, 56);
	content_fill(b, 64, 2, content_key(true, 0, 0), 0);
	assert_memory_not_equal(a + 8, b + 8, 56);
	for (i = 0; i < CONTENT_SLOTS_MAX; i++) {
		content_fill(a, 8, 1, 2, i);
		assert_int_equal(content_slot(a, 8), i);
	}
}

static void test_slots_are_touched_in_turn(void **state)
{
	unsigned char p[SLOTS * STRIDE];
	uint32_t touched, bad, n;

	(void)state;
	for (n = 0; n <= SLOTS; n++) {
		fill_slots(p, n);
		assert_true(check_slots(p, &touched, &bad));
		assert_int_equal(touched, n);
	}
	p[2 * STRIDE + SIZE - 1] ^= 1; /* one bit at the end of one */
	assert_false(check_slots(p, &touched, &bad));
	assert_int_equal(bad, 2);
	fill_slots(p, SLOTS);
	memset(p + 3 * STRIDE, 0, SIZE); /* one never came, though a later one did */
	assert_false(check_slots(p, &touched, &bad));
	assert_int_equal(bad, 4);
	fill_slots(p, SLOTS);
	memset(p + 4 * STRIDE + 50, 0, 50); /* half of it came */
	assert_false(check_slots(p, &touched, &bad));
	assert_int_equal(bad, 4);
}

/* --- addresses ----------------------------------------------------------------------------- */

static struct perf_case tcp_case(void)
{
	return (struct perf_case){
		.test = PERF_BW,
		.op = PERF_SEND,
		.backend = "fabric",
		.provider = "tcp",
		.devices = "lo",
		.size = 64,
		.window = 16,
		.threads = 1,
		.eps = 2,
		.post_list = 1,
		.inline_bytes = UINT32_MAX,
	};
}

static void test_addresses_are_checked(void **state)
{
	/* Of each field that the twin has to have the same, or that says how long what follows is.
	 */
	static const int places[] = { 0, 4, 6, 7, 12, 15, 16, 23, 72, 73 };
	static unsigned char good[PERF_ADDRESS_MAX], bad[PERF_ADDRESS_MAX];
	const struct perf_case c = tcp_case();
	struct perf_port *port, *twin;
	int len, at;
	size_t i;

	(void)state;
	assert_int_equal(perf_fabric.open(&port, &c, 0, true), 0);
	assert_int_equal(perf_fabric.open(&twin, &c, 0, false), 0);
	len = perf_fabric.address(port, good, sizeof(good));
	assert_true(len > 80);
	assert_int_equal(perf_fabric.address(port, bad, (size_t)len - 1), -EMSGSIZE);
	for (at = 0; at < len; at++)
		assert_int_equal(perf_fabric.connect(twin, good, (size_t)at), -WEFT_EMESSAGE);
	memcpy(bad, good, (size_t)len);
	assert_int_equal(perf_fabric.connect(twin, bad, (size_t)len + 1), -WEFT_EMESSAGE);
	for (i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		bad[places[i]] ^= 0x80;
		assert_int_equal(perf_fabric.connect(twin, bad, (size_t)len), -WEFT_EMESSAGE);
		bad[places[i]] ^= 0x80;
	}
	bad[3]++;
	assert_int_equal(perf_fabric.connect(twin, bad, (size_t)len), -WEFT_EVERSION);
	bad[3]--;
	bad[24] = 'x';
	assert_int_equal(perf_fabric.connect(twin, bad, (size_t)len), -WEFT_EUNREACHABLE);
	memset(bad + 8, 0, 4); /* no receives */
	bad[24] = good[24];
	assert_int_equal(perf_fabric.connect(twin, bad, (size_t)len), -WEFT_EMESSAGE);
	/* The good one: the other only has not answered. */
	assert_int_equal(perf_fabric.connect(twin, good, (size_t)len), -EAGAIN);
	perf_fabric.close(twin);
	perf_fabric.close(port);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_least_used_is_taken),
		cmocka_unit_test(test_unknown_nodes_are_no_nearer),
		cmocka_unit_test(test_edges_of_the_providers),
		cmocka_unit_test(test_edges_follow_the_environment),
		cmocka_unit_test(test_content_is_told_from_any_other),
		cmocka_unit_test(test_slots_are_touched_in_turn),
		cmocka_unit_test(test_addresses_are_checked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
