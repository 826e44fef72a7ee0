/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "emu/sysfs.h"
#include "emu/trace.h"
#include "emu/util.h"
#include "emu/why.h"
#include "emu/world_file.h"

#define GENERIC "generic"

static struct emu_world world;
static bool open_here;
static pid_t opened_by;
static pthread_once_t once = PTHREAD_ONCE_INIT;

/* A world of its own, for a program that was not started by `weft emu`. */
static int private_make(char *why, size_t size)
{
	struct emu_world_options options = { .seed = 1, .carrier = EMU_CARRIER_RING };
	struct emu_host_options host = { .profile = emu_profile_find(GENERIC) };
	int error;

	emu_model_defaults(&host.model);
	error = emu_model_apply(&host.model, host.profile->settings, why, size);
	if (error)
		return error;
	error = emu_world_create(&world, NULL, &options, why, size);
	if (error)
		return error;
	error = emu_world_host(&world, 0, &host, why, size);
	if (error)
		emu_world_close(&world);
	return error;
}

static int host_parse(uint32_t *ret, char *why, size_t size)
{
	const char *text = secure_getenv("WEFT_EMU_HOST");
	unsigned long host = 0;
	char *end;

	if (text && *text) {
		host = strtoul(text, &end, 10);
		if (*end || text[0] < '0' || text[0] > '9' || host >= EMU_HOSTS)
			return emu_why(why, size, -EINVAL,
				       "WEFT_EMU_HOST=%s is no host number; it takes 0 to %u", text,
				       EMU_HOSTS - 1);
	}
	*ret = (uint32_t)host;
	return 0;
}

static int named_open(const char *dir, char *why, size_t size)
{
	uint32_t host = 0;
	int error;

	error = host_parse(&host, why, size);
	if (error)
		return error;
	error = emu_world_open(&world, dir, why, size);
	if (error)
		return error;
	if (atomic_load(&world.shared->host[host].ready)) {
		world.host = host;
		return 0;
	}
	emu_why(why, size, -ENOENT,
		"the world in %s has no host %u; weft emu --world %s --host %u -- COMMAND makes it",
		world.dir, host, world.dir, host);
	emu_world_close(&world);
	return -ENOENT;
}

/* rdma-core and libfabric look for devices below SYSFS_PATH. */
static int sysfs_point(char *why, size_t size)
{
	char path[sizeof(world.dir) + 16];
	const char *set = getenv("SYSFS_PATH");
	int error = emu_sysfs_path(world.dir, world.host, path, sizeof(path));

	if (!error && set && !strcmp(set, path))
		return 0;
	if (!error && setenv("SYSFS_PATH", path, 1))
		error = -errno;
	return error ? emu_why(why, size, error, "cannot set SYSFS_PATH: %s", strerror(-error)) : 0;
}

static int trace_start(char *why, size_t size)
{
	const char *path = secure_getenv("WEFT_EMU_TRACE");
	int error = path && *path ? emu_trace_open(path) : 0;

	return error ? emu_why(why, size, error, "cannot write the trace file %s: %s", path,
			       strerror(-error))
		     : 0;
}

static void once_open(void)
{
	const char *dir = secure_getenv("WEFT_EMU_WORLD");
	char why[512] = "";
	int error;

	opened_by = getpid();
	error = dir && *dir ? named_open(dir, why, sizeof(why)) : private_make(why, sizeof(why));
	if (!error) {
		error = sysfs_point(why, sizeof(why));
		if (!error)
			error = trace_start(why, sizeof(why));
		if (error)
			emu_world_close(&world);
	}
	if (error) {
		emu_warn("%s", why);
		return;
	}
	if (!atomic_exchange(&world.shared->warned, 1))
		emu_warn("emulated EFA devices; timings are not those of EFA");
	open_here = true;
}

struct emu_world *emu_world_here(void)
{
	pthread_once(&once, once_open);
	return open_here ? &world : NULL;
}

/* The process ends, and other threads of it may still run: what they use stays mapped. */
__attribute__((destructor)) static void here_end(void)
{
	char why[64];

	if (!open_here)
		return;
	/* Who looks after the process sees all that it did. */
	for (uint32_t nic = 0; nic < world.shared->host[world.host].nics; nic++)
		emu_sysfs_publish(world.dir, world.shared, world.host, nic);
	emu_world_quit(&world);
	if (world.own && opened_by == getpid())
		emu_world_remove(world.dir, why, sizeof(why));
}
