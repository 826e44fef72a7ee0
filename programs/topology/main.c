/* SPDX-License-Identifier: Apache-2.0 */
/* What weft_opts.nics and bind_thread go by: nodes, NICs, GPUs and how far they are. */
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "common/program.h"
#include "engine/topo.h"

#define NAME     "weft topology"
#define TEXT_MAX 1024

struct topology_values {
#define OPT_FIELDS
#include "topology/topology.def"
};

static const struct opt_row topology_rows[] = {
#define OPT_ROWS struct topology_values
#include "topology/topology.def"
};

static const struct opt_table topology_table = OPT_TABLE(topology_rows, struct topology_values);

static const char *const distances[] = {
	[TOPO_SWITCH] = "switch",
	[TOPO_ROOT] = "root",
	[TOPO_NODE] = "node",
	[TOPO_OTHER] = "other",
};

/* "0-47,96-143"; cut at TEXT_MAX. */
static const char *cpus_text(const cpu_set_t *cpus, char *text)
{
	int first, last, used = 0;

	text[0] = '\0';
	for (first = 0; first < CPU_SETSIZE && used < TEXT_MAX; first = last + 1) {
		last = first;
		if (!CPU_ISSET(first, cpus))
			continue;
		while (last + 1 < CPU_SETSIZE && CPU_ISSET(last + 1, cpus))
			last++;
		used += snprintf(text + used, (size_t)(TEXT_MAX - used), "%s%d", used ? "," : "",
				 first);
		if (last > first && used < TEXT_MAX)
			used += snprintf(text + used, (size_t)(TEXT_MAX - used), "-%d", last);
	}
	return text;
}

static const char *nodes_text(const struct topo *topo, uint64_t nodes, char *text)
{
	int used = 0;
	uint32_t i;

	strcpy(text, "-");
	for (i = 0; i < topo->node_count && used < TEXT_MAX; i++)
		if (nodes >> i & 1)
			used += snprintf(text + used, (size_t)(TEXT_MAX - used), "%s%u",
					 used ? "," : "", topo->nodes[i].number);
	return text;
}

/* The next device of this kind after number at; topo->device_count: none. */
static uint32_t next(const struct topo *topo, enum topo_kind kind, uint32_t at)
{
	while (at < topo->device_count && topo->devices[at].kind != kind)
		at++;
	return at;
}

#define for_each_device(i, topo, kind) \
	for (i = next(topo, kind, 0); i < (topo)->device_count; i = next(topo, kind, i + 1))

static void put_nic(const struct topo *topo, const struct topo_device *nic)
{
	char text[TEXT_MAX];
	uint32_t i;

	printf("%-14s  %-12s  %-5s", nic->names[0][0] ? nic->names[0] : "-", nic->pci,
	       nodes_text(topo, nic->nodes, text));
	for_each_device(i, topo, TOPO_GPU)
		printf("  %-6s", distances[topo_distance(nic, &topo->devices[i])]);
	printf("\n");
}

static void put_table(const struct topo *topo)
{
	char text[TEXT_MAX];
	uint32_t i, gpus = 0;

	for (i = 0; i < topo->node_count; i++)
		printf("NUMA node %u: CPUs %s\n", topo->nodes[i].number,
		       cpus_text(&topo->nodes[i].cpus, text));
	for_each_device(i, topo, TOPO_GPU)
		printf("GPU %u: %s, node %s\n", gpus++, topo->devices[i].pci,
		       nodes_text(topo, topo->devices[i].nodes, text));
	printf("\n%-14s  %-12s  %-5s", "NIC", "PCI", "node");
	for (i = 0; i < gpus; i++)
		printf("  GPU %-2u", i);
	printf("\n");
	for_each_device(i, topo, TOPO_NIC) put_nic(topo, &topo->devices[i]);
}

static void put_device(struct json *json, const struct topo *topo, const struct topo_device *device)
{
	uint32_t i;

	json_string(json, "pci", device->pci);
	json_array(json, "names");
	for (i = 0; i < TOPO_NAMES_MAX && device->names[i][0]; i++)
		json_string(json, NULL, device->names[i]);
	json_array_end(json);
	json_array(json, "nodes");
	for (i = 0; i < topo->node_count; i++)
		if (device->nodes >> i & 1)
			json_u64(json, NULL, topo->nodes[i].number);
	json_array_end(json);
}

static void put_json_devices(struct json *json, const struct topo *topo)
{
	uint32_t i, j;

	json_array(json, "gpus");
	for_each_device(i, topo, TOPO_GPU)
	{
		json_object(json, NULL);
		put_device(json, topo, &topo->devices[i]);
		json_object_end(json);
	}
	json_array_end(json);
	json_array(json, "nics");
	for_each_device(i, topo, TOPO_NIC)
	{
		json_object(json, NULL);
		put_device(json, topo, &topo->devices[i]);
		json_array(json, "gpus");
		for_each_device(j, topo, TOPO_GPU) json_string(
			json, NULL, distances[topo_distance(&topo->devices[i], &topo->devices[j])]);
		json_array_end(json);
		json_object_end(json);
	}
	json_array_end(json);
}

static int put_json(const struct topo *topo)
{
	char text[TEXT_MAX];
	struct json json;
	uint32_t i;
	int rc;

	json_begin_file(&json, stdout);
	json_object(&json, NULL);
	json_array(&json, "nodes");
	for (i = 0; i < topo->node_count; i++) {
		json_object(&json, NULL);
		json_u64(&json, "number", topo->nodes[i].number);
		json_string(&json, "cpus", cpus_text(&topo->nodes[i].cpus, text));
		json_object_end(&json);
	}
	json_array_end(&json);
	put_json_devices(&json, topo);
	json_object_end(&json);
	rc = json_end(&json);
	printf("\n");
	return rc;
}

int main(int argc, char **argv)
{
	struct topology_values values;
	struct opt_result result;
	struct topo *topo;
	int status, rc;

	status = program_start(&topology_table, argc, argv, &values, &result);
	if (status != PROGRAM_GO)
		return status;
	rc = topo_load(&topo, values.xml);
	if (rc)
		return program_fail(NAME, rc, NULL);
	if (values.json)
		rc = put_json(topo);
	else
		put_table(topo);
	topo_free(topo);
	return program_finish(NAME, rc ? program_fail(NAME, rc, "JSON") : 0);
}
