/* SPDX-License-Identifier: Apache-2.0 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "emu/carrier.h"

static int new_world(void **state)
{
	struct emu_world *world = calloc(1, sizeof(*world));

	assert_non_null(world);
	world->shared = calloc(1, sizeof(*world->shared));
	assert_non_null(world->shared);
	world->shared->id = 0x0123456789abcdefull;
	world->shared->carrier = EMU_CARRIER_RING;
	for (int i = 0; i < 3; i++) {
		world->shared->host[i].nics = 4;
		world->shared->host[i].udp_port = (uint16_t)(20000 + 200 * i);
		memcpy(world->shared->host[i].udp_address, (uint8_t[]){ 127, 0, 0, 1 }, 4);
		atomic_store(&world->shared->host[i].ready, 1);
	}
	*state = world;
	return 0;
}

static int free_world(void **state)
{
	struct emu_world *world = *state;

	free(world->shared);
	free(world);
	return 0;
}

static void test_ring(void **state)
{
	const struct emu_world *world = *state;
	struct emu_path path;
	uint8_t gid[16];

	emu_gid_make(world->shared, 2, 3, gid);
	memset(&path, 0xff, sizeof(path));
	assert_true(emu_path_init(world, gid, EMU_QPN(5, 77), &path));
	assert_int_equal(path.place.host, 2);
	assert_int_equal(path.place.nic, 3);
	assert_int_equal(path.slot, 5);
	assert_int_equal(path.index, 77);
	assert_int_equal(path.generation, 0);
	assert_null(path.area);
}

/* GIDs of hosts that are not there, of NICs that they lack, of other worlds. */
static void test_no_device(void **state)
{
	struct emu_world *world = *state;
	struct emu_path path;
	uint8_t gid[16];
	int i;

	for (i = 1; i <= 2; i++) {
		world->shared->carrier = i == 1 ? EMU_CARRIER_RING : EMU_CARRIER_UDP;
		emu_gid_make(world->shared, 2, 3, gid);
		gid[0] ^= 1;
		assert_false(emu_path_init(world, gid, EMU_QPN(5, 77), &path));
	}
	world->shared->carrier = EMU_CARRIER_RING;
	emu_gid_make(world->shared, 2, 4, gid);
	assert_false(emu_path_init(world, gid, EMU_QPN(5, 77), &path));
	emu_gid_make(world->shared, 3, 0, gid);
	assert_false(emu_path_init(world, gid, EMU_QPN(5, 77), &path));
	emu_gid_make(world->shared, 2, 3, gid);
	world->shared->id++;
	assert_false(emu_path_init(world, gid, EMU_QPN(5, 77), &path));
}

/* Numbers that no queue pair has lead to nobody, and nowhere outside of any table. */
static void test_no_queue_pair(void **state)
{
	static const uint32_t numbers[] = { 0, EMU_QPS - 1, EMU_QPN(EMU_SLOTS, 0), 0xffffff,
					    UINT32_MAX };
	struct emu_world *world = *state;
	struct emu_path path;
	uint8_t gid[16];
	size_t i;

	emu_gid_make(world->shared, 0, 0, gid);
	for (i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		assert_true(emu_path_init(world, gid, numbers[i], &path));
		assert_int_equal(path.slot, 0);
		assert_in_range(path.index, 0, EMU_QPS - 1);
	}
}

static void test_udp(void **state)
{
	struct emu_world *world = *state;
	struct sockaddr_in to;
	struct emu_path path;
	uint8_t gid[16];

	world->shared->carrier = EMU_CARRIER_UDP;
	emu_gid_make(world->shared, 2, 3, gid);
	assert_true(emu_path_init(world, gid, EMU_QPN(9, 1), &path));
	assert_int_equal(path.place.host, 2);
	assert_int_equal(path.place.nic, 3);
	memcpy(&to, path.address, sizeof(to));
	assert_int_equal(to.sin_family, AF_INET);
	assert_int_equal(ntohl(to.sin_addr.s_addr), INADDR_LOOPBACK);
	assert_int_equal(ntohs(to.sin_port), 20400 + 9);
	/* A host of another directory. */
	world->shared->host[2].udp_port = 30000;
	assert_true(emu_path_init(world, gid, EMU_QPN(9, 1), &path));
	assert_int_equal(path.place.host, EMU_ANY);
	assert_int_equal(path.slot, 9);
	/* Slots beyond the last port. */
	world->shared->host[1].udp_port = 65530;
	emu_gid_make(world->shared, 1, 0, gid);
	assert_true(emu_path_init(world, gid, EMU_QPN(5, 1), &path));
	assert_int_equal(path.slot, 5);
	assert_true(emu_path_init(world, gid, EMU_QPN(6, 1), &path));
	assert_int_equal(path.slot, 0);
}

#define WITH_WORLD(test) cmocka_unit_test_setup_teardown(test, new_world, free_world)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_WORLD(test_ring),
		WITH_WORLD(test_no_device),
		WITH_WORLD(test_no_queue_pair),
		WITH_WORLD(test_udp),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
