/* SPDX-License-Identifier: Apache-2.0 */
#include "emu/launcher.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define DIR_MAX 200 /* so that every path below it fits struct emu_world */

/* The world that is named, absolute, into dir; "" where none is. 0 or the exit status. */
static int named_world(const struct request *request, int status, char *dir, size_t size)
{
	const char *name = request->values.world;
	char cwd[DIR_MAX];

	if (!name)
		name = getenv("WEFT_EMU_WORLD");
	dir[0] = '\0';
	if (!name || !*name)
		return 0;
	if (name[0] == '/')
		cwd[0] = '\0';
	else if (!getcwd(cwd, sizeof(cwd)))
		return fail(status, "--world: the working directory: %s", strerror(errno));
	if (emu_format(dir, size, "%s%s%s", cwd, *cwd ? "/" : "", name) || strlen(dir) > DIR_MAX)
		return fail(status, "--world: the path of %s is too long (%d bytes at most)", name,
			    DIR_MAX);
	return 0;
}

int session_open(struct session *session, const struct request *request)
{
	char dir[256], why[WHY_MAX];
	int rc = named_world(request, PROGRAM_FAILED, dir, sizeof(dir));

	session->existed = true;
	if (rc)
		return rc;
	if (!dir[0])
		return fail(PROGRAM_USAGE,
			    "which world? Name it by --world DIR, or run this inside "
			    "weft emu, which sets WEFT_EMU_WORLD");
	if (emu_world_open(&session->world, dir, why, sizeof(why)))
		return fail(PROGRAM_FAILED, "%s", why);
	return 0;
}

/* Opens the world in dir or makes it where the user named it. */
static int open_or_create(struct session *session, const struct request *request,
			  const struct setup *setup, const char *dir)
{
	char why[WHY_MAX];
	int rc = emu_world_open(&session->world, dir, why, sizeof(why));

	session->existed = rc == 0;
	if (rc == -ENOENT && request->values.world) {
		rc = emu_world_create(&session->world, dir, &setup->world, why, sizeof(why));
		if (rc == -EEXIST) {
			session->existed = true;
			rc = emu_world_open(&session->world, dir, why, sizeof(why));
		}
	}
	return rc ? fail(RUN_FAILED, "%s", why) : 0;
}

/* One that ends with this process; those whose owner was killed are removed along the way. */
static int create_private(struct session *session, const struct setup *setup)
{
	char why[WHY_MAX];

	session->existed = false;
	if (emu_world_create(&session->world, NULL, &setup->world, why, sizeof(why)))
		return fail(RUN_FAILED, "%s", why);
	return 0;
}

/* What was asked for of a world that is there already must be what it is. */
static int check_world(const struct session *session, const struct request *request,
		       const struct setup *setup)
{
	struct emu_world_shared *shared = session->world.shared;

	if (!session->existed)
		return 0;
	if (request_given(request, "seed") && shared->seed != setup->world.seed)
		return fail(RUN_FAILED, "--seed: the world %s has the seed %llu already",
			    session->world.dir, (unsigned long long)shared->seed);
	if (request->values.udp && shared->carrier != EMU_CARRIER_UDP)
		return fail(RUN_FAILED, "--udp: the world %s carries packets by shared memory",
			    session->world.dir);
	if (request_given(request, "timeout"))
		atomic_store(&shared->timeout, setup->world.timeout);
	return 0;
}

/* The same of a host. */
static int check_host(const struct session *session, const struct request *request,
		      const struct setup *setup, uint32_t number)
{
	const struct emu_host_shared *host = &session->world.shared->host[number];
	const char *differs = NULL;

	if (request_given(request, "profile") && strcmp(host->profile, setup->host.profile->name))
		differs = "profile";
	else if (request_given(request, "nics") && host->nics != setup->host.nics)
		differs = "nics";
	else if (request_given(request, "device") &&
		 memcmp(&host->model, &setup->host.model, sizeof(host->model)))
		differs = "device";
	else if (request_given(request, "limit") &&
		 atomic_load(&host->nic[0].rate) != setup->host.rate)
		differs = "limit";
	if (!differs)
		return 0;
	return fail(RUN_FAILED,
		    "--%s: host %u of the world is there already and is another: profile %s, "
		    "%u NIC%s; leave the option out or choose another host",
		    differs, number, host->profile, host->nics, host->nics == 1 ? "" : "s");
}

/* Address and ports of a host that is not given any: beside those of a host that is there. */
static int udp_beside(const struct emu_world *world, uint32_t number,
		      struct emu_host_options *options)
{
	const struct emu_host_shared *host = world->shared->host;
	uint32_t i = 0, port;

	while (i < EMU_HOSTS && !atomic_load(&host[i].ready))
		i++;
	port = i < EMU_HOSTS ? host[i].udp_port + (number - i) * EMU_SLOTS : 0;
	if (port == 0 || port + EMU_SLOTS > 65536)
		return fail(
			RUN_FAILED,
			"host %u: the world %s carries packets by UDP: --udp ADDR:PORT is needed",
			number, world->dir);
	memcpy(options->udp_address, host[i].udp_address, sizeof(options->udp_address));
	options->udp_port = (uint16_t)port;
	return 0;
}

static int make_host(struct session *session, const struct request *request,
		     const struct setup *setup, uint32_t number)
{
	struct emu_host_options options = setup->host;
	char why[WHY_MAX];
	int rc = 0;

	if (request->values.udp)
		options.udp_port = (uint16_t)(setup->host.udp_port + number * EMU_SLOTS);
	else if (session->world.shared->carrier == EMU_CARRIER_UDP)
		rc = udp_beside(&session->world, number, &options);
	if (rc)
		return rc;
	if (emu_world_host(&session->world, number, &options, why, sizeof(why)))
		return fail(RUN_FAILED, "%s", why);
	return check_host(session, request, setup, number);
}

static int add_faults(struct session *session, const struct request *request,
		      const struct setup *setup)
{
	uint32_t i;

	for (i = 0; i < setup->fault_count; i++)
		if (emu_fault_add(session->world.shared, &setup->faults[i]) < 0)
			return fail(RUN_FAILED,
				    "--fault: %s: the world has %d faults already (weft emu clear)",
				    request->values.fault.values[i], EMU_FAULTS);
	return 0;
}

int session_make(struct session *session, const struct request *request, const struct setup *setup,
		 uint32_t first, uint32_t count)
{
	char dir[256];
	uint32_t i;
	int rc = named_world(request, RUN_FAILED, dir, sizeof(dir));

	if (rc)
		return rc;
	rc = dir[0] ? open_or_create(session, request, setup, dir) : create_private(session, setup);
	if (rc)
		return rc;
	rc = check_world(session, request, setup);
	for (i = first; i < first + count && !rc; i++)
		rc = make_host(session, request, setup, i);
	if (!rc)
		rc = add_faults(session, request, setup);
	if (rc)
		emu_world_close(&session->world);
	return rc;
}

uint32_t world_population(struct emu_world *world)
{
	uint32_t slot, count = 0;

	for (slot = 1; slot < EMU_SLOTS; slot++) {
		struct emu_process_shared *process = &world->shared->process[slot];

		if (atomic_load(&process->state) != EMU_PROCESS_FREE &&
		    emu_world_alive(world, slot, atomic_load(&process->generation)))
			count++;
	}
	return count;
}
