/* SPDX-License-Identifier: Apache-2.0 */
#include "host/sysroot.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/err.h"

#define OPEN_TRIES 10000

int sysroot_open(struct sysroot *ret, const char *dir, const char *sysfs)
{
	memset(ret, 0, sizeof(*ret));
	ret->real = !dir || !strcmp(dir, "/");
	if (!ret->real && snprintf(ret->path, sizeof(ret->path), "%s", dir) >= sizeof(ret->path))
		return err_set(-ENAMETOOLONG, "the path of the root directory is too long");
	if (ret->real && sysfs && *sysfs)
		snprintf(ret->sysfs, sizeof(ret->sysfs), "%s", sysfs);
	ret->fd = open(ret->real ? "/" : dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (ret->fd < 0)
		return err_set(-errno, "root directory %s: %s", ret->real ? "/" : dir,
			       strerror(errno));
	return 0;
}

void sysroot_close(struct sysroot *root)
{
	if (root->fd >= 0)
		close(root->fd);
	root->fd = -1;
}

/* What tells of devices; the kernel's settings and the processors are of this machine. */
static bool stands_in_sysfs(const char *path)
{
	static const char *const kept[] = { "/sys/kernel/", "/sys/fs/", "/sys/devices/system/" };

	for (size_t i = 0; i < sizeof(kept) / sizeof(kept[0]); i++)
		if (!strncmp(path, kept[i], strlen(kept[i])))
			return false;
	return !strncmp(path, "/sys/", 5);
}

/* Links are resolved as though the root were "/". Kernels before 5.6 resolve them as they are. */
static int open_below(const struct sysroot *root, int flags, const char *path)
{
	struct open_how how = {
		.flags = (uint64_t)(flags | O_CLOEXEC),
		.resolve = root->real ? 0 : RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS,
	};
	const char *below = path + strspn(path, "/");
	int fd = -1;

	if (!(flags & O_PATH))
		how.flags |= O_NONBLOCK | O_NOCTTY;
	if (!*below)
		below = ".";
	if (root->real && *root->sysfs && stands_in_sysfs(path)) {
		char moved[2 * SYSROOT_PATH_MAX];

		snprintf(moved, sizeof(moved), "%s/%s", root->sysfs, path + 5);
		fd = open(moved, (int)how.flags);
	} else if (root->real) {
		fd = openat(root->fd, below, (int)how.flags);
	} else {
		/* EAGAIN: something was renamed or mounted anywhere in the system meanwhile. */
		for (int i = 0; i < OPEN_TRIES; i++) {
			fd = (int)syscall(SYS_openat2, root->fd, below, &how, sizeof(how));
			if (fd >= 0 || errno != EAGAIN)
				break;
		}
		if (fd < 0 && errno == ENOSYS)
			fd = openat(root->fd, below, (int)how.flags);
	}
	return fd < 0 ? -errno : fd;
}

#define FORMAT_PATH(buf, format)                                   \
	({                                                         \
		va_list args_;                                     \
		int len_;                                          \
		va_start(args_, format);                           \
		len_ = vsnprintf(buf, sizeof(buf), format, args_); \
		va_end(args_);                                     \
		len_ < sizeof(buf) ? 0 : -ENAMETOOLONG;            \
	})

int sysroot_fd(const struct sysroot *root, int flags, const char *path, ...)
{
	char full[SYSROOT_PATH_MAX];
	int rc = FORMAT_PATH(full, path);

	return rc ? rc : open_below(root, flags, full);
}

static int read_path(const struct sysroot *root, char *ret, size_t room, const char *path)
{
	struct stat st;
	size_t len = 0;
	ssize_t n = 0;
	int fd = open_below(root, O_RDONLY, path), rc = 0;

	if (fd < 0)
		return fd;
	if (fstat(fd, &st))
		rc = -errno;
	else if (!S_ISREG(st.st_mode))
		rc = -EINVAL;
	while (!rc && len < room - 1) {
		n = read(fd, ret + len, room - 1 - len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			rc = -errno;
		if (n <= 0)
			break;
		len += (size_t)n;
	}
	close(fd);
	if (rc) {
		*ret = '\0'; /* it may have failed in the middle */
		return rc;
	}
	for (size_t i = 0; i < len; i++)
		if (!ret[i])
			ret[i] = ' ';
	while (len && isspace((unsigned char)ret[len - 1]))
		len--;
	ret[len] = '\0';
	return (int)len;
}

int sysroot_read(const struct sysroot *root, char *ret, size_t room, const char *path, ...)
{
	char full[SYSROOT_PATH_MAX];
	int rc = FORMAT_PATH(full, path);

	*ret = '\0';
	return rc ? rc : read_path(root, ret, room, full);
}

char *sysroot_clean(char *text)
{
	for (char *at = text; *at; at++)
		if (*at < ' ' || *at > '~')
			*at = '?';
	return text;
}

void sysroot_line(const struct sysroot *root, char *ret, size_t room, const char *path, ...)
{
	char full[SYSROOT_PATH_MAX];
	int rc = FORMAT_PATH(full, path);

	*ret = '\0';
	if (rc || read_path(root, ret, room, full) < 0)
		return;
	ret[strcspn(ret, "\n")] = '\0';
	sysroot_clean(ret);
}

int sysroot_number(const struct sysroot *root, uint64_t *ret, const char *path, ...)
{
	char full[SYSROOT_PATH_MAX], text[64], *end;
	uint64_t value;
	int rc = FORMAT_PATH(full, path);

	if (!rc)
		rc = read_path(root, text, sizeof(text), full);
	if (rc < 0)
		return rc;
	if (!isdigit((unsigned char)*text))
		return -EBADMSG;
	errno = 0;
	value = strtoull(text, &end, text[0] == '0' && text[1] == 'x' ? 16 : 10);
	if (errno || *end)
		return -EBADMSG;
	*ret = value;
	return 0;
}

int sysroot_link(const struct sysroot *root, char *ret, size_t room, const char *path, ...)
{
	char full[SYSROOT_PATH_MAX], to[SYSROOT_PATH_MAX], *last;
	int rc = FORMAT_PATH(full, path), fd;
	ssize_t n;

	*ret = '\0';
	if (rc)
		return rc;
	fd = open_below(root, O_PATH | O_NOFOLLOW, full);
	if (fd < 0)
		return fd;
	n = readlinkat(fd, "", to, sizeof(to) - 1);
	rc = n < 0 ? (errno == ENOENT ? -EINVAL : -errno) : 0;
	close(fd);
	if (rc)
		return rc;
	to[n] = '\0';
	last = strrchr(to, '/');
	last = last ? last + 1 : to;
	if (strlen(last) >= room)
		return -ENAMETOOLONG;
	strcpy(ret, last);
	return 0;
}

/* The kernel's name of an open descriptor, with what lies above the root cut off. */
static int name_of(const struct sysroot *root, int fd, char *ret, size_t room)
{
	char link[64], to[2 * SYSROOT_PATH_MAX], top[PATH_MAX]; /* what realpath() demands */
	const char *path = to, *prefix = "";
	ssize_t n, t = 0;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	n = readlink(link, to, sizeof(to) - 1);
	if (n < 0)
		return -errno;
	to[n] = '\0';
	if (!root->real) {
		snprintf(link, sizeof(link), "/proc/self/fd/%d", root->fd);
		t = readlink(link, top, sizeof(top) - 1);
	} else if (*root->sysfs && realpath(root->sysfs, top)) {
		t = (ssize_t)strlen(top);
	}
	if (t > 0 && t <= n && !strncmp(to, top, (size_t)t) && (to[t] == '/' || !to[t])) {
		path = to + t;
		prefix = root->real ? "/sys" : "";
	}
	return snprintf(ret, room, "%s%s", prefix, path) < room ? 0 : -ENAMETOOLONG;
}

int sysroot_real(const struct sysroot *root, char *ret, size_t room, const char *path, ...)
{
	char full[SYSROOT_PATH_MAX];
	int rc = FORMAT_PATH(full, path), fd;

	*ret = '\0';
	fd = rc ? rc : open_below(root, O_PATH, full);
	if (fd < 0)
		return fd;
	rc = name_of(root, fd, ret, room);
	close(fd);
	return rc;
}

int sysroot_exists(const struct sysroot *root, const char *path, ...)
{
	char full[SYSROOT_PATH_MAX];
	int rc = FORMAT_PATH(full, path), fd;

	fd = rc ? rc : open_below(root, O_PATH, full);
	if (fd < 0)
		return fd;
	close(fd);
	return 0;
}

static int by_version(const void *a, const void *b)
{
	return strverscmp(*(char *const *)a, *(char *const *)b);
}

/* Copies of the names of at most most entries. */
static int list_names(DIR *dir, size_t most, char ***ret, size_t *ret_count)
{
	size_t count = 0, room = 0, bigger;
	char **names = NULL, **more;
	struct dirent *entry;

	while (count < most && (entry = readdir(dir))) {
		if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, ".."))
			continue;
		if (count == room) {
			bigger = room ? 2 * room : 64;
			more = mem_array(bigger, sizeof(*names));
			if (!more)
				goto no_memory;
			if (count)
				memcpy(more, names, count * sizeof(*names));
			mem_free(names);
			names = more;
			room = bigger;
		}
		names[count] = mem_zalloc(strlen(entry->d_name) + 1);
		if (!names[count])
			goto no_memory;
		strcpy(names[count++], entry->d_name);
	}
	*ret = names;
	*ret_count = count;
	return 0;
no_memory:
	while (count)
		mem_free(names[--count]);
	mem_free(names);
	return -ENOMEM;
}

int sysroot_each(const struct sysroot *root, size_t most, int (*fn)(void *ctx, const char *name),
		 void *ctx, const char *path, ...)
{
	char full[SYSROOT_PATH_MAX], **names = NULL;
	int rc = FORMAT_PATH(full, path), fd;
	size_t count = 0, i;
	DIR *dir;

	fd = rc ? rc : open_below(root, O_RDONLY | O_DIRECTORY, full);
	if (fd < 0)
		return fd;
	dir = fdopendir(fd);
	if (!dir) {
		rc = -errno;
		close(fd);
		return rc;
	}
	rc = list_names(dir, most, &names, &count);
	closedir(dir);
	if (count)
		qsort(names, count, sizeof(*names), by_version);
	for (i = 0; i < count; i++) {
		if (!rc)
			rc = fn(ctx, names[i]);
		mem_free(names[i]);
	}
	mem_free(names);
	return rc;
}
