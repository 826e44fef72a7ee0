/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Closing the port of a rail that broke, by the owner or, where that may wait for what the network
 * owes (provider.close_waits), by a thread of its own.
 *
 * C1: what is handed to the thread, port and registrations, nobody else touches. Until it is
 * through no operation of the rail counts as ended and no region is given back.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "base/clock.h"
#include "base/thread.h"
#include "engine/stage.h"

#define LOOK_NS (5 * NSEC_PER_MSEC) /* between two looks whether the thread is through */

struct rail_closing {
	pthread_t thread;
	_Atomic bool done;
	const struct transport *ops;
	struct port *port;
	uint32_t count;
	struct pin pins[];
};

static void close_all(struct rail_closing *closing)
{
	uint32_t i;

	if (closing->ops->shut)
		closing->ops->shut(closing->port);
	for (i = 0; i < closing->count; i++)
		closing->ops->unpin(closing->port, &closing->pins[i]);
	closing->ops->close(closing->port);
}

static void *closing_main(void *arg)
{
	struct rail_closing *closing = arg;

	close_all(closing);
	atomic_store_explicit(&closing->done, true, memory_order_release);
	return NULL;
}

static bool start(struct rail_closing *closing)
{
	return thread_create(&closing->thread, NULL, closing_main, closing) == 0;
}

/* Calls fn with the rail's registrations of each region; one that regions share may come again. */
static void each_pin(struct rail *rail, void (*fn)(void *arg, struct pin *pin), void *arg)
{
	struct pinned *pinned = stage_pinned(rail->weft);
	uint64_t key, value;
	size_t cursor = 0;
	uint32_t i;

	do {
		for (i = 0; pinned && i < pinned->parts; i++)
			fn(arg, &pinned->pins[rail->index * pinned->parts + i]);
		if (!map_next(&rail->weft->regions, &cursor, &key, &value))
			return;
		pinned = ((struct weft_region *)(uintptr_t)value)->pinned;
	} while (true);
}

static void count_pin(void *arg, struct pin *pin)
{
	uint32_t *count = arg;

	*count += pin->handle != NULL;
}

static void take_pin(void *arg, struct pin *pin)
{
	struct rail_closing *closing = arg;

	if (!pin->handle)
		return;
	closing->pins[closing->count++] = *pin;
	memset(pin, 0, sizeof(*pin));
}

static void unpin(void *arg, struct pin *pin)
{
	struct rail *rail = arg;

	rail->ops->unpin(rail->port, pin);
}

static struct rail_closing *take(struct rail *rail)
{
	struct rail_closing *closing;
	uint32_t count = 0;

	each_pin(rail, count_pin, &count);
	closing = mem_zalloc(sizeof(*closing) + count * sizeof(closing->pins[0]));
	if (!closing)
		return NULL;
	closing->ops = rail->ops;
	closing->port = rail->port;
	each_pin(rail, take_pin, closing);
	return closing;
}

void rail_close(struct rail *rail)
{
	struct rail_closing *closing = take(rail);

	if (closing && rail->close_apart && start(closing)) {
		rail->closing = closing;
		rail->weft->rails_closing++;
		engine_timer(rail->weft, clock_ns() + LOOK_NS);
	} else if (closing) {
		close_all(closing);
		mem_free(closing);
	} else { /* no memory for more */
		if (rail->ops->shut)
			rail->ops->shut(rail->port);
		each_pin(rail, unpin, rail);
		rail->ops->close(rail->port);
	}
	rail->port = NULL;
}

bool rail_is_closed(struct rail *rail, bool wait)
{
	if (!rail->closing)
		return true;
	if (!wait && !atomic_load_explicit(&rail->closing->done, memory_order_acquire)) {
		engine_timer(rail->weft, clock_ns() + LOOK_NS);
		return false;
	}
	pthread_join(rail->closing->thread, NULL);
	mem_free(rail->closing);
	rail->closing = NULL;
	rail->weft->rails_closing--;
	return true;
}
