/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include <rdma/fabric.h>

#include "transport/transport.h"

const struct provider providers[] = {
#define PROVIDER(...) { __VA_ARGS__ },
#include "transport/fabric.def"
#undef PROVIDER
	{ .name = NULL },
};

const struct provider *provider_find(const char *name)
{
	const struct provider *p;

	for (p = providers; p->name; p++)
		if (strcmp(p->name, name) == 0)
			return p;
	return NULL;
}

const struct provider *provider_by_number(uint8_t number)
{
	const struct provider *p;

	for (p = providers; p->name; p++)
		if (p->number == number)
			return p;
	return NULL;
}
