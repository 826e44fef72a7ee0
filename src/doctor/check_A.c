/* SPDX-License-Identifier: Apache-2.0 */
/* A1 to A3: which instance this is, and whether it has EFA. */
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "doctor/efa.h"
#include "host/instance.h"

#define DMI      "/sys/devices/virtual/dmi/id/"
#define TYPE_MAX 64

void check_A1(const struct doctor *doctor, struct finding *f);
void check_A2(const struct doctor *doctor, struct finding *f);
void check_A3(const struct doctor *doctor, struct finding *f);

/* Reads a file of DMI and notes it. */
static bool read_dmi(const struct doctor *doctor, struct finding *f, const char *name, char *ret,
		     size_t room)
{
	if (sysroot_read(&doctor->root, ret, room, DMI "%s", name) <= 0)
		return false;
	finding_evidence(f, DMI "%s: %s", name, ret);
	return true;
}

void check_A1(const struct doctor *doctor, struct finding *f)
{
	char vendor[64] = "", product[64] = "", tag[64] = "", type[TYPE_MAX];
	bool any = read_dmi(doctor, f, "sys_vendor", vendor, sizeof(vendor));

	any |= read_dmi(doctor, f, "product_name", product, sizeof(product));
	read_dmi(doctor, f, "board_asset_tag", tag, sizeof(tag));
	if (doctor_instance_type(doctor, type, sizeof(type))) {
		finding_say(f, DOCTOR_OK, "EC2 instance %s%s%s", type,
			    strncmp(tag, "i-", 2) ? "" : ", ", strncmp(tag, "i-", 2) ? "" : tag);
	} else if (doctor_is_ec2(doctor)) {
		finding_say(f, DOCTOR_UNKNOWN,
			    "an EC2 instance, but its type is not told here (DMI says '%s')",
			    product);
	} else if (!any) {
		finding_evidence(f, DMI "sys_vendor: not there");
		finding_say(f, DOCTOR_UNKNOWN,
			    "whether this is EC2 cannot be told: DMI is hidden, as in some "
			    "containers");
	} else {
		finding_say(f, DOCTOR_UNKNOWN, "this is no EC2 instance (DMI says '%s', '%s')",
			    vendor, product);
		finding_consequence(f, "EFA exists only on EC2; without it weft works over tcp and "
				       "other providers");
		finding_fix(f, "weft emu -- COMMAND # runs it with emulated EFA devices");
	}
}

/* Types of the same family ("m6i.") that have EFA. */
static const char *siblings(const char *type, struct name_list *list)
{
	size_t family = strcspn(type, ".") + 1;

	for (uint32_t i = 0; i < host_instances_n; i++)
		if (!strncmp(host_instances[i].type, type, family))
			name_list_add(list, host_instances[i].type);
	return name_list_text(list);
}

static void type_is_unlisted(const struct doctor *doctor, struct finding *f, const char *type)
{
	struct name_list list = { 0 };
	const char *others = siblings(type, &list);

	if (doctor_efa_functions(doctor)) {
		finding_say(f, DOCTOR_UNKNOWN,
			    "%s is not in the table of instance types, yet has EFA: the type is "
			    "newer",
			    type);
	} else if (list.count) {
		finding_say(f, DOCTOR_FAIL, "%s has no EFA; of its family, these have: %s", type,
			    others);
	} else {
		finding_say(f, DOCTOR_FAIL,
			    "%s is not among the instance types known to have EFA, and there is no "
			    "EFA device",
			    type);
	}
	finding_fix(f,
		    "aws ec2 describe-instance-types --instance-types %s --query "
		    "'InstanceTypes[].NetworkInfo.[EfaSupported,EfaInfo]'",
		    type);
}

void check_A2(const struct doctor *doctor, struct finding *f)
{
	const struct host_instance *row;
	char type[TYPE_MAX];

	if (!doctor_instance_type(doctor, type, sizeof(type))) {
		finding_say(f, DOCTOR_UNKNOWN, "the instance type is not known (A1)");
		return;
	}
	row = host_instance_find(type);
	if (!row) {
		type_is_unlisted(doctor, f, type);
		return;
	}
	finding_evidence(f, "table: %s: %u EFA interface%s, %g Gbit/s (%s, %s)", type, row->nics,
			 plural(row->nics), row->gbits, row->source, row->date);
	if (*row->note)
		finding_evidence(f, "table: %s: %s", type, row->note);
	if (!row->rdma_known) {
		finding_say(f, DOCTOR_OK,
			    "%s: up to %u EFA interface%s, %g Gbit/s together; whether it has RDMA "
			    "no public table says (B8 asks the device)",
			    type, row->nics, plural(row->nics), row->gbits);
	} else if (row->rdma_write) {
		finding_say(f, DOCTOR_OK,
			    "%s: up to %u EFA interface%s, %g Gbit/s together, RDMA read and write",
			    type, row->nics, plural(row->nics), row->gbits);
	} else {
		finding_say(f, DOCTOR_WARN,
			    "%s has EFA (up to %u interface%s, %g Gbit/s together), but no RDMA %s",
			    type, row->nics, plural(row->nics), row->gbits,
			    row->rdma_read ? "write, only read" : "read or write");
		finding_consequence(f, "libfabric does writes by messages that the target's CPU "
				       "copies, or by reads of the target");
		finding_fix(f,
			    "# types with RDMA write: p5, p5en, p6, trn2, g6e.48xlarge, "
			    "hpc6a.48xlarge, m6i.32xlarge; %s without is no fault",
			    type);
	}
}

static void no_function(const struct doctor *doctor, struct finding *f)
{
	const struct host_instance *row = NULL;
	char type[TYPE_MAX];

	finding_evidence(f, "/sys/bus/pci/devices: no 1d0f:efa0 to 1d0f:efa4");
	if (doctor_instance_type(doctor, type, sizeof(type)))
		row = host_instance_find(type);
	if (row) {
		finding_say(f, DOCTOR_FAIL, "no EFA interface is attached, although %s can have %u",
			    type, row->nics);
	} else if (doctor_is_ec2(doctor)) {
		finding_say(f, DOCTOR_FAIL, "no EFA interface is attached to this instance");
	} else {
		finding_say(f, DOCTOR_FAIL,
			    "this machine has no EFA device, and it does not look like EC2");
		finding_fix(
			f,
			"weft emu -- COMMAND # emulated EFA devices; real ones exist on EC2 only");
	}
}

void check_A3(const struct doctor *doctor, struct finding *f)
{
	struct name_list list = { 0 };
	struct host_pci *found;
	int count = efa_functions(doctor, &found);
	bool newer = false;

	if (count < 0) {
		finding_unread(f, count, "/sys/bus/pci/devices");
		return;
	}
	if (!count)
		no_function(doctor, f);
	for (int i = 0; i < count; i++) {
		finding_evidence(f, "/sys/bus/pci/devices/%s: %04x:%04x", found[i].name,
				 found[i].vendor, found[i].device);
		name_list_add(&list, found[i].name);
		newer |= !host_pci_is_efa(&found[i]);
	}
	if (newer)
		finding_say(f, DOCTOR_WARN,
			    "%d EFA device%s (%s), one at least of a generation that this weft "
			    "does not know",
			    count, plural(count), name_list_text(&list));
	else if (count)
		finding_say(f, DOCTOR_OK, "%d EFA device%s on the PCI bus: %s", count,
			    plural(count), name_list_text(&list));
	mem_free(found);
}
