/* SPDX-License-Identifier: Apache-2.0 */
/* The environment record: the machine, its kernel, memory and limits. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "perf/env_parts.h"

enum how {
	PLAIN,
	CHOSEN, /* "always [madvise] never": what stands in brackets */
};

static const struct {
	const char *name, *path;
	enum how how;
} files[] = {
	{ "hostname", "/proc/sys/kernel/hostname", PLAIN },
	{ "boot_id", "/proc/sys/kernel/random/boot_id", PLAIN },
	{ "kernel", "/proc/sys/kernel/osrelease", PLAIN },
	{ "kernel.build", "/proc/sys/kernel/version", PLAIN },
	{ "kernel.command", "/proc/cmdline", PLAIN },
	{ "clocksource", "/sys/devices/system/clocksource/clocksource0/current_clocksource",
	  PLAIN },
	{ "numa.nodes", "/sys/devices/system/node/online", PLAIN },
	{ "numa.balancing", "/proc/sys/kernel/numa_balancing", PLAIN },
	{ "thp", "/sys/kernel/mm/transparent_hugepage/enabled", CHOSEN },
	{ "thp.defrag", "/sys/kernel/mm/transparent_hugepage/defrag", CHOSEN },
	{ "tcp.congestion", "/proc/sys/net/ipv4/tcp_congestion_control", PLAIN },
	{ "tcp.rmem", "/proc/sys/net/ipv4/tcp_rmem", PLAIN },
	{ "tcp.wmem", "/proc/sys/net/ipv4/tcp_wmem", PLAIN },
};

static char *chosen(char *text)
{
	char *from = strchr(text, '['), *to = from ? strchr(from, ']') : NULL;

	if (!to)
		return text;
	*to = '\0';
	return from + 1;
}

static void add_files(struct env_at *at)
{
	char text[512];
	int rc;

	for (size_t i = 0; i < sizeof(files) / sizeof(*files); i++) {
		rc = env_read(at, text, sizeof(text), "%s", files[i].path);
		if (rc)
			env_unknown(at, files[i].name, rc);
		else
			env_add(at, files[i].name, "%s",
				files[i].how == CHOSEN ? chosen(text) : text);
	}
}

static void add_instance(struct env_at *at)
{
	char vendor[128], product[128];
	int rc = env_read(at, vendor, sizeof(vendor), "/sys/class/dmi/id/sys_vendor");

	if (!rc)
		rc = env_read(at, product, sizeof(product), "/sys/class/dmi/id/product_name");
	if (rc)
		env_unknown(at, "instance_type", rc);
	else if (strncmp(vendor, "Amazon", 6) != 0)
		env_add(at, "instance_type", "not EC2 (%s %s)", vendor, product);
	else
		env_add(at, "instance_type", "%s", product);
}

/* Finds "key<blanks, : or =>value" at the start of a line; cuts the text there. */
static char *line_of(char *text, const char *key)
{
	size_t len = strlen(key);
	char *end;

	for (; text; text = *end ? end + 1 : NULL) {
		end = text + strcspn(text, "\n");
		if (strncmp(text, key, len) == 0) {
			*end = '\0';
			return text + len + strspn(text + len, " \t:=\"");
		}
		if (!*end)
			break;
	}
	return NULL;
}

static void add_line(struct env_at *at, const char *name, const char *path, const char *key)
{
	char text[8192], *value;
	int rc = env_read(at, text, sizeof(text), "%s", path);

	if (rc) {
		env_unknown(at, name, rc);
		return;
	}
	value = line_of(text, key);
	if (!value) {
		env_add(at, name, "unknown (%s has no %s)", path, key);
		return;
	}
	value[strcspn(value, "\"")] = '\0';
	env_add(at, name, "%s", value);
}

static void add_memlock(struct env_at *at)
{
	char text[8192], soft[32], hard[32], *line;
	int rc = env_read(at, text, sizeof(text), "/proc/self/limits");

	line = line_of(text, "Max locked memory");
	if (rc)
		env_unknown(at, "memlock", rc);
	else if (!line || sscanf(line, "%31s %31s", soft, hard) != 2)
		env_add(at, "memlock", "unknown (/proc/self/limits does not tell it)");
	else
		env_add(at, "memlock", "%s bytes, hard %s", soft, hard);
}

static void add_pages(struct env_at *at, const char *dir, const char *entry)
{
	char name[PERF_NAME_MAX], all[32], unused[32];

	if (strncmp(entry, "hugepages-", 10) != 0)
		return;
	snprintf(name, sizeof(name), "huge_pages.%.32s", entry + 10);
	env_read(at, all, sizeof(all), "%s/%s/nr_hugepages", dir, entry);
	env_read(at, unused, sizeof(unused), "%s/%s/free_hugepages", dir, entry);
	env_add(at, name, "%s, free %s", *all ? all : "unknown", *unused ? unused : "unknown");
}

/* "max 100000": no quota; "200000 100000": two processors. */
static void add_quota(struct env_at *at, const char *path)
{
	char text[128];
	double quota, period;
	char *end;

	if (env_read(at, text, sizeof(text), "/sys/fs/cgroup%s/cpu.max", path) || !*text ||
	    strncmp(text, "max", 3) == 0) {
		env_add(at, "cgroup.cpus", "no quota");
		return;
	}
	quota = strtod(text, &end);
	period = strtod(end, NULL);
	if (quota > 0 && period > 0)
		env_add(at, "cgroup.cpus", "%.2f", quota / period);
	else
		env_add(at, "cgroup.cpus", "unknown (cpu.max: %s)", text);
}

static void add_cgroup(struct env_at *at)
{
	char text[4096], memory[64], *path;
	int rc = env_read(at, text, sizeof(text), "/proc/self/cgroup");

	if (rc) {
		env_unknown(at, "cgroup", rc);
		return;
	}
	path = line_of(text, "0::");
	if (!path) {
		env_add(at, "cgroup", "unknown (not version 2)");
		return;
	}
	env_add(at, "cgroup", "%s", path);
	if (strcmp(path, "/") == 0)
		path = "";
	add_quota(at, path);
	rc = env_read(at, memory, sizeof(memory), "/sys/fs/cgroup%s/memory.max", path);
	env_add(at, "cgroup.memory", "%s", rc || !strcmp(memory, "max") ? "no limit" : memory);
}

void env_machine(struct env_at *at)
{
	add_instance(at);
	add_line(at, "os", "/etc/os-release", "PRETTY_NAME=");
	add_files(at);
	add_line(at, "memory", "/proc/meminfo", "MemTotal:");
	add_memlock(at);
	env_each(at, "/sys/kernel/mm/hugepages", ENV_DEVICES, add_pages);
	add_cgroup(at);
}
