/* SPDX-License-Identifier: Apache-2.0 */
#include "perf/content.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "base/err.h"
#include "base/hash.h"

#define NO_ZEROS 0x0101010101010101ull
/* Twelve bits of the slot's number, spread so that no byte of them is zero: six in each of the
 * first two bytes. */
#define SLOT_BITS 6
#define SLOT_MASK 0xffffull

static uint64_t slot_word(uint32_t slot)
{
	const uint32_t low = slot & ((1u << SLOT_BITS) - 1), high = slot >> SLOT_BITS;

	return (uint64_t)(high << 1 | 1) << 8 | (low << 1 | 1);
}

static uint64_t start_of(uint64_t size, uint64_t seed, uint64_t key, uint32_t slot)
{
	return hash_u64(key << 16 | (size < sizeof(uint64_t) ? 0 : slot), seed);
}

static uint64_t word_at(uint64_t i, uint64_t start, uint64_t size, uint32_t slot)
{
	uint64_t word = hash_u64(i, start) | NO_ZEROS;

	if (i == 0 && size >= sizeof(word))
		word = (word & ~SLOT_MASK) | slot_word(slot);
	return word;
}

int content_map(void **ret, uint64_t len, const char *what)
{
	*ret = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE,
		    -1, 0);
	if (*ret == MAP_FAILED)
		return err_set(-ENOMEM, "%llu bytes %s: %s", (unsigned long long)len, what,
			       strerror(errno));
	return 0;
}

void content_fill(void *p, uint64_t size, uint64_t seed, uint64_t key, uint32_t slot)
{
	const uint64_t start = start_of(size, seed, key, slot);
	uint64_t word, at, part;

	for (at = 0; at < size; at += sizeof(word)) {
		word = word_at(at / sizeof(word), start, size, slot);
		part = size - at < sizeof(word) ? size - at : sizeof(word);
		memcpy((unsigned char *)p + at, &word, part);
	}
}

static bool is_zero(const unsigned char *p, uint64_t size)
{
	return size == 0 || (p[0] == 0 && memcmp(p, p + 1, size - 1) == 0);
}

enum content_state content_check(const void *p, uint64_t size, uint64_t seed, uint64_t key,
				 uint32_t slot)
{
	const uint64_t start = start_of(size, seed, key, slot);
	uint64_t word, at, part;

	for (at = 0; at < size; at += sizeof(word)) {
		word = word_at(at / sizeof(word), start, size, slot);
		part = size - at < sizeof(word) ? size - at : sizeof(word);
		if (memcmp((const unsigned char *)p + at, &word, part) != 0)
			return is_zero(p, size) ? CONTENT_UNTOUCHED : CONTENT_WRONG;
	}
	return CONTENT_RIGHT;
}

uint32_t content_slot(const void *p, uint64_t size)
{
	const unsigned char *bytes = p;

	if (size < sizeof(uint64_t))
		return 0;
	return (uint32_t)(bytes[1] >> 1 & 0x3f) << SLOT_BITS | (bytes[0] >> 1 & 0x3f);
}

bool content_check_slots(const void *p, uint64_t size, uint64_t stride, uint32_t slots,
			 uint64_t seed, uint64_t key, uint32_t *ret_touched, uint32_t *ret_bad)
{
	enum content_state state;
	uint32_t i;

	*ret_touched = 0;
	for (i = 0; i < slots; i++) {
		state = content_check((const unsigned char *)p + i * stride, size, seed, key, i);
		if (state == CONTENT_RIGHT && *ret_touched == i)
			(*ret_touched)++;
		else if (state != CONTENT_UNTOUCHED)
			break;
	}
	*ret_bad = i;
	return i == slots;
}
