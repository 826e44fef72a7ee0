/* SPDX-License-Identifier: Apache-2.0 */
#include "perf/model.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/err.h"
#include "base/hash.h"
#include "perf/backend.h"

/* What will happen at a port. */
struct model_event {
	uint64_t at, order; /* order: of those of one time, the one made first */
	struct perf_event event;
};

/* What the two ends share. */
struct model {
	struct perf_plan plan;
	uint64_t now, order, seed, size;
	bool tells, reads, validate;
	uint32_t ports;
};

struct model_port {
	struct perf_port port;
	struct model *model;
	struct model_port *twin;
	struct model_event *heap; /* the earliest first */
	uint32_t events, room;
	uint64_t seed, registered;
	double wire_free; /* ns, when this direction has sent all that was posted */
	uint64_t arrivals, bytes_landed;
	bool wrong;
};

static int model_limits(const struct perf_case *c, struct perf_limits *ret)
{
	struct perf_plan plan;

	memset(ret, 0, sizeof(*ret));
	ret->max_size = PERF_SIZE_MAX;
	ret->max_window = PERF_WINDOW_MAX;
	ret->max_inline = UINT32_MAX;
	return perf_plan_read(&plan, c->model);
}

static void model_close(struct perf_port *port)
{
	struct model_port *p = (struct model_port *)port;

	if (--p->model->ports == 0)
		mem_free(p->model);
	mem_free(p->heap);
	mem_free(p);
}

/* Room for what a full window may have under way in both directions: ends, their duplicates and
 * what arrives, while lost operations take no room. */
static struct model_port *make_port(struct model *model, const struct perf_case *c, uint32_t index)
{
	struct model_port *p = mem_zalloc(sizeof(*p));

	if (!p)
		return NULL;
	p->port.backend = &perf_model;
	p->model = model;
	p->seed = hash_u64(index * 2ull + model->ports, c->seed);
	p->room = 4 * c->window * c->eps;
	p->heap = mem_array(p->room, sizeof(*p->heap));
	if (!p->heap) {
		mem_free(p);
		return NULL;
	}
	model->ports++;
	return p;
}

static int model_pair(struct perf_port **ret, struct perf_port **twin, const struct perf_case *c,
		      uint32_t index)
{
	struct model *model = mem_zalloc(sizeof(*model));
	struct model_port *a, *b;
	int rc;

	if (!model)
		return err_set(-ENOMEM, "no memory for a model");
	rc = perf_plan_read(&model->plan, c->model);
	if (rc < 0) {
		mem_free(model);
		return rc;
	}
	model->size = c->size;
	model->tells = c->op == PERF_SEND || c->op == PERF_WRITE_IMM;
	model->reads = c->op == PERF_READ;
	model->validate = c->validate;
	a = make_port(model, c, index);
	b = a ? make_port(model, c, index) : NULL;
	if (!b) {
		if (a)
			model_close(&a->port);
		else
			mem_free(model);
		return err_set(-ENOMEM, "no memory for a model with %u operations in flight",
			       c->window * c->eps);
	}
	a->twin = b;
	b->twin = a;
	*ret = &a->port;
	*twin = &b->port;
	return 0;
}

static bool is_before(const struct model_event *a, const struct model_event *b)
{
	return a->at < b->at || (a->at == b->at && a->order < b->order);
}

static void heap_add(struct model_port *p, uint64_t at, enum perf_event_kind kind, uint32_t ep,
		     uint64_t number)
{
	struct model_event made = { at, p->model->order++, { number, ep, (uint8_t)kind } };
	uint32_t i = p->events++, parent;

	for (; i; i = parent) {
		parent = (i - 1) / 2;
		if (is_before(&p->heap[parent], &made))
			break;
		p->heap[i] = p->heap[parent];
	}
	p->heap[i] = made;
}

static void heap_drop_first(struct model_port *p)
{
	struct model_event last = p->heap[--p->events];
	uint32_t i = 0, child;

	while ((child = 2 * i + 1) < p->events) {
		if (child + 1 < p->events && is_before(&p->heap[child + 1], &p->heap[child]))
			child++;
		if (!is_before(&p->heap[child], &last))
			break;
		p->heap[i] = p->heap[child];
		i = child;
	}
	p->heap[i] = last;
}

static bool is_the_last(uint64_t number, uint64_t of)
{
	return of && number % of == of - 1;
}

static void model_one(struct model_port *p, uint32_t ep, uint64_t number)
{
	struct model *model = p->model;
	struct model_port *lands = model->reads ? p : p->twin;
	uint64_t sent = model->now, at;

	if (model->plan.rate > 0) {
		if (p->wire_free < (double)model->now)
			p->wire_free = (double)model->now;
		p->wire_free += (double)model->size / model->plan.rate;
		sent = (uint64_t)p->wire_free;
	}
	if (is_the_last(number, model->plan.loss_of))
		return;
	at = perf_plan_end(&model->plan, sent, number, p->seed);
	heap_add(p, at, PERF_DONE, ep, number);
	if (is_the_last(number, model->plan.duplicate_of))
		heap_add(p, at + model->plan.service, PERF_DONE, ep, number);
	if (model->tells)
		heap_add(p->twin, at, PERF_ARRIVED, ep, 0);
	if (model->tells || model->reads)
		lands->bytes_landed += model->size;
	if (model->validate && is_the_last(number, model->plan.corrupt_of))
		lands->wrong = true;
}

static int model_post(struct perf_port *port, uint32_t ep, uint64_t number, uint32_t count)
{
	struct model_port *p = (struct model_port *)port;
	uint32_t i;

	for (i = 0; i < count; i++) {
		if (p->events + 2 > p->room || p->twin->events + 1 > p->room)
			break;
		model_one(p, ep, number + i);
	}
	return (int)i;
}

static int model_poll(struct perf_port *port, struct perf_event *events, uint32_t room)
{
	struct model_port *p = (struct model_port *)port;
	uint32_t n = 0;

	while (n < room && p->events && p->heap[0].at <= p->model->now) {
		events[n] = p->heap[0].event;
		if (events[n].kind == PERF_ARRIVED)
			events[n].number = p->arrivals++;
		n++;
		heap_drop_first(p);
	}
	return (int)n;
}

static uint64_t model_now(struct perf_port *port)
{
	return ((struct model_port *)port)->model->now;
}

static void model_idle(struct perf_port *port, uint64_t at_ns)
{
	struct model_port *p = (struct model_port *)port, *twin = p->twin;

	if (p->events && p->heap[0].at < at_ns)
		at_ns = p->heap[0].at;
	if (twin->events && twin->heap[0].at < at_ns)
		at_ns = twin->heap[0].at;
	if (at_ns > p->model->now)
		p->model->now = at_ns;
}

static void model_facts(struct perf_port *port, struct perf_facts *ret)
{
	struct model_port *p = (struct model_port *)port;

	memset(ret, 0, sizeof(*ret));
	snprintf(ret->ways, sizeof(ret->ways), "a model, no device");
	ret->bytes_landed = p->bytes_landed;
	ret->wrong = p->wrong;
}

static int model_reg(struct perf_port *port, uint64_t len, uint64_t *ret_reg_ns,
		     uint64_t *ret_dereg_ns)
{
	struct model_port *p = (struct model_port *)port;
	struct model *model = p->model;

	(void)len;
	*ret_reg_ns =
		perf_plan_end(&model->plan, model->now, p->registered++, p->seed) - model->now;
	*ret_dereg_ns = *ret_reg_ns / 2;
	model->now += *ret_reg_ns + *ret_dereg_ns;
	return 0;
}

const struct perf_backend perf_model = {
	.name = "model",
	.summary = "a NIC with planted behaviour and a virtual clock, for testing the tester",
	.layer = "nothing: a model on a virtual clock",
	.tests =
		1u << PERF_BW | 1u << PERF_RATE | 1u << PERF_LAT | 1u << PERF_OPEN | 1u << PERF_REG,
	.ops = 1u << PERF_WRITE | 1u << PERF_READ | 1u << PERF_SEND | 1u << PERF_WRITE_IMM,
	.one_process = true,
	.limits = model_limits,
	.pair = model_pair,
	.post = model_post,
	.poll = model_poll,
	.now = model_now,
	.idle = model_idle,
	.facts = model_facts,
	.reg = model_reg,
	.close = model_close,
};
