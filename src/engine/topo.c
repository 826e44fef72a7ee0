/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/topo.h"

#include <string.h>

#include "base/alloc.h"

void topo_free(struct topo *topo)
{
	if (!topo)
		return;
	mem_free(topo->devices);
	mem_free(topo);
}

static bool has_name(const struct topo_device *device, const char *name)
{
	int i;

	for (i = 0; i < TOPO_NAMES_MAX && device->names[i][0]; i++)
		if (strcmp(device->names[i], name) == 0)
			return true;
	return false;
}

const struct topo_device *topo_find(const struct topo *topo, const char *pci, const char *name)
{
	uint32_t i;

	for (i = 0; *pci && i < topo->device_count; i++)
		if (strcmp(topo->devices[i].pci, pci) == 0)
			return &topo->devices[i];
	for (i = 0; *name && i < topo->device_count; i++)
		if (has_name(&topo->devices[i], name))
			return &topo->devices[i];
	return NULL;
}

static bool share_bridge(const struct topo_device *a, const struct topo_device *b)
{
	int i, j;

	for (i = 0; i < TOPO_ABOVE_MAX && a->bridges[i]; i++)
		for (j = 0; j < TOPO_ABOVE_MAX && b->bridges[j]; j++)
			if (a->bridges[i] == b->bridges[j])
				return true;
	return false;
}

enum topo_distance topo_distance(const struct topo_device *a, const struct topo_device *b)
{
	if (share_bridge(a, b))
		return TOPO_SWITCH;
	if (a->root && a->root == b->root)
		return TOPO_ROOT;
	return a->nodes & b->nodes ? TOPO_NODE : TOPO_OTHER;
}

uint64_t topo_here(const struct topo *topo, const cpu_set_t *mask, int cpu)
{
	uint64_t allowed = 0, all = 0, now = 0, bit;
	cpu_set_t common;
	uint32_t i;

	for (i = 0; i < topo->node_count; i++) {
		const cpu_set_t *cpus = &topo->nodes[i].cpus;

		bit = 1ull << i;
		if (CPU_COUNT(cpus))
			all |= bit;
		CPU_AND(&common, cpus, mask);
		if (CPU_COUNT(&common))
			allowed |= bit;
		if (cpu >= 0 && cpu < CPU_SETSIZE && CPU_ISSET(cpu, cpus))
			now |= bit;
	}
	return allowed != all ? allowed : now;
}

bool topo_narrow(const struct topo *topo, uint64_t nodes, cpu_set_t *mask)
{
	cpu_set_t cpus;
	uint32_t i;

	CPU_ZERO(&cpus);
	for (i = 0; i < topo->node_count; i++)
		if (nodes >> i & 1)
			CPU_OR(&cpus, &cpus, &topo->nodes[i].cpus);
	CPU_AND(&cpus, &cpus, mask);
	if (CPU_COUNT(&cpus) == 0)
		return false;
	*mask = cpus;
	return true;
}

int topo_number(const struct topo *topo, uint64_t nodes)
{
	uint32_t i;

	for (i = 0; i < topo->node_count; i++)
		if (nodes >> i & 1)
			return (int)topo->nodes[i].number;
	return -1;
}
