/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libweft: regions by name.
 *
 * A publisher offers regions under names at an address; a segment is what an opener found there:
 *
 *	weft_publisher_open(weft, "10.0.0.2:7070", NULL, &publisher);
 *	weft_publish(publisher, "weights", region);
 *
 *	weft_segment_open(weft, "10.0.0.2:7070", timeout_ns, &segment);
 *	weft_batch_write(batch, local, 0, weft_segment_remote(segment, "weights"), x, len, 0, 0);
 *
 * Addresses. "HOST:PORT" or "[IPv6]:PORT": the publisher listens there itself, over TCP.
 *"file:DIR/": a folder that both sides see, a file for each name. Others by a struct
 *weft_directory. An address may be followed by "/NAME" (behind "file:DIR/": NAME) to open that name
 *only: what stands behind the last "/" is the name, and without one all names are meant.
 *
 * Who may. Nothing asks who the opener is. Whoever reaches the address, or can read the file, gets
 * descriptors, and with them the rights that the regions grant, no more.
 *
 * Returns. 0 or a count on success; -errno or -WEFT_E... (weft/error.h) on failure. Results come
 * through the argument named ret, which is written only on success. After a failure
 * weft_error_detail() tells this thread what failed and why.
 *
 * Threads. As weft/weft.h says of the engine. A publisher may be used by several threads, a
 * segment by one at a time. Publishers answer from a thread of their own, which never touches the
 * engine: openers are answered in manual mode too, while nobody progresses.
 *
 * Time. Timeouts are nanoseconds from the call.
 */
#ifndef WEFT_SEGMENT_H
#define WEFT_SEGMENT_H

#include "weft.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Longest name, bytes. Names are of letters, digits, '.', '_' and '-', and do not begin with '.'.
 */
#define WEFT_NAME_MAX 127u
/* Names at one address. */
#define WEFT_SEGMENT_MAX 1024u

struct weft_publisher; /* offers regions of one engine at one address */
struct weft_segment;   /* regions that were found at an address, imported */

/* Takes one name that was looked up; bytes are borrowed. What it returns other than 0 ends the
 * lookup, which returns it. */
typedef int (*weft_entry_fn)(void *arg, const char *name, const void *bytes, size_t len);

/*
 * Where names are kept, for instance a table of etcd. Each function returns 0 or a negative code.
 * It carries bytes (at most WEFT_DESCRIPTOR_MAX for a name) and need not know what they mean;
 * damaged ones are found out by the opener. ctx and the functions must stay until the last call has
 * returned: a lookup that outlasts its timeout is left alone, not waited for.
 */
struct weft_directory {
	size_t size;
	void *ctx;
	/* All names at place, or name only when it is not "": each to found(). -WEFT_ENONAME when
	 * name is not there. Runs in a thread of its own; should keep to timeout_ns. */
	int (*lookup)(void *ctx, const char *place, const char *name, uint64_t timeout_ns,
		      weft_entry_fn found, void *arg);
	/* Begins and ends offering at place. *ret is handed to the functions below. */
	int (*open)(void *ctx, const char *place, void **ret);
	void (*close)(void *publisher);
	/* What openers are to be given in place of the place; valid until close. */
	const char *(*address)(void *publisher);
	/* bytes are borrowed. A name that is there is replaced. */
	int (*publish)(void *publisher, const char *name, const void *bytes, size_t len);
	int (*withdraw)(void *publisher, const char *name);
};

struct weft_publisher_opts {
	size_t size;
	const struct weft_directory *directory; /* NULL: by the address, see above. Copied */
	uint32_t connections; /* over TCP, at a time: 1..4096; default 64. When they are used up,
			       * the oldest gives way to a new one. */
	uint64_t stall_ns;    /* over TCP: a connection without progress for so long is dropped,
			       * any after ten times as long; default 5 s */
};

/*
 * Begins to offer at an address ("HOST:PORT", port 0: any that is free; of a host name with
 * several addresses the first that can be used). opts may be NULL. Ends with
 * weft_publisher_close() or weft_close().
 * Errors: -EINVAL, -EADDRINUSE, -EADDRNOTAVAIL and what else the system says, -ENOMEM.
 */
WEFT_API int weft_publisher_open(struct weft *weft, const char *address,
				 const struct weft_publisher_opts *opts,
				 struct weft_publisher **ret);
/* Takes all names away and frees the publisher. The regions stay registered, for those who have
 * opened them already. NULL is fine. */
WEFT_API void weft_publisher_close(struct weft_publisher *publisher);
/* The address in use, "10.0.0.2:7070"; valid until the publisher is closed. */
WEFT_API const char *weft_publisher_address(const struct weft_publisher *publisher);

/*
 * Offers a region of the publisher's engine under a name. The region must stay until
 * weft_withdraw(), which unregisters it, or until the publisher is closed.
 * Errors: -EINVAL, -EEXIST: the name is in use, -WEFT_ERIGHTS: the region grants nothing,
 * -WEFT_ELIMIT: WEFT_SEGMENT_MAX names, -ENOMEM, and what the directory says.
 */
WEFT_API int weft_publish(struct weft_publisher *publisher, const char *name,
			  struct weft_region *region);
/*
 * Takes a name back: nobody finds it any more; then weft_unregister() of its region, with all that
 * it says, so openers get -WEFT_EREVOKED. Waits up to timeout_ns; progresses. -WEFT_ENOTQUIET: the
 * region is still registered; call it again. After 0 the name can be published again.
 * -WEFT_ENONAME.
 */
WEFT_API int weft_withdraw(struct weft_publisher *publisher, const char *name, uint64_t timeout_ns);

/* clang-format off */
/* Counters of a publisher over TCP: X(name, text). */
#define WEFT_PUBLISHER_COUNTER_MAP(X) \
	X(accepted, "connections accepted") \
	X(answered, "lookups answered to the end") \
	X(refused, "requests refused: malformed, or of another protocol") \
	X(unknown, "lookups of names that are not there") \
	X(stalled, "connections dropped by their deadline") \
	X(displaced, "connections dropped for newer ones at the limit") \
	X(broken, "connections that the other side broke off") \
	X(open, "connections open now")
/* clang-format on */

struct weft_publisher_stats {
	size_t size;
#define WEFT_PUBLISHER_COUNTER_FIELD(name, text) uint64_t name;
	WEFT_PUBLISHER_COUNTER_MAP(WEFT_PUBLISHER_COUNTER_FIELD)
#undef WEFT_PUBLISHER_COUNTER_FIELD
};
/* The publisher's counters as they are now; zeros where it does not listen itself. stats->size must
 * be set. -EINVAL. */
WEFT_API int weft_publisher_stats(struct weft_publisher *publisher,
				  struct weft_publisher_stats *stats);

/*
 * Looks an address up, imports what is there and waits for the handshakes, all within timeout_ns;
 * progresses. All addresses of a host name are tried. An address without names is no error: there
 * may be some at the next refresh.
 * Errors: -WEFT_EUNAVAILABLE: nobody listens there, -WEFT_ENONAME, -WEFT_EDEADLINE,
 * -WEFT_EPROTOCOL: something else listens there, -WEFT_EMESSAGE, -WEFT_EVERSION, -WEFT_ELIMIT,
 * those of weft_import(), -EDEADLK in a callback, -EINVAL, -ENOMEM.
 */
WEFT_API int weft_segment_open(struct weft *weft, const char *address, uint64_t timeout_ns,
			       struct weft_segment **ret);
/* The same in a directory of the caller's, which is copied. What stands in front of the last "/" of
 * address is its place. */
WEFT_API int weft_segment_open_in(struct weft *weft, const struct weft_directory *directory,
				  const char *address, uint64_t timeout_ns,
				  struct weft_segment **ret);
/*
 * Looks the address up again: after a restart of the publisher, or when names were added. What is
 * as before keeps its remote; what changed or does not work gets a new one, and stale ones are
 * closed: remotes got before must be asked for again. On failure (as of weft_segment_open())
 * everything stays as it was. Progresses.
 */
WEFT_API int weft_segment_refresh(struct weft_segment *segment, uint64_t timeout_ns);
/* Closes its remotes and frees it. -WEFT_ENOTQUIET while transfers to one of them have not ended:
 * it stays, and is to be closed again. NULL is fine. weft_close() closes it too. */
WEFT_API int weft_segment_close(struct weft_segment *segment);

struct weft_segment_info {
	size_t size;
	char name[WEFT_NAME_MAX + 1];
	struct weft_remote *remote; /* owned by the segment */
	uint64_t offset;            /* of its first byte, with all regions laid end to end in the
				     * order of the names */
	uint64_t length;            /* bytes; transfers count from 0 to this */
	uint32_t access;            /* enum weft_access, or-ed */
	int32_t status;             /* weft_remote_status() */
};
/* How many names the segment has. */
WEFT_API uint32_t weft_segment_count(const struct weft_segment *segment);
/* What is known of name index 0.., in the order of strcmp(). info->size must be set. -ENOENT past
 * the last, -EINVAL. */
WEFT_API int weft_segment_info(const struct weft_segment *segment, uint32_t index,
			       struct weft_segment_info *info);
/* The remote of a name; NULL: the segment has no such name. Owned by the segment: do not close it.
 */
WEFT_API struct weft_remote *weft_segment_remote(const struct weft_segment *segment,
						 const char *name);

#ifdef __cplusplus
}
#endif

#endif /* WEFT_SEGMENT_H */
