/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include <grpc/grpc.h>
#include <grpc/grpc_security.h>

#include "base/alloc.h"
#include "base/err.h"
#include "base/list.h"
#include "control/rpc.h"
#include "control/rpc_core.h"

#define CHANNEL_ADDRESS_MAX (ADDRESS_HOST_MAX + 16)
#define CHANNEL_BACKOFF_MS  100
#define CHANNEL_RETRY_MS    1000
#define CHANNEL_CONNECT_MS  5000
#define OP_TEXT_MAX         300u

/*
 * gRPC answers from its last failure until it has connected again, which it tries only while calls
 * are waited for, and calls that fail at once are not. So after a call that found nobody the next
 * one gets a new connection, which it waits for.
 */
struct rpc_channel {
	pthread_mutex_t lock;
	grpc_channel *grpc; /* guarded by lock */
	_Atomic bool stale; /* a call has found nobody */
	char address[CHANNEL_ADDRESS_MAX];
};

struct rpc_queue {
	grpc_completion_queue *cq;
	struct list ready; /* ended while another op was waited for */
};

struct rpc_op {
	struct rpc_channel *channel;
	struct rpc_queue *queue;
	struct list link; /* in queue->ready */
	void *ctx;
	grpc_completion_queue *cq; /* of this op alone if it has no queue */
	grpc_call *call;
	grpc_metadata_array initial, trailing;
	grpc_byte_buffer *payload;
	grpc_slice reply;
	grpc_slice text;
	grpc_status_code status;
	bool ended;
	int rc;
};

static grpc_channel *channel_create(const struct rpc_channel *channel)
{
	char target[CHANNEL_ADDRESS_MAX + 8];
	grpc_arg args[] = {
		{ GRPC_ARG_INTEGER,
		  GRPC_ARG_MAX_RECEIVE_MESSAGE_LENGTH,
		  { .integer = RPC_MESSAGE_MAX } },
		{ GRPC_ARG_INTEGER,
		  GRPC_ARG_MAX_SEND_MESSAGE_LENGTH,
		  { .integer = RPC_MESSAGE_MAX } },
		/* Straight to the server, whatever proxy the environment names. */
		{ GRPC_ARG_INTEGER, GRPC_ARG_ENABLE_HTTP_PROXY, { .integer = 0 } },
		{ GRPC_ARG_INTEGER, GRPC_ARG_ENABLE_RETRIES, { .integer = 0 } },
		{ GRPC_ARG_INTEGER, GRPC_ARG_SERVICE_CONFIG_DISABLE_RESOLUTION, { .integer = 1 } },
		{ GRPC_ARG_INTEGER, GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, { .integer = 1 } },
		{ GRPC_ARG_INTEGER,
		  GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS,
		  { .integer = CHANNEL_BACKOFF_MS } },
		{ GRPC_ARG_INTEGER,
		  GRPC_ARG_MAX_RECONNECT_BACKOFF_MS,
		  { .integer = CHANNEL_RETRY_MS } },
		{ GRPC_ARG_INTEGER,
		  GRPC_ARG_MIN_RECONNECT_BACKOFF_MS,
		  { .integer = CHANNEL_CONNECT_MS } },
		{ GRPC_ARG_INTEGER,
		  GRPC_COMPRESSION_CHANNEL_ENABLED_ALGORITHMS_BITSET,
		  { .integer = 1 } },
	};
	grpc_channel_args channel_args = { sizeof(args) / sizeof(args[0]), args };
	grpc_channel_credentials *insecure = grpc_insecure_credentials_create();
	grpc_channel *grpc;

	snprintf(target, sizeof(target), "dns:///%s", channel->address);
	grpc = grpc_channel_create(target, insecure, &channel_args);
	grpc_channel_credentials_release(insecure);
	return grpc;
}

int rpc_channel_open(struct rpc_channel **ret, const char *addr)
{
	struct address address;
	struct rpc_channel *channel;
	int rc = address_parse(&address, addr);

	if (rc)
		return rc;
	if (!address.port)
		return err_set(-EINVAL, "address \"%.200s\": port 0 is no server", addr);
	channel = mem_zalloc(sizeof(*channel));
	if (!channel)
		return err_set(-ENOMEM, "no memory for a gRPC channel");
	snprintf(channel->address, sizeof(channel->address), address.v6 ? "[%s]:%u" : "%s:%u",
		 address.host, address.port);
	pthread_mutex_init(&channel->lock, NULL);
	rpc_core_get();
	channel->grpc = channel_create(channel);
	*ret = channel;
	return 0;
}

void rpc_channel_close(struct rpc_channel *channel)
{
	if (!channel)
		return;
	grpc_channel_destroy(channel->grpc);
	pthread_mutex_destroy(&channel->lock);
	rpc_core_put();
	mem_free(channel);
}

const char *rpc_channel_address(const struct rpc_channel *channel)
{
	return channel->address;
}

/* --- one call ------------------------------------------------------------------------------------
 */

static grpc_call_error op_begin(struct rpc_op *op, grpc_byte_buffer *message)
{
	grpc_op ops[6] = {
		{ .op = GRPC_OP_SEND_INITIAL_METADATA },  { .op = GRPC_OP_SEND_MESSAGE },
		{ .op = GRPC_OP_SEND_CLOSE_FROM_CLIENT }, { .op = GRPC_OP_RECV_INITIAL_METADATA },
		{ .op = GRPC_OP_RECV_MESSAGE },           { .op = GRPC_OP_RECV_STATUS_ON_CLIENT },
	};

	ops[1].data.send_message.send_message = message;
	ops[3].data.recv_initial_metadata.recv_initial_metadata = &op->initial;
	ops[4].data.recv_message.recv_message = &op->payload;
	ops[5].data.recv_status_on_client.trailing_metadata = &op->trailing;
	ops[5].data.recv_status_on_client.status = &op->status;
	ops[5].data.recv_status_on_client.status_details = &op->text;
	return grpc_call_start_batch(op->call, ops, 6, op, NULL);
}

static void op_free(struct rpc_op *op)
{
	if (op->call)
		grpc_call_unref(op->call);
	if (!op->queue) {
		grpc_completion_queue_shutdown(op->cq);
		grpc_completion_queue_destroy(op->cq);
	}
	list_del(&op->link);
	if (op->payload)
		grpc_byte_buffer_destroy(op->payload);
	grpc_metadata_array_destroy(&op->initial);
	grpc_metadata_array_destroy(&op->trailing);
	grpc_slice_unref(op->reply);
	grpc_slice_unref(op->text);
	mem_free(op);
}

static void channel_renew_locked(struct rpc_channel *channel)
{
	grpc_channel_destroy(channel->grpc); /* calls under way hold on to it */
	channel->grpc = channel_create(channel);
}

static struct rpc_op *op_new(struct rpc_channel *channel, struct rpc_queue *queue, const char *path,
			     uint64_t timeout_ns)
{
	struct rpc_op *op = mem_zalloc(sizeof(*op));
	grpc_slice method;

	if (!op)
		return NULL;
	op->channel = channel;
	op->queue = queue;
	list_init(&op->link);
	op->reply = grpc_empty_slice();
	op->text = grpc_empty_slice();
	grpc_metadata_array_init(&op->initial);
	grpc_metadata_array_init(&op->trailing);
	op->cq = queue ? queue->cq : grpc_completion_queue_create_for_pluck(NULL);
	method = grpc_slice_from_copied_string(path);
	pthread_mutex_lock(&channel->lock);
	if (atomic_exchange(&channel->stale, false))
		channel_renew_locked(channel);
	op->call = grpc_channel_create_call(channel->grpc, NULL, GRPC_PROPAGATE_DEFAULTS, op->cq,
					    method, NULL, rpc_core_after(timeout_ns), NULL);
	pthread_mutex_unlock(&channel->lock);
	grpc_slice_unref(method);
	return op;
}

int rpc_start(struct rpc_channel *channel, struct rpc_queue *queue, const char *path, void *buf,
	      size_t len, uint64_t timeout_ns, struct rpc_op **ret)
{
	grpc_byte_buffer *message;
	grpc_call_error error;
	struct rpc_op *op;

	if (len > RPC_MESSAGE_MAX) {
		mem_free(buf);
		return err_set(-WEFT_ETOOLARGE, "a gRPC message of %zu bytes: at most %u", len,
			       RPC_MESSAGE_MAX);
	}
	op = op_new(channel, queue, path, timeout_ns);
	if (!op) {
		mem_free(buf);
		return err_set(-ENOMEM, "no memory for a gRPC call");
	}
	message = rpc_core_buffer(buf, len);
	error = op_begin(op, message);
	grpc_byte_buffer_destroy(message);
	if (error != GRPC_CALL_OK) {
		op_free(op);
		return err_set(-WEFT_EPROTOCOL, "gRPC call error %d", (int)error);
	}
	*ret = op;
	return 0;
}

/* gRPC has one status for "nobody there" and for "somebody else there"; its text tells them apart.
 */
static bool op_is_wrong_server(const char *text)
{
	return strstr(text, "http1.x server") || strstr(text, "Failed parsing HTTP/2");
}

static int op_code(grpc_status_code status, const char *text)
{
	switch ((int)status) {
	case GRPC_STATUS_CANCELLED:
		return -WEFT_ECANCELLED;
	case GRPC_STATUS_INVALID_ARGUMENT:
		return -WEFT_EBADREQUEST;
	case GRPC_STATUS_DEADLINE_EXCEEDED:
		return -WEFT_EDEADLINE;
	case GRPC_STATUS_RESOURCE_EXHAUSTED:
		return -WEFT_EQUEUEFULL;
	case GRPC_STATUS_PERMISSION_DENIED:
	case GRPC_STATUS_UNAUTHENTICATED:
		return -EACCES;
	case GRPC_STATUS_UNAVAILABLE:
		return op_is_wrong_server(text) ? -WEFT_EPROTOCOL : -WEFT_EUNAVAILABLE;
	default:
		return -WEFT_EPROTOCOL;
	}
}

/* The other side's text, without what a terminal would obey. */
static void op_text(const struct rpc_op *op, char *buf, size_t size)
{
	size_t len = GRPC_SLICE_LENGTH(op->text);

	if (op->status == GRPC_STATUS_OK)
		snprintf(buf, size, "the answer is no message");
	else
		snprintf(buf, size, "%.*s", (int)(len < size ? len : size),
			 (const char *)GRPC_SLICE_START_PTR(op->text));
	for (; *buf; buf++)
		if (*buf < ' ' || *buf > '~')
			*buf = '?';
}

static int op_report(const struct rpc_op *op)
{
	char text[OP_TEXT_MAX];

	if (!op->rc)
		return 0;
	op_text(op, text, sizeof(text));
	return err_set(op->rc, "%s: %s", op->channel->address, text);
}

static void op_end(struct rpc_op *op)
{
	char text[OP_TEXT_MAX];

	op->ended = true;
	op_text(op, text, sizeof(text));
	if (op->status != GRPC_STATUS_OK)
		op->rc = op_code(op->status, text);
	else if (!op->payload || rpc_core_slice(&op->reply, op->payload))
		op->rc = -WEFT_EPROTOCOL;
	if (op->rc == -WEFT_EUNAVAILABLE)
		atomic_store(&op->channel->stale, true);
}

/* The next op that ends at the queue; NULL: none until the deadline. */
static struct rpc_op *queue_pull(struct rpc_queue *queue, gpr_timespec deadline)
{
	grpc_event event = grpc_completion_queue_next(queue->cq, deadline, NULL);

	if (event.type != GRPC_OP_COMPLETE)
		return NULL;
	op_end(event.tag);
	return event.tag;
}

/* Whether it has ended. */
static bool op_pull(struct rpc_op *op, uint64_t timeout_ns)
{
	gpr_timespec deadline = rpc_core_after(timeout_ns);
	struct rpc_op *other;

	if (!op->queue && !op->ended &&
	    grpc_completion_queue_pluck(op->cq, op, deadline, NULL).type == GRPC_OP_COMPLETE)
		op_end(op);
	while (op->queue && !op->ended) {
		other = queue_pull(op->queue, deadline);
		if (!other)
			break;
		list_add_tail(&op->queue->ready, &other->link);
	}
	return op->ended;
}

int rpc_op_wait(struct rpc_op *op, uint64_t timeout_ns)
{
	return op_pull(op, timeout_ns) ? op_report(op) : -EAGAIN;
}

struct rpc_op *rpc_queue_next(struct rpc_queue *queue, uint64_t timeout_ns)
{
	struct list *ready = list_pop(&queue->ready);

	if (ready)
		return list_entry(ready, struct rpc_op, link);
	return queue_pull(queue, rpc_core_after(timeout_ns));
}

int rpc_queue_open(struct rpc_queue **ret)
{
	struct rpc_queue *queue = mem_zalloc(sizeof(*queue));

	if (!queue)
		return err_set(-ENOMEM, "no memory for a gRPC queue");
	rpc_core_get();
	list_init(&queue->ready);
	queue->cq = grpc_completion_queue_create_for_next(NULL);
	*ret = queue;
	return 0;
}

void rpc_queue_close(struct rpc_queue *queue)
{
	if (!queue)
		return;
	grpc_completion_queue_shutdown(queue->cq);
	while (grpc_completion_queue_next(queue->cq, gpr_inf_future(GPR_CLOCK_MONOTONIC), NULL)
		       .type != GRPC_QUEUE_SHUTDOWN)
		;
	grpc_completion_queue_destroy(queue->cq);
	rpc_core_put();
	mem_free(queue);
}

void rpc_op_set_ctx(struct rpc_op *op, void *ctx)
{
	op->ctx = ctx;
}

void *rpc_op_ctx(const struct rpc_op *op)
{
	return op->ctx;
}

void rpc_op_cancel(struct rpc_op *op)
{
	if (!op->ended)
		grpc_call_cancel(op->call, NULL);
}

const void *rpc_op_data(const struct rpc_op *op)
{
	return GRPC_SLICE_START_PTR(op->reply);
}

size_t rpc_op_len(const struct rpc_op *op)
{
	return GRPC_SLICE_LENGTH(op->reply);
}

void rpc_op_close(struct rpc_op *op)
{
	if (!op)
		return;
	rpc_op_cancel(op);
	while (!op_pull(op, RPC_FOREVER))
		;
	op_free(op);
}

int rpc_unary(struct rpc_channel *channel, const char *path, void *buf, size_t len,
	      uint64_t timeout_ns, struct rpc_op **ret)
{
	struct rpc_op *op;
	int rc = rpc_start(channel, NULL, path, buf, len, timeout_ns, &op);

	if (rc)
		return rc;
	do
		rc = rpc_op_wait(op, RPC_FOREVER);
	while (rc == -EAGAIN);
	if (rc) {
		rpc_op_close(op);
		return rc;
	}
	*ret = op;
	return 0;
}
