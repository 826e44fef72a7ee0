/* SPDX-License-Identifier: Apache-2.0 */
/* Writes a gzipped tar archive (ustar). The first failure sticks, and tar_close() tells it. */
#ifndef WEFT_DOCTOR_TAR_H
#define WEFT_DOCTOR_TAR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TAR_NAME_MAX 255
#define TAR_LINK_MAX 100

struct gzFile_s;

struct tar {
	struct gzFile_s *gz;
	int error;
	bool made; /* a regular file, to be removed when writing fails */
	uint64_t mtime_s;
	const char *path;
};

/* Makes or overwrites path, readable by its owner alone; no link is followed. path has to stay.
 * 0, or -errno with err_set(). */
int tar_open(struct tar *ret, const char *path, uint64_t mtime_s);
/* A name that is too long for the format is left out. */
void tar_file(struct tar *tar, const char *name, const void *bytes, size_t len);
void tar_dir(struct tar *tar, const char *name);
void tar_link(struct tar *tar, const char *name, const char *target);
/* 0, or -errno with err_set(): then the file is removed. */
int tar_close(struct tar *tar);

#endif /* WEFT_DOCTOR_TAR_H */
