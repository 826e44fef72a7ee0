/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/stage.h"

#include <errno.h>
#include <stdio.h>

#include "base/err.h"

/* Chunks of one transfer: enough to copy, move and wait at once. */
#define AHEAD 8u

/* --- a transfer's chunks -------------------------------------------------------------------- */

static struct gpu *gpu_of(const struct transfer *transfer)
{
	return transfer->batch->weft->gpu;
}

bool stage_needed(const struct transfer *transfer)
{
	const struct weft *weft = transfer->batch->weft;
	const struct gpu_region *gpu = transfer->region->gpu;

	return gpu && gpu->reach[transfer->remote->peer->way - weft->ways] == WEFT_REACH_STAGED;
}

uint64_t stage_piece_max(const struct transfer *transfer)
{
	return gpu_of(transfer)->pool->chunk;
}

static void unlink_stage(struct stage *stage)
{
	struct stage **at = &stage->transfer->stages;

	while (*at != stage)
		at = &(*at)->next;
	*at = stage->next;
}

static void drop(struct stage *stage)
{
	unlink_stage(stage);
	stage_give(stage);
}

static struct stage *find(const struct transfer *transfer, uint64_t at)
{
	struct stage *stage = transfer->stages;

	while (stage && (at < stage->at || at - stage->at >= stage->len))
		stage = stage->next;
	return stage;
}

/* --- copies -------------------------------------------------------------------------------- */

static int failed(const struct stage *stage, int result, const char *what)
{
	struct transfer *transfer = stage->transfer;
	struct weft *weft = transfer->batch->weft;
	const struct gpu_region *gpu = transfer->region->gpu;
	char text[96];

	errors_operation(&weft->errors, -WEFT_EGPU);
	if (transfer_has_ended(transfer) || transfer->error)
		return -WEFT_EGPU;
	transfer->error = -WEFT_EGPU;
	transfer->provider_error = result;
	if (!transfer->batch->text[0])
		snprintf(transfer->batch->text, sizeof(transfer->batch->text),
			 "GPU %d: %s of %llu bytes: %s", gpu->ordinal, what,
			 (unsigned long long)stage->len,
			 cuda_text(&weft->gpu->cuda, result, text, sizeof(text)));
	flight_dequeue(transfer);
	return -WEFT_EGPU;
}

static void account(struct transfer *transfer, int by)
{
	struct weft *weft = transfer->batch->weft;

	transfer->region->flights += (uint32_t)by;
	transfer->remote->flights += (uint32_t)by;
	weft->gpu->copies += (uint32_t)by;
	weft->stats.copies += (uint64_t)(int64_t)by;
	flight_count(&transfer->outstanding, by);
	flight_count(&transfer->batch->outstanding, by);
}

static int enqueue(const struct gpu *gpu, const struct stage *stage, void *stream)
{
	const struct transfer *transfer = stage->transfer;
	uint64_t far = (uintptr_t)transfer->region->base + transfer->offset + stage->at;

	if (transfer->kind == OP_WRITE)
		return gpu->cuda.cuMemcpyDtoHAsync_v2(stage->base, far, stage->len, stream);
	return gpu->cuda.cuMemcpyHtoDAsync_v2(far, stage->base, stage->len, stream);
}

static const char *call_of(const struct transfer *transfer)
{
	return transfer->kind == OP_WRITE ? "cuMemcpyDtoHAsync" : "cuMemcpyHtoDAsync";
}

static int start_copy(struct stage *stage)
{
	struct transfer *transfer = stage->transfer;
	struct gpu *gpu = gpu_of(transfer);
	struct gpu_context *context = transfer->region->gpu->copies;
	struct gpu_lane *lane = &context->lanes[transfer->kind];
	void *popped;
	int result;

	result = gpu->cuda.cuCtxPushCurrent_v2(context->handle);
	if (result)
		return failed(stage, result, "cuCtxPushCurrent for a copy");
	result = enqueue(gpu, stage, lane->stream);
	if (result == CUDA_SUCCESS) {
		result = gpu->cuda.cuEventRecord(context->events[stage - gpu->pool->stages],
						 lane->stream);
		if (result) /* nothing would tell when the copy has ended */
			gpu->cuda.cuStreamSynchronize(lane->stream);
	}
	gpu->cuda.cuCtxPopCurrent_v2(&popped);
	if (result)
		return failed(stage, result, call_of(transfer));
	stage->copying = true;
	list_add_tail(&lane->copies, &stage->link);
	account(transfer, 1);
	return 0;
}

/*
 * What has been copied counts like an operation that has ended. When nothing of an ended transfer
 * is outstanding any more the user may fill it anew at once.
 */
static void copy_ended(struct stage *stage, int result)
{
	struct transfer *transfer = stage->transfer;
	struct weft_remote *remote = transfer->remote;
	struct weft_batch *batch = transfer->batch;
	struct weft_peer *peer = remote->peer;
	struct weft *weft = batch->weft;
	bool ended = transfer_has_ended(transfer);

	list_del(&stage->link);
	stage->copying = false;
	if (result)
		failed(stage, result, call_of(transfer));
	else
		weft->stats.bytes_staged += stage->len;
	if (ended || transfer->kind == OP_READ)
		drop(stage);
	account(transfer, -1);
	if (ended)
		engine_signal(weft);
	else
		flight_settle(transfer);
	if (!list_empty(&peer->queue))
		peer_make_ready(peer);
	remote_flight_ended(remote);
	batch_released(batch);
	peer_release(peer);
}

/* In the order in which they were started. */
static int poll_lane(struct weft *weft, struct gpu_context *context, struct gpu_lane *lane)
{
	struct gpu *gpu = weft->gpu;
	struct stage *stage;
	struct list *link;
	int n = 0, result;

	while ((link = list_first(&lane->copies))) {
		stage = list_entry(link, struct stage, link);
		result = gpu->cuda.cuEventQuery(context->events[stage - gpu->pool->stages]);
		if (result == CUDA_NOT_READY)
			break;
		copy_ended(stage, result);
		n++;
	}
	return n;
}

int stage_poll_copies(struct weft *weft)
{
	struct gpu *gpu = weft->gpu;
	struct gpu_context *context;
	struct list *link;
	void *popped;
	int n = 0, i;
	bool current;

	list_for_each(link, &gpu->contexts)
	{
		context = list_entry(link, struct gpu_context, link);
		if (list_empty(&context->lanes[OP_WRITE].copies) &&
		    list_empty(&context->lanes[OP_READ].copies))
			continue;
		/* If the program has destroyed it, the queries say so. */
		current = gpu->cuda.cuCtxPushCurrent_v2(context->handle) == CUDA_SUCCESS;
		for (i = 0; i < OP_KINDS; i++)
			n += poll_lane(weft, context, &context->lanes[i]);
		if (current)
			gpu->cuda.cuCtxPopCurrent_v2(&popped);
	}
	return n;
}

/* --- the way of a transfer ----------------------------------------------------------------- */

/* One more chunk, for the bytes that follow those of the last; whole pieces, so that no piece lies
 * in two. -EBUSY: none to be had. */
static int add(struct transfer *transfer)
{
	uint64_t room = gpu_of(transfer)->pool->chunk / transfer->piece * transfer->piece;
	uint64_t left = transfer->len - transfer->staged;
	struct stage **tail = &transfer->stages, *stage;
	uint32_t count = 0;
	int rc;

	for (; *tail; tail = &(*tail)->next)
		count++;
	stage = count < AHEAD ? stage_take(transfer) : NULL;
	if (!stage)
		return -EBUSY;
	stage->at = transfer->staged;
	stage->len = stage->left = left < room ? left : room;
	*tail = stage;
	rc = transfer->kind == OP_WRITE ? start_copy(stage) : 0;
	if (rc) {
		drop(stage);
		return rc;
	}
	transfer->staged += stage->len;
	return 0;
}

int stage_ready(struct transfer *transfer, uint64_t at, struct stage **ret)
{
	struct stage *stage;
	int rc = 0;

	if (at == transfer->staged)
		rc = add(transfer);
	while (!rc && transfer->kind == OP_WRITE && transfer->staged < transfer->len)
		rc = add(transfer);
	if (rc && rc != -EBUSY)
		return rc;
	stage = find(transfer, at);
	if (!stage || stage->copying)
		return -EBUSY;
	*ret = stage;
	return 0;
}

void stage_fill(const struct transfer *transfer, const struct stage *stage, uint64_t at,
		const struct rail *rail, struct op *op)
{
	const struct stage_pool *pool = gpu_of(transfer)->pool;
	const struct pinned *pinned = pool->pinned;
	uint8_t *local = stage ? stage->base + (at - stage->at) : pool->base;
	uint32_t part = plan_part((uintptr_t)local - pinned->first, pinned->shift, pinned->parts);

	op->local = local;
	op->desc = pin_part(pinned, rail->index, part)->desc;
}

void stage_landed(struct stage *stage, uint64_t placed)
{
	struct transfer *transfer = stage->transfer;

	stage->flights--;
	stage->left -= placed;
	if (transfer_has_ended(transfer)) {
		if (!stage->flights)
			drop(stage);
	} else if (!stage->left &&
		   (transfer->error || transfer->kind == OP_WRITE || start_copy(stage))) {
		drop(stage);
	}
}

void stage_transfer_ended(struct transfer *transfer)
{
	struct stage *stage = transfer->stages, *next;

	for (; stage; stage = next) {
		next = stage->next;
		if (!stage->flights && !stage->copying)
			drop(stage);
	}
}
