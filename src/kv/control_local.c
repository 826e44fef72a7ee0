/* SPDX-License-Identifier: Apache-2.0 */
/* A control without a network: calls a server of the same process. */
#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <time.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/list.h"
#include "kv/control.h"
#include "kv/server.h"

struct local {
	struct server *server;
	pthread_mutex_t lock; /* guards done and pending */
	pthread_cond_t wake;
	struct list done; /* struct local_call, answered */
	uint32_t pending;
};

struct local_call {
	struct server_call call;
	struct local *local;
	struct list link; /* in local->done */
	control_done_fn done;
	void *ctx;
	struct wire_msg reply;
	void *reply_data; /* owned */
	uint8_t bytes[];  /* copies of key and data */
};

static int local_open(void **ret, void *arg, const char *server_addr, uint64_t timeout_ns)
{
	struct local *local = mem_zalloc(sizeof(*local));
	pthread_condattr_t attr;

	(void)server_addr;
	(void)timeout_ns;
	if (!local)
		return -ENOMEM;
	local->server = arg;
	list_init(&local->done);
	pthread_mutex_init(&local->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&local->wake, &attr);
	pthread_condattr_destroy(&attr);
	*ret = local;
	return 0;
}

static void call_free(struct local_call *call)
{
	mem_free(call->reply_data);
	mem_free(call);
}

static void local_close(void *control)
{
	struct local *local = control;
	struct list *link;

	if (!local)
		return;
	/* The server answers every call; this waits for those under way. */
	pthread_mutex_lock(&local->lock);
	while (local->pending)
		pthread_cond_wait(&local->wake, &local->lock);
	pthread_mutex_unlock(&local->lock);
	while ((link = list_pop(&local->done)))
		call_free(list_entry(link, struct local_call, link));
	pthread_cond_destroy(&local->wake);
	pthread_mutex_destroy(&local->lock);
	mem_free(local);
}

static int local_hello(void *control, const struct kv_hello *hello, uint64_t timeout_ns,
		       struct kv_welcome *ret)
{
	struct local *local = control;

	(void)timeout_ns;
	return server_hello(local->server, hello, ret);
}

static int local_heartbeat(void *control, uint64_t session, uint32_t client_id, uint64_t timeout_ns)
{
	struct local *local = control;

	(void)timeout_ns;
	return server_heartbeat(local->server, session, client_id) ? 0 : -WEFT_ESESSION;
}

static int local_bye(void *control, uint64_t session, uint32_t client_id, uint64_t timeout_ns)
{
	struct local *local = control;

	return server_bye(local->server, session, client_id, timeout_ns);
}

/* On any thread of the server. */
static void local_reply(void *ctx, const struct wire_msg *reply)
{
	struct local_call *call = ctx;
	struct local *local = call->local;

	call->reply = *reply;
	call->reply.data = NULL;
	call->reply.data_len = 0;
	if (reply->data_len) {
		call->reply_data = mem_alloc(reply->data_len);
		if (call->reply_data) {
			memcpy(call->reply_data, reply->data, reply->data_len);
			call->reply.data = call->reply_data;
			call->reply.data_len = reply->data_len;
		} else {
			call->reply.status = ENOMEM;
		}
	}
	pthread_mutex_lock(&local->lock);
	list_add_tail(&local->done, &call->link);
	local->pending--;
	pthread_cond_broadcast(&local->wake);
	pthread_mutex_unlock(&local->lock);
}

static int local_start(void *control, const struct wire_msg *request, uint64_t timeout_ns,
		       control_done_fn done, void *ctx)
{
	struct local *local = control;
	struct local_call *call;

	(void)timeout_ns;
	call = mem_zalloc(sizeof(*call) + request->key_len + request->data_len);
	if (!call)
		return -ENOMEM;
	call->local = local;
	call->done = done;
	call->ctx = ctx;
	list_init(&call->link);
	call->call.msg = *request;
	if (request->key_len)
		memcpy(call->bytes, request->key, request->key_len);
	if (request->data_len)
		memcpy(call->bytes + request->key_len, request->data, request->data_len);
	call->call.msg.key = call->bytes;
	call->call.msg.data = call->bytes + request->key_len;
	call->call.inline_max = WIRE_INLINE_GET;
	call->call.reply = local_reply;
	call->call.ctx = call;
	pthread_mutex_lock(&local->lock);
	local->pending++;
	pthread_mutex_unlock(&local->lock);
	server_call(local->server, &call->call);
	return 0;
}

static int local_poll(void *control, uint64_t timeout_ns)
{
	uint64_t until = clock_deadline(clock_ns(), timeout_ns);
	struct local *local = control;
	struct local_call *call;
	struct timespec at = { .tv_sec = (time_t)(until / NSEC_PER_SEC),
			       .tv_nsec = (long)(until % NSEC_PER_SEC) };
	struct list ready, *link;
	int count = 0, rc = 0;

	list_init(&ready);
	pthread_mutex_lock(&local->lock);
	while (list_empty(&local->done) && local->pending && timeout_ns && rc != ETIMEDOUT)
		rc = pthread_cond_timedwait(&local->wake, &local->lock, &at);
	list_splice_tail(&ready, &local->done);
	pthread_mutex_unlock(&local->lock);
	while ((link = list_pop(&ready))) {
		call = list_entry(link, struct local_call, link);
		call->done(call->ctx, &call->reply);
		call_free(call);
		count++;
	}
	return count;
}

const struct control_ops control_local = {
	.name = "local",
	.open = local_open,
	.close = local_close,
	.hello = local_hello,
	.heartbeat = local_heartbeat,
	.bye = local_bye,
	.start = local_start,
	.poll = local_poll,
};
