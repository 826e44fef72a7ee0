/* SPDX-License-Identifier: Apache-2.0 */
/* For tests: a directory of files that look like /proc and /sys. */
#ifndef WEFT_HOST_FAKE_TREE_H
#define WEFT_HOST_FAKE_TREE_H

#include <fcntl.h>
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char tree[] = "/tmp/weft-perf-XXXXXX";

static inline int tree_open(void **state)
{
	(void)state;
	memcpy(tree + sizeof(tree) - 7, "XXXXXX", 6);
	return mkdtemp(tree) ? 0 : -1;
}

static inline int tree_remove_one(const char *path, const struct stat *stat, int kind,
				  struct FTW *ftw)
{
	(void)stat;
	(void)kind;
	(void)ftw;
	return remove(path);
}

static inline int tree_close(void **state)
{
	(void)state;
	return nftw(tree, tree_remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* The whole path; directories above it are made. */
static inline const char *tree_path(const char *path)
{
	static char full[1024];

	snprintf(full, sizeof(full), "%s/%s", tree, path);
	for (char *at = full + sizeof(tree); (at = strchr(at, '/')); at++) {
		*at = '\0';
		mkdir(full, 0755);
		*at = '/';
	}
	return full;
}

static inline void tree_bytes(const char *path, const void *bytes, size_t len)
{
	int fd = open(tree_path(path), O_WRONLY | O_CREAT | O_TRUNC, 0644);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, bytes, len), len);
	close(fd);
}

static inline void tree_file(const char *path, const char *text)
{
	tree_bytes(path, text, strlen(text));
}

static inline void tree_link(const char *path, const char *target)
{
	assert_int_equal(symlink(target, tree_path(path)), 0);
}

static inline void tree_remove(const char *path)
{
	assert_int_equal(nftw(tree_path(path), tree_remove_one, 16, FTW_DEPTH | FTW_PHYS), 0);
}

#endif /* WEFT_HOST_FAKE_TREE_H */
