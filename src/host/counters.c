/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "host/nic.h"

#define COUNTERS_MAX 1024 /* of a directory */

const char *const host_counter_dirs[HOST_COUNTER_DIRS] = { "hw_counters", "ports/1/hw_counters",
							   "ports/1/counters" };

struct reading {
	const struct sysroot *root;
	const char *nic;
	size_t dir;
	void (*fn)(void *ctx, const char *name, uint64_t value);
	void *ctx;
	int found;
};

static int read_counter(void *ctx, const char *name)
{
	struct reading *r = ctx;
	uint64_t value;

	/* "lifespan" says how long the kernel keeps the values. */
	if (!strcmp(name, "lifespan"))
		return 0;
	/* Not read again to find out: reading costs the device commands. */
	for (size_t i = 0; i < r->dir; i++)
		if (!sysroot_exists(r->root, "/sys/class/infiniband/%s/%s/%s", r->nic,
				    host_counter_dirs[i], name))
			return 0;
	if (sysroot_number(r->root, &value, "/sys/class/infiniband/%s/%s/%s", r->nic,
			   host_counter_dirs[r->dir], name))
		return 0;
	r->fn(r->ctx, name, value);
	r->found++;
	return 0;
}

int host_counters(const struct sysroot *root, const char *nic,
		  void (*fn)(void *ctx, const char *name, uint64_t value), void *ctx)
{
	struct reading r = { .root = root, .nic = nic, .fn = fn, .ctx = ctx };
	int rc, worst = 0;

	if (!*nic || strchr(nic, '/') || !strcmp(nic, ".") || !strcmp(nic, ".."))
		return -EINVAL;
	rc = sysroot_exists(root, "/sys/class/infiniband/%s/.", nic);
	if (rc)
		return rc;
	for (r.dir = 0; r.dir < HOST_COUNTER_DIRS; r.dir++) {
		rc = sysroot_each(root, COUNTERS_MAX, read_counter, &r,
				  "/sys/class/infiniband/%s/%s", nic, host_counter_dirs[r.dir]);
		if (rc && rc != -ENOENT && !worst)
			worst = rc;
	}
	return r.found || !worst ? r.found : worst;
}
