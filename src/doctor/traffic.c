/* SPDX-License-Identifier: Apache-2.0 */
#include "doctor/traffic.h"

#include <stdio.h>
#include <string.h>

/* One NIC's counters. */
struct counts {
	uint64_t tx_pkts, rx_pkts, unresponsive, reads, writes, read_errors, write_errors;
	bool network;
};

static void take(void *ctx, const char *name, uint64_t value)
{
	static const struct {
		const char *name;
		size_t at;
	} rows[] = {
		{ "tx_pkts", offsetof(struct counts, tx_pkts) },
		{ "rx_pkts", offsetof(struct counts, rx_pkts) },
		{ "unresponsive_remote_events", offsetof(struct counts, unresponsive) },
		{ "rdma_read_wrs", offsetof(struct counts, reads) },
		{ "rdma_write_wrs", offsetof(struct counts, writes) },
		{ "rdma_read_wr_err", offsetof(struct counts, read_errors) },
		{ "rdma_write_wr_err", offsetof(struct counts, write_errors) },
	};
	struct counts *counts = ctx;

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		if (strcmp(name, rows[i].name))
			continue;
		memcpy((char *)counts + rows[i].at, &value, sizeof(value));
		counts->network |= rows[i].at == offsetof(struct counts, unresponsive);
	}
}

static void add_idle(struct traffic *t, const char *name)
{
	size_t used = strlen(t->idle), room = sizeof(t->idle) - used;

	if (room > strlen(name) + 6)
		snprintf(t->idle + used, room, "%s%s", used ? " " : "", name);
	else if (used && t->idle[used - 1] != '.')
		snprintf(t->idle + used, room, " ...");
}

static void add(struct traffic *t, const char *name, const struct counts *c)
{
	uint64_t events = c->unresponsive + c->read_errors + c->write_errors;

	t->sent += c->tx_pkts != 0;
	t->received += c->rx_pkts != 0;
	t->network += c->network;
	t->tx_pkts += c->tx_pkts;
	t->rx_pkts += c->rx_pkts;
	t->unresponsive += c->unresponsive;
	t->reads += c->reads;
	t->writes += c->writes;
	t->read_errors += c->read_errors;
	t->write_errors += c->write_errors;
	if (!c->tx_pkts && !c->rx_pkts)
		add_idle(t, name);
	if (events > t->worst_events) {
		t->worst_events = events;
		snprintf(t->worst, sizeof(t->worst), "%s", name);
	}
}

void traffic_read(const struct doctor *doctor, struct traffic *ret)
{
	static struct host_nic nics[HOST_NICS_MAX];
	int n = host_nics(&doctor->root, nics, HOST_NICS_MAX);

	memset(ret, 0, sizeof(*ret));
	for (int i = 0; i < n && i < HOST_NICS_MAX; i++) {
		struct counts counts = { 0 };

		if (!host_nic_is_efa(&nics[i]))
			continue;
		ret->nics++;
		if (host_counters(&doctor->root, nics[i].name, take, &counts) <= 0)
			continue;
		ret->told++;
		add(ret, nics[i].name, &counts);
	}
}
