/* SPDX-License-Identifier: Apache-2.0 */
/* What several checks ask: the environment, the helper's answer, what machine this is. */
#include <ctype.h>
#include <string.h>

#include "doctor/doctor.h"
#include "host/nic.h"

#define PCI_MOST 4096 /* functions that are looked at */

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
	const char *at = doctor->probe;
	size_t len = strlen(key), value;

	for (; at && *at; at += strcspn(at, "\n"), at += *at == '\n') {
		if (strncmp(at, key, len) || at[len] != '=')
			continue;
		at += len + 1;
		value = strcspn(at, "\n");
		if (value >= room)
			value = room - 1;
		memcpy(ret, at, value);
		ret[value] = '\0';
		return true;
	}
	return false;
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

struct efa_count {
	const struct sysroot *root;
	int count;
};

static int count_efa(void *ctx, const char *name)
{
	struct efa_count *efa = ctx;
	uint64_t vendor, device;

	if (!sysroot_number(efa->root, &vendor, "/sys/bus/pci/devices/%s/vendor", name) &&
	    !sysroot_number(efa->root, &device, "/sys/bus/pci/devices/%s/device", name))
		efa->count +=
			vendor == HOST_EFA_VENDOR && device >> 4 == HOST_EFA_DEVICE_FIRST >> 4;
	return 0;
}

int doctor_efa_functions(const struct doctor *doctor)
{
	struct efa_count efa = { .root = &doctor->root };

	sysroot_each(&doctor->root, PCI_MOST, count_efa, &efa, "/sys/bus/pci/devices");
	return efa.count;
}
