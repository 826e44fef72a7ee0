/* SPDX-License-Identifier: Apache-2.0 */
/* The environment record: libraries of this process, and variables that steer them. */
#include <dlfcn.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <weft/weft.h>

#include "perf/env_parts.h"

static const char *const prefixes[] = { "FI_", "RDMAV_", "NCCL_", "OFI_NCCL_", "WEFT_" };
static const char *const libraries[] = { "libibverbs", "libefa", "librdmacm" };

static int add_library(struct dl_phdr_info *info, size_t size, void *ctx)
{
	const char *file = strrchr(info->dlpi_name, '/');
	char name[PERF_NAME_MAX], *real;
	size_t len;

	(void)size;
	for (size_t i = 0; file && i < sizeof(libraries) / sizeof(*libraries); i++) {
		len = strlen(libraries[i]);
		if (strncmp(file + 1, libraries[i], len) != 0 || file[1 + len] != '.')
			continue;
		/* What the short name links to has the version in its own. */
		real = realpath(info->dlpi_name, NULL);
		snprintf(name, sizeof(name), "library.%s", libraries[i]);
		env_add(ctx, name, "%s", real ? real : info->dlpi_name);
		free(real);
	}
	return 0;
}

void env_libraries(struct env_at *at)
{
	char version[32];

	env_add(at, "weft", "%s", weft_version());
	perf_fabric_version(version, sizeof(version));
	env_add(at, "library.libfabric", "%s", version);
	dl_iterate_phdr(add_library, at);
}

static bool is_wanted(const char *variable)
{
	for (size_t i = 0; i < sizeof(prefixes) / sizeof(*prefixes); i++)
		if (strncmp(variable, prefixes[i], strlen(prefixes[i])) == 0)
			return strchr(variable, '=') != NULL;
	return false;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static void add_variable(struct env_at *at, const struct perf_fabric_params *params,
			 const char *variable)
{
	const char *value = strchr(variable, '=') + 1;
	char name[PERF_NAME_MAX], fact[PERF_NAME_MAX];
	bool known;

	snprintf(name, sizeof(name), "%.*s", (int)(value - 1 - variable), variable);
	known = strncmp(name, "FI_", 3) != 0 || perf_fabric_knows(params, name);
	snprintf(fact, sizeof(fact), "env.%.59s", name);
	/* In front, so that a long value does not hide it. */
	env_add(at, fact, "%s%s", known ? "" : "[libfabric does not know this name] ", value);
}

void env_variables(struct env_at *at)
{
	struct perf_fabric_params params;
	const char *world = getenv("WEFT_EMU_WORLD"), *host = getenv("WEFT_EMU_HOST");
	char **list;
	size_t n = 0;

	if (world)
		env_add(at, "emulated", "by weft emu, host %s of %s", host ? host : "0", world);
	for (size_t i = 0; environ[i]; i++)
		n += is_wanted(environ[i]);
	if (!n)
		return;
	list = calloc(n, sizeof(*list));
	if (!list) {
		at->full = true;
		return;
	}
	for (size_t i = 0, j = 0; environ[i] && j < n; i++)
		if (is_wanted(environ[i]))
			list[j++] = environ[i];
	qsort(list, n, sizeof(*list), by_name);
	perf_fabric_params_open(&params);
	for (size_t i = 0; i < n; i++)
		add_variable(at, &params, list[i]);
	perf_fabric_params_close(&params);
	free(list);
}
