/* SPDX-License-Identifier: Apache-2.0 */
/* What a libfabric port can do: who does its READs and WRITEs, and how long they may be. */
#include "transport/fabric.h"

#ifdef FABRIC_HAS_EMULATED
#include <rdma/fi_ext.h>
#endif

#include <stdio.h>
#include <string.h>

static const char *nic_name(const struct port *port)
{
	const struct fid_nic *nic = port->info->nic;

	return nic && nic->device_attr && nic->device_attr->name ? nic->device_attr->name : "";
}

#ifdef FABRIC_HAS_EMULATED
static uint8_t emulated_by(const struct port *port, int option)
{
	bool value = true;
	size_t len = sizeof(value);

	if (fi_getopt(&port->ep->fid, FI_OPT_ENDPOINT, option, &value, &len))
		return WEFT_RDMA_UNKNOWN;
	return value ? WEFT_RDMA_SOFTWARE : WEFT_RDMA_DEVICE;
}
#endif

/* A version that cannot tell emulates every WRITE, and READs unless fabric_efa_fetches(). */
void fabric_find_rdma(struct port *port)
{
	port->write_by = port->read_by = port->provider->rdma;
	if (!port->provider->emulates)
		return;
#ifdef FABRIC_HAS_EMULATED
	port->write_by = emulated_by(port, FI_OPT_EFA_EMULATED_WRITE);
	port->read_by = emulated_by(port, FI_OPT_EFA_EMULATED_READ);
#else
	port->write_by = WEFT_RDMA_SOFTWARE;
	port->read_by = fabric_efa_fetches(nic_name(port));
#endif
	port->emulated = port->write_by != WEFT_RDMA_DEVICE || port->read_by != WEFT_RDMA_DEVICE;
}

/*
 * Where libfabric's efa emulates operations, what is longer than one packet waits in a list for its
 * turns, and an operation that fails is taken off that list once for each of its packets: with it
 * goes whatever stands there by then, which never ends (1.17 and 2.1). So such ports take no more
 * than fits one packet behind the provider's headers.
 */
static uint64_t emulated_max(const struct port *port)
{
	const struct fid_nic *nic = port->info->nic;
	uint64_t mtu = nic && nic->link_attr ? nic->link_attr->mtu : 0;

	if (mtu <= 2 * FABRIC_HEADERS_MAX)
		return FABRIC_HEADERS_MAX;
	return mtu - FABRIC_HEADERS_MAX < FABRIC_EMULATED_MAX ? mtu - FABRIC_HEADERS_MAX
							      : FABRIC_EMULATED_MAX;
}

/*
 * Not so what a device's READ moves, which is one packet, or none, and never in that list: READs,
 * and WRITEs that ask the target to fetch the bytes, as libfabric does from a length on.
 */
static void emulated_limits(const struct port *port, struct port_limits *ret)
{
	ret->max_message = emulated_max(port);
	if (port->read_by != WEFT_RDMA_DEVICE)
		return;
	ret->fetch_max = port->info->ep_attr->max_msg_size < FABRIC_FETCH_MAX
				 ? port->info->ep_attr->max_msg_size
				 : FABRIC_FETCH_MAX;
	ret->fetch_min = fabric_efa_fetch_min();
}

/* Later versions answer each peer by itself, and copy small ones through a buffer. */
bool fabric_direct(const struct port *port)
{
	return port->provider->direct && fi_version() < FI_VERSION(1, 18);
}

void fabric_limits(const struct port *port, struct port_limits *ret)
{
	struct port_device device;
	uint8_t addr[PORT_ADDRESS_MAX];
	size_t len = sizeof(addr), text_len = sizeof(ret->address);

	fabric_describe(port->info, &device);
	memset(ret, 0, sizeof(*ret));
	ret->depth = (uint32_t)port->info->tx_attr->size;
	ret->inject = (uint32_t)port->info->tx_attr->inject_size;
	ret->emulated = port->emulated;
	ret->keeps_pins = port->keeps_pins;
	ret->write_by = port->write_by;
	ret->read_by = port->read_by;
	ret->late_errors = port->late_errors;
	ret->no_gpus = port->no_gpus;
	if (!port->no_gpus && port->emulated)
		ret->no_gpus = "its WRITEs or READs are done by software, which cannot reach a GPU";
	ret->direct = fabric_direct(port);
	ret->copies = port->copied;
	ret->segments = port->segments;
	ret->max_message = port->info->ep_attr->max_msg_size;
	if (port->emulated)
		emulated_limits(port, ret);
	if (port->copied)
		ret->max_message = FABRIC_COPY_MAX;
	memcpy(ret->libfabric, device.libfabric, sizeof(ret->libfabric));
	memcpy(ret->fabric, device.fabric, sizeof(ret->fabric));
	memcpy(ret->device, device.device, sizeof(ret->device));
	snprintf(ret->nic, sizeof(ret->nic), "%s", nic_name(port));
	memcpy(ret->pci, device.pci, sizeof(ret->pci));
	if (fi_getname(&port->ep->fid, addr, &len) == 0)
		fi_av_straddr(port->av, addr, ret->address, &text_len);
}
