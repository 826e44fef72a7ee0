/* SPDX-License-Identifier: Apache-2.0 */
/* Memory in large pages, for regions. */
#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <weft/memory.h>

#include "base/cancel.h"
#include "base/err.h"
#include "engine/engine.h"

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif
#define MIB ((size_t)1 << 20)
#define GIB ((size_t)1 << 30)
/* Bits of mmap()'s flags that name a size of page: its logarithm. */
#define PAGE_FLAG(log) ((log) << 26)
#define ALL_PAGES      (WEFT_PAGES_2M | WEFT_PAGES_1G | WEFT_PAGES_ANY)

static size_t round_up(size_t len, size_t page)
{
	return (len + page - 1) & ~(page - 1);
}

/* Every page is there afterwards. Kernels before 5.14 are made to by writing. */
static int touch(uint8_t *base, size_t len, size_t page)
{
	size_t at;

	if (!madvise(base, len, MADV_POPULATE_WRITE))
		return 0;
	if (errno != EINVAL)
		return err_set(-errno, "%zu bytes of memory: %s", len, strerror(errno));
	for (at = 0; at < len; at += page)
		*(volatile uint8_t *)(base + at) = 0;
	return 0;
}

static void *map(size_t len, int flags)
{
	void *base =
		mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | flags, -1, 0);

	return base == MAP_FAILED ? NULL : base;
}

static int free_pages(size_t page)
{
	char path[96];
	int n = 0;
	FILE *file;

	snprintf(path, sizeof(path), "/sys/kernel/mm/hugepages/hugepages-%zukB/free_hugepages",
		 page / 1024);
	file = fopen(path, "re");
	if (file && fscanf(file, "%d", &n) != 1)
		n = 0;
	if (file)
		fclose(file);
	return n;
}

/* Out of the pool of that size. */
static int map_reserved(struct weft_memory *memory, size_t len, size_t page, int flag)
{
	size_t whole = round_up(len, page);
	void *base = map(whole, MAP_HUGETLB | flag);
	int rc;

	if (!base)
		return err_set(-ENOMEM,
			       "%zu bytes need %zu pages of %zu MiB and %d are free; reserve more "
			       "(vm.nr_hugepages, or hugepages= at boot), or allow WEFT_PAGES_ANY",
			       len, whole / page, page / MIB, free_pages(page));
	rc = touch(base, whole, page);
	if (rc) {
		munmap(base, whole);
		return rc;
	}
	memory->base = base;
	memory->len = memory->huge_bytes = whole;
	memory->page = page;
	return 0;
}

/* Of the mappings that lie over the range, as the kernel counts them. */
static size_t transparent_bytes(uintptr_t first, uintptr_t end)
{
	FILE *file = fopen("/proc/self/smaps", "re");
	uintptr_t low, high;
	bool ours = false;
	size_t kib, sum = 0;
	char line[512];

	while (file && fgets(line, sizeof(line), file)) {
		if (sscanf(line, "%" SCNxPTR "-%" SCNxPTR " ", &low, &high) == 2)
			ours = low < end && high > first;
		else if (ours && sscanf(line, "AnonHugePages: %zu kB", &kib) == 1)
			sum += kib * 1024;
	}
	if (file)
		fclose(file);
	return sum < end - first ? sum : end - first;
}

/* Any pages; the kernel is asked to make them large, for which they begin at a whole one. */
static int map_any(struct weft_memory *memory, size_t len)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE), whole = round_up(len, page);
	uint8_t *all = map(whole + 2 * MIB, 0), *base;
	int rc;

	if (!all)
		return err_set(-ENOMEM, "%zu bytes of memory: %s", len, strerror(errno));
	base = all + (-(uintptr_t)all & (2 * MIB - 1));
	if (base > all)
		munmap(all, (size_t)(base - all));
	munmap(base + whole, (size_t)(all + 2 * MIB - base));
	madvise(base, whole, MADV_HUGEPAGE); /* a kernel that cannot leaves them small */
	rc = touch(base, whole, page);
	if (rc) {
		munmap(base, whole);
		return rc;
	}
	memory->base = base;
	memory->len = whole;
	memory->page = page;
	memory->huge_bytes = transparent_bytes((uintptr_t)base, (uintptr_t)base + whole);
	return 0;
}

int weft_alloc(size_t len, uint32_t pages, struct weft_memory *memory)
{
	struct weft_memory ours = { .size = sizeof(ours) };
	int rc = -EINVAL;
	CANCEL_HELD;

	pages = pages ? pages : WEFT_PAGES_2M | WEFT_PAGES_ANY;
	if (!len || len > SIZE_MAX - GIB || pages & ~(uint32_t)ALL_PAGES)
		return err_set(-EINVAL, "%zu bytes in pages 0x%x", len, pages);
	if (!memory || memory->size < sizeof(ours))
		return err_set(-EINVAL, "weft_memory.size is to be set to sizeof");
	if (pages & WEFT_PAGES_1G)
		rc = map_reserved(&ours, len, GIB, PAGE_FLAG(30));
	if (rc && pages & WEFT_PAGES_2M)
		rc = map_reserved(&ours, len, 2 * MIB, PAGE_FLAG(21));
	if (rc && pages & WEFT_PAGES_ANY)
		rc = map_any(&ours, len);
	if (rc)
		return rc;
	rc = sized_out(memory, &ours, sizeof(ours), "weft_memory");
	if (rc)
		weft_free(&ours);
	return rc;
}

void weft_free(const struct weft_memory *memory)
{
	if (memory && memory->base)
		munmap(memory->base, memory->len);
}
