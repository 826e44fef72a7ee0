/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A world: a directory that the processes of an emulated cluster share. `weft emu` makes it; the
 * stand-in library joins it when a program asks for devices.
 *
 * Environment, set by `weft emu` for its command:
 *   WEFT_EMU_WORLD  directory of the world
 *   WEFT_EMU_HOST   number of the emulated host this process is on (0)
 *   WEFT_EMU_TRACE  file that each process appends its trace to
 * A program that loads the library without WEFT_EMU_WORLD gets a world of its own with one host of
 * profile "generic", removed when it ends.
 */
#ifndef EMU_WORLD_H
#define EMU_WORLD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "emu/shared.h"

struct emu_world {
	struct emu_world_shared *shared;
	char dir[256];
	bool own; /* made by this process for itself: removed at emu_world_close() */
	int fd;   /* of DIR/world; its shared flock() says that the world is in use */

	/* Of a process that has joined (emu_world_join()); slot 0 before. */
	uint32_t host, slot, generation;
	int32_t owner; /* pid that opened the world: a child gives nothing back and removes nothing
			*/
	int area_fd;   /* holds the lock: no other descriptor of this file may ever be closed */
	struct emu_area *area; /* its own */
	struct emu_rings *rings;
	_Atomic(struct emu_area *) areas[EMU_SLOTS]; /* others', mapped when first needed */
};

struct emu_world_options {
	uint64_t seed;
	enum emu_carrier carrier;
	uint64_t timeout; /* ns until a silent remote is given up; 0: 2 s */
};

struct emu_host_options {
	const struct emu_profile *profile; /* not NULL */
	struct emu_model model;            /* profile and settings applied */
	uint32_t nics;                     /* 0: the profile's */
	uint64_t rate;                     /* bytes per second of each NIC; 0: no limit */
	uint8_t udp_address[4];
	uint16_t udp_port; /* carrier UDP only */
};

/* All answer 0 or -errno and put one line into why (of size bytes) that names the path and says
 * what to do. */

/* Makes dir (NULL: a new one under /dev/shm, private to the user) and the world in it. -EEXIST:
 * there is one. */
int emu_world_create(struct emu_world *world, const char *dir,
		     const struct emu_world_options *options, char *why, size_t size);

/* Opens the world in dir. -ENOENT: none there; -EPROTO: of another version. */
int emu_world_open(struct emu_world *world, const char *dir, char *why, size_t size);

/* Adds host (and its sysfs tree) unless it is there; the first one to ask decides what it is. */
int emu_world_host(struct emu_world *world, uint32_t host, const struct emu_host_options *options,
		   char *why, size_t size);

/* Unmaps; removes the world where it is this process's own. */
void emu_world_close(struct emu_world *world);

/* Removes the directory and all in it, and nothing else that may lie there. */
int emu_world_remove(const char *dir, char *why, size_t size);

/* Takes a process slot on world->host: maps the area, holds its lock. Slots of the dead are taken
 * again. -EAGAIN: all slots are taken. */
int emu_world_join(struct emu_world *world, char *why, size_t size);

/* Gives the slot back. */
void emu_world_leave(struct emu_world *world);

/* Marks this process's slot as given back while its threads may still use what is mapped: for the
 * end of the process. Peers find no queue pair of it any more; the lock goes with the process. */
void emu_world_quit(struct emu_world *world);

/* In the child of a fork: forgets the slot without giving back what is the parent's. */
void emu_world_forked(struct emu_world *world);

/* The area of slot, mapped; NULL: no file, or not mappable. Thread-safe, no lock once mapped. A
 * slot's file is the same file for all its generations. */
struct emu_area *emu_world_area(struct emu_world *world, uint32_t slot);

/* Does the process with this generation of slot live? A system call: not for every packet. */
bool emu_world_alive(struct emu_world *world, uint32_t slot, uint32_t generation);

/* One ring of the own area, all memory behind it really there (so that no later access fails), all
 * cells free. Rings given back keep their memory. -ENOSPC. Thread-safe. */
int emu_world_ring_take(struct emu_world *world, uint32_t *index);
void emu_world_ring_give(struct emu_world *world, uint32_t index);

/* GIDs: made of the world's carrier and id (shm: id, host, nic; UDP: address, port, nic), read back
 * without a look-up. */
struct emu_place {
	uint32_t host, nic;
	uint8_t udp_address[4];
	uint16_t udp_port; /* of slot 0 */
};

/* False: not a GID of an EFA device of this world. For UDP host is EMU_ANY where it is another
 * directory's. */
bool emu_gid_place(const struct emu_world *world, const uint8_t gid[EMU_GID_BYTES],
		   struct emu_place *place);
void emu_gid_make(const struct emu_world_shared *world, uint32_t host, uint32_t nic,
		  uint8_t gid[EMU_GID_BYTES]);

/* The process's world, opened on first use by what the environment says; NULL with a line on
 * stderr. The same for all threads; once failed it stays failed. */
struct emu_world *emu_world_here(void);

#endif
