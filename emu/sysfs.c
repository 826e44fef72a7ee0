/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the kernel and the efa driver show of a host with EFA devices. Formats are those of the
 * kernel's drivers/infiniband/core/sysfs.c and drivers/pci/pci-sysfs.c; values those of
 * amzn-drivers efa_verbs.c and efa_main.c. Like the driver, no hca_type, hw_rev and board_id.
 *
 *   devices/pci0000:<bus>/<pci>/                     the PCI device
 *   devices/pci0000:<bus>/<pci>/infiniband/<name>/   the RDMA device; class/infiniband points here
 *   devices/pci0000:<bus>/<pci>/infiniband_verbs/uverbs<nic>/
 */
#include "emu/sysfs.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "emu/sysfs_file.h"
#include "emu/util.h"
#include "emu/why.h"
#include "emu/world_file.h"

#define VENDOR         0x1d0fu
#define CLASS_ETHERNET 0x020000u

/* The newest driver that the sources of counter.def and efa.def were read in. */
#define DRIVER_VERSION "3.1.0g"

/* RDMA_HW_STATS_DEFAULT_LIFESPAN is 10 ms; with 250 ticks a second the kernel shows 12. */
#define LIFESPAN         "12\n"

#define NODE_UNSPECIFIED 7   /* enum rdma_node_type */
#define VERBS_ABI        6   /* IB_USER_VERBS_ABI_VERSION */
#define EFA_ABI          1   /* EFA_UVERBS_ABI_VERSION */
#define UVERBS_MAJOR     231 /* IB_UVERBS_MAJOR, IB_UVERBS_BASE_MINOR */
#define UVERBS_MINOR     192
#define CPUS             1024

/* A NIC being written. */
struct nic_tree {
	struct emu_sysfs_tree *tree;
	const struct emu_host_shared *host;
	const struct emu_nic_shared *nic;
	uint32_t index;
	char device[64]; /* its PCI device's directory */
	char ib[128];    /* its RDMA device's */
};

static void put(struct nic_tree *t, const char *dir, const char *name, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

static void put(struct nic_tree *t, const char *dir, const char *name, const char *format, ...)
{
	char path[200], text[1024];
	va_list args;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	emu_sysfs_text(t->tree, path, "%s", text);
}

static void point(struct nic_tree *t, const char *dir, const char *name, const char *target)
{
	char path[200];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	emu_sysfs_link(t->tree, path, target);
}

/* --- CPUs near a NIC ----------------------------------------------------------------------- */

static bool line_read(const char *path, char *line, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t got = fd < 0 ? -1 : read(fd, line, size - 1);

	if (fd >= 0)
		close(fd);
	line[got > 0 ? got : 0] = 0;
	line[strcspn(line, "\n")] = 0;
	return *line;
}

/* Those of the machine's own NUMA node of that number, or all. */
static void cpulist(int32_t numa, char *list, size_t size)
{
	char path[64];

	snprintf(path, sizeof(path), "/sys/devices/system/node/node%" PRId32 "/cpulist", numa);
	if (numa >= 0 && line_read(path, list, size))
		return;
	if (!line_read("/sys/devices/system/cpu/online", list, size))
		snprintf(list, size, "0");
}

/* The list as the kernel writes a mask: groups of 32 bits, the highest first. */
static void cpumask(const char *list, char *text, size_t size)
{
	uint32_t group[CPUS / 32] = { 0 };
	size_t used = 0;
	int top = 0;

	while (*list) {
		char *end;
		unsigned long first = strtoul(list, &end, 10), last = first;

		if (*end == '-')
			last = strtoul(end + 1, &end, 10);
		for (; first <= last && first < CPUS; first++) {
			group[first / 32] |= 1u << (first % 32);
			if ((int)(first / 32) > top)
				top = (int)(first / 32);
		}
		list = *end == ',' ? end + 1 : "";
	}
	for (int i = top; i >= 0 && used < size; i--)
		used += (size_t)snprintf(text + used, size - used,
					 i == top ? "%" PRIx32 : ",%08" PRIx32, group[i]);
}

/* --- the PCI device ------------------------------------------------------------------------ */

static void pci_config(struct nic_tree *t)
{
	uint32_t id = (uint32_t)t->host->model.part_id;
	uint8_t config[256] = {
		VENDOR & 0xff,
		VENDOR >> 8,
		(uint8_t)id,
		(uint8_t)(id >> 8),
		0x06, /* command: memory, bus master */
		[0x0b] = CLASS_ETHERNET >> 16,
		[0x2c] = VENDOR & 0xff,
		[0x2d] = VENDOR >> 8,
		[0x2e] = (uint8_t)id,
		[0x2f] = (uint8_t)(id >> 8),
	};
	char path[96];

	snprintf(path, sizeof(path), "%s/config", t->device);
	emu_sysfs_file(t->tree, path, config, sizeof(config));
}

static void pci_ids(struct nic_tree *t)
{
	unsigned int id = (unsigned int)t->host->model.part_id;
	char alias[80];

	snprintf(alias, sizeof(alias), "pci:v%08Xd%08Xsv%08Xsd%08Xbc02sc00i00", VENDOR, id, VENDOR,
		 id);
	put(t, t->device, "vendor", "0x%04x\n", VENDOR);
	put(t, t->device, "device", "0x%04x\n", id);
	put(t, t->device, "subsystem_vendor", "0x%04x\n", VENDOR);
	put(t, t->device, "subsystem_device", "0x%04x\n", id);
	put(t, t->device, "class", "0x%06x\n", CLASS_ETHERNET);
	put(t, t->device, "revision", "0x00\n");
	put(t, t->device, "modalias", "%s\n", alias);
	put(t, t->device, "uevent",
	    "DRIVER=efa\nPCI_CLASS=%X\nPCI_ID=%04X:%04X\nPCI_SUBSYS_ID=%04X:%04X\n"
	    "PCI_SLOT_NAME=%s\nMODALIAS=%s\n",
	    CLASS_ETHERNET, VENDOR, id, VENDOR, id, t->nic->pci, alias);
	pci_config(t);
}

static void pci_device(struct nic_tree *t)
{
	char list[256], mask[CPUS / 32 * 9 + 1], none[13 * 57 + 1];
	size_t used = 0;

	pci_ids(t);
	cpulist(t->nic->numa, list, sizeof(list));
	cpumask(list, mask, sizeof(mask));
	for (int i = 0; i < 13; i++)
		used += (size_t)snprintf(none + used, sizeof(none) - used,
					 "0x%016x 0x%016x 0x%016x\n", 0u, 0u, 0u);
	put(t, t->device, "numa_node", "%" PRId32 "\n", t->nic->numa);
	put(t, t->device, "local_cpulist", "%s\n", list);
	put(t, t->device, "local_cpus", "%s\n", mask);
	put(t, t->device, "enable", "1\n");
	put(t, t->device, "irq", "0\n");
	/* aws-ofi-nccl's topology of p4d has its NICs so; of other types nothing is known. */
	put(t, t->device, "max_link_speed", "8.0 GT/s PCIe\n");
	put(t, t->device, "max_link_width", "16\n");
	put(t, t->device, "current_link_speed", "8.0 GT/s PCIe\n");
	put(t, t->device, "current_link_width", "16\n");
	/* Who lends accelerator memory: nobody. efa_sysfs.c, efa_p2p.c */
	put(t, t->device, "p2p", "\n");
	put(t, t->device, "resource", "%s", none);
	point(t, t->device, "driver", "bus/pci/drivers/efa");
	point(t, t->device, "subsystem", "bus/pci");
	point(t, "bus/pci/devices", t->nic->pci, t->device);
	point(t, "bus/pci/drivers/efa", t->nic->pci, t->device);
}

/* --- the RDMA device ----------------------------------------------------------------------- */

/* efa_link_gbps_to_speed_and_width() and the kernel's rate_show() in one. */
static const char *rate(uint64_t speed)
{
	static const struct {
		uint64_t least;
		const char *text;
	} rates[] = {
		{ 400, "400 Gb/sec (8X HDR)" },    { 200, "200 Gb/sec (4X HDR)" },
		{ 120, "120 Gb/sec (12X FDR10)" }, { 100, "100 Gb/sec (4X EDR)" },
		{ 60, "60 Gb/sec (12X DDR)" },     { 50, "50 Gb/sec (1X HDR)" },
		{ 40, "40 Gb/sec (4X FDR10)" },    { 30, "30 Gb/sec (12X SDR)" },
	};

	for (size_t i = 0; i < EMU_COUNT(rates); i++) {
		if (speed >= rates[i].least)
			return rates[i].text;
	}
	return "25 Gb/sec (1X EDR)";
}

static void gid_text(const uint8_t gid[EMU_GID_BYTES], int from, char text[48])
{
	size_t used = 0;

	for (int i = from; i < EMU_GID_BYTES; i += 2)
		used += (size_t)snprintf(text + used, 48 - used, "%s%02x%02x", i > from ? ":" : "",
					 gid[i], gid[i + 1]);
}

static void port(struct nic_tree *t)
{
	char dir[160], gid[48];

	snprintf(dir, sizeof(dir), "%s/ports/1", t->ib);
	gid_text(t->nic->gid, 0, gid);
	put(t, dir, "state", "%s", EMU_SYSFS_STATE_UP);
	put(t, dir, "phys_state", "%s", EMU_SYSFS_PHYS_UP);
	put(t, dir, "rate", "%s\n", rate(t->host->model.speed));
	put(t, dir, "link_layer", "Unknown\n"); /* IB_LINK_LAYER_UNSPECIFIED */
	put(t, dir, "lid", "0x0\n");
	put(t, dir, "lid_mask_count", "1\n");
	put(t, dir, "sm_lid", "0x0\n");
	put(t, dir, "sm_sl", "0\n");
	put(t, dir, "cap_mask", "0x00000000\n");
	put(t, dir, "gids/0", "%s\n", gid);
	put(t, dir, "gid_attrs/types/0", "IB/RoCE v1\n");
	put(t, dir, "pkeys/0", "0xffff\n");
}

static void counters(struct nic_tree *t)
{
	char path[200];

	for (int i = 0; i < EMU_COUNTERS; i++) {
		if (emu_sysfs_counter_path(&t->host->model, i, path, sizeof(path)))
			put(t, t->ib, path, "%" PRIu64 "\n", atomic_load(&t->nic->counters[i]));
	}
	put(t, t->ib, "hw_counters/lifespan", LIFESPAN);
	put(t, t->ib, "ports/1/hw_counters/lifespan", LIFESPAN);
}

static void rdma_device(struct nic_tree *t)
{
	char guid[48];

	gid_text(t->nic->gid, 8, guid);
	put(t, t->ib, "node_type", "%d: unspecified\n", NODE_UNSPECIFIED);
	put(t, t->ib, "node_guid", "%s\n", guid);
	put(t, t->ib, "sys_image_guid", "0000:0000:0000:0000\n"); /* the driver sets none */
	put(t, t->ib, "node_desc", "\n");                         /* nor these */
	put(t, t->ib, "fw_ver", "\n");
	put(t, t->ib, "uevent", "NAME=%s\n", t->nic->name);
	point(t, t->ib, "device", t->device);
	point(t, t->ib, "subsystem", "class/infiniband");
	point(t, "class/infiniband", t->nic->name, t->ib);
	port(t);
	counters(t);
}

static void verbs_device(struct nic_tree *t)
{
	char dir[160], name[16];

	snprintf(name, sizeof(name), "uverbs%" PRIu32, t->index);
	snprintf(dir, sizeof(dir), "%s/infiniband_verbs/%s", t->device, name);
	put(t, dir, "ibdev", "%s\n", t->nic->name);
	put(t, dir, "abi_version", "%d\n", EFA_ABI);
	put(t, dir, "dev", "%d:%" PRIu32 "\n", UVERBS_MAJOR, UVERBS_MINOR + t->index);
	put(t, dir, "uevent", "MAJOR=%d\nMINOR=%" PRIu32 "\nDEVNAME=infiniband/%s\n", UVERBS_MAJOR,
	    UVERBS_MINOR + t->index, name);
	point(t, dir, "device", t->device);
	point(t, dir, "subsystem", "class/infiniband_verbs");
	point(t, "class/infiniband_verbs", name, dir);
}

static void nic_tree(struct emu_sysfs_tree *tree, const struct emu_host_shared *host,
		     uint32_t index)
{
	struct nic_tree t = { tree, host, &host->nic[index], index, "", "" };

	/* Each bus hangs below a root of its own: "0000:10:1b.0" is below pci0000:10. */
	snprintf(t.device, sizeof(t.device), "devices/pci%.7s/%s", t.nic->pci, t.nic->pci);
	snprintf(t.ib, sizeof(t.ib), "%s/infiniband/%s", t.device, t.nic->name);
	pci_device(&t);
	rdma_device(&t);
	verbs_device(&t);
}

/* --- the host ------------------------------------------------------------------------------ */

static void host_tree(struct emu_sysfs_tree *tree, const struct emu_world_shared *world,
		      uint32_t number)
{
	const struct emu_host_shared *host = &world->host[number];
	static const char *const modules[] = { "efa", "ib_core", "ib_uverbs" };
	char path[64];

	for (size_t i = 0; i < EMU_COUNT(modules); i++) {
		snprintf(path, sizeof(path), "module/%s/initstate", modules[i]);
		emu_sysfs_text(tree, path, "live\n");
		snprintf(path, sizeof(path), "module/%s/refcnt", modules[i]);
		emu_sysfs_text(tree, path, "%d\n", i ? 1 : 0);
	}
	emu_sysfs_text(tree, "module/efa/version", DRIVER_VERSION "\n");
	emu_sysfs_link(tree, "module/efa/drivers/pci:efa", "bus/pci/drivers/efa");
	emu_sysfs_link(tree, "bus/pci/drivers/efa/module", "module/efa");
	emu_sysfs_text(tree, "class/infiniband_verbs/abi_version", "%d\n", VERBS_ABI);
	emu_sysfs_text(tree, "devices/virtual/dmi/id/sys_vendor", "Amazon EC2\n");
	emu_sysfs_text(tree, "devices/virtual/dmi/id/product_name", "%s\n", host->profile);
	emu_sysfs_text(tree, "devices/virtual/dmi/id/board_asset_tag", "i-%017" PRIx64 "\n",
		       emu_mix(world->id + number));
	for (uint32_t nic = 0; nic < host->nics; nic++)
		nic_tree(tree, host, nic);
}

int emu_sysfs_path(const char *dir, uint32_t host, char *path, size_t size)
{
	return emu_format(path, size, "%s/host%" PRIu32 "/sys", dir, host);
}

int emu_sysfs_build(const char *dir, const struct emu_world_shared *world, uint32_t host, char *why,
		    size_t size)
{
	struct emu_sysfs_tree tree = { .fd = -1 };
	char path[320], above[320];
	int error;

	error = emu_sysfs_path(dir, host, path, sizeof(path));
	if (error)
		return emu_why(why, size, error, "world directory %s: its name is too long", dir);
	snprintf(above, sizeof(above), "%s/host%" PRIu32, dir, host);
	/* What one left that was killed while it built. */
	error = emu_tree_remove(AT_FDCWD, above);
	if (!error && (mkdir(above, EMU_DIR_MODE) || mkdir(path, EMU_DIR_MODE)))
		error = -errno;
	if (!error)
		tree.fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (!error && tree.fd < 0)
		error = -errno;
	if (error)
		return emu_why(why, size, error, "cannot make %s: %s", path, strerror(-error));
	host_tree(&tree, world, host);
	close(tree.fd);
	if (tree.error)
		emu_why(why, size, tree.error, "cannot make %s/%s: %s", path, tree.path,
			strerror(-tree.error));
	return tree.error;
}
