/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Adding transfers to a batch, and what is checked of each. Alike ones that follow one another, of
 * one kind, between the same two regions, with the same flags and without immediate, are a group:
 * what holds for all of it is checked with the first, and the peer's queue has it as one entry.
 */
#include <errno.h>
#include <string.h>

#include "base/err.h"
#include "base/likely.h"
#include "engine/engine.h"

static int state_of(const struct weft_batch *batch)
{
	return atomic_load_explicit(&batch->state, memory_order_acquire);
}

static int check_span(uint64_t offset, uint64_t len, uint64_t room, const char *where)
{
	if (offset <= room && len <= room - offset)
		return 0;
	return err_set(-WEFT_EBOUNDS, "%llu bytes at offset %llu of a %s region of %llu",
		       (unsigned long long)len, (unsigned long long)offset, where,
		       (unsigned long long)room);
}

/* Why a transfer cannot be added; 0: it can. */
static int check_transfer(const struct weft_batch *batch, const struct weft_region *region,
			  uint64_t offset, const struct weft_remote *remote, uint64_t remote_offset,
			  uint64_t len, uint32_t need)
{
	int rc;

	if (!region || !remote || region->weft != batch->weft || remote->weft != batch->weft)
		return err_set(-EINVAL, "region, remote and batch are not of one engine");
	if (state_of(batch) != BATCH_IDLE)
		return err_set(-EBUSY, "the batch is submitted; reset it first");
	if (batch->count == batch->capacity)
		return err_set(-WEFT_ELIMIT, "the batch holds %u transfers", batch->capacity);
	rc = check_span(offset, len, region->len, "local");
	if (rc == 0)
		rc = check_span(remote_offset, len, remote->length, "remote");
	if (rc)
		return rc;
	if (!(remote->access & need))
		return err_set(-WEFT_ERIGHTS, "the remote region does not grant %s",
			       need == WEFT_REMOTE_READ ? "READ" : "WRITE");
	if (atomic_load_explicit(&region->closing, memory_order_relaxed))
		return err_set(-WEFT_EREVOKED, "the local region is being unregistered");
	rc = atomic_load_explicit(&remote->status, memory_order_relaxed);
	if (rc && rc != -EINPROGRESS)
		return err_set(rc, "the remote region cannot be used");
	return 0;
}

/* Of the kind and with the flags of the last group. Its index. */
static inline int put(struct weft_batch *batch, struct weft_region *region, uint64_t offset,
		      struct weft_remote *remote, uint64_t remote_offset, uint64_t len)
{
	struct transfer *transfer = batch->next;

	transfer->batch = batch;
	transfer->region = region;
	transfer->remote = remote;
	transfer->offset = offset;
	transfer->remote_offset = remote_offset;
	transfer->len = len;
	memset((char *)transfer + TRANSFER_LIFE, 0, sizeof(*transfer) - TRANSFER_LIFE);
	transfer->kind = batch->kind;
	transfer->flags = batch->flags;
	batch->next = transfer + 1;
	return (int)batch->count++;
}

static inline void group_begins(struct weft_batch *batch, uint32_t index,
				struct weft_region *region, struct weft_remote *remote,
				uint8_t kind, uint32_t flags)
{
	batch_group_ends(batch);
	batch->group = index;
	batch->region[!kind] = batch;
	batch->region[kind] = flags & WEFT_WITH_IMM ? (const void *)batch : region;
	batch->remote = remote;
	batch->longest = remote->peer->way->whole;
	batch->kind = kind;
	batch->asked = flags;
	batch->flags = (uint8_t)flags;
}

/* Whether a span lies within what may be used. */
static inline bool lies_in(uint64_t offset, uint64_t len, const _Atomic uint64_t *open)
{
	uint64_t room = atomic_load_explicit(open, memory_order_relaxed);

	return len <= room && offset <= room - len;
}

/* Whether two spans lie within what may be used, and the batch takes one more. */
static inline bool has_room(const struct weft_batch *batch, const struct weft_region *region,
			    uint64_t offset, const struct weft_remote *remote,
			    uint64_t remote_offset, uint64_t len)
{
	return lies_in(offset, len, &region->open) && lies_in(remote_offset, len, &remote->open) &&
	       batch->next != batch->end;
}

/* Whether check_transfer() need not look: nothing that it refuses is the case. No bytes lie within
 * whatever is closed, too, so it looks at those. */
static inline bool is_fine(const struct weft_batch *batch, const struct weft_region *region,
			   uint64_t offset, const struct weft_remote *remote,
			   uint64_t remote_offset, uint64_t len, uint32_t need)
{
	return region && remote && region->weft == batch->weft && remote->weft == batch->weft &&
	       remote->access & need && len &&
	       has_room(batch, region, offset, remote, remote_offset, len);
}

/* Whether it is like the last one, which was looked at closely, and can be added too. */
static inline bool joins(const struct weft_batch *batch, const struct weft_region *region,
			 uint64_t offset, const struct weft_remote *remote, uint64_t remote_offset,
			 uint64_t len, uint8_t kind, uint32_t flags)
{
	return region == batch->region[kind] && remote == batch->remote && flags == batch->asked &&
	       len - 1 < batch->longest &&
	       has_room(batch, region, offset, remote, remote_offset, len);
}

/* The first of a group, and what is to be refused. One with an immediate is a group by itself. */
static inline int add_first(struct weft_batch *batch, struct weft_region *region, uint64_t offset,
			    struct weft_remote *remote, uint64_t remote_offset, uint64_t len,
			    uint8_t kind, uint32_t flags, uint32_t imm)
{
	uint32_t need = kind == OP_WRITE ? WEFT_REMOTE_WRITE : WEFT_REMOTE_READ;
	uint32_t index = batch->count;
	int rc;

	if (flags & ~(uint32_t)(WEFT_WITH_IMM | WEFT_SOURCE_ONLY))
		return err_set(-EINVAL, "unknown flags 0x%x", flags);
	if (!is_fine(batch, region, offset, remote, remote_offset, len, need)) {
		rc = check_transfer(batch, region, offset, remote, remote_offset, len, need);
		if (rc)
			return rc == -EINVAL || rc == -EBUSY ? rc : engine_refuse(batch->weft, rc);
	}
	group_begins(batch, index, region, remote, kind, flags);
	put(batch, region, offset, remote, remote_offset, len);
	batch->transfers[index].imm = imm;
	return (int)index;
}

/* With the arguments of their callers, which so need not move them. */
static __attribute__((noinline)) int write_first(struct weft_batch *batch,
						 struct weft_region *region, uint64_t offset,
						 struct weft_remote *remote, uint64_t remote_offset,
						 uint64_t len, uint32_t flags, uint32_t imm)
{
	return add_first(batch, region, offset, remote, remote_offset, len, OP_WRITE, flags, imm);
}

static __attribute__((noinline)) int read_first(struct weft_batch *batch,
						struct weft_region *region, uint64_t offset,
						struct weft_remote *remote, uint64_t remote_offset,
						uint64_t len)
{
	return add_first(batch, region, offset, remote, remote_offset, len, OP_READ, 0, 0);
}

int weft_batch_write(struct weft_batch *batch, struct weft_region *region, uint64_t offset,
		     struct weft_remote *remote, uint64_t remote_offset, uint64_t len,
		     uint32_t flags, uint32_t imm)
{
	if (unlikely(!joins(batch, region, offset, remote, remote_offset, len, OP_WRITE, flags)))
		return write_first(batch, region, offset, remote, remote_offset, len, flags, imm);
	return put(batch, region, offset, remote, remote_offset, len);
}

int weft_batch_read(struct weft_batch *batch, struct weft_region *region, uint64_t offset,
		    struct weft_remote *remote, uint64_t remote_offset, uint64_t len)
{
	if (unlikely(!joins(batch, region, offset, remote, remote_offset, len, OP_READ, 0)))
		return read_first(batch, region, offset, remote, remote_offset, len);
	return put(batch, region, offset, remote, remote_offset, len);
}
