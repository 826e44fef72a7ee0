/* SPDX-License-Identifier: Apache-2.0 */
/* Where a side is: what tells two machines that cannot reach each other apart. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <weft/weft.h>

#include "host/placement.h"
#include "perf/env_parts.h"
#include "perf/reach_ports.h"
#include "transport/fabric.h"

static void put_placement(const struct sysroot *root, struct perf_reach_where *ret)
{
	struct placement placement;

	if (placement_read(root, &placement))
		return;
	snprintf(ret->zone, sizeof(ret->zone), "%s", placement_zone(&placement));
	snprintf(ret->vpc, sizeof(ret->vpc), "%s", placement.vpc);
	snprintf(ret->subnet, sizeof(ret->subnet), "%s", placement.subnet);
	placement_groups(&placement, ret->groups, sizeof(ret->groups));
}

void reach_where(struct perf_reach_where *ret, uint32_t nics)
{
	struct sysroot root;

	memset(ret, 0, sizeof(*ret));
	ret->nics = nics;
	gethostname(ret->host, sizeof(ret->host) - 1);
	sysroot_clean(ret->host);
	snprintf(ret->version, sizeof(ret->version), "%s", weft_version());
	perf_fabric_version(ret->libfabric, sizeof(ret->libfabric));
	if (sysroot_open(&root, NULL, fabric_sysfs()))
		return;
	/* Emulated devices are nowhere in EC2's network. */
	if (!*root.sysfs) {
		sysroot_line(&root, ret->instance, sizeof(ret->instance),
			     "/sys/devices/virtual/dmi/id/product_name");
		put_placement(&root, ret);
	}
	sysroot_close(&root);
}
