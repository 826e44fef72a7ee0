/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libweftkv: a client of weft's KV cache (weft serve).
 *
 * Values of 0 bytes to the server's --max-value-mb, under keys of 1 to 4096 arbitrary bytes. The
 * server moves large values by RDMA straight into and out of the client's registered memory; small
 * ones travel inside the messages. Every value is checked against its checksum on arrival.
 *
 *	struct weft_kv *kv;
 *	struct weft_kv_opts opts = { .size = sizeof(opts), .server_addr = "10.0.0.7:50051" };
 *
 *	rc = weft_kv_open(&kv, &opts);
 *	rc = weft_kv_put(kv, "key", 3, data, len, NULL);
 *	rc = weft_kv_get(kv, "key", 3, buf, sizeof(buf), &got);
 *	weft_kv_close(kv);
 *
 * Returns. 0 or a count; -errno or -WEFT_E... (weft/error.h) on failure, and then
 * weft_error_detail() says what failed and why.
 *
 * Threads. One thread at a time may use a client and its operations; several threads use several
 * clients, or a lock. Nothing moves unless one of the client's functions is running. A thread of
 * the library's own sends heartbeats. Forks and cancellation: as weft/weft.h says.
 *
 * Time. Timeouts are nanoseconds from the call; WEFT_FOREVER: no limit. An operation ends by its
 * timeout at the latest, whatever the server does.
 *
 * Memory. A GET that ended by its timeout, or was cancelled, may still be written to by the server
 * until it has confirmed the cancellation. The library keeps its own buffers back for so long; for
 * the caller's registered memory weft_kv_op_quiesce() tells. weft_kv_close() settles everything.
 *
 * When the server was restarted or forgot the client, operations under way fail with
 * -WEFT_EPEERGONE or -WEFT_ESESSION, and the next blocking call connects again.
 */
#ifndef WEFT_KV_H
#define WEFT_KV_H

#include "weft.h"

#ifdef __cplusplus
extern "C" {
#endif

#define WEFT_KV_KEY_MAX      4096u
#define WEFT_KV_DEFAULT_ADDR "127.0.0.1:50051"

struct weft_kv;        /* a client */
struct weft_kv_memory; /* memory of the caller, registered */
struct weft_kv_op;     /* one asynchronous operation */

enum weft_kv_control {
	WEFT_KV_FABRIC = 0, /* requests travel over the fabric (default) */
	WEFT_KV_GRPC = 1,   /* requests travel by gRPC, large values over the fabric */
};

struct weft_kv_opts {
	size_t size;
	/* HOST:PORT, "http://" in front is accepted. Default WEFT_KV_DEFAULT_ADDR. "in-process":
	 * the client opens a server of its own in this process, for tests without a network. */
	const char *server_addr;
	const char *provider; /* as weft_opts.provider */
	const char *devices;  /* as weft_opts.devices */
	/* Interface that IP transports bind. Default: the one that routes to server_addr. */
	const char *bind_addr;
	uint64_t
		buffer_bytes; /* of the client's registered buffer, 64 KiB and up; default 64 MiB */
	uint64_t connect_timeout_ns; /* for weft_kv_open() and connecting again; default 10 s */
	uint64_t timeout_ns;         /* of blocking calls; default 30 s */
	uint64_t local_bytes;        /* "in-process": pool of the server; default 256 MiB */
	uint32_t client_id;          /* 0: random */
	uint32_t control;            /* enum weft_kv_control */
	uint32_t credits;            /* operations in flight at most; 0: what the server grants */
	int log_level;
	weft_log_fn log;      /* may be called by the heartbeat thread too */
	void *ctx;            /* for log */
	uint32_t device_rdma; /* as weft_opts.device_rdma */
	/* As weft_opts.nics; the thread is that which opens the client, or connects it again. */
	uint32_t nics;
};

/* Connects and registers. -WEFT_EUNAVAILABLE, -WEFT_EDEADLINE, -WEFT_EPROTOCOL, -WEFT_EVERSION,
 * -EINVAL (address), and what weft_open() and weft_connect() answer. */
WEFT_API int weft_kv_open(struct weft_kv **ret, const struct weft_kv_opts *opts);
/* Ends all operations and the session and frees. Afterwards no memory is touched by the network
 * any more. NULL is fine. */
WEFT_API void weft_kv_close(struct weft_kv *kv);

struct weft_kv_put_opts {
	size_t size;
	uint64_t ttl_ns;     /* expires after; 0: never. Rounded up to milliseconds. */
	uint64_t timeout_ns; /* 0: weft_kv_opts.timeout_ns */
};

/* What is known of a value. */
struct weft_kv_info {
	size_t size;
	uint64_t length;
	uint64_t version;  /* grows with each PUT of the key */
	uint64_t checksum; /* XXH3-64 */
	uint64_t ttl_ns;   /* time left; 0: never expires */
};

/* --- blocking ------------------------------------------------------------------------------------
 */

/* Stores a value, of any length up to the server's limit. Other clients see the old value until it
 * is complete, then the new one. opts may be NULL. -WEFT_EKEYSIZE, -WEFT_ETOOLARGE,
 * -WEFT_EPOOLFULL. */
WEFT_API int weft_kv_put(struct weft_kv *kv, const void *key, size_t key_len, const void *data,
			 size_t len, const struct weft_kv_put_opts *opts);
/* Fetches a value into buf. *len_ret is its length, also with -WEFT_EBUFFER, when it does not fit
 * room. -WEFT_ENOTFOUND. */
WEFT_API int weft_kv_get(struct weft_kv *kv, const void *key, size_t key_len, void *buf,
			 size_t room, size_t *len_ret);
/* Part of a value: up to room bytes from offset on. *len_ret: how many there were; 0 at or past the
 * end. A part is not checked against the checksum, which covers the whole. */
WEFT_API int weft_kv_get_range(struct weft_kv *kv, const void *key, size_t key_len, uint64_t offset,
			       void *buf, size_t room, size_t *len_ret);
/* -WEFT_ENOTFOUND when there was none. */
WEFT_API int weft_kv_delete(struct weft_kv *kv, const void *key, size_t key_len);
/* -WEFT_ENOTFOUND. */
WEFT_API int weft_kv_stat(struct weft_kv *kv, const void *key, size_t key_len,
			  struct weft_kv_info *ret);
/* Round trip to the server over the chosen control. */
WEFT_API int weft_kv_ping(struct weft_kv *kv);

/* Called for each key; not 0 ends the listing and is returned. key is borrowed. */
typedef int (*weft_kv_list_fn)(void *ctx, const void *key, size_t key_len,
			       const struct weft_kv_info *info);
/* Lists the keys that begin with prefix (NULL, 0: all), in no particular order, each once; keys
 * that come or go meanwhile may be missing. info->checksum is 0. Returns how many. fn must not use
 * kv. */
WEFT_API int64_t weft_kv_list(struct weft_kv *kv, const void *prefix, size_t prefix_len,
			      weft_kv_list_fn fn, void *ctx);

/*
 * Values in pieces, for those that do not fit in memory twice. The pieces lie in the client's
 * registered buffer: nothing is copied in between. Several are in flight at a time. fn must not use
 * kv; what it returns, if not 0, ends the transfer and is returned; a PUT that ends early leaves no
 * trace.
 */

/* Writes bytes offset..offset+len of the value into data. */
typedef int (*weft_kv_source_fn)(void *ctx, void *data, size_t len, uint64_t offset,
				 uint64_t total);
/* data: bytes offset..offset+len of the value, in order. An empty value is one call with len 0. */
typedef int (*weft_kv_sink_fn)(void *ctx, const void *data, size_t len, uint64_t offset,
			       uint64_t total);
WEFT_API int weft_kv_put_stream(struct weft_kv *kv, const void *key, size_t key_len, uint64_t total,
				weft_kv_source_fn fn, void *ctx,
				const struct weft_kv_put_opts *opts);
/*
 * All pieces are of one version of the value. One that fits the client's buffer is checked before
 * fn sees it; a longer one at the end: -WEFT_ECHECKSUM then says that what fn got must not be used.
 */
WEFT_API int weft_kv_get_stream(struct weft_kv *kv, const void *key, size_t key_len,
				weft_kv_sink_fn fn, void *ctx);

/* --- registered memory ---------------------------------------------------------------------------
 */

/* Registers memory of the caller, for zero-copy transfers into and out of it. At most 63 at a time.
 * It stays valid over a new connection. -WEFT_EMEMLOCK, -WEFT_ELIMIT. */
WEFT_API int weft_kv_register(struct weft_kv *kv, void *base, size_t len,
			      struct weft_kv_memory **ret);
/* 0: the memory may be reused. -WEFT_ENOTQUIET: the network may still touch it; repeat. */
WEFT_API int weft_kv_unregister(struct weft_kv_memory *memory, uint64_t timeout_ns);
/* Takes len bytes of the client's registered buffer, aligned to 64 bytes. -ENOBUFS when there are
 * not as many. Valid until weft_kv_buffer_put(), also over a new connection. */
WEFT_API int weft_kv_buffer_get(struct weft_kv *kv, size_t len, void **ret);
/* Gives it back. NULL is fine. */
WEFT_API void weft_kv_buffer_put(struct weft_kv *kv, void *data);

/* --- asynchronous
 * ---------------------------------------------------------------------------------- */

/*
 * Starts a GET of the value (up to room bytes) into data, which must lie in registered memory or be
 * part of the client's buffer. -WEFT_EQUEUEFULL: as many operations as there are credits are under
 * way; wait for one. -WEFT_EBOUNDS: data is not registered. timeout_ns 0: weft_kv_opts.timeout_ns.
 */
WEFT_API int weft_kv_get_start(struct weft_kv *kv, const void *key, size_t key_len, void *data,
			       size_t room, uint64_t timeout_ns, struct weft_kv_op **ret);
/* Starts a PUT. data must not change until the operation has ended; up to 4000 bytes may lie
 * anywhere and are copied. opts may be NULL. */
WEFT_API int weft_kv_put_start(struct weft_kv *kv, const void *key, size_t key_len,
			       const void *data, size_t len, const struct weft_kv_put_opts *opts,
			       struct weft_kv_op **ret);
WEFT_API int weft_kv_delete_start(struct weft_kv *kv, const void *key, size_t key_len,
				  struct weft_kv_op **ret);

/* Progresses. 1: the operation has ended, 0: not yet. */
WEFT_API int weft_kv_op_poll(struct weft_kv_op *op);
/* Progresses until the operation has ended. Its error, 0 if it was done; -EAGAIN: it has not ended
 * within timeout_ns and goes on. */
WEFT_API int weft_kv_op_wait(struct weft_kv_op *op, uint64_t timeout_ns);
/* Of an ended operation: its error; ret (may be NULL) is set when it was done, and with
 * -WEFT_EBUFFER (length). -EBUSY while under way. */
WEFT_API int weft_kv_op_result(const struct weft_kv_op *op, struct weft_kv_info *ret);
/* Ends it now as -WEFT_ECANCELLED, unless it has ended. */
WEFT_API void weft_kv_op_cancel(struct weft_kv_op *op);
/* Progresses. 0: the operation's memory is touched no more; -WEFT_ENOTQUIET. */
WEFT_API int weft_kv_op_quiesce(struct weft_kv_op *op, uint64_t timeout_ns);
/* Cancels it if need be and frees it. NULL is fine. The memory: quiesce before. */
WEFT_API void weft_kv_op_close(struct weft_kv_op *op);
/* Handles what is ready, waits up to timeout_ns for the first. How much there was. */
WEFT_API int weft_kv_progress(struct weft_kv *kv, uint64_t timeout_ns);
/* Operations that can be started now. */
WEFT_API uint32_t weft_kv_credits(const struct weft_kv *kv);

/* --- what is going on
 * -------------------------------------------------------------------------------- */

/* clang-format off */
/* Figures of a server: X(name, text). New ones are added at the end. */
#define WEFT_KV_COUNTER_MAP(X) \
	X(keys, "keys present") \
	X(value_bytes, "bytes of values present") \
	X(pool_size, "size of the pool, bytes") \
	X(pool_used, "pool in use: values, headers, rounding, reservations, pinned old values; bytes") \
	X(largest_free, "largest free run of the pool, bytes") \
	X(index_bytes, "memory of the index, bytes") \
	X(pinned, "references to values held by readers now") \
	X(sessions, "clients registered now") \
	X(sessions_forgotten, "clients forgotten because they were silent or gone") \
	X(sessions_dropped, "clients cut off because they broke the rules") \
	X(gets, "GET requests") \
	X(hits, "GETs that found a value") \
	X(misses, "GETs that found none") \
	X(puts, "values stored") \
	X(deletes, "keys deleted") \
	X(expired, "keys removed because their time was over") \
	X(bytes_in, "bytes of values stored") \
	X(bytes_out, "bytes of values sent") \
	X(refused_full, "values refused because the pool was full") \
	X(checksum_errors, "values refused because they did not match their checksum") \
	X(requests_fabric, "requests that came over the fabric") \
	X(requests_grpc, "requests that came by gRPC") \
	X(requests_bad, "messages not understood, stale or not allowed; dropped or refused") \
	X(cancelled, "requests cancelled by their client") \
	X(transfers, "requests with RDMA under way now") \
	X(quarantined, "ended requests whose memory the network may still touch, now") \
	X(uploads, "values being put in pieces now") \
	X(uptime_ms, "milliseconds since the server started")
/* clang-format on */

struct weft_kv_stats {
	size_t size;
#define WEFT_KV_COUNTER_FIELD(name, text) uint64_t name;
	WEFT_KV_COUNTER_MAP(WEFT_KV_COUNTER_FIELD)
#undef WEFT_KV_COUNTER_FIELD
};
/* The server's figures. */
WEFT_API int weft_kv_stats(struct weft_kv *kv, struct weft_kv_stats *ret);

/* The client's connection. */
struct weft_kv_connection {
	size_t size;
	char provider[16]; /* chosen way to the server: "shm", "tcp", ... */
	char libfabric[32];
	char device[64];
	uint64_t session;
	uint64_t max_value; /* of the server, bytes */
	uint32_t client_id;
	uint32_t node_id; /* of the server */
	uint32_t credits;
	uint32_t control;     /* enum weft_kv_control */
	uint32_t connects;    /* times connected, 1 at first */
	uint32_t quarantined; /* operations whose memory waits for the server's confirmation */
};
WEFT_API int weft_kv_connection(struct weft_kv *kv, struct weft_kv_connection *ret);

#ifdef __cplusplus
}
#endif

#endif /* WEFT_KV_H */
