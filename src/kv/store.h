/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The store: keys and values of one server, values in memory that the caller gives.
 *
 * The pool is a list of segments. The store deals in (segment, offset) and never registers
 * anything; whoever registers the segments moves bytes to and from the places that store_map()
 * names. Bookkeeping lies outside of the pool. A value is stored as 1 to STORE_EXTENTS_MAX extents,
 * each with a struct store_header right before its first byte.
 *
 * Writing has two phases: store_reserve() finds the space, the caller fills it (memcpy, RDMA READ),
 * store_commit() makes it visible at one instant or store_abort() gives it back. Reading pins:
 * store_get() hands out a reference to one version of the value, whole and unchanging until
 * store_put_ref(), whatever happens to the key meanwhile. Both hand out a struct item.
 *
 * The store has no clock and no thread. now_ns is any monotonic nanosecond count, the same for all
 * calls (clock_ns()); it is only compared with what TTLs were given.
 *
 * Threads. Everything but store_open() and store_close() may be called from any thread at any
 * time. No call waits for another's data transfer; locks are held for short, bounded steps.
 *
 * Memory that fails to be allocated is -ENOMEM, with nothing changed. Details by err_set().
 */
#ifndef WEFT_KV_STORE_H
#define WEFT_KV_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define STORE_KEY_MAX      4096u
#define STORE_EXTENTS_MAX  64u
#define STORE_SEGMENTS_MAX 4096u
/* Bytes of struct store_header; alignment of headers, so of the first byte of each extent too. */
#define STORE_HEADER 64u
#define STORE_MAGIC  0x74666577u /* "weft", little endian */

struct store;
struct item; /* a value: reserved and being filled, or committed and referenced */

/* Memory of the pool: aligned to 64 bytes, at least 4096 and at most 256 GiB long (the store uses
 * it in steps of 64). Must outlive the store. */
struct store_segment {
	void *base;
	uint64_t length;
};

struct store_opts {
	const struct store_segment *segments; /* copied */
	uint32_t segment_count;               /* 1..STORE_SEGMENTS_MAX */
	uint32_t shards;    /* locks of the index, a power of two up to 1024; 0: 64 */
	uint64_t value_max; /* largest value; 0: what the pool can hold */
	/* Versions start after this. A number that grows from one start of the server to the next
	 * (wall clock nanoseconds) keeps versions from being used twice. */
	uint64_t first_version;
	/* Random, so that nobody can choose keys that collide. 0: a fixed one, for tests. */
	uint64_t hash_seed;
	/* Limit of the entries' memory with their keys (most of stats.index_bytes); 0: none. Past
	 * it store_reserve() is -WEFT_ELIMIT. */
	uint64_t index_max;
};

/*
 * Stands before each extent in the pool, in the byte order of the host. Written by
 * store_commit(); a reader of raw pool memory can tell what it got.
 */
struct store_header {
	uint32_t magic;    /* STORE_MAGIC */
	uint16_t extent;   /* which of the value's extents, from 0 */
	uint16_t extents;  /* how many there are */
	uint64_t key_hash; /* XXH3-64 of the key, seed 0 */
	uint64_t version;
	uint64_t value_length; /* of the whole value, bytes */
	uint64_t offset;       /* of this extent's first byte in the value */
	uint64_t length;       /* bytes of the value that follow */
	uint64_t checksum;     /* of the whole value, as given to store_commit() */
	uint64_t self;         /* XXH3-64 of the 56 bytes before this, seed 0 */
};

/* Bytes of a value that lie together. The header is at offset - STORE_HEADER. */
struct store_extent {
	uint32_t segment;
	uint64_t offset;       /* in the segment */
	uint64_t length;       /* 0 only for the single extent of an empty value */
	uint64_t value_offset; /* of the first byte in the value */
};

/* What is known of a value without touching it. */
struct store_info {
	uint64_t length;
	uint64_t version;
	uint64_t checksum;
	uint64_t expires_ns; /* in the caller's time; UINT64_MAX: never */
	uint32_t extents;
};

/*
 * Opens a store over the segments. Errors: -EINVAL (naming the bad segment or option), -ENOMEM.
 */
int store_open(struct store **ret, const struct store_opts *opts);
/* Frees the store and all its values, pinned and reserved ones too: no item may be used
 * afterwards. The segments stay the caller's. NULL is fine. */
void store_close(struct store *store);

/*
 * Reserves space for a value of length bytes under key (copied). ttl_ns: how long it lives from
 * store_commit() on; 0: for ever. Expired values are removed, as far as that is needed, before the
 * pool counts as full. The old value of the key stays as it is, and keeps its space, until the
 * commit. The item in *ret must end in store_commit() or store_abort(). Errors: -WEFT_EKEYSIZE,
 * -WEFT_ETOOLARGE (above value_max, or the pool could never hold it), -WEFT_EPOOLFULL (detail: pool
 * size, used, asked, largest free run), -ENOMEM.
 */
int store_reserve(struct store *store, const void *key, size_t key_len, uint64_t length,
		  uint64_t ttl_ns, uint64_t now_ns, struct item **ret);
/*
 * Makes a filled item the value of its key, at one instant, with a new version; the last commit
 * wins. Never fails. checksum: of the value, kept and handed out, not verified here
 * (store_checksum() computes it). The item is the store's afterwards: do not touch it. Returns the
 * version: greater than those of all earlier commits to the key.
 */
uint64_t store_commit(struct store *store, struct item *item, uint64_t checksum, uint64_t now_ns);
/* Gives a reservation back. Nothing may be written to its extents any more. */
void store_abort(struct store *store, struct item *item);

/* Pins the value of a key. Ends with store_put_ref(). -WEFT_ENOTFOUND, -WEFT_EKEYSIZE. */
int store_get(struct store *store, const void *key, size_t key_len, uint64_t now_ns,
	      struct item **ret);
/* One more reference to a pinned item. */
void store_get_ref(struct store *store, struct item *item);
/* Ends a reference. The space of a value that was overwritten, deleted or has expired is free when
 * the last one is gone. */
void store_put_ref(struct store *store, struct item *item);

/* Of a reserved item only length and extents are meaningful. */
void store_info(const struct item *item, struct store_info *ret);
/* The key of an item, valid as long as the item. */
const void *store_key(const struct item *item, size_t *len_ret);
/*
 * Names the places of bytes offset..offset+length of the item's value, in order; room for
 * STORE_EXTENTS_MAX. Returns how many were written: at least one, also for an empty range.
 * The range must lie within the value: 0 if it does not.
 */
uint32_t store_map(const struct store *store, const struct item *item, uint64_t offset,
		   uint64_t length, struct store_extent *ret);
/* Where an extent's first byte is in this process. */
void *store_address(const struct store *store, const struct store_extent *extent);
/* XXH3-64 (seed 0) of the item's value as it stands in the pool. Reads all of it. */
uint64_t store_checksum(const struct store *store, const struct item *item);
/* Copies bytes into a reserved item / out of an item. -WEFT_EBOUNDS outside of the value. */
int store_fill(const struct store *store, struct item *item, uint64_t offset, const void *data,
	       size_t len);
int store_copy(const struct store *store, const struct item *item, uint64_t offset, void *data,
	       size_t len);

/* Removes a key. 1: it was there, 0: it was not, -WEFT_EKEYSIZE. */
int store_delete(struct store *store, const void *key, size_t key_len, uint64_t now_ns);
/* -WEFT_ENOTFOUND, -WEFT_EKEYSIZE. */
int store_stat(struct store *store, const void *key, size_t key_len, uint64_t now_ns,
	       struct store_info *ret);
/* 1: there is such a key, 0: there is not, -WEFT_EKEYSIZE. */
int store_exists(struct store *store, const void *key, size_t key_len, uint64_t now_ns);

/* Room that store_list() needs at least: one key of the largest size with its length. */
#define STORE_LIST_ROOM_MIN (STORE_KEY_MAX + 2u)
#define STORE_LIST_END      UINT64_MAX

/*
 * Lists keys that begin with prefix (prefix_len 0: all), in no useful order. *cursor: 0 to begin;
 * it comes back moved on, STORE_LIST_END when all has been listed; it may be carried away and used
 * later, it holds nothing. Keys that exist from the first call to the last are returned exactly
 * once, whatever happens in between; keys that come or go meanwhile may be returned or not. Keys
 * are packed into buf as {uint16_t length in little endian, bytes}, at most max_keys of them and
 * room bytes (at least STORE_LIST_ROOM_MIN). The work of one call is bounded, so a call may return
 * no key and not be at the end. Returns the number of keys; *len_ret: bytes used in buf. Errors:
 * -EINVAL, -WEFT_EKEYSIZE (prefix longer than a key).
 */
int store_list(struct store *store, uint64_t *cursor, const void *prefix, size_t prefix_len,
	       uint64_t now_ns, void *buf, size_t room, uint32_t max_keys, size_t *len_ret);

/*
 * Removes expired keys. Looks at about max_work keys at most, and at none when nothing is
 * due, so it is cheap to call often. Returns the number of keys removed. *more_ret (may be NULL):
 * something that is due was left for the next call.
 */
uint64_t store_sweep(struct store *store, uint64_t now_ns, uint64_t max_work, bool *more_ret);

/* clang-format off */
/* Figures of a store: X(name, text). Bytes unless said otherwise. */
#define STORE_STATS_MAP(X) \
	X(keys, "keys present") \
	X(value_bytes, "bytes of values present, without headers and rounding") \
	X(pool_size, "size of the pool") \
	X(pool_used, "pool in use: values, headers, rounding, reservations, pinned old values") \
	X(pool_free, "pool not in use") \
	X(largest_free, "largest free run; may be up to 1/16 too low when runs of its size are many") \
	X(free_runs, "free runs in the pool, number") \
	X(index_bytes, "memory of the index: entries with their keys, tables, unused slots") \
	X(reserved, "reservations not yet committed or aborted, number") \
	X(pinned, "references to values held by readers, number") \
	X(detached, "values kept only because they are pinned, number") \
	X(commits, "values committed") \
	X(overwritten, "of them, those that replaced a value") \
	X(aborted, "reservations aborted") \
	X(deleted, "keys deleted") \
	X(expired, "keys removed because their time was over") \
	X(hits, "reads that found a value") \
	X(misses, "reads that found none") \
	X(refused_full, "reservations refused because the pool was full") \
	X(refused_large, "reservations refused because the value was too large")
/* clang-format on */

struct store_stats {
#define STORE_STATS_FIELD(name, text) uint64_t name;
	STORE_STATS_MAP(STORE_STATS_FIELD)
#undef STORE_STATS_FIELD
};
/* Each figure is exact at some instant during the call, not all at the same one. */
void store_stats(struct store *store, struct store_stats *ret);

#endif /* WEFT_KV_STORE_H */
