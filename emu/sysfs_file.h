/* SPDX-License-Identifier: Apache-2.0 */
/* Writing a tree of small files and links; the first error stays, and makes the rest do nothing. */
#ifndef EMU_SYSFS_FILE_H
#define EMU_SYSFS_FILE_H

#include <stdbool.h>
#include <stddef.h>

#include "emu/model.h"

/* Port state as the kernel shows it. */
#define EMU_SYSFS_STATE_UP   "4: ACTIVE\n"
#define EMU_SYSFS_STATE_DOWN "1: DOWN\n"
#define EMU_SYSFS_PHYS_UP    "5: LinkUp\n"
#define EMU_SYSFS_PHYS_DOWN  "3: Disabled\n"

struct emu_sysfs_tree {
	int fd;         /* its root directory */
	int error;      /* -errno of the first failure */
	char path[160]; /* what failed, below the root */
};

/* All paths are relative to the root; directories above them are made. */
void emu_sysfs_file(struct emu_sysfs_tree *tree, const char *path, const void *content,
		    size_t size);
void emu_sysfs_text(struct emu_sysfs_tree *tree, const char *path, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* A link from path to target, which is a path below the root too. */
void emu_sysfs_link(struct emu_sysfs_tree *tree, const char *path, const char *target);

/* Where a counter (enum emu_counter) lies below the RDMA device's directory. False: a device of
 * this model does not have it. */
bool emu_sysfs_counter_path(const struct emu_model *model, int counter, char *path, size_t size);

#endif
