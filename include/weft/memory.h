/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libweft: memory that is good to register, and memory of GPUs.
 *
 * Call flow: weft_alloc() -> weft_register() -> weft_unregister() -> weft_free(). Returns, errors
 * and structures are as in weft/weft.h.
 *
 * Memory of GPUs (CUDA) is registered like any other, by its address, once the program has loaded
 * CUDA's driver; enum weft_gpus has other choices. Nothing of CUDA is needed to build or to run
 * without. Transfers are the same too. How they are done is decided for each provider of the engine
 * when the region is registered (weft_region_reach()):
 * - The NIC itself reads and writes it, if libfabric offers FI_HMEM for it and takes the memory, by
 *   address or as a dma-buf. That is asked for only in engines that were opened when the driver was
 *   loaded. Peers' rights need that way on every provider of the engine, so open it with one that
 *   has it ("efa-direct", "verbs"); else weft_register() says -EOPNOTSUPP, which provider has not,
 *   and why.
 * - Else it is copied, piece by piece, through host memory (weft_opts.staging_bytes), while other
 *   pieces are on their way. Only WEFT_LOCAL regions can be. The owner starts copies and asks for
 *   their end, and never waits for one. A copy counts as an operation: done, quiescent and
 *   unregistered mean what they mean elsewhere; but a READ whose bytes have come is done after its
 *   copy even if the peer is lost or cut off meanwhile. A copy that fails ends its transfer with
 *   -WEFT_EGPU and the driver's name for the error; weft_result.provider_error is its number.
 *
 * Among several NICs small transfers take one near the GPU (below the same PCI switch, else in the
 * same node) while it is free, large ones all; libhwloc is needed to know, and asked when memory of
 * a GPU is first registered, up to half a second.
 *
 * What kernels write is sent as it is when weft_submit() is called, or later: synchronize before.
 * weft's streams wait for no stream of the program. The CUDA context of the memory must outlive the
 * region. Memory whose contents the driver moves (managed) is always copied.
 */
#ifndef WEFT_MEMORY_H
#define WEFT_MEMORY_H

#include "weft.h"

#ifdef __cplusplus
extern "C" {
#endif

/* How memory of GPUs is treated that is registered. */
enum weft_gpus {
	WEFT_GPUS_LOADED = 0, /* once the program has loaded CUDA's driver it is known (default) */
	WEFT_GPUS_CUDA = 1,   /* loads and starts the driver: fails where there is none */
	WEFT_GPUS_STAGED = 2, /* as LOADED, but it is always copied through host memory */
	WEFT_GPUS_OFF = 3,    /* all memory is the host's; CUDA is never called */
};

enum weft_pages {
	WEFT_PAGES_2M = 1,  /* reserved pages of 2 MiB */
	WEFT_PAGES_1G = 2,  /* reserved pages of 1 GiB, before those of 2 MiB if both are named */
	WEFT_PAGES_ANY = 4, /* else what there is, which the kernel is asked to make large */
};

struct weft_memory {
	size_t size;
	void *base;        /* at a multiple of 2 MiB or more */
	size_t len;        /* whole pages */
	size_t page;       /* bytes of a page: reserved ones, or the system's smallest */
	size_t huge_bytes; /* of len: what was in large pages when it was made */
};

/*
 * Maps zeroed memory for regions, in large pages where it can: a device keeps each page of a region
 * in a table, and registers large ones faster. pages: enum weft_pages, or-ed, tried in the order of
 * size; 0 is WEFT_PAGES_2M | WEFT_PAGES_ANY. Every page is there when it returns, so that
 * registering finds no surprise; that takes time. memory->size must be set; memory says what it
 * became. It belongs to no engine and is registered with weft_register(). Any thread; does not
 * progress. Errors: -EINVAL; -ENOMEM with the number of reserved pages that are free.
 */
WEFT_API int weft_alloc(size_t len, uint32_t pages, struct weft_memory *memory);
/* Unmaps it; no region may lie in it any more. NULL, and what was not filled in, is fine. */
WEFT_API void weft_free(const struct weft_memory *memory);

/* Who moves what is in a region over a provider. */
enum weft_reach {
	WEFT_REACH_HOST = 0,   /* it is host memory */
	WEFT_REACH_GPU = 1,    /* of a GPU; the NIC, by address */
	WEFT_REACH_DMABUF = 2, /* the same; the NIC, by dma-buf */
	WEFT_REACH_STAGED = 3, /* the same; copied through host memory */
};

struct weft_reach_info {
	size_t size;
	char provider[16];
	uint32_t reach; /* enum weft_reach */
	int32_t gpu;    /* CUDA's number of the GPU whose memory it is; -1: the host's */
	char why[160];  /* STAGED: why the NIC does not; else "" */
};
/* How a region is reached over provider index 0.. of its engine, in the order in which they are
 * chosen. info->size must be set. Any thread; does not progress. -ENOENT past the last, -EINVAL. */
WEFT_API int weft_region_reach(const struct weft_region *region, uint32_t index,
			       struct weft_reach_info *info);

#ifdef __cplusplus
}
#endif

#endif /* WEFT_MEMORY_H */
