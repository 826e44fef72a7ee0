/* SPDX-License-Identifier: Apache-2.0 */
/* Worlds in the children of a process, and at its end. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
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
	kit_world(world, dir, "generic", 4);
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

static int join(struct emu_world *world)
{
	int error = emu_world_join(world, why, sizeof(why));

	if (error)
		print_message("join: %s\n", why);
	return error;
}

/* What a child tells: its slot, in memory shared with the test. */
struct told {
	_Atomic uint32_t slot, go;
};

static struct told *told_new(size_t count)
{
	void *memory = mmap(NULL, count * sizeof(struct told), PROT_READ | PROT_WRITE,
			    MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	assert_ptr_not_equal(memory, MAP_FAILED);
	return memory;
}

static bool until(_Atomic uint32_t *word)
{
	uint64_t end = emu_now() + 100 * EMU_S;

	while (!atomic_load(word) && emu_now() < end)
		kit_sleep_us(200);
	return atomic_load(word);
}

/* --- forks --------------------------------------------------------------------------------- */

static int leave_in_child(void *argument)
{
	struct emu_world *world = argument;

	emu_world_leave(world);
	return world->slot ? 1 : 0;
}

static int join_in_child(void *argument)
{
	struct emu_world *world = argument;

	emu_world_forked(world);
	if (world->slot || world->area || world->rings)
		return 1;
	if (join(world))
		return 2;
	if (world->slot != 2)
		return 3;
	/* The parent's slot is now another process's, and lives. */
	if (!emu_world_alive(world, 1, world->shared->process[1].generation))
		return 4;
	emu_world_close(world);
	return 0;
}

static void a_child_gives_back_nothing_of_its_parent(void **state)
{
	struct emu_world *world = *state;

	assert_int_equal(join(world), 0);
	atomic_store(&world->area->ring[0][0], 4);
	assert_int_equal(kit_wait(kit_child(leave_in_child, world)), 0);
	assert_int_equal(kit_wait(kit_child(join_in_child, world)), 0);
	assert_int_equal(world->shared->process[1].state, EMU_PROCESS_LIVE);
	assert_int_equal(world->area->ring[0][0], 4);
	assert_true(emu_world_alive(world, 1, world->generation));
}

/* --- the end of a process ------------------------------------------------------------------ */

static int quit_and_wait(void *argument)
{
	struct told *told = argument;
	struct emu_world *world = calloc(1, sizeof(*world));

	if (emu_world_open(world, dir, why, sizeof(why)) || join(world))
		return 1;
	atomic_store(&world->area->ring[0][1], 3);
	emu_world_quit(world);
	/* What is mapped may still be used by other threads. */
	atomic_store(&world->area->ring[0][2], 3);
	atomic_store(&told->slot, world->slot);
	return until(&told->go) ? 0 : 2;
}

/* The slot is nobody else's as long as the process is there. */
static void quitting_keeps_the_slot_until_the_end(void **state)
{
	struct emu_world *world = *state;
	struct told *told = told_new(1);
	pid_t child = kit_child(quit_and_wait, told);

	assert_true(until(&told->slot));
	assert_int_equal(emu_world_area(world, 1)->ring[0][1], 0);
	assert_int_equal(world->shared->process[1].state, EMU_PROCESS_FREE);
	assert_int_equal(join(world), 0);
	assert_int_equal(world->slot, 2);
	emu_world_leave(world);
	atomic_store(&told->go, 1);
	assert_int_equal(kit_wait(child), 0);
	assert_int_equal(join(world), 0);
	assert_int_equal(world->slot, 1);
	assert_int_equal(world->area->ring[0][2], 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_child_gives_back_nothing_of_its_parent, setup,
						teardown),
		cmocka_unit_test_setup_teardown(quitting_keeps_the_slot_until_the_end, setup,
						teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
