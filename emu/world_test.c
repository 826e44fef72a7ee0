/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <time.h>
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

static bool exists(const char *format, ...) __attribute__((format(printf, 1, 2)));

static bool exists(const char *format, ...)
{
	char path[300];
	va_list args;

	va_start(args, format);
	vsnprintf(path, sizeof(path), format, args);
	va_end(args);
	return access(path, F_OK) == 0;
}

static void write_world_file(const void *bytes, size_t size)
{
	char path[128];
	FILE *file;

	snprintf(path, sizeof(path), "%s/world", dir);
	file = fopen(path, "we");
	assert_non_null(file);
	assert_int_equal(fwrite(bytes, 1, size, file), size);
	fclose(file);
}

/* --- making and opening -------------------------------------------------------------------- */

static void created_is_complete(void **state)
{
	struct emu_world one, other;

	(void)state;
	assert_int_equal(create(&one, dir), 0);
	assert_false(one.own);
	assert_int_equal(one.slot, 0);
	assert_string_equal(one.dir, dir);
	assert_int_equal(one.shared->seed, 42);
	assert_int_equal(one.shared->timeout, 2 * EMU_S);
	assert_int_equal(one.shared->ready, 1);
	assert_int_not_equal(one.shared->id, 0);
	assert_int_equal(emu_world_open(&other, dir, why, sizeof(why)), 0);
	assert_int_equal(other.shared->id, one.shared->id);
	/* It is the same memory. */
	atomic_store(&one.shared->fault_epoch, 77);
	assert_int_equal(other.shared->fault_epoch, 77);
	assert_int_equal(create(&other, dir), -EEXIST);
	assert_non_null(strstr(why, dir));
	emu_world_close(&one);
	/* Closing removes nothing that a user named. */
	assert_true(exists("%s/world", dir));
}

static void directory_is_made(void **state)
{
	struct emu_world world;
	char path[128];

	(void)state;
	snprintf(path, sizeof(path), "%s/sub", dir);
	assert_int_equal(create(&world, path), 0);
	assert_string_equal(world.dir, path);
	emu_world_close(&world);
	assert_int_equal(emu_world_remove(path, why, sizeof(why)), 0);
	assert_false(exists("%s", path));
}

static void relative_paths_become_absolute(void **state)
{
	struct emu_world world;
	char *cwd = getcwd(NULL, 0);

	(void)state;
	assert_int_equal(chdir(dir), 0);
	assert_int_equal(create(&world, "."), 0);
	assert_string_equal(world.dir, dir);
	emu_world_close(&world);
	assert_int_equal(chdir(cwd), 0);
	free(cwd);
}

static void private_worlds_go_away(void **state)
{
	struct emu_world world;
	char path[256];
	struct stat st;

	(void)state;
	assert_int_equal(create(&world, NULL), 0);
	assert_true(world.own);
	strcpy(path, world.dir);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0700);
	kit_host(&world, 0, "generic", 2);
	emu_world_close(&world);
	assert_false(exists("%s", path));
}

static int close_in_child(void *world)
{
	emu_world_close(world);
	return 0;
}

static void a_child_removes_nothing(void **state)
{
	struct emu_world world;

	(void)state;
	assert_int_equal(create(&world, NULL), 0);
	assert_int_equal(kit_wait(kit_child(close_in_child, &world)), 0);
	assert_true(exists("%s/world", world.dir));
	emu_world_close(&world);
}

/* Waits for many to create the same world: one does, all others find it. */
static int race_create(void *argument)
{
	struct emu_world world;
	int error;

	(void)argument;
	error = create(&world, dir);
	if (error == -EEXIST)
		error = emu_world_open(&world, dir, why, sizeof(why)) ? 3 : 1;
	else if (error)
		return 4;
	if (!world.shared->id || world.shared->layout != EMU_LAYOUT)
		return 5;
	emu_world_close(&world);
	return error;
}

static void one_of_many_creates(void **state)
{
	pid_t child[16];
	int made = 0;

	(void)state;
	for (int i = 0; i < 16; i++)
		child[i] = kit_child(race_create, NULL);
	for (int i = 0; i < 16; i++) {
		int status = kit_wait(child[i]);

		assert_true(status == 0 || status == 1);
		made += status == 0;
	}
	assert_int_equal(made, 1);
}

/* --- what cannot be ------------------------------------------------------------------------ */

static void bad_directories_are_told(void **state)
{
	struct emu_world world;
	char path[400], name[280];

	(void)state;
	assert_int_equal(emu_world_open(&world, dir, why, sizeof(why)), -ENOENT);
	assert_non_null(strstr(why, dir));
	assert_non_null(strstr(why, "weft emu --world"));
	snprintf(path, sizeof(path), "%s/no/where", dir);
	assert_int_equal(create(&world, path), -ENOENT);
	assert_non_null(strstr(why, path));
	assert_int_equal(emu_world_open(&world, path, why, sizeof(why)), -ENOENT);
	assert_non_null(strstr(why, path));
	assert_int_equal(create(&world, "/proc"), -ENOENT);
	assert_non_null(strstr(why, "/proc"));
	memset(name, 'x', 200);
	name[200] = 0;
	snprintf(path, sizeof(path), "%s/%s", dir, name);
	assert_int_equal(create(&world, path), -ENAMETOOLONG);
	assert_non_null(strstr(why, "shorter"));
	assert_false(exists("%s/world", path));
}

/* As a user to whom the directory does not belong: root may write everywhere. */
static int create_as_nobody(void *argument)
{
	struct emu_world world;

	(void)argument;
	if (!geteuid() && setresuid(65534, 65534, 65534))
		return 2;
	return create(&world, dir) == -EACCES && strstr(why, dir) ? 0 : 1;
}

static void unwritable_directory_is_told(void **state)
{
	(void)state;
	assert_int_equal(chmod(dir, 0555), 0);
	assert_int_equal(kit_wait(kit_child(create_as_nobody, NULL)), 0);
	assert_int_equal(chmod(dir, 0700), 0);
}

static int open_as_nobody(void *argument)
{
	struct emu_world world;

	(void)argument;
	if (setresuid(65534, 65534, 65534))
		return 2;
	return emu_world_open(&world, dir, why, sizeof(why)) == -EACCES && strstr(why, dir) ? 0 : 1;
}

/* A world is for those whom the umask of its maker lets in. */
static void the_worlds_of_others_are_closed(void **state)
{
	struct emu_world world;

	(void)state;
	if (geteuid())
		skip();
	assert_int_equal(chmod(dir, 0755), 0);
	assert_int_equal(create(&world, dir), 0);
	assert_int_equal(kit_wait(kit_child(open_as_nobody, NULL)), 0);
	emu_world_close(&world);
}

static void foreign_files_are_told(void **state)
{
	struct emu_world world;
	struct {
		uint64_t magic;
		uint32_t layout, bytes;
	} header = { EMU_MAGIC, EMU_LAYOUT + 1, 4096 };

	(void)state;
	write_world_file("hello", 5);
	assert_int_equal(emu_world_open(&world, dir, why, sizeof(why)), -EPROTO);
	assert_non_null(strstr(why, "no file of an emulated world"));
	assert_int_equal(emu_world_remove(dir, why, sizeof(why)), -ENOENT);
	assert_true(exists("%s/world", dir));
	write_world_file(&header, sizeof(header));
	assert_int_equal(emu_world_open(&world, dir, why, sizeof(why)), -EPROTO);
	assert_non_null(strstr(why, "another version"));
	/* The right header, but cut off. */
	header.layout = EMU_LAYOUT;
	header.bytes = sizeof(struct emu_world_shared);
	write_world_file(&header, sizeof(header));
	assert_int_equal(emu_world_open(&world, dir, why, sizeof(why)), -EPROTO);
	/* One of another version can still be removed. */
	assert_int_equal(emu_world_remove(dir, why, sizeof(why)), 0);
	assert_false(exists("%s", dir));
	assert_int_equal(mkdir(dir, 0700), 0);
}

static int create_under_limit(void *argument)
{
	struct rlimit limit = { 4096, 4096 };
	struct emu_world world;

	(void)argument;
	if (setrlimit(RLIMIT_FSIZE, &limit))
		return 2;
	return create(&world, dir) == -EFBIG ? 0 : 1;
}

/* Not a signal that ends the process. */
static void file_size_limit_is_an_error(void **state)
{
	(void)state;
	assert_int_equal(kit_wait(kit_child(create_under_limit, NULL)), 0);
	assert_false(exists("%s/world", dir));
}

/* --- removing ------------------------------------------------------------------------------ */

static void removes_its_own_and_nothing_else(void **state)
{
	struct emu_world world;
	char path[128];
	FILE *file;

	(void)state;
	kit_world(&world, dir, "generic", 2);
	assert_int_equal(emu_world_join(&world, why, sizeof(why)), 0);
	emu_world_close(&world);
	assert_true(exists("%s/proc1", dir));
	assert_true(exists("%s/host0/sys/class/infiniband/rdmap0s6/ports/1/state", dir));
	snprintf(path, sizeof(path), "%s/precious", dir);
	file = fopen(path, "we");
	assert_non_null(file);
	fclose(file);
	assert_int_equal(emu_world_remove(dir, why, sizeof(why)), -ENOTEMPTY);
	assert_non_null(strstr(why, "other files"));
	assert_true(exists("%s/precious", dir));
	assert_false(exists("%s/world", dir));
	assert_false(exists("%s/proc1", dir));
	assert_false(exists("%s/host0", dir));
	assert_int_equal(emu_world_remove(dir, why, sizeof(why)), -ENOENT);
}

static void links_are_not_followed(void **state)
{
	struct emu_world world;
	char path[128], outside[64], file[128];

	(void)state;
	kit_dir_make(outside);
	snprintf(file, sizeof(file), "%s/file", outside);
	assert_int_equal(close(open(file, O_CREAT | O_WRONLY | O_CLOEXEC, 0600)), 0);
	kit_world(&world, dir, "generic", 1);
	snprintf(path, sizeof(path), "%s/host1", dir);
	assert_int_equal(symlink(outside, path), 0);
	emu_world_close(&world);
	assert_int_equal(emu_world_remove(dir, why, sizeof(why)), 0);
	assert_int_equal(access(file, F_OK), 0);
	kit_dir_remove(outside);
	assert_int_equal(mkdir(dir, 0700), 0);
}

static void age(const char *path)
{
	struct timeval old[2] = { { .tv_sec = time(NULL) - 2 * EMU_STALE_S }, { 0 } };

	old[1] = old[0];
	assert_int_equal(utimes(path, old), 0);
}

/* What killed processes left behind goes; what is in use or new stays. */
static void sweeps_what_was_left_behind(void **state)
{
	static const char *const kinds[] = { "left", "used", "new", "empty" };
	struct emu_world world[3];
	char path[4][160];

	(void)state;
	for (int i = 0; i < 4; i++) {
		snprintf(path[i], sizeof(path[i]), "%s/" EMU_PRIVATE_PREFIX "%u.%s", dir,
			 (unsigned int)geteuid(), kinds[i]);
		if (i < 3)
			assert_int_equal(create(&world[i], path[i]), 0);
		else
			assert_int_equal(mkdir(path[i], 0700), 0);
	}
	emu_world_close(&world[0]);
	emu_world_close(&world[2]);
	age(path[0]);
	age(path[1]);
	age(path[3]);
	emu_world_sweep(dir);
	assert_false(exists("%s", path[0]));
	assert_true(exists("%s/world", path[1]));
	assert_true(exists("%s/world", path[2]));
	assert_false(exists("%s", path[3]));
	emu_world_close(&world[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(created_is_complete, setup, teardown),
		cmocka_unit_test_setup_teardown(directory_is_made, setup, teardown),
		cmocka_unit_test_setup_teardown(relative_paths_become_absolute, setup, teardown),
		cmocka_unit_test_setup_teardown(private_worlds_go_away, setup, teardown),
		cmocka_unit_test_setup_teardown(a_child_removes_nothing, setup, teardown),
		cmocka_unit_test_setup_teardown(one_of_many_creates, setup, teardown),
		cmocka_unit_test_setup_teardown(bad_directories_are_told, setup, teardown),
		cmocka_unit_test_setup_teardown(unwritable_directory_is_told, setup, teardown),
		cmocka_unit_test_setup_teardown(the_worlds_of_others_are_closed, setup, teardown),
		cmocka_unit_test_setup_teardown(foreign_files_are_told, setup, teardown),
		cmocka_unit_test_setup_teardown(file_size_limit_is_an_error, setup, teardown),
		cmocka_unit_test_setup_teardown(removes_its_own_and_nothing_else, setup, teardown),
		cmocka_unit_test_setup_teardown(links_are_not_followed, setup, teardown),
		cmocka_unit_test_setup_teardown(sweeps_what_was_left_behind, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
