/* SPDX-License-Identifier: Apache-2.0 */
#include "kv/segment.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/err.h"

#define HUGE_PAGE ((size_t)2 << 20)

static size_t round_up(size_t value, size_t step)
{
	return (value + step - 1) / step * step;
}

/* Reserved huge pages; NULL where there are not enough. */
static void *map_huge(size_t length)
{
	void *base = mmap(NULL, length, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB, -1, 0);

	return base == MAP_FAILED ? NULL : base;
}

int segment_open(struct segment *ret, size_t length)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	struct segment segment = { 0 };

	if (!length || length > SIZE_MAX / 2)
		return err_set(-EINVAL, "a segment of %zu bytes", length);
	segment.length = round_up(length, length >= HUGE_PAGE ? HUGE_PAGE : page);
	if (length >= HUGE_PAGE)
		segment.base = map_huge(segment.length);
	segment.huge = segment.base;
	if (!segment.base) {
		segment.base = mmap(NULL, segment.length, PROT_READ | PROT_WRITE,
				    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (segment.base == MAP_FAILED)
			return err_set(-ENOMEM, "mapping %zu bytes: %s", segment.length,
				       strerror(errno));
		/* Only advice: small pages work as well. */
		(void)madvise(segment.base, segment.length, MADV_HUGEPAGE);
	}
	*ret = segment;
	return 0;
}

void segment_close(struct segment *segment)
{
	if (segment->base)
		munmap(segment->base, segment->length);
	*segment = (struct segment){ 0 };
}

/* First line of a file that begins with prefix, without it; false: none. */
static bool read_line(const char *path, const char *prefix, char *line, size_t size)
{
	size_t len = strlen(prefix);
	FILE *file = fopen(path, "re");
	bool found = false;

	if (!file)
		return false;
	while (!found && fgets(line, (int)size, file))
		found = !strncmp(line, prefix, len);
	fclose(file);
	if (found)
		memmove(line, line + len, strlen(line + len) + 1);
	return found;
}

/* "max" and what cannot be read: UINT64_MAX. */
static uint64_t read_number(const char *path)
{
	uint64_t value;
	char line[64];

	if (!read_line(path, "", line, sizeof(line)) || sscanf(line, "%" SCNu64, &value) != 1)
		return UINT64_MAX;
	return value;
}

/* What the memory limit of one control group leaves. */
static uint64_t group_available(const char *group)
{
	uint64_t max, current;
	char path[640];

	snprintf(path, sizeof(path), "/sys/fs/cgroup%s/memory.max", group);
	max = read_number(path);
	snprintf(path, sizeof(path), "/sys/fs/cgroup%s/memory.current", group);
	current = read_number(path);
	if (max == UINT64_MAX || current == UINT64_MAX)
		return UINT64_MAX;
	return max > current ? max - current : 0;
}

uint64_t segment_available(void)
{
	uint64_t best = UINT64_MAX, left, kib;
	char line[512], *slash;

	if (read_line("/proc/meminfo", "MemAvailable:", line, sizeof(line)) &&
	    sscanf(line, "%" SCNu64, &kib) == 1)
		best = kib * 1024;
	if (!read_line("/proc/self/cgroup", "0::", line, sizeof(line)))
		return best;
	line[strcspn(line, "\n")] = '\0';
	for (;;) {
		left = group_available(line);
		if (left < best)
			best = left;
		slash = strrchr(line, '/');
		if (!slash || !line[1])
			return best;
		slash[slash == line] = '\0';
	}
}
