/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Process slots. Who holds the write lock on byte 0 of DIR/proc<slot> owns the slot: the kernel
 * takes the lock from a process that ends, however it ends, so nothing has to be put right before
 * the slot can be taken again. state tells others how far the owner has come.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "emu/util.h"
#include "emu/why.h"
#include "emu/world_file.h"

static struct flock byte_lock(void)
{
	return (struct flock){ .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 0, .l_len = 1 };
}

static int proc_path(const struct emu_world *world, uint32_t slot, char path[300])
{
	return emu_format(path, 300, "%s/proc%u", world->dir, slot);
}

/* Takes the lock of slot. -EAGAIN: its owner lives. */
static int slot_lock(const struct emu_world *world, uint32_t slot, int *ret)
{
	struct flock lock = byte_lock();
	char path[300];
	int fd, error;

	proc_path(world, slot, path);
	fd = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, EMU_FILE_MODE);
	if (fd < 0)
		return -errno;
	if (fcntl(fd, F_SETLK, &lock)) {
		error = errno == EACCES ? -EAGAIN : -errno;
		close(fd);
		return error;
	}
	*ret = fd;
	return 0;
}

/* The area behind fd, its own memory there (the rings' comes with each ring). */
static int area_map(int fd, struct emu_area **ret)
{
	void *area;
	int error;

	error = emu_file_extend(fd, EMU_FILE_BYTES);
	if (!error)
		error = emu_file_reserve(fd, 0, EMU_AREA_BYTES);
	if (error)
		return error;
	area = mmap(NULL, EMU_FILE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (area == MAP_FAILED)
		return -errno;
	madvise(area, EMU_FILE_BYTES, MADV_DONTDUMP);
	*ret = area;
	return 0;
}

static void qps_forget(_Atomic uint32_t *qps, uint32_t gone)
{
	uint32_t now = atomic_load(qps);

	while (!atomic_compare_exchange_weak(qps, &now, now > gone ? now - gone : 0))
		;
}

/* Takes queue pairs that are left over off the slot's table, so that nobody finds them any more,
 * and off their NICs' count. */
static void rings_clear(struct emu_world *world, struct emu_area *area, uint32_t slot)
{
	uint32_t host = atomic_load(&world->shared->process[slot].host);

	for (uint32_t nic = 0; nic < EMU_NICS; nic++) {
		uint32_t gone = 0;

		for (uint32_t i = 0; i < EMU_QPS; i++) {
			if (atomic_load_explicit(&area->ring[nic][i], memory_order_relaxed) &&
			    atomic_exchange(&area->ring[nic][i], 0))
				gone++;
		}
		if (gone && host < EMU_HOSTS)
			qps_forget(&world->shared->host[host].nic[nic].qps, gone);
	}
}

static void command_read(char *command, size_t size)
{
	int fd = open("/proc/self/comm", O_RDONLY | O_CLOEXEC);
	ssize_t got = fd < 0 ? 0 : read(fd, command, size - 1);

	if (fd >= 0)
		close(fd);
	command[got > 0 ? got : 0] = 0;
	command[strcspn(command, "\n")] = 0;
}

/* The slot's record for its new owner, who holds the lock. */
static void slot_take(struct emu_world *world, uint32_t slot, struct emu_area *area)
{
	struct emu_process_shared *process = &world->shared->process[slot];

	atomic_store(&process->state, EMU_PROCESS_CLAIMED);
	rings_clear(world, area, slot);
	/* A holder's number has 24 bits for it, and 0 is nobody's. */
	world->generation = (atomic_load(&process->generation) + 1) & 0xffffff;
	if (!world->generation)
		world->generation = 1;
	atomic_store(&process->generation, world->generation);
	for (uint32_t nic = 0; nic < EMU_NICS; nic++) {
		atomic_store(&area->ready[nic].words, 0);
		for (uint32_t word = 0; word < EMU_QPS / 64; word++)
			atomic_store(&area->ready[nic].qps[word], 0);
	}
	atomic_store(&area->ready_nics, 0);
	atomic_store(&area->bell, EMU_AWAKE);
	atomic_store(&process->pid, getpid());
	atomic_store(&process->host, world->host);
	atomic_store(&process->kill, 0);
	command_read(process->command, sizeof(process->command));
	atomic_store(&process->state, EMU_PROCESS_LIVE);
}

/* 0: joined as slot. -EAGAIN: another's. Own slots are locked. */
static int slot_try(struct emu_world *world, uint32_t slot)
{
	struct emu_area *area = NULL;
	int fd, error;

	if (emu_own_find(world->shared, slot))
		return -EAGAIN;
	error = slot_lock(world, slot, &fd);
	if (error)
		return error;
	error = area_map(fd, &area);
	if (error)
		goto close;
	error = emu_own_add(world->shared, slot, area);
	if (error)
		goto unmap;
	world->rings = emu_rings_new();
	if (!world->rings) {
		error = -ENOMEM;
		goto remove;
	}
	world->area_fd = fd;
	world->area = area;
	slot_take(world, slot, area);
	world->owner = getpid();
	world->slot = slot;
	return 0;

remove:
	emu_own_remove(world->shared, slot);
unmap:
	munmap(area, EMU_FILE_BYTES);
close:
	close(fd);
	return error;
}

int emu_world_join(struct emu_world *world, char *why, size_t size)
{
	uint32_t slot;
	int error = -EAGAIN;

	if (world->slot)
		return 0;
	/* The lowest that is free: memory that a slot has taken is used again, and the same program
	 * gets the same numbers in each run. */
	emu_own_lock();
	for (slot = 1; slot < EMU_SLOTS; slot++) {
		error = slot_try(world, slot);
		if (error != -EAGAIN)
			break;
	}
	emu_own_unlock();
	if (error == -EAGAIN)
		return emu_why(why, size, error, "the world in %s has %u processes already",
			       world->dir, EMU_SLOTS - 1);
	if (error)
		return emu_why(why, size, error, "cannot take %s/proc%u: %s%s", world->dir, slot,
			       strerror(-error),
			       error == -ENOSPC  ? "; the file system is full"
			       : error == -EFBIG ? "; raise the limit on file size (ulimit -f)"
						 : "");
	return 0;
}

void emu_world_quit(struct emu_world *world)
{
	if (!world->slot || world->owner != getpid())
		return;
	rings_clear(world, world->area, world->slot);
	atomic_store(&world->shared->process[world->slot].state, EMU_PROCESS_FREE);
}

static void slot_drop(struct emu_world *world)
{
	emu_rings_free(world->rings);
	world->rings = NULL;
	munmap(world->area, EMU_FILE_BYTES);
	world->area = NULL;
	close(world->area_fd);
	world->area_fd = -1;
	world->slot = 0;
	world->generation = 0;
}

void emu_world_leave(struct emu_world *world)
{
	if (!world->slot)
		return;
	if (world->owner != getpid()) {
		emu_world_forked(world);
		return;
	}
	emu_own_lock();
	emu_world_quit(world);
	emu_own_remove(world->shared, world->slot);
	slot_drop(world);
	emu_own_unlock();
}

void emu_world_forked(struct emu_world *world)
{
	world->own = false;
	if (!world->slot || world->owner == getpid())
		return;
	slot_drop(world);
	world->owner = getpid();
}

bool emu_world_alive(struct emu_world *world, uint32_t slot, uint32_t generation)
{
	struct emu_process_shared *process = &world->shared->process[slot];
	struct flock lock = byte_lock();
	bool alive = true;
	char path[300];
	int fd;

	if (!slot || slot >= EMU_SLOTS || atomic_load(&process->generation) != generation ||
	    atomic_load(&process->state) == EMU_PROCESS_FREE)
		return false;
	emu_own_lock();
	if (!emu_own_find(world->shared, slot)) {
		proc_path(world, slot, path);
		fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
		/* What cannot be known (no descriptors left) is taken to live. */
		if (fd >= 0) {
			alive = fcntl(fd, F_GETLK, &lock) || lock.l_type != F_UNLCK;
			close(fd);
		} else {
			alive = errno != ENOENT;
		}
	}
	emu_own_unlock();
	return alive;
}
