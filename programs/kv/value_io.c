/* SPDX-License-Identifier: Apache-2.0 */
/* Values from and to files, straight through the client's registered buffer. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "common/program.h"
#include "kv/kv.h"

#define STDIN_STEP ((size_t)1 << 20)

/* --- put -----------------------------------------------------------------------------------------
 */

struct source {
	int fd;
	struct progress progress;
};

/* weft_kv_source_fn */
static int read_at(void *ctx, void *data, size_t len, uint64_t offset, uint64_t total)
{
	struct source *source = ctx;
	uint8_t *to = data;
	ssize_t n;

	progress_step(&source->progress, offset, total);
	while (len) {
		n = pread(source->fd, to, len, (off_t)offset);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_set(-errno, "reading the file");
		if (!n)
			return err_set(-EIO, "the file became shorter while it was read");
		to += n;
		offset += (uint64_t)n;
		len -= (size_t)n;
	}
	return 0;
}

static int put_regular(struct weft_kv *kv, const struct key *key, int fd, uint64_t size,
		       const struct weft_kv_put_opts *opts)
{
	struct source source = { .fd = fd };
	int rc;

	progress_begin(&source.progress, "put");
	rc = weft_kv_put_stream(kv, key->bytes, key->len, size, read_at, &source, opts);
	if (!rc)
		progress_step(&source.progress, size, size);
	progress_end(&source.progress);
	return rc;
}

/* All of a pipe; its length is not known before its end. */
static int read_all(int fd, uint64_t limit, uint8_t **ret, size_t *len_ret)
{
	size_t len = 0, room = 0;
	uint8_t *data = NULL, *more;
	ssize_t n = 1;

	while (n) {
		if (len == room) {
			room = room ? room * 2 : STDIN_STEP;
			more = realloc(data, room);
			if (!more) {
				free(data);
				return err_set(-ENOMEM, "after %zu bytes of input", len);
			}
			data = more;
		}
		n = read(fd, data + len, room - len);
		if (n < 0 && errno != EINTR) {
			free(data);
			return err_set(-errno, "reading the input");
		}
		len += n > 0 ? (size_t)n : 0;
		if (len > limit) {
			free(data);
			return err_set(-WEFT_ETOOLARGE, "the input is longer than %llu bytes",
				       (unsigned long long)limit);
		}
	}
	*ret = data;
	*len_ret = len;
	return 0;
}

static int put_pipe(struct weft_kv *kv, const struct key *key, int fd,
		    const struct weft_kv_put_opts *opts)
{
	struct weft_kv_connection connection = { .size = sizeof(connection) };
	uint8_t *data = NULL;
	size_t len = 0;
	int rc = weft_kv_connection(kv, &connection);

	if (!rc)
		rc = read_all(fd, connection.max_value, &data, &len);
	if (!rc)
		rc = weft_kv_put(kv, key->bytes, key->len, data, len, opts);
	free(data);
	return rc;
}

static int put_fd(struct weft_kv *kv, const struct key *key, int fd,
		  const struct weft_kv_put_opts *opts)
{
	struct stat st;

	if (fstat(fd, &st))
		return err_set(-errno, "looking at the file");
	if (S_ISDIR(st.st_mode))
		return err_set(-EISDIR, "a value is a file or a pipe");
	if (S_ISREG(st.st_mode) && lseek(fd, 0, SEEK_CUR) == 0)
		return put_regular(kv, key, fd, (uint64_t)st.st_size, opts);
	return put_pipe(kv, key, fd, opts);
}

int put_file(struct weft_kv *kv, const struct key *key, const char *path,
	     const struct weft_kv_put_opts *opts)
{
	int fd, rc;

	if (!path || !strcmp(path, "-"))
		return put_fd(kv, key, STDIN_FILENO, opts);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return err_set(-errno, "opening %s", path);
	rc = put_fd(kv, key, fd, opts);
	close(fd);
	return rc;
}

/* --- get -----------------------------------------------------------------------------------------
 */

struct sink {
	int fd;
	struct progress progress;
};

/* weft_kv_sink_fn */
static int write_on(void *ctx, const void *data, size_t len, uint64_t offset, uint64_t total)
{
	struct sink *sink = ctx;
	const uint8_t *from = data;
	ssize_t n;

	while (len) {
		n = write(sink->fd, from, len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_set(-errno, "writing the value");
		from += n;
		offset += (uint64_t)n;
		len -= (size_t)n;
	}
	progress_step(&sink->progress, offset, total);
	return 0;
}

static int get_fd(struct weft_kv *kv, const struct key *key, int fd)
{
	struct sink sink = { .fd = fd };
	int rc;

	progress_begin(&sink.progress, "get");
	rc = weft_kv_get_stream(kv, key->bytes, key->len, write_on, &sink);
	progress_end(&sink.progress);
	return rc;
}

/* Permissions that a new file of this process has. */
static int set_mode(int fd)
{
	mode_t mask = umask(0);

	umask(mask);
	return fchmod(fd, 0666 & ~mask) ? -errno : 0;
}

/* "DIR/.NAME.XXXXXX" beside path, so that rename() stays within a file system. */
static int temp_name(const char *path, char *buf, size_t size)
{
	const char *slash = strrchr(path, '/');
	int dir = slash ? (int)(slash - path) + 1 : 0, n;

	n = snprintf(buf, size, "%.*s.%s.XXXXXX", dir, path, path + dir);
	return n > 0 && (size_t)n < size ? 0 : err_set(-ENAMETOOLONG, "%s", path);
}

static int get_named(struct weft_kv *kv, const struct key *key, const char *path)
{
	char temp[PATH_MAX + 16];
	int fd, rc = temp_name(path, temp, sizeof(temp));

	if (rc)
		return rc;
	fd = mkostemp(temp, O_CLOEXEC);
	if (fd < 0)
		return err_set(-errno, "creating a file beside %s", path);
	rc = get_fd(kv, key, fd);
	if (!rc)
		rc = set_mode(fd);
	if (close(fd) && !rc)
		rc = err_set(-errno, "writing %s", path);
	if (!rc && rename(temp, path))
		rc = err_set(-errno, "renaming to %s", path);
	if (rc)
		unlink(temp);
	return rc;
}

int get_file(struct weft_kv *kv, const struct key *key, const char *path)
{
	struct stat st;
	int fd, rc;

	if (!path)
		return get_fd(kv, key, STDOUT_FILENO);
	if (stat(path, &st) || S_ISREG(st.st_mode))
		return get_named(kv, key, path);
	if (S_ISDIR(st.st_mode))
		return err_set(-EISDIR, "%s", path);
	/* A device or pipe cannot be replaced, only written to. */
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return err_set(-errno, "opening %s", path);
	rc = get_fd(kv, key, fd);
	close(fd);
	return rc;
}
