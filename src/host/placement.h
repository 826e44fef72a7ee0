/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where EC2 put this instance, as cloud-init wrote it down at boot for everybody to read: no
 * request to the metadata service, which may be off or out of a container's reach.
 */
#ifndef WEFT_HOST_PLACEMENT_H
#define WEFT_HOST_PLACEMENT_H

#include "host/sysroot.h"

#define PLACEMENT_FILE       "/run/cloud-init/instance-data.json"
#define PLACEMENT_FILE_MAX   (1 << 20)
#define PLACEMENT_GROUPS_MAX 16

struct placement {
	char zone[64];    /* "us-east-1a", which differs between accounts */
	char zone_id[64]; /* "use1-az4", which does not */
	char group[256];  /* placement group; "" when in none */
	uint32_t interfaces;
	char vpc[64], subnet[64]; /* of the first interface */
	uint32_t vpcs, subnets;   /* how many different ones: 1, or 2 for more */
	/* Security groups of all interfaces, each once; those that each interface is in. */
	char groups[PLACEMENT_GROUPS_MAX][64];
	bool everywhere[PLACEMENT_GROUPS_MAX];
	uint32_t groups_n;
};

/* 0, or -errno: -ENODATA when the file says nothing of EC2's interfaces. *ret is cleared at least.
 */
int placement_read(const struct sysroot *root, struct placement *ret);

/* The zone's id, which is the same in all accounts; its name where that is not told. */
const char *placement_zone(const struct placement *placement);
/* The security groups by comma, cut at room. */
void placement_groups(const struct placement *placement, char *ret, size_t room);

#endif /* WEFT_HOST_PLACEMENT_H */
