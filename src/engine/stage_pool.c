/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Host memory for copies: one area, pinned for CUDA and on every rail, cut into chunks.
 *
 * It is mapped by weft and shown to CUDA, not allocated by CUDA: what CUDA allocates goes with the
 * context that the program may destroy, and a rail's device could still be writing there.
 */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "base/err.h"
#include "engine/stage.h"

#define CHUNKS    32u /* at least half of them, where the area is small */
#define CHUNK_MIN ((size_t)4 << 10)
#define CHUNK_MAX ((size_t)1 << 20) /* copies gain nothing by more */

static struct stage_pool *new_pool(uint64_t bytes)
{
	struct stage_pool *pool;
	size_t chunk = CHUNK_MIN;
	uint32_t count, i;

	/* A power of two, so that parts of a registration begin with chunks. */
	while (chunk < CHUNK_MAX && 2 * chunk <= bytes / CHUNKS)
		chunk *= 2;
	count = (uint32_t)(bytes / chunk);
	pool = mem_zalloc(sizeof(*pool) + count * sizeof(pool->stages[0]));
	if (!pool)
		return NULL;
	pool->chunk = chunk;
	pool->count = pool->unused = count;
	pool->len = count * chunk;
	pool->base =
		mmap(NULL, pool->len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (pool->base == MAP_FAILED) {
		mem_free(pool);
		return NULL;
	}
	for (i = count; i-- > 0;) {
		pool->stages[i].base = pool->base + i * chunk;
		pool->stages[i].next = pool->free;
		list_init(&pool->stages[i].link);
		pool->free = &pool->stages[i];
	}
	return pool;
}

int stage_open_pool(struct weft *weft)
{
	struct gpu *gpu = weft->gpu;
	struct stage_pool *pool;
	char text[96];
	int rc;

	if (gpu->pool)
		return 0;
	pool = new_pool(gpu->staging_bytes);
	if (!pool)
		return err_set(-ENOMEM, "out of memory for %llu bytes of staging_bytes",
			       (unsigned long long)gpu->staging_bytes);
	rc = gpu->cuda.cuMemHostRegister_v2(pool->base, pool->len, CUDA_HOST_PORTABLE);
	if (rc) {
		rc = err_set(-WEFT_EGPU,
			     "cuMemHostRegister of %zu bytes (weft_opts.staging_bytes): %s",
			     pool->len, cuda_text(&gpu->cuda, rc, text, sizeof(text)));
		goto free_pool;
	}
	rc = pin_take(weft, pool->base, pool->len, WEFT_LOCAL, &pool->pinned);
	if (rc) {
		err_prefix(rc, "host memory for copies");
		gpu->cuda.cuMemHostUnregister(pool->base);
		goto free_pool;
	}
	/* No chunk crosses parts; of a longer one only its beginning is used. */
	if (1ull << pool->pinned->shift < pool->chunk)
		pool->chunk = (size_t)1 << pool->pinned->shift;
	weft->stats.staging_bytes = pool->len;
	gpu->pool = pool;
	return 0;
free_pool:
	munmap(pool->base, pool->len);
	mem_free(pool);
	return rc;
}

void stage_keep(struct weft *weft, struct gpu_context *context)
{
	struct stage_pool *pool = weft->gpu->pool;

	if (pool->keeper)
		return;
	pool->keeper = context;
	context->users++;
}

uint32_t stage_chunks(const struct weft *weft)
{
	return weft->gpu->pool->count;
}

static void synchronize(struct gpu *gpu, struct gpu_context *context)
{
	void *popped;
	uint32_t i;

	/* Of a context that was destroyed nothing is under way any more. */
	if (gpu->cuda.cuCtxPushCurrent_v2(context->handle))
		return;
	for (i = 0; i < OP_KINDS; i++)
		gpu->cuda.cuStreamSynchronize(context->lanes[i].stream);
	gpu->cuda.cuCtxPopCurrent_v2(&popped);
}

void stage_quiet(struct weft *weft)
{
	struct gpu *gpu = weft->gpu;
	struct stage_pool *pool = gpu->pool;
	struct gpu_context *keeper = pool->keeper;
	struct list *link;
	void *popped;
	bool current;

	list_for_each(link, &gpu->contexts)
		synchronize(gpu, list_entry(link, struct gpu_context, link));
	stage_poll(weft);
	pool->keeper = NULL;
	if (!keeper)
		return;
	current = gpu->cuda.cuCtxPushCurrent_v2(keeper->handle) == CUDA_SUCCESS;
	gpu->cuda.cuMemHostUnregister(pool->base);
	if (current)
		gpu->cuda.cuCtxPopCurrent_v2(&popped);
	gpu_context_put(weft, keeper);
}

void stage_unpin_pool(struct weft *weft)
{
	struct stage_pool *pool = weft->gpu->pool;

	if (pool && pool->pinned)
		pin_give(weft, pool->pinned, pool->base, pool->len);
	if (pool)
		pool->pinned = NULL;
}

void stage_free_pool(struct weft *weft)
{
	struct stage_pool *pool = weft->gpu->pool;

	if (!pool)
		return;
	munmap(pool->base, pool->len);
	mem_free(pool);
	weft->gpu->pool = NULL;
}

struct stage *stage_take(struct transfer *transfer)
{
	struct weft_peer *peer = transfer->remote->peer;
	struct stage_pool *pool = peer->weft->gpu->pool;
	uint32_t share = (pool->unused + peer->stages) / 4 * 3;
	struct stage *stage = pool->free;

	if (!stage || peer->stages >= (share ? share : 1)) {
		if (!transfer->waited)
			peer->weft->stats.staging_waits++;
		transfer->waited = true;
		return NULL;
	}
	pool->free = stage->next;
	pool->unused--;
	peer->stages++;
	stage->next = NULL;
	stage->transfer = transfer;
	return stage;
}

void stage_give(struct stage *stage)
{
	struct weft_peer *peer = stage->transfer->remote->peer;
	struct stage_pool *pool = peer->weft->gpu->pool;

	peer->stages--;
	stage->transfer = NULL;
	stage->next = pool->free;
	pool->free = stage;
	pool->unused++;
}
