/* SPDX-License-Identifier: Apache-2.0 */
#include "host/net.h"

#include <stdio.h>
#include <string.h>

#include "host/pci_read.h"

#define CLASS         "/sys/class/net"
#define TYPE_LOOPBACK 772 /* ARPHRD_LOOPBACK */

struct listing {
	const struct sysroot *root;
	struct host_net *ret;
	size_t room, count;
	bool hardware;
};

static void read_net(const struct sysroot *root, struct host_net *net)
{
	char device[128];
	struct host_pci pci;

	snprintf(device, sizeof(device), CLASS "/%s/device", net->name);
	host_pci_read(root, &pci, device);
	memcpy(net->pci, pci.name, sizeof(net->pci));
	memcpy(net->path, pci.path, sizeof(net->path));
	memcpy(net->driver, pci.driver, sizeof(net->driver));
	net->node = pci.node;
	/* A virtio device's driver is not that of the function above it. */
	sysroot_link(root, net->driver, sizeof(net->driver), "%s/driver", device);
	if (!*net->driver)
		memcpy(net->driver, pci.driver, sizeof(net->driver));
	sysroot_line(root, net->state, sizeof(net->state), CLASS "/%s/operstate", net->name);
	sysroot_line(root, net->address, sizeof(net->address), CLASS "/%s/address", net->name);
	sysroot_number(root, &net->mbits, CLASS "/%s/speed", net->name);
	sysroot_number(root, &net->mtu, CLASS "/%s/mtu", net->name);
}

static int list_net(void *ctx, const char *name)
{
	struct listing *l = ctx;
	struct host_net *net;
	uint64_t type;

	if (l->count == l->room)
		return 1;
	net = &l->ret[l->count];
	if (strlen(name) >= sizeof(net->name) || sysroot_exists(l->root, CLASS "/%s/.", name))
		return 0;
	if (!sysroot_number(l->root, &type, CLASS "/%s/type", name) && type == TYPE_LOOPBACK)
		return 0;
	if (!sysroot_exists(l->root, CLASS "/%s/device", name) != l->hardware)
		return 0;
	*net = (struct host_net){ .hardware = l->hardware };
	strcpy(net->name, name);
	read_net(l->root, net);
	l->count++;
	return 0;
}

int host_nets(const struct sysroot *root, struct host_net *ret, size_t room)
{
	struct listing l = { .root = root, .ret = ret, .room = room, .hardware = true };
	int rc = sysroot_each(root, HOST_ENTRIES_MAX, list_net, &l, CLASS);

	if (!rc && !l.count) {
		l.hardware = false;
		rc = sysroot_each(root, HOST_ENTRIES_MAX, list_net, &l, CLASS);
	}
	return rc < 0 ? rc : (int)l.count;
}
