/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Back end "loop": what the tester itself costs. Operations are copies in this process's memory,
 * done when they are posted; their ends, and what arrives at the twin, go through rings and are
 * told by the next poll. A port and its twin are driven by one thread.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/err.h"
#include "base/hash.h"
#include "perf/backend.h"

#define LOOP_MEMORY (16u << 20) /* of a port, each way; larger operations share fewer slots */

/* Of what has happened and was not yet told: number and endpoint. */
struct loop_cell {
	uint64_t number;
	uint32_t ep;
};

struct loop_ring {
	struct loop_cell *cells;
	uint64_t head, tail, mask;
};

struct loop_port {
	struct perf_port port;
	struct loop_port *twin; /* NULL once it is closed */
	uint64_t size, seed, slot_mask;
	unsigned char *local, *landing; /* slots of size bytes, at 64 */
	uint64_t stride;
	enum perf_op op;
	bool tells, validate, wrong; /* tells: the twin hears of each */
	struct loop_ring done, arrived;
	uint64_t arrivals, bytes_landed, polls;
};

static int loop_limits(const struct perf_case *c, struct perf_limits *ret)
{
	(void)c;
	memset(ret, 0, sizeof(*ret));
	ret->max_size = PERF_SIZE_MAX;
	ret->max_window = PERF_WINDOW_MAX;
	ret->max_inline = UINT32_MAX;
	return 0;
}

static void loop_close(struct perf_port *port)
{
	struct loop_port *p = (struct loop_port *)port;

	if (p->twin)
		p->twin->twin = NULL;
	mem_free(p->done.cells);
	mem_free(p->arrived.cells);
	mem_free(p->local);
	mem_free(p->landing);
	mem_free(p);
}

/* Content that differs from slot to slot, and from seed to seed. */
static void fill_local(struct loop_port *p)
{
	uint64_t length = p->stride * (p->slot_mask + 1), i, word;

	for (i = 0; i < length; i += sizeof(word)) {
		word = hash_u64(i, p->seed);
		memcpy(p->local + i, &word, sizeof(word));
	}
}

static struct loop_port *make_port(const struct perf_case *c, uint32_t index, bool is_twin)
{
	struct loop_port *p = mem_zalloc(sizeof(*p));
	uint64_t in_flight = (uint64_t)c->window * c->eps, slots = 1, cells = 64;

	if (!p)
		return NULL;
	p->port.backend = &perf_loop;
	p->op = c->op;
	p->tells = c->op == PERF_SEND || c->op == PERF_WRITE_IMM;
	p->validate = c->validate;
	p->size = c->size;
	p->seed = hash_u64(index * 2ull + is_twin, c->seed);
	p->stride = (c->size + 63) & ~(uint64_t)63;
	while (slots < in_flight && 2 * slots * p->stride <= LOOP_MEMORY)
		slots *= 2;
	while (cells < in_flight)
		cells *= 2;
	p->slot_mask = slots - 1;
	p->done.mask = p->arrived.mask = cells - 1;
	p->done.cells = mem_array(cells, sizeof(struct loop_cell));
	p->arrived.cells = mem_array(cells, sizeof(struct loop_cell));
	p->local = mem_aligned(64, slots * p->stride);
	p->landing = mem_aligned(64, slots * p->stride);
	if (!p->done.cells || !p->arrived.cells || !p->local || !p->landing) {
		loop_close(&p->port);
		return NULL;
	}
	fill_local(p);
	memset(p->landing, 0, slots * p->stride);
	return p;
}

static int loop_pair(struct perf_port **ret, struct perf_port **twin, const struct perf_case *c,
		     uint32_t index)
{
	struct loop_port *a = make_port(c, index, false), *b = make_port(c, index, true);

	if (!a || !b) {
		if (a)
			loop_close(&a->port);
		if (b)
			loop_close(&b->port);
		return err_set(-ENOMEM,
			       "no memory for two ports with operations of %" PRIu64
			       " bytes: make them smaller",
			       c->size);
	}
	a->twin = b;
	b->twin = a;
	*ret = &a->port;
	*twin = &b->port;
	return 0;
}

static uint32_t ring_room(const struct loop_ring *ring)
{
	return (uint32_t)(ring->mask + 1 - (ring->head - ring->tail));
}

static void ring_add(struct loop_ring *ring, uint64_t number, uint32_t ep)
{
	struct loop_cell *cell = &ring->cells[ring->head++ & ring->mask];

	cell->number = number;
	cell->ep = ep;
}

/* The content is stamped with its number, so that a copy that was not made is found out. */
static void copy_checked(struct loop_port *p, unsigned char *to, unsigned char *from,
			 uint64_t number)
{
	size_t stamp = p->size < sizeof(number) ? p->size : sizeof(number);

	memcpy(from, &number, stamp);
	memcpy(to, from, p->size);
	if (hash_content(to, p->size) != hash_content(from, p->size))
		p->wrong = true;
}

static int loop_post(struct perf_port *port, uint32_t ep, uint64_t number, uint32_t count)
{
	struct loop_port *p = (struct loop_port *)port, *twin = p->twin;
	unsigned char *from, *to;
	uint64_t slot;
	uint32_t i;

	if (count > ring_room(&p->done))
		count = ring_room(&p->done);
	if (p->tells && count > ring_room(&twin->arrived))
		count = ring_room(&twin->arrived);
	for (i = 0; i < count; i++) {
		slot = ((number + i) & p->slot_mask) * p->stride;
		from = p->op == PERF_READ ? twin->local + slot : p->local + slot;
		to = p->op == PERF_READ ? p->landing + slot : twin->landing + slot;
		if (p->validate)
			copy_checked(p, to, from, number + i);
		else
			memcpy(to, from, p->size);
		ring_add(&p->done, number + i, ep);
		if (p->tells)
			ring_add(&twin->arrived, twin->arrivals++, ep);
	}
	if (p->tells)
		twin->bytes_landed += count * p->size;
	else if (p->op == PERF_READ)
		p->bytes_landed += count * p->size;
	return (int)count;
}

static uint32_t tell(struct loop_ring *ring, struct perf_event *events, uint32_t room,
		     enum perf_event_kind kind)
{
	uint64_t ready = ring->head - ring->tail;
	uint32_t n = ready < room ? (uint32_t)ready : room, i;

	for (i = 0; i < n; i++) {
		const struct loop_cell *cell = &ring->cells[ring->tail++ & ring->mask];

		events[i].number = cell->number;
		events[i].ep = cell->ep;
		events[i].kind = (uint8_t)kind;
	}
	return n;
}

static int loop_poll(struct perf_port *port, struct perf_event *events, uint32_t room)
{
	struct loop_port *p = (struct loop_port *)port;
	bool arrived_first = p->polls++ & 1;
	uint32_t n = 0;

	if (arrived_first)
		n = tell(&p->arrived, events, room, PERF_ARRIVED);
	n += tell(&p->done, events + n, room - n, PERF_DONE);
	if (!arrived_first)
		n += tell(&p->arrived, events + n, room - n, PERF_ARRIVED);
	return (int)n;
}

static void loop_facts(struct perf_port *port, struct perf_facts *ret)
{
	struct loop_port *p = (struct loop_port *)port;

	memset(ret, 0, sizeof(*ret));
	snprintf(ret->ways, sizeof(ret->ways), "memory of this process");
	ret->bytes_landed = p->bytes_landed;
	ret->wrong = p->wrong;
}

const struct perf_backend perf_loop = {
	.name = "loop",
	.summary = "memory of this process, for the tester's own cost",
	.layer = "nothing: copies in this process, no engine and no provider",
	.tests = 1u << PERF_BW | 1u << PERF_RATE | 1u << PERF_LAT | 1u << PERF_OPEN,
	.ops = 1u << PERF_WRITE | 1u << PERF_READ | 1u << PERF_SEND | 1u << PERF_WRITE_IMM,
	.one_process = true,
	.limits = loop_limits,
	.pair = loop_pair,
	.post = loop_post,
	.poll = loop_poll,
	.facts = loop_facts,
	.close = loop_close,
};
