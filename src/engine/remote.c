/* SPDX-License-Identifier: Apache-2.0 */
/* Imported regions of peers: asked for, granted, guarded, revoked. */
#include <errno.h>
#include <string.h>

#include "base/err.h"
#include "engine/engine.h"

struct import {
	const struct wire_descriptor *descriptor;
	struct weft_remote *remote;
};

static int status(const struct weft_remote *remote)
{
	return atomic_load_explicit(&remote->status, memory_order_relaxed);
}

static void set_status(struct weft_remote *remote, int value)
{
	remote_set_status(remote, value);
	if (remote->active)
		peer_make_ready(remote->peer); /* to go on, or to fail what is queued */
	engine_signal(remote->weft);
}

static struct wire_grant name_of(const struct weft_remote *remote)
{
	return (struct wire_grant){ .region = remote->region, .generation = remote->generation };
}

void remote_ask(struct weft_remote *remote)
{
	struct wire_grant grant = name_of(remote);

	if (remote->asked || status(remote) != -EINPROGRESS)
		return;
	remote->asked = true;
	path_await(remote->peer);
	peer_control(remote->peer, WIRE_ASK, &grant);
}

static void take_keys(struct weft_remote *remote, const struct wire_descriptor *d,
		      const struct wire_rail *rail, uint32_t index)
{
	uint64_t *keys = &remote->keys[index * remote->parts];

	remote->bases[index] = rail->base;
	keys[0] = rail->key;
	memcpy(keys + 1, &d->keys[rail->more], (remote->parts - 1) * sizeof(*keys));
}

/* There is room. */
static void enter_ring(struct weft_remote *remote)
{
	struct map *remotes = &remote->weft->remotes;
	uint64_t key = region_key(remote->peer, remote->region);
	struct weft_remote *other = map_get_ptr(remotes, key);

	list_init(&remote->same);
	list_init(&remote->link);
	if (other)
		list_add_tail(&other->same, &remote->same);
	else
		map_put_ptr(remotes, key, remote);
}

void remote_drop(struct weft_remote *remote)
{
	struct map *remotes = &remote->weft->remotes;
	uint64_t key = region_key(remote->peer, remote->region);

	if (map_get_ptr(remotes, key) == remote) {
		/* Replacing needs no memory. */
		if (list_empty(&remote->same))
			map_del(remotes, key, NULL);
		else
			map_put_ptr(remotes, key,
				    list_entry(remote->same.next, struct weft_remote, same));
	}
	list_del(&remote->same);
	list_del(&remote->link);
	mem_free(remote);
}

static int import(struct weft *weft, void *arg)
{
	struct import *import = arg;
	const struct wire_descriptor *d = import->descriptor;
	struct weft_remote *remote = import->remote;
	const struct wire_way *far = NULL;
	struct weft_peer *peer;
	uint32_t i;
	int rc;

	/* Before anything is said to the peer: nobody may be there to hear its answer else. */
	if (map_reserve(&weft->remotes, map_count(&weft->remotes) + 1))
		return err_set(-ENOMEM, "out of memory for the table of imported regions");
	rc = peer_get(weft, d, false, &peer);
	if (rc)
		return rc;
	/* Keys and bases are those of the way that the peer is reached by. */
	for (i = 0; i < d->way_count; i++)
		if (d->ways[i].provider == peer->way->provider->number)
			far = &d->ways[i];
	if (!far)
		return err_set(-WEFT_EDESCRIPTOR, "descriptor lacks the way '%s' to its engine",
			       peer->way->provider->name);
	remote->weft = weft;
	remote->peer = peer;
	peer->handed = true;
	remote->region = d->region;
	remote->generation = d->generation;
	remote->access = d->access;
	remote->length = d->length;
	remote->rail_count = far->rail_count;
	for (i = 0; i < far->rail_count; i++)
		take_keys(remote, d, &far->rails[i], i);
	enter_ring(remote);
	remote_set_status(remote, -EINPROGRESS);
	list_add_tail(&peer->remotes, &remote->link);
	if (peer_state(peer) == PEER_CONNECTED)
		remote_ask(remote);
	return status(remote) == -EINPROGRESS || status(remote) == 0 ? 0 : status(remote);
}

/* With room for the keys of any of the descriptor's ways. */
static struct weft_remote *make_remote(const struct wire_descriptor *d)
{
	uint32_t parts = (uint32_t)wire_parts(d->length, d->part_shift), rails = 0, i;
	struct weft_remote *remote;

	for (i = 0; i < d->way_count; i++)
		if (d->ways[i].rail_count > rails)
			rails = d->ways[i].rail_count;
	remote = mem_zalloc(sizeof(*remote) +
			    (size_t)rails * (parts + 1) * sizeof(remote->bases[0]));
	if (remote) {
		remote->keys = remote->bases + rails;
		remote->parts = parts;
		remote->shift = d->part_shift ? d->part_shift : PLAN_WHOLE;
	}
	return remote;
}

int weft_import(struct weft *weft, const void *descriptor, size_t len, struct weft_remote **ret)
{
	struct wire_descriptor *d;
	struct weft_remote *remote = NULL;
	struct import arg;
	int rc;

	if (!weft || !descriptor || !ret)
		return err_set(-EINVAL, "engine, descriptor or ret is NULL");
	d = mem_alloc(sizeof(*d));
	if (!d)
		return err_set(-ENOMEM, "out of memory");
	rc = wire_get_descriptor(d, descriptor, len);
	if (rc)
		goto out;
	if (!d->has_region) {
		rc = err_set(-WEFT_EDESCRIPTOR, "descriptor names an engine, not a region");
		goto out;
	}
	remote = make_remote(d);
	if (!remote) {
		rc = err_set(-ENOMEM, "out of memory");
		goto out;
	}
	arg = (struct import){ .descriptor = d, .remote = remote };
	rc = engine_run(weft, import, &arg);
	if (rc && remote->peer) { /* it was attached before it failed */
		weft_remote_close(remote);
		remote = NULL;
	}
	if (rc == 0) {
		*ret = remote;
		remote = NULL;
	}
out:
	mem_free(remote);
	mem_free(d);
	return rc;
}

static int close_remote(struct weft *weft, void *arg)
{
	struct weft_remote *remote = arg;
	struct weft_peer *peer = remote->peer;
	struct wire_grant grant = name_of(remote);
	int state = peer_state(peer);

	(void)weft;
	if (remote->active || remote->flights)
		return err_set(-WEFT_ENOTQUIET, "%u transfers and %u operations have not ended",
			       remote->active, remote->flights);
	if (remote->asked && !remote->answer_revoke && status(remote) != -WEFT_EREVOKED &&
	    state == PEER_CONNECTED)
		peer_control(peer, WIRE_RELEASE, &grant);
	remote_drop(remote);
	peer_release(peer);
	return 0;
}

int weft_remote_close(struct weft_remote *remote)
{
	return remote ? engine_run(remote->weft, close_remote, remote) : 0;
}

struct weft_peer *weft_remote_peer(const struct weft_remote *remote)
{
	return remote->peer;
}

uint64_t weft_remote_length(const struct weft_remote *remote)
{
	return remote->length;
}

uint32_t weft_remote_access(const struct weft_remote *remote)
{
	return remote->access;
}

int weft_remote_status(const struct weft_remote *remote)
{
	return atomic_load_explicit(&remote->status, memory_order_acquire);
}

/* Goes through the remotes of a region of a peer's: after NULL the first, and NULL at the end. */
static struct weft_remote *next_named(const struct weft_peer *peer, const struct wire_grant *grant,
				      struct weft_remote *after)
{
	struct weft_remote *first =
		map_get_ptr(&peer->weft->remotes, region_key(peer, grant->region));
	struct weft_remote *remote = first;

	if (after)
		remote = list_entry(after->same.next, struct weft_remote, same);
	while (remote && (!after || remote != first)) {
		if (remote->generation == grant->generation)
			return remote;
		after = remote;
		remote = list_entry(remote->same.next, struct weft_remote, same);
	}
	return NULL;
}

void remote_granted(struct weft_peer *peer, const struct wire_grant *grant)
{
	struct weft_remote *remote = NULL;

	while ((remote = next_named(peer, grant, remote)))
		if (status(remote) == -EINPROGRESS)
			set_status(remote, grant->code <= 0 ? grant->code : -WEFT_EMESSAGE);
}

/* Answers once nothing of ours is under way to the region any more. */
static void answer_revoke(struct weft_peer *peer, const struct wire_grant *grant)
{
	struct weft_remote *remote = NULL;

	while ((remote = next_named(peer, grant, remote)))
		if (remote->flights)
			return;
	while ((remote = next_named(peer, grant, remote)))
		remote->answer_revoke = false;
	peer_control(peer, WIRE_REVOKED, grant);
}

void remote_revoke(struct weft_peer *peer, const struct wire_grant *grant)
{
	struct weft_remote *remote = NULL;

	while ((remote = next_named(peer, grant, remote))) {
		remote->answer_revoke = true;
		set_status(remote, -WEFT_EREVOKED);
	}
	answer_revoke(peer, grant);
}

void remote_flight_ended(struct weft_remote *remote)
{
	struct wire_grant grant;

	if (!remote->answer_revoke || remote->flights)
		return;
	grant = name_of(remote);
	answer_revoke(remote->peer, &grant);
}

bool remotes_await(const struct weft_peer *peer)
{
	const struct weft_remote *remote;
	const struct list *link;

	list_for_each(link, &peer->remotes)
	{
		remote = list_entry(link, struct weft_remote, link);
		if (remote->asked && status(remote) == -EINPROGRESS)
			return true;
	}
	return false;
}

void remotes_fail(struct weft_peer *peer, int reason)
{
	struct list *link;

	list_for_each(link, &peer->remotes)
		set_status(list_entry(link, struct weft_remote, link), reason);
}
