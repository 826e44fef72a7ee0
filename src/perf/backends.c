/* SPDX-License-Identifier: Apache-2.0 */
#include "perf/backend.h"

#include <string.h>

const struct perf_backend *const perf_backends[] = {
	&perf_loop, &perf_model, &perf_fabric, &perf_weft, &perf_tcp, NULL,
};

const struct perf_backend *perf_backend_find(const char *name)
{
	for (const struct perf_backend *const *at = perf_backends; *at; at++)
		if (!strcmp((*at)->name, name))
			return *at;
	return NULL;
}
