/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <pthread.h>
#include <time.h>

#include <grpc/grpc.h>
#include <grpc/grpc_security.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/err.h"
#include "control/rpc.h"
#include "control/rpc_call.h"
#include "control/rpc_core.h"
#include "control/rpc_listen.h"

#define SERVER_THREADS      2u
#define SERVER_CALLS        1024u
#define SERVER_MEMORY       (1ull << 30)
#define SERVER_HANDSHAKE_MS 20000

static void *worker_main(void *arg)
{
	struct rpc_worker *worker = arg;

	for (;;) {
		grpc_event event = grpc_completion_queue_next(
			worker->cq, gpr_inf_future(GPR_CLOCK_MONOTONIC), NULL);
		const struct rpc_tag *tag = event.tag;

		if (event.type == GRPC_QUEUE_SHUTDOWN)
			return NULL;
		if (event.type != GRPC_OP_COMPLETE)
			continue;
		rpc_worker_take(worker);
		tag->fn(tag->obj, event.success);
	}
}

static void server_on_down(void *obj, bool ok)
{
	struct rpc_server *server = obj;

	(void)ok;
	rpc_server_lock(server);
	server->down = true;
	pthread_cond_broadcast(&server->change);
	rpc_server_unlock(server);
}

static grpc_server *server_create(uint64_t memory_limit)
{
	grpc_resource_quota *quota = grpc_resource_quota_create("weft");
	grpc_arg args[] = {
		{ GRPC_ARG_INTEGER, GRPC_ARG_ALLOW_REUSEPORT, { .integer = 0 } },
		{ GRPC_ARG_INTEGER,
		  GRPC_ARG_MAX_RECEIVE_MESSAGE_LENGTH,
		  { .integer = RPC_MESSAGE_MAX } },
		{ GRPC_ARG_INTEGER,
		  GRPC_ARG_MAX_SEND_MESSAGE_LENGTH,
		  { .integer = RPC_MESSAGE_MAX } },
		{ GRPC_ARG_INTEGER,
		  GRPC_ARG_SERVER_HANDSHAKE_TIMEOUT_MS,
		  { .integer = SERVER_HANDSHAKE_MS } },
		/* Identity only: a small message must not unfold into a large one. */
		{ GRPC_ARG_INTEGER,
		  GRPC_COMPRESSION_CHANNEL_ENABLED_ALGORITHMS_BITSET,
		  { .integer = 1 } },
		{ GRPC_ARG_POINTER,
		  GRPC_ARG_RESOURCE_QUOTA,
		  { .pointer = { quota, grpc_resource_quota_arg_vtable() } } },
	};
	grpc_channel_args channel_args = { sizeof(args) / sizeof(args[0]), args };
	grpc_server *server;

	grpc_resource_quota_resize(quota, memory_limit);
	server = grpc_server_create(&channel_args, NULL);
	grpc_resource_quota_unref(quota);
	return server;
}

static int listen_one(void *ctx, const char *address)
{
	struct rpc_server *server = ctx;
	grpc_server_credentials *insecure = grpc_insecure_server_credentials_create();
	int port = grpc_server_add_http2_port(server->grpc, address, insecure);

	grpc_server_credentials_release(insecure);
	return port;
}

static int server_start_workers(struct rpc_server *server, uint32_t threads)
{
	for (uint32_t i = 0; i < threads; i++) {
		struct rpc_worker *worker = &server->workers[i];
		int rc;

		worker->server = server;
		worker->cq = grpc_completion_queue_create_for_next(NULL);
		grpc_server_register_completion_queue(server->grpc, worker->cq, NULL);
		rc = pthread_create(&worker->thread, NULL, worker_main, worker);
		if (rc) {
			grpc_completion_queue_shutdown(worker->cq);
			grpc_completion_queue_destroy(worker->cq);
			return err_set(-rc, "cannot start a thread of the gRPC server");
		}
		server->worker_count++;
	}
	return 0;
}

/* One call waits at each queue. */
static int server_post_calls(struct rpc_server *server)
{
	for (uint32_t i = 0; i < server->worker_count; i++) {
		if (rpc_call_post(&server->workers[i]))
			return err_set(-ENOMEM, "no memory for the calls of the gRPC server");
	}
	return 0;
}

static int server_init(struct rpc_server *server, const struct rpc_server_opts *opts)
{
	pthread_condattr_t attr;

	server->call_limit = opts->call_limit ? opts->call_limit : SERVER_CALLS;
	server->down_tag = (struct rpc_tag){ server_on_down, server };
	server->method_count = opts->method_count;
	server->methods = mem_array(opts->method_count, sizeof(*opts->methods));
	if (!server->methods)
		return -ENOMEM;
	for (size_t i = 0; i < opts->method_count; i++)
		server->methods[i] = opts->methods[i];
	pthread_mutex_init(&server->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&server->change, &attr);
	pthread_condattr_destroy(&attr);
	return 0;
}

static int server_serve(struct rpc_server *server, const struct rpc_server_opts *opts,
			const struct address *address)
{
	int rc = server_start_workers(server, opts->threads ? opts->threads : SERVER_THREADS);

	if (rc)
		return rc;
	rc = rpc_listen(address, listen_one, server, &server->port);
	if (rc)
		return rc;
	grpc_server_start(server->grpc);
	return server_post_calls(server);
}

int rpc_server_open(struct rpc_server **ret, const struct rpc_server_opts *opts)
{
	struct address address;
	struct rpc_server *server;
	int rc = address_parse(&address, opts->addr);

	if (rc)
		return rc;
	if (opts->threads > RPC_WORKERS_MAX)
		return err_set(-EINVAL, "%u threads for gRPC: at most %u", opts->threads,
			       RPC_WORKERS_MAX);
	server = mem_zalloc(sizeof(*server));
	if (!server)
		return err_set(-ENOMEM, "no memory for the gRPC server");
	rc = server_init(server, opts);
	if (rc) {
		mem_free(server);
		return err_set(rc, "no memory for the gRPC server");
	}
	rpc_core_get();
	server->grpc = server_create(opts->memory_limit ? opts->memory_limit : SERVER_MEMORY);
	rc = server_serve(server, opts, &address);
	if (rc) {
		rpc_server_close(server);
		return rc;
	}
	*ret = server;
	return 0;
}

uint16_t rpc_server_port(const struct rpc_server *server)
{
	return server->port;
}

uint32_t rpc_server_active(struct rpc_server *server)
{
	uint32_t active;

	rpc_server_lock(server);
	active = server->active;
	rpc_server_unlock(server);
	return active;
}

/* With the lock held. */
static void server_wait_idle(struct rpc_server *server, uint64_t timeout_ns)
{
	uint64_t deadline = clock_deadline(clock_ns(), timeout_ns);
	struct timespec until = { .tv_sec = (time_t)(deadline / NSEC_PER_SEC),
				  .tv_nsec = (long)(deadline % NSEC_PER_SEC) };

	while (server->active) {
		if (pthread_cond_timedwait(&server->change, &server->lock, &until))
			return;
	}
}

uint32_t rpc_server_stop(struct rpc_server *server, uint64_t drain_ns)
{
	bool first;
	uint32_t left;

	rpc_server_lock(server);
	first = !server->stopping;
	server->stopping = true;
	rpc_server_unlock(server);
	if (first) {
		rpc_worker_hand(&server->workers[0]);
		grpc_server_shutdown_and_notify(server->grpc, server->workers[0].cq,
						&server->down_tag);
	}
	rpc_server_lock(server);
	server_wait_idle(server, drain_ns);
	left = server->active;
	rpc_server_unlock(server);
	grpc_server_cancel_all_calls(server->grpc);
	return left;
}

/* Without a queue nothing was started, and gRPC has nothing to tell. */
static void server_down(struct rpc_server *server)
{
	if (!server->worker_count)
		return;
	rpc_server_stop(server, 0);
	rpc_server_lock(server);
	while (server->active || !server->down)
		pthread_cond_wait(&server->change, &server->lock);
	rpc_server_unlock(server);
}

void rpc_server_close(struct rpc_server *server)
{
	if (!server)
		return;
	server_down(server);
	grpc_server_destroy(server->grpc);
	for (uint32_t i = 0; i < server->worker_count; i++)
		grpc_completion_queue_shutdown(server->workers[i].cq);
	for (uint32_t i = 0; i < server->worker_count; i++) {
		pthread_join(server->workers[i].thread, NULL);
		grpc_completion_queue_destroy(server->workers[i].cq);
	}
	rpc_core_put();
	pthread_cond_destroy(&server->change);
	pthread_mutex_destroy(&server->lock);
	mem_free(server->methods);
	mem_free(server);
}
