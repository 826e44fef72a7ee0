/* SPDX-License-Identifier: Apache-2.0 */
/* The machine as docs/devices.schema.json has it. What is not known is null. */
#include <stdio.h>

#include "base/json.h"
#include "devices/show.h"

#define VERSION 1

static void put(struct json *json, const char *key, const char *value)
{
	json_string(json, key, *value ? value : NULL);
}

static void put_number(struct json *json, const char *key, uint64_t value)
{
	if (value)
		json_u64(json, key, value);
	else
		json_null(json, key);
}

/* A limit, and whether there is one. */
static void put_limit(struct json *json, const char *key, const char *any, uint64_t bytes)
{
	put_number(json, key, bytes < MACHINE_ANY_SIZE ? bytes : 0);
	json_bool(json, any, bytes >= MACHINE_ANY_SIZE);
}

static void put_node(struct json *json, int node)
{
	if (node >= 0)
		json_i64(json, "node", node);
	else
		json_null(json, "node");
}

static void put_id(struct json *json, const char *key, uint32_t id)
{
	char text[16];

	snprintf(text, sizeof(text), "0x%04x", id);
	json_string(json, key, id ? text : NULL);
}

static void put_port(struct json *json, const struct host_nic *nic)
{
	double rate = machine_number(nic->rate);

	json_object(json, "port");
	put(json, "state", nic->state);
	put(json, "rate", nic->rate);
	if (rate)
		json_double(json, "rate_gbits", rate);
	else
		json_null(json, "rate_gbits");
	put(json, "link_layer", nic->layer);
	put(json, "gid", nic->gid);
	json_object_end(json);
}

static void put_link(struct json *json, const struct host_nic *nic, bool below_max)
{
	json_object(json, "pci_link");
	put(json, "speed", nic->speed);
	put_number(json, "width", (uint64_t)machine_number(nic->width));
	put(json, "max_speed", nic->max_speed);
	put_number(json, "max_width", (uint64_t)machine_number(nic->max_width));
	json_bool(json, "below_max", below_max);
	json_object_end(json);
}

static void put_facts(struct json *json, const struct machine *m, const struct nic_facts *facts)
{
	bool known = facts->source != RDMA_UNKNOWN;

	put(json, "open", facts->open);
	known ? json_bool(json, "rdma_read", facts->read) : json_null(json, "rdma_read");
	known ? json_bool(json, "rdma_write", facts->write) : json_null(json, "rdma_write");
	json_string(json, "rdma_source", rdma_sources[facts->source]);
	put_number(json, "max_message_bytes", facts->max_message);
	put_number(json, "max_rdma_bytes", facts->max_rdma);
	json_string(json, "nearest", near_names[facts->near]);
	json_array(json, "nearest_gpus");
	for (size_t i = 0; i < m->gpus_count; i++)
		if (facts->gpus >> i & 1)
			json_u64(json, NULL, i);
	json_array_end(json);
}

static void put_nics(struct json *json, const struct machine *m)
{
	json_array(json, "nics");
	for (size_t i = 0; i < m->nics_count; i++) {
		const struct host_nic *nic = &m->nics[i];

		json_object(json, NULL);
		json_string(json, "name", nic->name);
		put(json, "pci", nic->pci);
		put(json, "path", nic->path);
		put_id(json, "vendor", nic->vendor);
		put_id(json, "device", nic->device);
		json_bool(json, "efa", host_nic_is_efa(nic));
		put(json, "driver", nic->driver);
		put_node(json, nic->node);
		put(json, "interface", nic->net);
		put(json, "uverbs", nic->uverbs);
		put(json, "guid", nic->guid);
		put(json, "firmware", nic->firmware);
		json_u64(json, "ports", nic->ports);
		put_port(json, nic);
		put_link(json, nic, m->facts[i].below_max);
		put_facts(json, m, &m->facts[i]);
		json_object_end(json);
	}
	json_array_end(json);
}

static void put_functions(struct json *json, const char *key, const struct host_pci *pci, size_t n)
{
	json_array(json, key);
	for (size_t i = 0; i < n; i++) {
		json_object(json, NULL);
		json_string(json, "pci", pci[i].name);
		put(json, "path", pci[i].path);
		put_id(json, "vendor", pci[i].vendor);
		put_id(json, "device", pci[i].device);
		put(json, "driver", pci[i].driver);
		put_node(json, pci[i].node);
		json_object_end(json);
	}
	json_array_end(json);
}

static void put_nets(struct json *json, const struct machine *m)
{
	json_array(json, "interfaces");
	for (size_t i = 0; i < m->nets_count; i++) {
		const struct host_net *net = &m->nets[i];

		json_object(json, NULL);
		json_string(json, "name", net->name);
		put(json, "pci", net->pci);
		put(json, "driver", net->driver);
		put_node(json, net->node);
		put(json, "state", net->state);
		put(json, "address", net->address);
		put_number(json, "mbits", net->mbits);
		put_number(json, "mtu", net->mtu);
		json_object_end(json);
	}
	json_array_end(json);
}

static void put_host(struct json *json, const struct machine *m)
{
	json_object(json, "host");
	put(json, "name", m->name);
	json_bool(json, "emulated", m->emulated);
	json_bool(json, "ec2", m->ec2);
	put(json, "instance_type", m->instance);
	put(json, "sysroot", m->root.path);
	json_object_end(json);
	json_array(json, "nodes");
	for (size_t i = 0; i < m->nodes_count; i++) {
		json_object(json, NULL);
		json_i64(json, "number", m->nodes[i].number);
		json_string(json, "cpus", m->nodes[i].cpus);
		json_object_end(json);
	}
	json_array_end(json);
}

static void put_libraries(struct json *json, const struct machine *m)
{
	json_object(json, "libfabric");
	put(json, "version", m->libfabric);
	put(json, "path", m->libfabric_path);
	put(json, "not_known_because", m->why);
	json_array(json, "providers");
	for (size_t i = 0; i < m->providers_count; i++) {
		const struct provider *p = &m->providers[i];

		json_object(json, NULL);
		json_string(json, "name", p->name);
		put_number(json, "domains", p->domains);
		put_limit(json, "max_message_bytes", "any_size", p->max_message);
		p->rma_known ? json_bool(json, "rma", p->rma) : json_null(json, "rma");
		json_object_end(json);
	}
	json_array_end(json);
	json_object_end(json);
}

int show_json(const struct machine *m)
{
	struct json json;
	int rc;

	json_begin_file(&json, stdout);
	json_object(&json, NULL);
	json_string(&json, "schema", "weft-devices");
	json_u64(&json, "version", VERSION);
	put_host(&json, m);
	put_nics(&json, m);
	put_functions(&json, "efa_without_device", m->efa, m->efa_count);
	put_functions(&json, "gpus", m->gpus, m->gpus_count);
	put_nets(&json, m);
	put_libraries(&json, m);
	json_array(&json, "notes");
	for (size_t i = 0; i < m->notes_count; i++)
		json_string(&json, NULL, m->notes[i]);
	json_array_end(&json);
	json_object_end(&json);
	rc = json_end(&json);
	printf("\n");
	return rc;
}
