/* SPDX-License-Identifier: Apache-2.0 */
/* A4 to A6: how many EFA devices, how they are attached, what stands beside them. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "doctor/efa.h"
#include "host/instance.h"

#define YOUNG_SECONDS 120 /* after a start, in which devices may still appear */
#define NODES_MOST    1024

void check_A4(const struct doctor *doctor, struct finding *f);
void check_A5(const struct doctor *doctor, struct finding *f);
void check_A6(const struct doctor *doctor, struct finding *f);

static bool is_young(const struct doctor *doctor)
{
	char text[64];

	return sysroot_read(&doctor->root, text, sizeof(text), "/proc/uptime") > 0 &&
	       strtod(text, NULL) < YOUNG_SECONDS;
}

static void too_few(const struct doctor *doctor, struct finding *f, const struct host_instance *row,
		    int count)
{
	bool young = is_young(doctor);

	finding_say(f, DOCTOR_WARN,
		    "%d of the %u EFA devices that %s can have: at most %g of its %g Gbit/s%s",
		    count, row->nics, row->type, row->gbits * count / row->nics, row->gbits,
		    young ? "; the instance has just started, more may appear within a minute"
			  : "");
	if (young)
		finding_fix(f, "sleep 60; weft doctor --only A4");
	else
		finding_fix(f,
			    "aws ec2 describe-instance-types --instance-types %s --query "
			    "'InstanceTypes[].NetworkInfo.NetworkCards' # launch with an EFA "
			    "interface for each card that takes one",
			    row->type);
}

void check_A4(const struct doctor *doctor, struct finding *f)
{
	const struct host_instance *row = NULL;
	int count = doctor_efa_functions(doctor);
	char type[64];

	if (doctor_instance_type(doctor, type, sizeof(type)))
		row = host_instance_find(type);
	if (!row) {
		finding_say(f, DOCTOR_UNKNOWN,
			    "how many EFA devices this type can have is not "
			    "in the table");
		return;
	}
	finding_evidence(f, "/sys/bus/pci/devices: %d EFA device%s", count, plural(count));
	finding_evidence(f, "table: %s: %u (%s)", type, row->nics, row->date);
	if (count < (int)row->nics)
		too_few(doctor, f, row, count);
	else if (count == (int)row->nics)
		finding_say(f, DOCTOR_OK, "%d EFA device%s, as many as %s can have", count,
			    plural(count), type);
	else
		finding_say(f, DOCTOR_OK,
			    "%d EFA devices, more than the %u that the table of %s gives %s", count,
			    row->nics, row->date, type);
}

/* What a PCI function's link can do and does; 0: not told ("Unknown", as in many guests). */
struct link {
	double speed, max_speed; /* GT/s */
	uint32_t width, max_width;
};

static double read_figure(const struct doctor *doctor, const char *pci, const char *name)
{
	char text[64];
	double value;

	if (sysroot_read(&doctor->root, text, sizeof(text), "/sys/bus/pci/devices/%s/%s", pci,
			 name) <= 0)
		return 0;
	value = strtod(text, NULL);
	return value > 0 && value < 1000 ? value : 0;
}

static struct link read_link(const struct doctor *doctor, const char *pci)
{
	return (struct link){
		.speed = read_figure(doctor, pci, "current_link_speed"),
		.max_speed = read_figure(doctor, pci, "max_link_speed"),
		.width = (uint32_t)read_figure(doctor, pci, "current_link_width"),
		.max_width = (uint32_t)read_figure(doctor, pci, "max_link_width"),
	};
}

static int count_node(void *ctx, const char *name)
{
	if (!strncmp(name, "node", 4) && strspn(name + 4, "0123456789") && name[4])
		++*(int *)ctx;
	return 0;
}

/* What is wrong with the devices together. */
struct links {
	struct name_list slow, nodeless;
	int told;           /* whose link is told */
	struct link lowest; /* a slow one */
};

static void look_at(const struct doctor *doctor, struct finding *f, const struct host_pci *pci,
		    struct links *links)
{
	struct link link = read_link(doctor, pci->name);

	if (link.width && link.speed)
		links->told++;
	if (link.width < link.max_width || link.speed < link.max_speed) {
		if (link.width && link.speed) {
			name_list_add(&links->slow, pci->name);
			links->lowest = link;
		}
	}
	if (pci->node < 0)
		name_list_add(&links->nodeless, pci->name);
	finding_evidence(f, "%s: node %d, x%u of x%u, %g of %g GT/s", pci->name, pci->node,
			 link.width, link.max_width, link.speed, link.max_speed);
}

static void judge_links(struct finding *f, struct links *links, int count, int nodes)
{
	const struct link *low = &links->lowest;

	if (links->slow.count) {
		finding_say(f, DOCTOR_WARN,
			    "PCI link below what the device can do: x%u of x%u, %g of %g GT/s: %s",
			    low->width, low->max_width, low->speed, low->max_speed,
			    name_list_text(&links->slow));
	} else if (links->nodeless.count && nodes > 1) {
		finding_say(f, DOCTOR_WARN, "of %u EFA device%s the NUMA node is not told: %s",
			    links->nodeless.count, plural(links->nodeless.count),
			    name_list_text(&links->nodeless));
		finding_fix(f, "for d in /sys/bus/pci/drivers/efa/0*; do echo $d $(cat "
			       "$d/numa_node); done");
	} else if (!links->told) {
		finding_say(f, DOCTOR_UNKNOWN,
			    "the kernel tells no PCI link of the %d EFA "
			    "device%s",
			    count, plural(count));
	} else {
		finding_say(f, DOCTOR_OK,
			    "%d EFA device%s at the full PCI link, on %d NUMA node%s in all", count,
			    plural(count), nodes, plural(nodes));
	}
}

void check_A5(const struct doctor *doctor, struct finding *f)
{
	struct links links = { 0 };
	struct host_pci *found;
	int count = efa_functions(doctor, &found), nodes = 0;

	if (count < 0) {
		finding_unread(f, count, "/sys/bus/pci/devices");
		return;
	}
	sysroot_each(&doctor->root, NODES_MOST, count_node, &nodes, "/sys/devices/system/node");
	if (!nodes)
		nodes = 1;
	for (int i = 0; i < count; i++)
		look_at(doctor, f, &found[i], &links);
	judge_links(f, &links, count, nodes);
	mem_free(found);
}

static bool is_ena(const struct host_pci *pci)
{
	return pci->vendor == HOST_EFA_VENDOR && (pci->device == 0xec20 || pci->device == 0xec21 ||
						  pci->device == 0x0ec2 || pci->device == 0x1ec2);
}

void check_A6(const struct doctor *doctor, struct finding *f)
{
	int efa = doctor_efa_functions(doctor), ena = 0;
	struct host_pci *found = mem_array(EFA_MAX, sizeof(*found));

	if (found)
		ena = host_pci(&doctor->root, is_ena, found, EFA_MAX);
	mem_free(found);
	if (ena < 0) {
		finding_unread(f, ena, "/sys/bus/pci/devices");
		return;
	}
	finding_evidence(f, "/sys/bus/pci/devices: %d EFA, %d ENA", efa, ena);
	if (!ena)
		finding_say(f, DOCTOR_UNKNOWN,
			    "no ENA interface is on the PCI bus: which address the control "
			    "connection can use is not told here");
	else if (ena < efa)
		finding_say(f, DOCTOR_OK,
			    "%d EFA and %d ENA: at least %d EFA interface%s without an address "
			    "(efa-only), the control connection goes over ENA",
			    efa, ena, efa - ena, plural(efa - ena));
	else
		finding_say(f, DOCTOR_OK, "%d ENA interface%s beside %d EFA for what needs IP", ena,
			    plural(ena), efa);
}
