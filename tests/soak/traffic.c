/* SPDX-License-Identifier: Apache-2.0 */
/* Transfers of the soak: started at random, and their bytes looked at when they are over. */
#include <string.h>

#include "soak.h"

#define CANCEL_US 50000u /* from submit, at most */

static size_t near_of(uint32_t peer, uint32_t slot)
{
	return ((size_t)peer * SOAK_SLOTS + slot) * SOAK_SLOT;
}

static struct area *target_of(struct soak *s, uint32_t peer, uint32_t slot, size_t *at)
{
	struct peer *p = &s->peers[peer];

	*at = p->slots[slot].read ? near_of(peer, slot) : (size_t)slot * SOAK_SLOT;
	return p->slots[slot].read ? &s->area : &p->child.area;
}

/* Small ones, some that fit one piece, and large ones that all rails share. */
static uint32_t draw_len(struct soak *s)
{
	switch (soak_draw(s, 4)) {
	case 0:
		return 1 + soak_draw(s, 256);
	case 1:
		return 1 + soak_draw(s, 65536);
	case 2:
		return 1 + soak_draw(s, SOAK_SLOT - SOAK_GAP);
	default:
		return 1 + soak_draw(s, 8192);
	}
}

static uint64_t draw_timeout(struct soak *s)
{
	static const uint32_t ms[] = { 20, 200, 2000, 8000, 8000, 8000 };

	return ms[soak_draw(s, sizeof(ms) / sizeof(ms[0]))] * NSEC_PER_MSEC;
}

static int draw_slot(struct soak *s, const struct peer *peer)
{
	uint32_t first = soak_draw(s, SOAK_SLOTS), i;

	for (i = 0; i < SOAK_SLOTS; i++)
		if (!peer->slots[(first + i) % SOAK_SLOTS].busy)
			return (int)((first + i) % SOAK_SLOTS);
	return -1;
}

/* Fills both memories. The gap belongs to what must not change. */
static void prepare(struct soak *s, uint32_t p, uint32_t number)
{
	struct peer *peer = &s->peers[p];
	struct slot *slot = &peer->slots[number];
	struct area *from, *into;
	size_t at_near = near_of(p, number), at_far = (size_t)number * SOAK_SLOT, at;

	slot->read = soak_draw(s, 2);
	slot->len = draw_len(s);
	slot->before = ++s->content;
	slot->after = ++s->content;
	from = slot->read ? &peer->child.area : &s->area;
	into = target_of(s, p, number, &at);
	area_fill(from, slot->read ? at_far : at_near, slot->len, slot->after);
	area_fill(into, at, slot->len + SOAK_GAP, slot->before);
	slot->region = NULL;
	if (soak_draw(s, 4) == 0)
		check_ok(weft_register(s->weft, s->area.base + at_near, SOAK_SLOT, WEFT_LOCAL,
				       &slot->region));
}

static void release(struct peer *peer, struct slot *slot)
{
	if (slot->region)
		check_ok(weft_unregister(slot->region, CONFORM_LIMIT_NS));
	slot->region = NULL;
	slot->busy = false;
	peer->busy--;
}

/* Adds a transfer; false: the peer takes none. */
static bool add(struct soak *s, struct load *load, uint32_t number)
{
	struct peer *peer = &s->peers[load->peer];
	struct slot *slot = &peer->slots[number];
	size_t at = slot->region ? 0 : near_of(load->peer, number);
	struct move move = { slot->read,
			     slot->region ? slot->region : s->whole,
			     at,
			     peer->remote,
			     (size_t)number * SOAK_SLOT,
			     slot->len,
			     0,
			     0 };
	int rc = net_add(load->batch, &move);

	if (rc >= 0)
		return true;
	check(rc == -WEFT_EPEERGONE || rc == -WEFT_EREVOKED || rc == -WEFT_EPEERSTUCK);
	return false;
}

static void fill_load(struct soak *s, struct load *load)
{
	struct peer *peer = &s->peers[load->peer];
	uint32_t want = 1 + soak_draw(s, SOAK_TRANSFERS);
	int number;

	load->count = 0;
	while (load->count < want && (number = draw_slot(s, peer)) >= 0) {
		prepare(s, load->peer, (uint32_t)number);
		peer->slots[number].busy = true;
		peer->busy++;
		if (!add(s, load, (uint32_t)number)) {
			release(peer, &peer->slots[number]);
			return;
		}
		load->slots[load->count++] = (uint32_t)number;
	}
}

void traffic_start(struct soak *s)
{
	struct load *load = NULL;

	for (uint32_t i = 0; i < SOAK_BATCHES && !load; i++)
		if (!s->loads[i].active)
			load = &s->loads[i];
	if (!load)
		return;
	load->peer = soak_draw(s, SOAK_PEERS);
	if (s->peers[load->peer].dead || s->peers[load->peer].revoked)
		return;
	if (!load->batch)
		load->batch = net_batch(s->weft, SOAK_TRANSFERS);
	fill_load(s, load);
	if (!load->count)
		return;
	load->timeout_ns = draw_timeout(s);
	load->submitted_ns = clock_ns();
	load->cancel_ns = UINT64_MAX;
	if (soak_draw(s, 10) == 0)
		load->cancel_ns = load->submitted_ns + soak_draw(s, CANCEL_US) * NSEC_PER_USEC;
	check_ok(weft_submit(load->batch, load->timeout_ns));
	load->active = true;
	load->ended = false;
}

/* K1 */
static void check_bytes(struct soak *s, const struct load *load, uint32_t number,
			const struct weft_result *result)
{
	struct slot *slot = &s->peers[load->peer].slots[number];
	struct area whole;
	size_t at;
	struct area *into = target_of(s, load->peer, number, &at);

	if (result->state == WEFT_DONE)
		check_holds(into, at, slot->len, slot->after);
	else if (!area_holds(into, at, slot->len, slot->before, 0)) {
		/* Either, byte by byte: both contents are made beside it. */
		area_open(&whole, 2 * (size_t)slot->len);
		area_fill(&whole, 0, slot->len, slot->before);
		area_fill(&whole, slot->len, slot->len, slot->after);
		for (size_t i = 0; i < slot->len; i++)
			if (into->base[at + i] != whole.base[i] &&
			    into->base[at + i] != whole.base[slot->len + i])
				conform_fail(__FILE__, __LINE__,
					     "byte %zu of %u of a %s of state %d is of neither", i,
					     slot->len, slot->read ? "READ" : "WRITE",
					     result->state);
		area_close(&whole);
	}
	check_holds_from(into, at + slot->len, SOAK_GAP, slot->before, slot->len);
}

static void count(struct soak *s, const struct slot *slot, const struct weft_result *result)
{
	if (result->state == WEFT_DONE) {
		s->done++;
		s->bytes += slot->len;
		return;
	}
	s->failed++;
	check(result->state == WEFT_FAILED || result->state == WEFT_CANCELLED ||
	      result->state == WEFT_DEADLINE);
	check(weft_remedy(result->error)[0]);
}

static void finish(struct soak *s, struct load *load)
{
	struct peer *peer = &s->peers[load->peer];

	for (uint32_t i = 0; i < load->count; i++) {
		struct weft_result result = net_result(load->batch, i);
		struct slot *slot = &peer->slots[load->slots[i]];

		check_int(result.quiescent, 1);
		count(s, slot, &result);
		check_bytes(s, load, load->slots[i], &result);
		release(peer, slot);
	}
	check_ok(weft_batch_reset(load->batch));
	load->active = false;
	load->quiet_ns = 0;
}

/* K2: in time, whatever stands in the way; quiet, when nothing does. */
static void check_time(struct soak *s, struct load *load, uint64_t now)
{
	if (!load->ended) {
		if (now > load->submitted_ns + load->timeout_ns + CONFORM_LIMIT_NS)
			conform_fail(__FILE__, __LINE__,
				     "a batch has not ended %.1f s after its deadline of %.3f s",
				     (double)(now - load->submitted_ns - load->timeout_ns) / 1e9,
				     (double)load->timeout_ns / 1e9);
		return;
	}
	if (s->faulty && !s->peers[load->peer].dead) {
		load->quiet_ns = 0;
		return;
	}
	if (!load->quiet_ns)
		load->quiet_ns = now + 2 * CONFORM_LIMIT_NS;
	if (now > load->quiet_ns)
		conform_fail(__FILE__, __LINE__,
			     "memory of a batch of %u does not fall quiet: peer %u, life %u, %s",
			     load->count, load->peer, s->peers[load->peer].lives,
			     s->peers[load->peer].dead ? "dead" : "alive");
}

void traffic_poll(struct soak *s)
{
	uint64_t now = clock_ns();

	for (uint32_t i = 0; i < SOAK_BATCHES; i++) {
		struct load *load = &s->loads[i];

		if (!load->active)
			continue;
		if (!load->ended && now >= load->cancel_ns)
			check_ok(weft_batch_cancel(load->batch));
		load->ended = weft_batch_poll(load->batch) == 1;
		if (load->ended && weft_batch_quiesce(load->batch, 0) == 0)
			finish(s, load);
		else
			check_time(s, load, now);
	}
}

bool traffic_idle(const struct soak *s)
{
	for (uint32_t i = 0; i < SOAK_BATCHES; i++)
		if (s->loads[i].active)
			return false;
	return true;
}
