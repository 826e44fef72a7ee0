/* SPDX-License-Identifier: Apache-2.0 */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "devices/machine.h"
#include "host/instance.h"

/* efadv_query_device(), efadv.h */
#define EFA_CAPS_RDMA_READ  (1u << 0)
#define EFA_CAPS_RDMA_WRITE (1u << 3)

const char *const near_names[] = {
	[NEAR_NONE] = NULL,
	[NEAR_NODE] = "node",
	[NEAR_ROOT] = "root",
	[NEAR_SWITCH] = "switch",
};

const char *const rdma_sources[] = {
	[RDMA_UNKNOWN] = NULL,
	[RDMA_DEVICE] = "device",
	[RDMA_INSTANCE] = "instance type",
	[RDMA_TRANSPORT] = "transport",
};

double machine_number(const char *text)
{
	char *end;
	double value = *text >= '0' && *text <= '9' ? strtod(text, &end) : 0;

	return value > 0 && value < 1e9 ? value : 0;
}

char *machine_gpus_text(uint64_t gpus, char *ret, size_t room)
{
	size_t used = 0;

	*ret = '\0';
	for (int first = 0, last; first < MACHINE_GPUS_MAX && used < room; first = last + 1) {
		last = first;
		if (!(gpus >> first & 1))
			continue;
		while (last + 1 < MACHINE_GPUS_MAX && gpus >> (last + 1) & 1)
			last++;
		used += (size_t)snprintf(ret + used, room - used, "%s%d", used ? "," : "", first);
		if (last > first && used < room)
			used += (size_t)snprintf(ret + used, room - used, "%s%d",
						 last > first + 1 ? "-" : ",", last);
	}
	return ret;
}

/* --- the helper's answer ------------------------------------------------------------------- */

/* A value of number n of this group, "dev.3.max_msg"; without member "dev.3". */
static bool said(const struct machine *m, const char *group, int n, const char *member, char *ret,
		 size_t room)
{
	char key[64];

	snprintf(key, sizeof(key), "%s.%d%s%s", group, n, *member ? "." : "", member);
	return host_probe_value(m->answer, key, ret, room);
}

static uint64_t said_number(const struct machine *m, const char *group, int n, const char *member)
{
	char text[64];

	if (!said(m, group, n, member, text, sizeof(text)) || !isdigit((unsigned char)*text))
		return 0;
	return strtoull(text, NULL, 0);
}

static void take_device(struct machine *m, int n, const struct host_nic *nic,
			struct nic_facts *facts)
{
	char text[64];
	uint64_t caps;

	said(m, "dev", n, "open", facts->open, sizeof(facts->open));
	facts->max_message = said_number(m, "dev", n, "max_msg");
	facts->max_rdma = said_number(m, "dev", n, "efa.max_rdma_size");
	if (!host_nic_is_efa(nic) || !said(m, "dev", n, "efa.caps", text, sizeof(text)))
		return;
	caps = said_number(m, "dev", n, "efa.caps");
	facts->source = RDMA_DEVICE;
	facts->read = caps & EFA_CAPS_RDMA_READ;
	facts->write = caps & EFA_CAPS_RDMA_WRITE;
}

static void take_provider(struct machine *m, int n, const char *name)
{
	struct provider *p = &m->providers[m->providers_count++];
	char text[16];

	snprintf(p->name, sizeof(p->name), "%s", name);
	p->domains = n < 0 ? 0 : said_number(m, "prov", n, "domains");
	p->max_message = n < 0 ? 0 : said_number(m, "prov", n, "max_msg");
	p->rma_known = n >= 0 && said(m, "prov", n, "rma", text, sizeof(text));
	p->rma = p->rma_known && !strcmp(text, "1");
}

static void take_providers(struct machine *m)
{
	char text[1024], name[64], key[80], *next = text;
	int n;

	for (n = 0; n < MACHINE_PROVIDERS_MAX && said(m, "prov", n, "", name, sizeof(name)); n++)
		take_provider(m, n, name);
	if (n || !host_probe_value(m->answer, "fi.providers", text, sizeof(text)))
		return;
	for (char *word; (word = strsep(&next, " ")) && n < MACHINE_PROVIDERS_MAX;) {
		if (!*word)
			continue;
		take_provider(m, -1, word);
		snprintf(key, sizeof(key), "fi.%.64s", word);
		if (host_probe_value(m->answer, key, name, sizeof(name)) &&
		    isdigit((unsigned char)*name))
			m->providers[n].domains = strtoull(name, NULL, 10);
		n++;
	}
}

/* What is known of a NIC whose device nobody could ask. */
static void take_from_kind(const struct machine *m, const struct host_nic *nic,
			   struct nic_facts *facts)
{
	const struct host_instance *instance;

	if (host_nic_is_efa(nic)) {
		instance = host_instance_find(m->instance);
		if (!instance || !instance->rdma_known)
			return;
		facts->source = RDMA_INSTANCE;
		facts->read = instance->rdma_read;
		facts->write = instance->rdma_write;
	} else if (strncmp(nic->name, "usnic", 5) &&
		   (!strcmp(nic->layer, "InfiniBand") || !strcmp(nic->layer, "Ethernet"))) {
		facts->source = RDMA_TRANSPORT;
		facts->read = facts->write = true;
	}
}

void machine_take_answer(struct machine *m)
{
	char name[sizeof(m->nics->name)];
	size_t i;

	for (int n = 0; n < HOST_NICS_MAX && said(m, "dev", n, "", name, sizeof(name)); n++)
		for (i = 0; i < m->nics_count; i++)
			if (!strcmp(m->nics[i].name, name))
				take_device(m, n, &m->nics[i], &m->facts[i]);
	for (i = 0; i < m->nics_count; i++)
		if (m->facts[i].source == RDMA_UNKNOWN)
			take_from_kind(m, &m->nics[i], &m->facts[i]);
	take_providers(m);
	host_probe_value(m->answer, "libfabric", m->libfabric, sizeof(m->libfabric));
	host_probe_value(m->answer, "libfabric_path", m->libfabric_path, sizeof(m->libfabric_path));
}

/* --- places -------------------------------------------------------------------------------- */

static bool same_node(const struct host_nic *nic, const struct host_pci *gpu)
{
	return nic->node >= 0 && nic->node == gpu->node;
}

static void find_near(const struct machine *m, const struct host_nic *nic, struct nic_facts *facts)
{
	uint64_t shared_by = 0, in_node = 0;
	int most = 1;

	for (size_t i = 0; i < m->gpus_count; i++) {
		int shared = host_pci_shared(nic->path, m->gpus[i].path);

		if (shared > most)
			shared_by = 0;
		if (shared >= most) {
			shared_by |= 1ull << i;
			most = shared;
		}
		if (same_node(nic, &m->gpus[i]))
			in_node |= 1ull << i;
	}
	/* Of those that are as near by PCI, the ones in its NUMA node. */
	facts->gpus = shared_by & in_node ? shared_by & in_node : shared_by ? shared_by : in_node;
	if (shared_by)
		facts->near = most > 1 ? NEAR_SWITCH : NEAR_ROOT;
	else
		facts->near = in_node ? NEAR_NODE : NEAR_NONE;
}

void machine_find_near(struct machine *m)
{
	for (size_t i = 0; i < m->nics_count; i++) {
		const struct host_nic *nic = &m->nics[i];
		struct nic_facts *facts = &m->facts[i];
		double speed = machine_number(nic->speed), width = machine_number(nic->width);

		find_near(m, nic, facts);
		facts->below_max = (speed && speed < machine_number(nic->max_speed)) ||
				   (width && width < machine_number(nic->max_width));
	}
}
