/* SPDX-License-Identifier: Apache-2.0 */
/* The environment record: processors, and what may slow them. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "perf/env_parts.h"

#define CPU "/sys/devices/system/cpu"

static void add_model(struct env_at *at)
{
	char text[4096], *model, *end;
	int rc = env_read(at, text, sizeof(text), "/proc/cpuinfo");

	if (rc) {
		env_unknown(at, "cpu", rc);
		return;
	}
	/* Arm has no names, only parts. */
	model = strstr(text, "model name");
	if (!model)
		model = strstr(text, "CPU part");
	end = model ? strchr(model, ':') : NULL;
	if (!end) {
		env_add(at, "cpu", "unknown (/proc/cpuinfo names no model)");
		return;
	}
	end++;
	end[strcspn(end, "\n")] = '\0';
	env_add(at, "cpu", "%s", end + strspn(end, " "));
}

/* A list of processors: "0-3,8". */
static void add_list(struct env_at *at, const char *name, const char *file)
{
	char text[256];
	int rc = env_read(at, text, sizeof(text), CPU "/%s", file);

	if (rc)
		env_unknown(at, name, rc);
	else
		env_add(at, name, "%s", *text ? text : "none");
}

/* Is it the first of the threads of its core? */
static bool leads(const struct env_at *at, int cpu)
{
	char text[64];

	return env_read(at, text, sizeof(text), CPU "/cpu%d/topology/thread_siblings_list", cpu) ||
	       atoi(text) == cpu;
}

static bool exists(const struct env_at *at, int cpu)
{
	char text[8];

	return !env_read(at, text, sizeof(text), CPU "/cpu%d/topology/core_id", cpu);
}

/* Processors may be numbered with gaps: ends after the first gap of 64. */
static void add_cores(struct env_at *at)
{
	int cpus = 0, cores = 0;

	for (int cpu = 0, gap = 0; cpu < ENV_CPUS && gap < 64; cpu++) {
		if (!exists(at, cpu)) {
			gap++;
			continue;
		}
		gap = 0;
		cpus++;
		cores += leads(at, cpu);
	}
	if (cpus)
		env_add(at, "cores", "%d, threads %d", cores, cpus);
	else
		env_add(at, "cores", "unknown (no topology)");
}

/* That of all processors, or "mixed". */
static void add_governor(struct env_at *at)
{
	char first[32], other[32];
	int rc = env_read(at, first, sizeof(first), CPU "/cpu0/cpufreq/scaling_governor");

	if (rc) {
		env_unknown(at, "governor", rc);
		return;
	}
	for (int cpu = 1; cpu < ENV_CPUS; cpu++) {
		if (env_read(at, other, sizeof(other), CPU "/cpu%d/cpufreq/scaling_governor", cpu))
			break;
		if (strcmp(first, other) != 0) {
			env_add(at, "governor", "mixed (%s, %s)", first, other);
			return;
		}
	}
	env_add(at, "governor", "%s", first);
}

static void add_c_states(struct env_at *at)
{
	char all[PERF_TEXT_MAX] = "", name[32], off[8];
	size_t len = 0;

	for (int i = 0; i < 16 && len + 48 < sizeof(all); i++) {
		if (env_read(at, name, sizeof(name), CPU "/cpu0/cpuidle/state%d/name", i))
			break;
		env_read(at, off, sizeof(off), CPU "/cpu0/cpuidle/state%d/disable", i);
		len += (size_t)snprintf(all + len, sizeof(all) - len, "%s%s%s", i ? " " : "", name,
					atoi(off) ? " (off)" : "");
	}
	env_add(at, "c_states", "%s", len ? all : "unknown (the system does not tell them)");
}

void env_cpus(struct env_at *at)
{
	char text[16];
	int rc;

	add_model(at);
	add_list(at, "cpus.online", "online");
	add_list(at, "cpus.isolated", "isolated");
	add_cores(at);
	rc = env_read(at, text, sizeof(text), CPU "/smt/active");
	if (rc)
		env_unknown(at, "smt", rc);
	else
		env_add(at, "smt", "%s", atoi(text) ? "on" : "off");
	add_governor(at);
	add_c_states(at);
}
