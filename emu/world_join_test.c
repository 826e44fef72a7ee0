/* SPDX-License-Identifier: Apache-2.0 */
/* Process slots: taken, given back, left by the dead, found alive. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
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

/* What a child tells: its slot and generation, in memory shared with the test. */
struct told {
	_Atomic uint32_t slot, generation, go;
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

/* Joins, takes two rings, tells, and waits to be told to leave. */
static int member(void *argument)
{
	struct told *told = argument;
	struct emu_world *world = calloc(1, sizeof(*world));
	uint32_t ring[2];

	if (emu_world_open(world, dir, why, sizeof(why)) || join(world) ||
	    emu_world_ring_take(world, &ring[0]) || emu_world_ring_take(world, &ring[1]))
		return 1;
	atomic_store(&world->area->ring[1][3], 1 + ring[0]);
	atomic_store(&world->area->ring[1][200], 1 + ring[1]);
	atomic_fetch_add(&world->shared->host[0].nic[1].qps, 2);
	atomic_store(&told->generation, world->generation);
	atomic_store(&told->slot, world->slot);
	if (!until(&told->go))
		return 2;
	emu_world_close(world);
	free(world);
	return 0;
}

/* --- one process --------------------------------------------------------------------------- */

static void joins_and_leaves(void **state)
{
	struct emu_world *world = *state;
	struct emu_process_shared *process = &world->shared->process[1];
	uint32_t generation;

	assert_int_equal(join(world), 0);
	assert_int_equal(world->slot, 1);
	assert_int_equal(join(world), 0);
	assert_int_equal(world->slot, 1);
	assert_int_equal(process->state, EMU_PROCESS_LIVE);
	assert_int_equal(process->pid, getpid());
	assert_int_equal(process->host, 0);
	assert_string_equal(process->command, "emu_world_join_");
	generation = world->generation;
	assert_int_not_equal(generation, 0);
	assert_ptr_equal(emu_world_area(world, 1), world->area);
	assert_true(emu_world_alive(world, 1, generation));
	assert_false(emu_world_alive(world, 1, generation + 1));
	assert_false(emu_world_alive(world, 0, 0));
	assert_false(emu_world_alive(world, 2, 0));
	assert_false(emu_world_alive(world, EMU_SLOTS, 1));
	emu_world_leave(world);
	assert_int_equal(world->slot, 0);
	assert_int_equal(process->state, EMU_PROCESS_FREE);
	assert_false(emu_world_alive(world, 1, generation));
	assert_int_equal(join(world), 0);
	assert_int_equal(world->slot, 1);
	assert_int_equal(world->generation, generation + 1);
}

static void leaving_takes_queue_pairs_off(void **state)
{
	struct emu_world *world = *state, other;
	struct emu_area *area;

	assert_int_equal(join(world), 0);
	assert_int_equal(emu_world_open(&other, dir, why, sizeof(why)), 0);
	area = emu_world_area(&other, 1);
	assert_non_null(area);
	atomic_store(&world->area->ring[3][511], 9);
	atomic_store(&world->shared->host[0].nic[3].qps, 5);
	assert_int_equal(area->ring[3][511], 9);
	emu_world_leave(world);
	assert_int_equal(area->ring[3][511], 0);
	assert_int_equal(world->shared->host[0].nic[3].qps, 4);
	emu_world_close(&other);
}

/* A process with the world open twice: looking at its own slot must not cost it the lock. */
static void the_own_lock_survives_looking(void **state)
{
	struct emu_world *world = *state, *other = calloc(1, sizeof(*other));
	struct told *told = told_new(1);
	struct emu_area *area;
	pid_t child;

	assert_int_equal(join(world), 0);
	assert_int_equal(emu_world_open(other, dir, why, sizeof(why)), 0);
	assert_true(emu_world_alive(other, 1, world->generation));
	area = emu_world_area(other, 1);
	assert_non_null(area);
	assert_ptr_not_equal(area, world->area);
	atomic_store(&world->area->bell, 1);
	assert_int_equal(area->bell, 1);
	assert_int_equal(join(other), 0);
	assert_int_equal(other->slot, 2);
	emu_world_leave(other);
	emu_world_close(other);
	free(other);
	/* Somebody else gets another slot, so the lock of slot 1 is still held. */
	child = kit_child(member, told);
	assert_true(until(&told->slot));
	assert_int_equal(told->slot, 2);
	atomic_store(&told->go, 1);
	assert_int_equal(kit_wait(child), 0);
}

/* A bit of the area, as the mapping of a slot that nobody ever had. */
static void unknown_slots_have_no_area(void **state)
{
	struct emu_world *world = *state;
	char path[128];

	assert_null(emu_world_area(world, 0));
	assert_null(emu_world_area(world, 17));
	assert_null(emu_world_area(world, EMU_SLOTS));
	assert_null(emu_world_area(world, UINT32_MAX));
	/* One whose owner was killed before it made the file large. */
	snprintf(path, sizeof(path), "%s/proc17", dir);
	assert_int_equal(close(open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600)), 0);
	assert_null(emu_world_area(world, 17));
}

static void *map_all(void *argument)
{
	struct emu_world *world = argument;

	for (uint32_t slot = 1; slot < 9; slot++) {
		if (!emu_world_area(world, slot))
			return (void *)(uintptr_t)slot;
	}
	return NULL;
}

static void areas_are_mapped_by_many_threads(void **state)
{
	struct emu_world *world = *state, *member = calloc(8, sizeof(*member));
	pthread_t thread[8];
	void *failed;

	for (int i = 0; i < 8; i++) {
		assert_int_equal(emu_world_open(&member[i], dir, why, sizeof(why)), 0);
		assert_int_equal(join(&member[i]), 0);
	}
	for (int i = 0; i < 8; i++)
		assert_int_equal(pthread_create(&thread[i], NULL, map_all, world), 0);
	for (int i = 0; i < 8; i++) {
		assert_int_equal(pthread_join(thread[i], &failed), 0);
		assert_null(failed);
	}
	for (uint32_t i = 0; i < 8; i++) {
		atomic_store(&member[i].area->bell, 100 + i);
		assert_int_equal(emu_world_area(world, member[i].slot)->bell, 100 + i);
		emu_world_close(&member[i]);
	}
	free(member);
}

/* --- many processes ------------------------------------------------------------------------ */

static void sixty_four_join_at_once(void **state)
{
	struct emu_world *world = *state;
	struct told *told = told_new(64);
	bool seen[EMU_SLOTS] = { false };
	pid_t child[64];

	for (int i = 0; i < 64; i++)
		child[i] = kit_child(member, &told[i]);
	for (int i = 0; i < 64; i++)
		assert_true(until(&told[i].slot));
	for (int i = 0; i < 64; i++) {
		uint32_t slot = told[i].slot;

		assert_in_range(slot, 1, 64);
		assert_false(seen[slot]);
		seen[slot] = true;
		assert_true(emu_world_alive(world, slot, told[i].generation));
		assert_int_equal(emu_world_area(world, slot)->ring[1][3], 1);
	}
	assert_int_equal(world->shared->host[0].nic[1].qps, 128);
	for (int i = 0; i < 64; i++)
		atomic_store(&told[i].go, 1);
	for (int i = 0; i < 64; i++)
		assert_int_equal(kit_wait(child[i]), 0);
	for (int i = 0; i < 64; i++)
		assert_false(emu_world_alive(world, told[i].slot, told[i].generation));
	assert_int_equal(world->shared->host[0].nic[1].qps, 0);
}

#define CROWDS 3
#define CROWD  ((EMU_SLOTS - 1 + CROWDS - 1) / CROWDS)

/* Joins as often as a third of the slots, as different processes would. */
static int crowd(void *argument)
{
	struct told *told = argument;
	struct emu_world *world = calloc(CROWD, sizeof(*world));

	for (int i = 0; i < CROWD; i++) {
		if (emu_world_open(&world[i], dir, why, sizeof(why)))
			return 1;
		if (emu_world_join(&world[i], why, sizeof(why)) == -EAGAIN)
			break;
	}
	atomic_store(&told->slot, world[5].slot);
	if (!until(&told->go))
		return 2;
	for (int i = 0; i < CROWD; i++)
		emu_world_close(&world[i]);
	free(world);
	return 0;
}

static void a_full_world_is_told(void **state)
{
	struct emu_world *world = *state;
	struct told *told = told_new(CROWDS);
	pid_t child[CROWDS];

	for (int i = 0; i < CROWDS; i++)
		child[i] = kit_child(crowd, &told[i]);
	for (int i = 0; i < CROWDS; i++)
		assert_true(until(&told[i].slot));
	assert_int_equal(emu_world_join(world, why, sizeof(why)), -EAGAIN);
	assert_non_null(strstr(why, "127 processes"));
	atomic_store(&told[1].go, 1);
	assert_int_equal(kit_wait(child[1]), 0);
	assert_int_equal(join(world), 0);
	assert_true(world->slot <= told[1].slot);
	for (int i = 0; i < CROWDS; i += 2) {
		atomic_store(&told[i].go, 1);
		assert_int_equal(kit_wait(child[i]), 0);
	}
}

static void the_dead_are_replaced(void **state)
{
	struct emu_world *world = *state;
	struct told *told = told_new(2);
	pid_t child = kit_child(member, &told[0]);

	assert_true(until(&told[0].slot));
	assert_int_equal(told[0].slot, 1);
	assert_true(emu_world_alive(world, 1, told[0].generation));
	assert_int_equal(world->shared->host[0].nic[1].qps, 2);
	kill(child, SIGKILL);
	assert_int_equal(kit_wait(child), -SIGKILL);
	assert_false(emu_world_alive(world, 1, told[0].generation));
	assert_int_equal(world->shared->process[1].state, EMU_PROCESS_LIVE);
	/* The next one has the slot, and nothing of what was in it. */
	assert_int_equal(join(world), 0);
	assert_int_equal(world->slot, 1);
	assert_int_equal(world->generation, told[0].generation + 1);
	assert_int_equal(world->area->ring[1][3], 0);
	assert_int_equal(world->area->ring[1][200], 0);
	assert_int_equal(world->shared->host[0].nic[1].qps, 0);
}

/* Joins and leaves until it is killed. */
static int restless(void *argument)
{
	struct emu_world *world = calloc(1, sizeof(*world));
	uint32_t ring;

	(void)argument;
	if (emu_world_open(world, dir, why, sizeof(why)))
		return 1;
	for (;;) {
		if (join(world) || emu_world_ring_take(world, &ring))
			return 1;
		atomic_store(&world->area->ring[2][7], 1 + ring);
		atomic_store(&world->area->ring[2][7], 0);
		emu_world_ring_give(world, ring);
		emu_world_leave(world);
	}
}

/* Killed anywhere between any two instructions: what is left can always be used again. */
static void killed_at_any_point(void **state)
{
	struct emu_world *world = *state;
	uint32_t ring;

	for (unsigned int round = 0; round < 60; round++) {
		pid_t child[3];

		for (int i = 0; i < 3; i++)
			child[i] = kit_child(restless, NULL);
		kit_sleep_us(200 + (unsigned int)(emu_mix(round) % 4000));
		for (int i = 0; i < 3; i++)
			kill(child[i], SIGKILL);
		for (int i = 0; i < 3; i++)
			assert_int_equal(kit_wait(child[i]), -SIGKILL);
		assert_int_equal(join(world), 0);
		assert_int_equal(world->slot, 1);
		assert_int_equal(world->area->ring[2][7], 0);
		assert_int_equal(emu_world_ring_take(world, &ring), 0);
		emu_world_leave(world);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(joins_and_leaves, setup, teardown),
		cmocka_unit_test_setup_teardown(leaving_takes_queue_pairs_off, setup, teardown),
		cmocka_unit_test_setup_teardown(the_own_lock_survives_looking, setup, teardown),
		cmocka_unit_test_setup_teardown(unknown_slots_have_no_area, setup, teardown),
		cmocka_unit_test_setup_teardown(areas_are_mapped_by_many_threads, setup, teardown),
		cmocka_unit_test_setup_teardown(sixty_four_join_at_once, setup, teardown),
		cmocka_unit_test_setup_teardown(a_full_world_is_told, setup, teardown),
		cmocka_unit_test_setup_teardown(the_dead_are_replaced, setup, teardown),
		cmocka_unit_test_setup_teardown(killed_at_any_point, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
