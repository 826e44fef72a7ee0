/* SPDX-License-Identifier: Apache-2.0 */
#include "slots.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "base/err.h"
#include "base/random.h"

#define SLOT_ALIGN 64

static uint64_t slots_stride(uint64_t size)
{
	return (size + SLOT_ALIGN - 1) / SLOT_ALIGN * SLOT_ALIGN;
}

uint64_t slots_bytes(uint32_t n, uint64_t size)
{
	return n * slots_stride(size);
}

int slots_open(struct slots *s, uint32_t n, uint64_t size)
{
	uint32_t i;

	memset(s, 0, sizeof(*s));
	s->free_list = calloc(n, sizeof(*s->free_list));
	s->slot = calloc(n, sizeof(*s->slot));
	if (!s->free_list || !s->slot) {
		slots_close(s);
		return -ENOMEM;
	}
	s->size = size;
	s->stride = slots_stride(size);
	s->n = s->n_free = n;
	for (i = 0; i < n; i++)
		s->free_list[i] = i;
	return 0;
}

void slots_close(struct slots *s)
{
	free(s->free_list);
	free(s->slot);
	memset(s, 0, sizeof(*s));
}

static void slot_fill(unsigned char *p, uint64_t size, uint64_t seed)
{
	uint64_t state = seed, word, i;

	for (i = 0; i + sizeof(word) <= size; i += sizeof(word)) {
		word = random_next(&state);
		memcpy(p + i, &word, sizeof(word));
	}
	for (; i < size; i++)
		p[i] = (unsigned char)(seed + i);
}

void slots_attach(struct slots *s, void *buf, int right_content)
{
	uint32_t i;

	s->buf = buf;
	for (i = 0; i < s->n; i++) {
		slot_fill(s->buf + slots_offset(s, i), s->size, i + 1);
		s->slot[i].hash = slots_hash(s, i);
	}
	if (!right_content)
		memset(s->buf, 0xee, s->n * s->stride);
}

uint64_t slots_hash(const struct slots *s, uint32_t index)
{
	return XXH3_64bits(s->buf + slots_offset(s, index), s->size);
}

int slots_check(const struct slots *s, uint64_t n)
{
	uint32_t i;

	for (i = 0; i < s->n && i < n; i++) {
		if (slots_hash(s, i) != s->slot[i].hash)
			return err_set(-EBADMSG, "buffer %u of %u holds wrong content", i, s->n);
	}
	return 0;
}
