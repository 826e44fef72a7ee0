/* SPDX-License-Identifier: Apache-2.0 */
/* The environment record: drivers, RDMA devices, networks. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "perf/env_parts.h"
#include "perf/nics.h"
#include "transport/fabric.h"

static void add_driver(struct env_at *at, const char *module)
{
	char name[PERF_NAME_MAX], text[128], path[ENV_PATH_MAX];
	struct stat stat_of;
	int rc = env_read(at, text, sizeof(text), "/sys/module/%s/version", module);

	snprintf(name, sizeof(name), "driver.%s", module);
	snprintf(path, sizeof(path), "%s/sys/module/%s", at->root, module);
	if (!rc)
		env_add(at, name, "%s", text);
	else if (stat(path, &stat_of))
		env_add(at, name, "not loaded");
	else
		env_add(at, name, "of the kernel, without a version of its own");
}

static const char *or_unknown(const char *text)
{
	return *text ? text : "?";
}

static void add_nic(struct env_at *at, const char *dir, const char *nic)
{
	char name[PERF_NAME_MAX], pci[64], node[16], driver[64], firmware[64], rate[64];
	char vendor[16], device[16], state[32];

	env_link(at, pci, sizeof(pci), "%s/%s/device", dir, nic);
	env_link(at, driver, sizeof(driver), "%s/%s/device/driver", dir, nic);
	env_read(at, node, sizeof(node), "%s/%s/device/numa_node", dir, nic);
	env_read(at, vendor, sizeof(vendor), "%s/%s/device/vendor", dir, nic);
	env_read(at, device, sizeof(device), "%s/%s/device/device", dir, nic);
	env_read(at, firmware, sizeof(firmware), "%s/%s/fw_ver", dir, nic);
	env_read(at, rate, sizeof(rate), "%s/%s/ports/1/rate", dir, nic);
	env_read(at, state, sizeof(state), "%s/%s/ports/1/state", dir, nic);
	snprintf(name, sizeof(name), "nic.%.56s", nic);
	env_add(at, name, "pci %s, node %s, %s:%s, driver %s, firmware %s, %s, port %s",
		or_unknown(pci), or_unknown(node), or_unknown(vendor), or_unknown(device),
		or_unknown(driver), or_unknown(firmware), or_unknown(rate), or_unknown(state));
}

static void add_network(struct env_at *at, const char *dir, const char *net)
{
	char name[PERF_NAME_MAX], mtu[16], speed[16], state[16], pci[64], driver[64];

	if (!strcmp(net, "lo"))
		return;
	env_link(at, pci, sizeof(pci), "%s/%s/device", dir, net);
	env_link(at, driver, sizeof(driver), "%s/%s/device/driver", dir, net);
	env_read(at, mtu, sizeof(mtu), "%s/%s/mtu", dir, net);
	/* Virtual ones refuse it, or say -1. */
	env_read(at, speed, sizeof(speed), "%s/%s/speed", dir, net);
	env_read(at, state, sizeof(state), "%s/%s/operstate", dir, net);
	if (*speed == '-')
		*speed = '\0';
	snprintf(name, sizeof(name), "net.%.56s", net);
	env_add(at, name, "mtu %s, %s Mbit/s, %s, pci %s, driver %s", or_unknown(mtu),
		or_unknown(speed), or_unknown(state), or_unknown(pci), or_unknown(driver));
}

void env_devices(struct env_at *at)
{
	struct env_at sysfs = { .env = at->env, .root = fabric_sysfs(), .full = at->full };
	int n;

	add_driver(at, "efa");
	add_driver(at, "ena");
	add_driver(at, "nvidia");
	/* RDMA devices are where libibverbs looks for them. */
	if (*at->root)
		n = env_each(at, "/sys/class/infiniband", ENV_DEVICES, add_nic);
	else
		n = env_each(&sysfs, "/class/infiniband", ENV_DEVICES, add_nic);
	at->full = at->full || sysfs.full;
	if (n <= 0)
		env_add(at, "nics", "none");
	env_each(at, "/sys/class/net", ENV_DEVICES, add_network);
}
