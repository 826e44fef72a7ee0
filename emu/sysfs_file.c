/* SPDX-License-Identifier: Apache-2.0 */
#include "emu/sysfs_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "emu/world_file.h"

static void failed(struct emu_sysfs_tree *tree, const char *path, int error)
{
	if (tree->error)
		return;
	tree->error = error;
	snprintf(tree->path, sizeof(tree->path), "%s", path);
}

static void parents_make(struct emu_sysfs_tree *tree, const char *path)
{
	char dir[160];

	for (const char *slash = strchr(path, '/'); slash; slash = strchr(slash + 1, '/')) {
		if ((size_t)(slash - path) >= sizeof(dir)) {
			failed(tree, path, -ENAMETOOLONG);
			return;
		}
		memcpy(dir, path, (size_t)(slash - path));
		dir[slash - path] = 0;
		if (mkdirat(tree->fd, dir, EMU_DIR_MODE) && errno != EEXIST) {
			failed(tree, dir, -errno);
			return;
		}
	}
}

void emu_sysfs_file(struct emu_sysfs_tree *tree, const char *path, const void *content, size_t size)
{
	ssize_t done;
	int fd;

	if (tree->error)
		return;
	parents_make(tree, path);
	if (tree->error)
		return;
	fd = openat(tree->fd, path, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC,
		    EMU_FILE_MODE);
	if (fd < 0) {
		failed(tree, path, -errno);
		return;
	}
	done = write(fd, content, size);
	if (done < 0)
		failed(tree, path, -errno);
	else if ((size_t)done < size)
		failed(tree, path, -ENOSPC);
	close(fd);
}

void emu_sysfs_text(struct emu_sysfs_tree *tree, const char *path, const char *format, ...)
{
	char text[1024];
	va_list args;
	int length;

	va_start(args, format);
	length = vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	if (length < 0 || (size_t)length >= sizeof(text))
		failed(tree, path, -ENAMETOOLONG);
	else
		emu_sysfs_file(tree, path, text, (size_t)length);
}

void emu_sysfs_link(struct emu_sysfs_tree *tree, const char *path, const char *target)
{
	char way[320] = "";
	size_t used = 0;

	if (tree->error)
		return;
	parents_make(tree, path);
	/* Up to the root, once for each directory of path, and down again. */
	for (const char *slash = strchr(path, '/'); slash; slash = strchr(slash + 1, '/')) {
		memcpy(way + used, "../", 3);
		used += 3;
	}
	if (tree->error)
		return;
	if (used + strlen(target) >= sizeof(way)) {
		failed(tree, path, -ENAMETOOLONG);
		return;
	}
	strcpy(way + used, target);
	if (symlinkat(way, tree->fd, path))
		failed(tree, path, -errno);
}
