/* SPDX-License-Identifier: Apache-2.0 */
/* Memory of the user: registered and let go. */
#include <errno.h>
#include <stdio.h>

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

int fabric_pin(struct port *port, void *base, size_t len, uint32_t access, struct pin *ret)
{
	uint64_t flags = FI_READ | FI_WRITE | FI_SEND | FI_RECV;
	struct fid_mr *mr;
	int rc;

	if (access & WEFT_REMOTE_READ)
		flags |= FI_REMOTE_READ;
	if (access & WEFT_REMOTE_WRITE)
		flags |= FI_REMOTE_WRITE;
	/* Keys that the application may choose are not to be guessed from their neighbours. */
	port->next_key = port->next_key * 6364136223846793005ull + 1442695040888963407ull;
	rc = fi_mr_reg(port->domain, base, len, flags, 0, port->next_key, 0, &mr, NULL);
	if (rc) {
		fabric_failed(port, rc, "fi_mr_reg");
		return refused(rc);
	}
	ret->handle = mr;
	ret->desc = fi_mr_desc(mr);
	ret->key = fi_mr_key(mr);
	ret->base = port->info->domain_attr->mr_mode & FI_MR_VIRT_ADDR ? (uintptr_t)base : 0;
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
