/* SPDX-License-Identifier: Apache-2.0 */
#include "devices/label.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "devices/show.h"

/* Appends a fact, after a comma where it is not the first; nothing where it is "". */
static void __attribute__((format(printf, 2, 3))) fact(struct label *label, const char *format, ...)
{
	char text[LABEL_MAX];
	size_t len = strlen(label->facts);
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	if (*text)
		snprintf(label->facts + len, sizeof(label->facts) - len, "%s%s", len ? ", " : "",
			 text);
}

static void fact_count(struct label *label, size_t count, const char *what)
{
	fact(label, "%zu %s%s", count, what, count == 1 ? "" : "s");
}

static void label_nic(struct label *l, const struct machine *m, size_t index)
{
	const struct host_nic *nic = &m->nics[index];
	const struct nic_facts *facts = &m->facts[index];
	char text[64], max[64];

	l->what = "NIC";
	snprintf(l->pci, sizeof(l->pci), "%s", nic->pci);
	snprintf(l->name, sizeof(l->name), "%s", nic->name);
	/* What is wrong comes first: the end may be cut. */
	if (*nic->state && !strstr(nic->state, "ACTIVE"))
		fact(l, "port %s", nic->state + strspn(nic->state, "0123456789: "));
	if (*facts->open && strcmp(facts->open, "ok") != 0)
		fact(l, "cannot be opened");
	fact(l, "%s", nic->driver);
	fact(l, "%s", show_rate(nic, text, sizeof(text)));
	show_link(nic, text, sizeof(text));
	if (facts->below_max)
		fact(l, "PCI %s of %s", text, show_max_link(nic, max, sizeof(max)));
	else if (*text)
		fact(l, "PCI %s", text);
	fact(l, "%s", nic->net);
	if (facts->near != NEAR_NONE)
		snprintf(l->near, sizeof(l->near), "GPU %s",
			 machine_gpus_text(facts->gpus, text, sizeof(text)));
	l->odd = facts->below_max || (*nic->state && !strstr(nic->state, "ACTIVE")) ||
		 (*facts->open && strcmp(facts->open, "ok") != 0);
}

static void label_function(struct label *l, const struct host_pci *pci)
{
	snprintf(l->pci, sizeof(l->pci), "%s", pci->name);
	fact(l, "%s", pci->driver);
	fact(l, "%04x:%04x", pci->vendor, pci->device);
}

static void label_net(struct label *l, const struct host_net *net)
{
	l->what = "net";
	snprintf(l->pci, sizeof(l->pci), "%s", net->pci);
	snprintf(l->name, sizeof(l->name), "%s", net->name);
	fact(l, "%s", net->driver);
	if (net->mbits && net->mbits < 1000000000)
		fact(l, "%g Gb/s", (double)net->mbits / 1000);
	fact(l, "%s", net->state);
}

static void label_node(struct label *l, const struct machine *m, size_t index)
{
	if (index == m->nodes_count) {
		snprintf(l->name, sizeof(l->name), "NUMA node not known");
		return;
	}
	snprintf(l->name, sizeof(l->name), "NUMA node %d", m->nodes[index].number);
	if (*m->nodes[index].cpus)
		fact(l, "CPUs %s", m->nodes[index].cpus);
}

static void label_bridge(struct label *l, const struct tree_item *item)
{
	if (*item->bottom)
		snprintf(l->name, sizeof(l->name), "%s .. %s", item->name, item->bottom);
	else
		snprintf(l->name, sizeof(l->name), "%s", item->name);
}

void label_make(struct label *ret, const struct machine *m, const struct tree_item *item)
{
	*ret = (struct label){ .what = "" };
	switch (item->kind) {
	case TREE_MACHINE:
		snprintf(ret->name, sizeof(ret->name), "%s", *m->name ? m->name : "this machine");
		fact(ret, "%s", m->instance);
		fact_count(ret, m->nics_count, "NIC");
		fact_count(ret, m->gpus_count, "GPU");
		fact_count(ret, m->nodes_count, "NUMA node");
		break;
	case TREE_NODE:
		label_node(ret, m, item->index);
		break;
	case TREE_ROOT:
	case TREE_BRIDGE:
		label_bridge(ret, item);
		break;
	case TREE_NIC:
		label_nic(ret, m, item->index);
		break;
	case TREE_BARE:
		ret->what = "EFA";
		snprintf(ret->name, sizeof(ret->name), "no RDMA device");
		label_function(ret, &m->efa[item->index]);
		ret->odd = true;
		break;
	case TREE_GPU:
		ret->what = "GPU";
		snprintf(ret->name, sizeof(ret->name), "%zu", item->index);
		label_function(ret, &m->gpus[item->index]);
		break;
	case TREE_NET:
		label_net(ret, &m->nets[item->index]);
		break;
	}
	sysroot_clean(ret->pci);
	sysroot_clean(ret->name);
	sysroot_clean(ret->facts);
	sysroot_clean(ret->near);
}
