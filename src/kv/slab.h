/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory for very many small records of mixed sizes, without a header for each. Records of a
 * size share chunks of 32 KiB; an empty chunk can serve another size. Chunks stay with the slab
 * until slab_close(). Records above SLAB_MAX come from the general allocator. Any thread; lanes
 * (any numbers) spread threads over locks.
 */
#ifndef WEFT_KV_SLAB_H
#define WEFT_KV_SLAB_H

#include <stddef.h>
#include <stdint.h>

#define SLAB_MAX 1024u

struct slab;

/* max_bytes: what slab_bytes() may come to; 0: no limit. -ENOMEM. */
int slab_open(struct slab **ret, uint64_t max_bytes);
/* Frees all records too. NULL is fine. */
void slab_close(struct slab *slab);

/* size bytes, aligned to 8, not zeroed. -ENOMEM; -WEFT_ELIMIT: max_bytes is reached. */
int slab_alloc(struct slab *slab, uint32_t lane, size_t size, void **ret);
/* size as it was asked for. */
void slab_free(struct slab *slab, void *record, size_t size);
/* Memory held, bytes: chunks (full or not) and records above SLAB_MAX. */
uint64_t slab_bytes(const struct slab *slab);

#endif /* WEFT_KV_SLAB_H */
