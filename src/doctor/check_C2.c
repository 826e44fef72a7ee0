/* SPDX-License-Identifier: Apache-2.0 */
/* C2: huge pages for libfabric's own buffers. C3: fork() beside registered memory. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "doctor/efa_variables.h"
#include "doctor/machine.h"

/*
 * The two packet pools of an endpoint, and one endpoint per processor; pages that are larger than
 * the last are not used: awslabs/libfabric-ci-scripts efa-check.sh, after AWS' EFA-Config package.
 * Open MPI opens two endpoints per process: bottlerocket-os/bottlerocket-core-kit pull request 141.
 */
#define POOL_BYTES (110 * MIB)
#define PAGE_MOST  (16 * MIB)

/* libfabric's fork support turns huge pages off (prov/efa/src/efa_fork_support.c). */
static const char *fork_variable(const struct doctor *doctor)
{
	const char *value = doctor_getenv(doctor, "FI_EFA_FORK_SAFE");

	if (value && efa_bool(value) == 1)
		return "FI_EFA_FORK_SAFE";
	if (doctor_getenv(doctor, "RDMAV_FORK_SAFE"))
		return "RDMAV_FORK_SAFE";
	return doctor_getenv(doctor, "IBV_FORK_SAFE") ? "IBV_FORK_SAFE" : NULL;
}

static bool fork_unneeded(const struct doctor *doctor)
{
	char text[32];

	return doctor_probe(doctor, "fork", text, sizeof(text)) && !strcmp(text, "unneeded");
}

struct huge {
	uint64_t page, all, free, wanted;
};

static int read_pool(const struct doctor *doctor, const struct huge *huge, const char *file,
		     uint64_t *ret)
{
	return sysroot_number(&doctor->root, ret,
			      "/sys/kernel/mm/hugepages/hugepages-%" PRIu64 "kB/%s",
			      huge->page / KIB, file);
}

/* false: f says why there is nothing to judge. */
static bool huge_pages_apply(const struct doctor *doctor, struct finding *f, struct huge *huge)
{
	const char *value = doctor_getenv(doctor, "FI_EFA_USE_HUGE_PAGE");
	const char *variable = fork_unneeded(doctor) ? NULL : fork_variable(doctor);
	char text[32];
	int rc;

	if (!machine_has_efa(doctor, f))
		return false;
	if (value && efa_bool(value) == 0) {
		finding_say(f, DOCTOR_SKIPPED, "FI_EFA_USE_HUGE_PAGE=%s turns huge pages off",
			    value);
		return false;
	}
	if (variable) {
		finding_say(f, DOCTOR_SKIPPED, "%s turns huge pages off", variable);
		return false;
	}
	rc = machine_memory(doctor, "Hugepagesize", &huge->page);
	if (rc) {
		finding_unread(f, rc, "/proc/meminfo");
		return false;
	}
	if (huge->page > PAGE_MOST || huge->page < KIB) {
		finding_say(f, DOCTOR_SKIPPED,
			    "huge pages are %s here, too large for libfabric's "
			    "buffers",
			    machine_bytes(huge->page, text, sizeof(text)));
		return false;
	}
	return true;
}

static void say_huge(struct finding *f, const struct huge *huge, uint32_t cpus)
{
	uint64_t endpoint = POOL_BYTES / huge->page, used = huge->all - huge->free;
	char page[32];

	machine_bytes(huge->page, page, sizeof(page));
	if (!huge->all)
		finding_say(f, DOCTOR_WARN,
			    "no huge pages are reserved; %" PRIu64 " of %s would serve "
			    "one process on each of %u processors",
			    huge->wanted, page, cpus);
	else if (huge->free < endpoint)
		finding_say(f, DOCTOR_WARN,
			    "%" PRIu64 " of %" PRIu64 " huge pages are free, a process "
			    "needs %" PRIu64 ": another program holds them",
			    huge->free, huge->all, endpoint);
	else if (huge->all < huge->wanted)
		finding_say(f, DOCTOR_WARN,
			    "%" PRIu64 " huge pages of %s are reserved, enough for %" PRIu64
			    " processes; one on each of %u processors needs %" PRIu64,
			    huge->all, page, huge->all / endpoint, cpus, huge->wanted);
	else
		finding_say(f, DOCTOR_OK, "%" PRIu64 " huge pages of %s, %" PRIu64 " of them free",
			    huge->all, page, huge->free);
	/* What others use stays theirs. */
	if (f->verdict != DOCTOR_OK)
		finding_fix(f,
			    "echo vm.nr_hugepages=%" PRIu64
			    " | sudo tee /etc/sysctl.d/90-efa.conf && "
			    "sudo sysctl -p /etc/sysctl.d/90-efa.conf",
			    huge->free < endpoint ? used + huge->wanted : huge->wanted);
}

void check_C2(const struct doctor *doctor, struct finding *f)
{
	uint32_t cpus = machine_cpus(doctor);
	struct huge huge;
	int rc;

	if (!huge_pages_apply(doctor, f, &huge))
		return;
	rc = read_pool(doctor, &huge, "nr_hugepages", &huge.all);
	if (!rc)
		rc = read_pool(doctor, &huge, "free_hugepages", &huge.free);
	if (rc) {
		finding_unread(f, rc, "/sys/kernel/mm/hugepages");
		return;
	}
	if (!cpus) {
		finding_unread(f, -ENOENT, "/sys/devices/system/cpu/online");
		return;
	}
	if (huge.free > huge.all)
		huge.free = huge.all;
	huge.wanted = POOL_BYTES * cpus / huge.page + 1;
	finding_evidence(f,
			 "/sys/kernel/mm/hugepages/hugepages-%" PRIu64 "kB: nr_hugepages %" PRIu64
			 ", free_hugepages %" PRIu64,
			 huge.page / KIB, huge.all, huge.free);
	finding_evidence(
		f,
		"/sys/devices/system/cpu/online: %u processors; 110 MiB for each (Open MPI "
		"takes two endpoints per process: twice that)",
		cpus);
	say_huge(f, &huge, cpus);
}

static void say_fork_wanted(const struct doctor *doctor, struct finding *f, const char *variable)
{
	const char *huge = doctor_getenv(doctor, "FI_EFA_USE_HUGE_PAGE");
	uint32_t libfabric = machine_libfabric(doctor);

	if (huge && efa_bool(huge) == 1 && (!libfabric || libfabric >= EFA_RELEASE(1, 19, 0))) {
		finding_say(f, DOCTOR_FAIL,
			    "%s and FI_EFA_USE_HUGE_PAGE=%s exclude each other: "
			    "libfabric aborts the program",
			    variable, huge);
		finding_fix(f, "unset FI_EFA_USE_HUGE_PAGE");
	} else if (doctor_getenv(doctor, "RDMAV_HUGEPAGES_SAFE")) {
		finding_say(f, DOCTOR_FAIL,
			    "%s together with RDMAV_HUGEPAGES_SAFE: libfabric's provider "
			    "efa refuses to start",
			    variable);
		finding_consequence(f, "fi_getinfo finds no provider efa");
		finding_fix(f, "unset RDMAV_HUGEPAGES_SAFE");
	} else {
		finding_say(f, DOCTOR_OK,
			    "%s protects registered memory at fork(); libfabric's own buffers "
			    "do without huge pages for it",
			    variable);
	}
}

/* What libibverbs said, or where it is absent the kernel: it copies registered pages at fork() from
 * 5.13 on, and libibverbs knows from rdma-core 35 on. */
static bool fork_is_open(const struct doctor *doctor, struct finding *f)
{
	char text[64], release[64];
	unsigned major, minor;

	if (doctor_probe(doctor, "fork", text, sizeof(text))) {
		finding_evidence(f, "ibv_is_fork_initialized(): %s", text);
		if (strcmp(text, "unneeded") != 0)
			return true;
		finding_say(f, DOCTOR_OK,
			    "this kernel and libibverbs keep registered memory safe at "
			    "fork() by themselves");
		return false;
	}
	if (sysroot_read(&doctor->root, release, sizeof(release), "/proc/sys/kernel/osrelease") <=
		    0 ||
	    sscanf(release, "%4u.%4u", &major, &minor) != 2) {
		finding_unread(f, -ENOENT, "/proc/sys/kernel/osrelease");
		return false;
	}
	finding_evidence(f, "/proc/sys/kernel/osrelease: %s", release);
	if (major < 5 || (major == 5 && minor < 13))
		return true;
	finding_say(
		f, DOCTOR_UNKNOWN,
		"kernel %s keeps registered memory safe at fork(); whether libibverbs knows that "
		"(rdma-core 35 or newer) is not told: %s",
		release,
		doctor->probe_why && *doctor->probe_why
			? doctor->probe_why
			: "weft-doctor-probe had no device to ask with");
	return false;
}

void check_C3(const struct doctor *doctor, struct finding *f)
{
	const char *variable = fork_variable(doctor);

	if (variable)
		finding_evidence(f, "environment: %s", variable);
	if (!fork_is_open(doctor, f))
		return;
	if (variable)
		say_fork_wanted(doctor, f, variable);
	else
		finding_say(f, DOCTOR_WARN,
			    "fork() is not safe here beside registered memory, and libfabric "
			    "aborts a program that calls it after opening EFA");
}
