/* SPDX-License-Identifier: Apache-2.0 */
/* E2 to E5: where the instance is, and what its peers must have in common with it. */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "doctor/efa.h"
#include "doctor/placement.h"

#define PACKAGES_FILE "/opt/amazon/efa_installed_packages"

void check_E2(const struct doctor *doctor, struct finding *f);
void check_E3(const struct doctor *doctor, struct finding *f);
void check_E4(const struct doctor *doctor, struct finding *f);
void check_E5(const struct doctor *doctor, struct finding *f);

void check_E2(const struct doctor *doctor, struct finding *f)
{
	struct placement p;

	if (placement_emulated(doctor, f))
		return;
	if (doctor_placement(doctor, &p, f)) {
		finding_fix(f, "%s", PLACEMENT_ASK("placement/availability-zone-id"));
		return;
	}
	finding_evidence(f, PLACEMENT_FILE ": %u interface%s, vpc-id %s%s, subnet-id %s%s",
			 p.interfaces, plural(p.interfaces), p.vpc, p.vpcs > 1 ? " and others" : "",
			 p.subnet, p.subnets > 1 ? " and others" : "");
	finding_evidence(f, PLACEMENT_FILE ": availability-zone %s, availability-zone-id %s",
			 p.zone, p.zone_id);
	if (p.vpcs > 1)
		finding_say(f, DOCTOR_WARN,
			    "its interfaces are in several VPCs: EFA reaches nobody "
			    "outside the VPC of the EFA interface");
	else if (!p.vpcs)
		finding_say(f, DOCTOR_UNKNOWN, "cannot be told: %s names no VPC of its interfaces",
			    PLACEMENT_FILE);
	else
		finding_say(f, DOCTOR_OK, "in %s%s%s, %s%s: its peers must be there too",
			    *p.zone_id ? p.zone_id : p.zone, p.subnets > 1 ? "" : ", ",
			    p.subnets > 1 ? "" : p.subnet, p.vpc,
			    p.subnets > 1 ? ", in several subnets" : "");
}

void check_E3(const struct doctor *doctor, struct finding *f)
{
	/* Families, each with what it can talk to. */
	static const char *const alone[] = { "p4d.", "p4de.", "dl1." };
	char type[64];

	if (!doctor_instance_type(doctor, type, sizeof(type))) {
		finding_evidence(f, "/sys/devices/virtual/dmi/id/product_name: no type of EC2");
		finding_say(f, DOCTOR_UNKNOWN,
			    "cannot be told: the instance type is not known here");
		finding_fix(f, "%s", PLACEMENT_ASK("instance-type"));
		return;
	}
	finding_evidence(f, "/sys/devices/virtual/dmi/id/product_name: %s", type);
	for (size_t i = 0; i < sizeof(alone) / sizeof(*alone); i++) {
		if (strncmp(type, alone[i], strlen(alone[i])))
			continue;
		finding_say(
			f, DOCTOR_OK,
			"%s: EFA between P4d, P4de or DL1 and any other type does not work; its "
			"peers must be %.*s too",
			type, (int)strlen(alone[i]) - 1, alone[i]);
		return;
	}
	finding_say(f, DOCTOR_OK, "%s talks EFA to all types but P4d, P4de and DL1", type);
}

void check_E4(const struct doctor *doctor, struct finding *f)
{
	struct placement p;

	if (placement_emulated(doctor, f))
		return;
	if (doctor_placement(doctor, &p, f)) {
		finding_fix(f, "%s", PLACEMENT_ASK("placement/group-name"));
		return;
	}
	finding_evidence(f, PLACEMENT_FILE ": placement/group-name: %s",
			 *p.group ? p.group : "none");
	if (*p.group)
		finding_say(f, DOCTOR_OK,
			    "in placement group %s; one of strategy cluster is the closest",
			    p.group);
	else
		finding_say(f, DOCTOR_OK,
			    "in no placement group: latency between machines may be "
			    "higher than it could be");
}

/* What stands behind a package's name and is a version: "libfabric-aws-" begins
 * "libfabric-aws-bin_" and "libfabric-aws-devel-" too. NULL: not there. */
static const char *version_behind(const char *packages, const char *name)
{
	for (const char *at = packages; (at = strstr(at, name));) {
		at += strlen(name);
		if (isdigit((unsigned char)*at))
			return at;
	}
	return NULL;
}

/* "2.4.0amzn1.0" of "... libfabric-aws-2.4.0amzn1.0-1.amzn2023.x86_64 ..."; "" when not there. */
static void installed_libfabric(const char *packages, char *ret, size_t room)
{
	static const char *const names[] = { "libfabric-aws-", "libfabric1-aws-",
					     "libfabric1-aws_" };
	const char *at = NULL;
	size_t len;

	*ret = '\0';
	for (size_t i = 0; i < sizeof(names) / sizeof(*names) && !at; i++)
		at = version_behind(packages, names[i]);
	len = at ? strspn(at, "0123456789.abcdefghijklmnopqrstuvwxyz") : 0;
	if (len && len < room)
		snprintf(ret, room, "%.*s", (int)len, at);
}

/* Whether both start with the same three numbers, or as many as the shorter one has. */
static bool same_version(const char *a, const char *b)
{
	int a_len = (int)strspn(a, "0123456789."), b_len = (int)strspn(b, "0123456789.");
	int len = a_len < b_len ? a_len : b_len;

	return len && !strncmp(a, b, (size_t)len);
}

void check_E5(const struct doctor *doctor, struct finding *f)
{
	const char *zero_copy = doctor_getenv(doctor, "FI_EFA_USE_ZCPY_RX");
	char packages[4096] = "", installed[64], used[64] = "", driver[64] = "", path[256] = "";

	sysroot_read(&doctor->root, driver, sizeof(driver), "/sys/module/efa/version");
	sysroot_read(&doctor->root, packages, sizeof(packages), PACKAGES_FILE);
	installed_libfabric(packages, installed, sizeof(installed));
	doctor_probe(doctor, "libfabric_path", path, sizeof(path));
	finding_evidence(f, PACKAGES_FILE ": libfabric %s", *installed ? installed : "not told");
	if (!doctor_probe(doctor, "libfabric", used, sizeof(used)) || !strncmp(used, "absent", 6)) {
		finding_evidence(f, "libfabric: %s", *used ? used : doctor->probe_why);
		finding_say(f, DOCTOR_UNKNOWN,
			    "cannot be told: the version of libfabric in use is not "
			    "known");
		return;
	}
	finding_evidence(f, "libfabric: %s %s", used, path);
	if (zero_copy)
		finding_evidence(f, "FI_EFA_USE_ZCPY_RX=%s", zero_copy);
	if (*installed && !same_version(installed, used)) {
		finding_say(f, DOCTOR_WARN,
			    "libfabric %s is used (%s), not the %s that the EFA installer brought: "
			    "machines that use that one may speak another protocol",
			    used, *path ? path : "?", installed);
		finding_fix(
			f, "LD_LIBRARY_PATH=/opt/amazon/efa/lib64:/opt/amazon/efa/lib weft doctor");
	} else if (zero_copy) {
		finding_say(
			f, DOCTOR_WARN,
			"FI_EFA_USE_ZCPY_RX=%s is set: with another value at a peer, its packets "
			"are refused with error 4125",
			zero_copy);
		finding_fix(f, "unset FI_EFA_USE_ZCPY_RX # or set it to the same on all machines");
	} else {
		finding_say(f, DOCTOR_OK, "libfabric %s, driver %s; peers should have the same",
			    used, *driver ? driver : "of the kernel");
	}
}
