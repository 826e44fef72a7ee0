/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The picture as hwloc sees it. libhwloc is opened when it is needed and closed again, so that
 * libweft starts where it is not installed, and programs that do not ask carry nothing of it.
 */
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <hwloc.h>

#include "base/alloc.h"
#include "base/err.h"
#include "engine/topo.h"

#define SONAME "libhwloc.so.15" /* of all releases 2.x */

/* clang-format off */
#define CALLS(X) \
	X(hwloc_get_api_version) \
	X(hwloc_topology_init) \
	X(hwloc_topology_destroy) \
	X(hwloc_topology_set_io_types_filter) \
	X(hwloc_topology_set_xml) \
	X(hwloc_topology_load) \
	X(hwloc_get_nbobjs_by_depth) \
	X(hwloc_get_obj_by_depth) \
	X(hwloc_bitmap_isset) \
	X(hwloc_bitmap_next)
/* clang-format on */

struct hwloc {
	void *library;
	hwloc_topology_t topology;
#define CALL_FIELD(name) __typeof__(&name) name;
	CALLS(CALL_FIELD)
#undef CALL_FIELD
};

static void close_library(struct hwloc *h)
{
	if (h->topology)
		h->hwloc_topology_destroy(h->topology);
	if (h->library)
		dlclose(h->library);
}

static int open_library(struct hwloc *h)
{
	h->library = dlopen(SONAME, RTLD_NOW | RTLD_LOCAL);
	if (!h->library)
		return err_set(-EOPNOTSUPP,
			       "the machine's topology needs hwloc: %s; install it "
			       "(Debian: libhwloc15)",
			       dlerror());
#define CALL_FIND(name)                                \
	*(void **)&h->name = dlsym(h->library, #name); \
	if (!h->name)                                  \
		return err_set(-EOPNOTSUPP, "%s lacks %s", SONAME, #name);
	CALLS(CALL_FIND)
#undef CALL_FIND
	if (h->hwloc_get_api_version() >> 16 != HWLOC_API_VERSION >> 16)
		return err_set(-EOPNOTSUPP, "%s has interface %#x, weft was built for %#x", SONAME,
			       h->hwloc_get_api_version(), HWLOC_API_VERSION);
	return 0;
}

/* hwloc itself would take this machine, without a word, for a file that is not there. */
static int choose_file(struct hwloc *h, const char *xml)
{
	FILE *file = fopen(xml, "re");

	if (!file)
		return err_set(-errno, "topology %s: %s", xml, strerror(errno));
	fclose(file);
	if (h->hwloc_topology_set_xml(h->topology, xml))
		return err_set(-EINVAL, "topology %s: hwloc cannot read it", xml);
	return 0;
}

static int load_topology(struct hwloc *h, const char *xml)
{
	int rc = 0;

	if (h->hwloc_topology_init(&h->topology)) {
		h->topology = NULL;
		return err_set(-ENOMEM, "hwloc_topology_init failed");
	}
	/* Bridges, NICs and GPUs; disks and the like only where hwloc deems them important. */
	h->hwloc_topology_set_io_types_filter(h->topology, HWLOC_TYPE_FILTER_KEEP_IMPORTANT);
	if (xml)
		rc = choose_file(h, xml);
	if (rc)
		return rc;
	if (h->hwloc_topology_load(h->topology) == 0)
		return 0;
	if (xml)
		return err_set(-EINVAL,
			       "topology %s: hwloc finds no topology in it; write it with lstopo "
			       "--of xml",
			       xml);
	return err_set(-EIO, "hwloc cannot tell this machine's topology");
}

static int take_nodes(const struct hwloc *h, struct topo *topo)
{
	int count = h->hwloc_get_nbobjs_by_depth(h->topology, HWLOC_TYPE_DEPTH_NUMANODE), i, cpu;
	struct topo_node *node;
	hwloc_obj_t object;

	if (count > TOPO_NODES_MAX)
		return err_set(-WEFT_ELIMIT, "the machine has %d NUMA nodes, at most %d", count,
			       TOPO_NODES_MAX);
	for (i = 0; i < count; i++) {
		object = h->hwloc_get_obj_by_depth(h->topology, HWLOC_TYPE_DEPTH_NUMANODE,
						   (unsigned)i);
		node = &topo->nodes[topo->node_count++];
		node->number = object->os_index;
		for (cpu = h->hwloc_bitmap_next(object->cpuset, -1); cpu >= 0 && cpu < CPU_SETSIZE;
		     cpu = h->hwloc_bitmap_next(object->cpuset, cpu))
			CPU_SET(cpu, &node->cpus);
	}
	return 0;
}

static bool is_device(const struct hwloc_pcidev_attr_s *pci, enum topo_kind *ret)
{
	enum {
		CLASS_NETWORK = 0x02,
		CLASS_DISPLAY = 0x03,
		CLASS_ACCELERATOR = 0x12,
		CLASS_FABRIC = 0x0c06, /* InfiniBand, below serial buses */
		VENDOR_AMAZON = 0x1d0f,
	};
	unsigned base = pci->class_id >> 8;

	*ret = base == CLASS_DISPLAY || base == CLASS_ACCELERATOR ? TOPO_GPU : TOPO_NIC;
	if (base == CLASS_DISPLAY)
		return pci->vendor_id != VENDOR_AMAZON; /* an instance's console */
	return base == CLASS_NETWORK || base == CLASS_ACCELERATOR || pci->class_id == CLASS_FABRIC;
}

static void take_names(struct topo_device *device, const struct hwloc_obj *pci)
{
	const struct hwloc_obj *object;
	int n = 0;

	for (object = pci->io_first_child; object && n < TOPO_NAMES_MAX;
	     object = object->next_sibling)
		if (object->type == HWLOC_OBJ_OS_DEVICE && object->name)
			snprintf(device->names[n++], sizeof(device->names[0]), "%s", object->name);
}

/* Bridges, root complex, and the part of the machine that this hangs at. */
static void take_place(const struct hwloc *h, const struct topo *topo, struct topo_device *device,
		       const struct hwloc_obj *object)
{
	uint64_t all =
		topo->node_count == TOPO_NODES_MAX ? UINT64_MAX : (1ull << topo->node_count) - 1;
	uint32_t i, above = 0;

	for (object = object->parent; object && object->type == HWLOC_OBJ_BRIDGE;
	     object = object->parent)
		if (object->attr->bridge.upstream_type == HWLOC_OBJ_BRIDGE_HOST)
			device->root = object->gp_index;
		else if (above < TOPO_ABOVE_MAX)
			device->bridges[above++] = object->gp_index;
	for (i = 0; object && object->nodeset && i < topo->node_count; i++)
		if (h->hwloc_bitmap_isset(object->nodeset, topo->nodes[i].number))
			device->nodes |= 1ull << i;
	/* What the firmware does not place hangs at the whole machine. */
	if (device->nodes == all && topo->node_count > 1)
		device->nodes = 0;
}

static int take_devices(const struct hwloc *h, struct topo *topo)
{
	int count = h->hwloc_get_nbobjs_by_depth(h->topology, HWLOC_TYPE_DEPTH_PCI_DEVICE), i;
	const struct hwloc_pcidev_attr_s *pci;
	struct topo_device *device;
	enum topo_kind kind;
	hwloc_obj_t object;

	topo->devices = mem_array(count > 0 ? (size_t)count : 1, sizeof(*topo->devices));
	if (!topo->devices)
		return err_set(-ENOMEM, "out of memory");
	for (i = 0; i < count; i++) {
		object = h->hwloc_get_obj_by_depth(h->topology, HWLOC_TYPE_DEPTH_PCI_DEVICE,
						   (unsigned)i);
		pci = &object->attr->pcidev;
		if (!is_device(pci, &kind))
			continue;
		device = &topo->devices[topo->device_count++];
		device->kind = kind;
		snprintf(device->pci, sizeof(device->pci), "%04x:%02x:%02x.%x",
			 (unsigned)pci->domain, pci->bus, pci->dev, pci->func);
		take_names(device, object);
		take_place(h, topo, device, object);
	}
	return 0;
}

static int take_picture(const struct hwloc *h, struct topo **ret)
{
	struct topo *topo = mem_zalloc(sizeof(*topo));
	int rc;

	if (!topo)
		return err_set(-ENOMEM, "out of memory");
	rc = take_nodes(h, topo);
	if (!rc)
		rc = take_devices(h, topo);
	if (rc)
		topo_free(topo);
	else
		*ret = topo;
	return rc;
}

int topo_load(struct topo **ret, const char *xml)
{
	struct hwloc h = { 0 };
	int rc;

	if (!xml)
		xml = secure_getenv("HWLOC_XMLFILE"); /* hwloc's own; see choose_file() */
	if (xml && !*xml)
		xml = NULL;
	rc = open_library(&h);
	if (!rc)
		rc = load_topology(&h, xml);
	if (!rc)
		rc = take_picture(&h, ret);
	close_library(&h);
	return rc;
}
