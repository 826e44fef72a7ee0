/* SPDX-License-Identifier: Apache-2.0 */
/* What this libfabric says of itself: its version and the variables that it reads. */
#include <stdio.h>
#include <string.h>

#include <rdma/fabric.h>

#include "base/err.h"
#include "perf/env_parts.h"
#include "transport/fabric.h"

void perf_fabric_version(char *ret, size_t room)
{
	uint32_t version = fi_version();

	snprintf(ret, room, "%u.%u", FI_MAJOR(version), FI_MINOR(version));
}

void perf_fabric_params_open(struct perf_fabric_params *params)
{
	*params = (struct perf_fabric_params){ 0 };
	/* The list comes from providers, and efa's aborts the process on some values. Whoever opens
	 * it says so; here nothing is known. */
	if (fabric_efa_env(false)) {
		err_clear();
		return;
	}
	if (fi_getparams(&params->param, &params->count)) {
		params->param = NULL;
		params->count = 0;
	}
}

static bool is_in_table(const char *name)
{
	static const char *const names[] = {
#define FABRIC_PARAM(name) name,
#include "perf/fabric_params.def"
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		if (!strcmp(name, names[i]))
			return true;
	return false;
}

bool perf_fabric_knows(const struct perf_fabric_params *params, const char *name)
{
	/* No list: nothing can be said against a name. */
	if (!params->param)
		return true;
	for (int i = 0; i < params->count; i++)
		if (!strcmp(params->param[i].name, name))
			return true;
	return is_in_table(name);
}

void perf_fabric_params_close(struct perf_fabric_params *params)
{
	if (params->param)
		fi_freeparams(params->param);
}
