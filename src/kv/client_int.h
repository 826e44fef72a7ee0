/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inside of the KV client.
 *
 *	client.c          open, close, heartbeats
 *	client_link.c     connection: engine, registration, loss, again
 *	client_op.c       operations: start, answers, time, quarantine
 *	client_call.c     blocking functions of one request
 *	client_async.c    the functions of weft_kv_op
 *	client_stream.c   values in pieces
 *	client_memory.c   the buffer and the caller's registered memory
 *	client_addr.c     which local address leads to the server
 *
 * With the fabric as control the engine is driven by the caller (manual progress). With gRPC it has
 * a thread of its own, so that it serves the server's transfers while the caller waits for gRPC.
 */
#ifndef WEFT_KV_CLIENT_INT_H
#define WEFT_KV_CLIENT_INT_H

#include <pthread.h>
#include <stdatomic.h>

#include "base/cancel.h"
#include "base/err.h"
#include "base/fork.h"
#include "base/list.h"
#include "kv/arena.h"
#include "kv/client.h"
#include "kv/op_state.h"
#include "kv/segment.h"
#include "kv/server.h"
#include "kv/wire.h"

#define CLIENT_CREDITS_MAX 1024u

struct weft_kv_memory {
	struct weft_kv *kv;
	struct weft_region *region; /* NULL while not connected */
	uint8_t *base;
	size_t len;
	uint32_t index; /* 1..WIRE_REGIONS - 1 */
};

struct weft_kv_op {
	struct weft_kv *kv;
	struct list link; /* kv->idle, ->active, ->ended or ->quarantine */
	uint32_t slot;
	struct op_state state;
	struct weft_arrival *arrival; /* fabric */
	uint8_t kind;
	bool closed; /* the caller has let go: idle again once quiet */
	bool cancel_sent;
	bool whole; /* GET of a whole value: checked against its checksum */
	uint64_t deadline_ns;
	void *data; /* where the answer's bytes go */
	size_t room;
	void *part;            /* of the buffer, given back when quiet and closed */
	int error;             /* once ended */
	struct wire_msg reply; /* scalars of the answer; key and data are NULL */
	size_t got;            /* bytes at data */
	char text[256];        /* of a failure */
};

struct weft_kv {
	struct weft_kv_opts opts; /* defaults filled in; strings below */
	char *server_addr, *provider, *devices, *bind_addr;
	const struct control_ops *ops;
	void *ops_arg, *control;
	struct server *local; /* "in-process" */
	struct segment buffer;
	struct arena arena;
	struct weft_kv_memory *memories[WIRE_REGIONS]; /* [0] is not used */

	/* connection */
	struct weft *weft; /* NULL: not connected */
	struct weft_peer *peer;
	struct weft_region *region; /* the buffer */
	_Atomic uint64_t session;   /* 0: not registered */
	uint64_t old_session;       /* the one before, which the next replaces */
	_Atomic int lost;           /* 0, or why the connection cannot be used */
	struct kv_welcome welcome;
	uint32_t connects;

	/* operations; count is the credits */
	struct weft_kv_op *ops_array;
	uint32_t op_count;
	struct list idle, active, ended, quarantine;
	uint32_t idle_count, active_count, quarantine_count;

	/* heartbeats */
	pthread_t heart;
	pthread_mutex_t lock;
	pthread_cond_t wake;
	bool beating, stop; /* stop: with lock */
	uint64_t heart_ns;
	uint32_t heart_id;
};

static inline bool client_by_fabric(const struct weft_kv *kv)
{
	return kv->opts.control == WEFT_KV_FABRIC;
}

/* --- client_link.c --------------------------------------------------------------------------- */

/* Connected and usable, else (once more) so. What is lost is ended first. */
int client_ensure(struct weft_kv *kv);
/* Closes the engine: nothing of the client is touched any more. Operations under way fail. */
void client_disconnect(struct weft_kv *kv, int reason);
/* Notes that the connection cannot be used (code < 0). Any thread. */
void client_lose(struct weft_kv *kv, int code);

/* --- client_op.c ----------------------------------------------------------------------------- */

struct op_args {
	struct wire_msg msg; /* kind, flags and fields but for slot, generation, session, imm */
	void *data;          /* where bytes of the answer go: in registered memory if msg.room */
	size_t room;
	bool whole;
	uint64_t timeout_ns; /* 0: the client's */
};

int ops_init(struct weft_kv *kv, uint32_t count);
void ops_fini(struct weft_kv *kv);
/* Arrivals, for a new engine. */
int ops_connect(struct weft_kv *kv);
/* Starts a request. -WEFT_EQUEUEFULL: no credit. */
int op_start(struct weft_kv *kv, struct op_args *args, struct weft_kv_op **ret);
static inline bool op_ended(const struct weft_kv_op *op)
{
	return op->state.phase != OP_ACTIVE;
}
/* Progresses until the operation has ended, by its own deadline at the latest. Its error. */
int op_finish(struct weft_kv_op *op);
/* Stores the error's text and returns the error. */
int op_error(const struct weft_kv_op *op);
/* Ends it now unless it has ended. */
void op_cancel(struct weft_kv_op *op, int error, const char *text);
/* The caller lets go. NULL is fine. */
void op_close(struct weft_kv_op *op);
/* The same; the part of the buffer is given back once it is quiet. */
void op_close_part(struct weft_kv_op *op, void *part);
/* Ends what is active (code < 0) and makes everything quiet: the engine is closed. */
void ops_engine_closed(struct weft_kv *kv, int code);
int client_progress(struct weft_kv *kv, uint64_t timeout_ns);
/* Starts the heartbeats, unless they run. */
int client_heart_start(struct weft_kv *kv);
/* Progresses while quarantined operations leave no part of len bytes in the buffer, by the client's
 * timeout at the latest. */
int client_wait_room(struct weft_kv *kv, size_t len);
void client_message(void *ctx, struct weft_peer *peer, const void *data, size_t len);

/* --- client_call.c --------------------------------------------------------------------------- */

/*
 * One request from start to end, on a new connection if the present one turns out to be lost (and,
 * unless once, asked again). reply gets the scalars; *got_ret (may be NULL) the bytes at
 * args->data.
 */
int call_run(struct weft_kv *kv, struct op_args *args, bool once, struct wire_msg *reply,
	     size_t *got_ret);

/* --- client_stream.c ------------------------------------------------------------------------- */

struct stream_get {
	const void *key;
	size_t key_len;
	uint64_t offset, length; /* range; whole: 0, UINT64_MAX */
	uint64_t limit;          /* longer than this is -WEFT_EBUFFER */
	weft_kv_sink_fn fn;      /* total: of the range */
	void *ctx;
	uint64_t total; /* out: of the range, also with -WEFT_EBUFFER */
	bool started;   /* out: fn was called */
};
int stream_get(struct weft_kv *kv, struct stream_get *get);

struct stream_put {
	const void *key;
	size_t key_len;
	uint64_t total, ttl_ms, timeout_ns;
	weft_kv_source_fn fn;
	void *ctx;
	bool started; /* out: fn was called */
};
int stream_put(struct weft_kv *kv, struct stream_put *put);

/* --- client_memory.c ------------------------------------------------------------------------- */

struct place {
	uint32_t region;
	uint64_t offset;
};
/* Whether the bytes lie in registered memory or the buffer, and where. */
bool memory_find(const struct weft_kv *kv, const void *data, size_t len, struct place *ret);
/* Registers and attaches the caller's memories with a new connection. */
int memories_connect(struct weft_kv *kv);
void memories_disconnect(struct weft_kv *kv);
void memories_fini(struct weft_kv *kv);

/* --- client_addr.c --------------------------------------------------------------------------- */

/* Text of the local address that leads to HOST:PORT (or URL) into buf; false: not known. */
bool addr_local(const char *server_addr, char *buf, size_t size);

static inline uint64_t ttl_to_ms(uint64_t ttl_ns)
{
	return ttl_ns / 1000000 + (ttl_ns % 1000000 != 0);
}

#endif /* WEFT_KV_CLIENT_INT_H */
