/* SPDX-License-Identifier: Apache-2.0 */
#include "kv/server_int.h"

#include <errno.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/err.h"

/* A reply that did not fit the way to the peer. */
struct unsent {
	struct list link; /* in session->outbox */
	size_t len;
	uint8_t bytes[];
};

/* --- replies -------------------------------------------------------------------------------------
 */

/* The session is dropped by the next tick, not here: whoever replies may still be using it. */
static void outbox_add(struct server *server, struct session *session, const void *bytes,
		       size_t len)
{
	struct unsent *unsent = NULL;

	if (session->outbox_count < 2 * session->credits)
		unsent = mem_alloc(sizeof(*unsent) + len);
	if (!unsent) {
		session->doomed = "it does not take its replies";
		return;
	}
	unsent->len = len;
	memcpy(unsent->bytes, bytes, len);
	list_init(&unsent->link);
	list_add_tail(&session->outbox, &unsent->link);
	session->outbox_count++;
	server_hurry(server, 1);
}

static void outbox_pop(struct server *server, struct session *session)
{
	struct list *link = list_pop(&session->outbox);

	mem_free(list_entry(link, struct unsent, link));
	session->outbox_count--;
	server_hurry(server, -1);
}

void outbox_flush(struct server *server, struct session *session)
{
	struct unsent *unsent;
	struct list *link;

	while ((link = list_first(&session->outbox))) {
		unsent = list_entry(link, struct unsent, link);
		if (weft_notify(session->peer, unsent->bytes, unsent->len) == -WEFT_EQUEUEFULL)
			return;
		outbox_pop(server, session);
	}
}

void outbox_drop(struct server *server, struct session *session)
{
	while (!list_empty(&session->outbox))
		outbox_pop(server, session);
}

/* Over the fabric. A peer that is gone needs no reply: client_gone() follows. */
static void send_message(struct server *server, struct session *session, const struct wire_msg *msg)
{
	uint8_t bytes[WIRE_MAX];
	size_t len;

	if (session->closing || session->doomed || !session->peer || atomic_load(&server->closing))
		return;
	len = wire_encode(msg, bytes, sizeof(bytes));
	if (!len) {
		server_log(server, WEFT_LOG_ERROR, "a reply to %s does not fit a message",
			   wire_kind_text(msg->kind));
		return;
	}
	if (!list_empty(&session->outbox) ||
	    weft_notify(session->peer, bytes, len) == -WEFT_EQUEUEFULL)
		outbox_add(server, session, bytes, len);
}

void reply_send(struct server *server, const struct asker *asker, struct wire_msg *reply)
{
	reply->kind = asker->kind | WIRE_REPLY;
	reply->slot = asker->slot;
	reply->generation = asker->generation;
	reply->session = asker->session_id;
	if (asker->session && asker->kind != WIRE_CANCEL)
		session_end(asker->session, asker->slot, asker->generation);
	if (asker->call) {
		asker->call->reply(asker->call->ctx, reply);
		atomic_fetch_sub(&server->calls, 1);
		return;
	}
	send_message(server, asker->session, reply);
}

static struct wire_msg failure(int status)
{
	struct wire_msg reply = { .status = (uint32_t)(status < 0 ? -status : status) };
	const char *detail = status ? weft_error_detail() : "";

	reply.data = detail;
	reply.data_len = strlen(detail);
	return reply;
}

void reply_status(struct server *server, const struct asker *asker, int status)
{
	struct wire_msg reply = failure(status);

	reply_send(server, asker, &reply);
}

void reply_cancelled(struct server *server, const struct asker *canceller, bool active)
{
	struct wire_msg reply = { .flags = active ? WIRE_F_ACTIVE : 0 };

	if (active)
		COUNT(server, cancelled, 1);
	session_end(canceller->session, canceller->slot, canceller->generation);
	reply_send(server, canceller, &reply);
}

/* --- requests ------------------------------------------------------------------------------------
 */

void request_cancel(struct server *server, const struct asker *asker, const struct wire_msg *msg)
{
	struct session *session = asker->session;
	struct upload *upload;
	struct work *work;
	struct list *link;

	session_cancel(session, msg->slot, msg->generation);
	work = work_find(session, msg->slot, msg->generation);
	if (work && work->cancelled) {
		reply_status(server, asker, err_set(-EBUSY, "it is being cancelled already"));
		return;
	}
	if (work) {
		work_cancel(work, asker);
		return;
	}
	list_for_each(link, &session->uploads)
	{
		upload = list_entry(link, struct upload, link);
		if (!upload->committing || upload->cancelled ||
		    upload->committer.slot != msg->slot ||
		    upload->committer.generation != msg->generation)
			continue;
		upload->cancelled = true;
		upload->canceller = *asker;
		upload_fail(upload, -WEFT_ECANCELLED);
		return;
	}
	reply_cancelled(server, asker, false);
}

static void request_run(struct server *server, const struct asker *asker,
			const struct wire_msg *msg, uint64_t inline_max)
{
	switch (msg->kind) {
	case WIRE_PING:
		reply_status(server, asker, 0);
		return;
	case WIRE_GET:
		request_get(server, asker, msg, inline_max);
		return;
	case WIRE_PUT:
		request_put(server, asker, msg);
		return;
	case WIRE_DELETE:
		request_delete(server, asker, msg);
		return;
	case WIRE_STAT:
		request_stat(server, asker, msg);
		return;
	case WIRE_LIST:
		request_list(server, asker, msg);
		return;
	case WIRE_STATS:
		request_stats(server, asker);
		return;
	case WIRE_BEGIN:
		request_begin(server, asker, msg);
		return;
	case WIRE_CHUNK:
		request_chunk(server, asker, msg);
		return;
	case WIRE_COMMIT:
		request_commit(server, asker, msg);
		return;
	case WIRE_RELEASE:
		request_release(server, asker, msg);
		return;
	case WIRE_ATTACH:
		request_attach(server, asker, msg);
		return;
	case WIRE_DETACH:
		request_detach(server, asker, msg);
		return;
	case WIRE_BYE:
		request_bye(server, asker, msg);
		return;
	default:
		reply_status(server, asker,
			     err_set(-WEFT_EBADREQUEST, "unknown request %u", msg->kind));
		return;
	}
}

/* What may still be asked of a server that is stopping: what ends things. */
static bool allowed_while_draining(uint8_t kind)
{
	return kind == WIRE_RELEASE || kind == WIRE_DETACH || kind == WIRE_BYE ||
	       kind == WIRE_CANCEL;
}

/* --- over the fabric -----------------------------------------------------------------------------
 */

/* A message that is wrong. Its sender is borne with for a while. */
static void bad_message(struct server *server, struct session *session)
{
	COUNT(server, requests_bad, 1);
	if (session && ++session->bad > SESSION_BAD_MAX)
		client_drop(server, session, true, "it sends messages that are not understood");
}

/* To a peer without a session. It may be lost: the client has timeouts. */
static void answer_stranger(struct server *server, struct weft_peer *peer,
			    const struct wire_msg *request, int status)
{
	struct wire_msg reply = wire_reply(request, status);
	uint8_t bytes[256];
	size_t len;

	COUNT(server, requests_bad, 1);
	len = wire_encode(&reply, bytes, sizeof(bytes));
	if (len)
		(void)weft_notify(peer, bytes, len);
}

static int too_busy(const struct session *session)
{
	return err_set(-WEFT_EQUEUEFULL, "%u transfers to this client have not ended",
		       session->work_count);
}

static void session_message(struct server *server, struct session *session,
			    const struct wire_msg *msg)
{
	struct asker asker = { .session = session,
			       .slot = msg->slot,
			       .generation = msg->generation,
			       .session_id = session->id,
			       .kind = msg->kind };

	err_clear();
	session->heard_ns = clock_ns();
	COUNT(server, requests_fabric, 1);
	if (!list_empty(&session->outbox))
		outbox_flush(server, session);
	if (msg->kind == WIRE_CANCEL) {
		request_cancel(server, &asker, msg);
		return;
	}
	switch (session_begin(session, msg->slot, msg->generation)) {
	case SESSION_STALE:
		COUNT(server, requests_bad, 1);
		return;
	case SESSION_OVERRUN:
		client_drop(server, session, true, "it has more requests under way than credits");
		return;
	case SESSION_BUSY:
		reply_status(server, &asker, too_busy(session));
		return;
	case SESSION_OK:
		break;
	}
	if (atomic_load_explicit(&server->draining, memory_order_relaxed) &&
	    !allowed_while_draining(msg->kind)) {
		reply_status(server, &asker, err_set(-WEFT_ECLOSED, "the server is stopping"));
		return;
	}
	request_run(server, &asker, msg, WIRE_INLINE_GET);
}

void request_message(void *ctx, struct weft_peer *peer, const void *data, size_t len)
{
	struct session *session = weft_peer_data(peer);
	struct server *server = ctx;
	struct wire_msg msg = { 0 };
	int rc = wire_decode(&msg, data, len);

	if (session && (session->closing || session->doomed))
		session = NULL;
	if (rc == -WEFT_EVERSION)
		answer_stranger(server, peer, &msg, rc);
	else if (rc || msg.kind & WIRE_REPLY)
		bad_message(server, session);
	else if (!session || session->id != msg.session)
		answer_stranger(server, peer, &msg, -WEFT_ESESSION);
	else
		session_message(server, session, &msg);
}

/* --- calls ---------------------------------------------------------------------------------------
 */

static struct asker call_asker(struct server_call *call)
{
	return (struct asker){ .call = call,
			       .slot = call->msg.slot,
			       .generation = call->msg.generation,
			       .session_id = call->msg.session,
			       .kind = call->msg.kind };
}

/* The session's slot is taken where the call can be cancelled. 0, or why it must not run. */
static int call_begin(struct session *session, const struct wire_msg *msg)
{
	if (msg->slot == SERVER_NO_SLOT)
		return 0;
	switch (session_begin(session, msg->slot, msg->generation)) {
	case SESSION_OK:
		return 0;
	case SESSION_STALE:
		return err_set(-WEFT_ECANCELLED, "this use of the slot is over");
	case SESSION_BUSY:
		session_end(session, msg->slot, msg->generation);
		return too_busy(session);
	case SESSION_OVERRUN:
		break;
	}
	return err_set(-WEFT_EQUEUEFULL, "slot %u of %u is in use or not granted", msg->slot,
		       session->credits);
}

/* Counts the place in the client's buffer from the buffer's start. */
static int call_place(struct server_call *call, const struct session *session)
{
	if (!call->absolute)
		return 0;
	if (call->msg.remote < session->buffer_base)
		return err_set(-WEFT_EBOUNDS, "the location lies before the registered buffer");
	call->msg.remote -= session->buffer_base;
	return 0;
}

/* On the owner thread: a call that concerns a session. */
static void call_task(struct owner_task *task)
{
	struct server_call *call = container_of(task, struct server_call, task);
	struct asker asker = call_asker(call);
	struct server *server = call->server;
	struct session *session;
	int rc;

	err_clear();
	if (atomic_load(&server->closing)) {
		reply_status(server, &asker, err_set(-WEFT_ECLOSED, "the server is stopping"));
		return;
	}
	session = session_find(&server->sessions, call->msg.session, call->client_id);
	if (!session) {
		reply_status(server, &asker,
			     err_set(-WEFT_ESESSION,
				     "%s needs a session: register the client first",
				     wire_kind_text(call->msg.kind)));
		return;
	}
	session->heard_ns = clock_ns();
	asker.session_id = session->id;
	if (call->msg.kind == WIRE_CANCEL) {
		asker.session = session;
		request_cancel(server, &asker, &call->msg);
		return;
	}
	rc = call_begin(session, &call->msg);
	if (rc) {
		/* asker has no session: the slot stays as it is. */
		reply_status(server, &asker, rc);
		return;
	}
	asker.session = session;
	rc = call_place(call, session);
	if (rc)
		reply_status(server, &asker, rc);
	else
		request_run(server, &asker, &call->msg, call->inline_max);
}

/* Whether the calling thread can answer: only the store is needed. */
static bool call_is_direct(const struct wire_msg *msg)
{
	switch (msg->kind) {
	case WIRE_PING:
	case WIRE_DELETE:
	case WIRE_STAT:
	case WIRE_LIST:
	case WIRE_STATS:
		return true;
	case WIRE_PUT:
		return msg->flags & WIRE_F_INLINE;
	case WIRE_GET:
		return !msg->room && !msg->transfer && !msg->version;
	default:
		return false;
	}
}

void server_call(struct server *server, struct server_call *call)
{
	struct asker asker = call_asker(call);

	err_clear();
	call->server = server;
	call->task.fn = call_task;
	atomic_fetch_add(&server->calls, 1);
	COUNT(server, requests_grpc, 1);
	if (atomic_load(&server->draining) && !allowed_while_draining(call->msg.kind))
		reply_status(server, &asker, err_set(-WEFT_ECLOSED, "the server is stopping"));
	else if (call_is_direct(&call->msg))
		request_run(server, &asker, &call->msg, call->inline_max);
	else
		server_post(server, &call->task);
}
