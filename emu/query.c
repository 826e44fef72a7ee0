/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a device and its port are: the answers of EFA's driver (amzn-drivers efa_verbs.c
 * efa_query_device, efa_query_port) made of the model. These cost the device no command.
 */
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "emu/private.h"
#include "emu/verbs.h"
#include "emu/world.h"

#define AMAZON_VENDOR_ID 0x1d0fu
#define PAGE_SIZES       0xfffff000ull /* 4 KiB and every larger power of two below 4 GiB */

enum {
	LINK_UP = 5, /* IB's physical port states */
	LINK_DISABLED = 3,
	WIDTH_1X = 1,
	WIDTH_4X = 2,
	WIDTH_8X = 4,
	WIDTH_12X = 8,
	SPEED_SDR = 1,
	SPEED_DDR = 2,
	SPEED_FDR10 = 8,
	SPEED_EDR = 32,
	SPEED_HDR = 64,
};

/* --- what the sysfs tree says -------------------------------------------------------------- */

const char *ibv_get_sysfs_path(void)
{
	const char *path = getenv("SYSFS_PATH");

	return path ? path : "/sys";
}

/* Without the newline at its end. Length, or -1. */
int ibv_read_sysfs_file(const char *dir, const char *file, char *buf, size_t size)
{
	char path[512];
	ssize_t got;
	int fd;

	if (emu_format(path, sizeof(path), "%s/%s", dir, file))
		return -1;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -1;
	got = read(fd, buf, size);
	close(fd);
	if (got < 0 || (size_t)got >= size)
		return -1;
	if (got && buf[got - 1] == '\n')
		got--;
	buf[got] = 0;
	return (int)got;
}

/* A GUID as sysfs has it, 0123:4567:89ab:cdef; 0 where there is none. */
static __be64 read_guid(struct ibv_device *device, const char *file)
{
	unsigned int part[4];
	uint64_t guid = 0;
	char text[32];

	if (ibv_read_sysfs_file(device->ibdev_path, file, text, sizeof(text)) < 0 ||
	    sscanf(text, "%x:%x:%x:%x", &part[0], &part[1], &part[2], &part[3]) != 4)
		return 0;
	for (int i = 0; i < 4; i++)
		guid = guid << 16 | (part[i] & 0xffff);
	return htobe64(guid);
}

__be64 ibv_get_device_guid(struct ibv_device *device)
{
	return read_guid(device, "node_guid");
}

/* --- device -------------------------------------------------------------------------------- */

static uint64_t smaller(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static void fill_device(struct ibv_context *context, struct ibv_device_attr *attr)
{
	const struct emu_model *model = emu_nic_of(context)->model;

	memset(attr, 0, sizeof(*attr));
	emu_format(attr->fw_ver, sizeof(attr->fw_ver), "0.0.0.0");
	attr->node_guid = read_guid(context->device, "node_guid");
	attr->sys_image_guid = read_guid(context->device, "sys_image_guid");
	attr->max_mr_size = model->max_mr_size;
	attr->page_size_cap = PAGE_SIZES;
	attr->vendor_id = AMAZON_VENDOR_ID;
	attr->vendor_part_id = (uint32_t)model->part_id;
	attr->hw_ver = (uint32_t)model->hw_ver;
	attr->max_qp = (int)model->max_qp;
	attr->max_qp_wr = (int)smaller(model->max_sq_wr, model->max_rq_wr);
	attr->max_sge = (int)smaller(model->max_sq_sge, model->max_rq_sge);
	attr->max_sge_rd = (int)model->max_rdma_sge;
	attr->max_cq = (int)model->max_cq;
	attr->max_cqe = (int)model->max_cqe;
	attr->max_mr = (int)model->max_mr;
	attr->max_pd = (int)model->max_pd;
	attr->max_ah = (int)model->max_ah;
	attr->max_pkeys = 1;
	attr->phys_port_cnt = 1;
}

int ibv_query_device(struct ibv_context *context, struct ibv_device_attr *attr)
{
	fill_device(context, attr);
	return 0;
}

/* attr_size is that of the program's header, which may be older or newer than this one. */
int emu_query_device_ex(struct ibv_context *context, const struct ibv_query_device_ex_input *input,
			struct ibv_device_attr_ex *attr, size_t attr_size)
{
	struct ibv_device_attr_ex full = { .phys_port_cnt_ex = 1 };

	if (input && input->comp_mask)
		return EINVAL;
	if (attr_size < offsetof(struct ibv_device_attr_ex, comp_mask) + sizeof(full.comp_mask))
		return EINVAL;
	fill_device(context, &full.orig_attr);
	memset(attr, 0, attr_size);
	memcpy(attr, &full, smaller(attr_size, sizeof(full)));
	return 0;
}

/* --- port ---------------------------------------------------------------------------------- */

/* As the driver expresses Gb/s by lanes and speed of a lane: the fastest row that is not faster. */
static const struct {
	uint32_t gbps;
	uint8_t width, speed;
} links[] = {
	{ 400, WIDTH_8X, SPEED_HDR },    { 200, WIDTH_4X, SPEED_HDR },
	{ 120, WIDTH_12X, SPEED_FDR10 }, { 100, WIDTH_4X, SPEED_EDR },
	{ 60, WIDTH_12X, SPEED_DDR },    { 50, WIDTH_1X, SPEED_HDR },
	{ 40, WIDTH_4X, SPEED_FDR10 },   { 30, WIDTH_12X, SPEED_SDR },
	{ 0, WIDTH_1X, SPEED_EDR },
};

static void set_link(struct ibv_port_attr *attr, uint64_t gbps)
{
	size_t i = 0;

	while (gbps < links[i].gbps)
		i++;
	attr->active_width = links[i].width;
	attr->active_speed = links[i].speed;
}

static enum ibv_mtu to_mtu(uint64_t bytes)
{
	return bytes >= 4096 ? IBV_MTU_4096 : bytes >= 2048 ? IBV_MTU_2048 : IBV_MTU_1024;
}

static bool port_down(const struct emu_nic *nic)
{
	return atomic_load_explicit(&nic->shared->down, memory_order_relaxed) ||
	       emu_fault_nic_down(nic->world->shared, nic->host, nic->index, emu_now());
}

int emu_query_port(struct ibv_context *context, uint8_t port_num, struct ibv_port_attr *attr,
		   size_t attr_len)
{
	const struct emu_nic *nic = emu_nic_of(context);
	const struct emu_model *model = nic->model;
	struct ibv_port_attr full = {
		.state = IBV_PORT_ACTIVE,
		.phys_state = LINK_UP,
		.max_mtu = to_mtu(model->mtu),
		.active_mtu = to_mtu(model->mtu),
		.gid_tbl_len = 1,
		.max_msg_sz = (uint32_t)model->mtu,
		.pkey_tbl_len = 1,
		.lmc = 1,
		.max_vl_num = 1,
		.link_layer = IBV_LINK_LAYER_UNSPECIFIED,
	};

	if (port_num != 1)
		return EINVAL;
	if (port_down(nic)) {
		full.state = IBV_PORT_DOWN;
		full.phys_state = LINK_DISABLED;
	}
	set_link(&full, model->speed);
	memset(attr, 0, attr_len);
	memcpy(attr, &full, smaller(attr_len, sizeof(full)));
	return 0;
}

/* The exported function fills the struct as it ended before there was port_cap_flags2. */
int(ibv_query_port)(struct ibv_context *context, uint8_t port_num,
		    struct _compat_ibv_port_attr *attr)
{
	return emu_query_port(context, port_num, (struct ibv_port_attr *)(void *)attr,
			      offsetof(struct ibv_port_attr, port_cap_flags2));
}

int ibv_query_port_speed(struct ibv_context *context, uint32_t port_num, uint64_t *port_speed)
{
	if (port_num != 1)
		return EINVAL;
	*port_speed = emu_nic_of(context)->model->speed * 10; /* of 100 Mb/s */
	return 0;
}

/* --- GIDs and partition keys: one of each -------------------------------------------------- */

int _ibv_query_gid_ex(struct ibv_context *context, uint32_t port_num, uint32_t gid_index,
		      struct ibv_gid_entry *entry, uint32_t flags, size_t entry_size)
{
	struct ibv_gid_entry full = { .port_num = 1, .gid_type = IBV_GID_TYPE_IB };

	if (flags || port_num != 1 || gid_index != 0)
		return EINVAL;
	memcpy(full.gid.raw, emu_nic_of(context)->shared->gid, EMU_GID_BYTES);
	memset(entry, 0, entry_size);
	memcpy(entry, &full, smaller(entry_size, sizeof(full)));
	return 0;
}

ssize_t _ibv_query_gid_table(struct ibv_context *context, struct ibv_gid_entry *entries,
			     size_t max_entries, uint32_t flags, size_t entry_size)
{
	if (max_entries < 1)
		return -EINVAL;
	return -_ibv_query_gid_ex(context, 1, 0, entries, flags, entry_size) ?: 1;
}

int ibv_query_gid(struct ibv_context *context, uint8_t port_num, int index, union ibv_gid *gid)
{
	struct ibv_gid_entry entry;

	errno = _ibv_query_gid_ex(context, port_num, (uint32_t)index, &entry, 0, sizeof(entry));
	if (errno)
		return -1;
	*gid = entry.gid;
	return 0;
}

int ibv_query_gid_type(struct ibv_context *context, uint8_t port_num, unsigned int index, int *type)
{
	union ibv_gid gid;

	*type = 0; /* the RDMA core's number for GIDs that are not of RoCE v2 */
	return ibv_query_gid(context, port_num, (int)index, &gid);
}

int ibv_query_pkey(struct ibv_context *context, uint8_t port_num, int index, __be16 *pkey)
{
	(void)context;
	if (port_num != 1 || index != 0) {
		errno = EINVAL;
		return -1;
	}
	*pkey = htobe16(0xffff);
	return 0;
}

int ibv_get_pkey_index(struct ibv_context *context, uint8_t port_num, __be16 pkey)
{
	__be16 first;

	if (ibv_query_pkey(context, port_num, 0, &first))
		return -1;
	if (pkey == first)
		return 0;
	errno = EINVAL;
	return -1;
}
