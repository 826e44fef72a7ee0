/* SPDX-License-Identifier: Apache-2.0 */
#include "control/service.h"

static int kv_hello(void *kv, const struct kv_hello *hello, struct kv_welcome *ret)
{
	return server_hello(kv, hello, ret);
}

static bool kv_heartbeat(void *kv, uint64_t session, uint32_t client_id)
{
	return server_heartbeat(kv, session, client_id);
}

static void kv_call(void *kv, struct server_call *call)
{
	server_call(kv, call);
}

const struct kv_service_ops service_kv_ops = {
	.hello = kv_hello,
	.heartbeat = kv_heartbeat,
	.call = kv_call,
};
