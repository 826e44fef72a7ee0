/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The runner: worlds, a process for each case, TAP.
 *
 * Linked with emu_world, as `weft emu` is. The runner never opens files of the world itself in a
 * process that uses verbs: the kernel would drop the emulator's record locks when it closes them.
 */
#include <dirent.h>
#include <dlfcn.h>
#include <getopt.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "emu/world.h"
#include "kit.h"
#include "kit_own.h"

#define WORLD_NAME "weft-emu-test."

static struct emu_world *world; /* of the case; mapped before the fork */
static unsigned int worlds;     /* made by this process */
static uint64_t timeout_ns;

const char *kit_world_dir(void)
{
	return world->dir;
}

uint64_t kit_timeout_ns(void)
{
	return timeout_ns;
}

/* --- faults -------------------------------------------------------------------------------- */

uint32_t kit_fault(const char *format, ...)
{
	char text[256], why[256] = "";
	struct emu_fault fault;
	va_list args;
	int number;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	if (emu_fault_parse(text, &fault, why, sizeof(why)))
		kit_fail(__FILE__, __LINE__, "fault %s: %s", text, why);
	number = emu_fault_add(world->shared, &fault);
	if (number < 0)
		kit_fail(__FILE__, __LINE__, "fault %s: error %d", text, number);
	return (uint32_t)number;
}

void kit_fault_clear(uint32_t number)
{
	emu_fault_clear(world->shared, number);
}

/* --- worlds -------------------------------------------------------------------------------- */

static uint32_t world_timeout_ms(const struct kit_world *wanted)
{
	uint32_t ms = wanted->timeout_ms ? wanted->timeout_ms : 2000;

	/* A sanitizer and a busy machine make peers slow that are not silent. */
	return KIT_SANITIZED ? ms * 5 : ms;
}

static int world_hosts(struct emu_world *made, const struct kit_world *wanted, char *why,
		       size_t size)
{
	struct emu_host_options options = {
		.profile = emu_profile_find("generic"),
		.nics = wanted->nics ? wanted->nics : 1,
		/* Loopback, and another one for each runner: their ports do not meet. */
		.udp_address = { 127, (uint8_t)(64 + (getpid() >> 16) % 64),
				 (uint8_t)(getpid() >> 8), (uint8_t)getpid() },
	};
	uint32_t hosts = wanted->hosts ? wanted->hosts : 2;
	int rc;

	emu_model_defaults(&options.model);
	rc = emu_model_apply(&options.model, wanted->device ? wanted->device : "", why, size);
	for (uint32_t host = 0; !rc && host < hosts; host++) {
		options.udp_port = (uint16_t)(20000 + host * EMU_SLOTS);
		rc = emu_world_host(made, host, &options, why, size);
	}
	return rc;
}

static int world_begin(struct emu_world *made, const struct kit_world *wanted, char *why,
		       size_t size)
{
	struct emu_world_options options = {
		.seed = wanted->seed,
		.carrier = wanted->udp ? EMU_CARRIER_UDP : EMU_CARRIER_RING,
		.timeout = world_timeout_ms(wanted) * 1000000ull,
	};
	struct emu_fault fault;
	char dir[128];
	int rc;

	snprintf(dir, sizeof(dir), "/dev/shm/" WORLD_NAME "%d.%u", (int)getpid(), worlds++);
	rc = emu_world_create(made, dir, &options, why, size);
	if (!rc)
		rc = world_hosts(made, wanted, why, size);
	for (int i = 0; !rc && i < 4 && wanted->faults[i]; i++) {
		rc = emu_fault_parse(wanted->faults[i], &fault, why, size);
		if (!rc && emu_fault_add(made->shared, &fault) < 0)
			rc = -ENOSPC;
	}
	return rc;
}

void kit_world_make(const struct kit_world *wanted, char *dir, size_t size)
{
	struct emu_world *made = calloc(1, sizeof(*made));
	char why[256] = "";

	check(made);
	if (world_begin(made, wanted, why, sizeof(why)))
		kit_fail(__FILE__, __LINE__, "world: %s", why);
	snprintf(dir, size, "%s", made->dir);
	emu_world_close(made);
	free(made);
}

void kit_world_remove(const char *dir)
{
	char why[256] = "";

	if (emu_world_remove(dir, why, sizeof(why)))
		kit_fail(__FILE__, __LINE__, "world: %s", why);
}

/* --- cases --------------------------------------------------------------------------------- */

struct runner {
	const char *filter;
	bool list, here;
	int number, failed, skipped;
};

static bool nightly_tier(void)
{
	const char *tier = getenv("WEFT_TEST_TIER");

	return tier && !strcmp(tier, "nightly");
}

static bool applies(const struct runner *r, const struct kit_case *c)
{
	if (c->nightly && !nightly_tier() && !r->filter)
		return false;
	return !r->filter || strstr(c->name, r->filter);
}

/* What a process of a case is: in the case's group, dead with its parent, under a watchdog. */
void kit_forked(void)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	kit_watch(nightly_tier() ? 10 * KIT_WATCHDOG_S : KIT_WATCHDOG_S);
}

static _Noreturn void case_process(const struct kit_case *c)
{
	setpgid(0, 0);
	kit_forked();
	setenv("WEFT_EMU_WORLD", world->dir, 1);
	setenv("WEFT_EMU_HOST", "0", 1);
	if (c->world.trace)
		setenv("WEFT_EMU_TRACE", c->world.trace, 1);
	c->fn();
	exit(KIT_PASSED);
}

static int run_apart(const struct kit_case *c)
{
	int status = KIT_FAILED << 8;
	pid_t pid;

	fflush(NULL);
	pid = fork();
	if (pid < 0)
		return status;
	if (!pid)
		case_process(c);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	kill(-pid, SIGKILL);
	return status;
}

static void report(struct runner *r, const char *name, int status, uint64_t ns)
{
	int code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
	unsigned long long ms = ns / 1000000;

	r->number++;
	if (code == KIT_SKIPPED) {
		r->skipped++;
		printf("ok %d - %s # SKIP\n", r->number, name);
		return;
	}
	if (code < 0)
		printf("#   killed by signal %d (%s)\n", WTERMSIG(status),
		       strsignal(WTERMSIG(status)));
	else if (code != KIT_PASSED && code != KIT_FAILED && code != KIT_HUNG)
		printf("#   exit status %d\n", code);
	r->failed += code != KIT_PASSED;
	printf("%s %d - %s # %llu ms\n", code == KIT_PASSED ? "ok" : "not ok", r->number, name, ms);
}

/* Rings lose nothing: where no fault was and packets went again, a process had no time for a
 * second, or an answer got lost. Worth a line, but the machine may be that busy. */
static void note_repeats(void)
{
	const struct emu_world_shared *shared = world->shared;
	uint64_t repeats = 0;

	if (shared->carrier != EMU_CARRIER_RING || atomic_load(&shared->fault_epoch))
		return;
	for (uint32_t host = 0; host < EMU_HOSTS; host++)
		for (uint32_t nic = 0; nic < EMU_NICS; nic++)
			repeats += atomic_load(
				&shared->host[host].nic[nic].counters[EMU_COUNT_retrans_pkts]);
	if (repeats)
		kit_note("%llu packets were sent again, without a fault",
			 (unsigned long long)repeats);
}

static void run_case(struct runner *r, const struct kit_case *c)
{
	uint64_t start = kit_now();
	char why[256] = "";
	int status;

	world = calloc(1, sizeof(*world));
	if (!world || world_begin(world, &c->world, why, sizeof(why))) {
		printf("#   world: %s\n", why);
		status = KIT_FAILED << 8;
	} else {
		timeout_ns = world_timeout_ms(&c->world) * 1000000ull;
		if (r->here)
			case_process(c);
		status = run_apart(c);
		note_repeats();
	}
	if (world && world->shared) {
		char dir[sizeof(world->dir)];

		memcpy(dir, world->dir, sizeof(dir));
		emu_world_close(world);
		if (emu_world_remove(dir, why, sizeof(why))) {
			printf("#   %s\n", why);
			status = KIT_FAILED << 8;
		}
	}
	free(world);
	world = NULL;
	report(r, c->name, status, kit_now() - start);
}

/* Worlds of runners that were killed. */
static void sweep(void)
{
	struct dirent *entry;
	char path[300], why[256];
	DIR *dir = opendir("/dev/shm");
	int pid;

	while (dir && (entry = readdir(dir))) {
		if (sscanf(entry->d_name, WORLD_NAME "%d.", &pid) != 1 || !kill(pid, 0) ||
		    errno != ESRCH)
			continue;
		snprintf(path, sizeof(path), "/dev/shm/%s", entry->d_name);
		emu_world_remove(path, why, sizeof(why));
	}
	if (dir)
		closedir(dir);
}

/* The tests mean nothing over the system's own library, which finds no device here. */
static bool on_the_emulator(void)
{
	Dl_info info;

	if (dladdr(dlsym(RTLD_DEFAULT, "ibv_get_device_list"), &info) &&
	    strstr(info.dli_fname, "/emu/"))
		return true;
	printf("Bail out! libibverbs.so.1 is not the emulator's (%s): "
	       "LD_LIBRARY_PATH=BUILD/emu/lib\n",
	       info.dli_fname);
	return false;
}

static void run_all(struct runner *r, const struct kit_case *cases)
{
	int count = 0;

	for (const struct kit_case *c = cases; c->name; c++)
		count += applies(r, c);
	if (!r->list)
		printf("1..%d\n", count);
	for (const struct kit_case *c = cases; c->name; c++) {
		if (!applies(r, c))
			continue;
		if (r->list)
			printf("%s\n", c->name);
		else
			run_case(r, c);
	}
}

int kit_main(int argc, char **argv, const struct kit_case *cases)
{
	static const struct option options[] = {
		{ "filter", required_argument, NULL, 'f' },
		{ "list", no_argument, NULL, 'l' },
		{ "here", no_argument, NULL, 'h' },
		{ 0 },
	};
	struct runner r = { 0 };
	int option;

	setvbuf(stdout, NULL, _IOLBF, 0);
	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		r.list |= option == 'l';
		r.here |= option == 'h';
		if (option == 'f')
			r.filter = optarg;
		if (option == '?')
			return 2;
	}
	if (!r.list && !on_the_emulator())
		return KIT_FAILED;
	sweep();
	run_all(&r, cases);
	if (!r.list)
		printf("# %d passed, %d failed, %d skipped\n", r.number - r.failed - r.skipped,
		       r.failed, r.skipped);
	return r.failed || (!r.number && !r.list) ? KIT_FAILED : KIT_PASSED;
}
