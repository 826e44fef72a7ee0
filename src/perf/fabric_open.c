/* SPDX-License-Identifier: Apache-2.0 */
/* A port's objects of libfabric: rails, memory, endpoints. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/err.h"
#include "perf/content.h"
#include "perf/fabric.h"

/* Sources or sinks of a port, all endpoints together, unless one operation each needs more: slots
 * are used again beyond that. */
#define MEMORY_MAX (256ull << 20)
/* What received content is to be told by may not be shared. */
#define CHECKED_MAX (1ull << 30)
/* So many messages are on the way at least before the twin has to tell what it took. */
#define RECEIVES_MIN 256u
#define ALIGN        64u

int pfab_failed(const struct fi_info *info, const char *call, int rc)
{
	return err_set(rc == -FI_ENOMEM ? -ENOMEM : -WEFT_EPROVIDER, "%s on %s (%s): %s (%d)", call,
		       pfab_device(info), info->fabric_attr->prov_name, fi_strerror(-rc), -rc);
}

/* --- rails --------------------------------------------------------------------------------- */

static int open_cq(struct pfab_port *port, struct pfab_rail *rail)
{
	const uint64_t each = (uint64_t)port->window + port->receives + 2;
	struct fi_cq_attr attr = { .format = FI_CQ_FORMAT_DATA, .wait_obj = FI_WAIT_NONE };
	int rc;

	attr.size = rail->eps * each;
	rc = fi_cq_open(rail->domain, &attr, &rail->cq, NULL);
	return rc ? pfab_failed(rail->info, "fi_cq_open", rc) : 0;
}

static int open_rail(struct pfab_port *port, struct pfab_rail *rail)
{
	struct fi_eq_attr eq_attr = { .size = 64, .wait_obj = FI_WAIT_NONE };
	int rc;

	rc = fi_fabric(rail->info->fabric_attr, &rail->fabric, NULL);
	if (rc)
		return pfab_failed(rail->info, "fi_fabric", rc);
	rc = fi_eq_open(rail->fabric, &eq_attr, &rail->eq, NULL);
	if (rc)
		return pfab_failed(rail->info, "fi_eq_open", rc);
	rc = fi_domain(rail->fabric, rail->info, &rail->domain, NULL);
	if (rc)
		return pfab_failed(rail->info, "fi_domain", rc);
	return open_cq(port, rail);
}

static int open_rails(struct pfab_port *port)
{
	struct fi_info *info;
	struct pfab_rail *rail;
	uint32_t i, use;
	int rc = 0;

	for (i = 0; i < port->c->eps; i++) {
		info = port->choice.device[pfab_take(&port->choice, &use)];
		for (rail = port->rail; rail < port->rail + port->rails; rail++)
			if (rail->info == info)
				break;
		if (rail == port->rail + port->rails)
			*rail = (struct pfab_rail){ .info = info, .in_use = use };
		port->rails += rail == port->rail + port->rails;
		rail->eps++;
		port->ep[i].rail = rail;
	}
	for (i = 0; i < port->rails && !rc; i++)
		rc = open_rail(port, &port->rail[i]);
	return rc;
}

/* --- memory -------------------------------------------------------------------------------- */

static uint64_t slots_in(const struct pfab_port *port, uint64_t bytes)
{
	const uint64_t slots = bytes / port->stride / port->c->eps;

	return slots ? slots : 1;
}

/* How many messages, or immediates, the twin may have on the way. */
static int plan_receives(struct pfab_port *port)
{
	const struct perf_case *c = port->c;
	uint64_t most = UINT32_MAX, want = 2ull * c->window;
	uint32_t i;

	port->posts_receives = c->op == PERF_SEND;
	for (i = 0; i < port->choice.devices; i++) {
		const struct fi_info *info = port->choice.device[i];

		if (c->op == PERF_WRITE_IMM && info->mode & FI_RX_CQ_DATA)
			port->posts_receives = true;
		if (info->rx_attr->size < most)
			most = info->rx_attr->size;
	}
	if (want < RECEIVES_MIN)
		want = RECEIVES_MIN;
	if (c->op == PERF_SEND && c->validate) {
		if (want > slots_in(port, CHECKED_MAX))
			want = slots_in(port, CHECKED_MAX);
		if (want > CONTENT_SLOTS_MAX)
			want = CONTENT_SLOTS_MAX;
		if (want < c->window)
			return err_set(-WEFT_ELIMIT,
				       "validate: %u messages of %llu bytes on %u endpoints do not "
				       "fit into %llu MiB; take a smaller window",
				       c->window, (unsigned long long)c->size, c->eps,
				       CHECKED_MAX >> 20);
	}
	port->receives = port->credited ? (uint32_t)(want < most ? want : most) : 0;
	return 0;
}

static int plan_memory(struct pfab_port *port)
{
	const struct perf_case *c = port->c;
	uint64_t slots;
	int rc;

	port->window = c->window;
	port->stride = (c->size + ALIGN - 1) / ALIGN * ALIGN;
	port->credited = c->op == PERF_SEND || c->op == PERF_WRITE_IMM;
	rc = plan_receives(port);
	if (rc)
		return rc;
	slots = slots_in(port, MEMORY_MAX);
	port->source_slots = (uint32_t)(slots < c->window ? slots : c->window);
	port->sink_slots = port->source_slots;
	if (c->op == PERF_SEND && c->validate)
		port->sink_slots = port->receives;
	port->len = c->eps * (PFAB_CREDIT_ROOM +
			      port->stride * ((uint64_t)port->source_slots + port->sink_slots));
	return 0;
}

static void place_memory(struct pfab_port *port)
{
	const uint64_t sources = port->stride * port->source_slots;
	const uint64_t sinks = port->stride * port->sink_slots;
	unsigned char *at = port->memory + port->c->eps * (uint64_t)PFAB_CREDIT_ROOM;
	struct pfab_ep *ep;
	uint32_t i, slot;

	for (i = 0; i < port->c->eps; i++, at += sources + sinks) {
		ep = &port->ep[i];
		ep->here = (struct pfab_credit *)(void *)(port->memory + i * PFAB_CREDIT_ROOM);
		ep->there = (struct pfab_credit *)(void *)((char *)ep->here + ALIGN);
		ep->sources = at;
		ep->sinks = at + sources;
		for (slot = 0; slot < port->source_slots; slot++)
			content_fill(ep->sources + slot * port->stride, port->c->size,
				     port->c->seed, content_key(port->target, port->index, i),
				     slot);
	}
}

int pfab_register(const struct pfab_rail *rail, void *memory, uint64_t len, uint64_t key,
		  const char *what, struct fid_mr **ret)
{
	const uint64_t access =
		FI_READ | FI_WRITE | FI_REMOTE_READ | FI_REMOTE_WRITE | FI_SEND | FI_RECV;
	int rc = fi_mr_reg(rail->domain, memory, len, access, 0, key, 0, ret, NULL);

	if (!rc)
		return 0;
	return err_prefix(pfab_failed(rail->info, "fi_mr_reg", rc) == -ENOMEM ? -WEFT_EMEMLOCK
									      : -WEFT_EPROVIDER,
			  "%llu bytes %s", (unsigned long long)len, what);
}

static int open_memory(struct pfab_port *port)
{
	struct pfab_rail *rail;
	void *memory;
	int rc;

	rc = content_map(&memory, port->len, "of buffers");
	if (rc)
		return rc;
	port->memory = memory;
	place_memory(port);
	for (rail = port->rail; rail < port->rail + port->rails; rail++) {
		rc = pfab_register(rail, memory, port->len, port->index + 1, "of buffers",
				   &rail->mr);
		if (rc)
			return rc;
		rail->desc = fi_mr_desc(rail->mr);
		if (rail->info->domain_attr->mr_mode & FI_MR_VIRT_ADDR)
			rail->base = (uintptr_t)memory;
	}
	return 0;
}

/* --- endpoints ----------------------------------------------------------------------------- */

static void keep_off_shm(struct fid_ep *ep)
{
#if FI_MAJOR_VERSION >= 2
	bool permitted = false;

	/* Providers that have no such way do not know the option. */
	fi_setopt(&ep->fid, FI_OPT_ENDPOINT, FI_OPT_SHARED_MEMORY_PERMITTED, &permitted,
		  sizeof(permitted));
#else
	(void)ep;
#endif
}

static int open_ep(struct pfab_ep *ep)
{
	struct fi_av_attr av_attr = { .type = FI_AV_UNSPEC, .count = 1 };
	struct pfab_rail *rail = ep->rail;
	int rc = fi_av_open(rail->domain, &av_attr, &ep->av, NULL);

	if (rc)
		return pfab_failed(rail->info, "fi_av_open", rc);
	rc = fi_endpoint(rail->domain, rail->info, &ep->ep, NULL);
	if (rc)
		return pfab_failed(rail->info, "fi_endpoint", rc);
	rc = fi_ep_bind(ep->ep, &rail->eq->fid, 0);
	if (!rc)
		rc = fi_ep_bind(ep->ep, &ep->av->fid, 0);
	if (!rc)
		rc = fi_ep_bind(ep->ep, &rail->cq->fid, FI_TRANSMIT | FI_RECV);
	if (rc)
		return pfab_failed(rail->info, "fi_ep_bind", rc);
	keep_off_shm(ep->ep);
	rc = fi_enable(ep->ep);
	ep->depth = (uint32_t)rail->info->tx_attr->size;
	return rc ? pfab_failed(rail->info, "fi_enable", rc) : 0;
}

static void hand_out(struct pfab_port *port, uint32_t i, struct pfab_op *op)
{
	struct pfab_ep *ep = &port->ep[i];
	uint32_t n;

	for (n = 0; n < port->window; n++, op++) {
		*op = (struct pfab_op){ .ep = (uint16_t)i, .kind = PFAB_OPERATION };
		op->next = ep->free;
		ep->free = op;
	}
	ep->credit = (struct pfab_op){ .ep = (uint16_t)i, .kind = PFAB_CREDIT };
	for (n = 0; port->posts_receives && n < port->receives; n++, op++) {
		*op = (struct pfab_op){ .ep = (uint16_t)i,
					.kind = PFAB_RECEIVE,
					.slot = n % port->sink_slots };
		op->next = ep->repost;
		ep->repost = op;
	}
}

/* Receives are there before the twin knows the address. */
static int open_eps(struct pfab_port *port)
{
	const uint32_t each = port->window + (port->posts_receives ? port->receives : 0);
	uint32_t i;
	int rc;

	port->ops = calloc((size_t)port->c->eps * each, sizeof(*port->ops));
	if (!port->ops)
		return err_set(-ENOMEM, "out of memory for %u operations", port->c->eps * each);
	for (i = 0; i < port->c->eps; i++) {
		rc = open_ep(&port->ep[i]);
		if (rc)
			return rc;
		hand_out(port, i, port->ops + (size_t)i * each);
	}
	rc = pfab_chores(port);
	if (rc)
		return rc;
	for (i = 0; i < port->c->eps; i++)
		if (port->ep[i].repost)
			return err_set(
				-WEFT_EPROVIDER,
				"%s on %s takes fewer than %u receives; take a smaller window",
				port->choice.row.name, pfab_device(port->ep[i].rail->info),
				port->receives);
	return 0;
}

int pfab_open_objects(struct pfab_port *port)
{
	int rc = plan_memory(port);

	if (!rc)
		rc = open_rails(port);
	if (!rc)
		rc = open_memory(port);
	if (!rc)
		rc = open_eps(port);
	return rc;
}

static void close_fid(void *fid)
{
	if (fid)
		fi_close(fid);
}

/* Endpoints first: that alone frees what is in flight. Then the queues, never read again. */
void pfab_close_objects(struct pfab_port *port)
{
	struct pfab_rail *rail;
	uint32_t i;

	for (i = 0; i < port->c->eps; i++)
		close_fid(port->ep[i].ep);
	for (rail = port->rail; rail < port->rail + port->rails; rail++)
		close_fid(rail->cq);
	for (i = 0; i < port->c->eps; i++)
		close_fid(port->ep[i].av);
	for (rail = port->rail; rail < port->rail + port->rails; rail++) {
		close_fid(rail->mr);
		close_fid(rail->domain);
		close_fid(rail->eq);
		close_fid(rail->fabric);
		for (i = 0; i < rail->eps; i++)
			pfab_release(rail->in_use);
	}
	if (port->memory)
		munmap(port->memory, port->len);
	free(port->ops);
}
