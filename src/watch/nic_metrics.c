/* SPDX-License-Identifier: Apache-2.0 */
#include "watch/nics.h"

static const struct nic_counter *counter_of(const struct nic_state *nic, int metric)
{
	for (uint32_t i = 0; i < nic->count; i++)
		if (nic->counters[i].metric == metric)
			return &nic->counters[i];
	return NULL;
}

/* A metric of which no device has the counter is left out, head and all. */
static void put_counter(const struct nics *nics, FILE *out, enum metric_id id)
{
	const struct nic_counter *counter;
	const char *values[1];
	bool head = false;

	for (uint32_t i = 0; i < nics->count; i++) {
		counter = counter_of(&nics->now[i], (int)id);
		if (!counter)
			continue;
		if (!head)
			metric_head(out, id);
		head = true;
		values[0] = nics->now[i].nic.name;
		metric_u64(out, id, values, counter->value);
	}
}

static void put_others(const struct nics *nics, FILE *out)
{
	const struct nic_state *nic;
	bool head = false;

	for (nic = nics->now; nic < nics->now + nics->count; nic++) {
		for (uint32_t i = 0; i < nic->count; i++) {
			const char *values[] = { nic->nic.name, nic->counters[i].name };

			if (nic->counters[i].metric >= 0)
				continue;
			if (!head)
				metric_head(out, METRIC_nic_other);
			head = true;
			metric_u64(out, METRIC_nic_other, values, nic->counters[i].value);
		}
	}
}

static void put_info(const struct nics *nics, FILE *out)
{
	const struct host_nic *nic;
	char node[16];

	if (nics->count)
		metric_head(out, METRIC_nic_info);
	for (uint32_t i = 0; i < nics->count; i++) {
		nic = &nics->now[i].nic;
		snprintf(node, sizeof(node), nic->node < 0 ? "" : "%d", nic->node);
		const char *values[] = { nic->name, nic->pci, nic->driver, nic->firmware, node };

		metric_u64(out, METRIC_nic_info, values, 1);
	}
}

static uint64_t is_up(const struct nics *nics, uint32_t i)
{
	return nic_is_up(&nics->now[i].nic);
}

static uint64_t unreadable(const struct nics *nics, uint32_t i)
{
	return nics->now[i].unread;
}

static uint64_t back(const struct nics *nics, uint32_t i)
{
	return nics->back[i];
}

static void put_each(const struct nics *nics, FILE *out, enum metric_id id,
		     uint64_t (*value)(const struct nics *nics, uint32_t i))
{
	const char *values[1];

	if (nics->count)
		metric_head(out, id);
	for (uint32_t i = 0; i < nics->count; i++) {
		values[0] = nics->now[i].nic.name;
		metric_u64(out, id, values, value(nics, i));
	}
}

void nics_metrics(const struct nics *nics, FILE *out)
{
	for (int id = 0; id < METRICS; id++)
		if (metrics[id].counter)
			put_counter(nics, out, (enum metric_id)id);
	put_others(nics, out);
	put_info(nics, out);
	put_each(nics, out, METRIC_nic_up, is_up);
	put_each(nics, out, METRIC_nic_unreadable, unreadable);
	put_each(nics, out, METRIC_nic_back, back);
	metric_head(out, METRIC_nics);
	metric_u64(out, METRIC_nics, NULL, nics->count);
	metric_head(out, METRIC_nics_readable);
	metric_u64(out, METRIC_nics_readable, NULL, !nics->error);
	metric_head(out, METRIC_read_seconds);
	metric_real(out, METRIC_read_seconds, NULL, (double)nics->taken_ns / NSEC_PER_SEC);
}
