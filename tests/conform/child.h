/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A peer in another process: one engine and one shared area, told what to do through a socket. It
 * drives its engine all the time and sends every message that it gets back to where it came from.
 * The area is mapped here too, so what was placed can be seen while the process is stopped or dead.
 */
#ifndef CONFORM_CHILD_H
#define CONFORM_CHILD_H

#include <sys/types.h>

#include "net.h"

#define CHILD_FLAG "--child"

struct child {
	pid_t pid;
	int sock;
	struct area area;
	uint8_t descriptor[WEFT_DESCRIPTOR_MAX]; /* of the area's region */
	size_t descriptor_len;
};

/* Starts the process; it opens nothing yet. To be called before any engine is opened. */
void child_spawn(struct child *child, const struct conform *c, size_t len);
/* Has it open an engine and register the area with access. opts: only strings and scalars. */
void child_open(struct child *child, struct net *net, uint32_t access);
/* The same with another provider. */
void child_open_provider(struct child *child, struct net *net, const char *provider,
			 uint32_t access);
/* Closes its engine, with what is in flight. */
void child_close(struct child *child, struct net *net);
/* Its weft_unregister() of the area's region. */
int child_unregister(struct child *child, struct net *net, uint64_t timeout_ns);
/* The same in two steps: asked; answered (*ret set), or not yet (false). No other call between. */
void child_unregister_start(struct child *child, uint64_t timeout_ns);
bool child_unregister_ended(struct child *child, int *ret);
/* Has it count immediates from now on, with an arrival of its own: its number. */
uint32_t child_arrival(struct child *child, struct net *net);
/* How many there were. */
uint64_t child_arrived(struct child *child, struct net *net);
/* Has it import a region and write (or read) len bytes at a time, as fast as it can, until its
 * engine is closed: from its area to the remote's first area.len bytes. */
void child_storm(struct child *child, struct net *net, const struct weft_region *region, bool read,
		 uint32_t len);
/* Transfers of the storm that ended as done. */
uint64_t child_storm_done(struct child *child, struct net *net);
/* 0, or why the first one that was not done ended. */
int child_storm_error(struct child *child, struct net *net);

/* Stops the process and waits until it is, at a moment at which it holds none of the locks that
 * libfabric 1.17's shm shares: what needs such a lock would wait until the process goes on
 * (docs/design.md). */
void child_stop(struct child *child);
void child_resume(struct child *child);
void child_kill(struct child *child);
/* Ends it in order; its exit status must be 0. After child_kill() it only frees. */
void child_end(struct child *child);

int child_main(int argc, char **argv);

#endif /* CONFORM_CHILD_H */
