/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The KV server: one engine, one registered pool, sessions of clients.
 *
 * All of a server's sessions and transfers belong to the engine's owner thread: fabric requests run
 * there to completion (on_message), and the functions below hand their work over to it. Requests
 * that touch only the store run on the thread that calls.
 */
#ifndef WEFT_KV_SERVER_H
#define WEFT_KV_SERVER_H

#include <stdbool.h>
#include <stdint.h>

#include <weft/kv.h>
#include <weft/weft.h>

#include "base/list.h"
#include "kv/control.h"
#include "kv/wire.h"

struct server;

struct server_opts {
	const char *provider;  /* as weft_opts.provider; NULL: "auto" */
	const char *devices;   /* as weft_opts.devices */
	const char *bind_addr; /* as weft_opts.bind_addr */
	uint64_t pool_bytes;   /* of values; default 1 GiB */
	uint64_t max_value;    /* largest value; 0: the pool */
	uint32_t rails;        /* default 1 */
	uint32_t device_rdma;  /* as weft_opts.device_rdma */
	uint32_t nics;         /* as weft_opts.nics */
	uint32_t node_id;
	uint32_t credits;             /* requests in flight per client, 1..1024; default 64 */
	uint32_t session_limit;       /* clients at a time; default 4096 */
	uint64_t session_timeout_ns;  /* a client silent for longer is forgotten; default 30 s */
	uint64_t transfer_timeout_ns; /* longest that a transfer may last; default 60 s */
	uint64_t lease_ns;            /* a pinned version or begun PUT not used for longer is
				       * let go; default 60 s */
	weft_log_fn log;              /* from any thread */
	void *log_ctx;
	int log_level;
};

/* -EINVAL, -ENOMEM, -WEFT_EMEMLOCK and what weft_open() answers. */
int server_open(struct server **ret, const struct server_opts *opts);
/* New requests are refused with WEFT_ECLOSED from now on; waits until those under way have ended.
 * 0, or -EAGAIN: not all within timeout_ns. */
int server_drain(struct server *server, uint64_t timeout_ns);
/* No other thread may be using it, and no call be unanswered: drain first. NULL is fine. */
void server_close(struct server *server);

/* RegisterClient. -WEFT_EDESCRIPTOR, -WEFT_EVERSION, -WEFT_ELIMIT, -WEFT_ECLOSED and what
 * weft_import() answers. Waits for the owner thread, which never waits. */
int server_hello(struct server *server, const struct kv_hello *hello, struct kv_welcome *ret);
/* Whether the session (or, with session 0, any of client_id) is known; it is heard of now. */
bool server_heartbeat(struct server *server, uint64_t session, uint32_t client_id);
/* Ends a session; returns when nothing touches its memory any more, or with -WEFT_ENOTQUIET after
 * timeout_ns. -WEFT_ESESSION. */
int server_bye(struct server *server, uint64_t session, uint32_t client_id, uint64_t timeout_ns);

/*
 * The answer to a call, on any thread, possibly before server_call() returns. reply and what it
 * points at are borrowed until it returns. Must not wait. The call is the caller's again.
 */
typedef void (*server_reply_fn)(void *ctx, const struct wire_msg *reply);

/* Work for the owner thread. */
struct owner_task {
	struct list link;
	void (*fn)(struct owner_task *task);
};

/* A request that did not come over the fabric. It, msg and what msg points at are the server's
 * until reply is called. */
struct server_call {
	struct wire_msg msg;
	uint64_t inline_max; /* GET: values up to this come in data; longer ones need a place */
	uint32_t client_id;  /* names the session where msg.session is 0; 0: no session */
	bool absolute;       /* msg.remote counts as kv_hello.buffer_base does */
	server_reply_fn reply;
	void *ctx;

	struct server *server; /* set by server_call() */
	struct owner_task task;
};

/* msg.slot of a call that cannot be cancelled. */
#define SERVER_NO_SLOT UINT32_MAX

/*
 * Carries out a call. Answers once. Slot and generation matter to requests that use the client's
 * memory, and to CANCEL of such: a slot below the credits serves one request at a time, under
 * a generation that grows. GET is answered when its writes have ended; with msg.room 0 it comes
 * inline or not at all. A pinned version is named by msg.transfer, or by key and version.
 */
void server_call(struct server *server, struct server_call *call);

void server_stats(struct server *server, struct weft_kv_stats *ret);
/* Writes weft_export_engine(); as that. */
int server_descriptor(struct server *server, void *buf, size_t *len);
/* For messages: "tcp eth0, shm" and so on; at most size bytes with the NUL. */
void server_ways(struct server *server, char *buf, size_t size);
/* The server's engine, for what it tells of itself (weft/stats.h); any thread. */
struct weft *server_engine(struct server *server);
/* weft_dump() of the server's engine; any thread. */
int server_dump(struct server *server, weft_dump_fn fn, void *ctx);

#endif /* WEFT_KV_SERVER_H */
