/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Unary gRPC: bytes in, bytes out.
 *
 * rpc_server.c and rpc_client.c are the only files that include <grpc/...>; what the bytes mean is
 * not known here. gRPC's own log lines go to rpc_set_log(), and nowhere without it.
 */
#ifndef WEFT_CONTROL_RPC_H
#define WEFT_CONTROL_RPC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <weft/weft.h>

#include "base/address.h"

/* Largest message in either direction, bytes: a value of 64 MiB and what is around it. */
#define RPC_MESSAGE_MAX ((64u << 20) + (64u << 10))

#define RPC_FOREVER     UINT64_MAX

/* The statuses of gRPC that weft gives; the numbers are gRPC's. */
enum rpc_status {
	RPC_OK = 0,
	RPC_CANCELLED = 1,
	RPC_UNKNOWN = 2,
	RPC_INVALID_ARGUMENT = 3,
	RPC_DEADLINE_EXCEEDED = 4,
	RPC_NOT_FOUND = 5,
	RPC_PERMISSION_DENIED = 7,
	RPC_RESOURCE_EXHAUSTED = 8,
	RPC_UNIMPLEMENTED = 12,
	RPC_INTERNAL = 13,
	RPC_UNAVAILABLE = 14,
	RPC_UNAUTHENTICATED = 16,
};

/* Where gRPC's log lines of the whole process go, from any thread; NULL: nowhere. */
void rpc_set_log(weft_log_fn log, void *ctx);

/* --- server ------------------------------------------------------------------------------------
 */

struct rpc_server;
struct rpc_call; /* a call that has not been answered */

/*
 * Runs on a server thread, must not wait. The call must be answered exactly once, by rpc_reply() or
 * rpc_fail(), here or later on any thread, also when it was cancelled or the server is stopping.
 */
typedef void (*rpc_handler_fn)(void *ctx, struct rpc_call *call);

struct rpc_method {
	const char *path; /* "/package.Service/Method" */
	rpc_handler_fn fn;
	void *ctx;
};

struct rpc_server_opts {
	const char *addr;                 /* port 0: any free one, see rpc_server_port() */
	const struct rpc_method *methods; /* copied; the path strings must outlive the server */
	size_t method_count;
	uint32_t threads;      /* 1..64; 0: 2 */
	uint32_t call_limit;   /* calls not yet answered, beyond it RESOURCE_EXHAUSTED; 0: 1024 */
	uint64_t memory_limit; /* bytes of messages in transit that gRPC may hold; 0: 1 GiB */
};

/*
 * Listens and serves. Errors: -EINVAL (address), -EADDRINUSE, -EADDRNOTAVAIL, -EACCES, -ENOMEM; the
 * detail names address and cause.
 */
int rpc_server_open(struct rpc_server **ret, const struct rpc_server_opts *opts);
uint16_t rpc_server_port(const struct rpc_server *server);
/*
 * Takes no further calls and waits up to drain_ns until those under way have ended; then cancels
 * the rest. Returns how many were cancelled. Handlers may still hold calls afterwards.
 */
uint32_t rpc_server_stop(struct rpc_server *server, uint64_t drain_ns);
/*
 * Stops (without drain, unless that was done), waits until every call was answered by its handler,
 * and frees. Whoever holds calls must be made to answer them before or meanwhile. NULL is fine.
 */
void rpc_server_close(struct rpc_server *server);
/* Calls not yet ended now. */
uint32_t rpc_server_active(struct rpc_server *server);

/* The request; borrowed until the call is answered. */
const void *rpc_call_data(const struct rpc_call *call);
size_t rpc_call_len(const struct rpc_call *call);
/* Time left until the caller's deadline; RPC_FOREVER: it has none. */
uint64_t rpc_call_timeout_ns(const struct rpc_call *call);
/* Whether the caller has gone or lost interest: the answer will not arrive. */
bool rpc_call_cancelled(const struct rpc_call *call);
/* Writes the caller's address, "ipv4:127.0.0.1:40000", cut at len. */
void rpc_call_peer(const struct rpc_call *call, char *buf, size_t len);

/* Answers. buf is from mem_alloc() and belongs to rpc from here on; NULL with len 0 is an empty
 * message. */
void rpc_reply(struct rpc_call *call, void *buf, size_t len);
void rpc_fail(struct rpc_call *call, enum rpc_status status, const char *text);

/* --- client ------------------------------------------------------------------------------------
 */

struct rpc_channel; /* to one server; any threads may use it */
struct rpc_op;      /* one call; used by one thread at a time */
struct rpc_queue;   /* where calls end, for one thread that waits for many */

/* Does not connect yet. -EINVAL: not an address. */
int rpc_channel_open(struct rpc_channel **ret, const char *addr);
/* Every op must be closed before. NULL is fine. */
void rpc_channel_close(struct rpc_channel *channel);
/* As HOST:PORT. */
const char *rpc_channel_address(const struct rpc_channel *channel);

int rpc_queue_open(struct rpc_queue **ret);
/* Every op of it must be closed before. NULL is fine. */
void rpc_queue_close(struct rpc_queue *queue);
/* An op that has ended and was not returned before; NULL: none within timeout_ns. */
struct rpc_op *rpc_queue_next(struct rpc_queue *queue, uint64_t timeout_ns);

/*
 * Starts a call that ends within timeout_ns. buf is from mem_alloc() and belongs to rpc from here
 * on, also on failure. queue may be NULL. The call goes on only while somebody waits for an op of
 * the channel.
 */
int rpc_start(struct rpc_channel *channel, struct rpc_queue *queue, const char *path, void *buf,
	      size_t len, uint64_t timeout_ns, struct rpc_op **ret);
/*
 * 0: answered, see rpc_op_data(). -EAGAIN: not within timeout_ns (0: just look). Else how the call
 * failed, with gRPC's text in the detail; asked again, it says the same:
 * -WEFT_EUNAVAILABLE nobody listens or the connection broke; -WEFT_EPROTOCOL the other side is no
 * such server; -WEFT_EDEADLINE; -WEFT_ECANCELLED; -WEFT_EBADREQUEST the server did not understand
 * the bytes; -WEFT_EQUEUEFULL it is overloaded; -EACCES.
 */
int rpc_op_wait(struct rpc_op *op, uint64_t timeout_ns);
/* The caller's pointer; NULL at first. */
void rpc_op_set_ctx(struct rpc_op *op, void *ctx);
void *rpc_op_ctx(const struct rpc_op *op);
/* Makes it end soon as -WEFT_ECANCELLED, unless it has ended. */
void rpc_op_cancel(struct rpc_op *op);
/* The answer; borrowed until rpc_op_close(). */
const void *rpc_op_data(const struct rpc_op *op);
size_t rpc_op_len(const struct rpc_op *op);
/* Cancels what has not ended and frees. NULL is fine. */
void rpc_op_close(struct rpc_op *op);

/* rpc_start() and rpc_op_wait() to the end. */
int rpc_unary(struct rpc_channel *channel, const char *path, void *buf, size_t len,
	      uint64_t timeout_ns, struct rpc_op **ret);

#endif /* WEFT_CONTROL_RPC_H */
