/* SPDX-License-Identifier: Apache-2.0 */
/* The process's world as the environment names it. Each case is a process of its own. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "emu/sysfs.h"
#include "emu/util.h"
#include "emu/world_file.h"
#include "emu/world_kit.h"

#define NOTICE "weft-emu: emulated EFA devices; timings are not those of EFA\n"

static char dir[64];

/* Exit status and stderr of a child that ends as programs do, with exit(). */
struct outcome {
	int status;
	char text[1024];
};

static struct outcome run(int (*body)(void))
{
	struct outcome outcome = { 0 };
	size_t used = 0;
	ssize_t got;
	int end[2];
	pid_t child;

	assert_int_equal(pipe(end), 0);
	fflush(stdout);
	child = fork();
	if (!child) {
		dup2(end[1], STDERR_FILENO);
		close(end[0]);
		close(end[1]);
		exit(body());
	}
	close(end[1]);
	while (used < sizeof(outcome.text) - 1 &&
	       (got = read(end[0], outcome.text + used, sizeof(outcome.text) - 1 - used)) > 0)
		used += (size_t)got;
	close(end[0]);
	outcome.status = kit_wait(child);
	return outcome;
}

static int setup(void **state)
{
	(void)state;
	unsetenv("WEFT_EMU_WORLD");
	unsetenv("WEFT_EMU_HOST");
	unsetenv("WEFT_EMU_TRACE");
	unsetenv("SYSFS_PATH");
	kit_dir_make(dir);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	kit_dir_remove(dir);
	return 0;
}

static int open_it(void)
{
	return emu_world_here() ? 0 : 1;
}

/* Writes where the private world was into DIR/where. */
static void where_write(const struct emu_world *world)
{
	char path[128];
	FILE *file;

	snprintf(path, sizeof(path), "%s/where", dir);
	file = fopen(path, "we");
	if (file) {
		fputs(world->dir, file);
		fclose(file);
	}
}

static int private_body(void)
{
	struct emu_world *world = emu_world_here();
	char path[300], why[256];

	if (!world || world != emu_world_here() || !world->own || world->host)
		return 1;
	emu_sysfs_path(world->dir, 0, path, sizeof(path));
	if (!getenv("SYSFS_PATH") || strcmp(getenv("SYSFS_PATH"), path) || access(path, X_OK))
		return 2;
	if (world->shared->host[0].nics != 1 || strcmp(world->shared->host[0].profile, "generic"))
		return 3;
	if (emu_world_join(world, why, sizeof(why)) || world->slot != 1)
		return 4;
	where_write(world);
	return 0;
}

static void without_a_world_there_is_a_private_one(void **state)
{
	struct outcome outcome = run(private_body);
	char path[128], where[256];

	(void)state;
	assert_int_equal(outcome.status, 0);
	assert_string_equal(outcome.text, NOTICE);
	snprintf(path, sizeof(path), "%s/where", dir);
	assert_true(kit_read(path, where, sizeof(where)));
	assert_memory_equal(where, "/dev/shm/weft-emu-", 18);
	/* It went away with the process. */
	assert_int_equal(access(where, F_OK), -1);
}

static int forking_body(void)
{
	struct emu_world *world = emu_world_here();
	char why[256];
	int status;
	pid_t child;

	if (!world || emu_world_join(world, why, sizeof(why)))
		return 1;
	child = fork();
	if (!child)
		exit(0);
	if (waitpid(child, &status, 0) != child || status)
		return 2;
	/* The child ended and took nothing along. */
	return world->shared->process[1].state == EMU_PROCESS_LIVE && !access(world->dir, F_OK) ? 0
												: 3;
}

static void the_end_of_a_child_is_not_that_of_the_world(void **state)
{
	(void)state;
	assert_int_equal(run(forking_body).status, 0);
}

static int host_body(void)
{
	struct emu_world *world = emu_world_here();
	char path[300], why[256];

	if (!world || world->own || world->host != 2 || strcmp(world->dir, dir))
		return 1;
	emu_sysfs_path(dir, 2, path, sizeof(path));
	if (strcmp(getenv("SYSFS_PATH"), path))
		return 2;
	if (emu_world_join(world, why, sizeof(why)) || world->shared->process[1].host != 2)
		return 3;
	atomic_store(&world->shared->host[2].nic[0].counters[EMU_COUNT_tx_pkts], 31);
	atomic_store(&world->area->ring[0][0], 1);
	return 0;
}

static void the_environment_names_world_and_host(void **state)
{
	struct emu_world world;
	struct outcome outcome;
	char path[300], text[32];

	(void)state;
	kit_world(&world, dir, "generic", 1);
	kit_host(&world, 2, "generic", 3);
	setenv("WEFT_EMU_WORLD", dir, 1);
	setenv("WEFT_EMU_HOST", "2", 1);
	setenv("SYSFS_PATH", "/sys", 1);
	outcome = run(host_body);
	assert_int_equal(outcome.status, 0);
	assert_string_equal(outcome.text, NOTICE);
	/* It ended well: slot given back, counters shown, the world still there. */
	assert_int_equal(world.shared->process[1].state, EMU_PROCESS_FREE);
	assert_int_equal(emu_world_area(&world, 1)->ring[0][0], 0);
	snprintf(path, sizeof(path),
		 "%s/host2/sys/class/infiniband/rdmap0s6/ports/1/hw_counters/%s", dir, "tx_pkts");
	assert_true(kit_read(path, text, sizeof(text)));
	assert_string_equal(text, "31");
	/* The notice comes once per world. */
	outcome = run(open_it);
	assert_int_equal(outcome.status, 0);
	assert_string_equal(outcome.text, "");
	emu_world_close(&world);
}

static void bad_environments_are_told(void **state)
{
	static const struct {
		const char *host, *says;
	} cases[] = {
		{ "7", "no host 7; weft emu --world" },
		{ "64", "WEFT_EMU_HOST=64 is no host number; it takes 0 to 63" },
		{ "-1", "WEFT_EMU_HOST=-1" },
		{ "one", "WEFT_EMU_HOST=one" },
		{ "1x", "WEFT_EMU_HOST=1x" },
	};
	struct emu_world world;
	struct outcome outcome;

	(void)state;
	setenv("WEFT_EMU_WORLD", dir, 1);
	outcome = run(open_it);
	assert_int_equal(outcome.status, 1);
	assert_non_null(strstr(outcome.text, "weft-emu: no emulated world in "));
	kit_world(&world, dir, "generic", 1);
	for (size_t i = 0; i < EMU_COUNT(cases); i++) {
		setenv("WEFT_EMU_HOST", cases[i].host, 1);
		outcome = run(open_it);
		assert_int_equal(outcome.status, 1);
		if (!strstr(outcome.text, cases[i].says))
			fail_msg("%s: %s", cases[i].host, outcome.text);
		/* One line. */
		assert_ptr_equal(strchr(outcome.text, '\n'),
				 outcome.text + strlen(outcome.text) - 1);
	}
	setenv("WEFT_EMU_HOST", "0", 1);
	setenv("WEFT_EMU_TRACE", "/no/such/dir/trace", 1);
	outcome = run(open_it);
	assert_int_equal(outcome.status, 1);
	assert_non_null(strstr(outcome.text, "trace file /no/such/dir/trace"));
	emu_world_close(&world);
}

static int failed_stays_failed(void)
{
	if (emu_world_here() || emu_world_here())
		return 1;
	unsetenv("WEFT_EMU_WORLD");
	return emu_world_here() ? 2 : 0;
}

static void what_failed_stays_failed(void **state)
{
	struct outcome outcome;

	(void)state;
	setenv("WEFT_EMU_WORLD", "/no/such/world", 1);
	outcome = run(failed_stays_failed);
	assert_int_equal(outcome.status, 0);
	assert_ptr_equal(strchr(outcome.text, '\n'), outcome.text + strlen(outcome.text) - 1);
}

static int trace_body(void)
{
	return emu_world_here() ? 0 : 1;
}

static void the_trace_file_is_made(void **state)
{
	char path[128];

	(void)state;
	snprintf(path, sizeof(path), "%s/trace", dir);
	setenv("WEFT_EMU_TRACE", path, 1);
	assert_int_equal(run(trace_body).status, 0);
	assert_int_equal(access(path, F_OK), 0);
}

static void *here(void *argument)
{
	(void)argument;
	return emu_world_here();
}

static int threads_body(void)
{
	pthread_t thread[8];
	void *world[8];

	for (int i = 0; i < 8; i++) {
		if (pthread_create(&thread[i], NULL, here, NULL))
			return 1;
	}
	for (int i = 0; i < 8; i++)
		pthread_join(thread[i], &world[i]);
	for (int i = 0; i < 8; i++) {
		if (!world[i] || world[i] != world[0])
			return 2;
	}
	return 0;
}

static void threads_get_the_same_world(void **state)
{
	(void)state;
	assert_int_equal(run(threads_body).status, 0);
}

static _Atomic bool stop_it;

/* Uses what is mapped to the last moment, as an engine's thread may. */
static void *busy(void *argument)
{
	struct emu_world *world = argument;

	while (!atomic_load(&stop_it)) {
		atomic_fetch_add(&world->area->ready_nics, 1);
		atomic_fetch_add(&world->shared->host[0].nic[0].counters[0], 1);
	}
	return NULL;
}

static int busy_body(void)
{
	struct emu_world *world = emu_world_here();
	char why[256];
	pthread_t thread;

	if (!world || emu_world_join(world, why, sizeof(why)) ||
	    pthread_create(&thread, NULL, busy, world))
		return 1;
	kit_sleep_us(2000);
	return 0;
}

static void threads_may_run_to_the_end(void **state)
{
	(void)state;
	for (int i = 0; i < 20; i++)
		assert_int_equal(run(busy_body).status, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(without_a_world_there_is_a_private_one, setup,
						teardown),
		cmocka_unit_test_setup_teardown(the_end_of_a_child_is_not_that_of_the_world, setup,
						teardown),
		cmocka_unit_test_setup_teardown(the_environment_names_world_and_host, setup,
						teardown),
		cmocka_unit_test_setup_teardown(bad_environments_are_told, setup, teardown),
		cmocka_unit_test_setup_teardown(what_failed_stays_failed, setup, teardown),
		cmocka_unit_test_setup_teardown(the_trace_file_is_made, setup, teardown),
		cmocka_unit_test_setup_teardown(threads_get_the_same_world, setup, teardown),
		cmocka_unit_test_setup_teardown(threads_may_run_to_the_end, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
