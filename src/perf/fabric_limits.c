/* SPDX-License-Identifier: Apache-2.0 */
/* What a provider takes, and where its protocol changes. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "perf/fabric.h"

enum base {
	FIXED,
	MTU,
	INJECT,
};

struct edge {
	const char *provider;
	uint32_t ops, from, before;
	enum base base;
	int64_t number;
	const char *variable;
	uint64_t less;
};

static const struct edge edges[] = {
#define EDGE(provider, ops, from, before, base, number, variable, less, what) \
	{ provider, ops, from, before, base, number, variable, less },
#include "perf/fabric_edges.def"
#undef EDGE
};

/* 0: there is none. */
static uint64_t size_of(const struct edge *edge, uint64_t mtu, uint64_t inject)
{
	const char *text = edge->variable ? getenv(edge->variable) : NULL;
	uint64_t number = (uint64_t)edge->number;
	char *end;

	if (edge->base == MTU)
		return mtu && (int64_t)mtu > edge->number ? mtu - number : 0;
	if (edge->base == INJECT)
		return inject;
	if (text && *text) {
		number = strtoull(text, &end, 0);
		if (*end)
			number = (uint64_t)edge->number; /* libfabric does not take it either */
	}
	return number > edge->less ? number - edge->less : 0;
}

/* Puts a size in its place; the list has room. */
static uint32_t add(uint64_t *list, uint32_t n, uint64_t size)
{
	uint32_t at = 0;

	while (at < n && list[at] < size)
		at++;
	if (at < n && list[at] == size)
		return n;
	memmove(list + at + 1, list + at, (n - at) * sizeof(*list));
	list[at] = size;
	return n + 1;
}

uint32_t pfab_edges(const char *provider, uint32_t version, enum perf_op op, uint64_t mtu,
		    uint64_t inject, uint64_t *ret)
{
	uint32_t n = 0;
	uint64_t size;
	size_t i;

	for (i = 0; i < sizeof(edges) / sizeof(edges[0]) && n < PERF_EDGES_MAX; i++) {
		if (strcmp(edges[i].provider, provider) != 0 || !(edges[i].ops & 1u << op) ||
		    version < edges[i].from || (edges[i].before && version >= edges[i].before))
			continue;
		size = size_of(&edges[i], mtu, inject);
		if (size)
			n = add(ret, n, size);
	}
	return n;
}

static uint64_t mtu_of(const struct fi_info *info)
{
	return info->nic && info->nic->link_attr ? info->nic->link_attr->mtu : 0;
}

static bool has(const struct fi_info *info, const char *name)
{
	return strstr(info->fabric_attr->prov_name, name) != NULL;
}

/*
 * How much a WRITE may carry inline. ofi_rxm says its own limit, for messages, and hands a WRITE to
 * the provider below, which copies behind its header without looking: tcp has room for 128 bytes
 * there. efa-direct takes no inline WRITE (2.1).
 */
static uint64_t write_inline(const struct pfab_choice *choice, const struct fi_info *info)
{
	if (has(info, "ofi_rxm"))
		return has(info, "tcp") ? 128 : 0;
	if (choice->row.fabric && strcmp(choice->row.fabric, "efa-direct") == 0)
		return 0;
	return info->tx_attr->inject_size;
}

/* efa-direct says the largest of all operations; a message is one packet. */
static uint64_t largest(const struct pfab_choice *choice, const struct fi_info *info,
			enum perf_op op)
{
	const uint64_t mtu = mtu_of(info), max = info->ep_attr->max_msg_size;

	if (op == PERF_SEND && mtu && mtu < max && choice->row.fabric &&
	    strcmp(choice->row.fabric, "efa-direct") == 0)
		return mtu;
	return max;
}

static uint64_t least(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

void pfab_limits_of(const struct pfab_choice *choice, enum perf_op op, struct perf_limits *ret)
{
	const bool counted = op == PERF_SEND || op == PERF_WRITE_IMM;
	uint64_t window = PERF_WINDOW_MAX, max_inline = UINT32_MAX, inl;
	const struct fi_info *info;
	uint32_t i;

	memset(ret, 0, sizeof(*ret));
	ret->max_size = UINT64_MAX;
	for (i = 0; i < choice->devices; i++) {
		info = choice->device[i];
		ret->max_size = least(ret->max_size, largest(choice, info, op));
		/* One place is for telling the twin what was taken. */
		window = least(window, info->tx_attr->size - counted);
		if (op == PERF_SEND)
			window = least(window, info->rx_attr->size);
		inl = op == PERF_SEND ? info->tx_attr->inject_size : write_inline(choice, info);
		max_inline = least(max_inline, op == PERF_READ ? 0 : inl);
	}
	ret->max_window = (uint32_t)window;
	ret->max_inline = (uint32_t)max_inline;
	info = choice->device[0];
	ret->edges = pfab_edges(choice->row.name, fi_version(), op, mtu_of(info),
				info->tx_attr->inject_size, ret->edge);
}

int pfab_limits(const struct perf_case *c, struct perf_limits *ret)
{
	struct pfab_choice choice;
	int rc = pfab_choose(&choice, c);

	if (rc)
		return rc;
	pfab_limits_of(&choice, c->op, ret);
	pfab_choice_free(&choice);
	return 0;
}

int pfab_limits_check(const struct pfab_choice *choice, const struct perf_case *c)
{
	const char *provider = choice->row.name, *op = perf_op_word(c->op);
	struct perf_limits limits;

	pfab_limits_of(choice, c->op, &limits);
	if (c->size == 0 || c->size > limits.max_size)
		return err_set(-EINVAL, "size %llu: %s takes 1 to %llu bytes of %s on %s",
			       (unsigned long long)c->size, provider,
			       (unsigned long long)limits.max_size, op,
			       pfab_device(choice->device[0]));
	if (c->window == 0 || c->window > limits.max_window)
		return err_set(-EINVAL,
			       "window %u: %s takes 1 to %u of %s in flight of an endpoint",
			       c->window, provider, limits.max_window, op);
	if (c->inline_bytes != UINT32_MAX && c->inline_bytes > limits.max_inline)
		return err_set(-EINVAL, "inline %u: %s takes at most %u bytes of %s inline",
			       c->inline_bytes, provider, limits.max_inline, op);
	if (c->eps == 0 || c->eps > PERF_EPS_MAX)
		return err_set(-EINVAL, "eps %u: 1 to %u", c->eps, PERF_EPS_MAX);
	return 0;
}

/* A WRITE is done when it is placed. shm before 1.18 copies inside the post, so that it is placed
 * then; and an immediate by it tells the target by itself. */
uint64_t pfab_flags(const struct pfab_choice *choice, const struct perf_case *c)
{
	const bool direct = choice->row.direct && fi_version() < FI_VERSION(1, 18);
	uint64_t flags = FI_COMPLETION;

	if ((c->op == PERF_WRITE || c->op == PERF_WRITE_IMM) && !direct)
		flags |= FI_DELIVERY_COMPLETE;
	if (c->op == PERF_WRITE_IMM)
		flags |= FI_REMOTE_CQ_DATA;
	if (c->op != PERF_READ && c->inline_bytes != UINT32_MAX && c->size <= c->inline_bytes)
		flags |= FI_INJECT;
	return flags;
}
