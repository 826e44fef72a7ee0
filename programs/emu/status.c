/* SPDX-License-Identifier: Apache-2.0 */
/* weft emu status */
#include "emu/launcher.h"

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <string.h>

static const char *const counter_names[] = {
#define EMU_COUNTER(name, scope, since, source) #name,
#include "emu/counter.def"
#undef EMU_COUNTER
};

const char *counter_name(uint32_t index)
{
	return counter_names[index];
}

const char *carrier_name(const struct emu_world_shared *world)
{
	return world->carrier == EMU_CARRIER_UDP ? "udp" : "rings";
}

void gid_text(const uint8_t gid[EMU_GID_BYTES], char text[GID_TEXT])
{
	if (!inet_ntop(AF_INET6, gid, text, GID_TEXT))
		text[0] = '\0';
}

bool nic_is_down(struct emu_world *world, uint32_t host, uint32_t nic)
{
	return atomic_load(&world->shared->host[host].nic[nic].down) ||
	       emu_fault_nic_down(world->shared, host, nic, emu_now());
}

bool process_shown(struct emu_world *world, uint32_t slot, bool *alive)
{
	struct emu_process_shared *process = &world->shared->process[slot];

	/* While it is set up its record is still that of the process before, or empty. */
	if (atomic_load(&process->state) != EMU_PROCESS_LIVE)
		return false;
	*alive = emu_world_alive(world, slot, atomic_load(&process->generation));
	return true;
}

static void put_rate(FILE *out, uint64_t rate)
{
	char text[OPT_NAME_MAX];

	if (!rate)
		fprintf(out, "no limit");
	else if (rate * 8 % 1000000000 == 0)
		fprintf(out, "limit %" PRIu64 " Gbps", rate * 8 / 1000000000);
	else
		fprintf(out, "limit %s/s", opt_scaled_text(OPT_TYPE_size, rate, text));
}

static void put_nic(struct emu_world *world, uint32_t host, uint32_t number, FILE *out)
{
	struct emu_nic_shared *nic = &world->shared->host[host].nic[number];
	uint32_t i, column = 0;
	char gid[GID_TEXT];

	gid_text(nic->gid, gid);
	fprintf(out, "  h%un%u %s %s GID %s %s, %u queue pairs, ", host, number, nic->name,
		nic->pci, gid, nic_is_down(world, host, number) ? "down" : "up",
		atomic_load(&nic->qps));
	put_rate(out, atomic_load(&nic->rate));
	fprintf(out, "\n");
	for (i = 0; i < EMU_COUNTERS; i++) {
		uint64_t value = atomic_load(&nic->counters[i]);

		if (!value)
			continue;
		if (column > 80) {
			fprintf(out, "\n");
			column = 0;
		}
		column += (uint32_t)fprintf(out, "%s%s %" PRIu64, column ? ", " : "      ",
					    counter_names[i], value);
	}
	if (column)
		fprintf(out, "\n");
}

static void put_host(struct emu_world *world, uint32_t number, FILE *out)
{
	struct emu_host_shared *host = &world->shared->host[number];
	char address[INET_ADDRSTRLEN];
	uint32_t i;

	fprintf(out, "host %u: profile %s, %u NIC%s", number, host->profile, host->nics,
		host->nics == 1 ? "" : "s");
	if (world->shared->carrier == EMU_CARRIER_UDP &&
	    inet_ntop(AF_INET, host->udp_address, address, sizeof(address)))
		fprintf(out, ", UDP %s:%u..%u", address, host->udp_port,
			host->udp_port + EMU_SLOTS - 1);
	fprintf(out, "\n");
	for (i = 0; i < host->nics && i < EMU_NICS; i++)
		put_nic(world, number, i, out);
}

static void put_process(struct emu_world *world, uint32_t slot, FILE *out)
{
	struct emu_process_shared *process = &world->shared->process[slot];
	bool alive;

	if (process_shown(world, slot, &alive))
		fprintf(out, "process in slot %u: pid %d on host %u, %.*s, %s\n", slot,
			atomic_load(&process->pid), atomic_load(&process->host),
			(int)sizeof(process->command), process->command, alive ? "alive" : "dead");
}

static void put_fault(const struct emu_fault *fault, FILE *out)
{
	fprintf(out, "fault %u: %.*s, seen %" PRIu64 ", hit %" PRIu64 "\n", fault->number,
		(int)sizeof(fault->text), fault->text, fault->seen, fault->hit);
}

void status_text(struct emu_world *world, FILE *out)
{
	struct emu_world_shared *shared = world->shared;
	struct emu_fault fault;
	char timeout[OPT_NAME_MAX];
	uint32_t i;

	fprintf(out,
		"world %s: carried by %s, seed %" PRIu64 ", a silent remote is given up after %s\n",
		world->dir, carrier_name(shared), shared->seed,
		opt_scaled_text(OPT_TYPE_duration, atomic_load(&shared->timeout), timeout));
	for (i = 0; i < EMU_HOSTS; i++)
		if (atomic_load(&shared->host[i].ready))
			put_host(world, i, out);
	for (i = 1; i < EMU_SLOTS; i++)
		put_process(world, i, out);
	for (i = 0; i < EMU_FAULTS; i++)
		if (emu_fault_get(shared, i, &fault))
			put_fault(&fault, out);
}

int command_status(const struct request *request)
{
	static struct session session;
	int rc = session_open(&session, request);

	if (rc)
		return rc;
	if (!request->values.json)
		status_text(&session.world, stdout);
	else if (status_json(&session.world, stdout))
		return fail(PROGRAM_FAILED, "status: cannot write: %s", strerror(EIO));
	return 0;
}
