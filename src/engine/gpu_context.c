/* SPDX-License-Identifier: Apache-2.0 */
/* CUDA contexts in which copies are made, with a stream for each direction. */
#include <errno.h>

#include "base/err.h"
#include "engine/gpu.h"
#include "engine/stage.h"

/* The context is the thread's current one. */
static void close_streams(struct gpu *gpu, struct gpu_context *context)
{
	uint32_t i;

	for (i = 0; i < context->event_count; i++)
		gpu->cuda.cuEventDestroy_v2(context->events[i]);
	context->event_count = 0;
	for (i = 0; i < OP_KINDS; i++)
		if (context->lanes[i].stream)
			gpu->cuda.cuStreamDestroy_v2(context->lanes[i].stream);
}

/* The same. Streams of our own wait for no other, and no event is made on the way of a transfer. */
static int open_streams(struct gpu *gpu, struct gpu_context *context, uint32_t chunks)
{
	int result = CUDA_SUCCESS;
	uint32_t i;

	context->events = mem_array(chunks, sizeof(void *));
	if (!context->events)
		return err_set(-ENOMEM, "out of memory for %u events", chunks);
	for (i = 0; i < OP_KINDS && result == CUDA_SUCCESS; i++)
		result = gpu->cuda.cuStreamCreate(&context->lanes[i].stream,
						  CUDA_STREAM_NON_BLOCKING);
	if (result)
		return gpu_failed(gpu, result, "cuStreamCreate", context->ordinal);
	for (; context->event_count < chunks; context->event_count++) {
		result = gpu->cuda.cuEventCreate(&context->events[context->event_count],
						 CUDA_EVENT_NO_TIMING);
		if (result)
			return gpu_failed(gpu, result, "cuEventCreate", context->ordinal);
	}
	return 0;
}

static int retain(struct gpu *gpu, struct gpu_context *context)
{
	int device, result = gpu->cuda.cuDeviceGet(&device, context->ordinal);

	if (result == CUDA_SUCCESS)
		result = gpu->cuda.cuDevicePrimaryCtxRetain(&context->handle, device);
	if (result)
		return gpu_failed(gpu, result, "cuDevicePrimaryCtxRetain", context->ordinal);
	context->retained = true;
	return 0;
}

static void release(struct gpu *gpu, struct gpu_context *context)
{
	int device;

	if (context->retained && gpu->cuda.cuDeviceGet(&device, context->ordinal) == CUDA_SUCCESS)
		gpu->cuda.cuDevicePrimaryCtxRelease(device);
	mem_free(context->events);
	mem_free(context);
}

static int open_context(struct weft *weft, const struct gpu_region *region,
			struct gpu_context **ret)
{
	struct gpu_context *context = mem_zalloc(sizeof(*context));
	struct gpu *gpu = weft->gpu;
	void *popped;
	int rc = 0, i;

	if (!context)
		return err_set(-ENOMEM, "out of memory");
	for (i = 0; i < OP_KINDS; i++)
		list_init(&context->lanes[i].copies);
	context->ordinal = region->ordinal;
	context->handle = region->context;
	if (!context->handle)
		rc = retain(gpu, context);
	if (rc == 0 && (rc = gpu->cuda.cuCtxPushCurrent_v2(context->handle)) != 0)
		rc = gpu_failed(gpu, rc, "cuCtxPushCurrent", context->ordinal);
	if (rc)
		goto release;
	rc = stage_open_pool(weft);
	if (rc == 0)
		rc = open_streams(gpu, context, stage_chunks(weft));
	if (rc)
		close_streams(gpu, context);
	gpu->cuda.cuCtxPopCurrent_v2(&popped);
	if (rc)
		goto release;
	list_add_tail(&gpu->contexts, &context->link);
	stage_keep(weft, context);
	*ret = context;
	return 0;
release:
	release(gpu, context);
	return rc;
}

/* Memory that belongs to no context is copied in its GPU's primary one. */
static bool serves(const struct gpu_context *context, const struct gpu_region *region)
{
	if (region->context)
		return context->handle == region->context;
	return context->retained && context->ordinal == region->ordinal;
}

int gpu_context_get(struct weft *weft, const struct gpu_region *region, struct gpu_context **ret)
{
	struct gpu_context *context = NULL;
	struct list *link;
	int rc;

	list_for_each(link, &weft->gpu->contexts)
	{
		context = list_entry(link, struct gpu_context, link);
		if (serves(context, region)) {
			context->users++;
			*ret = context;
			return 0;
		}
	}
	rc = open_context(weft, region, &context);
	if (rc)
		return rc;
	context->users++;
	*ret = context;
	return 0;
}

void gpu_context_put(struct weft *weft, struct gpu_context *context)
{
	struct gpu *gpu = weft->gpu;
	void *popped;

	if (--context->users)
		return;
	list_del(&context->link);
	/* The program may have destroyed it, and all that was in it. */
	if (gpu->cuda.cuCtxPushCurrent_v2(context->handle) == CUDA_SUCCESS) {
		close_streams(gpu, context);
		gpu->cuda.cuCtxPopCurrent_v2(&popped);
	}
	release(gpu, context);
}
