/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The buffer of a run, cut into one slot per operation in flight. A slot's content depends on its
 * index alone, so that it can be written again and again and still be checked.
 */
#ifndef WEFT_BENCH_SLOTS_H
#define WEFT_BENCH_SLOTS_H

#include <stdint.h>

struct slot {
	uint64_t context[8]; /* the provider's, while in flight (struct fi_context2) */
	uint64_t posted_ns;
	uint64_t hash; /* XXH3 of the right content */
};

struct slots {
	unsigned char *buf;
	uint64_t size, stride;
	uint32_t n;
	uint32_t *free_list; /* ring: oldest first, so that all slots are used in turn */
	uint32_t head, n_free;
	struct slot *slot;
};

/* Bytes of buffer that n slots of size need. */
uint64_t slots_bytes(uint32_t n, uint64_t size);
int slots_open(struct slots *s, uint32_t n, uint64_t size);
void slots_close(struct slots *s);
/* Takes the buffer; fills it with the right content, or with other content (the side that
 * receives). */
void slots_attach(struct slots *s, void *buf, int right_content);
/* XXH3 of what the slot holds. */
uint64_t slots_hash(const struct slots *s, uint32_t index);
/* 0 when the first n slots hold the right content, else -EBADMSG. */
int slots_check(const struct slots *s, uint64_t n);

static inline uint64_t slots_offset(const struct slots *s, uint32_t index)
{
	return index * s->stride;
}

/* The next free slot (n_free is not 0); slots_take() takes it. */
static inline uint32_t slots_next(const struct slots *s)
{
	return s->free_list[s->head];
}

static inline void slots_take(struct slots *s)
{
	s->head = s->head + 1 == s->n ? 0 : s->head + 1;
	s->n_free--;
}

static inline void slots_put(struct slots *s, uint32_t index)
{
	const uint32_t tail = s->head + s->n_free++;

	s->free_list[tail < s->n ? tail : tail - s->n] = index;
}

static inline uint32_t slots_index(const struct slots *s, const void *context)
{
	return (const struct slot *)context - s->slot;
}

#endif /* WEFT_BENCH_SLOTS_H */
