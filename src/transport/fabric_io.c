/* SPDX-License-Identifier: Apache-2.0 */
/* The hot path over libfabric: post, send, poll. Allocates nothing, locks nothing, logs nothing. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "transport/context.h"
#include "transport/fabric.h"

/* The event queue is looked at once in so many polls. */
#define EQ_INTERVAL 1024u
/* Completions read in one poll. Each is followed by a post, so many take long; and it is in polls
 * that software providers, and emulated devices, get on. */
#define READ_MAX 32

int fabric_recv_post(struct port *port, struct fabric_slot *slot)
{
	return (int)fi_recv(port->ep, slot->data, PORT_MESSAGE_MAX, port->buffers_desc,
			    FI_ADDR_UNSPEC, &slot->ctx);
}

int fabric_post(struct port *port, const struct op *op)
{
	struct iovec iov = { .iov_base = op->local, .iov_len = op->len };
	struct fi_rma_iov rma = { .addr = op->remote, .len = op->len, .key = op->key };
	void *desc = op->desc;
	struct fi_msg_rma msg = {
		.msg_iov = &iov,
		.desc = &desc,
		.iov_count = 1,
		.addr = op->dest,
		.rma_iov = &rma,
		.rma_iov_count = 1,
		.context = op->ctx,
		.data = op->imm,
	};
	uint64_t flags = FI_COMPLETION;
	ssize_t rc;

	if (port->local && fabric_local_gone(port, op->dest))
		return -WEFT_EPEERGONE;
	if (op->flags & OP_DIRECT) {
		rc = fabric_copy(port, op);
		if (rc == 0 || rc == -EAGAIN)
			return (int)rc;
	}
	if (op->kind == OP_READ) {
		rc = fi_readmsg(port->ep, &msg, flags);
	} else {
		if (op->flags & OP_PLACED)
			flags |= FI_DELIVERY_COMPLETE;
		if (op->flags & OP_IMM)
			flags |= FI_REMOTE_CQ_DATA;
		rc = fi_writemsg(port->ep, &msg, flags);
	}
	if (rc == 0 && op->flags & OP_DIRECT)
		port->direct[port->direct_tail++ % port->direct_size] = op->ctx;
	return rc == 0 ? 0 : fabric_code((int)rc);
}

/* What a completion of this use of a tx slot names. Where a message that was sent may be reported
 * as failed later, and more than once, the slot may carry a message to another peer by then. */
static void *tx_context(const struct port *port, struct fabric_slot *slot)
{
	if (!port->late_errors)
		return &slot->ctx;
	return context_number(CONTEXT_MESSAGE, slot->turn, (uint32_t)(slot - port->tx));
}

int fabric_send(struct port *port, uint64_t dest, const void *head, size_t head_len,
		const void *body, size_t len, uint64_t cookie)
{
	struct fabric_slot *slot = port->tx_free;
	ssize_t rc;

	if (!slot)
		return -EAGAIN;
	if (port->local && fabric_local_gone(port, dest))
		return -WEFT_EPEERGONE;
	memcpy(slot->data, head, head_len);
	if (len)
		memcpy(slot->data + head_len, body, len);
	if (head_len + len <= port->inject) {
		rc = fi_inject(port->ep, slot->data, head_len + len, dest);
		return rc == 0 ? 1 : fabric_code((int)rc);
	}
	slot->cookie = cookie;
	slot->len = (uint32_t)(head_len + len);
	rc = fi_send(port->ep, slot->data, head_len + len, port->buffers_desc, dest,
		     tx_context(port, slot));
	if (rc)
		return fabric_code((int)rc);
	port->tx_free = slot->next;
	slot->out = true;
	return 0;
}

static bool slot_in(const struct fabric_slot *first, uint32_t count, const void *ctx)
{
	return (uintptr_t)ctx - (uintptr_t)first < (uintptr_t)count * sizeof(*first);
}

static bool is_rx(const struct port *port, const void *ctx)
{
	return slot_in(port->rx, port->rx_count, ctx);
}

static bool is_tx(const struct port *port, const void *ctx)
{
	return port->late_errors ? context_is(ctx, CONTEXT_MESSAGE)
				 : slot_in(port->tx, port->tx_count, ctx);
}

static void tx_put(struct fabric_slot **list, struct fabric_slot *slot)
{
	slot->next = *list;
	*list = slot;
}

/* False: it is about an earlier use of the slot, and nothing to tell. */
static bool tx_done(struct port *port, void *ctx, struct event *event)
{
	struct fabric_slot *slot = port->late_errors ? &port->tx[context_index(ctx)] : ctx;

	if (tx_context(port, slot) != ctx)
		return false;
	slot->turn++;
	slot->out = false;
	event->kind = EVENT_SENT;
	event->cookie = slot->cookie;
	event->data = slot->data;
	event->len = slot->len;
	/* The bytes of a lost one are still to be looked at. */
	tx_put(event->error ? &port->tx_lost : &port->tx_free, slot);
	return true;
}

static void free_lost(struct port *port)
{
	struct fabric_slot *slot;

	while ((slot = port->tx_lost)) {
		port->tx_lost = slot->next;
		tx_put(&port->tx_free, slot);
	}
}

static void rx_keep(struct port *port, struct fabric_slot *slot)
{
	slot->next = port->rx_repost;
	port->rx_repost = slot;
}

static void repost(struct port *port)
{
	struct fabric_slot *slot;

	while ((slot = port->rx_repost)) {
		if (fabric_recv_post(port, slot))
			return; /* the next poll tries again */
		port->rx_repost = slot->next;
	}
}

/* Turns a completion into an event; false: nothing to tell. */
static bool completion(struct port *port, const struct fi_cq_data_entry *entry, struct event *event)
{
	struct fabric_slot *slot = entry->op_context;

	event->error = 0;
	event->provider_error = 0;
	if (entry->flags & FI_REMOTE_CQ_DATA) {
		if (port->info->mode & FI_RX_CQ_DATA && is_rx(port, slot))
			rx_keep(port, slot);
		event->kind = EVENT_IMM;
		event->imm = (uint32_t)entry->data;
		return true;
	}
	if (!slot)
		return false;
	if (is_rx(port, slot)) {
		event->kind = EVENT_RECV;
		event->data = slot->data;
		event->len = entry->len;
		rx_keep(port, slot);
		return true;
	}
	if (is_tx(port, slot))
		return tx_done(port, slot, event);
	if (port->direct_head != port->direct_tail &&
	    port->direct[port->direct_head % port->direct_size] == entry->op_context)
		port->direct_head++;
	event->kind = EVENT_DONE;
	event->ctx = entry->op_context;
	return true;
}

/* shm reports a failed direct copy without context; completions of direct operations come in the
 * order of their posts, so it is the oldest one. */
static struct op_ctx *failed_direct(struct port *port)
{
	if (port->direct_head == port->direct_tail)
		return NULL;
	return port->direct[port->direct_head++ % port->direct_size];
}

static bool completion_error(struct port *port, struct event *event)
{
	struct fi_cq_err_entry entry = { 0 };
	struct fabric_slot *slot;
	char text[160] = "";

	if (fi_cq_readerr(port->cq, &entry, 0) != 1)
		return false;
	fi_cq_strerror(port->cq, entry.prov_errno, entry.err_data, text, sizeof(text));
	text[sizeof(text) - 1] = '\0';
	snprintf(port->error_text, sizeof(port->error_text), "%s on %s: %s (%d), provider: %s (%d)",
		 port->info->fabric_attr->prov_name, port->info->domain_attr->name,
		 fi_strerror(entry.err), entry.err, text, entry.prov_errno);
	event->error = fabric_meaning(port, entry.err, entry.prov_errno);
	event->provider_error = entry.prov_errno;
	slot = entry.op_context;
	if (!slot)
		slot = (struct fabric_slot *)(void *)failed_direct(port);
	if (!slot)
		return false;
	if (is_rx(port, slot)) { /* truncated or flushed: the buffer goes back */
		rx_keep(port, slot);
		return false;
	}
	if (is_tx(port, slot))
		return tx_done(port, slot, event);
	event->kind = EVENT_DONE;
	event->ctx = (void *)slot;
	return true;
}

/* Drained so that the provider can report what belongs to no operation: without an event queue efa
 * would abort the process instead. */
static void drain_eq(struct port *port)
{
	struct fi_eq_err_entry error = { 0 };
	struct fi_eq_cm_entry entry;
	char text[160] = "";
	uint32_t event;
	ssize_t rc;

	rc = fi_eq_read(port->eq, &event, &entry, sizeof(entry), 0);
	if (rc != -FI_EAVAIL || fi_eq_readerr(port->eq, &error, 0) <= 0)
		return;
	fi_eq_strerror(port->eq, error.prov_errno, error.err_data, text, sizeof(text));
	text[sizeof(text) - 1] = '\0';
	snprintf(port->error_text, sizeof(port->error_text),
		 "%s on %s: event queue: %s (%d), provider: %s (%d)",
		 port->info->fabric_attr->prov_name, port->info->domain_attr->name,
		 fi_strerror(error.err), error.err, text, error.prov_errno);
	if (port->log && port->log_level >= WEFT_LOG_WARN)
		port->log(port->log_ctx, WEFT_LOG_WARN, port->error_text);
}

/* libfabric 1.17's tcp asks errno why a read of its handshake came short, also where the read did
 * not fail (tcpx_conn_mgr.c: rx_cm_data). With EAGAIN left there by an earlier call it keeps the
 * socket of a peer that went early for ever, and finds it readable for ever. */
static void forget_errno(void)
{
	errno = 0;
}

/* How many events the first is. */
static int events_of(struct port *port, struct event *events)
{
	if (events->kind != EVENT_DONE || !fabric_is_joint(port, events->ctx))
		return 1;
	return fabric_joint_ended(port, events);
}

/* Messages whose end is not known, as lost. */
static int tell_lost(struct port *port, struct event *events)
{
	struct fabric_slot *slot;
	int n = 0;
	uint32_t i;

	for (i = 0; i < port->tx_count && n < PORT_EVENTS_MAX; i++) {
		slot = &port->tx[i];
		if (!slot->out)
			continue;
		slot->out = false;
		events[n++] = (struct event){ .kind = EVENT_SENT,
					      .error = -WEFT_EPEERGONE,
					      .cookie = slot->cookie,
					      .data = slot->data,
					      .len = slot->len };
	}
	return n;
}

static void broke(struct port *port, int rc, struct event *event)
{
	snprintf(port->error_text, sizeof(port->error_text), "%s on %s: fi_cq_read: %s (%d)",
		 port->info->fabric_attr->prov_name, port->info->domain_attr->name,
		 fi_strerror(-rc), -rc);
	*event = (struct event){ .kind = EVENT_BROKEN,
				 .error = -WEFT_EPROVIDER,
				 .provider_error = -rc };
	port->broken = true;
}

void transport_test_break(struct port *port)
{
	port->breaks = true;
}

/* n: events that there are already. */
static int poll_broken(struct port *port, struct event *events, int n)
{
	if (n)
		return n;
	if (port->broken)
		return tell_lost(port, events);
	broke(port, -FI_EIO, events);
	return 1;
}

int fabric_poll(struct port *port, struct event *events)
{
	struct fi_cq_data_entry entries[PORT_EVENTS_MAX];
	int n = fabric_copied(port, events), i;
	size_t room = PORT_EVENTS_MAX - n < READ_MAX ? (size_t)(PORT_EVENTS_MAX - n) : READ_MAX;
	ssize_t rc;

	if (port->broken || port->breaks)
		return poll_broken(port, events, n);
	if (port->joints) /* each may stand for as many operations as a joint has */
		room /= port->segments;
	if (port->tx_lost)
		free_lost(port);
	if (port->rx_repost)
		repost(port);
	if (++port->polls % EQ_INTERVAL == 0)
		drain_eq(port);
	if (port->sockets_ns)
		fabric_sockets_look(port);
	if (port->rests_count) /* before what has come for those that have come back */
		fabric_rest_expire(port);
	forget_errno();
	rc = fi_cq_read(port->cq, entries, room);
	if (rc == -FI_EAGAIN)
		return n;
	for (i = 0; i < rc; i++)
		if (completion(port, &entries[i], &events[n]))
			n += events_of(port, &events[n]);
	if (rc == -FI_EAVAIL)
		fabric_sockets_changed(port); /* connections may be made anew */
	if (rc == -FI_EAVAIL && completion_error(port, &events[n]))
		n += events_of(port, &events[n]);
	else if (rc < 0 && rc != -FI_EAVAIL && rc != -FI_EINTR)
		broke(port, (int)rc, &events[n++]);
	return n;
}

int fabric_wait_fd(struct port *port, int *ret_fd)
{
	struct fid *fid = &port->cq->fid;

	if (port->fd < 0)
		return -EOPNOTSUPP;
	if (port->rx_repost || port->copied_head != port->copied_tail)
		return -EAGAIN;
	forget_errno();
	if (fi_trywait(port->fabric, &fid, 1) != 0)
		return -EAGAIN;
	*ret_fd = port->fd;
	return 0;
}

const char *fabric_explain(struct port *port)
{
	return port->error_text;
}
