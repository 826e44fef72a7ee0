/* SPDX-License-Identifier: Apache-2.0 */
/* What libfabric's efa provider is to be asked only where the device has it. */
#include <dlfcn.h>
#include <infiniband/efadv.h>
#include <string.h>

#include "transport/fabric.h"

/* libibverbs and libefa, opened only to ask. */
struct verbs {
	void *verbs, *efa;
	struct ibv_device **(*list)(int *count);
	void (*free_list)(struct ibv_device **list);
	const char *(*name)(struct ibv_device *device);
	struct ibv_context *(*open)(struct ibv_device *device);
	int (*close)(struct ibv_context *context);
	int (*query)(struct ibv_context *context, struct ibv_device_attr *attr);
	int (*query_efa)(struct ibv_context *context, struct efadv_device_attr *attr,
			 uint32_t size);
};

static bool open_verbs(struct verbs *v)
{
	v->verbs = dlopen("libibverbs.so.1", RTLD_NOW | RTLD_LOCAL);
	v->efa = dlopen("libefa.so.1", RTLD_NOW | RTLD_LOCAL);
	if (!v->verbs || !v->efa)
		return false;
	*(void **)&v->list = dlsym(v->verbs, "ibv_get_device_list");
	*(void **)&v->free_list = dlsym(v->verbs, "ibv_free_device_list");
	*(void **)&v->name = dlsym(v->verbs, "ibv_get_device_name");
	*(void **)&v->open = dlsym(v->verbs, "ibv_open_device");
	*(void **)&v->close = dlsym(v->verbs, "ibv_close_device");
	*(void **)&v->query = dlsym(v->verbs, "ibv_query_device");
	*(void **)&v->query_efa = dlsym(v->efa, "efadv_query_device");
	return v->list && v->free_list && v->name && v->open && v->close && v->query &&
	       v->query_efa;
}

static void close_verbs(struct verbs *v)
{
	if (v->efa)
		dlclose(v->efa);
	if (v->verbs)
		dlclose(v->verbs);
}

static bool query(const struct verbs *v, struct ibv_device *device, struct efa_device *ret)
{
	struct ibv_context *context = v->open(device);
	struct efadv_device_attr efa = { 0 };
	struct ibv_device_attr attr = { 0 };
	bool found;

	if (!context)
		return false;
	found = !v->query_efa(context, &efa, sizeof(efa)) && !v->query(context, &attr);
	ret->part = attr.vendor_part_id;
	ret->reads = efa.device_caps & EFADV_DEVICE_ATTR_CAPS_RDMA_READ;
	v->close(context);
	return found;
}

bool fabric_efa_device(const char *name, struct efa_device *ret)
{
	struct verbs v = { 0 };
	struct ibv_device **devices = NULL;
	bool found = false;
	int n = 0;

	if (open_verbs(&v))
		devices = v.list(&n);
	for (int i = 0; devices && i < n && !found; i++)
		if (!name || !strcmp(v.name(devices[i]), name))
			found = query(&v, devices[i], ret);
	if (devices)
		v.free_list(devices);
	close_verbs(&v);
	return found;
}
