/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inside of the KV server. But for the store, the counters and the task queue everything belongs to
 * the engine's owner thread, so there are no locks on the way of a request.
 *
 *	server.c          owner tasks, the ticker, counters
 *	server_open.c     life
 *	server_clients.c  sessions: hello, bye, heartbeat, loss
 *	server_memory.c   attach, detach
 *	server_request.c  messages in, requests to their functions, replies out
 *	server_get.c server_put.c server_upload.c server_misc.c  the requests
 *	server_work.c     transfers of requests, and when their memory is quiet
 */
#ifndef WEFT_KV_SERVER_INT_H
#define WEFT_KV_SERVER_INT_H

#include <pthread.h>
#include <stdatomic.h>

#include "base/hash.h"
#include "base/list.h"
#include "kv/segment.h"
#include "kv/server.h"
#include "kv/session.h"
#include "kv/store.h"

#define SERVER_SEGMENTS_MAX 64u
#define SERVER_SEGMENT_MAX  ((uint64_t)64 << 30)
#define SERVER_WORKS_READY  64u                 /* transfers' records made at open */
#define SERVER_WORKS_MAX    16384u              /* at a time */
#define SERVER_UPLOADS_KEPT 64u                 /* records of uploads kept for reuse */
#define SERVER_HASH_SLICE   ((uint64_t)1 << 20) /* bytes hashed in one turn of the owner */
#define UPLOAD_RUNS_MAX     64u

/* Counters of requests, any thread. Names as in WEFT_KV_COUNTER_MAP. */
struct server_counters {
	_Atomic uint64_t gets, hits, misses, puts, bytes_in, bytes_out, checksum_errors;
	_Atomic uint64_t requests_fabric, requests_grpc, requests_bad, cancelled;
	_Atomic uint64_t sessions, sessions_forgotten, sessions_dropped;
	_Atomic uint64_t transfers, quarantined, uploads;
};

#define COUNT(server, name, n) \
	atomic_fetch_add_explicit(&(server)->counters.name, (n), memory_order_relaxed)

struct server {
	struct server_opts opts;
	struct weft *weft;
	struct store *store;
	struct segment segments[SERVER_SEGMENTS_MAX];
	struct weft_region *regions[SERVER_SEGMENTS_MAX]; /* of the segments */
	uint32_t segment_count;
	uint64_t started_ns;
	struct server_counters counters;

	/* owner thread */
	struct sessions sessions;
	struct list free_works, parked; /* parked: ended, not quiet yet */
	uint32_t work_count;            /* made */
	struct list free_uploads;
	uint32_t free_upload_count;
	uint64_t next_transfer;
	uint32_t closing_hurry; /* sessions dropped since the last time that none was closing */

	_Atomic bool draining;
	_Atomic bool closing;   /* the engine is being closed, or is */
	_Atomic uint32_t calls; /* server_call()s not answered */
	_Atomic uint32_t hurry; /* things that wait for a tick: parked works, unsent replies */

	/* owner tasks */
	pthread_mutex_t lock; /* guards tasks and rung */
	struct list tasks;
	bool rung;
	struct weft_batch *bell; /* empty: its end runs the tasks on the owner thread */

	/* ticker */
	pthread_t ticker;
	pthread_cond_t wake; /* with lock */
	bool ticking, stop;
	_Atomic bool tick_posted;
	struct owner_task tick;
};

/* Who asked: a session over the fabric (call NULL), or a call. */
struct asker {
	struct session *session; /* NULL: a call without one */
	struct server_call *call;
	uint32_t slot, generation;
	uint64_t session_id;
	uint8_t kind;
};

/* --- server.c -------------------------------------------------------------------------------- */

/* Runs task->fn on the owner thread, soon. Any thread. */
void server_post(struct server *server, struct owner_task *task);
/* Runs fn on the owner thread and waits for it. Any other thread. */
void server_run(struct server *server, void (*fn)(struct server *server, void *arg), void *arg);
/* Something waits for a tick (+1), or no longer does (-1): ticks are frequent meanwhile. */
void server_hurry(struct server *server, int change);
int server_start_ticker(struct server *server);
void server_stop_ticker(struct server *server);
/* weft_batch_done_fn of server->bell. */
void server_bell_done(void *ctx, struct weft_batch *bell);
void server_tick(struct owner_task *task);
void server_log(struct server *server, int level, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* --- server_clients.c ------------------------------------------------------------------------ */

/* Ends a session: no more requests; uploads and pins go; freed when its works have ended. cut: the
 * peer is disconnected. */
void client_drop(struct server *server, struct session *session, bool cut, const char *why);
/* Frees a closing session that nothing holds any more. */
void client_settle(struct server *server, struct session *session);
void client_gone(void *ctx, struct weft_peer *peer, int reason); /* weft_peer_gone_fn */
void clients_tick(struct server *server, uint64_t now_ns);
void clients_fini(struct server *server);
void request_bye(struct server *server, const struct asker *asker, const struct wire_msg *msg);

/* --- server_memory.c -------------------------------------------------------------------------- */

/* Lets all go. False: the engine still uses one. */
bool memories_close(struct session *session);
void request_attach(struct server *server, const struct asker *asker, const struct wire_msg *msg);
void request_detach(struct server *server, const struct asker *asker, const struct wire_msg *msg);

/* --- server_request.c ------------------------------------------------------------------------ */

void request_message(void *ctx, struct weft_peer *peer, const void *data,
		     size_t len); /* weft_message_fn */
/* Sends a reply; its header fields are set here. */
void reply_send(struct server *server, const struct asker *asker, struct wire_msg *reply);
/* A reply without fields; a failure carries err_set()'s detail if it is of this failure. */
void reply_status(struct server *server, const struct asker *asker, int status);
/* The answer to a CANCEL of this request. */
void reply_cancelled(struct server *server, const struct asker *canceller, bool active);
/* Replies that could not be sent at once. */
void outbox_flush(struct server *server, struct session *session);
void outbox_drop(struct server *server, struct session *session);

/* --- the requests ---------------------------------------------------------------------------- */

void request_get(struct server *server, const struct asker *asker, const struct wire_msg *msg,
		 uint64_t inline_max);
void request_put(struct server *server, const struct asker *asker, const struct wire_msg *msg);
void request_begin(struct server *server, const struct asker *asker, const struct wire_msg *msg);
void request_chunk(struct server *server, const struct asker *asker, const struct wire_msg *msg);
void request_commit(struct server *server, const struct asker *asker, const struct wire_msg *msg);
void request_release(struct server *server, const struct asker *asker, const struct wire_msg *msg);
void request_delete(struct server *server, const struct asker *asker, const struct wire_msg *msg);
void request_stat(struct server *server, const struct asker *asker, const struct wire_msg *msg);
void request_list(struct server *server, const struct asker *asker, const struct wire_msg *msg);
void request_stats(struct server *server, const struct asker *asker);
void request_cancel(struct server *server, const struct asker *asker, const struct wire_msg *msg);

/* Milliseconds left of a value's life, at least 1; 0: for ever. */
uint64_t ttl_left_ms(uint64_t expires_ns, uint64_t now_ns);

/* --- pins: versions that a client reads in pieces (server_get.c) --------------------------------
 */

struct pin {
	struct list link; /* in session->pins */
	uint64_t id;
	struct item *item;
	uint64_t used_ns;
};
void pin_drop(struct server *server, struct session *session, struct pin *pin);
void pins_tick(struct server *server, struct session *session, uint64_t now_ns);

/* --- uploads: values being put (server_upload.c)
 * ---------------------------------------------------
 */

struct upload_run {
	uint64_t start, end;
};

/*
 * Bytes arrive in any order, each once; they are hashed in order. Ends committed or aborted.
 * U1: runs are apart, in order, and begin after `hashable`; all below hashable has arrived.
 */
struct upload {
	struct list link; /* in session->uploads; a call's without session: in none */
	struct server *server;
	struct session *session;
	uint64_t id;
	struct item *item;
	uint64_t total, hashed, hashable;
	struct hash_stream hash;
	struct upload_run runs[UPLOAD_RUNS_MAX];
	uint32_t run_count;
	uint32_t works; /* READs under way */
	int error;      /* it has failed: nothing more is accepted */
	uint64_t used_ns;
	bool committing, checked, hashing;
	uint64_t checksum;      /* to be found, if checked */
	struct asker committer; /* gets the answer when committing */
	bool cancelled;
	struct asker canceller;
	struct owner_task task; /* goes on hashing */
};
/* Reserves msg's key and length. */
int upload_start(struct server *server, struct session *session, const struct wire_msg *msg,
		 struct upload **ret);
/* One that is not committing; NULL. */
struct upload *upload_find(struct session *session, uint64_t id);
/* Nothing has arrived in these bytes yet. */
bool upload_is_new(const struct upload *upload, uint64_t start, uint64_t end);
/* These bytes are in the pool. A failure is the whole upload's. */
int upload_arrived(struct upload *upload, uint64_t offset, uint64_t length);
/* Hashes a slice of what has arrived; commits when that was the last and a commit waits. May free
 * the upload. */
void upload_step(struct upload *upload);
/* Ends it, at once or when nothing writes to it any more. May free it. */
void upload_fail(struct upload *upload, int error);
/* The engine is closed. */
void uploads_fini(struct session *session);
void uploads_tick(struct server *server, struct session *session, uint64_t now_ns);

/* --- works (server_work.c) ----------------------------------------------------------------------
 */

/*
 * A request's transfers:  work_get -> work_submit -> ended -> (parked until quiet) -> finish
 */
struct work {
	struct list link;      /* in session->works or server->free_works */
	struct list park_link; /* in server->parked */
	struct server *server;
	struct weft_batch *batch;
	struct asker asker;
	void (*finish)(struct work *work); /* the transfers have ended and their memory is quiet */
	struct item *item;                 /* GET: a reference */
	struct upload *upload;             /* PUT, CHUNK */
	uint64_t offset, length;           /* in the value */
	struct wire_msg reply;             /* of a call's GET */
	int error;
	char text[160];
	bool answered;  /* its reply went out */
	bool cancelled; /* canceller waits */
	struct asker canceller;
};

/* NULL: too many, or no memory. The session is held until work_put(). */
struct work *work_get(struct server *server, const struct asker *asker);
void work_put(struct work *work);
enum work_kind {
	WORK_WRITE,
	WORK_READ
};
/* Adds the transfers between bytes of an item and the client's memory; returns how many there are.
 */
int work_add(struct work *work, enum work_kind kind, const struct item *item, uint64_t offset,
	     uint64_t length, const struct wire_msg *msg);
/* 0: finish will be called. */
int work_submit(struct work *work, uint32_t timeout_ms);
void works_tick(struct server *server);
/* The work of a request; NULL: none. */
struct work *work_find(struct session *session, uint32_t slot, uint32_t generation);
/* Ends its transfers; canceller is answered when they are quiet. */
void work_cancel(struct work *work, const struct asker *canceller);
int works_init(struct server *server);
void works_fini(struct server *server);

#endif /* WEFT_KV_SERVER_INT_H */
