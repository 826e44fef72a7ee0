/* SPDX-License-Identifier: Apache-2.0 */
/*
 * PUT, in one go (it commits by itself when all has arrived) or in chunks (BEGIN, CHUNK...,
 * COMMIT). Small values travel in the message; large bytes are read from the client's memory
 * straight into the pool.
 */
#include "kv/server_int.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/err.h"

static void upload_read_done(struct work *work)
{
	struct upload *upload = work->upload;
	struct asker asker = work->asker;
	struct server *server = work->server;
	bool answer = asker.kind == WIRE_CHUNK && (asker.call || !work->cancelled);
	struct wire_msg reply = { 0 };
	int rc = work->error;

	upload->works--;
	if (!rc)
		rc = upload_arrived(upload, work->offset, work->length);
	else if (!upload->error)
		upload->error = rc;
	if (answer) {
		reply.status = (uint32_t)-rc;
		reply.data = rc ? work->text : NULL;
		reply.data_len = rc ? strlen(work->text) : 0;
		reply_send(server, &asker, &reply);
	}
	/* A cancelled PUT over the fabric has no answer but the canceller's, which work sends. */
	if (work->cancelled && !upload->error)
		upload->error = -WEFT_ECANCELLED;
	if (work->cancelled && !asker.call)
		upload->committing = false;
	upload_step(upload);
}

static int upload_read(struct upload *upload, const struct asker *asker, const struct wire_msg *msg,
		       uint64_t offset, uint64_t length)
{
	struct work *work = work_get(upload->server, asker);
	int rc;

	if (!work)
		return -WEFT_EQUEUEFULL;
	rc = work_add(work, WORK_READ, upload->item, offset, length, msg);
	if (rc >= 0) {
		work->upload = upload;
		work->offset = offset;
		work->length = length;
		work->finish = upload_read_done;
		upload->works++;
		rc = work_submit(work, msg->timeout_ms);
		if (!rc)
			return 0;
		upload->works--;
	}
	weft_batch_reset(work->batch);
	work_put(work);
	return rc;
}

/* --- requests ------------------------------------------------------------------------------------
 */

/* The value is in the message: any thread, if asker has no session. */
static void put_inline(struct server *server, const struct asker *asker, const struct wire_msg *msg)
{
	uint64_t checksum = hash_content(msg->data, msg->data_len), ttl_ns;
	struct wire_msg reply = { 0 };
	struct item *item;
	int rc;

	if (msg->flags & WIRE_F_CHECKED && checksum != msg->checksum) {
		COUNT(server, checksum_errors, 1);
		reply_status(server, asker, err_set(-WEFT_ECHECKSUM, "the value was damaged"));
		return;
	}
	ttl_ns = msg->ttl_ms > UINT64_MAX / NSEC_PER_MSEC ? 0 : msg->ttl_ms * NSEC_PER_MSEC;
	rc = store_reserve(server->store, msg->key, msg->key_len, msg->data_len, ttl_ns, clock_ns(),
			   &item);
	if (rc) {
		reply_status(server, asker, rc);
		return;
	}
	rc = store_fill(server->store, item, 0, msg->data, msg->data_len);
	if (rc) {
		store_abort(server->store, item);
		reply_status(server, asker, rc);
		return;
	}
	reply.version = store_commit(server->store, item, checksum, clock_ns());
	COUNT(server, puts, 1);
	COUNT(server, bytes_in, msg->data_len);
	reply_send(server, asker, &reply);
}

void request_put(struct server *server, const struct asker *asker, const struct wire_msg *msg)
{
	struct upload *upload;
	int rc;

	if (msg->flags & WIRE_F_INLINE) {
		put_inline(server, asker, msg);
		return;
	}
	rc = upload_start(server, asker->session, msg, &upload);
	if (rc) {
		reply_status(server, asker, rc);
		return;
	}
	upload->checked = msg->flags & WIRE_F_CHECKED;
	upload->checksum = msg->checksum;
	upload->committer = *asker;
	upload->committing = true;
	rc = upload_read(upload, asker, msg, 0, msg->total);
	if (rc) {
		upload->committing = false;
		reply_status(server, asker, rc);
		upload_fail(upload, rc);
	}
}

void request_begin(struct server *server, const struct asker *asker, const struct wire_msg *msg)
{
	struct wire_msg reply = { 0 };
	struct upload *upload;
	int rc;

	rc = upload_start(server, asker->session, msg, &upload);
	if (rc) {
		reply_status(server, asker, rc);
		return;
	}
	reply.transfer = upload->id;
	reply_send(server, asker, &reply);
}

/* The upload that a CHUNK or COMMIT names. */
static int upload_named(struct session *session, uint64_t id, struct upload **ret)
{
	struct upload *upload = upload_find(session, id);

	if (!upload)
		return err_set(-WEFT_EBADREQUEST, "transfer %" PRIu64 " is not known (any more)",
			       id);
	if (upload->error)
		return err_set(upload->error, "the transfer has failed before");
	*ret = upload;
	return 0;
}

/* Bytes of a chunk that are in the message. */
static void chunk_inline(struct server *server, const struct asker *asker, struct upload *upload,
			 const struct wire_msg *msg)
{
	int rc = store_fill(server->store, upload->item, msg->offset, msg->data, msg->data_len);

	if (!rc)
		rc = upload_arrived(upload, msg->offset, msg->data_len);
	reply_status(server, asker, rc);
	upload_step(upload);
}

void request_chunk(struct server *server, const struct asker *asker, const struct wire_msg *msg)
{
	bool inlined = msg->flags & WIRE_F_INLINE;
	uint64_t length = inlined ? msg->data_len : msg->length;
	struct upload *upload = NULL;
	int rc = upload_named(asker->session, msg->transfer, &upload);

	if (!rc && (msg->offset > upload->total || length > upload->total - msg->offset))
		rc = err_set(-WEFT_EBOUNDS, "bytes %" PRIu64 "+%" PRIu64 " of a value of %" PRIu64,
			     msg->offset, length, upload->total);
	if (!rc && length && !upload_is_new(upload, msg->offset, msg->offset + length))
		rc = err_set(-WEFT_EBADREQUEST, "bytes from %" PRIu64 " on came twice",
			     msg->offset);
	if (!rc && inlined) {
		chunk_inline(server, asker, upload, msg);
		return;
	}
	if (!rc)
		rc = upload_read(upload, asker, msg, msg->offset, length);
	if (rc)
		reply_status(server, asker, rc);
}

void request_commit(struct server *server, const struct asker *asker, const struct wire_msg *msg)
{
	struct upload *upload = NULL;
	int rc = upload_named(asker->session, msg->transfer, &upload);

	if (!rc && upload->works)
		rc = err_set(-WEFT_EBADREQUEST, "chunks of the value are still under way");
	if (!rc && upload->hashable != upload->total)
		rc = err_set(-WEFT_EBADREQUEST,
			     "bytes from %" PRIu64 " on of %" PRIu64 " are missing",
			     upload->hashable, upload->total);
	if (rc) {
		reply_status(server, asker, rc);
		return;
	}
	upload->committing = true;
	upload->committer = *asker;
	upload->checked = msg->flags & WIRE_F_CHECKED;
	upload->checksum = msg->checksum;
	if (!upload->hashing)
		upload_step(upload);
}
