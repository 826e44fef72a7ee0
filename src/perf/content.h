/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Content that can be recognised: the bytes of a slot follow from seed and key, none of them is
 * zero, and the first eight tell the slot. So a slot of fresh (zero) memory that was written in
 * part is told from one that was not written, and from one that was written whole.
 */
#ifndef WEFT_PERF_CONTENT_H
#define WEFT_PERF_CONTENT_H

#include <stdbool.h>
#include <stdint.h>

#define CONTENT_SLOTS_MAX 4096

/* Fresh memory, zero, with its pages there; munmap() ends it. -ENOMEM; what: of the error. */
int content_map(void **ret, uint64_t len, const char *what);

enum content_state {
	CONTENT_RIGHT,
	CONTENT_UNTOUCHED, /* zero throughout */
	CONTENT_WRONG,
};

/* Whose content it is: of which side and thread. */
static inline uint64_t content_key(bool target, uint32_t thread, uint32_t ep)
{
	return (uint64_t)target << 32 | (uint64_t)thread << 16 | ep;
}

/* slot: below CONTENT_SLOTS_MAX. */
void content_fill(void *p, uint64_t size, uint64_t seed, uint64_t key, uint32_t slot);
enum content_state content_check(const void *p, uint64_t size, uint64_t seed, uint64_t key,
				 uint32_t slot);
/* The slot that the bytes name; 0 for less than eight, whose content is that of slot 0 too. */
uint32_t content_slot(const void *p, uint64_t size);

/*
 * The slots of one endpoint, of which operations touched the first, then the second and so on. In
 * *ret_touched how many hold content. False: one holds wrong content, or lies untouched before a
 * touched one; *ret_bad is its number.
 */
bool content_check_slots(const void *p, uint64_t size, uint64_t stride, uint32_t slots,
			 uint64_t seed, uint64_t key, uint32_t *ret_touched, uint32_t *ret_bad);

#endif /* WEFT_PERF_CONTENT_H */
