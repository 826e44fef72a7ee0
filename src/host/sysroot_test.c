/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "host/fake_root.h"

static void text_is_cut_and_clean(void **state)
{
	char text[16];

	(void)state;
	tree_bytes("sys/a/b", "one\0two \n\n", 10);
	assert_int_equal(sysroot_read(&root, text, sizeof(text), "/sys/%s/b", "a"), 7);
	assert_string_equal(text, "one two");
	assert_int_equal(sysroot_read(&root, text, 4, "/sys/a/b"), 3);
	assert_string_equal(text, "one");
	assert_int_equal(sysroot_read(&root, text, sizeof(text), "/sys/a/c"), -ENOENT);
	assert_string_equal(text, "");
	assert_int_equal(sysroot_read(&root, text, sizeof(text), "/sys/a"), -EINVAL);
	tree_bytes("sys/a/empty", "", 0);
	assert_int_equal(sysroot_read(&root, text, sizeof(text), "/sys/a/empty"), 0);
}

static void what_would_wait_does_not(void **state)
{
	char text[16];

	(void)state;
	assert_int_equal(mkfifo(tree_path("sys/fifo"), 0644), 0);
	assert_int_equal(sysroot_read(&root, text, sizeof(text), "/sys/fifo"), -EINVAL);
}

static void numbers_are_whole(void **state)
{
	static const struct {
		const char *text;
		int rc;
		uint64_t value;
	} rows[] = { { "12\n", 0, 12 },
		     { "0x1d0f", 0, 0x1d0f },
		     { "18446744073709551615", 0, UINT64_MAX },
		     { "18446744073709551616", -EBADMSG, 0 },
		     { "", -EBADMSG, 0 },
		     { "-1", -EBADMSG, 0 },
		     { "12 13", -EBADMSG, 0 },
		     { "12\x80", -EBADMSG, 0 } };
	uint64_t value;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		value = 0;
		tree_bytes("sys/n", rows[i].text, strlen(rows[i].text));
		assert_int_equal(sysroot_number(&root, &value, "/sys/n"), rows[i].rc);
		assert_int_equal(value, rows[i].value);
	}
}

static void links_stay_below_the_root(void **state)
{
	char text[256];

	(void)state;
	tree_bytes("sys/devices/pci0/efa/vendor", "0x1d0f\n", 7);
	assert_int_equal(
		symlink("../../../../../../../sys/devices/pci0/efa", tree_path("sys/class/up")), 0);
	assert_int_equal(symlink("/sys/devices/pci0/efa", tree_path("sys/class/absolute")), 0);
	assert_int_equal(symlink("loop", tree_path("sys/class/loop")), 0);
	assert_int_equal(sysroot_read(&root, text, sizeof(text), "/sys/class/up/vendor"), 6);
	assert_int_equal(sysroot_read(&root, text, sizeof(text), "/sys/class/absolute/vendor"), 6);
	assert_int_equal(sysroot_read(&root, text, sizeof(text), "/sys/class/loop/x"), -ELOOP);
	assert_int_equal(sysroot_link(&root, text, sizeof(text), "/sys/class/up"), 0);
	assert_string_equal(text, "efa");
	assert_int_equal(sysroot_link(&root, text, sizeof(text), "/sys/devices"), -EINVAL);
	assert_int_equal(sysroot_real(&root, text, sizeof(text), "/sys/class/absolute"), 0);
	assert_string_equal(text, "/sys/devices/pci0/efa");
	assert_int_equal(sysroot_exists(&root, "/sys/class/up"), 0);
	assert_int_equal(sysroot_exists(&root, "/sys/class/down"), -ENOENT);
}

/* Renames by another process go on while the links are followed. */
static void what_others_rename_does_not_matter(void **state)
{
	char one[1024], two[1024], text[16];
	int failed = 0;
	pid_t pid;

	(void)state;
	tree_bytes("sys/devices/a/b/c/d/vendor", "1", 1);
	assert_int_equal(
		symlink("../../sys/devices/a/../a/b/../b/c/../c/d", tree_path("sys/class/link")),
		0);
	snprintf(one, sizeof(one), "%s", tree_path("one"));
	snprintf(two, sizeof(two), "%s", tree_path("two"));
	tree_bytes("one", "", 0);
	pid = fork();
	assert_true(pid >= 0);
	if (!pid)
		prctl(PR_SET_PDEATHSIG, SIGKILL);
	while (!pid) {
		rename(one, two);
		rename(two, one);
	}
	for (int i = 0; i < 5000; i++)
		failed += sysroot_read(&root, text, sizeof(text), "/sys/class/link/vendor") != 1;
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	assert_int_equal(failed, 0);
}

static int note(void *ctx, const char *name)
{
	strcat(ctx, name);
	strcat(ctx, " ");
	return strcmp(name, "stop") ? 0 : 7;
}

static void entries_come_in_the_order_of_their_numbers(void **state)
{
	static const char *const names[] = { "cpu10", "cpu2", "cpu1", "zero" };
	char all[256] = "";

	(void)state;
	for (size_t i = 0; i < 4; i++)
		tree_bytes(names[i], "", 0);
	assert_int_equal(sysroot_each(&root, 10, note, all, "/"), 0);
	assert_string_equal(all, "cpu1 cpu2 cpu10 zero ");
	*all = '\0';
	assert_int_equal(sysroot_each(&root, 2, note, all, "/"), 0);
	assert_true(strlen(all) >= 10 && strlen(all) <= 12);
	tree_bytes("stop", "", 0);
	*all = '\0';
	assert_int_equal(sysroot_each(&root, 10, note, all, "/"), 7);
	assert_int_equal(sysroot_each(&root, 10, note, all, "/none"), -ENOENT);
	assert_int_equal(sysroot_each(&root, 10, note, all, "/stop"), -ENOTDIR);
}

static void this_machine_has_its_files(void **state)
{
	char text[256];
	struct sysroot machine;

	(void)state;
	assert_int_equal(sysroot_open(&machine, "/", ""), 0);
	assert_true(sysroot_read(&machine, text, sizeof(text), "/proc/self/stat") > 0);
	assert_int_equal(sysroot_read(&machine, text, sizeof(text), "/%01100d", 1), -ENAMETOOLONG);
	sysroot_close(&machine);
	assert_int_equal(sysroot_open(&machine, "/no/such/directory", NULL), -ENOENT);
}

/* As for emulated devices: the kernel's settings and the processors stay this machine's. */
static void another_sysfs_tells_of_devices_only(void **state)
{
	struct sysroot machine;

	(void)state;
	tree_file("class/infiniband/efa_0/marker", "1");
	tree_file("kernel/marker", "1");
	tree_file("fs/marker", "1");
	tree_file("devices/system/marker", "1");
	tree_file("devices/systems/marker", "1");
	assert_int_equal(sysroot_open(&machine, NULL, tree), 0);
	assert_int_equal(sysroot_exists(&machine, "/sys/class/infiniband/efa_0/marker"), 0);
	assert_int_equal(sysroot_exists(&machine, "/sys/devices/systems/marker"), 0);
	assert_int_equal(sysroot_exists(&machine, "/sys/kernel/marker"), -ENOENT);
	assert_int_equal(sysroot_exists(&machine, "/sys/fs/marker"), -ENOENT);
	assert_int_equal(sysroot_exists(&machine, "/sys/devices/system/marker"), -ENOENT);
	sysroot_close(&machine);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, open_root, close_root)
		TEST(text_is_cut_and_clean),
		TEST(what_would_wait_does_not),
		TEST(numbers_are_whole),
		TEST(links_stay_below_the_root),
		TEST(what_others_rename_does_not_matter),
		TEST(entries_come_in_the_order_of_their_numbers),
		TEST(this_machine_has_its_files),
		TEST(another_sysfs_tells_of_devices_only),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
