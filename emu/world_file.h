/* SPDX-License-Identifier: Apache-2.0 */
/* Files of a world's directory: what world*.c and sysfs*.c share. */
#ifndef EMU_WORLD_FILE_H
#define EMU_WORLD_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "emu/world.h"

/* Directories that this library makes for one user: PREFIX<uid>.XXXXXX below EMU_SHM. */
#define EMU_SHM            "/dev/shm"
#define EMU_PRIVATE_PREFIX "weft-emu-"

/* How long a private directory must have lain still before it counts as left behind, in seconds. */
#define EMU_STALE_S   60

#define EMU_FILE_MODE 0660 /* less what umask takes away; private ones lie in a 0700 directory */
#define EMU_DIR_MODE  0770

/* The longest directory of a world: rdma-core has 256 bytes for a device's path in the sysfs tree.
 */
#define EMU_DIR_MAX (256 - sizeof("/host63/sys/class/infiniband/") - 32)

/* Gives the file at least bytes bytes that are really there, so that no access faults. 0 or
 * -errno (-ENOSPC, -EFBIG where the process may not have so large a file). */
int emu_file_reserve(int fd, off_t offset, off_t bytes);

/* Makes the file bytes long, without memory behind it. */
int emu_file_extend(int fd, off_t bytes);

/* Removes everything below the entry name of directory fd, and the entry. -errno of the first that
 * would not go. Links are removed, not followed. */
int emu_tree_remove(int fd, const char *name);

/* Removes private worlds of this user that no process has open. */
void emu_world_sweep(const char *parent);

/* --- slots this process holds: world_own.c ------------------------------------------------------
 *
 * A process loses its lock on a file when it closes any descriptor of that file. So the file of a
 * slot that this process holds (through whatever struct emu_world) must not be opened by it. These
 * are looked up here first, under emu_own_lock().
 */
void emu_own_lock(void);
void emu_own_unlock(void);

/* The area of a slot of world that this process holds, or NULL. Locked. */
struct emu_area *emu_own_find(const struct emu_world_shared *world, uint32_t slot);
/* -ENOSPC: holds too many. Locked. */
int emu_own_add(const struct emu_world_shared *world, uint32_t slot, struct emu_area *area);
void emu_own_remove(const struct emu_world_shared *world, uint32_t slot);
/* In the child of a fork: nothing is held. */
void emu_own_forget(void);

/* --- rings of the own area: world_area.c --------------------------------------------------- */

struct emu_rings;
struct emu_rings *emu_rings_new(void);
void emu_rings_free(struct emu_rings *rings);

#endif
