/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Receivers are never overrun. A twin that counts what arrives tells how much it has taken, by a
 * WRITE of its count into the other's memory: no message, so nobody needs receives for it. The
 * count only grows, so the last one written says all, in whatever order they land.
 */
#include <stdatomic.h>

#include "base/err.h"
#include "perf/fabric.h"

uint64_t pfab_heard(const struct pfab_ep *ep)
{
	const volatile struct pfab_credit *here = ep->here;
	uint64_t value = here->value, check = here->check;

	atomic_thread_fence(memory_order_acquire);
	return value == ~check ? value : 0;
}

/* Zero memory is no word: its check would have to be all ones. */
int pfab_tell(struct pfab_port *port, struct pfab_ep *ep)
{
	struct iovec iov = { .iov_base = ep->there, .iov_len = sizeof(*ep->there) };
	struct fi_rma_iov rma = {
		.addr = ep->remote + (uint64_t)((unsigned char *)ep->here - port->memory),
		.len = sizeof(*ep->there),
		.key = ep->remote_key,
	};
	struct fi_msg_rma msg = {
		.msg_iov = &iov,
		.desc = &ep->rail->desc,
		.iov_count = 1,
		.addr = ep->dest,
		.rma_iov = &rma,
		.rma_iov_count = 1,
		.context = &ep->credit,
	};
	ssize_t rc;

	if (ep->credit_busy || ep->busy >= ep->depth)
		return -EAGAIN;
	ep->there->value = 1 + ep->taken;
	ep->there->check = ~ep->there->value;
	rc = fi_writemsg(ep->ep, &msg, FI_COMPLETION);
	if (rc == -FI_EAGAIN)
		return -EAGAIN;
	if (rc)
		return pfab_failed(ep->rail->info, "fi_writemsg of a count", (int)rc);
	ep->told = ep->taken;
	ep->credit_busy = true;
	ep->unflushed = false;
	ep->busy++;
	return 0;
}

int pfab_receive(struct pfab_port *port, struct pfab_op *op)
{
	struct pfab_ep *ep = &port->ep[op->ep];
	const bool message = port->c->op == PERF_SEND;
	void *buf = message ? ep->sinks + op->slot * port->stride
			    : (unsigned char *)ep->here + PFAB_CREDIT_ROOM - 64;
	const ssize_t rc = fi_recv(ep->ep, buf, message ? port->c->size : 64, ep->rail->desc,
				   FI_ADDR_UNSPEC, op);

	if (rc == -FI_EAGAIN)
		return -EAGAIN;
	return rc ? pfab_failed(ep->rail->info, "fi_recv", (int)rc) : 0;
}

static int repost(struct pfab_port *port, struct pfab_ep *ep)
{
	struct pfab_op *op;
	int rc;

	while ((op = ep->repost)) {
		rc = pfab_receive(port, op);
		if (rc)
			return rc;
		ep->repost = op->next;
	}
	return 0;
}

static int chores_of(struct pfab_port *port, struct pfab_ep *ep)
{
	int rc = repost(port, ep);

	if (!rc && port->met && port->credited && ep->taken - ep->told >= (port->receives + 3) / 4)
		rc = pfab_tell(port, ep);
	if (!rc && ep->unflushed)
		rc = pfab_tell(port, ep);
	return rc;
}

int pfab_chores(struct pfab_port *port)
{
	bool left = false;
	uint32_t i;
	int rc;

	for (i = 0; i < port->c->eps; i++) {
		rc = chores_of(port, &port->ep[i]);
		if (rc && rc != -EAGAIN)
			return rc;
		left |= rc == -EAGAIN;
	}
	port->chores = left;
	return 0;
}
