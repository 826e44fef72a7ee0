/* SPDX-License-Identifier: Apache-2.0 */
#include "host/nic.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "host/pci_read.h"

#define CLASS       "/sys/class/infiniband"
#define CLASS_VERBS "/sys/class/infiniband_verbs"
#define CLASS_NET   "/sys/class/net"

/* A text of a device: where it goes and which file has it. */
struct text_row {
	size_t offset, room;
	const char *file;
};

#define TEXT(field, file)                                                                        \
	{                                                                                        \
		offsetof(struct host_nic, field), sizeof(((struct host_nic *)NULL)->field), file \
	}

static const struct text_row rdma_texts[] = {
	TEXT(guid, "node_guid"),      TEXT(firmware, "fw_ver"),   TEXT(gid, "ports/1/gids/0"),
	TEXT(state, "ports/1/state"), TEXT(rate, "ports/1/rate"), TEXT(layer, "ports/1/link_layer"),
};

static const struct text_row pci_texts[] = {
	TEXT(speed, "current_link_speed"),
	TEXT(width, "current_link_width"),
	TEXT(max_speed, "max_link_speed"),
	TEXT(max_width, "max_link_width"),
};

static void read_texts(const struct sysroot *root, struct host_nic *nic,
		       const struct text_row *rows, size_t count, const char *dir)
{
	for (size_t i = 0; i < count; i++)
		sysroot_line(root, (char *)nic + rows[i].offset, rows[i].room, "%s/%s", dir,
			     rows[i].file);
}

static int count_port(void *ctx, const char *name)
{
	uint32_t *ports = ctx;

	if (strspn(name, "0123456789") == strlen(name))
		++*ports;
	return 0;
}

/* The first that fits. */
static int take_net(void *ctx, const char *name)
{
	struct host_nic *nic = ctx;

	if (strlen(name) >= sizeof(nic->net))
		return 0;
	strcpy(nic->net, name);
	return 1;
}

static void read_nic(const struct sysroot *root, struct host_nic *nic)
{
	char dir[128], function[SYSROOT_PATH_MAX];
	struct host_pci pci;

	snprintf(dir, sizeof(dir), CLASS "/%s", nic->name);
	snprintf(function, sizeof(function), CLASS "/%s/device", nic->name);
	host_pci_read(root, &pci, function);
	memcpy(nic->pci, pci.name, sizeof(nic->pci));
	memcpy(nic->path, pci.path, sizeof(nic->path));
	memcpy(nic->driver, pci.driver, sizeof(nic->driver));
	nic->vendor = pci.vendor;
	nic->device = pci.device;
	nic->node = pci.node;
	if (*pci.path)
		snprintf(function, sizeof(function), "%s", pci.path);
	read_texts(root, nic, rdma_texts, sizeof(rdma_texts) / sizeof(*rdma_texts), dir);
	read_texts(root, nic, pci_texts, sizeof(pci_texts) / sizeof(*pci_texts), function);
	sysroot_each(root, HOST_ENTRIES_MAX, count_port, &nic->ports, "%s/ports", dir);
	sysroot_each(root, HOST_ENTRIES_MAX, take_net, nic, "%s/net", function);
	/* Soft RDMA devices stand on an interface. */
	if (!*nic->net)
		sysroot_line(root, nic->net, sizeof(nic->net), "%s/parent", dir);
}

struct listing {
	const struct sysroot *root;
	struct host_nic *ret;
	size_t room, count;
};

static int list_nic(void *ctx, const char *name)
{
	struct listing *l = ctx;
	struct host_nic *nic;

	if (l->count == l->room)
		return 1;
	nic = &l->ret[l->count];
	/* The kernel gives no longer names. Nor files and what has just vanished. */
	if (strlen(name) >= sizeof(nic->name) || sysroot_exists(l->root, CLASS "/%s/.", name))
		return 0;
	*nic = (struct host_nic){ .node = -1 };
	strcpy(nic->name, name);
	read_nic(l->root, nic);
	l->count++;
	return 0;
}

static int list_verbs(void *ctx, const char *name)
{
	const struct listing *l = ctx;
	char device[sizeof(l->ret->name)];

	/* Digits alone: it becomes a part of a command. */
	if (strncmp(name, "uverbs", 6) || strspn(name + 6, "0123456789") != strlen(name + 6) ||
	    strlen(name) >= sizeof(l->ret->uverbs))
		return 0;
	if (sysroot_read(l->root, device, sizeof(device), CLASS_VERBS "/%s/ibdev", name) <= 0)
		return 0;
	for (size_t i = 0; i < l->count; i++)
		if (!strcmp(l->ret[i].name, device) && !*l->ret[i].uverbs)
			strcpy(l->ret[i].uverbs, name);
	return 0;
}

/* The MAC address that a GID is made of as an IPv6 address is (RFC 4291, appendix A): its text as
 * in sysfs. False: it is not made so. */
static bool gid_mac(const char *gid, char mac[18])
{
	unsigned int b[8];

	if (strlen(gid) != 39 ||
	    sscanf(gid + 20, "%2x%2x:%2x%2x:%2x%2x:%2x%2x", &b[0], &b[1], &b[2], &b[3], &b[4],
		   &b[5], &b[6], &b[7]) != 8 ||
	    b[3] != 0xff || b[4] != 0xfe)
		return false;
	snprintf(mac, 18, "%02x:%02x:%02x:%02x:%02x:%02x", b[0] ^ 2, b[1], b[2], b[5], b[6], b[7]);
	return true;
}

static int list_net(void *ctx, const char *name)
{
	const struct listing *l = ctx;
	char address[32], mac[18];

	/* Bridges, VLANs and the like bear the addresses of others. */
	if (strlen(name) >= sizeof(l->ret->net) ||
	    sysroot_exists(l->root, CLASS_NET "/%s/device", name) ||
	    sysroot_read(l->root, address, sizeof(address), CLASS_NET "/%s/address", name) <= 0)
		return 0;
	for (size_t i = 0; i < l->count; i++)
		if (!*l->ret[i].net && gid_mac(l->ret[i].gid, mac) && !strcasecmp(mac, address))
			strcpy(l->ret[i].net, name);
	return 0;
}

int host_nics(const struct sysroot *root, struct host_nic *ret, size_t room)
{
	struct listing l = { .root = root, .ret = ret, .room = room };
	int rc = sysroot_each(root, HOST_ENTRIES_MAX, list_nic, &l, CLASS);

	if (rc < 0)
		return rc;
	/* Once for all, not once per device. */
	sysroot_each(root, HOST_ENTRIES_MAX, list_verbs, &l, CLASS_VERBS);
	sysroot_each(root, HOST_ENTRIES_MAX, list_net, &l, CLASS_NET);
	return (int)l.count;
}
