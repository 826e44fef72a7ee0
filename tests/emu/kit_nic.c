/* SPDX-License-Identifier: Apache-2.0 */
/* Devices, memory and the files of a device. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "kit.h"

#define CANARY      0xc5
#define CANARY_SIZE 4096u

static struct ibv_context *open_device(uint32_t index)
{
	struct ibv_context *context = NULL;
	struct ibv_device **list;
	int count = 0;

	list = ibv_get_device_list(&count);
	check(list);
	if (index >= (uint32_t)count)
		kit_fail(__FILE__, __LINE__, "device %u of %d", index, count);
	check(!list[count]);
	context = ibv_open_device(list[index]);
	check(context);
	ibv_free_device_list(list);
	return context;
}

void kit_nic_open(struct kit_nic *nic, uint32_t index)
{
	struct ibv_port_attr port;

	memset(nic, 0, sizeof(*nic));
	nic->context = open_device(index);
	snprintf(nic->name, sizeof(nic->name), "%s", ibv_get_device_name(nic->context->device));
	nic->pd = ibv_alloc_pd(nic->context);
	check(nic->pd);
	check_int(efadv_query_device(nic->context, &nic->efa, sizeof(nic->efa)), 0);
	check_int(ibv_query_port(nic->context, 1, &port), 0);
	nic->mtu = port.max_msg_sz;
	check_int(ibv_query_gid(nic->context, 1, 0, &nic->gid), 0);
	check(!kit_all(nic->gid.raw, sizeof(nic->gid.raw), 0));
}

void kit_nic_close(struct kit_nic *nic)
{
	check_int(ibv_dealloc_pd(nic->pd), 0);
	check_int(ibv_close_device(nic->context), 0);
}

struct ibv_ah *kit_ah(const struct kit_nic *nic, const union ibv_gid *gid)
{
	struct ibv_ah_attr attr = { .is_global = 1, .port_num = 1 };
	struct ibv_ah *ah;

	attr.grh.dgid = *gid;
	ah = ibv_create_ah(nic->pd, &attr);
	check(ah);
	return ah;
}

/* --- memory -------------------------------------------------------------------------------- */

void kit_area_open(struct kit_area *area, size_t size)
{
	memset(area, 0, sizeof(*area));
	area->size = size;
	area->mapped = (size + 2 * CANARY_SIZE + 4095) & ~(size_t)4095;
	area->base = mmap(NULL, area->mapped, PROT_READ | PROT_WRITE,
			  MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	check(area->base != MAP_FAILED);
	area->data = (uint8_t *)area->base + CANARY_SIZE;
	memset(area->base, CANARY, CANARY_SIZE);
	memset(area->data + size, CANARY, CANARY_SIZE);
}

void kit_area_register(struct kit_area *area, const struct kit_nic *nic, int access)
{
	area->mr = ibv_reg_mr(nic->pd, area->data, area->size, access);
	check(area->mr);
}

int kit_access(const struct kit_nic *nic)
{
	int access = IBV_ACCESS_LOCAL_WRITE;

	if (nic->efa.device_caps & EFADV_DEVICE_ATTR_CAPS_RDMA_READ)
		access |= IBV_ACCESS_REMOTE_READ;
	if (nic->efa.device_caps & KIT_CAPS_RDMA_WRITE)
		access |= IBV_ACCESS_REMOTE_WRITE;
	return access;
}

void kit_canaries(const struct kit_area *area)
{
	check(kit_all(area->base, CANARY_SIZE, CANARY));
	check(kit_all(area->data + area->size, CANARY_SIZE, CANARY));
}

void kit_area_close(struct kit_area *area)
{
	kit_canaries(area);
	if (area->mr)
		check_int(ibv_dereg_mr(area->mr), 0);
	check_int(munmap(area->base, area->mapped), 0);
	memset(area, 0, sizeof(*area));
}

/* --- sysfs --------------------------------------------------------------------------------- */

static bool file_text(const char *root, const char *device, const char *file, char *text,
		      size_t size)
{
	char path[768];
	size_t n;
	FILE *f;

	snprintf(path, sizeof(path), "%s/class/infiniband/%s/%s", root, device, file);
	f = fopen(path, "re");
	if (!f)
		return false;
	n = fread(text, 1, size - 1, f);
	fclose(f);
	while (n && (text[n - 1] == '\n' || text[n - 1] == ' '))
		n--;
	text[n] = 0;
	return true;
}

bool kit_sysfs(const struct kit_nic *nic, const char *file, char *text, size_t size)
{
	const char *root = getenv("SYSFS_PATH"); /* set by the emulator */

	check(root);
	return file_text(root, nic->name, file, text, size);
}

static uint64_t counter(const char *root, const char *device, const char *name)
{
	char file[128], text[64];
	uint64_t value;
	char *end;

	snprintf(file, sizeof(file), "ports/1/hw_counters/%s", name);
	if (!file_text(root, device, file, text, sizeof(text))) {
		snprintf(file, sizeof(file), "hw_counters/%s", name);
		if (!file_text(root, device, file, text, sizeof(text)))
			kit_fail(__FILE__, __LINE__, "%s has no counter %s", device, name);
	}
	value = strtoull(text, &end, 10);
	if (!*text || *end)
		kit_fail(__FILE__, __LINE__, "%s: '%s' is no number", file, text);
	return value;
}

uint64_t kit_counter(const struct kit_nic *nic, const char *name)
{
	const char *root = getenv("SYSFS_PATH");

	check(root);
	return counter(root, nic->name, name);
}

uint64_t kit_host_counter(uint32_t host, const char *device, const char *name)
{
	char root[512];

	snprintf(root, sizeof(root), "%s/host%u/sys", kit_world_dir(), host);
	return counter(root, device, name);
}

void kit_host_gid(uint32_t host, const char *device, union ibv_gid *gid)
{
	char root[512], text[64];
	unsigned int part[8];

	snprintf(root, sizeof(root), "%s/host%u/sys", kit_world_dir(), host);
	check(file_text(root, device, "ports/1/gids/0", text, sizeof(text)));
	check_int(sscanf(text, "%4x:%4x:%4x:%4x:%4x:%4x:%4x:%4x", &part[0], &part[1], &part[2],
			 &part[3], &part[4], &part[5], &part[6], &part[7]),
		  8);
	for (int i = 0; i < 16; i++)
		gid->raw[i] = (uint8_t)(part[i / 2] >> (i & 1 ? 0 : 8));
}
