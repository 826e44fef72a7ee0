/* SPDX-License-Identifier: Apache-2.0 */
/* The hot path over libfabric: post and poll. */
#include <errno.h>
#include <stdio.h>

#include "base/err.h"
#include "perf/content.h"
#include "perf/fabric.h"

#define BATCH 32u
/* The event queue is looked at once in so many polls. */
#define EQ_INTERVAL 1024u

/* --- post ---------------------------------------------------------------------------------- */

/* An immediate tells endpoint and slot; FI_EAGAIN and the like are handed through. */
static ssize_t post_one(struct pfab_port *port, struct pfab_ep *ep, struct pfab_op *op,
			uint64_t flags)
{
	const uint32_t slot = (uint32_t)(ep->posted % port->source_slots);
	const bool read = port->c->op == PERF_READ;
	unsigned char *local = (read ? ep->sinks : ep->sources) + slot * port->stride;
	unsigned char *far = (read ? ep->sources : ep->sinks) + slot * port->stride;
	struct iovec iov = { .iov_base = local, .iov_len = port->c->size };
	struct fi_rma_iov rma = {
		.addr = ep->remote + (uint64_t)(far - port->memory),
		.len = port->c->size,
		.key = ep->remote_key,
	};
	struct fi_msg_rma msg = {
		.msg_iov = &iov,
		.desc = &ep->rail->desc,
		.iov_count = 1,
		.addr = ep->dest,
		.rma_iov = &rma,
		.rma_iov_count = 1,
		.context = op,
		.data = (uint64_t)op->ep << 16 | slot,
	};
	struct fi_msg message = {
		.msg_iov = &iov,
		.desc = &ep->rail->desc,
		.iov_count = 1,
		.addr = ep->dest,
		.context = op,
	};

	if (port->c->op == PERF_SEND)
		return fi_sendmsg(ep->ep, &message, flags);
	return read ? fi_readmsg(ep->ep, &msg, flags) : fi_writemsg(ep->ep, &msg, flags);
}

static uint32_t room_of(const struct pfab_port *port, struct pfab_ep *ep, uint32_t want)
{
	uint64_t room = ep->depth - ep->busy, heard;

	if (port->credited) {
		if (ep->may_send - ep->posted < want) {
			heard = pfab_heard(ep);
			if (heard && heard - 1 <= ep->posted)
				ep->may_send = heard - 1 + ep->room;
		}
		if (ep->may_send - ep->posted < room)
			room = ep->may_send - ep->posted;
	}
	return room < want ? (uint32_t)room : want;
}

int pfab_post(struct perf_port *perf_port, uint32_t index, uint64_t number, uint32_t count)
{
	struct pfab_port *port = (struct pfab_port *)(void *)perf_port;
	struct pfab_ep *ep = &port->ep[index];
	const uint32_t room = room_of(port, ep, count);
	struct pfab_op *op;
	ssize_t rc = 0;
	uint32_t i;

	for (i = 0; i < room && (op = ep->free); i++) {
		const bool more = i + 1 < room && op->next;

		op->number = number + i;
		rc = post_one(port, ep, op, port->flags | (more ? FI_MORE : 0));
		if (rc)
			break;
		ep->free = op->next;
		ep->posted++;
		ep->busy++;
		ep->unflushed = more;
	}
	port->chores |= ep->unflushed;
	if (rc && rc != -FI_EAGAIN) {
		pfab_failed(ep->rail->info, "posting", (int)rc);
		return err_prefix(rc == -FI_ENOMEM ? -ENOMEM : -WEFT_EPROVIDER, "%s %llu",
				  perf_op_word(port->c->op), (unsigned long long)(number + i));
	}
	return (int)i;
}

/* --- poll ---------------------------------------------------------------------------------- */

static int arrived(struct pfab_port *port, struct pfab_ep *ep, uint32_t index,
		   struct perf_event *event)
{
	*event =
		(struct perf_event){ .number = port->arrived++, .ep = index, .kind = PERF_ARRIVED };
	port->landed += port->c->size;
	ep->taken++;
	port->chores |= ep->taken - ep->told >= (port->receives + 3) / 4;
	return 1;
}

static int give_back(struct pfab_port *port, struct pfab_ep *ep, struct pfab_op *op)
{
	const int rc = ep->repost ? -EAGAIN : pfab_receive(port, op);

	if (rc != -EAGAIN)
		return rc;
	op->next = ep->repost;
	ep->repost = op;
	port->chores = true;
	return 0;
}

static int immediate(struct pfab_port *port, const struct pfab_rail *rail,
		     const struct fi_cq_data_entry *entry, struct perf_event *event)
{
	const uint64_t index = entry->data >> 16;
	struct pfab_op *op = entry->op_context;
	int rc;

	if (index >= port->c->eps || port->ep[index].rail != rail ||
	    (entry->data & 0xffff) >= port->source_slots || !port->credited)
		return err_set(-WEFT_EMESSAGE,
			       "an immediate of %#llx came on %s, which names nothing",
			       (unsigned long long)entry->data, pfab_device(rail->info));
	if (port->posts_receives && op) {
		rc = give_back(port, &port->ep[op->ep], op);
		if (rc)
			return rc;
	}
	return arrived(port, &port->ep[index], (uint32_t)index, event);
}

static void check_message(struct pfab_port *port, const struct pfab_op *op)
{
	const unsigned char *sink = port->ep[op->ep].sinks + op->slot * port->stride;
	const uint32_t slot = content_slot(sink, port->c->size);
	const uint64_t key = content_key(!port->target, port->index, op->ep);

	if (slot < port->source_slots &&
	    content_check(sink, port->c->size, port->c->seed, key, slot) == CONTENT_RIGHT)
		return;
	port->wrong = true;
	snprintf(port->why, sizeof(port->why), "message %llu on endpoint %u holds wrong content",
		 (unsigned long long)port->arrived, op->ep);
}

bool pfab_came_right(const struct perf_port *perf_port)
{
	const struct pfab_port *port = (const struct pfab_port *)(const void *)perf_port;

	return content_check(port->ep[0].sinks, port->c->size, port->c->seed,
			     content_key(!port->target, port->index, 0), 0) == CONTENT_RIGHT;
}

static int message(struct pfab_port *port, const struct pfab_rail *rail,
		   const struct fi_cq_data_entry *entry, struct perf_event *event)
{
	struct pfab_op *op = entry->op_context;
	struct pfab_ep *ep = &port->ep[op->ep];
	const uint16_t index = op->ep;
	int rc;

	if (entry->len != port->c->size)
		return err_set(-WEFT_EMESSAGE, "a message of %zu bytes came on %s, not of %llu",
			       entry->len, pfab_device(rail->info),
			       (unsigned long long)port->c->size);
	if (port->c->validate)
		check_message(port, op);
	rc = give_back(port, ep, op);
	return rc ? rc : arrived(port, ep, index, event);
}

/* 1: an event was made of it; 0: none; negative: a failure. */
static int completion(struct pfab_port *port, const struct pfab_rail *rail,
		      const struct fi_cq_data_entry *entry, struct perf_event *event)
{
	struct pfab_op *op = entry->op_context;
	struct pfab_ep *ep;

	if (entry->flags & FI_REMOTE_CQ_DATA)
		return immediate(port, rail, entry, event);
	if (!op)
		return 0;
	if (op->kind == PFAB_RECEIVE)
		return message(port, rail, entry, event);
	ep = &port->ep[op->ep];
	ep->busy--;
	if (op->kind == PFAB_CREDIT) {
		ep->credit_busy = false;
		return 0;
	}
	op->next = ep->free;
	ep->free = op;
	ep->done++;
	if (port->c->op == PERF_READ)
		port->landed += port->c->size;
	*event = (struct perf_event){ .number = op->number, .ep = op->ep, .kind = PERF_DONE };
	return 1;
}

static int meaning(const struct pfab_port *port, const struct fi_cq_err_entry *entry)
{
	const struct port_meaning *m = port->choice.row.meanings;

	for (; m && m->provider; m++)
		if (m->provider == entry->prov_errno)
			return m->code;
	return -WEFT_EPROVIDER;
}

static int failed(const struct pfab_port *port, const struct pfab_rail *rail)
{
	struct fi_cq_err_entry entry = { .err = 0 };
	const struct pfab_op *op;
	const char *what = "an operation";
	char text[160] = "";
	ssize_t rc = fi_cq_readerr(rail->cq, &entry, 0);

	if (rc != 1)
		return rc == -FI_EAGAIN ? 0 : pfab_failed(rail->info, "fi_cq_readerr", (int)rc);
	fi_cq_strerror(rail->cq, entry.prov_errno, entry.err_data, text, sizeof(text));
	text[sizeof(text) - 1] = '\0';
	op = entry.op_context;
	if (op)
		what = op->kind == PFAB_RECEIVE  ? "a receive"
		       : op->kind == PFAB_CREDIT ? "a WRITE of a count"
						 : perf_op_word(port->c->op);
	return err_set(meaning(port, &entry),
		       "%s on %s (%s) failed: %s (%d); the provider: %s (%d)", what,
		       pfab_device(rail->info), rail->info->fabric_attr->prov_name,
		       fi_strerror(entry.err), entry.err, text, entry.prov_errno);
}

/* Read so that the provider can tell what belongs to no operation: efa would end the process else.
 */
static int look_at_events(const struct pfab_rail *rail)
{
	struct fi_eq_err_entry error = { .err = 0 };
	struct fi_eq_cm_entry entry;
	char text[160] = "";
	uint32_t event;

	if (fi_eq_read(rail->eq, &event, &entry, sizeof(entry), 0) != -FI_EAVAIL ||
	    fi_eq_readerr(rail->eq, &error, 0) <= 0)
		return 0;
	fi_eq_strerror(rail->eq, error.prov_errno, error.err_data, text, sizeof(text));
	text[sizeof(text) - 1] = '\0';
	return err_set(-WEFT_EPROVIDER, "event queue of %s (%s): %s (%d); the provider: %s (%d)",
		       pfab_device(rail->info), rail->info->fabric_attr->prov_name,
		       fi_strerror(error.err), error.err, text, error.prov_errno);
}

static int poll_rail(struct pfab_port *port, struct pfab_rail *rail, struct perf_event *events,
		     uint32_t room)
{
	struct fi_cq_data_entry entries[BATCH];
	int made, rc;
	ssize_t n, i;

	/* 1.17's tcp may take an EAGAIN that an earlier call left for its own. */
	errno = 0;
	n = fi_cq_read(rail->cq, entries, room < BATCH ? room : BATCH);
	if (n == -FI_EAGAIN || n == -FI_EINTR)
		return 0;
	if (n == -FI_EAVAIL)
		return failed(port, rail);
	if (n < 0)
		return pfab_failed(rail->info, "fi_cq_read", (int)n);
	for (made = 0, i = 0; i < n; i++) {
		rc = completion(port, rail, &entries[i], &events[made]);
		if (rc < 0)
			return rc;
		made += rc;
	}
	return made;
}

/* What came while the twins still met. */
static uint32_t poll_early(struct pfab_port *port, struct perf_event *events, uint32_t room)
{
	uint32_t n = 0, i;

	for (i = 0; i < port->c->eps; i++)
		for (; port->ep[i].early && n < room; n++, port->ep[i].early--, port->early--)
			events[n] = (struct perf_event){ .number = port->arrived++,
							 .ep = i,
							 .kind = PERF_ARRIVED };
	return n;
}

int pfab_poll(struct perf_port *perf_port, struct perf_event *events, uint32_t room)
{
	struct pfab_port *port = (struct pfab_port *)(void *)perf_port;
	const bool look = ++port->polls % EQ_INTERVAL == 0;
	struct pfab_rail *rail;
	uint32_t n, i;
	int rc;

	n = port->early ? poll_early(port, events, room) : 0;
	for (i = 0; i < port->rails && n < room; i++) {
		rail = &port->rail[port->next_rail];
		port->next_rail = port->next_rail + 1 == port->rails ? 0 : port->next_rail + 1;
		rc = poll_rail(port, rail, events + n, room - n);
		if (rc >= 0 && look && look_at_events(rail))
			rc = -WEFT_EPROVIDER;
		if (rc < 0)
			return rc;
		n += (uint32_t)rc;
	}
	if (port->chores) {
		rc = pfab_chores(port);
		if (rc)
			return rc;
	}
	return (int)n;
}
