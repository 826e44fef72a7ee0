/* SPDX-License-Identifier: Apache-2.0 */
/*
 * GET. A small value travels in the reply. A large one is written into the client's memory: over
 * the fabric each write carries the client's immediate, the reply says how many there are, and the
 * client waits for both; a call is answered when the writes have ended. The version that is sent
 * is referenced until nothing reads it any more.
 */
#include "kv/server_int.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/err.h"

/* A range of one version; holds a reference. */
struct view {
	struct item *item;
	struct store_info info;
	uint64_t offset, length;
	struct pin *pin; /* NULL: not a pinned version */
};

uint64_t ttl_left_ms(uint64_t expires_ns, uint64_t now_ns)
{
	if (expires_ns == UINT64_MAX)
		return 0;
	if (expires_ns <= now_ns)
		return 1;
	return (expires_ns - now_ns + NSEC_PER_MSEC - 1) / NSEC_PER_MSEC;
}

/* --- pins ----------------------------------------------------------------------------------------
 */

/* By transfer id, else by key and version. */
static struct pin *pin_find(struct session *session, const struct wire_msg *msg)
{
	struct store_info info;
	struct list *link;
	struct pin *pin;
	const void *key;
	size_t len;

	list_for_each(link, &session->pins)
	{
		pin = list_entry(link, struct pin, link);
		if (msg->transfer && pin->id == msg->transfer)
			return pin;
		if (msg->transfer)
			continue;
		store_info(pin->item, &info);
		key = store_key(pin->item, &len);
		if (info.version == msg->version && len == msg->key_len &&
		    !memcmp(key, msg->key, len))
			return pin;
	}
	return NULL;
}

/* Keeps the version of the view for the session. */
static int pin_add(struct server *server, struct session *session, const struct view *view,
		   uint64_t *ret)
{
	struct pin *pin;

	if (session->pin_count >= SESSION_PINS_MAX)
		return err_set(-WEFT_ELIMIT, "%u versions are pinned already", SESSION_PINS_MAX);
	pin = mem_zalloc(sizeof(*pin));
	if (!pin)
		return -ENOMEM;
	store_get_ref(server->store, view->item);
	pin->item = view->item;
	pin->id = server->next_transfer++;
	pin->used_ns = clock_ns();
	list_init(&pin->link);
	list_add_tail(&session->pins, &pin->link);
	session->pin_count++;
	*ret = pin->id;
	return 0;
}

void pin_drop(struct server *server, struct session *session, struct pin *pin)
{
	list_del(&pin->link);
	session->pin_count--;
	store_put_ref(server->store, pin->item);
	mem_free(pin);
}

void pins_tick(struct server *server, struct session *session, uint64_t now_ns)
{
	struct list *link, *after;
	struct pin *pin;

	list_for_each_safe(link, after, &session->pins)
	{
		pin = list_entry(link, struct pin, link);
		if (now_ns >= clock_deadline(pin->used_ns, server->opts.lease_ns))
			pin_drop(server, session, pin);
	}
}

/* --- what is asked for ---------------------------------------------------------------------------
 */

static int view_item(struct server *server, struct session *session, const struct wire_msg *msg,
		     struct view *view)
{
	int rc;

	if (!session || (!msg->transfer && !msg->version)) {
		COUNT(server, gets, 1);
		rc = store_get(server->store, msg->key, msg->key_len, clock_ns(), &view->item);
		if (rc)
			COUNT(server, misses, 1);
		else
			COUNT(server, hits, 1);
		return rc;
	}
	view->pin = pin_find(session, msg);
	if (!view->pin)
		return err_set(-WEFT_EBADREQUEST, "this version is not pinned (any more)");
	view->pin->used_ns = clock_ns();
	view->item = view->pin->item;
	store_get_ref(server->store, view->item);
	return 0;
}

static int view_open(struct server *server, struct session *session, const struct wire_msg *msg,
		     struct view *view)
{
	uint64_t left;
	int rc = view_item(server, session, msg, view);

	if (rc)
		return rc;
	store_info(view->item, &view->info);
	view->offset = msg->offset < view->info.length ? msg->offset : view->info.length;
	left = view->info.length - view->offset;
	view->length = msg->length < left ? msg->length : left;
	return 0;
}

static struct wire_msg view_reply(const struct view *view)
{
	return (struct wire_msg){
		.length = view->length,
		.total = view->info.length,
		.version = view->info.version,
		.checksum = view->info.checksum,
		.ttl_ms = view->info.expires_ns == UINT64_MAX
				  ? 0
				  : ttl_left_ms(view->info.expires_ns, clock_ns()),
	};
}

/* --- inside the reply ----------------------------------------------------------------------------
 */

/* The bytes of the view in one piece: where they lie, or gathered into *copy, to be freed. */
static int view_bytes(struct server *server, const struct view *view, const void **ret, void **copy)
{
	struct store_extent extents[STORE_EXTENTS_MAX];

	if (store_map(server->store, view->item, view->offset, view->length, extents) == 1) {
		*ret = store_address(server->store, &extents[0]);
		return 0;
	}
	*copy = mem_alloc(view->length);
	if (!*copy)
		return -ENOMEM;
	*ret = *copy;
	return store_copy(server->store, view->item, view->offset, *copy, view->length);
}

static void get_inline(struct server *server, const struct asker *asker, const struct view *view)
{
	struct wire_msg reply = view_reply(view);
	void *copy = NULL;
	int rc;

	rc = view_bytes(server, view, &reply.data, &copy);
	if (rc) {
		mem_free(copy);
		reply_status(server, asker, rc);
		return;
	}
	reply.data_len = view->length;
	reply.flags = WIRE_F_INLINE;
	COUNT(server, bytes_out, view->length);
	reply_send(server, asker, &reply);
	mem_free(copy);
}

/* --- into the client's memory --------------------------------------------------------------------
 */

static void get_finish(struct work *work)
{
	struct server *server = work->server;
	struct wire_msg reply = work->reply;

	if (work->error) {
		reply = (struct wire_msg){ .status = (uint32_t)-work->error,
					   .data = work->text,
					   .data_len = strlen(work->text) };
	}
	/* Over the fabric the reply went out with the writes; a canceller gets its own. */
	if (work->asker.call || (work->error && !work->cancelled))
		reply_send(server, &work->asker, &reply);
	store_put_ref(server->store, work->item);
}

static void get_transfer(struct server *server, const struct asker *asker,
			 const struct wire_msg *msg, const struct view *view)
{
	struct wire_msg reply = view_reply(view);
	struct work *work = work_get(server, asker);
	int rc;

	if (!work) {
		reply_status(server, asker, -WEFT_EQUEUEFULL);
		return;
	}
	rc = work_add(work, WORK_WRITE, view->item, view->offset, view->length, msg);
	if (rc < 0) {
		weft_batch_reset(work->batch);
		work_put(work);
		reply_status(server, asker, rc);
		return;
	}
	store_get_ref(server->store, view->item);
	work->item = view->item;
	work->finish = get_finish;
	work->reply = reply;
	reply.arrivals = (uint32_t)rc;
	if (!asker->call)
		reply_send(server, asker, &reply);
	COUNT(server, bytes_out, view->length);
	rc = work_submit(work, msg->timeout_ms);
	if (rc) {
		work->error = rc;
		weft_batch_reset(work->batch);
		get_finish(work);
		work_put(work);
	}
}

/* A failure that still says how long the value is. */
static void get_too_long(struct server *server, const struct asker *asker,
			 const struct wire_msg *msg, const struct view *view)
{
	struct wire_msg reply = view_reply(view);

	err_set(-WEFT_EBUFFER, "%" PRIu64 " bytes, room for %" PRIu64, view->length, msg->room);
	reply.length = 0;
	reply.status = WEFT_EBUFFER;
	reply.data = weft_error_detail();
	reply.data_len = strlen(reply.data);
	reply_send(server, asker, &reply);
}

static void get_pin(struct server *server, const struct asker *asker, const struct view *view)
{
	struct wire_msg reply = view_reply(view);
	int rc = pin_add(server, asker->session, view, &reply.transfer);

	if (rc) {
		reply_status(server, asker, rc);
		return;
	}
	reply.length = 0;
	reply_send(server, asker, &reply);
}

void request_get(struct server *server, const struct asker *asker, const struct wire_msg *msg,
		 uint64_t inline_max)
{
	struct session *session = asker->session;
	bool last = msg->flags & WIRE_F_LAST; /* msg may be gone once it is answered */
	struct view view = { 0 };
	int rc = view_open(server, session, msg, &view);

	if (rc) {
		reply_status(server, asker, rc);
		return;
	}
	if (view.length <= inline_max)
		get_inline(server, asker, &view);
	else if (session && view.length <= msg->room)
		get_transfer(server, asker, msg, &view);
	else if (session && msg->flags & WIRE_F_PIN && !view.pin)
		get_pin(server, asker, &view);
	else
		get_too_long(server, asker, msg, &view);
	if (view.pin && last)
		pin_drop(server, session, view.pin);
	store_put_ref(server->store, view.item);
}

void request_release(struct server *server, const struct asker *asker, const struct wire_msg *msg)
{
	struct session *session = asker->session;
	struct upload *upload;
	struct list *link;
	struct pin *pin;

	pin = msg->transfer ? pin_find(session, msg) : NULL;
	if (pin) {
		pin_drop(server, session, pin);
		reply_status(server, asker, 0);
		return;
	}
	list_for_each(link, &session->uploads)
	{
		upload = list_entry(link, struct upload, link);
		if (upload->id != msg->transfer || upload->committing)
			continue;
		reply_status(server, asker, 0);
		upload_fail(upload, -WEFT_ECANCELLED);
		return;
	}
	reply_status(
		server, asker,
		err_set(-WEFT_EBADREQUEST, "transfer %" PRIu64 " is not known", msg->transfer));
}
