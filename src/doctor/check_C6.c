/* SPDX-License-Identifier: Apache-2.0 */
/* C6, C7: what slows transfers down without breaking them. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "doctor/machine.h"

#define CPUS_LOOKED_AT 4096

void check_C6(const struct doctor *doctor, struct finding *f)
{
	static const char path[] = "/proc/sys/kernel/yama/ptrace_scope";
	uint64_t scope;
	int rc;

	if (!machine_has_efa(doctor, f))
		return;
	if (sysroot_exists(&doctor->root, "/proc/sys/kernel/yama")) {
		finding_say(f, DOCTOR_OK,
			    "this kernel lets a user's processes copy each other's memory");
		return;
	}
	rc = sysroot_number(&doctor->root, &scope, "%s", path);
	if (rc) {
		finding_unread(f, rc, path);
		return;
	}
	finding_evidence(f, "%s: %" PRIu64, path, scope);
	if (!scope)
		finding_say(f, DOCTOR_OK, "a user's processes may copy each other's memory");
	else
		finding_say(f, DOCTOR_WARN,
			    "ptrace_scope is %" PRIu64 ": processes on this host may not copy "
			    "straight out of each other's memory",
			    scope);
}

struct governors {
	const struct sysroot *root;
	uint32_t cpus, slow;
	char first[64], name[64]; /* of the first that is slow */
};

static int see_governor(void *ctx, const char *cpu)
{
	struct governors *g = ctx;
	char text[64];

	if (strncmp(cpu, "cpu", 3) != 0 || cpu[3] < '0' || cpu[3] > '9' ||
	    sysroot_read(g->root, text, sizeof(text),
			 "/sys/devices/system/cpu/%s/cpufreq/scaling_governor", cpu) <= 0)
		return 0;
	g->cpus++;
	if (!strcmp(text, "performance"))
		return 0;
	if (!g->slow++) {
		snprintf(g->first, sizeof(g->first), "%.63s", text);
		snprintf(g->name, sizeof(g->name), "%.63s", cpu);
	}
	return 0;
}

static void note(const struct doctor *doctor, struct finding *f, const char *path)
{
	char text[128];

	if (sysroot_read(&doctor->root, text, sizeof(text), "%s", path) > 0)
		finding_evidence(f, "%s: %s", path, text);
}

void check_C7(const struct doctor *doctor, struct finding *f)
{
	struct governors g = { .root = &doctor->root };
	int rc;

	if (!machine_has_efa(doctor, f))
		return;
	rc = sysroot_each(&doctor->root, CPUS_LOOKED_AT, see_governor, &g,
			  "/sys/devices/system/cpu");
	if (rc) {
		finding_unread(f, rc, "/sys/devices/system/cpu");
		return;
	}
	note(doctor, f, "/sys/devices/system/cpu/cpuidle/current_driver");
	note(doctor, f, "/sys/module/intel_idle/parameters/max_cstate");
	note(doctor, f, "/sys/devices/system/cpu/smt/active");
	note(doctor, f, "/proc/sys/kernel/numa_balancing");
	if (g.slow) {
		finding_evidence(f, "/sys/devices/system/cpu/%s/cpufreq/scaling_governor: %s",
				 g.name, g.first);
		finding_say(f, DOCTOR_WARN,
			    "%u of %u processors change their speed with the load (governor %s)",
			    g.slow, g.cpus, g.first);
	} else if (g.cpus) {
		finding_say(f, DOCTOR_OK,
			    "all %u processors stay at full speed (governor performance)", g.cpus);
	} else {
		finding_say(f, DOCTOR_OK,
			    "the processors' speed is not this system's to set, as is usual in "
			    "a virtual machine");
	}
}
