/* SPDX-License-Identifier: Apache-2.0 */
#include "doctor/tar.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include "base/err.h"

#define BLOCK 512

/* POSIX.1-1988, "ustar": text, numbers in octal digits. */
struct header {
	char name[100];
	char mode[8], uid[8], gid[8];
	char size[12], mtime[12];
	char checksum[8];
	char type; /* '0' a file, '2' a symbolic link, '5' a directory */
	char target[TAR_LINK_MAX];
	char magic[6], version[2];
	char user[32], group[32];
	char device[8], minor[8];
	char prefix[155];
	char unused[12];
};

_Static_assert(sizeof(struct header) == BLOCK, "a header is one block");

int tar_open(struct tar *ret, const char *path, uint64_t mtime_s)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600), rc;
	struct stat st;

	*ret = (struct tar){ .mtime_s = mtime_s, .path = path };
	if (fd < 0)
		return err_set(-errno, "%s: %s", path, strerror(errno));
	ret->made = !fstat(fd, &st) && S_ISREG(st.st_mode);
	ret->gz = gzdopen(fd, "wb");
	if (ret->gz)
		return 0;
	rc = err_set(-ENOMEM, "%s: gzip", path);
	close(fd);
	return rc;
}

static void put(struct tar *tar, const void *bytes, size_t len)
{
	static const char zeros[BLOCK];
	size_t rest = len % BLOCK ? BLOCK - len % BLOCK : 0;

	if (tar->error)
		return;
	errno = 0;
	if ((len && gzwrite(tar->gz, bytes, (unsigned int)len) != (int)len) ||
	    (rest && gzwrite(tar->gz, zeros, (unsigned int)rest) != (int)rest))
		tar->error = errno ? -errno : -EIO;
}

/* Into name, and what is before a slash into prefix. */
static bool put_name(struct header *header, const char *name)
{
	size_t len = strlen(name), cut;

	if (len <= sizeof(header->name)) {
		memcpy(header->name, name, len);
		return true;
	}
	for (cut = len - sizeof(header->name) - 1; cut < len; cut++)
		if (name[cut] == '/')
			break;
	if (cut >= len - 1 || cut > sizeof(header->prefix))
		return false;
	memcpy(header->prefix, name, cut);
	memcpy(header->name, name + cut + 1, len - cut - 1);
	return true;
}

static void put_header(struct tar *tar, struct header *header, size_t len)
{
	const unsigned char *bytes = (const unsigned char *)header;
	unsigned int sum = 0;

	memcpy(header->magic, "ustar", 6);
	memcpy(header->version, "00", 2);
	snprintf(header->mode, sizeof(header->mode), "%07o", header->type == '0' ? 0644 : 0755);
	snprintf(header->uid, sizeof(header->uid), "%07o", 0);
	snprintf(header->gid, sizeof(header->gid), "%07o", 0);
	snprintf(header->size, sizeof(header->size), "%011llo", (unsigned long long)len);
	snprintf(header->mtime, sizeof(header->mtime), "%011llo",
		 (unsigned long long)(tar->mtime_s & 077777777777ull));
	memset(header->checksum, ' ', sizeof(header->checksum));
	for (size_t i = 0; i < BLOCK; i++)
		sum += bytes[i];
	snprintf(header->checksum, sizeof(header->checksum), "%06o", sum);
	put(tar, header, BLOCK);
}

void tar_file(struct tar *tar, const char *name, const void *bytes, size_t len)
{
	struct header header = { .type = '0' };

	if (!put_name(&header, name))
		return;
	put_header(tar, &header, len);
	put(tar, bytes, len);
}

void tar_link(struct tar *tar, const char *name, const char *target)
{
	struct header header = { .type = '2' }, before = { .type = 'K' };
	size_t len = strlen(target);

	if (!put_name(&header, name))
		return;
	/* As GNU tar does: the whole target is what a member in front of it holds. */
	if (len > sizeof(header.target)) {
		memcpy(before.name, "././@LongLink", 13);
		put_header(tar, &before, len + 1);
		put(tar, target, len + 1);
		len = sizeof(header.target);
	}
	memcpy(header.target, target, len);
	put_header(tar, &header, 0);
}

void tar_dir(struct tar *tar, const char *name)
{
	struct header header = { .type = '5' };

	if (put_name(&header, name))
		put_header(tar, &header, 0);
}

int tar_close(struct tar *tar)
{
	static const char end[2 * BLOCK];

	put(tar, end, sizeof(end));
	errno = 0;
	if (gzclose(tar->gz) != Z_OK && !tar->error)
		tar->error = errno ? -errno : -EIO;
	if (!tar->error)
		return 0;
	if (tar->made)
		unlink(tar->path);
	return err_set(tar->error, "%s: %s", tar->path, strerror(-tar->error));
}
