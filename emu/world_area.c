/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "emu/util.h"
#include "emu/world_file.h"

/* Rings of the own area that are free: those that were in use before, oldest first, so that a
 * packet that comes late rarely finds a new queue pair there; then those never used. */
struct emu_rings {
	pthread_mutex_t lock;
	uint32_t fresh; /* the first never used */
	uint32_t head, count;
	uint16_t free[EMU_RINGS]; /* a circle */
	uint64_t used[EMU_RINGS / 64];
};

struct emu_rings *emu_rings_new(void)
{
	struct emu_rings *rings = calloc(1, sizeof(*rings));

	if (rings)
		pthread_mutex_init(&rings->lock, NULL);
	return rings;
}

void emu_rings_free(struct emu_rings *rings)
{
	free(rings);
}

static struct emu_area *file_map(const struct emu_world *world, uint32_t slot)
{
	void *area = MAP_FAILED;
	char path[300];
	struct stat st;
	int fd;

	if (emu_format(path, sizeof(path), "%s/proc%u", world->dir, slot))
		return NULL;
	fd = open(path, O_RDWR | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return NULL;
	if (!fstat(fd, &st) && st.st_size >= (off_t)EMU_FILE_BYTES)
		area = mmap(NULL, EMU_FILE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	return area == MAP_FAILED ? NULL : area;
}

static struct emu_area *area_map(const struct emu_world *world, uint32_t slot)
{
	struct emu_area *area, *own;
	void *copy;

	emu_own_lock();
	own = emu_own_find(world->shared, slot);
	if (own) {
		/* A second mapping of the same memory, without a descriptor. */
		copy = mremap(own, 0, EMU_FILE_BYTES, MREMAP_MAYMOVE);
		area = copy == MAP_FAILED ? NULL : copy;
	} else {
		area = file_map(world, slot);
	}
	emu_own_unlock();
	if (area)
		madvise(area, EMU_FILE_BYTES, MADV_DONTDUMP);
	return area;
}

struct emu_area *emu_world_area(struct emu_world *world, uint32_t slot)
{
	struct emu_area *area, *other = NULL;

	if (!slot || slot >= EMU_SLOTS)
		return NULL;
	if (slot == world->slot)
		return world->area;
	area = atomic_load_explicit(&world->areas[slot], memory_order_acquire);
	if (area)
		return area;
	area = area_map(world, slot);
	if (!area || atomic_compare_exchange_strong(&world->areas[slot], &other, area))
		return area;
	munmap(area, EMU_FILE_BYTES);
	return other;
}

static uint64_t cells_all(int class)
{
	return class == EMU_BIG ? UINT64_MAX >> (64 - EMU_BIG_CELLS)
				: UINT64_MAX >> (64 - EMU_SMALL_CELLS);
}

/* Empties a ring. A cell that a living process is still writing (late, for the queue pair that was
 * here before) stays its own: it comes full, and is freed with what is in it. */
static void ring_reset(struct emu_world *world, struct emu_ring *ring)
{
	for (int class = 0; class < EMU_CELL_CLASSES; class ++) {
		uint64_t all = cells_all(class), busy = 0;

		atomic_store(&ring->full[class], 0);
		for (int cell = 0; cell < 64; cell++) {
			uint32_t holder = atomic_load_explicit(&ring->holder[class][cell],
							       memory_order_relaxed);

			if (!holder)
				continue;
			if (emu_world_alive(world, holder & 0xff, holder >> 8))
				busy |= 1ull << cell;
			else
				atomic_store(&ring->holder[class][cell], 0);
		}
		atomic_store(&ring->free[class], all & ~busy);
	}
	for (uint32_t word = 0; word < EMU_SLOTS / 64; word++)
		atomic_store(&ring->waiters[word], 0);
}

static void list_append(struct emu_rings *rings, uint32_t index)
{
	rings->free[(rings->head + rings->count++) % EMU_RINGS] = (uint16_t)index;
}

int emu_world_ring_take(struct emu_world *world, uint32_t *index)
{
	struct emu_rings *rings = world->rings;
	uint32_t got = EMU_RINGS;
	int error = 0;

	if (!rings)
		return -ENOTCONN;
	pthread_mutex_lock(&rings->lock);
	if (rings->count) {
		got = rings->free[rings->head];
		rings->head = (rings->head + 1) % EMU_RINGS;
		rings->count--;
	} else if (rings->fresh < EMU_RINGS) {
		got = rings->fresh;
		error = emu_file_reserve(world->area_fd,
					 (off_t)(EMU_AREA_BYTES + got * EMU_RING_BYTES),
					 EMU_RING_BYTES);
		if (!error)
			rings->fresh++;
	} else {
		error = -ENOSPC;
	}
	if (!error)
		rings->used[got / 64] |= 1ull << (got % 64);
	pthread_mutex_unlock(&rings->lock);
	if (error)
		return error;
	ring_reset(world, emu_area_ring(world->area, got));
	*index = got;
	return 0;
}

void emu_world_ring_give(struct emu_world *world, uint32_t index)
{
	struct emu_rings *rings = world->rings;
	uint64_t bit = 1ull << (index % 64);

	if (!rings || index >= EMU_RINGS)
		return;
	pthread_mutex_lock(&rings->lock);
	if (rings->used[index / 64] & bit) {
		rings->used[index / 64] &= ~bit;
		list_append(rings, index);
	}
	pthread_mutex_unlock(&rings->lock);
}
