/* SPDX-License-Identifier: Apache-2.0 */
/* control_grpc: the KV client's control connection over gRPC. */
#include <errno.h>
#include <limits.h>
#include <string.h>

#include "base/alloc.h"
#include "base/err.h"
#include "base/list.h"
#include "control/kvproto.h"
#include "control/rpc.h"
#include "kv/control.h"
#include "kv_cache.pb-c.h"

/* Answers handled in one poll. */
#define KVRPC_POLL_MAX 64

struct kvrpc {
	struct rpc_channel *channel;
	struct rpc_queue *queue;
	struct list calls; /* struct kvrpc_call, under way */
};

struct kvrpc_call {
	struct list link; /* in kvrpc->calls */
	struct rpc_op *op;
	struct wire_msg request; /* header fields only */
	control_done_fn done;
	void *ctx;
};

static void kvrpc_close(void *control)
{
	struct kvrpc *kvrpc = control;
	struct list *link;

	if (!kvrpc)
		return;
	while ((link = list_pop(&kvrpc->calls))) {
		struct kvrpc_call *call = list_entry(link, struct kvrpc_call, link);

		rpc_op_close(call->op);
		mem_free(call);
	}
	rpc_queue_close(kvrpc->queue);
	rpc_channel_close(kvrpc->channel);
	mem_free(kvrpc);
}

/* The first request connects. */
static int kvrpc_open(void **ret, void *arg, const char *server_addr, uint64_t timeout_ns)
{
	struct kvrpc *kvrpc = mem_zalloc(sizeof(*kvrpc));
	int rc;

	(void)arg;
	(void)timeout_ns;
	if (!kvrpc)
		return err_set(-ENOMEM, "no memory for a gRPC connection");
	list_init(&kvrpc->calls);
	rc = rpc_channel_open(&kvrpc->channel, server_addr);
	if (!rc)
		rc = rpc_queue_open(&kvrpc->queue);
	if (rc) {
		kvrpc_close(kvrpc);
		return rc;
	}
	*ret = kvrpc;
	return 0;
}

/* A blocking call; *ret is to be freed. */
static int kvrpc_unary(struct kvrpc *kvrpc, const char *path, const ProtobufCMessage *request,
		       uint64_t timeout_ns, struct kvproto *ret)
{
	struct rpc_op *op;
	void *bytes;
	size_t len;
	int rc = kvproto_pack(request, &bytes, &len);

	if (rc)
		return rc;
	rc = rpc_unary(kvrpc->channel, path, bytes, len, timeout_ns, &op);
	if (rc)
		return rc;
	rc = kvproto_unpack(ret, kvproto_descriptor(path)->output, rpc_op_data(op), rpc_op_len(op));
	rpc_op_close(op);
	return rc;
}

/* The outcome that an answer states. */
static int kvrpc_error(uint32_t code, const char *message)
{
	char text[KVPROTO_TEXT_MAX];

	if (!code)
		return 0;
	if (code > INT_MAX)
		return err_set(-WEFT_EMESSAGE, "the server answers with error %u", code);
	kvproto_failure(text, code, message, strlen(message));
	return err_set(-(int)code, "%s", text);
}

static int hello_welcome(const KvCache__RegisterClientResponse *in, struct kv_welcome *ret)
{
	int rc = kvrpc_error(in->error_code, in->error_message);

	if (rc)
		return rc;
	if (!in->success || !in->session_id || !in->protocol_version)
		return err_set(-WEFT_EPROTOCOL, "the server speaks only the protocol that weft "
						"extends: no session came");
	if (in->weft_descriptor.len > sizeof(ret->descriptor))
		return err_set(-WEFT_EMESSAGE, "the server's descriptor has %zu bytes",
			       in->weft_descriptor.len);
	ret->session = in->session_id;
	ret->client_id = in->client_id;
	ret->node_id = in->server_id;
	ret->protocol = in->protocol_version;
	ret->credits = in->credits;
	ret->heartbeat_ms = in->heartbeat_interval_ms;
	ret->session_timeout_ms = in->session_timeout_ms;
	ret->max_value = in->max_value_length;
	ret->inline_max = in->inline_limit;
	ret->capabilities = in->capabilities;
	ret->descriptor_len = in->weft_descriptor.len;
	if (ret->descriptor_len)
		memcpy(ret->descriptor, in->weft_descriptor.data, ret->descriptor_len);
	return 0;
}

static int kvrpc_hello(void *control, const struct kv_hello *hello, uint64_t timeout_ns,
		       struct kv_welcome *ret)
{
	KvCache__RegisterClientRequest request = KV_CACHE__REGISTER_CLIENT_REQUEST__INIT;
	struct kvproto reply;
	int rc;

	request.client_id = hello->client_id;
	request.protocol_version = hello->protocol;
	request.credits_wanted = hello->credits;
	request.capabilities = hello->capabilities;
	request.replaces_session_id = hello->replaces;
	request.receive_buffer_size = hello->buffer_bytes;
	request.buffer_base = hello->buffer_base;
	request.weft_descriptor.data = (uint8_t *)(uintptr_t)hello->descriptor;
	request.weft_descriptor.len = hello->descriptor_len;
	rc = kvrpc_unary(control, KVPROTO_SERVICE "RegisterClient", &request.base, timeout_ns,
			 &reply);
	if (rc)
		return rc;
	rc = hello_welcome((const void *)reply.message, ret);
	kvproto_free(&reply);
	return rc;
}

static int kvrpc_heartbeat(void *control, uint64_t session, uint32_t client_id, uint64_t timeout_ns)
{
	KvCache__HeartbeatRequest request = KV_CACHE__HEARTBEAT_REQUEST__INIT;
	struct kvproto reply;
	int rc;

	request.session_id = session;
	request.client_id = client_id;
	rc = kvrpc_unary(control, KVPROTO_SERVICE "Heartbeat", &request.base, timeout_ns, &reply);
	if (rc)
		return rc;
	if (!((const KvCache__HeartbeatResponse *)reply.message)->alive)
		rc = err_set(-WEFT_ESESSION, "the server has forgotten this client");
	kvproto_free(&reply);
	return rc;
}

static int kvrpc_bye(void *control, uint64_t session, uint32_t client_id, uint64_t timeout_ns)
{
	KvCache__UnregisterRequest request = KV_CACHE__UNREGISTER_REQUEST__INIT;
	const KvCache__PlainResponse *answer;
	struct kvproto reply;
	int rc;

	request.session_id = session;
	request.client_id = client_id;
	rc = kvrpc_unary(control, KVPROTO_SERVICE "Unregister", &request.base, timeout_ns, &reply);
	if (rc)
		return rc;
	answer = (const void *)reply.message;
	rc = kvrpc_error(answer->error_code, answer->error_message);
	kvproto_free(&reply);
	return rc;
}

static int kvrpc_start(void *control, const struct wire_msg *request, uint64_t timeout_ns,
		       control_done_fn done, void *ctx)
{
	const struct kvproto_method *method = kvproto_kind(request->kind);
	struct kvrpc *kvrpc = control;
	struct kvrpc_call *call;
	size_t len;
	void *bytes;
	int rc;

	if (!method)
		return err_set(-EINVAL, "request kind %u has no method", request->kind);
	call = mem_zalloc(sizeof(*call));
	if (!call)
		return err_set(-ENOMEM, "no memory for a request");
	rc = kvproto_encode(request, 0, &bytes, &len);
	if (rc)
		goto free_call;
	rc = rpc_start(kvrpc->channel, kvrpc->queue, method->path, bytes, len, timeout_ns,
		       &call->op);
	if (rc)
		goto free_call;
	rpc_op_set_ctx(call->op, call);
	call->request = (struct wire_msg){ .kind = request->kind,
					   .slot = request->slot,
					   .generation = request->generation,
					   .session = request->session };
	call->done = done;
	call->ctx = ctx;
	list_init(&call->link);
	list_add_tail(&kvrpc->calls, &call->link);
	return 0;
free_call:
	mem_free(call);
	return rc;
}

/* The answer of an ended op, or what kept it from coming, told in text. */
static void call_answer(struct kvrpc_call *call, struct kvproto *proto, struct wire_msg *ret,
			char *text)
{
	uint8_t kind = call->request.kind;
	int rc = rpc_op_wait(call->op, 0);

	if (!rc)
		rc = kvproto_reply(proto, kind, rpc_op_data(call->op), rpc_op_len(call->op), ret);
	if (rc) {
		kvproto_failure(text, (uint32_t)-rc, weft_error_detail(),
				strlen(weft_error_detail()));
		*ret = (struct wire_msg){ .kind = (uint8_t)(kind | WIRE_REPLY),
					  .status = (uint32_t)-rc,
					  .data = text,
					  .data_len = strlen(text) };
	}
	ret->slot = call->request.slot;
	ret->generation = call->request.generation;
	ret->session = call->request.session;
}

static void call_end(struct kvrpc_call *call)
{
	struct kvproto proto = { .message = NULL };
	char text[KVPROTO_TEXT_MAX];
	struct wire_msg reply;

	list_del(&call->link);
	call_answer(call, &proto, &reply, text);
	call->done(call->ctx, &reply);
	kvproto_free(&proto);
	rpc_op_close(call->op);
	mem_free(call);
}

static int kvrpc_poll(void *control, uint64_t timeout_ns)
{
	struct kvrpc *kvrpc = control;
	struct rpc_op *op;
	int count = 0;

	while (count < KVRPC_POLL_MAX && !list_empty(&kvrpc->calls)) {
		op = rpc_queue_next(kvrpc->queue, count ? 0 : timeout_ns);
		if (!op)
			break;
		call_end(rpc_op_ctx(op));
		count++;
	}
	return count;
}

const struct control_ops control_grpc = {
	.name = "grpc",
	.open = kvrpc_open,
	.close = kvrpc_close,
	.hello = kvrpc_hello,
	.heartbeat = kvrpc_heartbeat,
	.bye = kvrpc_bye,
	.start = kvrpc_start,
	.poll = kvrpc_poll,
};
