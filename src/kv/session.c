/* SPDX-License-Identifier: Apache-2.0 */
#include "kv/session.h"

#include <errno.h>

#include "base/alloc.h"
#include "base/err.h"
#include "base/hash.h"

int sessions_init(struct sessions *sessions, uint32_t limit)
{
	list_init(&sessions->open);
	list_init(&sessions->closing);
	sessions->limit = limit;
	return map_init(&sessions->by_id, limit);
}

static void free_list(struct sessions *sessions, struct list *head)
{
	struct list *link;

	while ((link = list_first(head)))
		session_free(sessions, list_entry(link, struct session, link));
}

void sessions_fini(struct sessions *sessions)
{
	if (!sessions->limit)
		return;
	free_list(sessions, &sessions->open);
	free_list(sessions, &sessions->closing);
	map_fini(&sessions->by_id);
}

/* A random number that is neither 0 nor the id of a session. */
static int random_id(struct sessions *sessions, uint64_t *ret)
{
	uint64_t id = 0;
	int rc;

	do {
		rc = hash_seed(&id);
	} while (!rc && (!id || map_get_ptr(&sessions->by_id, id)));
	if (!rc)
		*ret = id;
	return rc;
}

int session_open(struct session **ret, struct sessions *sessions, uint32_t client_id,
		 uint32_t credits, uint64_t now_ns)
{
	struct session *session;
	uint64_t id;
	int rc;

	if (map_count(&sessions->by_id) >= sessions->limit)
		return err_set(-WEFT_ELIMIT, "%u clients are registered", sessions->limit);
	rc = random_id(sessions, &id);
	if (rc)
		return rc;
	session = mem_zalloc(sizeof(*session) + credits * sizeof(session->slots[0]));
	if (!session)
		return -ENOMEM;
	session->id = id;
	session->client_id = client_id ? client_id : (uint32_t)(id >> 32) | 1;
	session->credits = credits;
	session->heard_ns = now_ns;
	list_init(&session->works);
	list_init(&session->uploads);
	list_init(&session->pins);
	list_init(&session->outbox);
	rc = map_put_ptr(&sessions->by_id, id, session);
	if (rc) {
		mem_free(session);
		return rc;
	}
	list_init(&session->link);
	list_add_tail(&sessions->open, &session->link);
	*ret = session;
	return 0;
}

struct session *session_find(struct sessions *sessions, uint64_t id, uint32_t client_id)
{
	struct session *session;
	struct list *link;

	if (id)
		return map_get_ptr(&sessions->by_id, id);
	if (!client_id)
		return NULL;
	list_for_each(link, &sessions->open)
	{
		session = list_entry(link, struct session, link);
		if (session->client_id == client_id)
			return session;
	}
	return NULL;
}

void session_retire(struct sessions *sessions, struct session *session)
{
	map_del_ptr(&sessions->by_id, session->id);
	session->closing = true;
	list_move_tail(&sessions->closing, &session->link);
}

void session_free(struct sessions *sessions, struct session *session)
{
	if (!session->closing)
		map_del_ptr(&sessions->by_id, session->id);
	list_del(&session->link);
	mem_free(session);
}

enum session_verdict session_begin(struct session *session, uint32_t slot, uint32_t generation)
{
	if (slot >= session->credits)
		return SESSION_OVERRUN;
	switch (slot_begin(&session->slots[slot], generation)) {
	case SLOT_OK:
		return session->work_count < SESSION_WORKS_PER_CREDIT * session->credits
			       ? SESSION_OK
			       : SESSION_BUSY;
	case SLOT_STALE:
		return SESSION_STALE;
	case SLOT_OVERRUN:
		break;
	}
	return SESSION_OVERRUN;
}

void session_end(struct session *session, uint32_t slot, uint32_t generation)
{
	if (slot < session->credits)
		slot_end(&session->slots[slot], generation);
}

bool session_cancel(struct session *session, uint32_t slot, uint32_t generation)
{
	return slot < session->credits && slot_cancel(&session->slots[slot], generation);
}
