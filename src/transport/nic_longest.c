/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The longest registration of an RDMA device (max_mr_size). libfabric does not tell it, and sysfs
 * has it not; libibverbs has. It is there wherever a provider drives an RDMA device, so it is
 * looked up in this process and never loaded, and weft needs no header of it: the start of struct
 * ibv_device_attr is a part of its binary interface.
 */
#include <dlfcn.h>
#include <string.h>

#include "transport/transport.h"

struct verbs_attr {
	char fw_ver[64];
	uint64_t node_guid, sys_image_guid, max_mr_size;
	uint8_t rest[1024]; /* more than there is */
};

struct verbs {
	void **(*list)(int *count);
	void (*free_list)(void **list);
	const char *(*name)(void *device);
	void *(*open)(void *device);
	int (*close)(void *context);
	int (*query)(void *context, struct verbs_attr *ret);
};

static bool find(void *library, const char *name, void *ret)
{
	void *symbol = dlsym(library, name);

	memcpy(ret, &symbol, sizeof(symbol));
	return symbol != NULL;
}

static bool find_all(void *library, struct verbs *ret)
{
	return find(library, "ibv_get_device_list", &ret->list) &&
	       find(library, "ibv_free_device_list", &ret->free_list) &&
	       find(library, "ibv_get_device_name", &ret->name) &&
	       find(library, "ibv_open_device", &ret->open) &&
	       find(library, "ibv_close_device", &ret->close) &&
	       find(library, "ibv_query_device", &ret->query);
}

static uint64_t ask(const struct verbs *verbs, void *device)
{
	struct verbs_attr attr = { .max_mr_size = 0 };
	void *context = verbs->open(device);
	uint64_t longest = UINT64_MAX;

	if (!context)
		return longest;
	/* 0 is no answer. */
	if (verbs->query(context, &attr) == 0 && attr.max_mr_size)
		longest = attr.max_mr_size;
	verbs->close(context);
	return longest;
}

static uint64_t ask_by_name(const struct verbs *verbs, const char *nic)
{
	uint64_t longest = UINT64_MAX;
	void **list;
	int count = 0, i;

	list = verbs->list(&count);
	if (!list)
		return longest;
	for (i = 0; i < count; i++)
		if (strcmp(verbs->name(list[i]), nic) == 0) {
			longest = ask(verbs, list[i]);
			break;
		}
	verbs->free_list(list);
	return longest;
}

uint64_t nic_longest(const char *nic)
{
	uint64_t longest = UINT64_MAX;
	struct verbs verbs;
	void *library;

	if (!*nic)
		return longest;
	library = dlopen("libibverbs.so.1", RTLD_LAZY | RTLD_NOLOAD);
	if (!library)
		return longest;
	if (find_all(library, &verbs))
		longest = ask_by_name(&verbs, nic);
	dlclose(library);
	return longest;
}
