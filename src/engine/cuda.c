/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/cuda.h"

#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <link.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"

struct search {
	uint64_t seen;
	uint64_t changes;
	char *path;
	bool found;
};

static int look_at(struct dl_phdr_info *info, size_t size, void *arg)
{
	struct search *search = arg;
	const char *name = strrchr(info->dlpi_name, '/');

	if (size >= offsetof(struct dl_phdr_info, dlpi_subs)) {
		search->changes = info->dlpi_adds;
		if (search->changes == search->seen)
			return 1;
	}
	name = name ? name + 1 : info->dlpi_name;
	if (strncmp(name, "libcuda.so.", strlen("libcuda.so.")) != 0)
		return 0;
	snprintf(search->path, PATH_MAX, "%s", info->dlpi_name);
	search->found = true;
	return 1;
}

bool cuda_loaded(uint64_t *changes, char *path)
{
	struct search search = { .seen = *changes, .path = path };

	dl_iterate_phdr(look_at, &search);
	*changes = search.changes;
	return search.found;
}

static int find_calls(struct cuda *cuda, const char *path)
{
#define CUDA_FIND(name, arguments)                                                              \
	*(void **)&cuda->name = dlsym(cuda->library, #name);                                    \
	if (!cuda->name)                                                                        \
		return err_set(-EOPNOTSUPP, "%s lacks %s; install a later NVIDIA driver", path, \
			       #name);
#define CUDA_FIND_OPTIONAL(name, arguments) *(void **)&cuda->name = dlsym(cuda->library, #name);
	CUDA_CALLS(CUDA_FIND)
	CUDA_CALLS_OPTIONAL(CUDA_FIND_OPTIONAL)
#undef CUDA_FIND
#undef CUDA_FIND_OPTIONAL
	return 0;
}

int cuda_open(struct cuda *cuda, const char *path)
{
	int rc;

	/* The driver has threads of its own: it must not be unloaded. */
	cuda->library = dlopen(path, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
	if (!cuda->library)
		return err_set(-EOPNOTSUPP,
			       "CUDA's driver: %s; install the NVIDIA driver, or do without memory "
			       "of GPUs",
			       dlerror());
	rc = find_calls(cuda, path);
	if (rc)
		cuda_close(cuda);
	return rc;
}

void cuda_close(struct cuda *cuda)
{
	if (cuda->library)
		dlclose(cuda->library);
	memset(cuda, 0, sizeof(*cuda));
}

const char *cuda_text(const struct cuda *cuda, int result, char *text, size_t len)
{
	const char *name = NULL;

	if (cuda->cuGetErrorName && cuda->cuGetErrorName(result, &name) == CUDA_SUCCESS && name)
		snprintf(text, len, "%s (%d)", name, result);
	else
		snprintf(text, len, "CUDA error %d", result);
	return text;
}
