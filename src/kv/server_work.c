/* SPDX-License-Identifier: Apache-2.0 */
#include "kv/server_int.h"

#include <errno.h>
#include <stdio.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/err.h"

static void work_done(void *ctx, struct weft_batch *batch);

static struct work *work_make(struct server *server)
{
	struct work *work = mem_zalloc(sizeof(*work));
	struct weft_batch_opts opts = { .size = sizeof(opts),
					.capacity = STORE_EXTENTS_MAX,
					.on_done = work_done,
					.ctx = work };

	if (!work)
		return NULL;
	if (weft_batch_open(server->weft, &opts, &work->batch)) {
		mem_free(work);
		return NULL;
	}
	work->server = server;
	list_init(&work->link);
	list_init(&work->park_link);
	server->work_count++;
	return work;
}

int works_init(struct server *server)
{
	struct work *work;
	uint32_t i;

	for (i = 0; i < SERVER_WORKS_READY; i++) {
		work = work_make(server);
		if (!work)
			return -ENOMEM;
		list_add_tail(&server->free_works, &work->link);
	}
	return 0;
}

/* The engine, and with it the batches, is closed. */
void works_fini(struct server *server)
{
	struct list *link;

	while ((link = list_pop(&server->free_works)))
		mem_free(list_entry(link, struct work, link));
}

struct work *work_get(struct server *server, const struct asker *asker)
{
	struct list *link = list_pop(&server->free_works);
	struct work *work = NULL;

	if (link)
		work = list_entry(link, struct work, link);
	else if (server->work_count < SERVER_WORKS_MAX)
		work = work_make(server);
	if (!work) {
		err_set(-WEFT_EQUEUEFULL, "%u transfers are under way", server->work_count);
		return NULL;
	}
	work->asker = *asker;
	work->finish = NULL;
	work->item = NULL;
	work->upload = NULL;
	work->error = 0;
	work->text[0] = '\0';
	work->answered = false;
	work->cancelled = false;
	list_add_tail(&asker->session->works, &work->link);
	asker->session->work_count++;
	COUNT(server, transfers, 1);
	return work;
}

void work_put(struct work *work)
{
	struct session *session = work->asker.session;
	struct server *server = work->server;

	list_move_tail(&server->free_works, &work->link);
	session->work_count--;
	COUNT(server, transfers, -1);
	if (session->closing)
		client_settle(server, session);
}

int work_add(struct work *work, enum work_kind kind, const struct item *item, uint64_t offset,
	     uint64_t length, const struct wire_msg *msg)
{
	struct weft_remote *remote =
		msg->region < WIRE_REGIONS ? work->asker.session->regions[msg->region] : NULL;
	uint32_t flags = work->asker.call ? 0 : WEFT_WITH_IMM | WEFT_SOURCE_ONLY;
	struct store_extent extents[STORE_EXTENTS_MAX], *at;
	struct server *server = work->server;
	uint64_t place;
	uint32_t count, i;
	int rc;

	if (!remote)
		return err_set(-WEFT_EBOUNDS, "memory %u is not registered", msg->region);
	if (msg->remote > UINT64_MAX - length)
		return err_set(-WEFT_EBOUNDS, "offset %llu in memory %u",
			       (unsigned long long)msg->remote, msg->region);
	count = store_map(server->store, item, offset, length, extents);
	for (i = 0; i < count; i++) {
		at = &extents[i];
		place = msg->remote + (at->value_offset - offset);
		if (kind == WORK_WRITE)
			rc = weft_batch_write(work->batch, server->regions[at->segment], at->offset,
					      remote, place, at->length, flags, msg->imm);
		else
			rc = weft_batch_read(work->batch, server->regions[at->segment], at->offset,
					     remote, place, at->length);
		if (rc < 0)
			return rc;
	}
	return (int)count;
}

int work_submit(struct work *work, uint32_t timeout_ms)
{
	uint64_t limit_ns = work->server->opts.transfer_timeout_ns;
	uint64_t timeout_ns = timeout_ms ? timeout_ms * NSEC_PER_MSEC : limit_ns;

	return weft_submit(work->batch, timeout_ns < limit_ns ? timeout_ns : limit_ns);
}

/* The transfers have ended: goes on once nothing touches their memory. */
static void work_settle(struct work *work)
{
	struct server *server = work->server;

	if (weft_batch_reset(work->batch)) {
		if (!list_empty(&work->park_link))
			return;
		list_add_tail(&server->parked, &work->park_link);
		COUNT(server, quarantined, 1);
		server_hurry(server, 1);
		return;
	}
	if (!list_empty(&work->park_link)) {
		list_del(&work->park_link);
		COUNT(server, quarantined, -1);
		server_hurry(server, -1);
	}
	work->finish(work);
	if (work->cancelled)
		reply_cancelled(server, &work->canceller, true);
	work_put(work);
}

static void work_done(void *ctx, struct weft_batch *batch)
{
	struct work *work = ctx;

	work->error = weft_batch_error(batch);
	if (work->error)
		snprintf(work->text, sizeof(work->text), "%s", weft_error_detail());
	work_settle(work);
}

void works_tick(struct server *server)
{
	struct list *link, *after;

	list_for_each_safe(link, after, &server->parked)
		work_settle(list_entry(link, struct work, park_link));
}

struct work *work_find(struct session *session, uint32_t slot, uint32_t generation)
{
	struct work *work;
	struct list *link;

	list_for_each(link, &session->works)
	{
		work = list_entry(link, struct work, link);
		if (work->asker.slot == slot && work->asker.generation == generation)
			return work;
	}
	return NULL;
}

void work_cancel(struct work *work, const struct asker *canceller)
{
	work->cancelled = true;
	work->canceller = *canceller;
	weft_batch_cancel(work->batch);
}
