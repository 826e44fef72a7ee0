/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Adds entries to directories of kernel file systems, where nothing can be created: the directory
 * is covered by a tmpfs in which every entry that was there is mounted again from behind, and which
 * has room for more. Mounts are recursive, as a user namespace asks for.
 */
#include "emu/launcher.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

static int say(char *why, size_t size, int error, const char *what, const char *path)
{
	snprintf(why, size, "%s %s: %s", what, path, strerror(error));
	return -error;
}

static int create_file(const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);

	if (fd < 0)
		return -errno;
	close(fd);
	return 0;
}

int mount_bind(const char *source, const char *target, char *why, size_t size)
{
	struct stat st;
	int rc = 0;

	if (stat(source, &st))
		return say(why, size, errno, "looking at", source);
	if (access(target, F_OK)) {
		if (S_ISDIR(st.st_mode))
			rc = mkdir(target, 0755) ? -errno : 0;
		else
			rc = create_file(target);
	}
	if (rc)
		return say(why, size, -rc, "making", target);
	if (mount(source, target, NULL, MS_BIND | MS_REC, NULL))
		return say(why, size, errno, "mounting", target);
	return 0;
}

static int copy_link(const char *source, const char *target, char *why, size_t size)
{
	char text[PATH_MAX];
	ssize_t n = readlink(source, text, sizeof(text) - 1);

	if (n < 0)
		return say(why, size, errno, "reading the link", source);
	text[n] = '\0';
	if (symlink(text, target))
		return say(why, size, errno, "making the link", target);
	return 0;
}

/* Shows source under target, which is not there. What has vanished meanwhile is left out. */
static int show(const char *source, const char *target, char *why, size_t size)
{
	struct stat st;
	int rc;

	if (lstat(source, &st))
		return errno == ENOENT ? 0 : say(why, size, errno, "looking at", source);
	rc = S_ISLNK(st.st_mode) ? copy_link(source, target, why, size)
				 : mount_bind(source, target, why, size);
	return rc == -ENOENT || rc == -ENODEV ? 0 : rc;
}

static bool is_dots(const char *name)
{
	return !strcmp(name, ".") || !strcmp(name, "..");
}

int mount_open_up(const char *path, mount_hides *hides, void *ctx, char *why, size_t size)
{
	char behind[64], source[PATH_MAX], target[PATH_MAX];
	const struct dirent *entry;
	DIR *dir = opendir(path);
	int rc = 0;

	if (!dir)
		return say(why, size, errno, "reading", path);
	/* This stays the directory that is covered. */
	snprintf(behind, sizeof(behind), "/proc/self/fd/%d", dirfd(dir));
	if (mount("weft-emu", path, "tmpfs", MS_NOSUID | MS_NOEXEC, "mode=0755"))
		rc = say(why, size, errno, "mounting a tmpfs on", path);
	while (!rc && (entry = readdir(dir))) {
		if (is_dots(entry->d_name) || (hides && hides(behind, entry->d_name, ctx)))
			continue;
		snprintf(source, sizeof(source), "%s/%s", behind, entry->d_name);
		snprintf(target, sizeof(target), "%s/%s", path, entry->d_name);
		rc = show(source, target, why, size);
	}
	closedir(dir);
	return rc;
}

struct merge {
	const char *target, *source;
	bool (*shared)(const char *path);
};

static mode_t type_of(const char *dir, const char *name)
{
	char path[PATH_MAX];
	struct stat st;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	return lstat(path, &st) ? 0 : st.st_mode & S_IFMT;
}

/* A directory of both that is to show the entries of both. target: where merge->target can be seen.
 */
static bool is_shared(const struct merge *merge, const char *target, const char *name)
{
	char path[PATH_MAX];

	if (type_of(target, name) != S_IFDIR || type_of(merge->source, name) != S_IFDIR)
		return false;
	snprintf(path, sizeof(path), "%s/%s", merge->target, name);
	return merge->shared(path);
}

/* Whether the tmpfs is to leave this entry out, because source's takes its place. */
static bool replaced(const char *behind, const char *name, void *ctx)
{
	const struct merge *merge = ctx;

	return type_of(merge->source, name) && !is_shared(merge, behind, name);
}

/* Whether source's entry can be put in place without a tmpfs: something to mount it on is there. */
static bool has_place(const struct merge *merge, const char *name)
{
	mode_t ours = type_of(merge->source, name), theirs = type_of(merge->target, name);

	return ours == theirs && ours != S_IFLNK;
}

static int place_entry(const struct merge *merge, const char *name, char *why, size_t size)
{
	char source[PATH_MAX], target[PATH_MAX];

	snprintf(source, sizeof(source), "%s/%s", merge->source, name);
	snprintf(target, sizeof(target), "%s/%s", merge->target, name);
	if (!type_of(merge->target, name))
		return show(source, target, why, size);
	if (is_shared(merge, merge->target, name))
		return mount_merge(target, source, merge->shared, why, size);
	return mount_bind(source, target, why, size);
}

int mount_merge(const char *target, const char *source, bool (*shared)(const char *path), char *why,
		size_t size)
{
	struct merge merge = { .target = target, .source = source, .shared = shared };
	const struct dirent *entry;
	DIR *dir = opendir(source);
	bool room = true;
	int rc = 0;

	if (!dir)
		return say(why, size, errno, "reading", source);
	while (room && (entry = readdir(dir)))
		room = is_dots(entry->d_name) || has_place(&merge, entry->d_name);
	if (!room)
		rc = mount_open_up(target, replaced, &merge, why, size);
	rewinddir(dir);
	while (!rc && (entry = readdir(dir)))
		if (!is_dots(entry->d_name))
			rc = place_entry(&merge, entry->d_name, why, size);
	closedir(dir);
	return rc;
}
