/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "perf/content.h"
#include "perf/weft.h"

/* Far beyond any measurement: a deadline is no part of it. */
#define TIMEOUT_NS (3600 * NSEC_PER_SEC)

static const char hello[] = "weft perf: hello";

static struct pweft_port *port_of(struct perf_port *port)
{
	return (struct pweft_port *)(void *)port;
}

/* --- post ---------------------------------------------------------------------------------- */

static void ended(void *ctx, struct weft_batch *batch)
{
	struct pweft_batch *b = ctx;

	(void)batch;
	b->next = NULL;
	*b->port->ended_tail = b;
	b->port->ended_tail = &b->next;
}

static int open_batch(struct pweft_port *port, struct pweft_batch **ret)
{
	struct pweft_batch *b = &port->batches[port->opened];
	const struct weft_batch_opts opts = {
		.size = sizeof(opts),
		.capacity =
			port->c.post_list < PWEFT_BATCH_MAX ? port->c.post_list : PWEFT_BATCH_MAX,
		.on_done = ended,
		.ctx = b,
	};
	int rc;

	if (port->opened == port->room)
		return -EAGAIN;
	b->port = port;
	rc = weft_batch_open(port->weft, &opts, &b->batch);
	if (rc)
		return rc;
	port->opened++;
	*ret = b;
	return 0;
}

static int get_batch(struct pweft_port *port, struct pweft_batch **ret)
{
	if (!port->free)
		return open_batch(port, ret);
	*ret = port->free;
	port->free = port->free->next;
	return 0;
}

static void put_batch(struct pweft_port *port, struct pweft_batch *b)
{
	b->next = port->free;
	port->free = b;
}

static int add(struct pweft_port *port, struct pweft_batch *b, uint64_t slot)
{
	const uint64_t source = pweft_source(port, b->ep, slot);
	const uint64_t sink = pweft_sink(port, b->ep, slot);

	if (port->c.op == PERF_READ)
		return weft_batch_read(b->batch, port->region, sink, port->remote, source,
				       port->c.size);
	return weft_batch_write(b->batch, port->region, source, port->remote, sink, port->c.size,
				port->c.op == PERF_WRITE_IMM ? WEFT_WITH_IMM : 0, port->imm);
}

static int post_batch(struct pweft_port *port, struct pweft_batch *b)
{
	uint32_t i;
	int rc = 0;

	for (i = 0; i < b->count && rc >= 0; i++)
		rc = add(port, b, (port->posted[b->ep] + i) % port->slots);
	if (rc >= 0)
		rc = weft_submit(b->batch, TIMEOUT_NS);
	if (rc == 0) {
		port->posted[b->ep] += b->count;
		return 0;
	}
	put_batch(port, b);
	weft_batch_reset(b->batch);
	return rc == -WEFT_EQUEUEFULL ? -EAGAIN : rc;
}

static int post_transfers(struct pweft_port *port, uint32_t ep, uint64_t number, uint32_t count)
{
	struct pweft_batch *b;
	uint32_t n = 0;
	int rc = 0;

	while (n < count) {
		rc = get_batch(port, &b);
		if (rc)
			break;
		b->number = number + n;
		b->ep = ep;
		b->told = 0;
		b->count = count - n < PWEFT_BATCH_MAX ? count - n : PWEFT_BATCH_MAX;
		if (b->count > port->c.post_list)
			b->count = port->c.post_list;
		rc = post_batch(port, b);
		if (rc)
			break;
		n += b->count;
	}
	return rc && rc != -EAGAIN ? rc : (int)n;
}

/* A message has no endpoint: all are endpoint 0's. It is done when the engine has its bytes. */
static int post_messages(struct pweft_port *port, uint32_t ep, uint64_t number, uint32_t count)
{
	uint32_t n;
	int rc;

	for (n = 0; n < count && port->sent_tail - port->sent_head < port->room; n++) {
		const uint64_t slot = port->posted[0] % port->slots;

		rc = weft_notify(port->peer, port->memory + pweft_source(port, 0, slot),
				 port->c.size);
		if (rc == -WEFT_EQUEUEFULL)
			break;
		if (rc)
			return rc;
		port->posted[0]++;
		port->sent[port->sent_tail++ % port->room] =
			(struct pweft_sent){ .number = number + n, .ep = ep };
	}
	return (int)n;
}

int pweft_post(struct perf_port *perf_port, uint32_t ep, uint64_t number, uint32_t count)
{
	struct pweft_port *port = port_of(perf_port);

	if (port->c.op == PERF_SEND)
		return post_messages(port, ep, number, count);
	return post_transfers(port, ep, number, count);
}

int pweft_say_hello(struct pweft_port *port)
{
	const int rc = weft_notify(port->peer, hello, sizeof(hello));

	if (rc == -WEFT_EQUEUEFULL)
		return -EAGAIN;
	port->said_hello = rc == 0;
	return rc;
}

/* --- poll ---------------------------------------------------------------------------------- */

static void check_message(struct pweft_port *port, const void *data)
{
	const uint32_t slot = content_slot(data, port->c.size);

	if (slot < port->slots &&
	    content_check(data, port->c.size, port->c.seed,
			  content_key(!port->target, port->index, 0), slot) == CONTENT_RIGHT)
		return;
	port->wrong = true;
	snprintf(port->why, sizeof(port->why), "message %llu holds wrong content",
		 (unsigned long long)port->came);
}

/* Runs in progress. Messages may overtake each other, hello too. */
void pweft_message(void *ctx, struct weft_peer *peer, const void *data, size_t len)
{
	struct pweft_port *port = ctx;

	(void)peer;
	if (!port->heard_hello && len == sizeof(hello) && memcmp(data, hello, len) == 0) {
		port->heard_hello = true;
		return;
	}
	if (port->c.op != PERF_SEND || len != port->c.size) {
		port->error = -WEFT_EMESSAGE;
		return;
	}
	if (port->c.validate)
		check_message(port, data);
	port->came++;
}

static uint32_t tell_sent(struct pweft_port *port, struct perf_event *events, uint32_t room)
{
	const struct pweft_sent *sent;
	uint32_t n;

	for (n = 0; n < room && port->sent_head != port->sent_tail; n++) {
		sent = &port->sent[port->sent_head++ % port->room];
		events[n] = (struct perf_event){ .number = sent->number,
						 .ep = sent->ep,
						 .kind = PERF_DONE };
		port->done++;
	}
	return n;
}

static int tell_ended(struct pweft_port *port, struct perf_event *events, uint32_t room)
{
	struct pweft_batch *b;
	uint32_t n = 0;
	int rc;

	while (n < room && (b = port->ended)) {
		rc = b->told ? 0 : weft_batch_error(b->batch);
		if (rc)
			return err_prefix(rc, "%s %llu to %llu", perf_op_word(port->c.op),
					  (unsigned long long)b->number,
					  (unsigned long long)(b->number + b->count - 1));
		for (; n < room && b->told < b->count; n++, b->told++, port->done++)
			events[n] = (struct perf_event){ .number = b->number + b->told,
							 .ep = b->ep,
							 .kind = PERF_DONE };
		if (b->told < b->count)
			break;
		port->ended = b->next;
		if (!port->ended)
			port->ended_tail = &port->ended;
		rc = weft_batch_reset(b->batch);
		if (rc)
			return rc;
		put_batch(port, b);
	}
	return (int)n;
}

static uint32_t tell_arrived(struct pweft_port *port, struct perf_event *events, uint32_t room)
{
	uint32_t n;

	if (port->c.op == PERF_WRITE_IMM)
		port->came = weft_arrival_count(port->arrival);
	for (n = 0; n < room && port->told < port->came; n++)
		events[n] = (struct perf_event){ .number = port->told++, .kind = PERF_ARRIVED };
	return n;
}

int pweft_poll(struct perf_port *perf_port, struct perf_event *events, uint32_t room)
{
	struct pweft_port *port = port_of(perf_port);
	bool arrived_first = port->polls++ & 1;
	uint32_t n = 0;
	int rc = weft_progress(port->weft, 0);

	if (rc < 0)
		return rc;
	if (port->error)
		return err_set(port->error, "a message came that is none of the case's");
	if (arrived_first)
		n = tell_arrived(port, events, room);
	n += tell_sent(port, events + n, room - n);
	rc = tell_ended(port, events + n, room - n);
	if (rc < 0)
		return rc;
	n += (uint32_t)rc;
	if (!arrived_first)
		n += tell_arrived(port, events + n, room - n);
	return (int)n;
}
