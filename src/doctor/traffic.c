/* SPDX-License-Identifier: Apache-2.0 */
#include "doctor/traffic.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"

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
		name_list_add(&t->idle, name);
	if (events > t->worst_events) {
		t->worst_events = events;
		snprintf(t->worst, sizeof(t->worst), "%s", name);
	}
}

void traffic_read(const struct doctor *doctor, struct traffic *ret)
{
	struct host_nic *nics;
	int n = efa_nics(doctor, &nics);

	memset(ret, 0, sizeof(*ret));
	for (int i = 0; i < n; i++) {
		struct counts counts = { 0 };

		if (!efa_is_nic(&nics[i]))
			continue;
		ret->nics++;
		if (host_counters(&doctor->root, nics[i].name, take, &counts) <= 0)
			continue;
		ret->told++;
		add(ret, nics[i].name, &counts);
	}
	if (n >= 0)
		mem_free(nics);
}
