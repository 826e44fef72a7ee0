/* SPDX-License-Identifier: Apache-2.0 */
#include "kv/server_int.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <time.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/err.h"

/* Heartbeats are asked for this many times within a session's timeout. */
#define HEARTBEATS 4u

/* --- ends ----------------------------------------------------------------------------------------
 */

/* The goodbye of a call is answered when nothing of the session is under way any more. */
static void answer_bye(struct server *server, struct session *session, int status)
{
	struct server_call *call = session->bye;
	struct asker asker;

	if (!call)
		return;
	session->bye = NULL;
	asker = (struct asker){ .call = call,
				.slot = call->msg.slot,
				.generation = call->msg.generation,
				.session_id = session->id,
				.kind = WIRE_BYE };
	reply_status(server, &asker, status);
}

void client_settle(struct server *server, struct session *session)
{
	if (session->work_count || session->upload_count)
		return;
	answer_bye(server, session, 0);
	if (!memories_close(session))
		return;
	if (session->peer) {
		weft_peer_set_data(session->peer, NULL);
		if (session->cut)
			weft_disconnect(session->peer);
	}
	COUNT(server, sessions, -1);
	session_free(&server->sessions, session);
}

static void drop_pins(struct server *server, struct session *session)
{
	struct list *link;

	while ((link = list_first(&session->pins)))
		pin_drop(server, session, list_entry(link, struct pin, link));
}

static void drop_uploads(struct session *session)
{
	struct list *link, *after;

	list_for_each_safe(link, after, &session->uploads)
		upload_fail(list_entry(link, struct upload, link), -WEFT_ESESSION);
}

static void end_works(struct session *session)
{
	struct list *link, *after;

	list_for_each_safe(link, after, &session->works)
		weft_batch_cancel(list_entry(link, struct work, link)->batch);
}

/* Memory and peer are let go by a later tick, never from within a message of the peer. */
void client_drop(struct server *server, struct session *session, bool cut, const char *why)
{
	if (session->closing)
		return;
	session_retire(&server->sessions, session);
	session->cut = cut;
	if (cut)
		COUNT(server, sessions_dropped, 1);
	server_log(server, cut ? WEFT_LOG_WARN : WEFT_LOG_INFO, "client %u dropped: %s",
		   session->client_id, why);
	session->work_count++; /* holds the session */
	outbox_drop(server, session);
	drop_pins(server, session);
	end_works(session);
	drop_uploads(session);
	session->work_count--;
	server->closing_hurry++;
	server_hurry(server, 1);
}

void client_gone(void *ctx, struct weft_peer *peer, int reason)
{
	struct session *session = weft_peer_data(peer);
	struct server *server = ctx;

	if (!session || atomic_load(&server->closing))
		return;
	session->peer = NULL;
	if (session->closing)
		return;
	COUNT(server, sessions_forgotten, 1);
	client_drop(server, session, false, weft_strerror(reason));
}

static void settle_closing(struct server *server)
{
	struct list *link, *after;
	struct session *session;
	bool more;

	list_for_each_safe(link, after, &server->sessions.closing)
	{
		session = list_entry(link, struct session, link);
		client_settle(server, session);
	}
	more = !list_empty(&server->sessions.closing);
	/* Each drop hurried once; that is undone when all are settled. */
	if (!more && server->closing_hurry) {
		server_hurry(server, -(int)server->closing_hurry);
		server->closing_hurry = 0;
	}
}

static void session_tick(struct server *server, struct session *session, uint64_t now_ns)
{
	if (session->doomed) {
		client_drop(server, session, true, session->doomed);
		return;
	}
	if (!list_empty(&session->outbox))
		outbox_flush(server, session);
	pins_tick(server, session, now_ns);
	uploads_tick(server, session, now_ns);
	if (now_ns < clock_deadline(session->heard_ns, server->opts.session_timeout_ns))
		return;
	COUNT(server, sessions_forgotten, 1);
	client_drop(server, session, true, "it has been silent for too long");
}

void clients_tick(struct server *server, uint64_t now_ns)
{
	struct list *link, *after;

	list_for_each_safe(link, after, &server->sessions.open)
		session_tick(server, list_entry(link, struct session, link), now_ns);
	settle_closing(server);
}

static void fini_works(struct session *session)
{
	struct asker asker;
	struct work *work;
	struct list *link;

	while ((link = list_first(&session->works))) {
		work = list_entry(link, struct work, link);
		asker = work->asker;
		if (asker.call && !work->answered)
			reply_status(work->server, &asker, -WEFT_ECLOSED);
		if (work->cancelled && work->canceller.call)
			reply_status(work->server, &work->canceller, -WEFT_ECLOSED);
		list_del(&work->link);
		mem_free(work);
	}
}

static void fini_list(struct server *server, struct list *head)
{
	struct session *session;
	struct list *link;

	list_for_each(link, head)
	{
		session = list_entry(link, struct session, link);
		session->closing = true;
		outbox_drop(server, session);
		drop_pins(server, session);
		fini_works(session);
		uploads_fini(session);
		answer_bye(server, session, -WEFT_ECLOSED);
	}
}

/* The engine is closed: nothing is touched and no callback comes any more. */
void clients_fini(struct server *server)
{
	if (!server->sessions.limit)
		return;
	fini_list(server, &server->sessions.open);
	fini_list(server, &server->sessions.closing);
	sessions_fini(&server->sessions);
}

/* --- hello ---------------------------------------------------------------------------------------
 */

struct hello_run {
	const struct kv_hello *hello;
	struct kv_welcome *welcome;
	int rc;
	char text[ERR_DETAIL_MAX];
};

/* One session per peer: an older one of the same engine is replaced. */
static int bind_peer(struct server *server, struct session *session, const struct kv_hello *hello)
{
	struct session *old;
	int rc;

	rc = weft_import(server->weft, hello->descriptor, hello->descriptor_len,
			 &session->regions[0]);
	if (rc)
		return err_prefix(rc, "importing the client's buffer");
	session->peer = weft_remote_peer(session->regions[0]);
	old = weft_peer_data(session->peer);
	if (old) {
		old->peer = NULL;
		client_drop(server, old, false, "it registered again");
	}
	weft_peer_set_data(session->peer, session);
	return 0;
}

static uint32_t grant_credits(struct server *server, uint32_t wanted)
{
	uint32_t most = server->opts.credits;

	return wanted && wanted < most ? wanted : most;
}

static void fill_welcome(struct server *server, const struct session *session,
			 struct kv_welcome *welcome)
{
	uint64_t timeout_ms = server->opts.session_timeout_ns / NSEC_PER_MSEC;

	welcome->session = session->id;
	welcome->client_id = session->client_id;
	welcome->node_id = server->opts.node_id;
	welcome->protocol = WIRE_VERSION;
	welcome->credits = session->credits;
	welcome->session_timeout_ms = timeout_ms < UINT32_MAX ? (uint32_t)timeout_ms : UINT32_MAX;
	welcome->heartbeat_ms = welcome->session_timeout_ms / HEARTBEATS;
	welcome->max_value =
		server->opts.max_value ? server->opts.max_value : server->opts.pool_bytes;
	welcome->inline_max = WIRE_INLINE_GET;
	welcome->capabilities = 0;
}

static int hello_session(struct server *server, const struct kv_hello *hello,
			 struct kv_welcome *welcome)
{
	struct session *session, *old;
	int rc;

	old = hello->replaces ? session_find(&server->sessions, hello->replaces, 0) : NULL;
	if (old)
		client_drop(server, old, false, "it registered again");
	rc = session_open(&session, &server->sessions, hello->client_id,
			  grant_credits(server, hello->credits), clock_ns());
	if (rc)
		return rc;
	session->buffer_base = hello->buffer_base;
	if (hello->descriptor_len)
		rc = bind_peer(server, session, hello);
	if (rc) {
		session_free(&server->sessions, session);
		return rc;
	}
	session->heard_ns = clock_ns(); /* importing may have taken a while */
	COUNT(server, sessions, 1);
	fill_welcome(server, session, welcome);
	server_log(server, WEFT_LOG_INFO, "client %u registered, %u credits", session->client_id,
		   session->credits);
	return 0;
}

static void hello_run(struct server *server, void *arg)
{
	struct hello_run *run = arg;

	err_clear();
	run->rc = hello_session(server, run->hello, run->welcome);
	if (run->rc)
		snprintf(run->text, sizeof(run->text), "%s", weft_error_detail());
}

int server_hello(struct server *server, const struct kv_hello *hello, struct kv_welcome *ret)
{
	struct hello_run run = { .hello = hello, .welcome = ret };
	int rc;

	if (atomic_load(&server->draining))
		return err_set(-WEFT_ECLOSED, "the server is stopping");
	if (hello->protocol < WIRE_VERSION && hello->descriptor_len)
		return err_set(-WEFT_EVERSION, "the client speaks protocol %u, this server %u",
			       hello->protocol, WIRE_VERSION);
	ret->descriptor_len = sizeof(ret->descriptor);
	rc = server_descriptor(server, ret->descriptor, &ret->descriptor_len);
	if (rc)
		return rc;
	server_run(server, hello_run, &run);
	return run.rc ? err_set(run.rc, "%s", run.text) : 0;
}

/* --- heartbeat, bye ------------------------------------------------------------------------------
 */

struct client_run {
	uint64_t session;
	uint32_t client_id;
	bool found, closing;
};

static void heartbeat_run(struct server *server, void *arg)
{
	struct client_run *run = arg;
	struct session *session = session_find(&server->sessions, run->session, run->client_id);

	run->found = session;
	if (session)
		session->heard_ns = clock_ns();
}

bool server_heartbeat(struct server *server, uint64_t session, uint32_t client_id)
{
	struct client_run run = { .session = session, .client_id = client_id };

	if (!session && !client_id)
		return false;
	server_run(server, heartbeat_run, &run);
	return run.found;
}

static void bye_run(struct server *server, void *arg)
{
	struct client_run *run = arg;
	struct session *session = session_find(&server->sessions, run->session, run->client_id);

	if (!session)
		return;
	run->found = true;
	run->session = session->id;
	client_drop(server, session, false, "it said goodbye");
}

static void closing_run(struct server *server, void *arg)
{
	struct client_run *run = arg;
	struct session *session;
	struct list *link;

	run->closing = false;
	list_for_each(link, &server->sessions.closing)
	{
		session = list_entry(link, struct session, link);
		if (session->id == run->session && (session->work_count || session->upload_count))
			run->closing = true;
	}
}

int server_bye(struct server *server, uint64_t session, uint32_t client_id, uint64_t timeout_ns)
{
	struct client_run run = { .session = session, .client_id = client_id };
	uint64_t deadline_ns = clock_deadline(clock_ns(), timeout_ns);
	const struct timespec pause = { .tv_nsec = NSEC_PER_MSEC };

	if (session || client_id)
		server_run(server, bye_run, &run);
	if (!run.found)
		return err_set(-WEFT_ESESSION, "session %016" PRIx64 ", client %u", session,
			       client_id);
	for (;;) {
		server_run(server, closing_run, &run);
		if (!run.closing)
			return 0;
		if (clock_ns() >= deadline_ns)
			return err_set(-WEFT_ENOTQUIET, "its transfers have not ended");
		nanosleep(&pause, NULL);
	}
}

/* --- requests ------------------------------------------------------------------------------------
 */

void request_bye(struct server *server, const struct asker *asker, const struct wire_msg *msg)
{
	struct session *session = asker->session;

	(void)msg;
	if (asker->call)
		session->bye = asker->call;
	else
		reply_status(server, asker, 0);
	client_drop(server, session, false, "it said goodbye");
}
