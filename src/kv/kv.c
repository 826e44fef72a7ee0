/* SPDX-License-Identifier: Apache-2.0 */
/* Opening a client: over gRPC, or with a server of its own. */
#include <string.h>

#include "kv/client_int.h"

#define LOCAL_ADDR  "in-process"
#define LOCAL_BYTES ((uint64_t)256 << 20)

/* The transport of a client and a server in one process is loop unless another is asked for. */
static int open_local(struct weft_kv **ret, const struct weft_kv_opts *given)
{
	struct weft_kv_opts opts = { 0 };
	struct server_opts local = { 0 };
	struct server *server;
	int rc;

	memcpy(&opts, given, given->size < sizeof(opts) ? given->size : sizeof(opts));
	opts.size = sizeof(opts);
	if (!opts.provider || !strcmp(opts.provider, "auto"))
		opts.provider = "loop";
	local.provider = opts.provider;
	local.devices = opts.devices;
	local.device_rdma = opts.device_rdma;
	local.nics = opts.nics;
	local.bind_addr = opts.bind_addr;
	local.pool_bytes = opts.local_bytes ? opts.local_bytes : LOCAL_BYTES;
	local.log = opts.log;
	local.log_ctx = opts.ctx;
	local.log_level = opts.log_level;
	rc = server_open(&server, &local);
	if (rc)
		return rc;
	rc = client_open(ret, &opts, &control_local, server);
	if (rc)
		server_close(server);
	else
		(*ret)->local = server;
	return rc;
}

int weft_kv_open(struct weft_kv **ret, const struct weft_kv_opts *opts)
{
	if (opts && opts->size > offsetof(struct weft_kv_opts, server_addr) && opts->server_addr &&
	    !strcmp(opts->server_addr, LOCAL_ADDR))
		return open_local(ret, opts);
	return client_open(ret, opts, &control_grpc, NULL);
}
