/* SPDX-License-Identifier: Apache-2.0 */
/* Batches: filled by the user, run by the owner, read by the user again. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "engine/count.h"
#include "engine/engine.h"

#define BATCH_CAPACITY_MAX 1048576u
#define BATCH_CAPACITY     64u

static int state_of(const struct weft_batch *batch)
{
	return atomic_load_explicit(&batch->state, memory_order_acquire);
}

static int add_batch(struct weft *weft, void *arg)
{
	struct weft_batch *batch = arg;

	list_add_tail(&weft->idle_batches, &batch->link);
	return 0;
}

int weft_batch_open(struct weft *weft, const struct weft_batch_opts *opts, struct weft_batch **ret)
{
	struct weft_batch_opts known = { .size = sizeof(known) };
	struct weft_batch *batch;
	uint32_t capacity;
	int rc = 0;

	if (!weft || !ret)
		return err_set(-EINVAL, "engine or ret is NULL");
	if (opts)
		rc = sized_in(&known, sizeof(known), opts, "weft_batch_opts");
	if (rc)
		return rc;
	capacity = known.capacity ? known.capacity : BATCH_CAPACITY;
	if (capacity > BATCH_CAPACITY_MAX)
		return err_set(-EINVAL, "capacity %u, at most %u", capacity, BATCH_CAPACITY_MAX);
	batch = mem_zalloc(sizeof(*batch) + (size_t)capacity * sizeof(batch->transfers[0]));
	if (!batch)
		return err_set(-ENOMEM, "out of memory for a batch of %u transfers", capacity);
	batch->weft = weft;
	batch->capacity = capacity;
	batch->first_bad = -1;
	batch_takes(batch);
	batch->on_done = known.on_done;
	batch->ctx = known.ctx;
	rc = engine_run(weft, add_batch, batch);
	if (rc)
		mem_free(batch);
	else
		*ret = batch;
	return rc;
}

void batch_free(struct weft_batch *batch)
{
	list_del(&batch->link);
	mem_free(batch);
}

static int close_batch(struct weft *weft, void *arg)
{
	struct weft_batch *batch = arg;

	(void)weft;
	if (state_of(batch) == BATCH_ACTIVE)
		batch_abort(batch, WEFT_CANCELLED, -WEFT_ECANCELLED);
	batch->closed = true;
	batch_released(batch);
	return 0;
}

void weft_batch_close(struct weft_batch *batch)
{
	if (batch)
		engine_run(batch->weft, close_batch, batch);
}

int weft_batch_reset(struct weft_batch *batch)
{
	if (state_of(batch) == BATCH_ACTIVE)
		return err_set(-EBUSY, "the batch has transfers that have not ended");
	if (atomic_load_explicit(&batch->outstanding, memory_order_acquire))
		return err_set(-WEFT_ENOTQUIET, "the network may still touch the batch's memory");
	batch->count = 0;
	batch->first_bad = -1;
	batch->text[0] = '\0';
	batch_takes(batch);
	atomic_store_explicit(&batch->state, BATCH_IDLE, memory_order_relaxed);
	return 0;
}

int weft_submit(struct weft_batch *batch, uint64_t timeout_ns)
{
	struct weft *weft = batch->weft;
	uint64_t reserved;

	if (state_of(batch) != BATCH_IDLE)
		return err_set(-EBUSY, "the batch is submitted; reset it first");
	reserved = atomic_fetch_add_explicit(&weft->reserved, batch->count, memory_order_relaxed);
	if (reserved + batch->count > weft->submit_limit) {
		atomic_fetch_sub_explicit(&weft->reserved, batch->count, memory_order_relaxed);
		return err_set(engine_refuse(weft, -WEFT_EQUEUEFULL),
			       "%llu transfers are under way, limit %u",
			       (unsigned long long)reserved, weft->submit_limit);
	}
	batch->timeout_ns = timeout_ns;
	batch->submitted_ns = clock_ns();
	batch->left = batch->count;
	batch->end = batch->next;
	batch_group_ends(batch);
	atomic_store_explicit(&batch->state, BATCH_ACTIVE, memory_order_relaxed);
	return engine_submit(weft, batch);
}

void batch_end(struct weft_batch *batch)
{
	struct weft *weft = batch->weft;

	atomic_fetch_sub_explicit(&weft->reserved, batch->count, memory_order_relaxed);
	if (batch->on_done) { /* not called from here: the caller may be walking over transfers */
		list_move_tail(&weft->ended, &batch->link);
		return;
	}
	list_move_tail(&weft->idle_batches, &batch->link);
	atomic_store_explicit(&batch->state, BATCH_ENDED, memory_order_release);
	engine_signal(weft);
}

void batch_run_callbacks(struct weft *weft)
{
	struct weft_batch *batch;
	struct list *link;

	while ((link = list_pop(&weft->ended))) {
		batch = list_entry(link, struct weft_batch, link);
		list_add_tail(&weft->idle_batches, link);
		atomic_store_explicit(&batch->state, BATCH_ENDED, memory_order_release);
		if (weft->thread_mode)
			engine_signal(weft);
		batch->on_done(batch->ctx, batch);
	}
}

void batch_start(struct weft_batch *batch, uint64_t now_ns)
{
	struct weft *weft = batch->weft;
	struct transfer *transfer;
	struct weft_remote *remote = NULL;
	struct weft_peer *peer = NULL;
	uint32_t i, n, count = batch->count;

	weft->now_ns = now_ns;
	weft->timed = true;
	batch->deadline_ns = clock_deadline(now_ns, batch->timeout_ns);
	list_move_tail(&weft->active, &batch->link);
	engine_timer(weft, batch->deadline_ns);
	weft->submitted += count;
	for (i = 0; i < count; i += n) {
		transfer = &batch->transfers[i];
		n = 1 + transfer->follow;
		if (transfer->remote != remote) {
			if (peer)
				peer_make_ready(peer);
			remote = transfer->remote;
			peer = remote->peer;
			idle_used(peer);
		}
		list_add_tail(&peer->queue, &transfer->link);
		transfer->queued = QUEUED_ENTRY;
		remote->active += n;
		peer->unplaced |= transfer->flags & WEFT_SOURCE_ONLY;
		peer->transfers += n;
	}
	if (peer)
		flight_pump_peer(peer);
	else
		batch_end(batch);
}

static void count_end(const struct transfer *transfer, int state)
{
	struct weft_peer *peer = transfer->remote->peer;

	if (state == WEFT_DONE)
		count_done(peer, transfer->kind, 1, transfer->len);
	else if (state == WEFT_FAILED)
		COUNT(peer, failed);
	else if (state == WEFT_CANCELLED)
		COUNT(peer, cancelled);
	else if (state == WEFT_DEADLINE)
		COUNT(peer, deadline);
}

void batch_transfer_ended(struct weft_batch *batch, struct transfer *transfer)
{
	int state = atomic_load_explicit(&transfer->state, memory_order_relaxed);

	count_end(transfer, state);
	batch->weft->submitted--;
	if (state != WEFT_DONE)
		errors_transfer(&batch->weft->errors, transfer->error);
	if (state != WEFT_DONE && batch->first_bad < 0)
		batch->first_bad = (int32_t)(transfer - batch->transfers);
	if (--batch->left == 0)
		batch_end(batch);
}

void batch_released(struct weft_batch *batch)
{
	if (batch->closed && atomic_load_explicit(&batch->outstanding, memory_order_relaxed) == 0)
		batch_free(batch);
}

void batch_abort(struct weft_batch *batch, int state, int error)
{
	uint32_t i;

	for (i = 0; i < batch->count; i++)
		transfer_end(&batch->transfers[i], state, error, 0);
}

void batch_expire(struct weft *weft, uint64_t now_ns)
{
	struct list *link, *after;
	struct weft_batch *batch;

	list_for_each_safe(link, after, &weft->active)
	{
		batch = list_entry(link, struct weft_batch, link);
		if (batch->deadline_ns <= now_ns)
			batch_abort(batch, WEFT_DEADLINE, -WEFT_EDEADLINE);
		else
			engine_timer(weft, batch->deadline_ns);
	}
}

static bool has_ended(void *arg)
{
	return state_of(arg) != BATCH_ACTIVE;
}

int weft_batch_poll(struct weft_batch *batch)
{
	int rc = has_ended(batch) ? 0 : engine_poll(batch->weft);

	return rc ? rc : has_ended(batch);
}

int weft_batch_wait(struct weft_batch *batch, uint64_t timeout_ns)
{
	if (has_ended(batch))
		return 0;
	return engine_wait(batch->weft, has_ended, batch, clock_deadline(clock_ns(), timeout_ns));
}

static int cancel_batch(struct weft *weft, void *arg)
{
	struct weft_batch *batch = arg;

	(void)weft;
	if (state_of(batch) == BATCH_ACTIVE)
		batch_abort(batch, WEFT_CANCELLED, -WEFT_ECANCELLED);
	return 0;
}

int weft_batch_cancel(struct weft_batch *batch)
{
	return engine_run(batch->weft, cancel_batch, batch);
}

static bool is_quiet(void *arg)
{
	struct weft_batch *batch = arg;

	return state_of(batch) != BATCH_ACTIVE &&
	       atomic_load_explicit(&batch->outstanding, memory_order_acquire) == 0;
}

int weft_batch_quiesce(struct weft_batch *batch, uint64_t timeout_ns)
{
	int rc;

	if (is_quiet(batch))
		return 0;
	rc = engine_wait(batch->weft, is_quiet, batch, clock_deadline(clock_ns(), timeout_ns));
	if (rc == -EAGAIN)
		return err_set(-WEFT_ENOTQUIET, "%u operations of the batch have not ended",
			       atomic_load_explicit(&batch->outstanding, memory_order_relaxed));
	return rc;
}

int weft_batch_result(const struct weft_batch *batch, uint32_t index, struct weft_result *result)
{
	struct weft_result ours = { .size = sizeof(ours) };
	const struct transfer *transfer;

	if (index >= batch->count)
		return err_set(-EINVAL, "index %u of a batch of %u", index, batch->count);
	transfer = &batch->transfers[index];
	ours.state = atomic_load_explicit(&transfer->state, memory_order_acquire);
	if (ours.state == WEFT_IDLE && state_of(batch) != BATCH_IDLE)
		ours.state = WEFT_ACTIVE;
	if (ours.state != WEFT_IDLE && ours.state != WEFT_ACTIVE) {
		ours.error = transfer->error;
		ours.provider_error = transfer->provider_error;
		ours.bytes = ours.state == WEFT_DONE ? transfer->len : 0;
	}
	ours.quiescent = ours.state != WEFT_ACTIVE &&
			 atomic_load_explicit(&transfer->outstanding, memory_order_acquire) == 0;
	return sized_out(result, &ours, sizeof(ours), "weft_result");
}

static __attribute__((noinline)) int tell_bad(const struct weft_batch *batch)
{
	const struct transfer *bad;

	if (state_of(batch) == BATCH_ACTIVE)
		return err_set(-EBUSY, "the batch has not ended");
	bad = &batch->transfers[batch->first_bad];
	return err_set(bad->error, "transfer %d of %u (%s of %llu bytes): %s%s%s", batch->first_bad,
		       batch->count, bad->kind == OP_WRITE ? "WRITE" : "READ",
		       (unsigned long long)bad->len, weft_strerror(bad->error),
		       batch->text[0] ? "; " : "", batch->text);
}

int weft_batch_error(const struct weft_batch *batch)
{
	return state_of(batch) == BATCH_ACTIVE || batch->first_bad >= 0 ? tell_bad(batch) : 0;
}

static int run_one(struct weft_batch *batch, int index, uint64_t timeout_ns)
{
	int rc = index;

	if (index >= 0)
		rc = weft_submit(batch, timeout_ns);
	if (rc == 0) /* the deadline ends it; the wait has none of its own */
		rc = weft_batch_wait(batch, WEFT_FOREVER);
	if (rc == 0)
		rc = weft_batch_error(batch);
	weft_batch_close(batch);
	return rc;
}

static int one_batch(struct weft_region *region, struct weft_batch **ret)
{
	struct weft_batch_opts opts = { .size = sizeof(opts), .capacity = 1 };

	return weft_batch_open(region->weft, &opts, ret);
}

int weft_write(struct weft_region *region, uint64_t offset, struct weft_remote *remote,
	       uint64_t remote_offset, uint64_t len, uint64_t timeout_ns)
{
	struct weft_batch *batch;
	int rc = one_batch(region, &batch);

	if (rc)
		return rc;
	return run_one(batch,
		       weft_batch_write(batch, region, offset, remote, remote_offset, len, 0, 0),
		       timeout_ns);
}

int weft_read(struct weft_region *region, uint64_t offset, struct weft_remote *remote,
	      uint64_t remote_offset, uint64_t len, uint64_t timeout_ns)
{
	struct weft_batch *batch;
	int rc = one_batch(region, &batch);

	if (rc)
		return rc;
	return run_one(batch, weft_batch_read(batch, region, offset, remote, remote_offset, len),
		       timeout_ns);
}
