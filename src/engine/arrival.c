/* SPDX-License-Identifier: Apache-2.0 */
/* Arrivals: slots that count WRITEs with immediate. imm = generation << 20 | slot. */
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "engine/engine.h"

#define SLOT_BITS 20
#define SLOT_MASK ((1u << SLOT_BITS) - 1)

static uint32_t imm_of(const struct weft_arrival *arrival)
{
	return atomic_load_explicit(&arrival->generation, memory_order_acquire) << SLOT_BITS |
	       arrival->slot;
}

static int grow(struct weft *weft)
{
	uint32_t room = weft->arrival_room ? 2 * weft->arrival_room : 64;
	struct weft_arrival **arrivals;
	uint16_t *generations;

	if (room > ARRIVAL_SLOTS_MAX)
		return err_set(-WEFT_ELIMIT, "%u arrivals are open", weft->arrival_count);
	arrivals = mem_array(room, sizeof(*arrivals));
	generations = mem_array(room, sizeof(*generations));
	if (!arrivals || !generations) {
		mem_free(arrivals);
		mem_free(generations);
		return err_set(-ENOMEM, "out of memory for %u arrivals", room);
	}
	memset(arrivals, 0, room * sizeof(*arrivals));
	memset(generations, 0, room * sizeof(*generations));
	if (weft->arrival_room) {
		memcpy(arrivals, weft->arrivals, weft->arrival_room * sizeof(*arrivals));
		memcpy(generations, weft->arrival_generations,
		       weft->arrival_room * sizeof(*generations));
	}
	mem_free(weft->arrivals);
	mem_free(weft->arrival_generations);
	weft->arrivals = arrivals;
	weft->arrival_generations = generations;
	weft->arrival_room = room;
	return 0;
}

/* A generation that this slot has not used for 4,095 uses. */
static void next_generation(struct weft *weft, struct weft_arrival *arrival)
{
	uint16_t *last = &weft->arrival_generations[arrival->slot];

	*last = (uint16_t)((*last + 1) % ARRIVAL_GENERATIONS);
	atomic_store_explicit(&arrival->count, 0, memory_order_relaxed);
	atomic_store_explicit(&arrival->generation, *last, memory_order_release);
}

static int open_arrival(struct weft *weft, void *arg)
{
	struct weft_arrival *arrival = arg;
	uint32_t i;
	int rc;

	if (weft->arrival_count == weft->arrival_room) {
		rc = grow(weft);
		if (rc)
			return rc;
	}
	/* From where the last one was found: slots rest as long as they can. */
	for (i = weft->next_arrival; weft->arrivals[i % weft->arrival_room]; i++)
		;
	arrival->slot = i % weft->arrival_room;
	weft->next_arrival = arrival->slot + 1;
	weft->arrivals[arrival->slot] = arrival;
	weft->arrival_count++;
	next_generation(weft, arrival);
	return 0;
}

int weft_arrival_open(struct weft *weft, struct weft_arrival **ret)
{
	struct weft_arrival *arrival = mem_zalloc(sizeof(*arrival));
	int rc;

	if (!arrival)
		return err_set(-ENOMEM, "out of memory");
	arrival->weft = weft;
	rc = engine_run(weft, open_arrival, arrival);
	if (rc) {
		mem_free(arrival);
		return rc;
	}
	*ret = arrival;
	return 0;
}

static int close_arrival(struct weft *weft, void *arg)
{
	struct weft_arrival *arrival = arg;

	weft->arrivals[arrival->slot] = NULL;
	weft->arrival_count--;
	mem_free(arrival);
	return 0;
}

void weft_arrival_close(struct weft_arrival *arrival)
{
	if (arrival)
		engine_run(arrival->weft, close_arrival, arrival);
}

uint32_t weft_arrival_imm(const struct weft_arrival *arrival)
{
	return imm_of(arrival);
}

uint64_t weft_arrival_count(const struct weft_arrival *arrival)
{
	return atomic_load_explicit(&arrival->count, memory_order_acquire);
}

static int renew_arrival(struct weft *weft, void *arg)
{
	next_generation(weft, arg);
	return 0;
}

void weft_arrival_renew(struct weft_arrival *arrival)
{
	engine_run(arrival->weft, renew_arrival, arrival);
}

struct arrival_wait {
	const struct weft_arrival *arrival;
	uint64_t count;
};

static bool has_arrived(void *arg)
{
	struct arrival_wait *wait = arg;

	return weft_arrival_count(wait->arrival) >= wait->count;
}

int weft_arrival_wait(struct weft_arrival *arrival, uint64_t count, uint64_t timeout_ns)
{
	struct arrival_wait wait = { .arrival = arrival, .count = count };

	if (has_arrived(&wait))
		return 0;
	return engine_wait(arrival->weft, has_arrived, &wait,
			   clock_deadline(clock_ns(), timeout_ns));
}

void arrival_event(struct weft *weft, uint32_t imm)
{
	uint32_t slot = imm & SLOT_MASK;
	struct weft_arrival *arrival = slot < weft->arrival_room ? weft->arrivals[slot] : NULL;

	if (!arrival || imm_of(arrival) != imm) {
		weft->stats.immediates_late++;
		return;
	}
	atomic_store_explicit(&arrival->count,
			      atomic_load_explicit(&arrival->count, memory_order_relaxed) + 1,
			      memory_order_release);
	engine_signal(weft);
}
