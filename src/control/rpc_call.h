/* SPDX-License-Identifier: Apache-2.0 */
/* Inside the gRPC server: what rpc_server.c and rpc_call.c share. */
#ifndef WEFT_CONTROL_RPC_CALL_H
#define WEFT_CONTROL_RPC_CALL_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include <grpc/grpc.h>

#include "control/rpc.h"

#define RPC_WORKERS_MAX 64u

/* What gRPC hands back when something has happened. */
struct rpc_tag {
	void (*fn)(void *obj, bool ok);
	void *obj;
};

/*
 * A queue and its thread. gRPC orders what was written before an operation began before what its
 * completion finds; handed does so once more, by means that a race detector sees too.
 */
struct rpc_worker {
	struct rpc_server *server;
	atomic_uint handed;
	grpc_completion_queue *cq;
	pthread_t thread;
};

struct rpc_server {
	grpc_server *grpc;
	struct rpc_method *methods;
	size_t method_count;
	uint32_t call_limit;
	uint16_t port;
	uint32_t worker_count;
	struct rpc_worker workers[RPC_WORKERS_MAX];
	struct rpc_tag down_tag;
	pthread_mutex_t lock; /* guards what follows; change is signalled for each of it */
	pthread_cond_t change;
	uint32_t active; /* calls that have arrived and not yet been freed */
	bool stopping;
	bool down; /* gRPC's server has shut down */
};

static inline void rpc_server_lock(struct rpc_server *server)
{
	pthread_mutex_lock(&server->lock);
}

static inline void rpc_server_unlock(struct rpc_server *server)
{
	pthread_mutex_unlock(&server->lock);
}

/* Before an operation begins whose completion the worker will handle. */
static inline void rpc_worker_hand(struct rpc_worker *worker)
{
	atomic_fetch_add_explicit(&worker->handed, 1, memory_order_release);
}

/* After a completion has come. */
static inline void rpc_worker_take(struct rpc_worker *worker)
{
	(void)atomic_load_explicit(&worker->handed, memory_order_acquire);
}

/* Lets one more call wait at the worker's queue. -ENOMEM. */
int rpc_call_post(struct rpc_worker *worker);

#endif /* WEFT_CONTROL_RPC_CALL_H */
