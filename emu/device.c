/* SPDX-License-Identifier: Apache-2.0 */
/* The list of devices, and contexts: open and close. Neither takes a slot of the world. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "emu/sysfs.h"
#include "emu/verbs.h"
#include "emu/world.h"

/* Programs may hold a device as long as they like: these stay for as long as the process. */
static pthread_once_t devices_once = PTHREAD_ONCE_INIT;
static struct emu_device *devices;
static uint32_t device_count;

/* The driver gives as many event queues, and so completion vectors, as there are processors and
 * the device allows. */
enum {
	COMP_VECTORS = 8
};

static int init_device(struct emu_device *device, uint32_t index, const struct emu_nic *nic)
{
	struct ibv_device *base = &device->base.device;
	char sys[IBV_SYSFS_PATH_MAX];
	int error;

	device->index = index;
	base->node_type = IBV_NODE_UNSPECIFIED;
	base->transport_type = IBV_TRANSPORT_UNSPECIFIED;
	error = emu_sysfs_path(nic->world->dir, nic->host, sys, sizeof(sys));
	error = error ?: emu_format(base->name, sizeof(base->name), "%s", nic->shared->name);
	error = error ?: emu_format(base->dev_name, sizeof(base->dev_name), "uverbs%u", index);
	error = error
			?: emu_format(base->dev_path, sizeof(base->dev_path),
				      "%s/class/infiniband_verbs/%s", sys, base->dev_name);
	error = error
			?: emu_format(base->ibdev_path, sizeof(base->ibdev_path),
				      "%s/class/infiniband/%s", sys, base->name);
	if (error)
		emu_warn("%s: the path of the world is too long for verbs, which take %d bytes; "
			 "choose a shorter --world",
			 nic->world->dir, IBV_SYSFS_PATH_MAX);
	return error;
}

static void open_devices(void)
{
	uint32_t count = emu_nic_count();
	struct emu_device *made;

	if (!count)
		return;
	made = calloc(count, sizeof(*made));
	for (uint32_t i = 0; made && i < count; i++) {
		if (init_device(&made[i], i, emu_nic_at(i))) {
			free(made);
			return;
		}
	}
	devices = made;
	device_count = made ? count : 0;
}

struct ibv_device **ibv_get_device_list(int *num_devices)
{
	struct ibv_device **list;

	if (num_devices)
		*num_devices = 0;
	pthread_once(&devices_once, open_devices);
	if (!devices) {
		errno = ENOSYS;
		return NULL;
	}
	list = calloc(device_count + 1, sizeof(struct ibv_device *));
	if (!list) {
		errno = ENOMEM;
		return NULL;
	}
	for (uint32_t i = 0; i < device_count; i++) {
		list[i] = &devices[i].base.device;
		atomic_fetch_add_explicit(&devices[i].references, 1, memory_order_relaxed);
	}
	if (num_devices)
		*num_devices = (int)device_count;
	return list;
}

static struct emu_device *emu_device_of(struct ibv_device *device)
{
	return (struct emu_device *)(void *)device;
}

void ibv_free_device_list(struct ibv_device **list)
{
	for (uint32_t i = 0; list[i]; i++)
		atomic_fetch_sub_explicit(&emu_device_of(list[i])->references, 1,
					  memory_order_relaxed);
	free(list);
}

const char *ibv_get_device_name(struct ibv_device *device)
{
	return device->name;
}

int ibv_get_device_index(struct ibv_device *device)
{
	return (int)emu_device_of(device)->index;
}

/* --- contexts ------------------------------------------------------------------------------ */

static struct ibv_mw *no_alloc_mw(struct ibv_pd *pd, enum ibv_mw_type type)
{
	(void)pd;
	(void)type;
	errno = EOPNOTSUPP;
	return NULL;
}

static int no_bind_mw(struct ibv_qp *qp, struct ibv_mw *mw, struct ibv_mw_bind *bind)
{
	(void)qp;
	(void)mw;
	(void)bind;
	return EOPNOTSUPP;
}

static int no_dealloc_mw(struct ibv_mw *mw)
{
	(void)mw;
	return EOPNOTSUPP;
}

static int no_post_srq_recv(struct ibv_srq *srq, struct ibv_recv_wr *wr, struct ibv_recv_wr **bad)
{
	(void)srq;
	*bad = wr;
	return EOPNOTSUPP;
}

/* What the library leaves NULL the inline functions of <infiniband/verbs.h> answer with
 * EOPNOTSUPP, as EFA's provider does. */
static void set_ops(struct verbs_context *verbs)
{
	struct ibv_context_ops *ops = &verbs->context.ops;

	verbs->sz = sizeof(*verbs);
	verbs->context.abi_compat = __VERBS_ABI_IS_EXTENDED;
	verbs->query_port = emu_query_port;
	verbs->query_device_ex = emu_query_device_ex;
	verbs->create_cq_ex = emu_create_cq_ex;
	verbs->create_qp_ex = emu_create_qp_ex;
	ops->_compat_query_device = ibv_query_device;
	ops->_compat_query_port = (ibv_query_port);
	ops->poll_cq = emu_poll_cq;
	ops->req_notify_cq = emu_req_notify_cq;
	ops->post_send = emu_post_send;
	ops->post_recv = emu_post_recv;
	ops->alloc_mw = no_alloc_mw;
	ops->bind_mw = no_bind_mw;
	ops->dealloc_mw = no_dealloc_mw;
	ops->post_srq_recv = no_post_srq_recv;
}

struct ibv_context *ibv_open_device(struct ibv_device *device)
{
	struct emu_nic *nic = emu_nic_at(emu_device_of(device)->index);
	int error = emu_begin(nic, EMU_CALL_OPEN);
	struct emu_context *context;

	if (error)
		return emu_failed(nic, EMU_CALL_OPEN, error);
	context = calloc(1, sizeof(*context));
	if (!context)
		return emu_failed(nic, EMU_CALL_OPEN, ENOMEM);
	context->verbs.context.async_fd = eventfd(0, EFD_SEMAPHORE | EFD_CLOEXEC);
	if (context->verbs.context.async_fd < 0) {
		error = errno;
		free(context);
		return emu_failed(nic, EMU_CALL_OPEN, error);
	}
	context->nic = nic;
	context->verbs.context.device = device;
	context->verbs.context.cmd_fd = -1;
	context->verbs.context.num_comp_vectors = nic->model->channels ? COMP_VECTORS : 1;
	pthread_mutex_init(&context->verbs.context.mutex, NULL);
	pthread_mutex_init(&context->async_lock, NULL);
	context->async_last = &context->async_first;
	atomic_init(&context->objects, 1);
	set_ops(&context->verbs);
	atomic_fetch_add_explicit(&nic->contexts, 1, memory_order_relaxed);
	emu_async_open(context);
	emu_done(nic, EMU_CALL_OPEN, 0);
	return &context->verbs.context;
}

void emu_context_put(struct emu_context *context)
{
	if (atomic_fetch_sub_explicit(&context->objects, 1, memory_order_acq_rel) != 1)
		return;
	pthread_mutex_destroy(&context->verbs.context.mutex);
	pthread_mutex_destroy(&context->async_lock);
	free(context);
}

int ibv_close_device(struct ibv_context *ibv_context)
{
	struct emu_context *context = emu_context_of(ibv_context);

	emu_async_close(context);
	atomic_fetch_sub_explicit(&context->nic->contexts, 1, memory_order_relaxed);
	emu_command(context->nic, 0);
	emu_context_put(context);
	return 0;
}

struct ibv_context *ibv_import_device(int cmd_fd)
{
	/* EFA's provider has no import. */
	(void)cmd_fd;
	errno = EOPNOTSUPP;
	return NULL;
}
