/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A client as the server knows it, and the table of all. Owner thread only.
 *
 *	session_open --> in the table --session_drop--> closing --last work ended--> freed
 *
 * S1: a session in the table is found by its id, and by its peer's data if it has a peer.
 * S2: a closing session has no uploads and no pins; its works hold it until they have ended.
 */
#ifndef WEFT_KV_SESSION_H
#define WEFT_KV_SESSION_H

#include <stdbool.h>
#include <stdint.h>

#include <weft/weft.h>

#include "base/list.h"
#include "base/map.h"
#include "kv/slot.h"
#include "kv/wire.h"

#define SESSION_CREDITS_MAX 1024u
#define SESSION_UPLOADS_MAX 64u
#define SESSION_PINS_MAX    64u
/* Transfers of a client at a time, per credit. A client may go on as soon as its data has arrived,
 * which can be long before the server's own completion. */
#define SESSION_WORKS_PER_CREDIT 8u
/* Messages that were not understood, after which a client is cut off. */
#define SESSION_BAD_MAX 16u

struct server_call;

struct session {
	struct list link; /* in sessions->open or ->closing */
	uint64_t id;
	uint32_t client_id;
	uint32_t credits;
	struct weft_peer *peer; /* NULL: none, or gone */
	bool closing;
	bool cut;                /* the peer is to be disconnected */
	const char *doomed;      /* why the next tick drops it; NULL: it does not */
	struct server_call *bye; /* a call that is answered when its transfers have ended */
	uint64_t heard_ns;
	uint64_t buffer_base;
	uint32_t bad;
	struct weft_remote *regions[WIRE_REGIONS];
	struct list works, uploads, pins, outbox;
	uint32_t work_count, upload_count, pin_count, outbox_count;
	struct slot slots[]; /* credits */
};

struct sessions {
	struct map by_id;
	struct list open, closing;
	uint32_t limit;
};

int sessions_init(struct sessions *sessions, uint32_t limit);
/* Frees all sessions; their lists must be empty. A zeroed struct is fine. */
void sessions_fini(struct sessions *sessions);

/* Makes a session with a random id. -ENOMEM, -WEFT_ELIMIT. */
int session_open(struct session **ret, struct sessions *sessions, uint32_t client_id,
		 uint32_t credits, uint64_t now_ns);
/* NULL: not there. Where id is 0, any session of client_id, if that is not 0. */
struct session *session_find(struct sessions *sessions, uint64_t id, uint32_t client_id);
/* Takes it out of the table; it is closing from now on. */
void session_retire(struct sessions *sessions, struct session *session);
void session_free(struct sessions *sessions, struct session *session);

enum session_verdict {
	SESSION_OK,
	SESSION_STALE,   /* ignore the request */
	SESSION_OVERRUN, /* it does not keep to its credits: cut it off */
	SESSION_BUSY,    /* too many of its transfers have not ended yet */
};

/* A request for a slot that may come from anywhere. SESSION_OK and SESSION_BUSY are to be answered.
 */
enum session_verdict session_begin(struct session *session, uint32_t slot, uint32_t generation);
/* Its answer goes out. */
void session_end(struct session *session, uint32_t slot, uint32_t generation);
/* See slot_cancel(). */
bool session_cancel(struct session *session, uint32_t slot, uint32_t generation);

#endif /* WEFT_KV_SESSION_H */
