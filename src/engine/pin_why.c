/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/pin_why.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#include <weft/weft.h>

#include "base/err.h"

#define PATH_ROOM 4096

/* --- limits of this process ---------------------------------------------------------------- */

/* A file's number in bytes; UINT64_MAX when there is none, "max" for instance. */
static uint64_t read_number(const char *path)
{
	FILE *file = fopen(path, "re");
	unsigned long long number = 0;
	int n = 0;

	if (file) {
		n = fscanf(file, "%llu", &number);
		fclose(file);
	}
	return n == 1 ? number : UINT64_MAX;
}

/* Pages that devices hold. What mlock() holds counts by itself. */
static uint64_t read_pinned(const char *root)
{
	unsigned long long kib;
	char line[PATH_ROOM];
	uint64_t pinned = 0;
	FILE *file;

	snprintf(line, sizeof(line), "%s/proc/self/status", root);
	file = fopen(line, "re");
	while (file && fgets(line, sizeof(line), file))
		if (sscanf(line, "VmPin: %llu kB", &kib) == 1)
			pinned = kib * 1024;
	if (file)
		fclose(file);
	return pinned;
}

/* One line of /proc/self/cgroup: that of version 2, "0::PATH", or that of version 1's memory
 * controller, "N:memory:PATH". */
static void read_group_line(struct pin_host *ret, const char *root, const char *line)
{
	const char *path = strrchr(line, ':');
	bool memory = strstr(line, ":memory:") != NULL;
	char max[PATH_ROOM], in_use[PATH_ROOM];
	int len;

	if (!path || (!memory && strncmp(line, "0::", 3) != 0))
		return;
	path++;
	len = (int)strcspn(path, "\n");
	snprintf(max, sizeof(max), "%s/sys/fs/cgroup%s%.*s/%s", root, memory ? "/memory" : "", len,
		 path, memory ? "memory.limit_in_bytes" : "memory.max");
	snprintf(in_use, sizeof(in_use), "%s/sys/fs/cgroup%s%.*s/%s", root, memory ? "/memory" : "",
		 len, path, memory ? "memory.usage_in_bytes" : "memory.current");
	if (read_number(max) == UINT64_MAX)
		return;
	ret->group_max = read_number(max);
	ret->group_in_use = read_number(in_use);
	if (ret->group_in_use == UINT64_MAX)
		ret->group_in_use = 0;
}

void pin_host_read(struct pin_host *ret, const char *root)
{
	struct rlimit limit;
	char line[PATH_ROOM];
	FILE *file;

	*ret = (struct pin_host){ .memlock = UINT64_MAX, .group_max = UINT64_MAX };
	if (getrlimit(RLIMIT_MEMLOCK, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY)
		ret->memlock = limit.rlim_cur;
	ret->pinned = read_pinned(root);
	snprintf(line, sizeof(line), "%s/proc/self/cgroup", root);
	file = fopen(line, "re");
	while (file && fgets(line, sizeof(line), file))
		read_group_line(ret, root, line);
	if (file)
		fclose(file);
}

/* --- what it means ------------------------------------------------------------------------- */

static int why_no_memory(const struct pin_refusal *refusal, const struct pin_host *host)
{
	if (host->pinned > host->memlock || refusal->len > host->memlock - host->pinned)
		return err_prefix(
			-WEFT_EMEMLOCK,
			"%zu bytes on %s: the memory lock limit is %llu bytes, %llu are pinned",
			refusal->len, refusal->device, (unsigned long long)host->memlock,
			(unsigned long long)host->pinned);
	/* In use may be what the kernel would give up, so this is not certain. */
	if (host->group_in_use > host->group_max ||
	    refusal->len > host->group_max - host->group_in_use)
		return err_prefix(
			-ENOMEM,
			"%zu bytes on %s: the device takes no more, or the control group has no "
			"memory left: %llu of its %llu bytes are in use; raise memory.max, or "
			"register less",
			refusal->len, refusal->device, (unsigned long long)host->group_in_use,
			(unsigned long long)host->group_max);
	return err_prefix(-ENOMEM,
			  "%zu bytes on %s: the device takes no more (max_mr in `ibv_devinfo -v`), "
			  "%llu registrations are the engine's; register fewer, larger areas, in "
			  "huge pages",
			  refusal->len, refusal->device, (unsigned long long)refusal->pins);
}

static int why_range(const struct pin_refusal *refusal)
{
	char parts[64] = "";

	if (refusal->len < refusal->whole)
		snprintf(parts, sizeof(parts), ", and a part of %zu bytes", refusal->len);
	return err_prefix(-WEFT_EPROVIDER,
			  "%zu bytes on %s: the device refuses the range%s; if that is for its "
			  "length (max_mr_size in `ibv_devinfo -v`), weft_opts.max_registration "
			  "can say what it takes",
			  refusal->whole, refusal->device, parts);
}

int pin_why(const struct pin_refusal *refusal, const struct pin_host *host)
{
	switch (refusal->rc) {
	case -ENOMEM:
		return why_no_memory(refusal, host);
	case -EAGAIN:
		return err_prefix(
			-WEFT_ELIMIT,
			"%zu bytes on %s: no more objects of the device may be made here; raise "
			"hca_object in the control group's rdma.max, or register fewer, larger "
			"areas",
			refusal->len, refusal->device);
	case -EINVAL:
		return why_range(refusal);
	case -EFAULT:
		return err_prefix(
			-EFAULT, "%zu bytes on %s: not all of it is mapped for reading and writing",
			refusal->len, refusal->device);
	default:
		return err_prefix(refusal->rc, "%zu bytes on %s", refusal->len, refusal->device);
	}
}
