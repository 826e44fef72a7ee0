/* SPDX-License-Identifier: Apache-2.0 */
#include "host/placement.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "host/pick.h"

/* One interface being read. */
struct interface {
	struct placement *p;
	bool in[PLACEMENT_GROUPS_MAX];
};

static bool take_group(void *ctx, const char *key, const char *value)
{
	struct interface *interface = ctx;
	struct placement *p = interface->p;
	char name[sizeof(p->groups[0])];
	uint32_t i;

	(void)key;
	/* It becomes a part of a command. */
	if (!pick_text(value, name, sizeof(name)) || !*name ||
	    name[strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-")])
		return true;
	for (i = 0; i < p->groups_n && strcmp(p->groups[i], name); i++)
		;
	if (i == PLACEMENT_GROUPS_MAX)
		return false;
	if (i == p->groups_n) {
		strcpy(p->groups[p->groups_n++], name);
		/* The interfaces before this one are not in it. */
		p->everywhere[i] = p->interfaces == 1;
	}
	interface->in[i] = true;
	return true;
}

static void count_different(const char *value, char *first, size_t room, uint32_t *different)
{
	char name[64];

	if (!pick_text(value, name, sizeof(name)) || strlen(name) >= room)
		return;
	if (!*different)
		strcpy(first, name);
	if (!*different || (*different == 1 && strcmp(first, name)))
		++*different;
}

static bool take_interface(void *ctx, const char *mac, const char *value)
{
	struct placement *p = ctx;
	struct interface interface = { .p = p };
	const char *groups = pick_member(value, "security-group-ids");

	(void)mac;
	p->interfaces++;
	count_different(pick_member(value, "vpc-id"), p->vpc, sizeof(p->vpc), &p->vpcs);
	count_different(pick_member(value, "subnet-id"), p->subnet, sizeof(p->subnet), &p->subnets);
	/* One is a string, several are an array. */
	if (groups && *groups == '[')
		pick_each(groups, take_group, &interface);
	else
		take_group(&interface, "", groups);
	for (uint32_t i = 0; i < p->groups_n; i++)
		p->everywhere[i] = p->everywhere[i] && interface.in[i];
	return true;
}

static int parse(const char *text, struct placement *ret)
{
	const char *data = pick_path(text, "ds/meta_data");
	const char *placement = pick_member(data ? data : "", "placement");

	pick_text(pick_member(placement ? placement : "", "availability-zone"), ret->zone,
		  sizeof(ret->zone));
	pick_text(pick_member(placement ? placement : "", "availability-zone-id"), ret->zone_id,
		  sizeof(ret->zone_id));
	pick_text(pick_member(placement ? placement : "", "group-name"), ret->group,
		  sizeof(ret->group));
	pick_each(pick_path(data, "network/interfaces/macs"), take_interface, ret);
	return ret->interfaces ? 0 : -ENODATA;
}

int placement_read(const struct sysroot *root, struct placement *ret)
{
	char *text = mem_alloc(PLACEMENT_FILE_MAX);
	int rc = -ENOMEM;

	memset(ret, 0, sizeof(*ret));
	if (text)
		rc = sysroot_read(root, text, PLACEMENT_FILE_MAX, PLACEMENT_FILE);
	if (rc >= 0)
		rc = parse(text, ret);
	mem_free(text);
	return rc;
}

const char *placement_zone(const struct placement *placement)
{
	return *placement->zone_id ? placement->zone_id : placement->zone;
}

void placement_groups(const struct placement *placement, char *ret, size_t room)
{
	size_t used = 0;

	*ret = '\0';
	for (uint32_t i = 0; i < placement->groups_n && used < room; i++)
		used += (size_t)snprintf(ret + used, room - used, "%s%s", i ? "," : "",
					 placement->groups[i]);
}
