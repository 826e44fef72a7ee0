/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A value being put: bytes arrive in any order, are hashed in order as they become contiguous, a
 * slice per turn of the owner thread, and become visible only if the checksum is right.
 */
#include "kv/server_int.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/err.h"

/* --- life of an upload ---------------------------------------------------------------------------
 */

static struct upload *upload_make(struct server *server)
{
	struct list *link = list_pop(&server->free_uploads);

	if (!link)
		return mem_alloc(sizeof(struct upload));
	server->free_upload_count--;
	return list_entry(link, struct upload, link);
}

static void hash_task(struct owner_task *task);

static void upload_open(struct server *server, struct upload *upload, struct session *session,
			struct item *item, uint64_t total)
{
	upload->server = server;
	upload->session = session;
	upload->task.fn = hash_task;
	upload->id = server->next_transfer++;
	upload->item = item;
	upload->total = total;
	upload->hashed = 0;
	upload->hashable = 0;
	hash_stream_init(&upload->hash);
	upload->run_count = 0;
	upload->works = 0;
	upload->error = 0;
	upload->used_ns = clock_ns();
	upload->committing = false;
	upload->checked = false;
	upload->hashing = false;
	upload->cancelled = false;
	list_init(&upload->link);
	list_add_tail(&session->uploads, &upload->link);
	session->upload_count++;
	COUNT(server, uploads, 1);
}

static void upload_free(struct upload *upload)
{
	struct session *session = upload->session;
	struct server *server = upload->server;

	list_del(&upload->link);
	session->upload_count--;
	COUNT(server, uploads, -1);
	if (server->free_upload_count < SERVER_UPLOADS_KEPT) {
		list_add_tail(&server->free_uploads, &upload->link);
		server->free_upload_count++;
	} else {
		mem_free(upload);
	}
	if (session->closing)
		client_settle(server, session);
}

int upload_start(struct server *server, struct session *session, const struct wire_msg *msg,
		 struct upload **ret)
{
	struct upload *upload;
	struct item *item;
	uint64_t ttl_ns;
	int rc;

	if (session->upload_count >= SESSION_UPLOADS_MAX + session->credits)
		return err_set(-WEFT_ELIMIT, "%u values are being put already",
			       session->upload_count);
	ttl_ns = msg->ttl_ms > UINT64_MAX / NSEC_PER_MSEC ? 0 : msg->ttl_ms * NSEC_PER_MSEC;
	upload = upload_make(server);
	if (!upload)
		return -ENOMEM;
	rc = store_reserve(server->store, msg->key, msg->key_len, msg->total, ttl_ns, clock_ns(),
			   &item);
	if (rc) {
		mem_free(upload);
		return rc;
	}
	upload_open(server, upload, session, item, msg->total);
	*ret = upload;
	return 0;
}

struct upload *upload_find(struct session *session, uint64_t id)
{
	struct upload *upload;
	struct list *link;

	list_for_each(link, &session->uploads)
	{
		upload = list_entry(link, struct upload, link);
		if (upload->id == id && !upload->committing)
			return upload;
	}
	return NULL;
}

/* Ends a failed upload once nothing writes to it any more. */
static void upload_end_failed(struct upload *upload)
{
	if (upload->works || upload->hashing)
		return;
	store_abort(upload->server->store, upload->item);
	if (upload->committing && (!upload->cancelled || upload->committer.call)) {
		struct wire_msg reply = { .status = (uint32_t)-upload->error };
		const char *text = weft_strerror(upload->error);

		reply.data = text;
		reply.data_len = strlen(text);
		reply_send(upload->server, &upload->committer, &reply);
	}
	if (upload->cancelled)
		reply_cancelled(upload->server, &upload->canceller, true);
	upload_free(upload);
}

void upload_fail(struct upload *upload, int error)
{
	if (!upload->error)
		upload->error = error;
	upload_end_failed(upload);
}

static void upload_commit(struct upload *upload)
{
	struct server *server = upload->server;
	struct asker committer = upload->committer;
	uint64_t checksum = hash_stream_final(&upload->hash);
	struct wire_msg reply = { 0 };

	if (upload->checked && checksum != upload->checksum) {
		COUNT(server, checksum_errors, 1);
		upload_fail(upload, -WEFT_ECHECKSUM);
		return;
	}
	reply.version = store_commit(server->store, upload->item, checksum, clock_ns());
	COUNT(server, puts, 1);
	COUNT(server, bytes_in, upload->total);
	reply_send(server, &committer, &reply);
	upload_free(upload);
}

/* --- hashing -------------------------------------------------------------------------------------
 */

static void hash_slice(struct upload *upload)
{
	uint64_t end = upload->hashable - upload->hashed < SERVER_HASH_SLICE
			       ? upload->hashable
			       : upload->hashed + SERVER_HASH_SLICE;
	struct store_extent extents[STORE_EXTENTS_MAX];
	struct store *store = upload->server->store;
	uint32_t count, i;

	count = store_map(store, upload->item, upload->hashed, end - upload->hashed, extents);
	for (i = 0; i < count; i++)
		hash_stream_update(&upload->hash, store_address(store, &extents[i]),
				   extents[i].length);
	upload->hashed = end;
}

void upload_step(struct upload *upload)
{
	if (upload->error) {
		upload_end_failed(upload);
		return;
	}
	if (upload->hashed < upload->hashable)
		hash_slice(upload);
	if (upload->hashed < upload->hashable) {
		upload->hashing = true;
		server_post(upload->server, &upload->task);
		return;
	}
	if (!upload->committing || upload->works)
		return;
	if (upload->hashed == upload->total)
		upload_commit(upload);
	else
		upload_fail(upload, -WEFT_EBADREQUEST);
}

static void hash_task(struct owner_task *task)
{
	struct upload *upload = container_of(task, struct upload, task);

	upload->hashing = false;
	if (!atomic_load(&upload->server->closing))
		upload_step(upload);
}

/* --- bytes arrive --------------------------------------------------------------------------------
 */

bool upload_is_new(const struct upload *upload, uint64_t start, uint64_t end)
{
	uint32_t i;

	if (start < upload->hashable)
		return false;
	for (i = 0; i < upload->run_count; i++)
		if (start < upload->runs[i].end && upload->runs[i].start < end)
			return false;
	return true;
}

/* Adds a run (U1); those that continue what is hashable become hashable. */
static int run_add(struct upload *upload, uint64_t start, uint64_t end)
{
	uint32_t i;

	if (!upload_is_new(upload, start, end))
		return err_set(-WEFT_EBADREQUEST, "bytes from %" PRIu64 " on came twice", start);
	if (upload->run_count == UPLOAD_RUNS_MAX)
		return err_set(-WEFT_ELIMIT, "%u pieces of the value are out of order",
			       UPLOAD_RUNS_MAX);
	for (i = upload->run_count; i && upload->runs[i - 1].start > start; i--)
		upload->runs[i] = upload->runs[i - 1];
	upload->runs[i] = (struct upload_run){ .start = start, .end = end };
	upload->run_count++;
	for (i = 0; i < upload->run_count && upload->runs[i].start == upload->hashable; i++)
		upload->hashable = upload->runs[i].end;
	upload->run_count -= i;
	memmove(upload->runs, upload->runs + i, upload->run_count * sizeof(upload->runs[0]));
	return 0;
}

int upload_arrived(struct upload *upload, uint64_t offset, uint64_t length)
{
	int rc = length ? run_add(upload, offset, offset + length) : 0;

	upload->used_ns = clock_ns();
	if (rc && !upload->error)
		upload->error = rc;
	return rc;
}

void uploads_tick(struct server *server, struct session *session, uint64_t now_ns)
{
	struct list *link, *after;
	struct upload *upload;

	list_for_each_safe(link, after, &session->uploads)
	{
		upload = list_entry(link, struct upload, link);
		if (!upload->committing && !upload->works &&
		    now_ns >= clock_deadline(upload->used_ns, server->opts.lease_ns))
			upload_fail(upload, -WEFT_EDEADLINE);
	}
}

void uploads_fini(struct session *session)
{
	struct upload *upload;
	struct list *link;

	while ((link = list_pop(&session->uploads))) {
		upload = list_entry(link, struct upload, link);
		if (upload->committing && upload->committer.call)
			reply_status(upload->server, &upload->committer, -WEFT_ECLOSED);
		if (upload->cancelled && upload->canceller.call)
			reply_status(upload->server, &upload->canceller, -WEFT_ECLOSED);
		mem_free(upload);
	}
}
