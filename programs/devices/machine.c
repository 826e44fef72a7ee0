/* SPDX-License-Identifier: Apache-2.0 */
#include "devices/machine.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <weft/weft.h>

#define NODES "/sys/devices/system/node"

static int take_node(void *ctx, const char *name)
{
	struct machine *m = ctx;
	struct node *node;
	char *end;
	long number;

	if (strncmp(name, "node", 4) || m->nodes_count == MACHINE_NODES_MAX)
		return 0;
	number = strtol(name + 4, &end, 10);
	if (name[4] < '0' || name[4] > '9' || *end || number > 65535)
		return 0;
	node = &m->nodes[m->nodes_count++];
	node->number = (int)number;
	sysroot_read(&m->root, node->cpus, sizeof(node->cpus), NODES "/%s/cpulist", name);
	return 0;
}

static void look_at_host(struct machine *m)
{
	char vendor[64];

	sysroot_read(&m->root, m->name, sizeof(m->name), "/proc/sys/kernel/hostname");
	m->ec2 = sysroot_read(&m->root, vendor, sizeof(vendor),
			      "/sys/devices/virtual/dmi/id/sys_vendor") > 0 &&
		 !strcmp(vendor, "Amazon EC2");
	if (m->ec2)
		sysroot_read(&m->root, m->instance, sizeof(m->instance),
			     "/sys/devices/virtual/dmi/id/product_name");
	sysroot_each(&m->root, 4096, take_node, m, NODES);
}

static void add_node(struct machine *m, int number)
{
	size_t at = 0;

	if (number < 0 || m->nodes_count == MACHINE_NODES_MAX)
		return;
	while (at < m->nodes_count && m->nodes[at].number < number)
		at++;
	if (at < m->nodes_count && m->nodes[at].number == number)
		return;
	memmove(&m->nodes[at + 1], &m->nodes[at], (m->nodes_count++ - at) * sizeof(*m->nodes));
	m->nodes[at] = (struct node){ .number = number };
}

/* What devices say they are in may be listed nowhere else: in a container, in a partial copy. */
static void add_nodes_of_devices(struct machine *m)
{
	for (size_t i = 0; i < m->nics_count; i++)
		add_node(m, m->nics[i].node);
	for (size_t i = 0; i < m->efa_count; i++)
		add_node(m, m->efa[i].node);
	for (size_t i = 0; i < m->gpus_count; i++)
		add_node(m, m->gpus[i].node);
	for (size_t i = 0; i < m->nets_count; i++)
		add_node(m, m->nets[i].node);
}

static bool is_bare(const struct machine *m, const struct host_pci *pci)
{
	for (size_t i = 0; i < m->nics_count; i++)
		if (!strcmp(m->nics[i].pci, pci->name))
			return false;
	return true;
}

static void look_at_devices(struct machine *m)
{
	struct host_pci efa[HOST_NICS_MAX];
	int n = host_nics(&m->root, m->nics, HOST_NICS_MAX);

	m->nics_error = n < 0 ? n : 0;
	m->nics_count = n > 0 ? (size_t)n : 0;
	n = host_pci(&m->root, host_pci_is_gpu, m->gpus, MACHINE_GPUS_MAX);
	m->gpus_count = n > 0 ? (size_t)n : 0;
	n = host_nets(&m->root, m->nets, HOST_NETS_MAX);
	m->nets_count = n > 0 ? (size_t)n : 0;
	n = host_pci(&m->root, host_pci_is_efa, efa, HOST_NICS_MAX);
	for (int i = 0; i < n; i++)
		if (is_bare(m, &efa[i]))
			m->efa[m->efa_count++] = efa[i];
	add_nodes_of_devices(m);
}

static void ask(struct machine *m, const char *helper)
{
	int rc;

	if (m->root.real) {
		rc = host_probe_run(helper, HOST_PROBE_NS, m->answer, sizeof(m->answer));
		if (rc)
			snprintf(m->why, sizeof(m->why), "%s", weft_error_detail());
		return;
	}
	rc = sysroot_read(&m->root, m->answer, sizeof(m->answer), "/probe");
	if (rc < 0)
		snprintf(m->why, sizeof(m->why), "%s/probe: %s", m->root.path, strerror(-rc));
}

int machine_look(struct machine *ret, const char *sysroot, const char *sysfs, const char *helper,
		 bool emulated)
{
	int rc;

	memset(ret, 0, sizeof(*ret));
	rc = sysroot_open(&ret->root, sysroot, sysfs);
	if (rc)
		return rc;
	ret->emulated = emulated && ret->root.real;
	look_at_host(ret);
	look_at_devices(ret);
	ask(ret, helper);
	machine_take_answer(ret);
	machine_find_near(ret);
	machine_note(ret);
	sysroot_close(&ret->root);
	return 0;
}
