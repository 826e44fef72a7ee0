/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names as files of one folder: DIR/NAME holds the frame of the entry. A file is written beside
 * its name and then renamed, so that a reader sees the old one or the new one whole.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/err.h"
#include "segment/directory.h"
#include "segment/frame.h"

/* Files, which other processes may replace, that this publisher has put there. */
struct file_entry {
	struct file_entry *next;
	size_t len;
	char name[WEFT_NAME_MAX + 1];
	uint8_t frame[];
};

struct file_publisher {
	char address[PLACE_MAX + 8];
	int dir;
	struct file_entry *entries;
};

static int open_dir(const char *place)
{
	int dir = open(place, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return dir < 0 ? err_set(-errno, "folder %s: %s", place, strerror(errno)) : dir;
}

static int file_open(void *ctx, const char *place, void **ret)
{
	struct file_publisher *publisher = mem_zalloc(sizeof(*publisher));

	(void)ctx;
	if (!publisher)
		return err_set(-ENOMEM, "out of memory");
	snprintf(publisher->address, sizeof(publisher->address), "file:%s/", place);
	publisher->dir = open_dir(place);
	if (publisher->dir < 0) {
		int rc = publisher->dir;

		mem_free(publisher);
		return rc;
	}
	*ret = publisher;
	return 0;
}

static const char *file_address(void *publisher)
{
	return ((struct file_publisher *)publisher)->address;
}

/* Reads at most room bytes; returns how many. A pipe or a device in the place of a file is refused,
 * and does not hold up. */
static ssize_t read_file(int dir, const char *name, uint8_t *buf, size_t room)
{
	int fd = openat(dir, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	ssize_t n = 0, have = 0;
	struct stat st;

	if (fd < 0)
		return errno == ENOENT ? err_set(-WEFT_ENONAME, "no file '%s'", name)
				       : err_set(-errno, "file '%s': %s", name, strerror(errno));
	if (fstat(fd, &st) || !S_ISREG(st.st_mode)) {
		close(fd);
		return err_set(-WEFT_EMESSAGE, "'%s' is no regular file", name);
	}
	while ((size_t)have < room && (n = read(fd, buf + have, room - (size_t)have)) > 0)
		have += n;
	if (n < 0)
		have = err_set(-errno, "file '%s': %s", name, strerror(errno));
	close(fd);
	return have;
}

static int write_file(int dir, const char *name, const void *bytes, size_t len)
{
	int fd = openat(dir, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0666);
	int rc = 0;
	ssize_t n;

	if (fd < 0)
		return err_set(-errno, "file '%s': %s", name, strerror(errno));
	n = write(fd, bytes, len);
	if (n != (ssize_t)len || fsync(fd)) {
		rc = n >= 0 && n != (ssize_t)len ? -ENOSPC : -errno;
		err_set(rc, "file '%s': %s", name, strerror(-rc));
	}
	close(fd);
	return rc;
}

static int replace_file(int dir, const char *name, const void *bytes, size_t len)
{
	char temp[WEFT_NAME_MAX + 32];
	int rc;

	snprintf(temp, sizeof(temp), ".%s.%ld", name, (long)getpid());
	rc = write_file(dir, temp, bytes, len);
	if (!rc && renameat(dir, temp, dir, name))
		rc = err_set(-errno, "file '%s': %s", name, strerror(errno));
	if (rc)
		unlinkat(dir, temp, 0);
	return rc;
}

/* The entry is taken off the list. */
static struct file_entry *take(struct file_publisher *publisher, const char *name)
{
	struct file_entry **at, *entry;

	for (at = &publisher->entries; (entry = *at); at = &entry->next)
		if (!strcmp(entry->name, name)) {
			*at = entry->next;
			return entry;
		}
	return NULL;
}

static int file_publish(void *arg, const char *name, const void *bytes, size_t len)
{
	struct frame frame = { .kind = FRAME_ENTRY, .bytes = bytes, .len = len };
	struct file_publisher *publisher = arg;
	struct file_entry *entry = mem_alloc(sizeof(*entry) + FRAME_MAX);
	int rc;

	if (!entry)
		return err_set(-ENOMEM, "out of memory");
	snprintf(frame.name, sizeof(frame.name), "%s", name);
	memcpy(entry->name, frame.name, sizeof(entry->name));
	entry->len = FRAME_MAX;
	rc = frame_put(&frame, entry->frame, &entry->len);
	if (rc)
		err_set(rc, "%zu bytes are too many for '%s'", len, name);
	else
		rc = replace_file(publisher->dir, name, entry->frame, entry->len);
	if (rc) {
		mem_free(entry);
		return rc;
	}
	mem_free(take(publisher, name));
	entry->next = publisher->entries;
	publisher->entries = entry;
	return 0;
}

/* What another process has put in its place by now stays. */
static int remove_ours(const struct file_publisher *publisher, const struct file_entry *entry)
{
	uint8_t buf[FRAME_MAX + 1];
	ssize_t n = read_file(publisher->dir, entry->name, buf, sizeof(buf));

	if (n < 0 && n != -WEFT_ENONAME && n != -WEFT_EMESSAGE)
		return (int)n;
	if (n != (ssize_t)entry->len || memcmp(buf, entry->frame, entry->len))
		return 0;
	if (unlinkat(publisher->dir, entry->name, 0) && errno != ENOENT)
		return err_set(-errno, "file '%s': %s", entry->name, strerror(errno));
	return 0;
}

static int file_withdraw(void *arg, const char *name)
{
	struct file_publisher *publisher = arg;
	struct file_entry *entry = take(publisher, name);
	int rc;

	if (!entry)
		return err_set(-WEFT_ENONAME, "'%s' was not published here", name);
	rc = remove_ours(publisher, entry);
	if (rc) {
		entry->next = publisher->entries;
		publisher->entries = entry;
		return rc;
	}
	mem_free(entry);
	return 0;
}

static void file_close(void *arg)
{
	struct file_publisher *publisher = arg;
	struct file_entry *entry;

	while ((entry = publisher->entries)) {
		publisher->entries = entry->next;
		remove_ours(publisher, entry);
		mem_free(entry);
	}
	close(publisher->dir);
	mem_free(publisher);
}

static int look_at(int dir, const char *name, weft_entry_fn found, void *arg)
{
	uint8_t buf[FRAME_MAX + 1];
	ssize_t n = read_file(dir, name, buf, sizeof(buf));
	struct frame frame;
	size_t used = 0;
	int rc;

	if (n < 0)
		return (int)n;
	rc = frame_get(&frame, buf, (size_t)n, &used);
	if (rc == -EAGAIN || (!rc && used != (size_t)n))
		rc = err_set(-WEFT_EMESSAGE, "%zd bytes are not one frame", n);
	if (!rc && (frame.kind != FRAME_ENTRY || strcmp(frame.name, name)))
		rc = err_set(-WEFT_EMESSAGE, "the content is not that of this name");
	if (rc)
		return err_prefix(rc, "file '%s'", name);
	return found(arg, name, frame.bytes, frame.len);
}

/* One that goes away meanwhile is not there; what is no name is somebody else's. */
static int look_at_all(int dir, weft_entry_fn found, void *arg)
{
	int copy = dup(dir), rc = 0;
	struct dirent *item;
	DIR *items;

	items = copy < 0 ? NULL : fdopendir(copy);
	if (!items) {
		rc = err_set(-errno, "cannot list: %s", strerror(errno));
		if (copy >= 0)
			close(copy);
		return rc;
	}
	while (!rc && (item = readdir(items))) {
		if (!name_is_valid(item->d_name, strlen(item->d_name)))
			continue;
		rc = look_at(dir, item->d_name, found, arg);
		if (rc == -WEFT_ENONAME)
			rc = 0;
	}
	closedir(items);
	return rc;
}

static int file_lookup(void *ctx, const char *place, const char *name, uint64_t timeout_ns,
		       weft_entry_fn found, void *arg)
{
	int dir = open_dir(place), rc;

	(void)ctx;
	(void)timeout_ns; /* files answer at once, or the file system holds this thread */
	if (dir < 0)
		return dir;
	rc = name[0] ? look_at(dir, name, found, arg) : look_at_all(dir, found, arg);
	close(dir);
	return rc;
}

const struct weft_directory file_directory = {
	.size = sizeof(file_directory),
	.lookup = file_lookup,
	.open = file_open,
	.close = file_close,
	.address = file_address,
	.publish = file_publish,
	.withdraw = file_withdraw,
};
