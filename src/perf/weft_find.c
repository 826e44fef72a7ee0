/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "perf/weft.h"
#include "transport/transport.h"

#define INFOS_MAX 128
#define TEXT_MAX  (ERR_DETAIL_MAX / 2)

struct found {
	struct weft_provider_info info[INFOS_MAX];
	int count;
};

static int list(struct found *found)
{
	int i;

	for (i = 0; i < INFOS_MAX; i++)
		found->info[i].size = sizeof(found->info[i]);
	found->count = weft_providers(found->info, INFOS_MAX);
	if (found->count > INFOS_MAX)
		found->count = INFOS_MAX;
	return found->count < 0 ? found->count : 0;
}

static void names_of(const struct found *found, char *text, size_t room)
{
	size_t used = 0;
	int i;

	text[0] = '\0';
	for (i = 0; i < found->count && used < room; i++)
		used += (size_t)snprintf(text + used, room - used, "%s%s %s", used ? ", " : "",
					 found->info[i].provider, found->info[i].device);
}

static bool is_of(const struct weft_provider_info *info, const struct perf_case *c)
{
	return !*c->provider || strcmp(info->provider, c->provider) == 0;
}

/* How many devices a name of the filter, or all of them, stands for. */
static uint32_t count(const struct found *found, const struct perf_case *c, const char *name,
		      size_t len)
{
	uint32_t n = 0;
	int i;

	for (i = 0; i < found->count; i++)
		if (is_of(&found->info[i], c) &&
		    (!name || (strlen(found->info[i].device) == len &&
			       memcmp(found->info[i].device, name, len) == 0)))
			n++;
	return n;
}

static int count_named(const struct found *found, const struct perf_case *c, uint32_t *ret)
{
	const char *at = c->devices, *end;
	char there[TEXT_MAX];
	uint32_t n;

	for (*ret = 0; *at; at = *end ? end + 1 : end) {
		end = strchrnul(at, ',');
		n = count(found, c, at, (size_t)(end - at));
		*ret += n;
		if (n)
			continue;
		names_of(found, there, sizeof(there));
		return err_set(-WEFT_ENODEVICE, "no device '%.*s'; there is: %s", (int)(end - at),
			       at, there);
	}
	return 0;
}

/* One rail for each device; where rails may share devices, and where the engine opens several
 * providers, one unless more are asked for. */
static uint32_t rails(const struct perf_case *c, uint32_t devices)
{
	const struct provider *row = *c->provider ? provider_find(c->provider) : NULL;

	if (c->nics)
		return c->nics;
	return row && !row->shares_device ? devices : 1;
}

int pweft_find(const struct perf_case *c, uint32_t *ret_rails)
{
	struct found *found = calloc(1, sizeof(*found));
	char there[TEXT_MAX];
	uint32_t devices = 0;
	int rc;

	if (!found)
		return err_set(-ENOMEM, "out of memory");
	rc = list(found);
	if (!rc && !count(found, c, NULL, 0)) {
		names_of(found, there, sizeof(there));
		rc = err_set(-WEFT_ENOPROVIDER, "no provider '%s'; there is: %s", c->provider,
			     there);
	}
	if (!rc && *c->devices)
		rc = count_named(found, c, &devices);
	else if (!rc)
		devices = count(found, c, NULL, 0);
	if (!rc && c->nics > devices)
		rc = err_set(-WEFT_ENODEVICE, "%u devices asked for, there are %u", c->nics,
			     devices);
	if (!rc)
		*ret_rails = rails(c, devices);
	free(found);
	return rc;
}

/* A transfer may have any length; its edges are those of the provider. */
int pweft_limits(const struct perf_case *c, struct perf_limits *ret)
{
	struct perf_limits below;
	uint32_t count_of_rails;
	int rc = pweft_find(c, &count_of_rails);

	if (rc)
		return rc;
	memset(ret, 0, sizeof(*ret));
	ret->max_size = c->op == PERF_SEND ? WEFT_NOTIFY_MAX : PERF_SIZE_MAX;
	ret->max_window = PERF_WINDOW_MAX;
	if (strcmp(c->provider, "loop") != 0 && perf_fabric.limits(c, &below) == 0) {
		ret->edges = below.edges;
		while (ret->edges && below.edge[ret->edges - 1] > ret->max_size)
			ret->edges--;
		memcpy(ret->edge, below.edge, sizeof(ret->edge));
	}
	return 0;
}
