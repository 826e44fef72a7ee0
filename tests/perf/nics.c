/* SPDX-License-Identifier: Apache-2.0 */
#include "nics.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "transport/transport.h"
#include "twins.h"

/* Devices tell what they count now and then, and answer each other for a while. */
#define PAUSE_US 300000
#define LOOKS    20

struct reading {
	struct nics_bytes *ret;
	uint32_t nic;
};

static void counter(void *ctx, const char *name, uint64_t value)
{
	struct reading *r = ctx;

	if (strcmp(name, "tx_bytes") == 0)
		r->ret->tx[r->nic] = value;
	if (strcmp(name, "rx_bytes") == 0)
		r->ret->rx[r->nic] = value;
	if (strcmp(name, "tx_pkts") == 0)
		r->ret->tx_packets += value;
}

static int devices_only(const struct dirent *entry)
{
	return entry->d_name[0] != '.';
}

static void read_once(struct nics_bytes *ret)
{
	struct reading r = { .ret = ret };
	const char *sysfs = getenv("SYSFS_PATH");
	struct dirent **entries;
	char path[512];
	int n, i;

	memset(ret, 0, sizeof(*ret));
	snprintf(path, sizeof(path), "%s/class/infiniband", sysfs ? sysfs : "/sys");
	n = scandir(path, &entries, devices_only, alphasort);
	if (n < 0)
		fail("%s cannot be read", path);
	for (i = 0; i < n; i++) {
		if (ret->count < NICS_MAX) {
			r.nic = ret->count++;
			snprintf(ret->name[r.nic], sizeof(ret->name[0]), "%.63s",
				 entries[i]->d_name);
			if (!nic_counters(ret->name[r.nic], counter, &r))
				fail("%s counts nothing", ret->name[r.nic]);
		}
		free(entries[i]);
	}
	free(entries);
}

void nics_read(struct nics_bytes *ret)
{
	struct nics_bytes before;
	int i;

	read_once(ret);
	for (i = 0; i < LOOKS; i++) {
		before = *ret;
		usleep(PAUSE_US);
		read_once(ret);
		if (memcmp(&before, ret, sizeof(before)) == 0)
			return;
	}
	fail("counters do not come to rest");
}

void nics_check(const struct nics_bytes *before, const struct nics_bytes *after, int which,
		uint64_t bytes, bool target)
{
	const uint64_t *from = target ? before->rx : before->tx;
	const uint64_t *to = target ? after->rx : after->tx;
	uint64_t moved, want;
	int i;

	for (i = 0; i < 2; i++) {
		moved = to[i] - from[i];
		want = which == 2 ? bytes / 2 : i == which ? bytes : 0;
		/* Headers, handshakes and what was sent again come on top. */
		if (moved < want || moved > want + want / 4 + 65536)
			fail("%s carried %llu bytes, not about %llu", after->name[i],
			     (unsigned long long)moved, (unsigned long long)want);
	}
}
