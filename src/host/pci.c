/* SPDX-License-Identifier: Apache-2.0 */
#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "host/pci_read.h"

#define VENDOR_NVIDIA 0x10de
#define CLASS_VGA     0x0300 /* the upper 16 bits of the class */
#define CLASS_3D      0x0302

/* aws-neuron-driver, neuron_device.h: Inferentia (four functions), Trainium, Inferentia 2,
 * Trainium 2. */
static const uint32_t neuron_devices[] = { 0x7064, 0x7065, 0x7066, 0x7067, 0x7164, 0x7264, 0x7364 };

static uint32_t number(const struct sysroot *root, const char *dir, const char *file)
{
	uint64_t value;

	if (sysroot_number(root, &value, "%s/%s", dir, file) || value > UINT32_MAX)
		return 0;
	return (uint32_t)value;
}

/* As many hexadecimal digits as there are, at least one, and then this character. */
static const char *hex_then(const char *at, char end)
{
	const char *first = at;

	while (isxdigit((unsigned char)*at))
		at++;
	return at > first && *at == end ? at + 1 : NULL;
}

/* "0000:10:1b.0" */
static bool is_address(const char *text)
{
	text = hex_then(text, ':');
	text = text ? hex_then(text, ':') : NULL;
	text = text ? hex_then(text, '.') : NULL;
	return text && hex_then(text, '\0');
}

/* Cuts path to the PCI function that it ends at or is below; false: to none. */
static bool cut_to_function(char *path)
{
	for (char *last; (last = strrchr(path, '/')); *last = '\0')
		if (is_address(last + 1))
			return true;
	return false;
}

/* Without links there is one file left that says which function this is. */
static void name_from_uevent(const struct sysroot *root, struct host_pci *pci, const char *dir)
{
	static const char key[] = "PCI_SLOT_NAME=";
	char text[1024], *at;

	if (sysroot_read(root, text, sizeof(text), "%s/uevent", dir) < 0)
		return;
	at = strstr(text, key);
	if (!at || (at > text && at[-1] != '\n'))
		return;
	at += sizeof(key) - 1;
	at[strcspn(at, "\n")] = '\0';
	if (is_address(at) && strlen(at) < sizeof(pci->name))
		strcpy(pci->name, at);
}

void host_pci_read(const struct sysroot *root, struct host_pci *ret, const char *dir)
{
	char path[SYSROOT_PATH_MAX];
	uint64_t node;

	*ret = (struct host_pci){ .node = -1 };
	if (!sysroot_real(root, path, sizeof(path), "%s", dir) && cut_to_function(path) &&
	    strlen(path) < sizeof(ret->path) &&
	    strlen(strrchr(path, '/') + 1) < sizeof(ret->name)) {
		strcpy(ret->path, path);
		strcpy(ret->name, strrchr(path, '/') + 1);
		dir = ret->path;
	} else {
		name_from_uevent(root, ret, dir);
	}
	ret->vendor = number(root, dir, "vendor");
	ret->device = number(root, dir, "device");
	ret->class_code = number(root, dir, "class");
	if (!sysroot_number(root, &node, "%s/numa_node", dir) && node <= INT_MAX)
		ret->node = (int)node;
	sysroot_link(root, ret->driver, sizeof(ret->driver), "%s/driver", dir);
}

struct listing {
	const struct sysroot *root;
	bool (*wanted)(const struct host_pci *pci);
	struct host_pci *ret;
	size_t room, count;
};

/* In the order of their addresses; the last one goes where there is no room. */
static void insert(struct listing *l, const struct host_pci *pci)
{
	size_t at = l->count;

	while (at && strcmp(pci->name, l->ret[at - 1].name) < 0)
		at--;
	if (at == l->room)
		return;
	if (l->count < l->room)
		l->count++;
	memmove(&l->ret[at + 1], &l->ret[at], (l->count - at - 1) * sizeof(*pci));
	l->ret[at] = *pci;
}

static int list_function(void *ctx, const char *name)
{
	struct listing *l = ctx;
	char dir[SYSROOT_PATH_MAX];
	struct host_pci pci;

	if (!is_address(name))
		return 0;
	snprintf(dir, sizeof(dir), "/sys/bus/pci/devices/%s", name);
	if (sysroot_exists(l->root, "%s/.", dir))
		return 0;
	host_pci_read(l->root, &pci, dir);
	if (!*pci.name && strlen(name) < sizeof(pci.name))
		strcpy(pci.name, name);
	if (!l->wanted || l->wanted(&pci))
		insert(l, &pci);
	return 0;
}

int host_pci(const struct sysroot *root, bool (*wanted)(const struct host_pci *pci),
	     struct host_pci *ret, size_t room)
{
	struct listing l = { .root = root, .wanted = wanted, .ret = ret, .room = room };
	int rc;

	rc = sysroot_each(root, HOST_ENTRIES_MAX, list_function, &l, "/sys/bus/pci/devices");
	return rc ? rc : (int)l.count;
}

bool host_pci_is_efa(const struct host_pci *pci)
{
	return pci->vendor == HOST_EFA_VENDOR && pci->device >= HOST_EFA_DEVICE_FIRST &&
	       pci->device <= HOST_EFA_DEVICE_LAST;
}

bool host_pci_is_gpu(const struct host_pci *pci)
{
	uint32_t class = pci->class_code >> 8;

	if (pci->vendor == VENDOR_NVIDIA)
		return class == CLASS_VGA || class == CLASS_3D;
	for (size_t i = 0; i < sizeof(neuron_devices) / sizeof(*neuron_devices); i++)
		if (pci->vendor == HOST_EFA_VENDOR && pci->device == neuron_devices[i])
			return true;
	return false;
}

/* "pci0000:10": a root complex; what stands above it is no PCI. */
static bool is_root(const char *part)
{
	const char *bus = strncmp(part, "pci", 3) ? NULL : hex_then(part + 3, ':');

	return bus && isxdigit((unsigned char)*bus);
}

int host_pci_shared(const char *path_a, const char *path_b)
{
	int shared = 0;
	size_t len;

	for (; *path_a && *path_b; path_a += len, path_b += len) {
		path_a += strspn(path_a, "/");
		path_b += strspn(path_b, "/");
		len = strcspn(path_a, "/");
		/* The last part is the function itself. */
		if (len != strcspn(path_b, "/") || strncmp(path_a, path_b, len) || !path_a[len] ||
		    !path_b[len])
			break;
		if (shared || is_root(path_a))
			shared++;
	}
	return shared;
}
