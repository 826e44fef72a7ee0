/* SPDX-License-Identifier: Apache-2.0 */
/* The tables. */
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "devices/label.h"
#include "devices/show.h"
#include "devices/table.h"

static struct table table;

static void columns(const char *const *titles, size_t count)
{
	table_begin(&table);
	for (size_t i = 0; i < count; i++)
		table_column(&table, titles[i]);
}

#define COLUMNS(...)                                  \
	columns((const char *const[]){ __VA_ARGS__ }, \
		sizeof((const char *const[]){ __VA_ARGS__ }) / sizeof(const char *))

static void put_node(size_t column, int node)
{
	if (node >= 0)
		table_cell(&table, column, "%d", node);
}

/* "8 MiB" where it is a whole number of them, else bytes. */
static void put_bytes(size_t column, uint64_t bytes)
{
	static const char *const units[] = { "B", "KiB", "MiB", "GiB", "TiB" };
	size_t unit = 0;

	if (!bytes)
		return;
	if (bytes >= MACHINE_ANY_SIZE) {
		table_cell(&table, column, "any");
		return;
	}
	while (unit + 1 < sizeof(units) / sizeof(*units) && bytes % 1024 == 0) {
		bytes /= 1024;
		unit++;
	}
	table_cell(&table, column, "%llu %s", (unsigned long long)bytes, units[unit]);
}

char *show_rate(const struct host_nic *nic, char *ret, size_t room)
{
	double rate = machine_number(nic->rate);

	if (rate)
		snprintf(ret, room, "%g Gb/s", rate);
	else
		snprintf(ret, room, "%s", nic->rate);
	return ret;
}

/* "16.0 GT/s PCIe" and "8" as "16 GT/s x8". */
static char *link_text(const char *speed, const char *width, char *ret, size_t room)
{
	double number = machine_number(speed);

	*ret = '\0';
	if (number && machine_number(width))
		snprintf(ret, room, "%g GT/s x%.4s", number, width);
	return ret;
}

char *show_link(const struct host_nic *nic, char *ret, size_t room)
{
	return link_text(nic->speed, nic->width, ret, room);
}

char *show_max_link(const struct host_nic *nic, char *ret, size_t room)
{
	return link_text(nic->max_speed, nic->max_width, ret, room);
}

char *show_near(const struct nic_facts *facts, char *ret, size_t room)
{
	char gpus[48];

	*ret = '\0';
	if (facts->near != NEAR_NONE)
		snprintf(ret, room, "%s (%s)", machine_gpus_text(facts->gpus, gpus, sizeof(gpus)),
			 near_names[facts->near]);
	return ret;
}

const char *show_rdma(const struct nic_facts *facts)
{
	if (facts->source == RDMA_UNKNOWN)
		return "";
	if (facts->read)
		return facts->write ? "read, write" : "read";
	return facts->write ? "write" : "none";
}

/* --- NICs ---------------------------------------------------------------------------------- */

static void put_nics(const struct machine *m)
{
	char text[TABLE_CELL];

	COLUMNS("NIC", "PCI", "NODE", "DRIVER", "RATE", "PCI LINK", "AT MOST", "GPU NEAREST",
		"NET");
	for (size_t i = 0; i < m->nics_count; i++) {
		const struct host_nic *nic = &m->nics[i];

		table_row(&table);
		table_cell(&table, 0, "%s", nic->name);
		table_cell(&table, 1, "%s", nic->pci);
		put_node(2, nic->node);
		table_cell(&table, 3, "%s", nic->driver);
		table_cell(&table, 4, "%s", show_rate(nic, text, sizeof(text)));
		table_cell(&table, 5, "%s", show_link(nic, text, sizeof(text)));
		table_cell(&table, 6, "%s", show_max_link(nic, text, sizeof(text)));
		table_cell(&table, 7, "%s", show_near(&m->facts[i], text, sizeof(text)));
		table_cell(&table, 8, "%s", nic->net);
	}
	table_print(&table);
}

/* As an IPv6 address is written, as fi_info does. */
static const char *gid_text(const char *gid, char ret[INET6_ADDRSTRLEN])
{
	struct in6_addr bytes;

	if (inet_pton(AF_INET6, gid, &bytes) == 1)
		return inet_ntop(AF_INET6, &bytes, ret, INET6_ADDRSTRLEN);
	return gid;
}

static void put_abilities(const struct machine *m)
{
	char gid[INET6_ADDRSTRLEN];

	COLUMNS("NIC", "GID", "STATE", "RDMA", "MESSAGE MAX", "RDMA MAX", "VERBS");
	for (size_t i = 0; i < m->nics_count; i++) {
		const struct host_nic *nic = &m->nics[i];
		const struct nic_facts *facts = &m->facts[i];
		const char *state = nic->state + strspn(nic->state, "0123456789: ");

		table_row(&table);
		table_cell(&table, 0, "%s", nic->name);
		table_cell(&table, 1, "%s", gid_text(nic->gid, gid));
		table_cell(&table, 2, "%s", state);
		table_cell(&table, 3, "%s%s", show_rdma(facts),
			   facts->source == RDMA_INSTANCE ? " *" : "");
		put_bytes(4, facts->max_message);
		put_bytes(5, facts->max_rdma);
		table_cell(&table, 6, "%s", nic->uverbs);
	}
	printf("\n");
	table_print(&table);
	for (size_t i = 0; i < m->nics_count; i++)
		if (m->facts[i].source == RDMA_INSTANCE) {
			printf("* by a table, of all %s; the device itself was not asked\n",
			       m->instance);
			break;
		}
}

/* --- the rest ------------------------------------------------------------------------------ */

/* The NICs that are nearest to a GPU, of those to which it is the nearest. */
static char *near_gpu(const struct machine *m, size_t gpu, char *ret, size_t room)
{
	enum near best = NEAR_NONE;
	size_t used = 0, i;

	*ret = '\0';
	for (i = 0; i < m->nics_count; i++)
		if (m->facts[i].gpus >> gpu & 1 && m->facts[i].near > best)
			best = m->facts[i].near;
	for (i = 0; i < m->nics_count && used < room; i++)
		if (m->facts[i].gpus >> gpu & 1 && m->facts[i].near == best)
			used += (size_t)snprintf(ret + used, room - used, "%s%s", used ? " " : "",
						 m->nics[i].name);
	return ret;
}

static void put_gpus(const struct machine *m)
{
	char text[2 * TABLE_CELL];

	COLUMNS("GPU", "PCI", "NODE", "DRIVER", "ID", "NICS NEAREST");
	for (size_t i = 0; i < m->gpus_count; i++) {
		table_row(&table);
		table_cell(&table, 0, "%zu", i);
		table_cell(&table, 1, "%s", m->gpus[i].name);
		put_node(2, m->gpus[i].node);
		table_cell(&table, 3, "%s", m->gpus[i].driver);
		table_cell(&table, 4, "%04x:%04x", m->gpus[i].vendor, m->gpus[i].device);
		table_cell(&table, 5, "%s", near_gpu(m, i, text, sizeof(text)));
	}
	printf("\n");
	table_print(&table);
}

static void put_nets(const struct machine *m)
{
	COLUMNS("INTERFACE", "PCI", "NODE", "DRIVER", "STATE", "RATE", "MTU", "ADDRESS");
	for (size_t i = 0; i < m->nets_count; i++) {
		const struct host_net *net = &m->nets[i];

		table_row(&table);
		table_cell(&table, 0, "%s", net->name);
		table_cell(&table, 1, "%s", net->pci);
		put_node(2, net->node);
		table_cell(&table, 3, "%s", net->driver);
		table_cell(&table, 4, "%s", net->state);
		if (net->mbits && net->mbits < 1000000000)
			table_cell(&table, 5, "%g Gb/s", (double)net->mbits / 1000);
		if (net->mtu)
			table_cell(&table, 6, "%llu", (unsigned long long)net->mtu);
		table_cell(&table, 7, "%s", net->address);
	}
	printf("\n");
	table_print(&table);
}

static void put_providers(const struct machine *m)
{
	char line[sizeof(m->libfabric) + sizeof(m->libfabric_path) + 32];

	COLUMNS("PROVIDER", "DOMAINS", "MESSAGE MAX", "RMA");
	for (size_t i = 0; i < m->providers_count; i++) {
		const struct provider *p = &m->providers[i];

		table_row(&table);
		table_cell(&table, 0, "%s", p->name);
		if (p->domains)
			table_cell(&table, 1, "%llu", (unsigned long long)p->domains);
		put_bytes(2, p->max_message);
		if (p->rma_known)
			table_cell(&table, 3, "%s", p->rma ? "read, write" : "none");
	}
	printf("\n");
	table_print(&table);
	snprintf(line, sizeof(line), "of libfabric %s%s%s", m->libfabric,
		 *m->libfabric_path ? ", " : "", m->libfabric_path);
	show_wrapped("", sysroot_clean(line));
}

static void put_notes(const struct machine *m)
{
	for (size_t i = 0; i < m->notes_count; i++)
		show_wrapped("- ", m->notes[i]);
}

void show_wrapped(const char *lead, const char *text)
{
	int indent = (int)strlen(lead), room = TABLE_WIDTH - indent, len, cut;

	for (bool first = true; *text; first = false) {
		len = (int)strlen(text);
		cut = len;
		if (len > room)
			for (cut = room; cut > 0 && text[cut] != ' ';)
				cut--;
		if (cut == 0)
			cut = len < room ? len : room;
		printf("%*s%.*s\n", indent, first ? lead : "", cut, text);
		text += cut;
		text += strspn(text, " ");
	}
}

static void put_head(const struct machine *m)
{
	static const struct tree_item whole = { .kind = TREE_MACHINE };
	struct label label;

	label_make(&label, m, &whole);
	printf("%s: %s\n\n", label.name, label.facts);
}

void show_text(const struct machine *m)
{
	put_head(m);
	if (m->nics_count) {
		put_nics(m);
		put_abilities(m);
	} else {
		put_notes(m);
	}
	if (m->gpus_count)
		put_gpus(m);
	if (m->providers_count)
		put_providers(m);
	if (m->nets_count)
		put_nets(m);
	if (m->nics_count && m->notes_count) {
		printf("\n");
		put_notes(m);
	}
}
