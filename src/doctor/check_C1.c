/* SPDX-License-Identifier: Apache-2.0 */
/* C1: how much memory a process may keep in RAM for devices. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "doctor/container.h"
#include "doctor/machine.h"
#include "doctor/memlock.h"

/*
 * What one endpoint's buffers take, and what is enough for 128 of them with some to spare: the
 * figures of AWS' own check, awslabs/libfabric-ci-scripts efa-check.sh.
 */
#define ENDPOINT_BYTES (110 * MIB)
#define ENOUGH_BYTES   (16 * GIB)

#define DROP_IN(unit)                                                                            \
	"sudo mkdir -p /etc/systemd/system/" unit ".d && printf '[Service]\\nLimitMEMLOCK="      \
	"infinity\\n' | sudo tee /etc/systemd/system/" unit ".d/memlock.conf && sudo systemctl " \
	"daemon-reload && sudo systemctl restart " unit

/* The cgroup of this process, "/system.slice/slurmd.service"; of version 1 systemd's. */
static void read_cgroup(const struct doctor *doctor, char *ret, size_t room)
{
	char text[8192], *line, *path, *rest = text;

	*ret = '\0';
	if (sysroot_read(&doctor->root, text, sizeof(text), "/proc/self/cgroup") < 0)
		return;
	while ((line = strsep(&rest, "\n"))) {
		path = strrchr(line, ':');
		if (path && (!strncmp(line, "0::", 3) || strstr(line, "name=systemd")) && path[1])
			snprintf(ret, room, "%s", path + 1);
	}
}

#define UNIT_LETTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789@._-"

/* The service that a cgroup belongs to; "" for none, and for what a login goes through. */
static void find_service(const char *cgroup, char *ret, size_t room)
{
	const char *end = strstr(cgroup, ".service"), *start = end;

	*ret = '\0';
	if (!end || strstr(cgroup, "user.slice"))
		return;
	end += strlen(".service");
	while (start > cgroup && start[-1] != '/')
		start--;
	/* It becomes a part of a command. */
	if (start + strspn(start, UNIT_LETTERS) < end || !strncmp(start, "ssh", 3) ||
	    (size_t)(end - start) >= room)
		return;
	snprintf(ret, room, "%.*s", (int)(end - start), start);
}

/* Pinned memory counts as the cgroup's: what this limit allows, that one can still end. */
static void note_memory_limit(const struct doctor *doctor, struct finding *f, const char *cgroup)
{
	static const char *const files[][2] = {
		{ "/sys/fs/cgroup", "/memory.max" },
		{ "/sys/fs/cgroup/memory", "/memory.limit_in_bytes" },
	};
	char text[64];
	uint64_t limit;

	for (size_t i = 0; i < 4; i++) {
		const char *const *file = files[i % 2], *below = i < 2 ? cgroup : "";

		if (sysroot_read(&doctor->root, text, sizeof(text), "%s%s%s", file[0], below,
				 file[1]) <= 0)
			continue;
		limit = strtoull(text, NULL, 10);
		if (limit && limit < ENOUGH_BYTES)
			finding_evidence(f, "%s%s%s: %s (registered memory counts as used)",
					 file[0], below, file[1], text);
		return;
	}
}

/* Whose limit this is, and what raises it there. */
static void say_fix(const struct doctor *doctor, struct finding *f, const struct memlock *limit,
		    const char *cgroup)
{
	enum container container = container_kind(doctor, f);
	char service[128];

	find_service(cgroup, service, sizeof(service));
	if (limit->hard == UINT64_MAX)
		finding_fix(
			f,
			"ulimit -l unlimited   # in the shell or script that starts the program");
	else if (container == CONTAINER_POD)
		finding_fix(f, "# on the node, then start the pod anew:\n" DROP_IN(
				       "containerd.service"));
	else if (container == CONTAINER_PLAIN)
		finding_fix(
			f,
			"docker run --ulimit memlock=-1:-1 ...   # podman takes the same option");
	else if (doctor_getenv(doctor, "SLURM_JOB_ID") || strstr(cgroup, "slurm"))
		finding_fix(f, "# on each node; and PropagateResourceLimitsExcept=MEMLOCK in "
			       "slurm.conf:\n" DROP_IN("slurmd.service"));
	else if (*service)
		finding_fix(
			f,
			"sudo mkdir -p /etc/systemd/system/%s.d && printf '[Service]\\n"
			"LimitMEMLOCK=infinity\\n' | sudo tee /etc/systemd/system/%s.d/"
			"memlock.conf && sudo systemctl daemon-reload && sudo systemctl restart %s",
			service, service, service);
}

void check_C1(const struct doctor *doctor, struct finding *f)
{
	char soft[32], hard[32], cgroup[SYSROOT_PATH_MAX / 2];
	struct memlock limit;
	int rc = memlock_read(doctor, "self", &limit);

	if (rc) {
		finding_unread(f, rc, "/proc/self/limits");
		return;
	}
	machine_bytes(limit.soft, soft, sizeof(soft));
	machine_bytes(limit.hard, hard, sizeof(hard));
	finding_evidence(f, "/proc/self/limits: Max locked memory: %s, at most %s", soft, hard);
	read_cgroup(doctor, cgroup, sizeof(cgroup));
	if (*cgroup)
		finding_evidence(f, "/proc/self/cgroup: %s", cgroup);
	note_memory_limit(doctor, f, cgroup);
	if (limit.soft >= ENOUGH_BYTES) {
		finding_say(f, DOCTOR_OK, "this process may lock %s of memory",
			    limit.soft == UINT64_MAX ? "any amount" : soft);
		return;
	}
	if (limit.exempt) {
		finding_evidence(f, "/proc/self/status: CapEff has CAP_IPC_LOCK");
		finding_say(
			f, DOCTOR_OK,
			"the limit of %s does not bind this process, which has CAP_IPC_LOCK; run "
			"this check as the user of the job too",
			soft);
		return;
	}
	say_fix(doctor, f, &limit, cgroup);
	if (limit.soft < ENDPOINT_BYTES) {
		finding_say(
			f, DOCTOR_FAIL,
			"this process may lock %s of memory; one EFA endpoint needs about 110 MiB",
			soft);
	} else {
		finding_say(
			f, DOCTOR_WARN,
			"this process may lock %s of memory, enough for %u EFA endpoint%s without "
			"any memory of the program's own; 16 GiB or no limit is what EFA wants",
			soft, (unsigned)(limit.soft / ENDPOINT_BYTES),
			limit.soft / ENDPOINT_BYTES == 1 ? "" : "s");
	}
}
