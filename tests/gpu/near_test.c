/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which NICs are near a GPU: the four emulated ones of a p4d.24xlarge and the stand-in for CUDA's
 * driver, at places that a topology from a file gives them. TOPOLOGY is the folder of the files.
 */
#include "kit.h"

#include <dlfcn.h>
#include <limits.h>
#include <rdma/fabric.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define RAILS 4u
#define MOVES 24u

static struct kit kit;
static unsigned asked[2]; /* how often efa was: without FI_HMEM, with it */

/* In front of libfabric's. */
__attribute__((visibility("default"))) int fi_getinfo(uint32_t version, const char *node,
						      const char *service, uint64_t flags,
						      const struct fi_info *hints,
						      struct fi_info **info)
{
	int (*real)(uint32_t, const char *, const char *, uint64_t, const struct fi_info *,
		    struct fi_info **);

	*(void **)&real = dlsym(RTLD_NEXT, "fi_getinfo");
	assert_non_null(real);
	if (hints && hints->fabric_attr->prov_name && !strcmp(hints->fabric_attr->prov_name, "efa"))
		asked[(hints->caps & FI_HMEM) != 0]++;
	return real(version, node, service, flags, hints, info);
}

static int close_kit(void **state)
{
	(void)state;
	kit_close(&kit);
	kit_cuda.set(FAKE_PLACE, 0);
	return 0;
}

/* Of a peer that is met a path gets nothing before its first answer while another has answered. */
static void await_rails(void)
{
	struct weft_peer_info info = { .size = sizeof(info) };
	int left = 10000;

	do {
		assert_int_equal(weft_peer_info(weft_remote_peer(kit.remote), &info), 0);
		usleep(1000);
	} while (!(info.connected && info.rails_usable == RAILS) && --left);
	assert_int_equal(info.connected, 1);
	assert_int_equal(info.rails_usable, RAILS);
}

static void open_kit(const char *topology, uint64_t place)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/%s.xml", getenv("TOPOLOGY"), topology);
	setenv("HWLOC_XMLFILE", path, 1);
	kit_cuda.set(FAKE_PLACE, place);
	kit_rails = RAILS;
	kit_open(&kit, "efa", NULL);
	await_rails();
}

static void note_near(void *ctx, const char *line)
{
	uint32_t *near = ctx;
	unsigned rail;

	if (sscanf(line, "region.%*u.near_rail %u", &rail) == 1)
		*near |= 1u << rail;
}

static uint32_t told_near(void)
{
	uint32_t near = 0;

	assert_int_equal(weft_dump(kit.here, note_near, &near), 0);
	return near;
}

static void print_line(void *ctx, const char *line)
{
	(void)ctx;
	print_error("%s\n", line);
}

static uint64_t posted_on(uint32_t index)
{
	struct weft_rail_info info = { .size = sizeof(info) };

	assert_int_equal(weft_rail(kit.here, index, &info), 0);
	return info.posted;
}

/* Small transfers, one after the other, out of the GPU's memory. taken: how many of their
 * operations each rail had. */
static void move(uint64_t taken[RAILS])
{
	uint32_t i;

	for (i = 0; i < RAILS; i++)
		taken[i] = posted_on(i);
	for (i = 0; i < MOVES; i++) {
		uint64_t at = (uint64_t)i * 512;

		assert_true(weft_batch_write(kit.batch, kit.mine, at, kit.remote, at, 512, 0, 0) >=
			    0);
		assert_int_equal(weft_submit(kit.batch, KIT_WAIT), 0);
		assert_int_equal(weft_batch_wait(kit.batch, KIT_WAIT), 0);
		assert_int_equal(weft_batch_error(kit.batch), 0);
		assert_int_equal(weft_batch_reset(kit.batch), 0);
	}
	for (i = 0; i < RAILS; i++)
		taken[i] = posted_on(i) - taken[i];
}

static void expect_near(uint64_t place, uint32_t rail)
{
	uint64_t taken[RAILS];

	open_kit("p4d.24xlarge", place);
	assert_int_equal(told_near(), 1u << rail);
	kit_fill(kit.gpu, MOVES * 512, 7);
	move(taken);
	if (taken[rail] != MOVES)
		weft_dump(kit.here, print_line, NULL);
	assert_int_equal(taken[rail], MOVES);
	assert_int_equal(kit_first_wrong(kit.host, MOVES * 512, 7), MOVES * 512);
}

/* Below the switch of the third NIC. */
static void test_same_switch(void **state)
{
	(void)state;
	expect_near(0x901c, 2);
}

/* A second region of the same GPU asks nothing again; its address comes in capitals. */
static void test_kept(void **state)
{
	struct weft_region *second;
	uint64_t address;

	(void)state;
	expect_near(0xa01d, 3);
	kit_cuda.set(FAKE_PLACE, 0x101c);
	address = kit_alloc(4096);
	assert_int_equal(
		weft_register(kit.here, (void *)(uintptr_t)address, 4096, WEFT_LOCAL, &second), 0);
	assert_int_equal(told_near(), 1u << 3);
	assert_int_equal(weft_unregister(second, 0), 0);
	kit_free(address);
}

/* Not known: none is preferred, and all is as without it. */
static void not_known(const char *topology, uint64_t place)
{
	uint64_t taken[RAILS];

	open_kit(topology, place);
	assert_int_equal(told_near(), 0);
	move(taken);
	assert_int_equal(taken[0], MOVES);
}

static void test_driver_silent(void **state)
{
	(void)state;
	not_known("p4d.24xlarge", 0);
}

static void test_not_in_topology(void **state)
{
	(void)state;
	not_known("p4d.24xlarge", 0x0101);
}

static void test_no_topology(void **state)
{
	(void)state;
	not_known("nonesuch", 0x901c);
}

/* By all engines of the tests before: libfabric 1.17's efa, asked for FI_HMEM in vain, frees what
 * endpoints of other engines read. */
static void test_asked_once(void **state)
{
	(void)state;
	assert_int_equal(asked[0], 1);
	assert_int_equal(asked[1], 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(test_same_switch, close_kit),
		cmocka_unit_test_teardown(test_kept, close_kit),
		cmocka_unit_test_teardown(test_driver_silent, close_kit),
		cmocka_unit_test_teardown(test_not_in_topology, close_kit),
		cmocka_unit_test_teardown(test_no_topology, close_kit),
		cmocka_unit_test(test_asked_once),
	};

	if (!kit_load(true))
		return 77;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
