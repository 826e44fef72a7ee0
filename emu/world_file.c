/* SPDX-License-Identifier: Apache-2.0 */
#include "emu/world_file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "emu/util.h"

/* A file beyond RLIMIT_FSIZE is answered by a signal that ends the process: asked before. */
static int size_allowed(off_t bytes)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_FSIZE, &limit) || limit.rlim_cur == RLIM_INFINITY)
		return 0;
	return (rlim_t)bytes > limit.rlim_cur ? -EFBIG : 0;
}

int emu_file_reserve(int fd, off_t offset, off_t bytes)
{
	int error = size_allowed(offset + bytes);

	if (error)
		return error;
	do
		error = posix_fallocate(fd, offset, bytes);
	while (error == EINTR);
	return -error;
}

int emu_file_extend(int fd, off_t bytes)
{
	struct stat st;
	int error = size_allowed(bytes);

	if (error)
		return error;
	if (fstat(fd, &st))
		return -errno;
	if (st.st_size >= bytes)
		return 0;
	return ftruncate(fd, bytes) ? -errno : 0;
}

static int children_remove(int fd)
{
	DIR *dir = fdopendir(fd);
	struct dirent *entry;
	int error = 0, one;

	if (!dir) {
		error = -errno;
		close(fd);
		return error;
	}
	while ((entry = readdir(dir))) {
		if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, ".."))
			continue;
		one = emu_tree_remove(dirfd(dir), entry->d_name);
		if (!error)
			error = one;
	}
	closedir(dir);
	return error;
}

int emu_tree_remove(int fd, const char *name)
{
	int child, error;

	if (!unlinkat(fd, name, 0) || errno == ENOENT)
		return 0;
	if (errno != EISDIR && errno != EPERM)
		return -errno;
	child = openat(fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (child < 0)
		return -errno;
	error = children_remove(child);
	if (unlinkat(fd, name, AT_REMOVEDIR) && errno != ENOENT && !error)
		error = -errno;
	return error;
}

/* No process has the private world dir open, and it is not one that is just being made. */
static bool stale(int parent, const char *name)
{
	char path[300];
	struct stat st;
	bool unused = false;
	int fd;

	if (fstatat(parent, name, &st, AT_SYMLINK_NOFOLLOW) || !S_ISDIR(st.st_mode) ||
	    st.st_uid != geteuid() || time(NULL) - st.st_mtime < EMU_STALE_S ||
	    emu_format(path, sizeof(path), "%s/world", name))
		return false;
	fd = openat(parent, path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT;
	unused = !flock(fd, LOCK_EX | LOCK_NB);
	close(fd);
	return unused;
}

void emu_world_sweep(const char *parent)
{
	char prefix[64], why[64], path[300];
	struct dirent *entry;
	DIR *dir = opendir(parent);

	if (!dir)
		return;
	snprintf(prefix, sizeof(prefix), EMU_PRIVATE_PREFIX "%u.", (unsigned int)geteuid());
	while ((entry = readdir(dir))) {
		if (strncmp(entry->d_name, prefix, strlen(prefix)) ||
		    !stale(dirfd(dir), entry->d_name) ||
		    emu_format(path, sizeof(path), "%s/%s", parent, entry->d_name))
			continue;
		/* One without a world in it is empty, or nothing of ours. */
		if (emu_world_remove(path, why, sizeof(why)) == -ENOENT)
			rmdir(path);
	}
	closedir(dir);
}
