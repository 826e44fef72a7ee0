/* SPDX-License-Identifier: Apache-2.0 */
/* Regions in a GPU's memory: by which ways the devices reach them, and why not by the others. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "engine/gpu.h"
#include "engine/stage.h"

const char *gpu_reach_name(uint32_t reach)
{
	static const char *const names[] = {
		[WEFT_REACH_HOST] = "host",
		[WEFT_REACH_GPU] = "gpu",
		[WEFT_REACH_DMABUF] = "dmabuf",
		[WEFT_REACH_STAGED] = "staged",
	};

	return names[reach];
}

/* --- pinned on the rails of one way --------------------------------------------------------- */

static void unpin_rails(struct weft_region *region, const struct way *way, uint32_t count)
{
	struct rail *rail;
	uint32_t i;

	for (i = 0; i < count; i++) {
		rail = way_rail(region->weft, way, i);
		if (rail->port)
			rail->ops->unpin(rail->port, &region->pinned->pins[rail->index]);
	}
}

static int pin_rails(struct weft_region *region, const struct way *way,
		     const struct gpu_memory *memory)
{
	struct rail *rail;
	uint32_t i;
	int rc;

	for (i = 0; i < way->count; i++) {
		rail = way_rail(region->weft, way, i);
		if (!rail->port) /* broken */
			continue;
		rc = rail->ops->pin_gpu(rail->port, memory, region->access,
					&region->pinned->pins[rail->index]);
		if (rc) {
			unpin_rails(region, way, i);
			return rc;
		}
	}
	return 0;
}

/* A GPU may go on with copies within itself after the driver has called them done; what a NIC reads
 * then would be old. */
static void synchronize_copies(const struct weft_region *region)
{
	struct weft *weft = region->weft;
	struct cuda *cuda = &weft->gpu->cuda;
	unsigned yes = 1;
	char text[96];
	int result;

	if (!cuda->cuPointerSetAttribute) {
		engine_log(weft, WEFT_LOG_WARN, "%s lacks cuPointerSetAttribute", CUDA_LIBRARY);
		return;
	}
	result = cuda->cuPointerSetAttribute(&yes, CUDA_ATTRIBUTE_SYNC_MEMOPS,
					     (uintptr_t)region->base);
	if (result)
		engine_log(weft, WEFT_LOG_WARN,
			   "GPU %d: SYNC_MEMOPS cannot be set (%s): synchronize the device before "
			   "what it wrote is sent",
			   region->gpu->ordinal, cuda_text(cuda, result, text, sizeof(text)));
}

/* The pages that hold the region, as a dma-buf. Negative: no; the detail tells. */
static int open_dmabuf(const struct weft_region *region, uint64_t *offset)
{
	const struct gpu *gpu = region->weft->gpu;
	uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE), first, end;
	int fd = -1, result;

	if (!gpu->cuda.cuMemGetHandleForAddressRange)
		return err_set(-EOPNOTSUPP, "%s lacks cuMemGetHandleForAddressRange", CUDA_LIBRARY);
	first = (uintptr_t)region->base & ~(page - 1);
	end = ((uintptr_t)region->base + region->len + page - 1) & ~(page - 1);
	result = gpu->cuda.cuMemGetHandleForAddressRange(&fd, first, end - first,
							 CUDA_HANDLE_DMABUF, 0);
	if (result)
		return gpu_failed(gpu, result, "cuMemGetHandleForAddressRange",
				  region->gpu->ordinal);
	*offset = (uintptr_t)region->base - first;
	return fd;
}

static int pin_dmabuf(struct weft_region *region, const struct way *way, struct gpu_memory *memory)
{
	int rc;

	memory->dmabuf = open_dmabuf(region, &memory->dmabuf_offset);
	if (memory->dmabuf < 0)
		return memory->dmabuf;
	rc = pin_rails(region, way, memory);
	close(memory->dmabuf); /* the registrations hold it */
	return rc;
}

/* Why one of a way's rails cannot be let at any GPU's memory; NULL: all may. */
static const char *no_gpus(const struct weft *weft, const struct way *way)
{
	const struct rail *rail;
	uint32_t i;

	for (i = 0; i < way->count; i++) {
		rail = way_rail(weft, way, i);
		if (rail->limits.no_gpus)
			return rail->limits.no_gpus;
	}
	return NULL;
}

static void reach_way(struct weft_region *region, uint32_t index)
{
	const struct weft *weft = region->weft;
	const struct way *way = &weft->ways[index];
	struct gpu_region *gpu = region->gpu;
	char *why = gpu->why[index], first[GPU_WHY_MAX / 2];
	struct gpu_memory memory = {
		.base = region->base, .len = region->len, .ordinal = gpu->ordinal, .dmabuf = -1
	};

	gpu->reach[index] = WEFT_REACH_STAGED;
	if (weft->gpu->mode == WEFT_GPUS_STAGED)
		snprintf(why, GPU_WHY_MAX, "weft_opts.gpus asks for copies");
	else if (gpu->managed)
		snprintf(why, GPU_WHY_MAX, "managed memory moves between GPU and host");
	else if (no_gpus(weft, way))
		snprintf(why, GPU_WHY_MAX, "%s", no_gpus(weft, way));
	if (*why)
		return;
	if (pin_rails(region, way, &memory) == 0) {
		gpu->reach[index] = WEFT_REACH_GPU;
		return;
	}
	snprintf(first, sizeof(first), "%s", weft_error_detail());
	if (pin_dmabuf(region, way, &memory) == 0)
		gpu->reach[index] = WEFT_REACH_DMABUF;
	else
		snprintf(why, GPU_WHY_MAX, "%s; %.70s", first, weft_error_detail());
}

/* --- the region ----------------------------------------------------------------------------- */

static int refuse_remote(const struct weft_region *region, uint32_t way)
{
	return err_set(
		-EOPNOTSUPP,
		"peers cannot reach memory of GPU %d over %s: %s; open the engine with "
		"provider efa-direct or verbs alone on NICs that can, or grant host memory and "
		"copy",
		region->gpu->ordinal, region->weft->ways[way].provider->name,
		region->gpu->why[way]);
}

/* The first way that copies; way_count: none. */
static uint32_t first_staged(const struct weft_region *region)
{
	uint32_t i;

	for (i = 0; i < region->weft->way_count; i++)
		if (region->gpu->reach[i] == WEFT_REACH_STAGED)
			break;
	return i;
}

static uint32_t direct_ways(const struct weft_region *region)
{
	uint32_t i, n = 0;

	for (i = 0; i < region->weft->way_count; i++)
		n += region->gpu->reach[i] == WEFT_REACH_GPU ||
		     region->gpu->reach[i] == WEFT_REACH_DMABUF;
	return n;
}

static void enter(struct weft_region *region)
{
	struct weft *weft = region->weft;

	list_add_tail(&weft->gpu->regions, &region->gpu->link);
	weft->stats.gpu_regions++;
	if (direct_ways(region)) {
		weft->stats.pins++;
		weft->stats.bytes_pinned += region->len;
	}
}

int gpu_pin(struct weft_region *region)
{
	struct weft *weft = region->weft;
	uint32_t i, staged;
	int rc = 0;

	region->pinned = mem_zalloc(sizeof(*region->pinned) +
				    weft->rail_count * sizeof(region->pinned->pins[0]));
	if (!region->pinned) {
		gpu_unpin(region);
		return err_set(-ENOMEM, "out of memory");
	}
	region->pinned->first = (uintptr_t)region->base;
	region->pinned->end = region->pinned->first + region->len;
	region->pinned->shift = PLAN_WHOLE;
	region->pinned->parts = 1;
	for (i = 0; i < weft->way_count; i++)
		reach_way(region, i);
	staged = first_staged(region);
	if (staged < weft->way_count)
		rc = region->access ? refuse_remote(region, staged)
				    : gpu_context_get(weft, region->gpu, &region->gpu->copies);
	enter(region);
	if (rc) {
		gpu_unpin(region);
		return rc;
	}
	if (direct_ways(region))
		synchronize_copies(region);
	if (staged < weft->way_count)
		engine_log(weft, WEFT_LOG_INFO, "memory of GPU %d is copied for %s: %s",
			   region->gpu->ordinal, weft->ways[staged].provider->name,
			   region->gpu->why[staged]);
	return 0;
}

void gpu_unpin(struct weft_region *region)
{
	struct weft *weft = region->weft;
	uint32_t i;

	if (!region->pinned)
		goto free_region;
	weft->stats.gpu_regions--;
	if (direct_ways(region)) {
		weft->stats.pins--;
		weft->stats.bytes_pinned -= region->len;
	}
	for (i = 0; i < weft->way_count; i++)
		if (region->gpu->reach[i] != WEFT_REACH_STAGED)
			unpin_rails(region, &weft->ways[i], weft->ways[i].count);
	if (region->gpu->copies)
		gpu_context_put(weft, region->gpu->copies);
	list_del(&region->gpu->link);
	mem_free(region->pinned);
	region->pinned = NULL;
free_region:
	mem_free(region->gpu);
	region->gpu = NULL;
}

/* --- told ----------------------------------------------------------------------------------- */

struct reach_query {
	const struct weft_region *region;
	uint32_t index;
	struct weft_reach_info *info;
};

static int get_reach(struct weft *weft, void *arg)
{
	struct reach_query *query = arg;
	const struct gpu_region *gpu = query->region->gpu;
	struct weft_reach_info *info = query->info;

	if (query->index >= weft->way_count)
		return err_set(-ENOENT, "the engine has %u providers", weft->way_count);
	memset(info, 0, sizeof(*info));
	info->size = sizeof(*info);
	info->gpu = -1;
	snprintf(info->provider, sizeof(info->provider), "%s",
		 weft->ways[query->index].provider->name);
	if (!gpu)
		return 0;
	info->gpu = gpu->ordinal;
	info->reach = gpu->reach[query->index];
	memcpy(info->why, gpu->why[query->index], sizeof(gpu->why[0]));
	return 0;
}

int weft_region_reach(const struct weft_region *region, uint32_t index,
		      struct weft_reach_info *info)
{
	struct weft_reach_info ours;
	struct reach_query query = { .region = region, .index = index, .info = &ours };
	int rc;

	if (!region)
		return err_set(-EINVAL, "region is NULL");
	rc = engine_run(region->weft, get_reach, &query);
	return rc ? rc : sized_out(info, &ours, sizeof(ours), "weft_reach_info");
}
