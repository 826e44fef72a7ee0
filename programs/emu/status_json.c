/* SPDX-License-Identifier: Apache-2.0 */
/* weft emu status --json */
#include "emu/launcher.h"

#include <string.h>

#include "base/json.h"

static void put_nic(struct json *json, struct emu_world *world, uint32_t host, uint32_t number)
{
	struct emu_nic_shared *nic = &world->shared->host[host].nic[number];
	char gid[GID_TEXT];
	uint32_t i;

	gid_text(nic->gid, gid);
	json_object(json, NULL);
	json_u64(json, "nic", number);
	json_string(json, "name", nic->name);
	json_string(json, "pci", nic->pci);
	json_i64(json, "numa", nic->numa);
	json_string(json, "gid", gid);
	json_string(json, "state", nic_is_down(world, host, number) ? "down" : "up");
	json_u64(json, "queue_pairs", atomic_load(&nic->qps));
	json_u64(json, "limit", atomic_load(&nic->rate));
	json_object(json, "counters");
	for (i = 0; i < EMU_COUNTERS; i++)
		json_u64(json, counter_name(i), atomic_load(&nic->counters[i]));
	json_object_end(json);
	json_object_end(json);
}

static void put_hosts(struct json *json, struct emu_world *world)
{
	uint32_t i, j;

	json_array(json, "hosts");
	for (i = 0; i < EMU_HOSTS; i++) {
		struct emu_host_shared *host = &world->shared->host[i];

		if (!atomic_load(&host->ready))
			continue;
		json_object(json, NULL);
		json_u64(json, "host", i);
		json_string(json, "profile", host->profile);
		json_array(json, "nics");
		for (j = 0; j < host->nics && j < EMU_NICS; j++)
			put_nic(json, world, i, j);
		json_array_end(json);
		json_object_end(json);
	}
	json_array_end(json);
}

static void put_processes(struct json *json, struct emu_world *world)
{
	uint32_t i;
	bool alive;

	json_array(json, "processes");
	for (i = 1; i < EMU_SLOTS; i++) {
		struct emu_process_shared *process = &world->shared->process[i];

		if (!process_shown(world, i, &alive))
			continue;
		json_object(json, NULL);
		json_u64(json, "slot", i);
		json_i64(json, "pid", atomic_load(&process->pid));
		json_u64(json, "host", atomic_load(&process->host));
		json_string_n(json, "command", process->command,
			      strnlen(process->command, sizeof(process->command)));
		json_bool(json, "alive", alive);
		json_object_end(json);
	}
	json_array_end(json);
}

static void put_faults(struct json *json, struct emu_world_shared *shared)
{
	uint32_t i;

	json_array(json, "faults");
	for (i = 0; i < EMU_FAULTS; i++) {
		struct emu_fault fault;

		if (!emu_fault_get(shared, i, &fault))
			continue;
		json_object(json, NULL);
		json_u64(json, "number", fault.number);
		json_string_n(json, "text", fault.text, strnlen(fault.text, sizeof(fault.text)));
		json_u64(json, "seen", fault.seen);
		json_u64(json, "hit", fault.hit);
		json_object_end(json);
	}
	json_array_end(json);
}

int status_json(struct emu_world *world, FILE *out)
{
	struct json json;
	int rc;

	json_begin_file(&json, out);
	json_object(&json, NULL);
	json_string(&json, "world", world->dir);
	json_string(&json, "carrier", carrier_name(world->shared));
	json_u64(&json, "seed", world->shared->seed);
	json_u64(&json, "timeout_ns", atomic_load(&world->shared->timeout));
	put_hosts(&json, world);
	put_processes(&json, world);
	put_faults(&json, world->shared);
	json_object_end(&json);
	rc = json_end(&json);
	fputc('\n', out);
	return rc;
}
