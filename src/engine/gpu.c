/* SPDX-License-Identifier: Apache-2.0 */
/* Whether there are GPUs, and whose memory is whose. */
#include "engine/gpu.h"

#include <errno.h>
#include <limits.h>

#include "base/err.h"
#include "engine/stage.h"

#define STAGING_DEFAULT (16ull << 20)
#define STAGING_MIN     (64ull << 10)
#define STAGING_MAX     (4ull << 30)

int gpu_check(const struct weft_opts *opts)
{
	if (opts->gpus > WEFT_GPUS_OFF)
		return err_set(-EINVAL, "gpus is %u, want 0..%u", opts->gpus, WEFT_GPUS_OFF);
	if (opts->staging_bytes &&
	    (opts->staging_bytes < STAGING_MIN || opts->staging_bytes > STAGING_MAX))
		return err_set(-EINVAL, "staging_bytes is %llu, want %llu..%llu",
			       (unsigned long long)opts->staging_bytes, STAGING_MIN, STAGING_MAX);
	return 0;
}

int gpu_failed(const struct gpu *gpu, int result, const char *call, int ordinal)
{
	char text[96];

	return err_set(-WEFT_EGPU, "GPU %d: %s: %s", ordinal, call,
		       cuda_text(&gpu->cuda, result, text, sizeof(text)));
}

/* Opens the driver's library if the program has loaded it. */
static void look(struct weft *weft)
{
	struct gpu *gpu = weft->gpu;
	char path[PATH_MAX];

	if (gpu->cuda.library || gpu->useless || gpu->mode == WEFT_GPUS_OFF ||
	    !cuda_loaded(&gpu->changes, path))
		return;
	if (cuda_open(&gpu->cuda, path) == 0)
		return;
	gpu->useless = true;
	engine_log(weft, WEFT_LOG_WARN, "memory of GPUs is not known as such: %s",
		   weft_error_detail());
}

static int open_driver(struct gpu *gpu)
{
	char text[96];
	int rc = cuda_open(&gpu->cuda, CUDA_LIBRARY), result;

	if (rc)
		return rc;
	result = gpu->cuda.cuInit(0);
	if (result == CUDA_SUCCESS)
		return 0;
	return err_set(-WEFT_EGPU, "cuInit: %s; nvidia-smi tells more",
		       cuda_text(&gpu->cuda, result, text, sizeof(text)));
}

int gpu_open(struct weft *weft, const struct weft_opts *opts)
{
	struct gpu *gpu = mem_zalloc(sizeof(*gpu));

	if (!gpu)
		return err_set(-ENOMEM, "out of memory");
	list_init(&gpu->contexts);
	list_init(&gpu->regions);
	list_init(&gpu->places);
	gpu->mode = opts->gpus;
	gpu->staging_bytes = opts->staging_bytes ? opts->staging_bytes : STAGING_DEFAULT;
	weft->gpu = gpu;
	if (gpu->mode == WEFT_GPUS_CUDA)
		return open_driver(gpu);
	look(weft);
	return 0;
}

bool gpu_wanted(const struct weft *weft)
{
	return weft->gpu->cuda.library && weft->gpu->mode != WEFT_GPUS_STAGED;
}

/* --- whose memory -------------------------------------------------------------------------- */

struct owner {
	void *context;
	unsigned type;
	int ordinal;
	unsigned managed; /* the driver writes an unsigned int or a bool; zeroed before */
};

static int ask(const struct gpu *gpu, uint64_t address, struct owner *ret)
{
	int attributes[] = { CUDA_ATTRIBUTE_CONTEXT, CUDA_ATTRIBUTE_MEMORY_TYPE,
			     CUDA_ATTRIBUTE_ORDINAL, CUDA_ATTRIBUTE_IS_MANAGED };
	void *values[] = { &ret->context, &ret->type, &ret->ordinal, &ret->managed };
	int result;

	*ret = (struct owner){ 0 };
	result = gpu->cuda.cuPointerGetAttributes(4, attributes, values, address);
	/* A driver that was not started, or has ended, has no memory. */
	if (result == CUDA_NOT_INITIALIZED || result == CUDA_DEINITIALIZED ||
	    result == CUDA_INVALID_VALUE)
		*ret = (struct owner){ 0 };
	else if (result != CUDA_SUCCESS)
		return err_prefix(gpu_failed(gpu, result, "cuPointerGetAttributes", ret->ordinal),
				  "whether %#llx is a GPU's cannot be told",
				  (unsigned long long)address);
	return 0;
}

static bool is_gpu(const struct owner *owner)
{
	return owner->type == CUDA_MEMORY_DEVICE || owner->managed;
}

int gpu_find(struct weft_region *region)
{
	struct gpu *gpu = region->weft->gpu;
	struct owner first, last;
	int rc;

	look(region->weft);
	if (!gpu->cuda.library)
		return 0;
	rc = ask(gpu, (uintptr_t)region->base, &first);
	if (rc == 0)
		rc = ask(gpu, (uintptr_t)region->base + region->len - 1, &last);
	if (rc || (!is_gpu(&first) && !is_gpu(&last)))
		return rc;
	if (is_gpu(&first) != is_gpu(&last) || first.ordinal != last.ordinal ||
	    first.managed != last.managed)
		return err_set(-EFAULT,
			       "memory %p is GPU %d's, but not all of its %zu bytes: check the "
			       "length",
			       (void *)region->base, is_gpu(&first) ? first.ordinal : last.ordinal,
			       region->len);
	region->gpu = mem_zalloc(sizeof(*region->gpu));
	if (!region->gpu)
		return err_set(-ENOMEM, "out of memory");
	list_init(&region->gpu->link);
	region->gpu->region = region;
	region->gpu->context = first.context;
	region->gpu->ordinal = first.ordinal;
	region->gpu->managed = first.managed;
	return 0;
}

/* --- the end ------------------------------------------------------------------------------- */

void gpu_quiet(struct weft *weft)
{
	if (weft->gpu->pool)
		stage_quiet(weft);
}

void gpu_close(struct weft *weft)
{
	struct gpu *gpu = weft->gpu;

	if (!gpu)
		return;
	stage_free_pool(weft);
	gpu_forget_places(gpu);
	cuda_close(&gpu->cuda);
	mem_free(gpu);
	weft->gpu = NULL;
}
