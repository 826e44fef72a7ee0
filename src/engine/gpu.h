/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory of GPUs: found out when it is registered, then reached by the rails' devices themselves or
 * copied through host memory, way by way. All of it belongs to the owner.
 *
 * G1: no processor ever looks into such memory: its address goes to pin_gpu() and to the CUDA
 *     driver only.
 * G2: a region that grants peers anything is reached by the devices of every way. What is copied is
 *     local.
 */
#ifndef WEFT_ENGINE_GPU_H
#define WEFT_ENGINE_GPU_H

#include <weft/memory.h>

#include "engine/cuda.h"
#include "engine/engine.h"

#define GPU_WHY_MAX 160

struct stage_pool;

/* A direction of copies: what is under way, in order. */
struct gpu_lane {
	void *stream;
	struct list copies; /* struct stage by link */
};

/* A CUDA context that copies are made in. It lives while regions in its memory are copied. */
struct gpu_context {
	struct list link;
	void *handle;
	int ordinal;
	bool retained; /* the GPU's primary context, kept by us */
	uint32_t users;
	struct gpu_lane lanes[OP_KINDS]; /* of OP_WRITE: out of the GPU, of OP_READ: into it */
	void **events;                   /* one for each chunk of the pool */
	uint32_t event_count;
};

/* What is special about a region in a GPU's memory. */
struct gpu_region {
	struct list link; /* in gpu->regions, by slot */
	struct weft_region *region;
	void *context; /* of the memory; NULL: it belongs to none */
	int ordinal;
	bool managed;
	struct gpu_context *copies;   /* NULL: no way copies */
	uint8_t reach[WIRE_WAYS_MAX]; /* enum weft_reach */
	char why[WIRE_WAYS_MAX][GPU_WHY_MAX];
};

/* Which rails are near a GPU, found out when memory of it is first registered. */
struct gpu_place {
	struct list link; /* in gpu->places */
	int ordinal;
	uint32_t near; /* a bit for each rail, as near_rails() */
};

struct gpu {
	struct cuda cuda;
	uint32_t mode; /* enum weft_gpus */
	bool useless;  /* the driver's library is there and lacks what is needed */
	uint64_t changes;
	struct list contexts, regions, places;
	struct stage_pool *pool; /* NULL: nothing was copied yet */
	uint64_t staging_bytes;
	uint32_t copies; /* under way */
};

/* --- gpu.c --- */
int gpu_check(const struct weft_opts *opts);
int gpu_open(struct weft *weft, const struct weft_opts *opts);
/* Whether rails are to be opened such that their devices may reach GPUs. */
bool gpu_wanted(const struct weft *weft);
/* Finds out whose memory a region is: sets region->gpu for a GPU's, leaves NULL for the host's. */
int gpu_find(struct weft_region *region);
/* The engine closes: no copy is under way afterwards, and none starts. Transfers have ended. */
void gpu_quiet(struct weft *weft);
/* All ports are closed. */
void gpu_close(struct weft *weft);
/* Stores what a call of the driver answered; -WEFT_EGPU. */
int gpu_failed(const struct gpu *gpu, int result, const char *call, int ordinal);

/* --- gpu_context.c --- */
int gpu_context_get(struct weft *weft, const struct gpu_region *region, struct gpu_context **ret);
void gpu_context_put(struct weft *weft, struct gpu_context *context);

/* --- gpu_near.c --- */
/*
 * Sets region->near of a new region in a GPU's memory: the rails whose devices are nearest to the
 * GPU. On the thread that registers, not the owner: for the first region of a GPU it takes a
 * picture of the machine, which lasts up to half a second.
 */
void gpu_locate(struct weft_region *region);
void gpu_forget_places(struct gpu *gpu);

/* --- gpu_region.c --- */
/* As pin_take() and pin_give(), for a region with gpu set. */
int gpu_pin(struct weft_region *region);
void gpu_unpin(struct weft_region *region);
/* "gpu", "dmabuf" and so on, enum weft_reach. */
const char *gpu_reach_name(uint32_t reach);

#endif /* WEFT_ENGINE_GPU_H */
