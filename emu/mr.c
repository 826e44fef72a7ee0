/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory regions. A key names a slot and the slot's generation, so a key that was given back is
 * refused. The data path holds a slot for as long as it copies, without a lock; giving a region
 * back waits for the copies under way.
 *
 * Registered memory is neither pinned nor charged to RLIMIT_MEMLOCK. That it is mapped is checked
 * over its whole length when it is registered, that it can be read or written at both ends. A
 * program that unmaps registered memory keeps the pages with a real device; here its process ends
 * by a signal when a peer touches them.
 */
#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "emu/verbs.h"
#include "emu/world.h"

#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ  22
#define MADV_POPULATE_WRITE 23
#endif

#define INDEX_MASK  ((1u << EMU_MR_BITS) - 1)
#define LOCAL_MASK  0xffffffu
#define GENERATIONS (1u << (32 - EMU_MR_BITS))
#define LKEY_PARTS  (1u << (24 - EMU_MR_BITS)) /* generations that an lkey can tell apart */

/* --- slots --------------------------------------------------------------------------------- */

static struct emu_mr_slot *slot_at(struct emu_nic *nic, uint32_t index)
{
	struct emu_mr_slot *chunk =
		atomic_load_explicit(&nic->mr_chunk[index / EMU_MR_CHUNK], memory_order_acquire);

	return chunk ? &chunk[index % EMU_MR_CHUNK] : NULL;
}

/* No key, and no lkey, is 0. */
static uint32_t next_generation(uint32_t generation)
{
	generation = (generation + 1) % GENERATIONS;
	return generation % LKEY_PARTS ? generation : generation + 1;
}

/* The first key of a slot: NICs and hosts start at different generations, so that a key of one is
 * rarely valid at another. */
static uint32_t first_key(const struct emu_nic *nic, uint32_t index)
{
	uint64_t mixed = emu_mix(nic->world->shared->seed ^ ((uint64_t)nic->host << 40) ^
				 ((uint64_t)nic->index << 32) ^ index);

	return next_generation((uint32_t)(mixed % GENERATIONS)) << EMU_MR_BITS | index;
}

static struct emu_mr_slot *make_chunk(const struct emu_nic *nic, uint32_t first)
{
	struct emu_mr_slot *chunk = calloc(EMU_MR_CHUNK, sizeof(*chunk));

	for (uint32_t i = 0; chunk && i < EMU_MR_CHUNK; i++) {
		atomic_init(&chunk[i].users, EMU_MR_CLOSED);
		chunk[i].key = first_key(nic, first + i);
	}
	return chunk;
}

/* A slot that is closed. ENOMEM: as many as the device has are in use. */
static int take_slot(struct emu_nic *nic, uint32_t *ret)
{
	struct emu_mr_slot *chunk;
	int error = 0;

	pthread_mutex_lock(&nic->mr_lock);
	if (nic->mr_count >= nic->model->max_mr) {
		error = ENOMEM;
	} else if (nic->mr_free) {
		*ret = nic->mr_free - 1;
		nic->mr_free = slot_at(nic, *ret)->next_free;
	} else if (nic->mr_made % EMU_MR_CHUNK) {
		*ret = nic->mr_made++;
	} else if ((chunk = make_chunk(nic, nic->mr_made))) {
		atomic_store_explicit(&nic->mr_chunk[nic->mr_made / EMU_MR_CHUNK], chunk,
				      memory_order_release);
		*ret = nic->mr_made++;
	} else {
		error = ENOMEM;
	}
	if (!error)
		nic->mr_count++;
	pthread_mutex_unlock(&nic->mr_lock);
	return error;
}

static void give_slot(struct emu_nic *nic, uint32_t index)
{
	struct emu_mr_slot *slot = slot_at(nic, index);

	slot->key = next_generation(slot->key >> EMU_MR_BITS) << EMU_MR_BITS | index;
	pthread_mutex_lock(&nic->mr_lock);
	slot->next_free = nic->mr_free;
	nic->mr_free = index + 1;
	nic->mr_count--;
	pthread_mutex_unlock(&nic->mr_lock);
}

/* Fields of a closed slot belong to who took it; opening publishes them. */
static void open_slot(struct emu_mr_slot *slot)
{
	atomic_fetch_and_explicit(&slot->users, ~EMU_MR_CLOSED, memory_order_release);
}

/* Afterwards nobody copies and nobody will. */
static void close_slot(struct emu_mr_slot *slot)
{
	uint32_t users =
		atomic_fetch_or_explicit(&slot->users, EMU_MR_CLOSED, memory_order_acq_rel);

	while (users & ~EMU_MR_CLOSED) {
		sched_yield();
		users = atomic_load_explicit(&slot->users, memory_order_acquire);
	}
}

static bool slot_allows(const struct emu_mr_slot *slot, uint32_t key, bool local,
			const struct emu_pd *pd, uint32_t access, uint64_t address, uint64_t length)
{
	return (local ? slot->key & LOCAL_MASK : slot->key) == key && slot->pd == pd &&
	       (slot->access & access) == access && address >= slot->address &&
	       length <= slot->length && address - slot->address <= slot->length - length;
}

bool emu_mr_hold(struct emu_nic *nic, uint32_t key, bool local, const struct emu_pd *pd,
		 uint32_t access, uint64_t address, uint64_t length, struct emu_mr_slot **ret_slot,
		 void **ret)
{
	struct emu_mr_slot *slot = slot_at(nic, key & INDEX_MASK);
	uint32_t users;

	if (!slot)
		return false;
	users = atomic_fetch_add_explicit(&slot->users, 1, memory_order_acquire);
	if (users & EMU_MR_CLOSED || !slot_allows(slot, key, local, pd, access, address, length)) {
		emu_mr_put(slot);
		return false;
	}
	*ret_slot = slot;
	*ret = (void *)(uintptr_t)(slot->local + (address - slot->address));
	return true;
}

void emu_mr_put(struct emu_mr_slot *slot)
{
	atomic_fetch_sub_explicit(&slot->users, 1, memory_order_release);
}

/* --- registration -------------------------------------------------------------------------- */

/* The checks of the RDMA core (EINVAL), then those of EFA's driver, efa_alloc_mr() (EOPNOTSUPP).
 * Flags of the optional range are ignored. */
static int check_access(const struct emu_model *model, uint32_t access)
{
	uint32_t allowed = IBV_ACCESS_LOCAL_WRITE;

	access &= ~(uint32_t)IBV_ACCESS_OPTIONAL_RANGE;
	if (access & (IBV_ACCESS_REMOTE_WRITE | IBV_ACCESS_REMOTE_ATOMIC) &&
	    !(access & IBV_ACCESS_LOCAL_WRITE))
		return EINVAL;
	if (model->rdma_read)
		allowed |= IBV_ACCESS_REMOTE_READ;
	if (model->rdma_write)
		allowed |= IBV_ACCESS_REMOTE_WRITE;
	return access & ~allowed ? EOPNOTSUPP : 0;
}

/* Of this system: 4 KiB, on arm64 16 or 64 KiB too. */
static uint64_t page_bytes(void)
{
	return (uint64_t)sysconf(_SC_PAGESIZE);
}

/* Can the page be read, or written? A kernel before 5.14 cannot be asked. */
static bool page_allows(uint64_t page, int advice)
{
	return !madvise((void *)(uintptr_t)page, page_bytes(), advice) ||
	       (errno == EINVAL && madvise(NULL, 0, advice));
}

/* As pinning does: every page must be mapped, and writable where the device may write. */
static int check_memory(uint64_t start, uint64_t length, bool writes)
{
	int advice = writes ? MADV_POPULATE_WRITE : MADV_POPULATE_READ;
	uint64_t page = page_bytes();
	uint64_t first = start & ~(page - 1);
	uint64_t last = (start + length - 1) & ~(page - 1);

	/* MS_ASYNC writes nothing; it fails where a part of the range is not mapped. */
	if (msync((void *)(uintptr_t)first, last - first + page, MS_ASYNC))
		return EFAULT;
	return page_allows(first, advice) && page_allows(last, advice) ? 0 : EFAULT;
}

static int check_region(const struct emu_model *model, uint64_t start, uint64_t length,
			uint64_t iova, uint32_t access)
{
	int error = check_access(model, access);

	if (error)
		return error;
	if ((start ^ iova) & (page_bytes() - 1)) /* the offsets in their pages must be the same */
		return EINVAL;
	if (!length || length > model->max_mr_size || start + length < start ||
	    iova + length < iova)
		return EINVAL;
	return check_memory(start, length, access & IBV_ACCESS_LOCAL_WRITE);
}

static int register_region(struct emu_mr *mr, struct emu_pd *pd, uint64_t iova, uint32_t access)
{
	struct emu_nic *nic = pd->nic;
	int error = take_slot(nic, &mr->index);

	if (error)
		return error;
	mr->slot = slot_at(nic, mr->index);
	mr->slot->address = iova;
	mr->slot->length = mr->mr.length;
	mr->slot->local = (uintptr_t)mr->mr.addr;
	mr->slot->access = access;
	mr->slot->pd = pd;
	mr->mr.rkey = mr->slot->key;
	mr->mr.lkey = mr->slot->key & LOCAL_MASK;
	mr->mr.handle = mr->index;
	open_slot(mr->slot);
	return 0;
}

struct ibv_mr *ibv_reg_mr_iova2(struct ibv_pd *ibv_pd, void *addr, size_t length, uint64_t iova,
				unsigned int access)
{
	struct emu_pd *pd = emu_pd_of(ibv_pd);
	int error = emu_begin(pd->nic, EMU_CALL_MR);
	struct emu_mr *mr;

	error = error ?: check_region(pd->nic->model, (uintptr_t)addr, length, iova, access);
	if (error)
		return emu_failed(pd->nic, EMU_CALL_MR, error);
	mr = calloc(1, sizeof(*mr));
	if (!mr)
		return emu_failed(pd->nic, EMU_CALL_MR, ENOMEM);
	mr->mr.context = ibv_pd->context;
	mr->mr.pd = ibv_pd;
	mr->mr.addr = addr;
	mr->mr.length = length;
	error = register_region(mr, pd, iova, access);
	if (error) {
		free(mr);
		return emu_failed(pd->nic, EMU_CALL_MR, error);
	}
	atomic_fetch_add_explicit(&pd->objects, 1, memory_order_relaxed);
	emu_done(pd->nic, EMU_CALL_MR, 0);
	return &mr->mr;
}

struct ibv_mr *(ibv_reg_mr)(struct ibv_pd *pd, void *addr, size_t length, int access)
{
	return ibv_reg_mr_iova2(pd, addr, length, (uintptr_t)addr, (unsigned int)access);
}

struct ibv_mr *(ibv_reg_mr_iova)(struct ibv_pd *pd, void *addr, size_t length, uint64_t iova,
				 int access)
{
	return ibv_reg_mr_iova2(pd, addr, length, iova, (unsigned int)access);
}

int ibv_dereg_mr(struct ibv_mr *ibv_mr)
{
	struct emu_mr *mr = (struct emu_mr *)(void *)ibv_mr;
	struct emu_pd *pd = emu_pd_of(ibv_mr->pd);
	struct emu_nic *nic = pd->nic;

	close_slot(mr->slot);
	give_slot(nic, mr->index);
	free(mr);
	atomic_fetch_sub_explicit(&pd->objects, 1, memory_order_release);
	return emu_command(nic, 0);
}

/* --- what the device has not --------------------------------------------------------------- */

/* EFA takes DMA buffers of accelerators; there are none here. */
struct ibv_mr *ibv_reg_dmabuf_mr(struct ibv_pd *pd, uint64_t offset, size_t length, uint64_t iova,
				 int fd, int access)
{
	(void)offset;
	(void)length;
	(void)iova;
	(void)fd;
	(void)access;
	return emu_failed(emu_pd_of(pd)->nic, EMU_CALL_MR, EOPNOTSUPP);
}

int ibv_rereg_mr(struct ibv_mr *mr, int flags, struct ibv_pd *pd, void *addr, size_t length,
		 int access)
{
	(void)mr;
	(void)pd;
	if (flags & ~IBV_REREG_MR_FLAGS_SUPPORTED ||
	    (flags & IBV_REREG_MR_CHANGE_TRANSLATION && (!addr || !length)) ||
	    (access && !(flags & IBV_REREG_MR_CHANGE_ACCESS))) {
		errno = EINVAL;
		return IBV_REREG_MR_ERR_INPUT;
	}
	errno = EOPNOTSUPP;
	return IBV_REREG_MR_ERR_CMD;
}

struct ibv_mr *ibv_import_mr(struct ibv_pd *pd, uint32_t mr_handle)
{
	(void)pd;
	(void)mr_handle;
	errno = EOPNOTSUPP;
	return NULL;
}

void ibv_unimport_mr(struct ibv_mr *mr)
{
	(void)mr;
}

/* --- fork: the memory of a child is never the device's ------------------------------------- */

int ibv_fork_init(void)
{
	return 0;
}

enum ibv_fork_status ibv_is_fork_initialized(void)
{
	return IBV_FORK_UNNEEDED;
}

/* Of libibverbs' private interface in its first years, and exported ever since. */
int ibv_dontfork_range(void *base, size_t size);
int ibv_dofork_range(void *base, size_t size);

int ibv_dontfork_range(void *base, size_t size)
{
	(void)base;
	(void)size;
	return 0;
}

int ibv_dofork_range(void *base, size_t size)
{
	(void)base;
	(void)size;
	return 0;
}
