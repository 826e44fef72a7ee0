/* SPDX-License-Identifier: Apache-2.0 */
/* Which devices a provider offers. */
#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "transport/fabric.h"

static char version_text[16];

static void version_write(void)
{
	uint32_t version = fi_version();

	snprintf(version_text, sizeof(version_text), "%u.%u", FI_MAJOR(version), FI_MINOR(version));
}

const char *weft_libfabric_version(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, version_write);
	return version_text;
}

static uint32_t api_version(void)
{
	uint32_t have = fi_version();

	return have < FABRIC_API_NEWEST ? have : FABRIC_API_NEWEST;
}

static const char *libfabric_name(const struct provider *provider)
{
	if (provider->libfabric_old && fi_version() < FI_VERSION(1, 18))
		return provider->libfabric_old;
	return provider->libfabric;
}

static struct fi_info *hints_new(const struct provider *provider, const char *device, bool gpus)
{
	struct fi_info *hints = fi_allocinfo();

	if (!hints)
		return NULL;
	hints->caps = FI_MSG | FI_RMA | provider->caps;
	hints->mode = provider->mode;
	hints->ep_attr->type = FI_EP_RDM;
	hints->domain_attr->mr_mode =
		FI_MR_LOCAL | FI_MR_VIRT_ADDR | FI_MR_ALLOCATED | FI_MR_PROV_KEY;
	if (gpus) {
		hints->caps |= FI_HMEM;
		hints->domain_attr->mr_mode |= FI_MR_HMEM;
	}
	hints->domain_attr->threading = FI_THREAD_DOMAIN;
	hints->domain_attr->resource_mgmt = FI_RM_ENABLED;
	hints->fabric_attr->prov_name = strdup(libfabric_name(provider));
	if (provider->fabric)
		hints->fabric_attr->name = strdup(provider->fabric);
	if (device)
		hints->domain_attr->name = strdup(device);
	if (!hints->fabric_attr->prov_name || (provider->fabric && !hints->fabric_attr->name) ||
	    (device && !hints->domain_attr->name)) {
		fi_freeinfo(hints);
		return NULL;
	}
	return hints;
}

/* Keeps of the list those entries that fit: address family first seen as IPv4 is not forced, but a
 * link-local IPv6 address without scope cannot be reached, so it goes. And those of another
 * fabric: 1.17's efa does not look at the name that was asked for. */
static bool entry_usable(const struct provider *provider, const struct fi_info *info)
{
	const struct sockaddr_in6 *in6 = info->src_addr;
	const char *fabric = info->fabric_attr->name;

	if (provider->fabric && (!fabric || strcmp(fabric, provider->fabric) != 0))
		return false;
	if (info->addr_format == FI_SOCKADDR_IN6 && in6 && IN6_IS_ADDR_LINKLOCAL(&in6->sin6_addr))
		return false;
	return true;
}

static struct fi_info *drop_unusable(const struct provider *provider, struct fi_info *list)
{
	struct fi_info *keep = NULL, **tail = &keep, *next;

	for (; list; list = next) {
		next = list->next;
		list->next = NULL;
		if (entry_usable(provider, list)) {
			*tail = list;
			tail = &list->next;
		} else {
			fi_freeinfo(list);
		}
	}
	return keep;
}

int fabric_ask(const struct provider *provider, const char *device, const char *node, bool gpus,
	       struct fi_info **ret)
{
	struct fi_info *hints = hints_new(provider, device, gpus);
	int rc;

	*ret = NULL;
	if (!hints)
		return -FI_ENOMEM;
	rc = fi_getinfo(api_version(), node, NULL, node ? FI_SOURCE : 0, hints, ret);
	fi_freeinfo(hints);
	if (rc == 0)
		*ret = drop_unusable(provider, *ret);
	return rc;
}

int fabric_getinfo(const struct provider *provider, const char *device, const char *bind_addr,
		   bool gpus, struct fi_info **ret)
{
	const char *node = provider->binds_address ? bind_addr : NULL;
	struct fi_info *list = NULL;
	int rc;

	rc = fabric_efa_env(strcmp(provider->libfabric, "efa") == 0);
	if (rc)
		return rc;
	rc = provider->asked_once ? fabric_offers(provider, device, gpus, &list)
				  : fabric_ask(provider, device, node, gpus, &list);
	if (rc == -FI_ENOMEM)
		return err_set(-ENOMEM, "fi_getinfo for '%s': out of memory", provider->name);
	if (rc || !list)
		return err_set(device ? -WEFT_ENODEVICE : -WEFT_ENOPROVIDER,
			       "libfabric %s offers no '%s'%s%s%s%s (fi_getinfo: %s)",
			       weft_libfabric_version(), libfabric_name(provider),
			       device ? " device " : "", device ? device : "", node ? " at " : "",
			       node ? node : "",
			       rc ? fi_strerror(-rc) : "only unusable addresses or other fabrics");
	*ret = list;
	return 0;
}

static void address_text(const struct fi_info *info, char *buf, size_t len)
{
	const struct sockaddr *sa = info->src_addr;
	const void *in = NULL;

	buf[0] = '\0';
	if (!sa)
		return;
	if (info->addr_format == FI_SOCKADDR_IN || info->addr_format == FI_SOCKADDR_IN6 ||
	    info->addr_format == FI_SOCKADDR) {
		if (sa->sa_family == AF_INET)
			in = &((const struct sockaddr_in *)(const void *)sa)->sin_addr;
		else if (sa->sa_family == AF_INET6)
			in = &((const struct sockaddr_in6 *)(const void *)sa)->sin6_addr;
		if (in)
			inet_ntop(sa->sa_family, in, buf, (socklen_t)len);
	} else if (info->addr_format == FI_ADDR_STR) {
		snprintf(buf, len, "%.*s", (int)info->src_addrlen, (const char *)info->src_addr);
	}
}

static void pci_text(const struct fi_info *info, char *buf, size_t len)
{
	const struct fi_bus_attr *bus = info->nic ? info->nic->bus_attr : NULL;

	if (bus && bus->bus_type == FI_BUS_PCI)
		snprintf(buf, len, "%04x:%02x:%02x.%x", bus->attr.pci.domain_id,
			 bus->attr.pci.bus_id, bus->attr.pci.device_id, bus->attr.pci.function_id);
}

void fabric_describe(const struct fi_info *info, struct port_device *ret)
{
	memset(ret, 0, sizeof(*ret));
	snprintf(ret->libfabric, sizeof(ret->libfabric), "%s", info->fabric_attr->prov_name);
	snprintf(ret->fabric, sizeof(ret->fabric), "%s",
		 info->fabric_attr->name ? info->fabric_attr->name : "");
	snprintf(ret->device, sizeof(ret->device), "%s",
		 info->domain_attr->name ? info->domain_attr->name : "");
	address_text(info, ret->address, sizeof(ret->address));
	pci_text(info, ret->pci, sizeof(ret->pci));
	if (info->nic && info->nic->link_attr)
		ret->speed_mbps = info->nic->link_attr->speed / 1000000;
}

int fabric_list(const struct provider *provider, const char *bind_addr, struct port_device *devices,
		int max)
{
	struct fi_info *list, *info;
	struct port_device device;
	int n = 0, i, rc;

	rc = fabric_getinfo(provider, NULL, bind_addr, false, &list);
	if (rc)
		return rc;
	for (info = list; info && n < max; info = info->next) {
		fabric_describe(info, &device);
		for (i = 0; i < n; i++)
			if (strcmp(devices[i].device, device.device) == 0)
				break;
		if (i == n)
			devices[n++] = device;
	}
	fi_freeinfo(list);
	return n;
}
