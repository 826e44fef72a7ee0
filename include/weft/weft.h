/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libweft: the transfer engine.
 *
 * Call flow: weft_open() -> weft_register() -> weft_export() -> (carry the bytes any way) ->
 * weft_import() at the peer -> weft_batch_open(), weft_batch_write()/weft_batch_read() ->
 * weft_submit() -> weft_batch_poll() or weft_batch_wait() -> weft_close().
 *
 * Returns. 0 or a count on success; -errno or -WEFT_E... (weft/error.h) on failure. Results come
 * through the first argument named ret, which is written only on success. After a failure
 * weft_error_detail() tells this thread what failed and why.
 *
 * Threads. With WEFT_PROGRESS_THREAD every function may be called from any thread. With
 * WEFT_PROGRESS_MANUAL all calls on one engine (and its objects) must be serialised by the
 * caller, and nothing moves unless one of the functions marked "progresses" is running. A batch is
 * used by one thread at a time in either mode. Callbacks run inside progress, on the owner thread
 * in thread mode; they may call any function that does not wait.
 *
 * Forks. What is open stays the parent's, which goes on. In a child of fork(), and in its children,
 * every function that would do more than read memory returns -WEFT_EFORKED, weft_open() and
 * weft_providers() too, and weft_close() and its like do nothing. The child may call exec, _exit()
 * or exit(). A program that is to use weft in child processes forks before it opens an engine.
 * Descriptors are closed by exec; those of a child that only goes on keep connections over tcp
 * open, so peers may learn the end of the parent late. Registered memory stays the parent's to the
 * device where the kernel copies pinned pages for the child (Linux 5.13).
 *
 * Cancellation. No function is a cancellation point: a thread that is cancelled (pthread_cancel(),
 * deferred) ends its call, with its callbacks, first. Who cancels threads gives waits a timeout.
 * Asynchronous cancellation is not supported.
 *
 * Time. Timeouts are nanoseconds from the call. 0 means "do not wait", WEFT_FOREVER no limit.
 *
 * Structures begin with their size (set .size = sizeof(x)); unknown trailing bytes must be zero,
 * and zero in a field means its default, so structures can grow.
 */
#ifndef WEFT_WEFT_H
#define WEFT_WEFT_H

#include <stddef.h>
#include <stdint.h>

#include "error.h"

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define WEFT_API __attribute__((visibility("default")))
#else
#define WEFT_API
#endif

#define WEFT_FOREVER UINT64_MAX

/* Largest payload of weft_notify(), bytes: fits an EFA message (MTU 8,928) with weft's header. */
#define WEFT_NOTIFY_MAX 8192u

struct weft;         /* an engine: the rails of one or several transports, and their peers */
struct weft_region;  /* registered local memory */
struct weft_peer;    /* a remote engine */
struct weft_remote;  /* a peer's exported region, imported here */
struct weft_batch;   /* transfers that are submitted and waited for together */
struct weft_arrival; /* counts data that arrives with an immediate */

enum weft_progress {
	WEFT_PROGRESS_THREAD = 0, /* an owner thread drives the rails (default) */
	WEFT_PROGRESS_MANUAL = 1, /* the caller drives: lowest latency, no thread hop */
};

enum weft_nics {
	WEFT_NICS_ALL = 0, /* every device that fits (default) */
	/* Of the NIC providers' devices those in the NUMA node(s) of the CPUs that the thread that
	 * calls weft_open() may use, or, if these are in all nodes, in the node where it runs. A
	 * provider that has none there, or does not know, uses all (logged: WEFT_LOG_WARN). */
	WEFT_NICS_NEAR = 1,
};

enum weft_access {
	WEFT_LOCAL = 0,        /* source of WRITE, target of READ; nothing granted to peers */
	WEFT_REMOTE_READ = 1,  /* peers may READ it */
	WEFT_REMOTE_WRITE = 2, /* peers may WRITE it */
};

/* Who does the WRITEs, or the READs, of a rail, as far as this side decides it. */
enum weft_rdma {
	WEFT_RDMA_UNKNOWN = 0,  /* this version of libfabric does not tell */
	WEFT_RDMA_DEVICE = 1,   /* the device */
	WEFT_RDMA_MEMORY = 2,   /* a processor, from memory to memory of this host (loop, shm) */
	WEFT_RDMA_SOFTWARE = 3, /* the target's processor, out of messages: it must progress */
};

enum weft_log_level {
	WEFT_LOG_ERROR = 0,
	WEFT_LOG_WARN = 1,
	WEFT_LOG_INFO = 2,
	WEFT_LOG_DEBUG = 3,
};

/*
 * A message from a peer (weft_notify()). data is borrowed until the callback returns. peer stays
 * valid as documented at struct weft_peer's functions.
 */
typedef void (*weft_message_fn)(void *ctx, struct weft_peer *peer, const void *data, size_t len);
/* A peer said goodbye, died, or was replaced by a newer incarnation. Last use of peer. */
typedef void (*weft_peer_gone_fn)(void *ctx, struct weft_peer *peer, int reason);
/* A batch has ended: every transfer has a result. Not "quiescent": see weft_batch_quiesce(). */
typedef void (*weft_batch_done_fn)(void *ctx, struct weft_batch *batch);
typedef void (*weft_log_fn)(void *ctx, int level, const char *text);

struct weft_opts {
	size_t size;
	/* "auto" (default), "loop", "shm", "efa", "efa-direct", "verbs", "tcp", or a comma list of
	 * them. Anything but auto that cannot be opened is -WEFT_ENOPROVIDER naming what is there.
	 */
	const char *provider;
	/* Comma list of device (libfabric domain) names to use, for instance "rdmap0s6-rdm" or
	 * "eth0"; NULL: all. For provider "loop" a script instead: NAME=NUMBER by comma,
	 * of delay_us and jitter_us (each operation and message takes that long, plus a random
	 * share), reorder (picks at random among so many), seed, fail_every and hang_every (every
	 * n-th operation fails, or never ends), late_every (every n-th that was done is reported
	 * as failed after that too), depth, segments (pieces of a batch that go as one). */
	const char *devices;
	/* Host name or address whose interface IP transports bind; NULL: the provider's choice. */
	const char *bind_addr;
	uint32_t rails;    /* rails (endpoints) per NIC transport, 1..32; default 1 */
	uint32_t progress; /* enum weft_progress */
	uint32_t
		queue_depth; /* operations in flight per rail, 16..65536; default: the provider's */
	uint32_t peer_window;     /* operations in flight per peer; default 256. A frozen peer can
				   * hold this many of a rail's queue_depth, not more. */
	uint32_t peer_limit;      /* peers known at a time; default 4096 */
	uint32_t submit_limit;    /* transfers submitted and not yet ended; default 1048576 */
	uint32_t receive_buffers; /* message receive buffers per rail; default 256 */
	uint32_t spin_us;         /* owner thread: busy polling after the last event before it
				   * sleeps, microseconds; default 50 */
	uint64_t connect_timeout_ns; /* handshake with a new peer; default 10 s */
	weft_message_fn on_message;  /* NULL: messages queue for weft_receive() */
	weft_peer_gone_fn on_peer_gone;
	weft_log_fn log;
	void *ctx; /* handed to the callbacks above */
	int log_level;
	/* 1: refuse rails over which libfabric's software, not a device, does WRITE or READ (enum
	 * weft_rdma: UNKNOWN and SOFTWARE), with -WEFT_ESOFTWARE. "auto" leaves them out where
	 * another NIC provider has rails that a device serves, and fails where none has. It says
	 * nothing of the peers' devices: set it on both sides. */
	uint32_t device_rdma;
	uint32_t nics; /* enum weft_nics; applies to what devices leaves */
	/* 1: the owner thread keeps to the CPUs near the engine's NICs, of those that the caller of
	 * weft_open() may use; where none is left or known it does not (logged). Thread mode only.
	 * This and WEFT_NICS_NEAR need libhwloc, and half a second; HWLOC_XMLFILE applies to it. */
	uint32_t bind_thread;
	uint32_t gpus; /* enum weft_gpus, in weft/memory.h */
	/* Host memory for copies from and to GPUs, bytes, 64 KiB to 4 GiB; default 16 MiB. Taken,
	 * and pinned, when a region first needs copies. */
	uint64_t staging_bytes;
	/* Longest registration that the devices take, bytes, 4096 or more; a longer region is
	 * registered in parts of the largest power of two within it. 0: it is asked of the device,
	 * and where it does not say, found out from what it refuses. */
	uint64_t max_registration;
	/* Peers connected at a time beyond which idle ones are let go; default 0: none is. The one
	 * longest without transfer, message or import goes first, once neither side has used the
	 * other for 10 ms and nothing is under way between them; it agrees to it, whatever its own
	 * limit. Handles stay valid: what needs the peer again connects again, within the deadline
	 * of the transfer, and asks again for the regions that it uses. Over shm, where addresses
	 * are few in an engine's life, peers are neither counted nor let go. */
	uint32_t idle_peers;
};

/* "weft 0.1.0"; static. */
WEFT_API const char *weft_version(void);
/* Version of the libfabric in use, "1.17"; static. */
WEFT_API const char *weft_libfabric_version(void);

/* Text, remedy, symbolic name ("WEFT_EBOUNDS", "ENOENT") and program exit status of a code; the
 * sign does not matter. Static strings; never NULL. */
WEFT_API const char *weft_strerror(int code);
WEFT_API const char *weft_remedy(int code);
WEFT_API const char *weft_error_name(int code);
WEFT_API int weft_exit_status(int code);
/* What the last failed weft call of this thread was about: device or peer, cause, the provider's
 * text. Valid until this thread's next weft call; "" when there is nothing to add. */
WEFT_API const char *weft_error_detail(void);

/* One way to move memory that this host offers now. */
struct weft_provider_info {
	size_t size;
	char provider[16];  /* name for weft_opts.provider */
	char libfabric[32]; /* libfabric's own name, "tcp;ofi_rxm"; "" for loop */
	char fabric[64];
	char device[64];
	char address[64];    /* of the interface, text; may be "" */
	uint64_t speed_mbps; /* 0: not known */
};

/* Lists what could be opened. Writes at most max entries (each of .size = sizeof) and returns how
 * many there are, which may be more. */
WEFT_API int weft_providers(struct weft_provider_info *infos, int max);

/*
 * Opens an engine. opts may be NULL. The memory of opts and its strings is not needed afterwards.
 * Errors: -WEFT_ENOPROVIDER, -WEFT_ENODEVICE, -WEFT_EENVIRONMENT, -WEFT_EPROVIDER,
 * -WEFT_ESOFTWARE, -EINVAL, -ENOMEM; where opts need the machine's topology, -EOPNOTSUPP (no
 * libhwloc), -ENOENT (HWLOC_XMLFILE names no file), -EIO (it cannot be read); with WEFT_GPUS_CUDA
 * -EOPNOTSUPP (no driver, or too old) and -WEFT_EGPU (it does not start).
 */
WEFT_API int weft_open(struct weft **ret, const struct weft_opts *opts);

/*
 * Ends every transfer as cancelled, says goodbye to the peers, closes endpoints and queues
 * together and frees the engine with all its regions, remotes, batches and arrivals: none of them
 * may be used afterwards. When it returns, no memory of the engine is touched by the network any
 * more. Must not run while another thread uses the engine, nor in a callback. NULL is fine.
 */
WEFT_API void weft_close(struct weft *weft);

/* Progresses. Handles what is ready and returns how many events there were; with nothing ready it
 * waits up to timeout_ns (spin, yield, then sleep). In thread mode it only waits for the fd. */
WEFT_API int weft_progress(struct weft *weft, uint64_t timeout_ns);

/* A descriptor that turns readable when a batch has ended or a message queued; read 8 bytes from
 * it (eventfd) to clear. Owned by the engine. -EOPNOTSUPP in manual mode. */
WEFT_API int weft_fd(struct weft *weft);

/*
 * Registers memory on every rail. base..base+len must stay mapped, and mapped to the same memory,
 * until weft_unregister() or weft_close(). access: enum weft_access, or-ed. len 1 byte or more.
 * Regions may overlap, each with its own rights. What is WEFT_LOCAL and lies in the pages of a
 * WEFT_LOCAL region of this engine is not registered with the devices again: who registers many
 * buffers out of one area keeps the area itself registered so, and each buffer costs nothing
 * there; pages that it shares stay with the device until the last of them is taken back. What
 * grants peers anything always has a registration and keys of its own. What is longer than the
 * devices register at once is registered in parts (weft_opts.max_registration), which shows nowhere
 * else than in weft_stats.pins, and in the descriptor's size. Memory of a GPU is found out by weft:
 * see weft/memory.h.
 * Errors, each with the limit in the detail where there is one: -WEFT_EMEMLOCK; -ENOMEM: the device
 * takes no more registrations; -WEFT_EPROVIDER: it refuses the range, in parts too;
 * -WEFT_ELIMIT: too many regions, or more than 256 parts, or than a descriptor has room for;
 * -EFAULT: not mapped for reading and writing, or a GPU's in part; -EINVAL; memory of a GPU:
 * -EOPNOTSUPP, -WEFT_EGPU.
 */
WEFT_API int weft_register(struct weft *weft, void *base, size_t len, uint32_t access,
			   struct weft_region **ret);
/*
 * Takes a region back: peers that imported it are told (REVOKE) and have answered, or are cut
 * off, before the memory is let go. Waits up to timeout_ns for local transfers to end and for the
 * answers; progresses. 0: the region is gone and its memory can be reused. -WEFT_ENOTQUIET:
 * something may still touch it; the region stays registered for local bookkeeping, refuses new
 * transfers, and the call can be repeated.
 */
WEFT_API int weft_unregister(struct weft_region *region, uint64_t timeout_ns);

/* Writes the region's descriptor into buf: opaque, versioned, checksummed. *len: room in, bytes
 * out; with buf NULL only the size is given. -EMSGSIZE when the room is too small. Size: at most
 * WEFT_DESCRIPTOR_MAX. A region without remote rights can be exported too: it names the engine. */
#define WEFT_DESCRIPTOR_MAX 8192u
WEFT_API int weft_export(const struct weft_region *region, void *buf, size_t *len);
/* The same for the engine alone: its addresses and incarnation, no memory. For weft_connect(). */
WEFT_API int weft_export_engine(const struct weft *weft, void *buf, size_t *len);

/*
 * Imports a descriptor: chooses the way to its engine, starts the handshake. Does not wait:
 * transfers to it queue until the peer has answered, or fail with the reason.
 * Errors: -WEFT_EDESCRIPTOR, -WEFT_EVERSION, -WEFT_EUNREACHABLE, -WEFT_EPEERSTALE, -WEFT_ELIMIT.
 */
WEFT_API int weft_import(struct weft *weft, const void *descriptor, size_t len,
			 struct weft_remote **ret);
/* Forgets a remote. -WEFT_ENOTQUIET while transfers to it have not ended. */
WEFT_API int weft_remote_close(struct weft_remote *remote);
/* The peer that owns the remote; never NULL, valid until it is reported gone. */
WEFT_API struct weft_peer *weft_remote_peer(const struct weft_remote *remote);
WEFT_API uint64_t weft_remote_length(const struct weft_remote *remote);
WEFT_API uint32_t weft_remote_access(const struct weft_remote *remote);
/* 0: usable now; -EINPROGRESS: handshake under way; else the reason why it is not usable. */
WEFT_API int weft_remote_status(const struct weft_remote *remote);

/*
 * Finds or makes the peer behind a descriptor (of a region or of an engine) and, when timeout_ns is
 * not 0, waits until the handshake is done; progresses.
 */
WEFT_API int weft_connect(struct weft *weft, const void *descriptor, size_t len,
			  uint64_t timeout_ns, struct weft_peer **ret);
/* Cuts a peer off: its transfers end as cancelled, its messages are refused, its remotes become
 * -WEFT_EPEERGONE. on_peer_gone is not called. The handle is invalid afterwards. */
WEFT_API void weft_disconnect(struct weft_peer *peer);
/* Caller's pointer on a peer, for on_message; NULL at first. */
WEFT_API void weft_peer_set_data(struct weft_peer *peer, void *data);
WEFT_API void *weft_peer_data(const struct weft_peer *peer);

struct weft_peer_info {
	size_t size;
	char provider[16]; /* the chosen way: "loop", "shm", "efa", ... */
	char libfabric[32];
	char device[64]; /* of the first rail */
	uint32_t rails;
	uint32_t connected;    /* 1 after the handshake */
	uint64_t in_flight;    /* operations posted and not ended */
	uint64_t quarantined;  /* of them, those whose transfer has ended already */
	int32_t pid;           /* as the peer states it; 0: not known */
	int32_t reason;        /* 0, or why the peer is unusable */
	uint32_t rails_usable; /* of rails: those that work as far as is known, see weft_peer_path()
				*/
	uint32_t write_by;     /* enum weft_rdma, of the first rail */
	uint32_t read_by;
	uint32_t asleep; /* 1: let go while idle (weft_opts.idle_peers) until it is needed */
};
/* What is known of a peer. info->size must be set. Any thread; -EINVAL. */
WEFT_API int weft_peer_info(const struct weft_peer *peer, struct weft_peer_info *info);

struct weft_path_info {
	size_t size;
	char device[64];   /* of this engine's rail */
	uint32_t usable;   /* 0: failed; it is asked again from time to time, and taken back when it
			      answers */
	int32_t reason;    /* why not; -EINPROGRESS: it has not answered yet, or is asleep */
	uint64_t failures; /* how often it failed while others worked */
};
/*
 * Path index 0.. to a peer: rail index of this engine to rail index modulo the peer's number, or to
 * the next that did not break. What fails on a path is done on another, and the peer is gone only
 * when none is left. The exception: a WRITE whose immediate went by the path that failed, as that
 * may have been counted. info->size must be set. Any thread. -ENOENT past the last, -EINVAL.
 */
WEFT_API int weft_peer_path(const struct weft_peer *peer, uint32_t index,
			    struct weft_path_info *info);

/* --- transfers ------------------------------------------------------------------------------ */

enum weft_transfer_flags {
	/* The target engine's arrival (weft_arrival_open()) named by imm is counted after the data
	 * is placed. WRITE only. */
	WEFT_WITH_IMM = 1,
	/* The transfer ends when the source can be reused, not when the data is placed: cheaper on
	 * some providers. For WRITEs whose arrival is known another way. */
	WEFT_SOURCE_ONLY = 2,
};

enum weft_state {
	WEFT_IDLE = 0,   /* not submitted */
	WEFT_ACTIVE = 1, /* queued or posted */
	WEFT_DONE = 2,   /* WRITE: placed in the remote memory; READ: placed in the local memory */
	WEFT_FAILED = 3, /* error says why */
	WEFT_CANCELLED = 4,
	WEFT_DEADLINE = 5,
};

struct weft_result {
	size_t size;
	int32_t state;          /* enum weft_state */
	int32_t error;          /* 0 or a negative code */
	int32_t provider_error; /* the provider's own code, 0 if none */
	uint32_t quiescent;     /* 1: the network no longer touches the transfer's memory, on either
				   side */
	uint64_t bytes;         /* placed for certain */
};

struct weft_batch_opts {
	size_t size;
	uint32_t capacity; /* transfers it can hold, 1..1048576; default 64 */
	weft_batch_done_fn on_done;
	void *ctx;
};

/* A batch is made once and used again and again: fill, submit, end, weft_batch_reset(). opts may be
 * NULL. */
WEFT_API int weft_batch_open(struct weft *weft, const struct weft_batch_opts *opts,
			     struct weft_batch **ret);
/* Frees it. Transfers that have not ended are cancelled first. What the network may still touch
 * stays accounted to its region (weft_unregister() waits for it). NULL is fine. */
WEFT_API void weft_batch_close(struct weft_batch *batch);
/* Empties an ended batch. -EBUSY while transfers are active, -WEFT_ENOTQUIET while not quiescent.
 */
WEFT_API int weft_batch_reset(struct weft_batch *batch);

/*
 * Adds a transfer of len bytes (0 allowed) between region+offset and remote+remote_offset; returns
 * its index. Bounds, rights and revocation are checked here and again before posting:
 * -WEFT_EBOUNDS, -WEFT_ERIGHTS, -WEFT_EREVOKED, -WEFT_EPEERGONE. -WEFT_ELIMIT: the batch is full.
 * -EBUSY: it is submitted. flags: enum weft_transfer_flags.
 */
WEFT_API int weft_batch_write(struct weft_batch *batch, struct weft_region *region, uint64_t offset,
			      struct weft_remote *remote, uint64_t remote_offset, uint64_t len,
			      uint32_t flags, uint32_t imm);
WEFT_API int weft_batch_read(struct weft_batch *batch, struct weft_region *region, uint64_t offset,
			     struct weft_remote *remote, uint64_t remote_offset, uint64_t len);

/*
 * Hands the batch over. Every transfer ends at the latest timeout_ns from now. All or nothing:
 * -WEFT_EQUEUEFULL when submit_limit would be passed (nothing is taken; poll, then submit again).
 * An empty batch ends at once.
 */
WEFT_API int weft_submit(struct weft_batch *batch, uint64_t timeout_ns);
/* Progresses in manual mode. 1: all transfers have ended, 0: not yet. */
WEFT_API int weft_batch_poll(struct weft_batch *batch);
/* Progresses. 0: all have ended (look at the results), -EAGAIN: not within timeout_ns; the batch
 * goes on until its own deadline. */
WEFT_API int weft_batch_wait(struct weft_batch *batch, uint64_t timeout_ns);
/* Ends what has not ended as WEFT_CANCELLED, at once. Memory: see weft_batch_quiesce(). */
WEFT_API int weft_batch_cancel(struct weft_batch *batch);
/* Progresses. 0: the network touches none of the batch's memory any more; -WEFT_ENOTQUIET. */
WEFT_API int weft_batch_quiesce(struct weft_batch *batch, uint64_t timeout_ns);
/* Result of transfer index. */
WEFT_API int weft_batch_result(const struct weft_batch *batch, uint32_t index,
			       struct weft_result *result);
/* 0 when all are WEFT_DONE, else the error of the first that is not; its provider text goes to
 * weft_error_detail(). -EBUSY while active. */
WEFT_API int weft_batch_error(const struct weft_batch *batch);

/* Blocking helpers: one transfer, done (0) or the reason why not. After a failure the memory may
 * not be quiescent; weft_unregister() or weft_close() settles that. Progress. */
WEFT_API int weft_write(struct weft_region *region, uint64_t offset, struct weft_remote *remote,
			uint64_t remote_offset, uint64_t len, uint64_t timeout_ns);
WEFT_API int weft_read(struct weft_region *region, uint64_t offset, struct weft_remote *remote,
		       uint64_t remote_offset, uint64_t len, uint64_t timeout_ns);

/* --- messages and arrivals ------------------------------------------------------------------- */

/*
 * Sends len <= WEFT_NOTIFY_MAX bytes to a peer. The bytes are copied before it returns. Messages
 * to one peer may overtake each other and transfers on unordered providers (EFA): a message sent
 * after a WRITE has ended finds the data placed. -WEFT_EQUEUEFULL: try again after progress.
 * A message to a peer that is gone is lost: -WEFT_EPEERGONE, or on_peer_gone.
 */
WEFT_API int weft_notify(struct weft_peer *peer, const void *data, size_t len);
/* Progresses. Takes a queued message (engines without on_message): *len room in, bytes out; ret may
 * be NULL. -EAGAIN: none within timeout_ns. -EMSGSIZE: *len is the size needed; the message stays.
 */
WEFT_API int weft_receive(struct weft *weft, void *buf, size_t *len, struct weft_peer **ret,
			  uint64_t timeout_ns);

/* A slot that counts WRITEs with immediate. A late immediate of an earlier use cannot count for a
 * later one (32 bits: 20 slot, 12 generation). -WEFT_ELIMIT: 65536 slots are open. */
WEFT_API int weft_arrival_open(struct weft *weft, struct weft_arrival **ret);
WEFT_API void weft_arrival_close(struct weft_arrival *arrival);
/* The value that the writer passes as imm. */
WEFT_API uint32_t weft_arrival_imm(const struct weft_arrival *arrival);
/* Arrivals counted so far. Does not progress. */
WEFT_API uint64_t weft_arrival_count(const struct weft_arrival *arrival);
/* Starts a new count under a new generation: what is late for the old imm is not counted. */
WEFT_API void weft_arrival_renew(struct weft_arrival *arrival);
/* Progresses until count arrivals; -EAGAIN after timeout_ns. */
WEFT_API int weft_arrival_wait(struct weft_arrival *arrival, uint64_t count, uint64_t timeout_ns);

#ifdef __cplusplus
}
#endif

#include "stats.h"

#endif /* WEFT_WEFT_H */
