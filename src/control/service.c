/* SPDX-License-Identifier: Apache-2.0 */
#include "control/service.h"

#include <errno.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/err.h"
#include "control/service_int.h"
#include "kv_cache.pb-c.h"

/* A request at the KV server. */
struct service_request {
	struct server_call call;
	struct rpc_call *rpc;
	struct kvproto proto;
	uint64_t request_id;
};

/* --- answers -------------------------------------------------------------------------------------
 */

void service_refuse(struct rpc_call *rpc, int rc)
{
	if (rc == -WEFT_EMESSAGE)
		rpc_fail(rpc, RPC_INVALID_ARGUMENT, weft_error_detail());
	else if (rc == -ENOMEM)
		rpc_fail(rpc, RPC_RESOURCE_EXHAUSTED, "the server has no memory for this request");
	else
		rpc_fail(rpc, RPC_INTERNAL, weft_strerror(rc));
}

void service_answer(struct rpc_call *rpc, const ProtobufCMessage *message)
{
	size_t len;
	void *bytes;

	if (kvproto_pack(message, &bytes, &len))
		service_refuse(rpc, -ENOMEM);
	else
		rpc_reply(rpc, bytes, len);
}

static void request_free(struct service_request *request)
{
	kvproto_free(&request->proto);
	mem_free(request);
}

/* server_reply_fn */
static void request_reply(void *ctx, const struct wire_msg *reply)
{
	struct service_request *request = ctx;
	struct rpc_call *rpc = request->rpc;
	size_t len;
	void *bytes;
	int rc = kvproto_encode(reply, request->request_id, &bytes, &len);

	request_free(request);
	if (rc)
		service_refuse(rpc, rc == -ENOMEM ? rc : -EIO);
	else
		rpc_reply(rpc, bytes, len);
}

/* --- requests ------------------------------------------------------------------------------------
 */

/* A place as the original protocol names it. */
static uint64_t location_start(const KvCache__ValueLocation *location)
{
	uint64_t ptr = location->mr_descriptor ? location->mr_descriptor->ptr : 0;

	return location->offset > UINT64_MAX - ptr ? UINT64_MAX : ptr + location->offset;
}

static void fill_get(struct server_call *call, const KvCache__GetRequest *get, uint64_t inline_max)
{
	const KvCache__ValueLocation *location = get->response_location;

	if (!get->buffer_capacity && location && location->length) {
		call->absolute = true;
		call->msg.remote = location_start(location);
		call->msg.room = location->length;
	}
	if (get->want_inline || (!call->msg.room && !call->msg.session))
		call->inline_max = inline_max;
	else if (!call->absolute)
		call->inline_max = WIRE_INLINE_GET;
}

static void fill_put(struct server_call *call, const KvCache__PutRequest *put)
{
	if (put->value_source_case != KV_CACHE__PUT_REQUEST__VALUE_SOURCE_RDMA_LOCATION)
		return;
	call->absolute = true;
	call->msg.remote = location_start(put->rdma_location);
	call->msg.total = put->rdma_location->length;
}

int service_fill(struct server_call *call, const struct kvproto_method *method,
		 struct kvproto *proto, uint64_t inline_max, uint64_t *request_id)
{
	const void *message = proto->message;
	int rc;

	call->msg = (struct wire_msg){ .kind = method->kind, .slot = SERVER_NO_SLOT };
	rc = method->request_in(message, &call->msg, &proto->extra);
	if (rc)
		return err_set(rc, "an impossible %s request", wire_kind_text(method->kind));
	switch (method->kind) {
	case WIRE_GET:
		call->client_id = ((const KvCache__GetRequest *)message)->client_id;
		*request_id = ((const KvCache__GetRequest *)message)->request_id;
		fill_get(call, message, inline_max);
		break;
	case WIRE_PUT:
		call->client_id = ((const KvCache__PutRequest *)message)->client_id;
		*request_id = ((const KvCache__PutRequest *)message)->request_id;
		fill_put(call, message);
		break;
	case WIRE_DELETE:
		call->client_id = ((const KvCache__DeleteRequest *)message)->client_id;
		*request_id = ((const KvCache__DeleteRequest *)message)->request_id;
		break;
	case WIRE_STAT:
		call->client_id = ((const KvCache__StatRequest *)message)->client_id;
		*request_id = ((const KvCache__StatRequest *)message)->request_id;
		break;
	case WIRE_BYE:
		call->client_id = ((const KvCache__UnregisterRequest *)message)->client_id;
		break;
	default:
		break;
	}
	return 0;
}

uint32_t service_timeout_ms(const struct rpc_call *rpc)
{
	uint64_t left_ns = rpc_call_timeout_ns(rpc), left_ms;

	if (left_ns == RPC_FOREVER)
		return 0;
	left_ms = left_ns / NSEC_PER_MSEC + 1;
	return left_ms < UINT32_MAX ? (uint32_t)left_ms : UINT32_MAX;
}

static void service_request(void *ctx, struct rpc_call *rpc)
{
	const struct service_route *route = ctx;
	struct service_request *request = mem_zalloc(sizeof(*request));
	int rc;

	if (!request) {
		service_refuse(rpc, -ENOMEM);
		return;
	}
	rc = kvproto_unpack(&request->proto, kvproto_descriptor(route->method->path)->input,
			    rpc_call_data(rpc), rpc_call_len(rpc));
	if (!rc)
		rc = service_fill(&request->call, route->method, &request->proto,
				  SERVICE_INLINE_MAX, &request->request_id);
	if (rc) {
		service_refuse(rpc, rc);
		request_free(request);
		return;
	}
	request->rpc = rpc;
	request->call.msg.timeout_ms = service_timeout_ms(rpc);
	request->call.reply = request_reply;
	request->call.ctx = request;
	route->service->ops->call(route->service->kv, &request->call);
}

/* --- life ----------------------------------------------------------------------------------------
 */

static void service_add(struct service *service, const char *path, rpc_handler_fn fn, void *ctx)
{
	service->methods[service->method_count++] = (struct rpc_method){ path, fn, ctx };
}

static void service_routes(struct service *service)
{
	service_add(service, KVPROTO_SERVICE "RegisterClient", service_register, service);
	service_add(service, KVPROTO_SERVICE "Heartbeat", service_heartbeat, service);
	service_add(service, KVPROTO_SERVICE "Batch", service_batch, service);
	service_add(service, "/grpc.health.v1.Health/Check", service_check, service);
	for (unsigned kind = 0; kind < WIRE_REPLY; kind++) {
		const struct kvproto_method *method = kvproto_kind((uint8_t)kind);
		struct service_route *route = &service->routes[service->method_count];

		if (!method)
			continue;
		*route = (struct service_route){ service, method };
		service_add(service, method->path, service_request, route);
	}
}

int service_open(struct service **ret, const struct service_opts *opts)
{
	struct rpc_server_opts rpc = { .addr = opts->addr,
				       .threads = opts->threads,
				       .call_limit = opts->call_limit };
	struct service *service = mem_zalloc(sizeof(*service));
	int rc;

	if (!service)
		return err_set(-ENOMEM, "no memory for the gRPC service");
	service->ops = opts->ops;
	service->kv = opts->kv;
	atomic_init(&service->serving, true);
	service_routes(service);
	rpc.methods = service->methods;
	rpc.method_count = service->method_count;
	rc = rpc_server_open(&service->rpc, &rpc);
	if (rc) {
		mem_free(service);
		return rc;
	}
	*ret = service;
	return 0;
}

uint16_t service_port(const struct service *service)
{
	return rpc_server_port(service->rpc);
}

void service_set_serving(struct service *service, bool serving)
{
	atomic_store(&service->serving, serving);
}

uint32_t service_stop(struct service *service, uint64_t drain_ns)
{
	service_set_serving(service, false);
	return rpc_server_stop(service->rpc, drain_ns);
}

void service_close(struct service *service)
{
	if (!service)
		return;
	rpc_server_close(service->rpc);
	mem_free(service);
}
