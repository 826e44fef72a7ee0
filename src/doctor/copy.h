/* SPDX-License-Identifier: Apache-2.0 */
/* Copies files of a machine into an archive, so that a run on the copy finds what a run here found.
 */
#ifndef WEFT_DOCTOR_COPY_H
#define WEFT_DOCTOR_COPY_H

#include "doctor/doctor.h"
#include "doctor/tar.h"

#define COPY_PATHS_MAX 16384

struct copy {
	const struct doctor *doctor;
	struct tar *tar;
	const char *top; /* put in front of the paths in the archive */
	char *room;      /* a file's bytes */
	char **paths;    /* of what is in the archive, each once */
	size_t count;
};

/* 0, or -ENOMEM with err_set(). */
int copy_begin(struct copy *ret, const struct doctor *doctor, struct tar *tar, const char *top);
void copy_end(struct copy *copy);
/* A regular file, a link as it is, a directory without what it holds; a device as an empty file.
 * What may hold secrets, cannot be read, or is there already, is left out. */
void copy_path(struct copy *copy, const char *path);
/* A directory with what it holds, depth levels down (1: its entries). */
void copy_tree(struct copy *copy, const char *path, int depth);
/* What sysfs and /dev tell of PCI functions, RDMA devices, network interfaces and modules. */
void copy_devices(struct copy *copy);

#endif /* WEFT_DOCTOR_COPY_H */
