/* SPDX-License-Identifier: Apache-2.0 */
/* libibverbs and libefa: which devices there are, whether they open, what they can. */
#include <dlfcn.h>
#include <errno.h>
#include <infiniband/efadv.h>
#include <infiniband/verbs.h>
#include <stdio.h>
#include <string.h>

#include "doctor/probe.h"

/* Macros and inline functions of the header, which are other functions in the library. */
#undef ibv_get_device_list
#undef ibv_query_port

struct verbs {
	struct ibv_device **(*get_device_list)(int *count);
	struct ibv_context *(*open_device)(struct ibv_device *device);
	int (*close_device)(struct ibv_context *context);
	const char *(*get_device_name)(struct ibv_device *device);
	int (*query_device)(struct ibv_context *context, struct ibv_device_attr *attr);
	int (*query_port)(struct ibv_context *context, uint8_t port, struct ibv_port_attr *attr);
	int (*query_gid)(struct ibv_context *context, uint8_t port, int index, union ibv_gid *gid);
	int (*is_fork_initialized)(void);
	int (*efadv_query_device)(struct ibv_context *context, struct efadv_device_attr *attr,
				  uint32_t len);
};

/* libibverbs.so.1.14.44.0 is that of rdma-core 44.0. */
static void put_version(void *function)
{
	unsigned int abi, minor, major, patch;
	char path[PROBE_TEXT_MAX];
	const char *name;

	probe_path(function, path, sizeof(path));
	name = strrchr(path, '/') ? strrchr(path, '/') + 1 : path;
	if (sscanf(name, "libibverbs.so.%u.%u.%u.%u", &abi, &minor, &major, &patch) == 4)
		probe_put("ibverbs=rdma-core %u.%u", major, patch);
	else
		probe_put("ibverbs=%s", *name ? name : "version unknown");
	if (*path)
		probe_put("ibverbs_path=%s", path);
}

/* Without devices the library cannot ask the kernel, and what it says is no answer. */
static void put_fork(const struct verbs *verbs)
{
	int state = verbs->is_fork_initialized ? verbs->is_fork_initialized() : -1;

	if (state == IBV_FORK_UNNEEDED)
		probe_put("fork=unneeded");
	else if (state == IBV_FORK_ENABLED)
		probe_put("fork=enabled");
	else if (state == IBV_FORK_DISABLED)
		probe_put("fork=disabled");
}

static void put_port(const struct verbs *verbs, struct ibv_context *context, int n)
{
	struct ibv_port_attr port;
	union ibv_gid gid;
	char text[64];
	int len = 0;

	memset(&port, 0, sizeof(port));
	if (verbs->query_port && !verbs->query_port(context, 1, &port)) {
		probe_put("dev.%d.port_state=%d", n, (int)port.state);
		probe_put("dev.%d.max_msg=%u", n, port.max_msg_sz);
		probe_put("dev.%d.gid_tbl_len=%d", n, port.gid_tbl_len);
	}
	if (!verbs->query_gid || verbs->query_gid(context, 1, 0, &gid))
		return;
	for (int i = 0; i < 16; i += 2)
		len += snprintf(text + len, sizeof(text) - (size_t)len, "%s%02x%02x", i ? ":" : "",
				gid.raw[i], gid.raw[i + 1]);
	probe_put("dev.%d.gid=%s", n, text);
}

static void put_efa(const struct verbs *verbs, struct ibv_context *context, int n)
{
	struct efadv_device_attr attr;

	memset(&attr, 0, sizeof(attr));
	if (!verbs->efadv_query_device || verbs->efadv_query_device(context, &attr, sizeof(attr)))
		return;
	probe_put("dev.%d.efa.caps=0x%x", n, attr.device_caps);
	probe_put("dev.%d.efa.max_rdma_size=%u", n, attr.max_rdma_size);
	probe_put("dev.%d.efa.max_sq_wr=%u", n, attr.max_sq_wr);
	probe_put("dev.%d.efa.inline=%u", n, attr.inline_buf_size);
}

static void put_device(const struct verbs *verbs, struct ibv_device *device, int n)
{
	struct ibv_context *context;
	struct ibv_device_attr attr;
	char why[PROBE_TEXT_MAX];

	probe_put("dev.%d=%s", n, verbs->get_device_name(device));
	errno = 0;
	context = verbs->open_device(device);
	if (!context) {
		probe_put("dev.%d.open=%s", n, probe_error(errno ? errno : EIO, why, sizeof(why)));
		return;
	}
	probe_put("dev.%d.open=ok", n);
	memset(&attr, 0, sizeof(attr));
	if (verbs->query_device && !verbs->query_device(context, &attr)) {
		probe_put("dev.%d.max_qp=%d", n, attr.max_qp);
		probe_put("dev.%d.max_mr_size=%llu", n, (unsigned long long)attr.max_mr_size);
	}
	put_port(verbs, context, n);
	put_efa(verbs, context, n);
	verbs->close_device(context);
}

void probe_verbs(void)
{
	void *ibverbs = probe_open("ibverbs", "libibverbs.so.1"), *efa;
	struct verbs verbs = { 0 };
	struct ibv_device **devices;
	char why[PROBE_TEXT_MAX];
	int count = 0;

	efa = probe_open("efa_lib", "libefa.so.1");
	if (efa)
		probe_put("efa_lib=present");
	if (!ibverbs)
		return;
#define FIND(library, member, name) *(void **)&verbs.member = dlsym(library, name)
	FIND(ibverbs, get_device_list, "ibv_get_device_list");
	FIND(ibverbs, open_device, "ibv_open_device");
	FIND(ibverbs, close_device, "ibv_close_device");
	FIND(ibverbs, get_device_name, "ibv_get_device_name");
	FIND(ibverbs, query_device, "ibv_query_device");
	FIND(ibverbs, query_port, "ibv_query_port");
	FIND(ibverbs, query_gid, "ibv_query_gid");
	FIND(ibverbs, is_fork_initialized, "ibv_is_fork_initialized");
	if (efa)
		FIND(efa, efadv_query_device, "efadv_query_device");
#undef FIND
	put_version((void *)verbs.get_device_list);
	if (!verbs.get_device_list || !verbs.open_device || !verbs.close_device ||
	    !verbs.get_device_name)
		return;
	devices = verbs.get_device_list(&count);
	if (!devices)
		probe_put("devices=%s", probe_error(errno, why, sizeof(why)));
	if (devices && count)
		put_fork(&verbs);
	for (int i = 0; devices && i < count && i < PROBE_DEVICES_MAX; i++)
		put_device(&verbs, devices[i], i);
}
