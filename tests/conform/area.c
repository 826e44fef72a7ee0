/* SPDX-License-Identifier: Apache-2.0 */
#include "area.h"

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "conform.h"

/*
 * That a transfer is done orders what both sides do with its memory, through the network: a race
 * detector, which sees only threads, must not look at the content.
 */
#define AREA_CONTENT __attribute__((no_sanitize("thread")))

static uint64_t mix(uint64_t x)
{
	x += 0x9e3779b97f4a7c15ull;
	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ull;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebull;
	return x ^ (x >> 31);
}

uint64_t area_random(uint64_t *state)
{
	return mix((*state)++ * 0x2545f4914f6cdd1dull);
}

/* base: mix(seed). */
static inline uint64_t word_at(uint64_t base, uint64_t index)
{
	uint64_t x = (base + index) * 0x9e3779b97f4a7c15ull;

	return x ^ (x >> 29);
}

static uint8_t byte_of(uint64_t seed, uint64_t index)
{
	return (uint8_t)(word_at(mix(seed), index / 8) >> (index % 8 * 8));
}

static uint8_t guard_of(size_t index)
{
	return (uint8_t)(0x5a ^ (index * 7));
}

static size_t page_up(size_t len)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);

	return (len + page - 1) / page * page;
}

static void area_map(struct area *area, size_t len, int fd)
{
	int flags = fd < 0 ? MAP_PRIVATE | MAP_ANONYMOUS : MAP_SHARED;

	area->len = len;
	area->map_len = page_up(len + 2 * AREA_GUARD);
	area->map = mmap(NULL, area->map_len, PROT_READ | PROT_WRITE, flags, fd, 0);
	check(area->map != MAP_FAILED);
	area->base = area->map + AREA_GUARD;
}

static void area_guard(struct area *area)
{
	size_t end = AREA_GUARD + area->len;

	for (size_t i = 0; i < AREA_GUARD; i++)
		area->map[i] = guard_of(i);
	for (size_t i = end; i < area->map_len; i++)
		area->map[i] = guard_of(i);
}

void area_open(struct area *area, size_t len)
{
	area_map(area, len, -1);
	area_guard(area);
}

void area_share(struct area *area, size_t len, int fd)
{
	check(ftruncate(fd, (off_t)page_up(len + 2 * AREA_GUARD)) == 0);
	area_map(area, len, fd);
	area_guard(area);
}

void area_join(struct area *area, size_t len, int fd)
{
	area_map(area, len, fd);
}

void area_close(struct area *area)
{
	if (area->map)
		munmap(area->map, area->map_len);
	*area = (struct area){ 0 };
}

AREA_CONTENT void area_fill(struct area *area, size_t offset, size_t len, uint64_t seed)
{
	uint8_t *p = area->base + offset;
	uint64_t first = mix(seed);
	size_t i = 0;

	check(offset <= area->len && len <= area->len - offset);
	for (; i + 8 <= len; i += 8) {
		uint64_t word = word_at(first, i / 8);

		memcpy(p + i, &word, 8);
	}
	for (; i < len; i++)
		p[i] = byte_of(seed, i);
}

/* Index of the first byte that differs, or len. */
AREA_CONTENT static size_t area_differs(const struct area *area, size_t offset, size_t len,
					uint64_t seed, size_t skip)
{
	const uint8_t *p = area->base + offset;
	uint64_t first = mix(seed);
	size_t i = 0;

	check(offset <= area->len && len <= area->len - offset);
	for (; i < len && (i + skip) % 8; i++)
		if (p[i] != byte_of(seed, i + skip))
			return i;
	for (; i + 8 <= len; i += 8) {
		uint64_t word = word_at(first, (i + skip) / 8);

		if (memcmp(p + i, &word, 8))
			break;
	}
	for (; i < len; i++)
		if (p[i] != byte_of(seed, i + skip))
			return i;
	return len;
}

bool area_holds(const struct area *area, size_t offset, size_t len, uint64_t seed, size_t skip)
{
	return area_differs(area, offset, len, seed, skip) == len;
}

AREA_CONTENT bool area_lacks(const struct area *area, size_t offset, size_t len, uint64_t seed)
{
	uint64_t first = mix(seed);

	for (size_t i = 0; i + 8 <= len; i += 8) {
		uint64_t word = word_at(first, i / 8);

		if (!memcmp(area->base + offset + i, &word, 8))
			return false;
	}
	return true;
}

static size_t area_first_broken(const struct area *area)
{
	size_t end = AREA_GUARD + area->len;

	for (size_t i = 0; i < AREA_GUARD; i++)
		if (area->map[i] != guard_of(i))
			return i;
	for (size_t i = end; i < area->map_len; i++)
		if (area->map[i] != guard_of(i))
			return i;
	return area->map_len;
}

bool area_guarded(const struct area *area)
{
	return area_first_broken(area) == area->map_len;
}

void area_check_at(const char *file, int line, const struct area *area, size_t offset, size_t len,
		   uint64_t seed, size_t skip)
{
	size_t at = area_differs(area, offset, len, seed, skip);

	conform_at(file, line);
	if (at < len)
		conform_fail(file, line, "%zu bytes at %zu: byte %zu is 0x%02x, not 0x%02x", len,
			     offset, at, area->base[offset + at], byte_of(seed, at + skip));
}

void area_check_guards(const char *file, int line, const struct area *area)
{
	size_t at = area_first_broken(area);

	conform_at(file, line);
	if (at < area->map_len)
		conform_fail(file, line, "guard byte at %td of %zu was changed to 0x%02x",
			     (ptrdiff_t)at - (ptrdiff_t)AREA_GUARD, area->len, area->map[at]);
}
