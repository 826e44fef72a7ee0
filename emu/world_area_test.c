/* SPDX-License-Identifier: Apache-2.0 */
/* Rings of a process: taken, given back, what lies in them, and what happens without memory. */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "emu/util.h"
#include "emu/world_file.h"
#include "emu/world_kit.h"

static char dir[64];
static char why[256];

static int setup(void **state)
{
	struct emu_world *world = calloc(1, sizeof(*world));

	kit_dir_make(dir);
	kit_world(world, dir, "generic", 1);
	assert_int_equal(emu_world_join(world, why, sizeof(why)), 0);
	*state = world;
	return 0;
}

static int teardown(void **state)
{
	emu_world_close(*state);
	free(*state);
	kit_dir_remove(dir);
	return 0;
}

static void assert_empty(const struct emu_ring *ring)
{
	assert_true(ring->free[EMU_SMALL] == UINT64_MAX);
	assert_true(ring->free[EMU_BIG] == UINT64_MAX >> (64 - EMU_BIG_CELLS));
	assert_true(ring->full[EMU_SMALL] == 0 && ring->full[EMU_BIG] == 0);
	for (int word = 0; word < EMU_SLOTS / 64; word++)
		assert_true(ring->waiters[word] == 0);
}

static blkcnt_t blocks(const struct emu_world *world)
{
	struct stat st;

	assert_int_equal(fstat(world->area_fd, &st), 0);
	return st.st_blocks;
}

static void a_ring_is_all_there(void **state)
{
	struct emu_world *world = *state;
	blkcnt_t before = blocks(world);
	struct emu_ring *ring;
	uint32_t index;

	assert_int_equal(emu_world_ring_take(world, &index), 0);
	assert_int_equal(index, 0);
	assert_true(blocks(world) - before >= (blkcnt_t)(EMU_RING_BYTES / 512));
	ring = emu_area_ring(world->area, index);
	assert_empty(ring);
	memset(ring->small, 1, sizeof(ring->small));
	memset(ring->big, 2, sizeof(ring->big));
	assert_true(blocks(world) - before <= (blkcnt_t)(EMU_RING_BYTES / 512) + 8);
}

static void rings_are_used_again(void **state)
{
	struct emu_world *world = *state;
	uint32_t index[3], again;
	blkcnt_t before;

	for (uint32_t i = 0; i < 3; i++) {
		assert_int_equal(emu_world_ring_take(world, &index[i]), 0);
		assert_int_equal(index[i], i);
	}
	before = blocks(world);
	emu_world_ring_give(world, 1);
	emu_world_ring_give(world, 0);
	/* The one that has rested longest comes first; twice given is given once. */
	emu_world_ring_give(world, 1);
	emu_world_ring_give(world, EMU_RINGS);
	emu_world_ring_give(world, 900);
	assert_int_equal(emu_world_ring_take(world, &again), 0);
	assert_int_equal(again, 1);
	assert_int_equal(emu_world_ring_take(world, &again), 0);
	assert_int_equal(again, 0);
	assert_int_equal(blocks(world), before);
	assert_int_equal(emu_world_ring_take(world, &again), 0);
	assert_int_equal(again, 3);
}

static void what_was_in_a_ring_is_gone(void **state)
{
	struct emu_world *world = *state;
	struct emu_ring *ring;
	uint32_t index;

	assert_int_equal(emu_world_ring_take(world, &index), 0);
	ring = emu_area_ring(world->area, index);
	atomic_store(&ring->free[EMU_SMALL], 0xf0);
	atomic_store(&ring->full[EMU_SMALL], 0x0f);
	atomic_store(&ring->full[EMU_BIG], 1);
	atomic_store(&ring->waiters[1], 12);
	/* Claimed by a process that is not there any more. */
	atomic_store(&ring->holder[EMU_BIG][5], EMU_HOLDER(9, 3u));
	atomic_fetch_and(&ring->free[EMU_BIG], ~(1ull << 5));
	emu_world_ring_give(world, index);
	assert_int_equal(emu_world_ring_take(world, &index), 0);
	assert_int_equal(index, 0);
	assert_empty(ring);
	assert_int_equal(ring->holder[EMU_BIG][5], 0);
}

/* A packet for the queue pair that was here before, still being written, must not lie over one of
 * the new queue pair. */
static void a_cell_in_a_living_hand_is_left_to_it(void **state)
{
	struct emu_world *world = *state;
	struct emu_ring *ring;
	uint32_t index;

	assert_int_equal(emu_world_ring_take(world, &index), 0);
	ring = emu_area_ring(world->area, index);
	atomic_store(&ring->holder[EMU_BIG][5], EMU_HOLDER(world->slot, world->generation));
	atomic_fetch_and(&ring->free[EMU_BIG], ~(1ull << 5));
	emu_world_ring_give(world, index);
	assert_int_equal(emu_world_ring_take(world, &index), 0);
	assert_true(ring->free[EMU_BIG] == ((UINT64_MAX >> (64 - EMU_BIG_CELLS)) & ~(1ull << 5)));
	/* Of an earlier generation: dead. */
	atomic_store(&ring->holder[EMU_BIG][5], EMU_HOLDER(world->slot, world->generation + 1));
	emu_world_ring_give(world, index);
	assert_int_equal(emu_world_ring_take(world, &index), 0);
	assert_empty(ring);
}

static void rings_end(void **state)
{
	struct emu_world *world = *state;
	uint32_t index;

	/* The list itself, without the memory that all rings would take. */
	assert_int_equal(emu_world_ring_take(world, &index), 0);
	for (uint32_t i = 0; i < 3 * EMU_RINGS; i++) {
		emu_world_ring_give(world, index);
		assert_int_equal(emu_world_ring_take(world, &index), 0);
		assert_int_equal(index, 0);
	}
	emu_world_leave(world);
	assert_int_equal(emu_world_ring_take(world, &index), -ENOTCONN);
	emu_world_ring_give(world, 0);
}

static void *take_and_give(void *argument)
{
	struct emu_world *world = argument;

	for (int round = 0; round < 300; round++) {
		uint32_t index[4];

		for (int i = 0; i < 4; i++) {
			struct emu_ring *ring;

			if (emu_world_ring_take(world, &index[i]))
				return world;
			/* Nobody else has it: what is written stays. */
			ring = emu_area_ring(world->area, index[i]);
			memcpy(ring->small[0], &argument, sizeof(argument));
			memcpy(ring->small[1], &round, sizeof(round));
		}
		for (int i = 0; i < 4; i++) {
			struct emu_ring *ring = emu_area_ring(world->area, index[i]);

			if (memcmp(ring->small[1], &round, sizeof(round)))
				return world;
			emu_world_ring_give(world, index[i]);
		}
	}
	return NULL;
}

static void threads_share_the_rings(void **state)
{
	pthread_t thread[4];
	void *failed;

	for (int i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&thread[i], NULL, take_and_give, *state), 0);
	for (int i = 0; i < 4; i++) {
		assert_int_equal(pthread_join(thread[i], &failed), 0);
		assert_null(failed);
	}
}

/* --- no memory ----------------------------------------------------------------------------- */

#define NOT_PERMITTED 77

static int full_body(const char *at)
{
	struct emu_world_options options = { .carrier = EMU_CARRIER_RING };
	struct emu_world *world = calloc(1, sizeof(*world)), *other = calloc(1, sizeof(*other));
	uint32_t index, taken = 0;
	char path[128];
	int error;

	snprintf(path, sizeof(path), "%s/world", at);
	if (mkdir(path, 0700) || emu_world_create(world, path, &options, why, sizeof(why)) ||
	    emu_world_join(world, why, sizeof(why)))
		return 1;
	while (!(error = emu_world_ring_take(world, &index))) {
		struct emu_ring *ring = emu_area_ring(world->area, index);

		/* Every byte can be used: a page that is not there would end the process. */
		memset(ring->small, 0x55, sizeof(ring->small));
		memset(ring->big, 0x55, sizeof(ring->big));
		taken++;
	}
	if (error != -ENOSPC || taken < 3)
		return 2;
	/* What was taken can be given and taken still. */
	emu_world_ring_give(world, 1);
	if (emu_world_ring_take(world, &index) || index != 1)
		return 3;
	/* No room for more processes, sooner or later: they are told. */
	for (error = 0; !error;) {
		if (emu_world_open(other, path, why, sizeof(why)))
			return 4;
		error = emu_world_join(other, why, sizeof(why));
	}
	if (error != -ENOSPC || !strstr(why, "full"))
		return 5;
	snprintf(path, sizeof(path), "%s/second", at);
	error = emu_world_create(other, path, &options, why, sizeof(why));
	if (error != -ENOSPC || !strstr(why, "full"))
		return 6;
	return 0;
}

/* A file system of 3 MiB in a mount namespace of the child's own. */
static int full_child(void *argument)
{
	const char *at = argument;

	if (unshare(CLONE_NEWNS) || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
	    mount("tmpfs", at, "tmpfs", 0, "size=3m"))
		return NOT_PERMITTED;
	return full_body(at);
}

static void a_full_file_system_is_an_error(void **state)
{
	char at[64];
	int status;

	(void)state;
	kit_dir_make(at);
	status = kit_wait(kit_child(full_child, at));
	kit_dir_remove(at);
	if (status == NOT_PERMITTED)
		skip();
	assert_int_equal(status, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_ring_is_all_there, setup, teardown),
		cmocka_unit_test_setup_teardown(rings_are_used_again, setup, teardown),
		cmocka_unit_test_setup_teardown(what_was_in_a_ring_is_gone, setup, teardown),
		cmocka_unit_test_setup_teardown(a_cell_in_a_living_hand_is_left_to_it, setup,
						teardown),
		cmocka_unit_test_setup_teardown(rings_end, setup, teardown),
		cmocka_unit_test_setup_teardown(threads_share_the_rings, setup, teardown),
		cmocka_unit_test(a_full_file_system_is_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
