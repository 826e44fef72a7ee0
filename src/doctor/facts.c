/* SPDX-License-Identifier: Apache-2.0 */
/* What several checks ask: the environment, the helper's answer, what machine this is. */
#include <ctype.h>
#include <string.h>

#include "doctor/doctor.h"
#include "host/nic.h"
#include "host/probe.h"

const char *doctor_getenv(const struct doctor *doctor, const char *name)
{
	size_t len = strlen(name);

	for (char **at = doctor->environ; at && *at; at++)
		if (!strncmp(*at, name, len) && (*at)[len] == '=')
			return *at + len + 1;
	return NULL;
}

bool doctor_probe(const struct doctor *doctor, const char *key, char *ret, size_t room)
{
	return doctor->probe && host_probe_value(doctor->probe, key, ret, room);
}

bool doctor_is_ec2(const struct doctor *doctor)
{
	char text[64];

	if (sysroot_read(&doctor->root, text, sizeof(text),
			 "/sys/devices/virtual/dmi/id/sys_vendor") >= 0 &&
	    !strcmp(text, "Amazon EC2"))
		return true;
	return sysroot_read(&doctor->root, text, sizeof(text), "/sys/hypervisor/uuid") >= 0 &&
	       !strncasecmp(text, "ec2", 3);
}

/* "p5.48xlarge", "u-6tb1.metal": a family, a dot, a size. */
static bool is_type(const char *text)
{
	const char *dot = strchr(text, '.');

	if (!islower((unsigned char)*text) || !dot || !dot[1] || strchr(dot + 1, '.'))
		return false;
	return strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789-.") == strlen(text);
}

bool doctor_instance_type(const struct doctor *doctor, char *ret, size_t room)
{
	char text[64];

	if (!doctor_is_ec2(doctor) ||
	    sysroot_read(&doctor->root, text, sizeof(text),
			 "/sys/devices/virtual/dmi/id/product_name") < 0 ||
	    !is_type(text) || strlen(text) >= room)
		return false;
	strcpy(ret, text);
	return true;
}

/* Also ids that are not given out yet: no driver binds them. */
static bool is_efa(const struct host_pci *pci)
{
	return pci->vendor == HOST_EFA_VENDOR && pci->device >> 4 == HOST_EFA_DEVICE_FIRST >> 4;
}

int doctor_efa_functions(const struct doctor *doctor)
{
	struct host_pci functions[HOST_NICS_MAX];
	int count = host_pci(&doctor->root, is_efa, functions, HOST_NICS_MAX);

	return count < 0 ? 0 : count;
}
