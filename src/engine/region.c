/* SPDX-License-Identifier: Apache-2.0 */
/* Registered local memory: pinned on every rail, exported, taken back. */
#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "engine/gpu.h"
#include "engine/near.h"

#define ACCESS_ALL  (WEFT_REMOTE_READ | WEFT_REMOTE_WRITE)
#define REGIONS_MAX 1048576u
/* A holder that has died is found out by being asked. The pause doubles. */
#define ASK_FIRST_NS (50 * NSEC_PER_MSEC)
#define ASK_LAST_NS  (2 * NSEC_PER_SEC)

static void unpin(struct weft_region *region)
{
	if (region->gpu)
		gpu_unpin(region);
	else if (region->pinned)
		pin_give(region->weft, region->pinned, region->base, region->len);
	region->pinned = NULL;
}

static int register_region(struct weft *weft, void *arg)
{
	struct weft_region *region = arg;
	int rc;

	if (map_count(&weft->regions) >= REGIONS_MAX)
		return err_set(-WEFT_ELIMIT, "%u regions are registered", REGIONS_MAX);
	do {
		region->slot = weft->next_region++;
	} while (map_get_ptr(&weft->regions, region->slot));
	region->generation = ++weft->next_generation;
	rc = gpu_find(region);
	if (rc)
		return rc;
	rc = region->gpu
		     ? gpu_pin(region)
		     : pin_take(weft, region->base, region->len, region->access, &region->pinned);
	if (rc)
		return rc;
	rc = export_check(region);
	if (rc == 0 && map_put_ptr(&weft->regions, region->slot, region))
		rc = err_set(-ENOMEM, "out of memory for the table of regions");
	if (rc) {
		unpin(region);
		return rc;
	}
	if (!region->gpu)
		region->near = near_rails(weft, region->base);
	weft->stats.regions++;
	return 0;
}

int weft_register(struct weft *weft, void *base, size_t len, uint32_t access,
		  struct weft_region **ret)
{
	struct weft_region *region;
	int rc;

	if (!weft || !base || !len || !ret || (uintptr_t)base + len < (uintptr_t)base)
		return err_set(-EINVAL, "memory %p of %zu bytes cannot be registered", base, len);
	if (access & ~(uint32_t)ACCESS_ALL)
		return err_set(-EINVAL, "unknown access 0x%x", access);
	region = mem_zalloc(sizeof(*region));
	if (!region)
		return err_set(-ENOMEM, "out of memory");
	region->weft = weft;
	region->base = base;
	region->len = len;
	atomic_store_explicit(&region->open, len, memory_order_relaxed);
	region->access = access;
	list_init(&region->holdings);
	rc = engine_run(weft, register_region, region);
	if (rc) {
		mem_free(region);
		return rc;
	}
	if (region->gpu)
		gpu_locate(region);
	*ret = region;
	return 0;
}

void holding_drop(struct holding *holding)
{
	map_del(&holding->peer->weft->holdings, region_key(holding->peer, holding->region->slot),
		NULL);
	list_del(&holding->region_link);
	list_del(&holding->peer_link);
	holding->region->holders--;
	engine_signal(holding->region->weft);
	mem_free(holding);
}

void region_haunt(struct weft_peer *peer, uint64_t until_ns)
{
	struct list *link;

	list_for_each(link, &peer->holdings) list_entry(link, struct holding, peer_link)
		->region->haunted_ns = until_ns;
}

/* Timers look at it again: whoever waits for the region is woken then. */
static bool is_haunted(const struct weft_region *region)
{
	if (clock_ns() >= region->haunted_ns)
		return false;
	region->weft->haunted_ns = region->haunted_ns;
	engine_timer(region->weft, region->haunted_ns);
	return true;
}

void region_free(struct weft_region *region)
{
	struct weft *weft = region->weft;
	struct list *link, *after;

	list_for_each_safe(link, after, &region->holdings)
		holding_drop(list_entry(link, struct holding, region_link));
	unpin(region);
	map_del(&weft->regions, region->slot, NULL);
	weft->stats.regions--;
	mem_free(region);
}

static void ask_holders(struct weft_region *region, bool again)
{
	struct wire_grant grant = { .region = region->slot, .generation = region->generation };
	struct list *link, *after;
	struct weft_peer *peer;

	list_for_each_safe(link, after, &region->holdings)
	{
		peer = list_entry(link, struct holding, region_link)->peer;
		if (!again || list_empty(&peer->outbox))
			peer_control(peer, WIRE_REVOKE, &grant);
	}
}

static void ask_again(struct weft_region *region)
{
	uint64_t now_ns = clock_ns();

	if (now_ns >= region->ask_ns) {
		region->ask_ns = now_ns + region->ask_pause_ns;
		if (region->ask_pause_ns < ASK_LAST_NS)
			region->ask_pause_ns *= 2;
		ask_holders(region, true);
	}
	engine_timer(region->weft, region->ask_ns);
}

static int start_revoke(struct weft *weft, void *arg)
{
	struct weft_region *region = arg;

	(void)weft;
	if (atomic_exchange_explicit(&region->closing, true, memory_order_relaxed))
		return 0;
	atomic_store_explicit(&region->open, 0, memory_order_relaxed);
	region->ask_pause_ns = ASK_FIRST_NS;
	region->ask_ns = clock_ns() + ASK_FIRST_NS;
	ask_holders(region, false);
	return 0;
}

static bool holders_guarded(const struct weft_region *region)
{
	const struct port_limits *limits;
	const struct weft_peer *peer;
	const struct list *link;

	list_for_each(link, &region->holdings)
	{
		peer = list_entry(link, struct holding, region_link)->peer;
		limits = &way_rail(peer->weft, peer->way, 0)->limits;
		if (!peer->way->provider->unregister_guards || limits->emulated ||
		    limits->keeps_pins)
			return false;
	}
	return true;
}

/*
 * The end of weft_unregister(): 0 when nothing can touch the memory. force: peers that did not
 * answer are cut off, where a closed registration stops what they still send.
 */
static int finish_unregister(struct weft_region *region, bool force)
{
	struct list *link, *after;

	if (region->flights)
		return err_set(-WEFT_ENOTQUIET, "%u local operations have not ended",
			       region->flights);
	if (region->holders && !(force && holders_guarded(region)))
		return err_set(-WEFT_ENOTQUIET, "%u peers have not answered the revocation",
			       region->holders);
	if (region->weft->rails_closing)
		return err_set(-WEFT_ENOTQUIET, "a rail that broke is being closed");
	if (is_haunted(region))
		return err_set(-WEFT_ENOTQUIET, "packets of a peer that is gone may be under way");
	unpin(region);
	list_for_each_safe(link, after, &region->holdings)
	{
		struct weft_peer *peer = list_entry(link, struct holding, region_link)->peer;

		/* Takes its holdings along, this one and perhaps the next. */
		peer_fail(peer, -WEFT_EPEERSTUCK);
		after = region->holdings.next;
	}
	region_free(region);
	return 0;
}

static int try_unregister(struct weft *weft, void *arg)
{
	(void)weft;
	return finish_unregister(arg, false);
}

static int force_unregister(struct weft *weft, void *arg)
{
	(void)weft;
	return finish_unregister(arg, true);
}

struct unregister_wait {
	struct weft_region *region;
	bool done;
};

static int poll_unregister(struct weft *weft, void *arg)
{
	struct unregister_wait *wait = arg;

	(void)weft;
	wait->done = wait->region->flights == 0 && wait->region->holders == 0 &&
		     !wait->region->weft->rails_closing && !is_haunted(wait->region);
	if (wait->region->holders)
		ask_again(wait->region);
	return 0;
}

static bool region_quiet(void *arg)
{
	struct unregister_wait *wait = arg;

	engine_run(wait->region->weft, poll_unregister, wait);
	return wait->done;
}

int weft_unregister(struct weft_region *region, uint64_t timeout_ns)
{
	struct unregister_wait wait = { .region = region };
	struct weft *weft;
	int rc;

	if (!region)
		return 0;
	weft = region->weft;
	engine_run(weft, start_revoke, region);
	if (!region_quiet(&wait) && timeout_ns) {
		rc = engine_wait(weft, region_quiet, &wait, clock_deadline(clock_ns(), timeout_ns));
		if (rc && rc != -EAGAIN)
			return rc;
	}
	return engine_run(weft, timeout_ns ? force_unregister : try_unregister, region);
}

/* --- what peers ask --- */

static struct holding *find_holding(const struct weft_peer *peer, const struct weft_region *region)
{
	return map_get_ptr(&peer->weft->holdings, region_key(peer, region->slot));
}

static int grant_region(struct weft_peer *peer, struct weft_region *region)
{
	struct holding *holding = find_holding(peer, region);

	if (!holding) {
		holding = mem_zalloc(sizeof(*holding));
		if (!holding)
			return -ENOMEM;
		if (map_put_ptr(&peer->weft->holdings, region_key(peer, region->slot), holding)) {
			mem_free(holding);
			return -ENOMEM;
		}
		holding->region = region;
		holding->peer = peer;
		list_add_tail(&region->holdings, &holding->region_link);
		list_add_tail(&peer->holdings, &holding->peer_link);
		region->holders++;
	}
	holding->count++;
	return 0;
}

void region_asked(struct weft_peer *peer, const struct wire_grant *grant)
{
	struct weft_region *region = map_get_ptr(&peer->weft->regions, grant->region);
	struct wire_grant answer = *grant;

	answer.code = 0;
	if (!region || region->generation != grant->generation ||
	    atomic_load_explicit(&region->closing, memory_order_relaxed))
		answer.code = -WEFT_EREVOKED;
	else
		answer.code = grant_region(peer, region);
	peer_control(peer, WIRE_GRANT, &answer);
}

void region_released(struct weft_peer *peer, const struct wire_grant *grant, bool revoked)
{
	struct weft_region *region = map_get_ptr(&peer->weft->regions, grant->region);
	struct holding *holding;

	if (!region || region->generation != grant->generation)
		return;
	holding = find_holding(peer, region);
	if (holding && (revoked || --holding->count == 0))
		holding_drop(holding);
}
