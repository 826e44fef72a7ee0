/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Counters of RDMA devices in sysfs. EFA counts what applications send apart from what is on the
 * wire; the former is taken where it is there, so that headers of small packets do not hide that
 * bytes went elsewhere. Other devices have the port's counters of the InfiniBand standard.
 */
#include "perf/nics.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "transport/fabric.h"

#define IB_UNIT 4 /* port_xmit_data and port_rcv_data count words of four bytes */

struct device {
	int port, old, standard; /* directories, or -1 */
};

/* Old drivers keep the port's counters among the device's. */
static bool counter(const struct device *d, const char *name, uint64_t *ret)
{
	return (d->port >= 0 && nic_read_counter(d->port, name, ret)) ||
	       (d->old >= 0 && nic_read_counter(d->old, name, ret));
}

static bool add(const struct device *d, const char *name, uint64_t *sum)
{
	uint64_t value;

	if (!counter(d, name, &value))
		return false;
	*sum += value;
	return true;
}

static bool payload(const struct device *d, uint64_t *sum, const char *message, const char *own,
		    const char *other)
{
	bool found = add(d, message, sum);

	found |= add(d, own, sum);
	found |= add(d, other, sum);
	return found;
}

static bool words(const struct device *d, const char *name, uint64_t *ret)
{
	if (d->standard < 0 || !nic_read_counter(d->standard, name, ret))
		return false;
	*ret *= IB_UNIT;
	return true;
}

static bool take(const struct device *d, struct perf_nic *nic)
{
	bool sent, got;

	sent = payload(d, &nic->tx_bytes, "send_bytes", "rdma_write_bytes",
		       "rdma_read_resp_bytes") ||
	       add(d, "tx_bytes", &nic->tx_bytes) || words(d, "port_xmit_data", &nic->tx_bytes);
	got = payload(d, &nic->rx_bytes, "recv_bytes", "rdma_read_bytes",
		      "rdma_write_recv_bytes") ||
	      add(d, "rx_bytes", &nic->rx_bytes) || words(d, "port_rcv_data", &nic->rx_bytes);
	add(d, "retrans_pkts", &nic->retransmits);
	add(d, "rx_drops", &nic->drops);
	return sent || got;
}

static int open_dir(int at, const char *name, const char *below)
{
	char path[512];

	snprintf(path, sizeof(path), "%s%s%s", name, *below ? "/" : "", below);
	return openat(at, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static bool read_device(int class, const char *name, struct perf_nic *nic)
{
	struct device d = {
		.port = open_dir(class, name, "ports/1/hw_counters"),
		.old = open_dir(class, name, "hw_counters"),
		.standard = open_dir(class, name, "ports/1/counters"),
	};
	const int dirs[] = { d.port, d.old, d.standard };
	bool found;

	*nic = (struct perf_nic){ 0 };
	memcpy(nic->name, name, strnlen(name, sizeof(nic->name) - 1));
	found = take(&d, nic);
	for (int i = 0; i < 3; i++)
		if (dirs[i] >= 0)
			close(dirs[i]);
	return found;
}

static int no_dots(const struct dirent *entry)
{
	return entry->d_name[0] != '.' && strlen(entry->d_name) < PERF_NAME_MAX;
}

void perf_nics_read(struct perf_nic_reading *ret, const char *sysfs)
{
	struct dirent **entry = NULL;
	char path[512];
	int dir, n;

	ret->nics = 0;
	snprintf(path, sizeof(path), "%s/class/infiniband", sysfs ? sysfs : fabric_sysfs());
	dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return;
	n = scandirat(dir, ".", &entry, no_dots, alphasort);
	for (int i = 0; i < n; i++) {
		if (ret->nics < PERF_NICS_MAX &&
		    read_device(dir, entry[i]->d_name, &ret->nic[ret->nics]))
			ret->nics++;
		free(entry[i]);
	}
	free(entry);
	close(dir);
}

static uint64_t grown(uint64_t from, uint64_t to)
{
	return to > from ? to - from : 0;
}

static const struct perf_nic *find(const struct perf_nic_reading *in, const char *name)
{
	for (uint32_t i = 0; i < in->nics; i++)
		if (!strcmp(in->nic[i].name, name))
			return &in->nic[i];
	return NULL;
}

void perf_nics_between(struct perf_side *side, const struct perf_nic_reading *from,
		       const struct perf_nic_reading *to)
{
	const struct perf_nic *before, *after;
	struct perf_nic *nic;

	side->nics = 0;
	for (uint32_t i = 0; i < to->nics; i++) {
		after = &to->nic[i];
		before = find(from, after->name);
		if (!before)
			continue;
		nic = &side->nic[side->nics++];
		*nic = *after;
		nic->tx_bytes = grown(before->tx_bytes, after->tx_bytes);
		nic->rx_bytes = grown(before->rx_bytes, after->rx_bytes);
		nic->retransmits = grown(before->retransmits, after->retransmits);
		nic->drops = grown(before->drops, after->drops);
	}
}
