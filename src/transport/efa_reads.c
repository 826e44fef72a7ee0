/* SPDX-License-Identifier: Apache-2.0 */
/* What libfabric's efa provider is to be asked only where the device has it. */
#include <dlfcn.h>
#include <infiniband/efadv.h>

#include "transport/fabric.h"

/* libibverbs and libefa, opened only to ask. */
struct verbs {
	void *verbs, *efa;
	struct ibv_device **(*list)(int *count);
	void (*free_list)(struct ibv_device **list);
	struct ibv_context *(*open)(struct ibv_device *device);
	int (*close)(struct ibv_context *context);
	int (*query)(struct ibv_context *context, struct efadv_device_attr *attr, uint32_t size);
};

static bool open_verbs(struct verbs *v)
{
	v->verbs = dlopen("libibverbs.so.1", RTLD_NOW | RTLD_LOCAL);
	v->efa = dlopen("libefa.so.1", RTLD_NOW | RTLD_LOCAL);
	if (!v->verbs || !v->efa)
		return false;
	*(void **)&v->list = dlsym(v->verbs, "ibv_get_device_list");
	*(void **)&v->free_list = dlsym(v->verbs, "ibv_free_device_list");
	*(void **)&v->open = dlsym(v->verbs, "ibv_open_device");
	*(void **)&v->close = dlsym(v->verbs, "ibv_close_device");
	*(void **)&v->query = dlsym(v->efa, "efadv_query_device");
	return v->list && v->free_list && v->open && v->close && v->query;
}

static void close_verbs(struct verbs *v)
{
	if (v->efa)
		dlclose(v->efa);
	if (v->verbs)
		dlclose(v->verbs);
}

bool fabric_efa_reads(void)
{
	struct verbs v = { 0 };
	struct ibv_device **devices = NULL;
	struct efadv_device_attr attr = { 0 };
	struct ibv_context *context;
	bool found = false, reads = true;
	int n = 0;

	if (open_verbs(&v))
		devices = v.list(&n);
	for (int i = 0; devices && i < n && !found; i++) {
		context = v.open(devices[i]);
		if (!context)
			continue;
		found = !v.query(context, &attr, sizeof(attr));
		if (found)
			reads = attr.device_caps & EFADV_DEVICE_ATTR_CAPS_RDMA_READ;
		v.close(context);
	}
	if (devices)
		v.free_list(devices);
	close_verbs(&v);
	return reads;
}
