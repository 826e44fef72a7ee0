/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <pthread.h>

#include "emu/world_file.h"

#define OWN_MAX 64

/* One world and slot each, named by the world's id: a process may have it open more than once. */
static struct own {
	uint64_t id;
	uint32_t slot; /* 0: the row is free */
	struct emu_area *area;
} own[OWN_MAX];

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_once_t once = PTHREAD_ONCE_INIT;

/* The child of a fork inherits no lock on a file, and perhaps a mutex that nobody will give back.
 */
void emu_own_forget(void)
{
	pthread_mutex_init(&lock, NULL);
	for (int i = 0; i < OWN_MAX; i++)
		own[i].slot = 0;
}

static void once_init(void)
{
	pthread_atfork(NULL, NULL, emu_own_forget);
}

void emu_own_lock(void)
{
	pthread_once(&once, once_init);
	pthread_mutex_lock(&lock);
}

void emu_own_unlock(void)
{
	pthread_mutex_unlock(&lock);
}

static struct own *row_find(uint64_t id, uint32_t slot)
{
	for (int i = 0; i < OWN_MAX; i++) {
		if (own[i].slot == slot && (!slot || own[i].id == id))
			return &own[i];
	}
	return NULL;
}

struct emu_area *emu_own_find(const struct emu_world_shared *world, uint32_t slot)
{
	struct own *row = row_find(world->id, slot);

	return row ? row->area : NULL;
}

int emu_own_add(const struct emu_world_shared *world, uint32_t slot, struct emu_area *area)
{
	struct own *row = row_find(0, 0);

	if (!row)
		return -ENOSPC;
	*row = (struct own){ world->id, slot, area };
	return 0;
}

void emu_own_remove(const struct emu_world_shared *world, uint32_t slot)
{
	struct own *row = row_find(world->id, slot);

	if (row)
		row->slot = 0;
}
