/* SPDX-License-Identifier: Apache-2.0 */
/* Memory of the user: registered and let go. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/uio.h>

#include "transport/fabric.h"

static int refused(int rc)
{
	switch (rc) {
	case -FI_ENOMEM:
		return -ENOMEM;
	case -FI_EAGAIN:
		return -EAGAIN;
	case -FI_EINVAL:
		return -EINVAL;
	case -EFAULT:
		return -EFAULT;
	default:
		return -WEFT_EPROVIDER;
	}
}

static uint64_t access_flags(uint32_t access)
{
	uint64_t flags = FI_READ | FI_WRITE | FI_SEND | FI_RECV;

	if (access & WEFT_REMOTE_READ)
		flags |= FI_REMOTE_READ;
	if (access & WEFT_REMOTE_WRITE)
		flags |= FI_REMOTE_WRITE;
	return flags;
}

/* Keys that the application may choose are not to be guessed from their neighbours. */
static uint64_t next_key(struct port *port)
{
	port->next_key = port->next_key * 6364136223846793005ull + 1442695040888963407ull;
	return port->next_key;
}

static void registered(const struct port *port, struct fid_mr *mr, void *base, struct pin *ret)
{
	ret->handle = mr;
	ret->desc = fi_mr_desc(mr);
	ret->key = fi_mr_key(mr);
	ret->base = port->info->domain_attr->mr_mode & FI_MR_VIRT_ADDR ? (uintptr_t)base : 0;
}

int fabric_pin(struct port *port, void *base, size_t len, uint32_t access, struct pin *ret)
{
	struct fid_mr *mr;
	int rc;

	rc = fi_mr_reg(port->domain, base, len, access_flags(access), 0, next_key(port), 0, &mr,
		       NULL);
	if (rc) {
		fabric_failed(port, rc, "fi_mr_reg");
		return refused(rc);
	}
	registered(port, mr, base, ret);
	return 0;
}

/* --- memory of GPUs ------------------------------------------------------------------------ */

/*
 * Without FI_HMEM libfabric's efa takes a GPU's address for the host's. With it, it may let its
 * software copy where the device cannot reach the GPU; weft's own copies are better than that, as
 * they do not stop the thread, so the device alone is asked for. Providers that do not know the
 * option have no such software, and refuse the registration.
 */
void fabric_gpus(struct port *port)
{
	int required = FI_HMEM_P2P_REQUIRED;

	if (!port->provider->reaches_gpus)
		port->no_gpus = "the provider moves data by software";
	else if (!port->gpus_asked)
		port->no_gpus =
			"no CUDA driver was loaded, or asked for, when the engine was opened";
	else if (!(port->info->caps & FI_HMEM))
		port->no_gpus = "this libfabric offers no FI_HMEM for it";
	else if (fi_setopt(&port->ep->fid, FI_OPT_ENDPOINT, FI_OPT_FI_HMEM_P2P, &required,
			   sizeof(required)) == -FI_EOPNOTSUPP)
		port->no_gpus = "it has no peer-to-peer access to a GPU; look for the module "
				"nvidia_peermem or efa_nv_peermem, or for dma-buf";
}

/* A later library reads fields that the headers of an earlier one lack. */
union mr_attr {
	struct fi_mr_attr known;
	uint8_t room[256];
};

static int register_gpu(struct port *port, const struct gpu_memory *memory, uint32_t access,
			struct fid_mr **ret)
{
	struct iovec iov = { .iov_base = memory->base, .iov_len = memory->len };
	union mr_attr attr;

	memset(&attr, 0, sizeof(attr));
	attr.known.mr_iov = &iov;
	attr.known.iov_count = 1;
	attr.known.access = access_flags(access);
	attr.known.requested_key = next_key(port);
	attr.known.iface = FI_HMEM_CUDA;
	attr.known.device.cuda = memory->ordinal;
#ifdef FI_MR_DMABUF
	struct fi_mr_dmabuf dmabuf = {
		.fd = memory->dmabuf,
		.offset = memory->dmabuf_offset,
		.len = memory->len,
		.base_addr = (uint8_t *)memory->base - memory->dmabuf_offset,
	};

	if (memory->dmabuf >= 0) {
		if (fi_version() < FI_VERSION(1, 20))
			return -FI_EOPNOTSUPP;
		attr.known.dmabuf = &dmabuf;
		return fi_mr_regattr(port->domain, &attr.known, FI_MR_DMABUF, ret);
	}
#else
	if (memory->dmabuf >= 0)
		return -FI_EOPNOTSUPP;
#endif
	return fi_mr_regattr(port->domain, &attr.known, 0, ret);
}

int fabric_pin_gpu(struct port *port, const struct gpu_memory *memory, uint32_t access,
		   struct pin *ret)
{
	struct fid_mr *mr;
	int rc = register_gpu(port, memory, access, &mr);

	if (rc) {
		fabric_failed(port, rc,
			      memory->dmabuf >= 0 ? "fi_mr_regattr with FI_MR_DMABUF"
						  : "fi_mr_regattr with FI_HMEM_CUDA");
		return rc == -FI_EOPNOTSUPP || rc == -FI_ENOSYS ? -EOPNOTSUPP : refused(rc);
	}
	registered(port, mr, memory->base, ret);
	return 0;
}

void fabric_unpin(struct port *port, struct pin *pin)
{
	struct fid_mr *mr = pin->handle;

	(void)port;
	if (mr)
		fi_close(&mr->fid);
	pin->handle = NULL;
}

/*
 * libfabric's verbs has a cache of registrations, unless the environment turns it off before the
 * first use: what is closed stays in it, and every entry lets peers read and write. While the
 * message buffers are registered, the same memory again comes out of the cache, with the same key;
 * two registrations of a device never have one.
 */
bool fabric_keeps_pins(struct port *port)
{
	char text[192];
	bool keeps;
	struct fid_mr *mr;

	if (!port->provider->caches_pins || !port->buffers_mr)
		return false;
	if (fi_mr_reg(port->domain, port->buffers, port->buffers_len, FI_SEND | FI_RECV, 0,
		      port->next_key++, 0, &mr, NULL))
		return true; /* not known */
	keeps = fi_mr_key(mr) == fi_mr_key(port->buffers_mr);
	fi_close(&mr->fid);
	if (keeps && port->log && port->log_level >= WEFT_LOG_WARN) {
		snprintf(text, sizeof(text),
			 "%s: libfabric keeps closed registrations, and each lets peers read and "
			 "write; FI_MR_CACHE_MAX_COUNT=0 in the environment ends that",
			 port->provider->name);
		port->log(port->log_ctx, WEFT_LOG_WARN, text);
	}
	return keeps;
}
