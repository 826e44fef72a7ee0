/* SPDX-License-Identifier: Apache-2.0 */
#include "emu/world.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "emu/util.h"
#include "emu/why.h"
#include "emu/world_file.h"

#define TIMEOUT_DEFAULT (2 * EMU_S)

/* The first bytes of DIR/world, the same in every layout. */
struct header {
	uint64_t magic;
	uint32_t layout;
	uint32_t bytes;
};

static void world_fill(struct emu_world_shared *shared, const struct emu_world_options *options)
{
	shared->magic = EMU_MAGIC;
	shared->layout = EMU_LAYOUT;
	shared->bytes = sizeof(*shared);
	shared->seed = options->seed;
	shared->carrier = options->carrier;
	atomic_store(&shared->timeout, options->timeout ? options->timeout : TIMEOUT_DEFAULT);
	atomic_store(&shared->ready, 1);
}

/* A complete world file called path: whoever finds a file DIR/world finds all of it. */
static int world_write(const char *path, const struct emu_world_options *options)
{
	struct emu_world_shared *shared;
	int fd, error;

	fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, EMU_FILE_MODE);
	if (fd < 0)
		return -errno;
	error = emu_file_reserve(fd, 0, sizeof(*shared));
	if (error)
		goto close;
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (shared == MAP_FAILED) {
		error = -errno;
		goto close;
	}
	error = emu_random(&shared->id, sizeof(shared->id));
	if (!error)
		world_fill(shared, options);
	munmap(shared, sizeof(*shared));
close:
	close(fd);
	return error;
}

/* Puts a world into dir, which exists; -EEXIST: there is one. */
static int world_place(const char *dir, const struct emu_world_options *options)
{
	char part[PATH_MAX], path[PATH_MAX];
	uint64_t random;
	int error;

	error = emu_random(&random, sizeof(random));
	if (error)
		return error;
	if (emu_format(path, sizeof(path), "%s/world", dir) ||
	    emu_format(part, sizeof(part), "%s/world.%016llx", dir, (unsigned long long)random))
		return -ENAMETOOLONG;
	error = world_write(part, options);
	if (!error && link(part, path))
		error = -errno;
	unlink(part);
	return error;
}

static int private_dir(char *dir, size_t size, char *why, size_t why_size)
{
	if (emu_format(dir, size, EMU_SHM "/" EMU_PRIVATE_PREFIX "%u.XXXXXX",
		       (unsigned int)geteuid()))
		return -ENAMETOOLONG;
	emu_world_sweep(EMU_SHM);
	if (mkdtemp(dir))
		return 0;
	return emu_why(why, why_size, -errno,
		       "cannot make a directory in " EMU_SHM ": %s; mount a tmpfs there, or name a "
		       "directory for the world (weft emu --world DIR)",
		       strerror(errno));
}

static int named_dir(const char *dir, char *why, size_t size)
{
	if (!mkdir(dir, EMU_DIR_MODE) || errno == EEXIST)
		return 0;
	return emu_why(why, size, -errno, "cannot make world directory %s: %s; name another one",
		       dir, strerror(errno));
}

/* A world that its maker cannot open is not left behind. */
static int made_open(struct emu_world *world, const char *dir, char *why, size_t size)
{
	char path[PATH_MAX];
	int error = emu_world_open(world, dir, why, size);

	if (error && !emu_format(path, sizeof(path), "%s/world", dir))
		unlink(path);
	return error;
}

int emu_world_create(struct emu_world *world, const char *dir,
		     const struct emu_world_options *options, char *why, size_t size)
{
	char made[64];
	bool own = !dir;
	int error;

	error = own ? private_dir(made, sizeof(made), why, size) : named_dir(dir, why, size);
	if (error)
		return error;
	if (own)
		dir = made;
	error = world_place(dir, options);
	if (error == -EEXIST)
		return emu_why(why, size, error, "there is a world in %s already", dir);
	if (error)
		emu_why(why, size, error, "cannot make a world in %s: %s%s", dir, strerror(-error),
			error == -ENOSPC ? "; the file system is full" : "");
	else
		error = made_open(world, dir, why, size);
	if (!error)
		world->own = own;
	else if (own)
		emu_tree_remove(AT_FDCWD, dir);
	return error;
}

static int header_check(const char *dir, int fd, char *why, size_t size)
{
	struct header header;
	struct stat st;

	if (fstat(fd, &st))
		return emu_why(why, size, -errno, "%s/world: %s", dir, strerror(errno));
	if (!st.st_nlink)
		return emu_why(why, size, -ENOENT, "the world in %s has just been removed", dir);
	if (pread(fd, &header, sizeof(header), 0) != sizeof(header) || header.magic != EMU_MAGIC)
		return emu_why(why, size, -EPROTO,
			       "%s/world is no file of an emulated world; name another directory",
			       dir);
	if (header.layout != EMU_LAYOUT || header.bytes != sizeof(struct emu_world_shared) ||
	    st.st_size < (off_t)header.bytes)
		return emu_why(why, size, -EPROTO,
			       "the world in %s is of another version of weft (layout %u of %u "
			       "bytes, this one has %u of %zu): end its processes and remove it",
			       dir, header.layout, header.bytes, EMU_LAYOUT,
			       sizeof(struct emu_world_shared));
	return 0;
}

static int path_take(struct emu_world *world, const char *dir, char *why, size_t size)
{
	char *path = realpath(dir, NULL);
	int error = 0;

	if (!path)
		return emu_why(why, size, -errno, "world directory %s: %s", dir, strerror(errno));
	if (strlen(path) > EMU_DIR_MAX)
		error = emu_why(why, size, -ENAMETOOLONG,
				"the path of a world's directory has at most %zu bytes; use a "
				"shorter one than %s",
				(size_t)EMU_DIR_MAX, path);
	else
		strcpy(world->dir, path);
	free(path);
	return error;
}

int emu_world_open(struct emu_world *world, const char *dir, char *why, size_t size)
{
	char path[sizeof(world->dir) + 8];
	int error;

	memset(world, 0, sizeof(*world));
	world->area_fd = -1;
	world->owner = getpid();
	error = path_take(world, dir, why, size);
	if (error)
		return error;
	snprintf(path, sizeof(path), "%s/world", world->dir);
	world->fd = open(path, O_RDWR | O_NOFOLLOW | O_CLOEXEC);
	if (world->fd < 0 && errno == ENOENT)
		return emu_why(why, size, -ENOENT,
			       "no emulated world in %s; weft emu --world makes one", world->dir);
	if (world->fd < 0)
		return emu_why(why, size, -errno, "cannot open %s: %s", path, strerror(errno));
	/* Where the file system has no such locks, only the sweeping of old worlds lacks them. */
	flock(world->fd, LOCK_SH | LOCK_NB);
	error = header_check(world->dir, world->fd, why, size);
	if (error)
		goto close;
	world->shared = mmap(NULL, sizeof(*world->shared), PROT_READ | PROT_WRITE, MAP_SHARED,
			     world->fd, 0);
	if (world->shared != MAP_FAILED)
		return 0;
	error = emu_why(why, size, -errno, "cannot map %s: %s", path, strerror(errno));
	world->shared = NULL;
close:
	close(world->fd);
	world->fd = -1;
	return error;
}

void emu_world_close(struct emu_world *world)
{
	char why[64];

	if (!world->shared)
		return;
	emu_world_leave(world);
	for (uint32_t slot = 0; slot < EMU_SLOTS; slot++) {
		struct emu_area *area = atomic_exchange(&world->areas[slot], NULL);

		if (area)
			munmap(area, EMU_FILE_BYTES);
	}
	if (world->own && world->owner == getpid())
		emu_world_remove(world->dir, why, sizeof(why));
	munmap(world->shared, sizeof(*world->shared));
	world->shared = NULL;
	close(world->fd);
	world->fd = -1;
}

/* Is it a name that the world gives to files of its directory? */
static bool name_is_ours(const char *name)
{
	unsigned int number;
	int end = -1;

	if (!strncmp(name, "world", 5))
		return !name[5] || name[5] == '.';
	sscanf(name, "proc%3u%n", &number, &end);
	if (end < 0)
		sscanf(name, "host%2u%n", &number, &end);
	return end > 0 && (!name[end] || !strcmp(name + end, ".lock"));
}

static int world_unlink(int fd)
{
	struct dirent *entry;
	DIR *dir = fdopendir(fd);
	int error = 0, one;

	if (!dir)
		return -errno;
	while ((entry = readdir(dir))) {
		/* The world file last: what is left after a failure is still seen to be a world. */
		if (!name_is_ours(entry->d_name) || !strcmp(entry->d_name, "world"))
			continue;
		one = emu_tree_remove(dirfd(dir), entry->d_name);
		if (!error)
			error = one;
	}
	if (!error)
		error = emu_tree_remove(dirfd(dir), "world");
	closedir(dir);
	return error;
}

int emu_world_remove(const char *dir, char *why, size_t size)
{
	uint64_t magic = 0;
	int fd, world, error;

	fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return emu_why(why, size, -errno, "world directory %s: %s", dir, strerror(errno));
	world = openat(fd, "world", O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	if (world < 0 || pread(world, &magic, sizeof(magic), 0) != sizeof(magic) ||
	    magic != EMU_MAGIC) {
		if (world >= 0)
			close(world);
		close(fd);
		return emu_why(why, size, -ENOENT, "no emulated world in %s: nothing removed", dir);
	}
	close(world);
	error = world_unlink(fd);
	if (!error && rmdir(dir))
		error = -errno;
	if (error == -ENOTEMPTY || error == -EEXIST)
		return emu_why(why, size, error,
			       "the world is removed, but other files lie in %s and stay", dir);
	if (error)
		emu_why(why, size, error, "cannot remove the world in %s: %s", dir,
			strerror(-error));
	return error;
}
