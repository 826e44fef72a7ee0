/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libweft: memory that is good to register.
 *
 * Call flow: weft_alloc() -> weft_register() -> weft_unregister() -> weft_free(). Returns, errors
 * and structures are as in weft/weft.h.
 */
#ifndef WEFT_MEMORY_H
#define WEFT_MEMORY_H

#include "weft.h"

#ifdef __cplusplus
extern "C" {
#endif

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

#ifdef __cplusplus
}
#endif

#endif /* WEFT_MEMORY_H */
