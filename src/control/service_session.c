/* SPDX-License-Identifier: Apache-2.0 */
#include "control/service_int.h"

#include <errno.h>
#include <string.h>

#include "base/err.h"
#include "health.pb-c.h"
#include "kv_cache.pb-c.h"

/* The request of the method; freed by the caller. False: the call was refused. */
static bool session_unpack(struct kvproto *ret, const ProtobufCMessageDescriptor *descriptor,
			   struct rpc_call *rpc)
{
	int rc = kvproto_unpack(ret, descriptor, rpc_call_data(rpc), rpc_call_len(rpc));

	if (rc)
		service_refuse(rpc, rc);
	return !rc;
}

static int register_hello(struct service *service, const KvCache__RegisterClientRequest *in,
			  struct kv_welcome *welcome)
{
	struct kv_hello hello = { .client_id = in->client_id,
				  .protocol = in->protocol_version,
				  .credits = in->credits_wanted,
				  .capabilities = in->capabilities,
				  .replaces = in->replaces_session_id,
				  .buffer_bytes = in->receive_buffer_size,
				  .buffer_base = in->buffer_base,
				  .descriptor = in->weft_descriptor.data,
				  .descriptor_len = in->weft_descriptor.len };

	if (hello.descriptor_len > WEFT_DESCRIPTOR_MAX)
		return err_set(-WEFT_EDESCRIPTOR, "a descriptor of %zu bytes: at most %u",
			       hello.descriptor_len, WEFT_DESCRIPTOR_MAX);
	return service->ops->hello(service->kv, &hello, welcome);
}

static void register_welcome(KvCache__RegisterClientResponse *out, struct kv_welcome *welcome)
{
	out->success = true;
	out->server_id = welcome->node_id;
	out->protocol_version = welcome->protocol;
	out->weft_descriptor.data = welcome->descriptor;
	out->weft_descriptor.len = welcome->descriptor_len;
	out->session_id = welcome->session;
	out->credits = welcome->credits;
	out->max_value_length = welcome->max_value;
	out->inline_limit = welcome->inline_max;
	out->heartbeat_interval_ms = welcome->heartbeat_ms;
	out->session_timeout_ms = welcome->session_timeout_ms;
	out->capabilities = welcome->capabilities;
	out->client_id = welcome->client_id;
}

void service_register(void *ctx, struct rpc_call *rpc)
{
	KvCache__RegisterClientResponse out = KV_CACHE__REGISTER_CLIENT_RESPONSE__INIT;
	struct kv_welcome welcome = { 0 };
	struct kvproto in;
	char text[KVPROTO_TEXT_MAX];
	int rc;

	if (!session_unpack(&in, &kv_cache__register_client_request__descriptor, rpc))
		return;
	err_clear();
	rc = register_hello(ctx, (const void *)in.message, &welcome);
	if (!rc) {
		register_welcome(&out, &welcome);
	} else {
		const char *detail = weft_error_detail();

		kvproto_failure(text, (uint32_t)-rc, detail, strlen(detail));
		out.error_code = (uint32_t)-rc;
		out.error_message = text;
	}
	service_answer(rpc, &out.base);
	kvproto_free(&in);
}

void service_heartbeat(void *ctx, struct rpc_call *rpc)
{
	KvCache__HeartbeatResponse out = KV_CACHE__HEARTBEAT_RESPONSE__INIT;
	const KvCache__HeartbeatRequest *request;
	struct service *service = ctx;
	struct kvproto in;

	if (!session_unpack(&in, &kv_cache__heartbeat_request__descriptor, rpc))
		return;
	request = (const void *)in.message;
	out.alive = service->ops->heartbeat(service->kv, request->session_id, request->client_id);
	service_answer(rpc, &out.base);
	kvproto_free(&in);
}

static bool check_knows(const char *name)
{
	return !*name || !strcmp(name, "kv_cache.KvCacheService") ||
	       !strcmp(name, "grpc.health.v1.Health");
}

void service_check(void *ctx, struct rpc_call *rpc)
{
	Grpc__Health__V1__HealthCheckResponse out = GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__INIT;
	const Grpc__Health__V1__HealthCheckRequest *request;
	struct service *service = ctx;
	struct kvproto in;

	if (!session_unpack(&in, &grpc__health__v1__health_check_request__descriptor, rpc))
		return;
	request = (const void *)in.message;
	out.status = atomic_load(&service->serving)
			     ? GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__SERVING
			     : GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__NOT_SERVING;
	if (check_knows(request->service))
		service_answer(rpc, &out.base);
	else
		rpc_fail(rpc, RPC_NOT_FOUND, "there is no such service here");
	kvproto_free(&in);
}
