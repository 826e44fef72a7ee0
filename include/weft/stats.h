/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libweft: what is going on in an engine. Comes with weft.h.
 *
 * Returns. 0 or a count on success, -errno or -WEFT_E... (weft/error.h) on failure. Structures
 * begin with their size, which the caller sets; fields that it knows and this library does not
 * become zero.
 *
 * Threads. As in weft.h: any thread with WEFT_PROGRESS_THREAD, else one call at a time. What is
 * read is consistent: the engine's owner collects it between two operations.
 */
#ifndef WEFT_STATS_H
#define WEFT_STATS_H

#include "weft.h"

#ifdef __cplusplus
extern "C" {
#endif

/* clang-format off */
/* Counters of an engine: X(name, text). */
#define WEFT_COUNTER_MAP(X) \
	X(writes_done, "WRITE transfers done") \
	X(reads_done, "READ transfers done") \
	X(bytes_written, "bytes of WRITEs done") \
	X(bytes_read, "bytes of READs done") \
	X(failed, "transfers failed") \
	X(cancelled, "transfers cancelled") \
	X(deadline, "transfers ended by their deadline") \
	X(refused, "transfers refused before posting (bounds, rights, revoked, queue full)") \
	X(messages_sent, "messages sent") \
	X(messages_received, "messages received") \
	X(messages_bad, "messages from the network that were not understood and dropped") \
	X(immediates_late, "immediates of a closed or renewed arrival, not counted") \
	X(messages_moved, "messages sent again on another path after theirs had failed") \
	X(messages_repeated, "messages that came a second time, not counted above") \
	X(pieces_moved, "operations posted again on another path after theirs had failed") \
	X(paths_failed, "times that a path to a peer failed while others worked") \
	X(peers, "peers known now") \
	X(peers_gone, "peers that went or died") \
	X(regions, "regions registered now") \
	X(in_flight, "operations posted and not ended now") \
	X(quarantined, "operations not ended whose transfer has ended, now") \
	X(submitted, "transfers submitted and not ended now") \
	X(provider_busy, "posts that the provider asked to repeat (EAGAIN)") \
	X(pins, "registrations of regions that each rail's device holds now") \
	X(bytes_pinned, "bytes of these registrations, on each rail") \
	X(pins_shared, "regions that shared a registration which was there already") \
	X(gpu_regions, "regions in memory of GPUs now") \
	X(staging_bytes, "pinned host memory for copies from and to GPUs, bytes") \
	X(bytes_staged, "bytes that such copies moved") \
	X(copies, "such copies under way now") \
	X(staging_waits, "transfers that had to wait for such memory") \
	X(peers_asleep, "of peers: those let go while idle that handles remain of, now") \
	X(peers_slept, "times that a peer was let go while idle")
/* clang-format on */

struct weft_stats {
	size_t size;
#define WEFT_COUNTER_FIELD(name, text) uint64_t name;
	WEFT_COUNTER_MAP(WEFT_COUNTER_FIELD)
#undef WEFT_COUNTER_FIELD
};
/* The engine's counters as they are now. stats->size must be set. -EINVAL. */
WEFT_API int weft_stats(struct weft *weft, struct weft_stats *stats);

/* clang-format off */
/* Counters of one peer, over all of its rails: X(name, text). */
#define WEFT_PEER_COUNTER_MAP(X) \
	X(writes_done, "WRITE transfers done") \
	X(reads_done, "READ transfers done") \
	X(bytes_written, "bytes of WRITEs done") \
	X(bytes_read, "bytes of READs done") \
	X(failed, "transfers failed") \
	X(cancelled, "transfers cancelled") \
	X(deadline, "transfers ended by their deadline") \
	X(messages_sent, "messages sent") \
	X(messages_received, "messages received") \
	X(messages_moved, "messages sent again on another path after theirs had failed") \
	X(messages_repeated, "messages that came a second time, not counted above") \
	X(pieces_moved, "operations posted again on another path after theirs had failed") \
	X(paths_failed, "times that a path failed while others worked")
/* clang-format on */

struct weft_peer_stats {
	size_t size;
#define WEFT_COUNTER_FIELD(name, text) uint64_t name;
	WEFT_PEER_COUNTER_MAP(WEFT_COUNTER_FIELD)
#undef WEFT_COUNTER_FIELD
};
/* The counters of a peer since its handle came to be, sleep included; what was refused before
 * posting counts for the engine only. stats->size must be set. -EINVAL. */
WEFT_API int weft_peer_stats(const struct weft_peer *peer, struct weft_peer_stats *stats);

/* How often a code came up in an engine. */
struct weft_error_count {
	size_t size;
	int32_t code;        /* negative; 0: all codes but weft's and -ENOMEM */
	uint64_t transfers;  /* that ended with it: failed, cancelled or by their deadline */
	uint64_t operations; /* of rails that failed with it, repeated ones included */
	uint64_t refused;    /* transfers and submissions refused before posting */
};
/*
 * Lists the codes that came up, in the order of weft/error.h. Writes at most max entries, each of
 * counts[0].size bytes with that size set in it, and returns how many there are, which may be more:
 * at most as many as weft has codes, and two. -EINVAL.
 */
WEFT_API int weft_errors(struct weft *weft, struct weft_error_count *counts, int max);

struct weft_rail_info {
	size_t size;
	char provider[16];
	char libfabric[32];
	char fabric[64];
	char device[64];
	char address[96];              /* text */
	uint64_t posted, done, errors; /* operations */
	uint64_t bytes;                /* payload of operations done */
	uint64_t in_flight;
	uint64_t max_message; /* largest single operation, bytes; but see max_fetched */
	uint32_t depth;       /* operations it takes at a time */
	uint32_t inject;      /* largest message sent from a copy, bytes */
	uint32_t write_by;    /* enum weft_rdma */
	uint32_t read_by;
	uint32_t numa_known; /* 1: numa_node holds; of what is no RDMA device only with
			      * WEFT_NICS_NEAR or bind_thread */
	uint32_t numa_node;  /* where the device is; the first, where it is near several */
	uint32_t addresses;  /* of peers, in the provider's table; shm's stay until the engine
				closes, and so do efa's where the device lacks a kind of RDMA, else
				up to 64 of peers that were given up and may be met again */
	int32_t reason;      /* 0: it works; else it broke with that code: its completion queue
			      * could not be read, say. It is closed and stays so; what was on it
			      * went by the other rails, where there are any */
	char why[160];       /* in the provider's words; "": it works */
	/* Where WRITEs are software's and READs the device's, on both sides: the largest READ, and
	 * WRITE of min_fetched bytes or more, which the target's device fetches. 0: no such rail */
	uint64_t max_fetched, min_fetched;
};
/* Rail index 0.. of the engine; -ENOENT past the last. */
WEFT_API int weft_rail(struct weft *weft, uint32_t index, struct weft_rail_info *info);

enum weft_transfer_kind {
	WEFT_WRITE = 0,
	WEFT_READ = 1,
};

/* clang-format off */
/* A distribution of times: X(name, text). */
#define WEFT_LATENCY_MAP(X) \
	X(count, "how many were measured") \
	X(min, "shortest, ns") \
	X(mean, "mean, ns") \
	X(p50, "half took at most so long, ns") \
	X(p90, "90 % took at most so long, ns") \
	X(p99, "99 % took at most so long, ns") \
	X(p999, "99.9 % took at most so long, ns") \
	X(max, "longest, ns") \
	X(sum, "sum of all, ns")
/* clang-format on */

struct weft_latency {
	size_t size;
#define WEFT_LATENCY_FIELD(name, text) uint64_t name;
	WEFT_LATENCY_MAP(WEFT_LATENCY_FIELD)
#undef WEFT_LATENCY_FIELD
};
/*
 * How long transfers of a kind (enum weft_transfer_kind) took that were done, from weft_submit() to
 * their end: of an engine since it was opened, or of one peer. weft_rail_latency(): how long the
 * operations that were done on a rail took, from the post to the provider's completion.
 *
 * The engine reads its clock once in each round of progress in which something ended, not for each
 * operation: a time is exact within the length of such a round, some microseconds when many small
 * operations end together. Percentiles are at most a quarter too high; count, min, mean and max
 * are as measured. All is 0 while nothing was done. -EINVAL, -ENOENT (no such rail).
 */
WEFT_API int weft_latency(struct weft *weft, uint32_t kind, struct weft_latency *latency);
WEFT_API int weft_peer_latency(const struct weft_peer *peer, uint32_t kind,
			       struct weft_latency *latency);
WEFT_API int weft_rail_latency(struct weft *weft, uint32_t index, struct weft_latency *latency);

typedef void (*weft_dump_fn)(void *ctx, const char *line);
/*
 * Tells all of the above as text: calls fn with one line after the other, "NAME VALUE" without a
 * newline, for people and for awk. Names begin with engine, error, latency, rail.INDEX,
 * peer.NUMBER or region.NUMBER and keep their meaning in later releases; lines are added.
 * rail.INDEX.nic.NAME are counters of the rail's RDMA device, where it has any (hw_counters of its
 * port 1 in sysfs). Of regions those in memory of GPUs are told, with the way that each provider
 * reaches them. Peers and regions are told one by one, each as it is then.
 *
 * fn runs on the calling thread, borrows the line until it returns, and may call any function but
 * weft_close(). -EINVAL.
 */
WEFT_API int weft_dump(struct weft *weft, weft_dump_fn fn, void *ctx);

#ifdef __cplusplus
}
#endif

#endif /* WEFT_STATS_H */
