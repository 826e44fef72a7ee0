/* SPDX-License-Identifier: Apache-2.0 */
/* weft emu fault, clear, down, up, create, remove: what changes a world. */
#include "emu/launcher.h"

#include <string.h>

#include "emu/sysfs.h"

int command_fault(const struct request *request)
{
	const struct opt_rest *specs = &request->values.specs;
	static struct session session;
	struct emu_fault fault;
	char why[WHY_MAX];
	uint32_t i;
	int rc;

	for (i = 0; i < specs->count; i++)
		if (emu_fault_parse(specs->values[i], &fault, why, sizeof(why)))
			return fail(PROGRAM_USAGE, "fault: %s", why);
	rc = session_open(&session, request);
	for (i = 0; i < specs->count && !rc; i++) {
		int number;

		emu_fault_parse(specs->values[i], &fault, why, sizeof(why));
		number = emu_fault_add(session.world.shared, &fault);
		if (number < 0)
			rc = fail(PROGRAM_FAILED,
				  "fault: %s: the world has %d faults already (weft emu clear)",
				  specs->values[i], EMU_FAULTS);
		else
			printf("%d\n", number);
	}
	return rc;
}

/* "all", or a number from 1 on. */
static bool read_number(const char *text, uint32_t *number)
{
	*number = 0;
	if (!strcmp(text, "all"))
		return true;
	return take_number(&text, INT32_MAX, number) && !*text && *number;
}

int command_clear(const struct request *request)
{
	const struct opt_rest *numbers = &request->values.numbers;
	static struct session session;
	char quoted[OPT_QUOTE_MAX];
	uint32_t i, number;
	int rc;

	for (i = 0; i < numbers->count; i++)
		if (!read_number(numbers->values[i], &number))
			return fail(PROGRAM_USAGE,
				    "clear: %s is no number of a fault, and not the word all",
				    opt_quote(numbers->values[i], quoted));
	rc = session_open(&session, request);
	if (!rc && !numbers->count)
		emu_fault_clear(session.world.shared, 0);
	for (i = 0; i < numbers->count && !rc; i++) {
		read_number(numbers->values[i], &number);
		if (!emu_fault_clear(session.world.shared, number) && number)
			rc = fail(PROGRAM_FAILED,
				  "clear: the world has no fault %u (weft emu status lists them)",
				  number);
	}
	return rc;
}

struct target {
	uint32_t host, nic; /* nic EMU_ANY: all */
};

/* hN or hNnM, of the world. 0 or the exit status. */
static int read_target(const struct emu_world *world, const char *text, struct target *target)
{
	const char *c = text;
	char quoted[OPT_QUOTE_MAX];
	bool good = *c++ == 'h' && take_number(&c, EMU_HOSTS, &target->host);

	target->nic = EMU_ANY;
	if (good && *c == 'n') {
		c++;
		good = take_number(&c, EMU_NICS, &target->nic);
	}
	opt_quote(text, quoted);
	if (!good || *c)
		return fail(PROGRAM_USAGE,
			    "%s is not a device: h0n1 is device 1 of host 0, h0 all "
			    "of host 0",
			    quoted);
	if (!atomic_load(&world->shared->host[target->host].ready))
		return fail(PROGRAM_FAILED, "%s: the world has no host %u", quoted, target->host);
	if (target->nic != EMU_ANY && target->nic >= world->shared->host[target->host].nics)
		return fail(PROGRAM_FAILED, "%s: host %u has %u device%s", quoted, target->host,
			    world->shared->host[target->host].nics,
			    world->shared->host[target->host].nics == 1 ? "" : "s");
	return 0;
}

static void set_down(struct emu_world *world, const struct target *target, uint32_t down)
{
	struct emu_host_shared *host = &world->shared->host[target->host];
	uint32_t i;

	for (i = 0; i < host->nics; i++) {
		if (target->nic != EMU_ANY && target->nic != i)
			continue;
		atomic_store(&host->nic[i].down, down);
		emu_sysfs_publish(world->dir, world->shared, target->host, i);
	}
}

static int set_all(const struct request *request, uint32_t down)
{
	const struct opt_rest *targets = &request->values.targets;
	static struct session session;
	struct target target;
	uint32_t i;
	int rc;

	rc = session_open(&session, request);
	for (i = 0; i < targets->count && !rc; i++)
		rc = read_target(&session.world, targets->values[i], &target);
	for (i = 0; i < targets->count && !rc; i++) {
		read_target(&session.world, targets->values[i], &target);
		set_down(&session.world, &target, down);
	}
	return rc;
}

int command_down(const struct request *request)
{
	return set_all(request, 1);
}

int command_up(const struct request *request)
{
	return set_all(request, 0);
}

int command_create(const struct request *request)
{
	static struct setup setup;
	static struct session session;
	int rc;

	if (!request->values.world)
		return fail(PROGRAM_USAGE, "create: where? --world DIR");
	rc = setup_read(&setup, request);
	if (!rc)
		rc = session_make(&session, request, &setup, 0,
				  request->values.hosts ? request->values.hosts : 1);
	return rc == RUN_FAILED ? PROGRAM_FAILED : rc;
}

int command_remove(const struct request *request)
{
	static struct session session;
	char why[WHY_MAX];
	uint32_t alive;
	int rc;

	if (!request->values.world)
		return fail(PROGRAM_USAGE, "remove: which world? --world DIR");
	rc = session_open(&session, request);
	if (rc)
		return rc;
	alive = world_population(&session.world);
	if (alive && !request->values.force)
		return fail(PROGRAM_FAILED, "remove: %u process%s use%s %s: end them, or --force",
			    alive, alive == 1 ? "" : "es", alive == 1 ? "s" : "",
			    session.world.dir);
	if (emu_world_remove(session.world.dir, why, sizeof(why)))
		return fail(PROGRAM_FAILED, "%s", why);
	return 0;
}
