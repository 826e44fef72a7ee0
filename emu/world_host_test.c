/* SPDX-License-Identifier: Apache-2.0 */
/* Hosts of a world: made once, whoever asks and whoever is killed. */
#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "emu/util.h"
#include "emu/world_file.h"
#include "emu/world_kit.h"

static char dir[64];
static char why[256];

static int setup(void **state)
{
	(void)state;
	kit_dir_make(dir);
	why[0] = 0;
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	kit_dir_remove(dir);
	return 0;
}

static int create(struct emu_world *world, const char *path)
{
	struct emu_world_options options = { .seed = 42, .carrier = EMU_CARRIER_RING };

	return emu_world_create(world, path, &options, why, sizeof(why));
}

static void the_first_decides_what_a_host_is(void **state)
{
	struct emu_world world;

	(void)state;
	kit_world(&world, dir, "p4d.24xlarge", 0);
	kit_host(&world, 0, "generic", 7);
	assert_int_equal(world.shared->host[0].nics, 4);
	assert_string_equal(world.shared->host[0].profile, "p4d.24xlarge");
	assert_string_equal(world.shared->host[0].nic[2].name, "rdmap144s27");
	assert_string_equal(world.shared->host[0].nic[2].pci, "0000:90:1b.0");
	assert_int_equal(world.shared->host[0].nic[1].numa, 0);
	assert_int_equal(world.shared->host[0].nic[2].numa, 1);
	assert_int_equal(world.shared->host[0].model.rdma_write, 0);
	kit_host(&world, 63, "generic", EMU_NICS);
	assert_int_equal(world.shared->host[63].nics, EMU_NICS);
	assert_int_equal(world.shared->host[63].nic[31].numa, -1);
	emu_world_close(&world);
}

static void bad_hosts_are_told(void **state)
{
	struct emu_host_options options = { .profile = emu_profile_find("generic") };
	struct emu_world_options udp = { .carrier = EMU_CARRIER_UDP };
	struct emu_world world;

	(void)state;
	emu_model_defaults(&options.model);
	assert_int_equal(create(&world, dir), 0);
	assert_int_equal(emu_world_host(&world, EMU_HOSTS, &options, why, sizeof(why)), -ERANGE);
	assert_non_null(strstr(why, "0 to 63"));
	options.nics = EMU_NICS + 1;
	assert_int_equal(emu_world_host(&world, 1, &options, why, sizeof(why)), -ERANGE);
	assert_non_null(strstr(why, "33 NICs"));
	assert_int_equal(world.shared->host[1].ready, 0);
	emu_world_close(&world);
	assert_int_equal(emu_world_remove(dir, why, sizeof(why)), 0);
	options.nics = 1;
	assert_int_equal(emu_world_create(&world, dir, &udp, why, sizeof(why)), 0);
	options.udp_port = 65500;
	assert_int_equal(emu_world_host(&world, 1, &options, why, sizeof(why)), -ERANGE);
	assert_non_null(strstr(why, "UDP port"));
	emu_world_close(&world);
}

static int race_host(void *argument)
{
	struct emu_host_options options = { .profile = emu_profile_find("generic") };
	struct emu_world world;
	char path[300];

	emu_model_defaults(&options.model);
	options.nics = 1 + (uint32_t)(uintptr_t)argument;
	if (emu_world_open(&world, dir, why, sizeof(why)) ||
	    emu_world_host(&world, 5, &options, why, sizeof(why)))
		return 1;
	/* Whoever made it, all of it is there. */
	snprintf(path, sizeof(path), "%s/host5/sys/class/infiniband/%s/ports/1/gids/0", dir,
		 world.shared->host[5].nic[world.shared->host[5].nics - 1].name);
	return access(path, R_OK) ? 2 : (int)(world.shared->host[5].nics + 10);
}

static void one_of_many_makes_the_host(void **state)
{
	struct emu_world world;
	pid_t child[12];

	(void)state;
	assert_int_equal(create(&world, dir), 0);
	for (int i = 0; i < 12; i++)
		child[i] = kit_child(race_host, (void *)(uintptr_t)i);
	for (int i = 0; i < 12; i++) {
		int status = kit_wait(child[i]);

		assert_true(status > 10);
		assert_int_equal(status - 10, world.shared->host[5].nics);
	}
	emu_world_close(&world);
}

static int make_host(void *argument)
{
	struct emu_world world;

	(void)argument;
	if (emu_world_open(&world, dir, why, sizeof(why)))
		return 1;
	kit_host(&world, 3, "p5.48xlarge", 0);
	return 0;
}

/* A process that is killed while it makes a host leaves it to the next one. */
static void a_killed_maker_is_no_harm(void **state)
{
	struct emu_world world;
	char path[300];

	(void)state;
	assert_int_equal(create(&world, dir), 0);
	for (unsigned int i = 0; i < 12; i++) {
		pid_t child = kit_child(make_host, NULL);

		kit_sleep_us(500 + 1500 * i);
		kill(child, SIGKILL);
		kit_wait(child);
	}
	kit_host(&world, 3, "p5.48xlarge", 0);
	assert_int_equal(world.shared->host[3].ready, 1);
	snprintf(path, sizeof(path),
		 "%s/host3/sys/class/infiniband/rdmap201s0/hw_counters/cmds_err", dir);
	assert_int_equal(access(path, R_OK), 0);
	emu_world_close(&world);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(the_first_decides_what_a_host_is, setup, teardown),
		cmocka_unit_test_setup_teardown(bad_hosts_are_told, setup, teardown),
		cmocka_unit_test_setup_teardown(one_of_many_makes_the_host, setup, teardown),
		cmocka_unit_test_setup_teardown(a_killed_maker_is_no_harm, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
