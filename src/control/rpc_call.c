/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The life of a call:
 *
 *   POSTED --on_arrived--> ARRIVED --on_received--> in the handler --rpc_reply(), rpc_fail()-->
 * SENT
 *                             \-------- refused: unknown method, over the limit -----------------/
 *
 * Two things keep a call alive: its answer (until on_sent) and gRPC's word that it has ended
 * (on_closed). What another thread wrote into a call reaches the queue's thread by the release and
 * acquire of refs.
 */
#include "control/rpc_call.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include <grpc/support/alloc.h>

#include "base/alloc.h"
#include "base/err.h"
#include "control/rpc_core.h"

#define CALL_TEXT_MAX 1024u

struct rpc_call {
	struct rpc_server *server;
	struct rpc_worker *worker;
	grpc_call *call;
	grpc_call_details details;
	grpc_metadata_array metadata;
	grpc_byte_buffer *payload;
	grpc_slice request;
	const struct rpc_method *method;
	atomic_int refs;
	int close_cancelled;
	atomic_bool cancelled;
	bool repost; /* takes the place of the call that could not be allocated */
	struct rpc_tag arrived, received, closed, sent;
};

static void call_post(struct rpc_call *call);

static void call_free(struct rpc_call *call)
{
	struct rpc_server *server = call->server;
	bool arrived = call->call;

	grpc_slice_unref(call->request);
	if (call->payload)
		grpc_byte_buffer_destroy(call->payload);
	if (arrived)
		grpc_call_unref(call->call);
	grpc_metadata_array_destroy(&call->metadata);
	grpc_call_details_destroy(&call->details);
	if (call->repost)
		call_post(call);
	else
		mem_free(call);
	if (!arrived)
		return;
	rpc_server_lock(server);
	server->active--;
	pthread_cond_broadcast(&server->change);
	rpc_server_unlock(server);
}

static void call_put(struct rpc_call *call)
{
	if (atomic_fetch_sub_explicit(&call->refs, 1, memory_order_acq_rel) == 1)
		call_free(call);
}

/* --- answering -----------------------------------------------------------------------------------
 */

/* message may be NULL; taken. */
static void call_send(struct rpc_call *call, grpc_byte_buffer *message, enum rpc_status status,
		      const char *text)
{
	grpc_slice details = grpc_slice_from_copied_string(text);
	grpc_op ops[3] = {
		{ .op = GRPC_OP_SEND_INITIAL_METADATA },
		{ .op = GRPC_OP_SEND_STATUS_FROM_SERVER },
		{ .op = GRPC_OP_SEND_MESSAGE },
	};

	ops[1].data.send_status_from_server.status = (grpc_status_code)status;
	ops[1].data.send_status_from_server.status_details = &details;
	ops[2].data.send_message.send_message = message;
	rpc_worker_hand(call->worker);
	if (grpc_call_start_batch(call->call, ops, message ? 3 : 2, &call->sent, NULL) !=
	    GRPC_CALL_OK) {
		grpc_call_cancel(call->call, NULL);
		call_put(call);
	}
	grpc_slice_unref(details);
	if (message)
		grpc_byte_buffer_destroy(message);
}

static void call_on_sent(void *obj, bool ok)
{
	(void)ok; /* the caller is gone: there is nobody to tell */
	call_put(obj);
}

void rpc_reply(struct rpc_call *call, void *buf, size_t len)
{
	grpc_byte_buffer *message;

	if (len > RPC_MESSAGE_MAX) {
		mem_free(buf);
		rpc_fail(call, RPC_RESOURCE_EXHAUSTED,
			 "the answer is larger than a message may be");
		return;
	}
	message = rpc_core_buffer(buf, len);
	call_send(call, message, RPC_OK, "");
}

void rpc_fail(struct rpc_call *call, enum rpc_status status, const char *text)
{
	char cut[CALL_TEXT_MAX];

	snprintf(cut, sizeof(cut), "%s", text);
	call_send(call, NULL, status, cut);
}

/* --- arriving ------------------------------------------------------------------------------------
 */

static void call_on_closed(void *obj, bool ok)
{
	struct rpc_call *call = obj;

	if (!ok || call->close_cancelled)
		atomic_store(&call->cancelled, true);
	call_put(call);
}

static void call_on_received(void *obj, bool ok)
{
	struct rpc_call *call = obj;

	if (!ok || !call->payload) {
		rpc_fail(call, RPC_INVALID_ARGUMENT, "there is no message in the request");
		return;
	}
	if (rpc_core_slice(&call->request, call->payload)) {
		rpc_fail(call, RPC_INVALID_ARGUMENT, weft_error_detail());
		return;
	}
	grpc_byte_buffer_destroy(call->payload);
	call->payload = NULL;
	call->method->fn(call->method->ctx, call);
}

/* False: the call was not started and the reference that on_closed would drop is gone. */
static bool call_watch(struct rpc_call *call)
{
	grpc_op op = { .op = GRPC_OP_RECV_CLOSE_ON_SERVER };

	op.data.recv_close_on_server.cancelled = &call->close_cancelled;
	if (grpc_call_start_batch(call->call, &op, 1, &call->closed, NULL) == GRPC_CALL_OK)
		return true;
	atomic_fetch_sub(&call->refs, 1);
	return false;
}

static void call_receive(struct rpc_call *call)
{
	grpc_op op = { .op = GRPC_OP_RECV_MESSAGE };

	op.data.recv_message.recv_message = &call->payload;
	if (grpc_call_start_batch(call->call, &op, 1, &call->received, NULL) != GRPC_CALL_OK)
		rpc_fail(call, RPC_INTERNAL, "the request could not be received");
}

static const struct rpc_method *server_method(const struct rpc_server *server, grpc_slice path)
{
	for (size_t i = 0; i < server->method_count; i++)
		if (!grpc_slice_str_cmp(path, server->methods[i].path))
			return &server->methods[i];
	return NULL;
}

static void call_on_arrived(void *obj, bool ok)
{
	struct rpc_call *call = obj;
	struct rpc_server *server = call->server;
	uint32_t active;

	if (!ok) { /* the server shuts down */
		call->repost = false;
		call->call = NULL;
		call_free(call);
		return;
	}
	rpc_server_lock(server);
	active = ++server->active;
	rpc_server_unlock(server);
	call->repost = rpc_call_post(call->worker) != 0;
	atomic_store(&call->refs, 2);
	call->method = server_method(server, call->details.method);
	if (!call_watch(call))
		rpc_fail(call, RPC_INTERNAL, "the call could not be watched");
	else if (!call->method)
		rpc_fail(call, RPC_UNIMPLEMENTED, "there is no such method here");
	else if (call->repost || active > server->call_limit)
		rpc_fail(call, RPC_RESOURCE_EXHAUSTED, "too many calls at a time");
	else
		call_receive(call);
}

/* Makes a zeroed or freed call wait for the next one that arrives. */
static void call_post(struct rpc_call *call)
{
	struct rpc_worker *worker = call->worker;
	struct rpc_server *server = call->server;

	*call = (struct rpc_call){ .server = server, .worker = worker };
	call->arrived = (struct rpc_tag){ call_on_arrived, call };
	call->received = (struct rpc_tag){ call_on_received, call };
	call->closed = (struct rpc_tag){ call_on_closed, call };
	call->sent = (struct rpc_tag){ call_on_sent, call };
	call->request = grpc_empty_slice();
	grpc_metadata_array_init(&call->metadata);
	grpc_call_details_init(&call->details);
	rpc_worker_hand(worker);
	if (grpc_server_request_call(server->grpc, &call->call, &call->details, &call->metadata,
				     worker->cq, worker->cq, &call->arrived) != GRPC_CALL_OK) {
		call->call = NULL;
		call_free(call);
	}
}

int rpc_call_post(struct rpc_worker *worker)
{
	struct rpc_call *call = mem_zalloc(sizeof(*call));

	if (!call)
		return -ENOMEM;
	call->server = worker->server;
	call->worker = worker;
	call_post(call);
	return 0;
}

const void *rpc_call_data(const struct rpc_call *call)
{
	return GRPC_SLICE_START_PTR(call->request);
}

size_t rpc_call_len(const struct rpc_call *call)
{
	return GRPC_SLICE_LENGTH(call->request);
}

uint64_t rpc_call_timeout_ns(const struct rpc_call *call)
{
	return rpc_core_left(call->details.deadline);
}

bool rpc_call_cancelled(const struct rpc_call *call)
{
	return atomic_load(&call->cancelled);
}

void rpc_call_peer(const struct rpc_call *call, char *buf, size_t len)
{
	char *peer = grpc_call_get_peer(call->call);

	snprintf(buf, len, "%s", peer ? peer : "?");
	gpr_free(peer);
}
