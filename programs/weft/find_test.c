/* SPDX-License-Identifier: Apache-2.0 */
#include "weft/find.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

struct tree {
	char root[64];
	char bin[96];
};

static void make_dir(const struct tree *tree, const char *sub)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/%s", tree->root, sub);
	assert_int_equal(mkdir(path, 0700), 0);
}

static void make_file(const struct tree *tree, const char *sub, mode_t mode)
{
	char path[PATH_MAX];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", tree->root, sub);
	fd = open(path, O_CREAT | O_WRONLY | O_EXCL, mode);
	assert_true(fd >= 0);
	close(fd);
}

static int make_tree(void **state)
{
	struct tree *tree = calloc(1, sizeof(*tree));

	strcpy(tree->root, "/tmp/weft-find-XXXXXX");
	if (!mkdtemp(tree->root)) {
		free(tree);
		return -1;
	}
	snprintf(tree->bin, sizeof(tree->bin), "%s/bin", tree->root);
	make_dir(tree, "bin");
	make_dir(tree, "other");
	make_dir(tree, "kv");
	make_dir(tree, "libexec");
	make_dir(tree, "libexec/weft");
	*state = tree;
	return 0;
}

static int remove_tree(void **state)
{
	static const char *const files[] = { "bin/weft-serve", "kv/weft-kv",
					     "libexec/weft/weft-top", "other/weft-perf",
					     "bin/weft-data" };
	static const char *const dirs[] = { "bin/weft-folder", "bin",     "other", "kv",
					    "libexec/weft",    "libexec", "" };
	struct tree *tree = *state;
	char path[PATH_MAX];
	size_t i;

	for (i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		snprintf(path, sizeof(path), "%s/%s", tree->root, files[i]);
		unlink(path);
	}
	for (i = 0; i < sizeof(dirs) / sizeof(dirs[0]); i++) {
		snprintf(path, sizeof(path), "%s/%s", tree->root, dirs[i]);
		rmdir(path);
	}
	free(tree);
	return 0;
}

static int look(const struct tree *tree, const char *search_path, const char *name,
		const char *expect)
{
	char path[PATH_MAX], want[PATH_MAX], real[PATH_MAX];
	int rc = find_command(tree->bin, search_path, name, path, sizeof(path));

	if (rc)
		return rc;
	snprintf(want, sizeof(want), "%s/%s", tree->root, expect);
	assert_non_null(realpath(path, real));
	assert_string_equal(real, want);
	return 0;
}

static void commands_are_found_in_every_place(void **state)
{
	const struct tree *tree = *state;
	char search[PATH_MAX];

	make_file(tree, "bin/weft-serve", 0700);
	make_file(tree, "kv/weft-kv", 0700);
	make_file(tree, "libexec/weft/weft-top", 0700);
	make_file(tree, "other/weft-perf", 0700);
	snprintf(search, sizeof(search), ":/nonexistent:%s/other", tree->root);
	assert_int_equal(look(tree, NULL, "serve", "bin/weft-serve"), 0);
	assert_int_equal(look(tree, NULL, "kv", "kv/weft-kv"), 0);
	assert_int_equal(look(tree, NULL, "top", "libexec/weft/weft-top"), 0);
	assert_int_equal(look(tree, search, "perf", "other/weft-perf"), 0);
	assert_int_equal(look(tree, NULL, "perf", ""), -ENOENT);
}

static void what_is_no_program_is_not_found(void **state)
{
	const struct tree *tree = *state;

	make_file(tree, "bin/weft-data", 0600);
	make_dir(tree, "bin/weft-folder");
	assert_int_equal(look(tree, NULL, "data", ""), -ENOENT);
	assert_int_equal(look(tree, NULL, "folder", ""), -ENOENT);
}

static void names_cannot_leave_the_folder(void **state)
{
	(void)state;
	assert_true(find_name_is_good("kv"));
	assert_true(find_name_is_good("a-1"));
	assert_false(find_name_is_good(""));
	assert_false(find_name_is_good("-x"));
	assert_false(find_name_is_good("../kv"));
	assert_false(find_name_is_good("a/b"));
	assert_false(find_name_is_good("KV"));
	assert_false(find_name_is_good("abcdefghijklmnopqrstuvwxyzabcdefg"));
}

static void a_path_without_room_is_refused(void **state)
{
	const struct tree *tree = *state;
	char path[8];

	assert_int_equal(find_command(tree->bin, NULL, "kv", path, sizeof(path)), -ENAMETOOLONG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(commands_are_found_in_every_place, make_tree,
						remove_tree),
		cmocka_unit_test_setup_teardown(what_is_no_program_is_not_found, make_tree,
						remove_tree),
		cmocka_unit_test(names_cannot_leave_the_folder),
		cmocka_unit_test_setup_teardown(a_path_without_room_is_refused, make_tree,
						remove_tree),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
