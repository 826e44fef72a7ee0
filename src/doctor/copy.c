/* SPDX-License-Identifier: Apache-2.0 */
#include "doctor/copy.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/err.h"
#include "doctor/secrets.h"

#define FILE_MAX    (256 << 10) /* bytes of a file */
#define ENTRIES_MAX 1024        /* of a directory */

int copy_begin(struct copy *ret, const struct doctor *doctor, struct tar *tar, const char *top)
{
	*ret = (struct copy){ .doctor = doctor, .tar = tar, .top = top };
	ret->room = mem_alloc(FILE_MAX + 1);
	ret->paths = mem_array(COPY_PATHS_MAX, sizeof(*ret->paths));
	if (ret->room && ret->paths)
		return 0;
	copy_end(ret);
	return err_set(-ENOMEM, "copies of files");
}

void copy_end(struct copy *copy)
{
	while (copy->count)
		mem_free(copy->paths[--copy->count]);
	mem_free(copy->paths);
	mem_free(copy->room);
}

/* Also where there is no room for more. */
static bool is_there(struct copy *copy, const char *path)
{
	for (size_t i = 0; i < copy->count; i++)
		if (!strcmp(copy->paths[i], path))
			return true;
	if (copy->count == COPY_PATHS_MAX)
		return true;
	copy->paths[copy->count] = mem_strdup(path);
	return !copy->paths[copy->count] || !++copy->count;
}

static void put_link(struct copy *copy, int fd, const char *name)
{
	char target[SYSROOT_PATH_MAX];
	ssize_t n = readlinkat(fd, "", target, sizeof(target));

	if (n <= 0 || (size_t)n == sizeof(target))
		return;
	target[n] = '\0';
	tar_link(copy->tar, name, target);
}

static void put_file(struct copy *copy, const char *name, const char *path)
{
	int len = sysroot_read(&copy->doctor->root, copy->room, FILE_MAX, "%s", path);

	if (len < 0)
		return;
	copy->room[len++] = '\n';
	secret_scrub(copy->room, (size_t)len, copy->doctor->environ);
	tar_file(copy->tar, name, copy->room, (size_t)len);
}

/* What it is, S_IFMT; 0: not there, or there already. */
static mode_t put(struct copy *copy, const char *path)
{
	char name[2 * SYSROOT_PATH_MAX];
	struct stat st;
	int fd;

	if (*path != '/' || strstr(path, "/../") || secret_file(path))
		return 0;
	fd = sysroot_fd(&copy->doctor->root, O_PATH | O_NOFOLLOW, "%s", path);
	if (fd < 0)
		return 0;
	if (fstat(fd, &st) || is_there(copy, path)) {
		close(fd);
		return 0;
	}
	snprintf(name, sizeof(name), "%s%s", copy->top, path);
	if (S_ISLNK(st.st_mode))
		put_link(copy, fd, name);
	else if (S_ISREG(st.st_mode))
		put_file(copy, name, path);
	else if (S_ISDIR(st.st_mode))
		tar_dir(copy->tar, name);
	else if (strcmp(path, "/dev/kmsg")) /* empty it would be a log in which all is well */
		tar_file(copy->tar, name, "", 0);
	close(fd);
	return st.st_mode & S_IFMT;
}

/* Where path leads to when the links above its last part are followed. */
static int real_above(const struct copy *copy, const char *path, char *ret, size_t room)
{
	const char *slash = strrchr(path, '/');
	char real[SYSROOT_PATH_MAX];

	if (!slash || slash == path)
		return snprintf(ret, room, "%s", path) < room ? 0 : -ENAMETOOLONG;
	if (sysroot_real(&copy->doctor->root, real, sizeof(real), "%.*s", (int)(slash - path),
			 path))
		return -ENOENT;
	return snprintf(ret, room, "%s%s", strcmp(real, "/") ? real : "", slash) < room
		       ? 0
		       : -ENAMETOOLONG;
}

/* Files stand where they really are: links to them are entries of their own. But /proc/self is
 * whoever looks. */
void copy_path(struct copy *copy, const char *path)
{
	char real[2 * SYSROOT_PATH_MAX];

	if (!strncmp(path, "/proc/", 6)) {
		put(copy, path);
		return;
	}
	if (secret_file(path) || real_above(copy, path, real, sizeof(real)) ||
	    put(copy, real) != S_IFLNK)
		return;
	/* What it leads to, else it leads nowhere in the copy. */
	if (!sysroot_real(&copy->doctor->root, real, sizeof(real), "%s", path))
		put(copy, real);
}

struct walk {
	struct copy *copy;
	const char *path;
	int depth;
};

static int walk_entry(void *ctx, const char *name)
{
	const struct walk *walk = ctx;
	char path[SYSROOT_PATH_MAX];

	if (snprintf(path, sizeof(path), "%s/%s", walk->path, name) < sizeof(path))
		copy_tree(walk->copy, path, walk->depth - 1);
	return 0;
}

void copy_tree(struct copy *copy, const char *path, int depth)
{
	struct walk walk = { .copy = copy, .path = path, .depth = depth };

	if (put(copy, path) == S_IFDIR && depth > 0)
		sysroot_each(&copy->doctor->root, ENTRIES_MAX, walk_entry, &walk, "%s", path);
}

/* --- devices -------------------------------------------------------------------------------- */

/* The place of a PCI function or of a device of a class: what it holds itself, and devices of it
 * that have a name in a class. */
static int copy_device(void *ctx, const char *name)
{
	/* Below an interface stand hundreds of files for each of its queues. */
	static const struct {
		const char *name;
		int depth;
	} parts[] = {
		{ "infiniband", 6 }, { "infiniband_verbs", 6 }, { "net", 2 },
		{ "ports", 6 },      { "hw_counters", 6 },
	};
	const struct walk *walk = ctx;
	char real[SYSROOT_PATH_MAX], part[SYSROOT_PATH_MAX];

	if (sysroot_real(&walk->copy->doctor->root, real, sizeof(real), "%s/%s", walk->path, name))
		return 0;
	copy_tree(walk->copy, real, 0);
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
		if (snprintf(part, sizeof(part), "%s/%s", real, parts[i].name) < sizeof(part))
			copy_tree(walk->copy, part, parts[i].depth);
	return 0;
}

/* Of a PCI function, what tells which it is and how it is connected. */
static int copy_function(void *ctx, const char *name)
{
	static const char *const files[] = { "vendor",
					     "device",
					     "class",
					     "numa_node",
					     "local_cpulist",
					     "driver",
					     "current_link_speed",
					     "current_link_width",
					     "max_link_speed",
					     "max_link_width",
					     "subsystem_vendor",
					     "subsystem_device",
					     "uevent" };
	const struct walk *walk = ctx;
	char path[SYSROOT_PATH_MAX];

	copy_device(ctx, name);
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
		if (snprintf(path, sizeof(path), "%s/%s/%s", walk->path, name, files[i]) <
		    sizeof(path))
			copy_path(walk->copy, path);
	return 0;
}

void copy_devices(struct copy *copy)
{
	static const struct {
		const char *path;
		int depth;
		int (*each)(void *ctx, const char *name);
	} places[] = {
		{ "/sys/bus/pci/devices", 1, copy_function },
		{ "/sys/class/infiniband", 6, copy_device },
		{ "/sys/class/infiniband_verbs", 2, copy_device },
		{ "/sys/class/net", 1, NULL },
		{ "/dev/infiniband", 1, NULL },
		{ "/sys/module/efa", 2, NULL },
		{ "/sys/module/ib_core", 1, NULL },
		{ "/sys/module/ib_uverbs", 1, NULL },
		{ "/sys/kernel/mm/hugepages", 2, NULL },
		{ "/sys/devices/system/cpu/online", 0, NULL },
		{ "/sys/devices/system/node", 1, NULL },
		{ "/etc/ld.so.conf.d", 1, NULL },
	};
	struct walk walk = { .copy = copy };

	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		walk.path = places[i].path;
		copy_tree(copy, places[i].path, places[i].depth);
		if (places[i].each)
			sysroot_each(&copy->doctor->root, ENTRIES_MAX, places[i].each, &walk, "%s",
				     places[i].path);
	}
}
