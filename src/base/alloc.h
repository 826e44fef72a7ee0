/* SPDX-License-Identifier: Apache-2.0 */
/* Memory allocation that a test can make fail at any point. */
#ifndef WEFT_BASE_ALLOC_H
#define WEFT_BASE_ALLOC_H

#include <stdbool.h>
#include <stddef.h>

/* Each returns NULL when there is no memory. What they return is given back with mem_free(). */
void *mem_alloc(size_t size) __attribute__((alloc_size(1), warn_unused_result));
void *mem_zalloc(size_t size) __attribute__((alloc_size(1), warn_unused_result));
/* count * size zeroed bytes; NULL also where the product does not fit. */
void *mem_array(size_t count, size_t size) __attribute__((alloc_size(1, 2), warn_unused_result));
/* Not zeroed. alignment: a power of two of at least sizeof(void *). */
void *mem_aligned(size_t alignment, size_t size)
	__attribute__((alloc_align(1), alloc_size(2), warn_unused_result));
char *mem_strdup(const char *text) __attribute__((warn_unused_result));
void mem_free(void *memory); /* NULL is fine */

/*
 * For tests: the n-th allocation from now on (1 is the next one), by any thread, fails; those
 * after it succeed again. n <= 0 switches it off. The loop over every point of failure:
 *
 *	for (n = 1;; n++) {
 *		mem_fail_at(n);
 *		rc = thing_open(&thing);
 *		if (!mem_failed())
 *			break;
 *		assert(rc == -ENOMEM);
 *	}
 *	mem_fail_at(0);
 */
void mem_fail_at(int n);
/* Whether the failure asked for by the last mem_fail_at() has happened. */
bool mem_failed(void);

#endif /* WEFT_BASE_ALLOC_H */
