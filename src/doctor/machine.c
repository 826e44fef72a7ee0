/* SPDX-License-Identifier: Apache-2.0 */
#include "doctor/machine.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "doctor/efa.h"
#include "doctor/efa_variables.h"

#define CPUS_MAX 65536

int machine_memory(const struct doctor *doctor, const char *line, uint64_t *ret)
{
	char text[8192], *at = text;
	size_t len = strlen(line);
	int rc = sysroot_read(&doctor->root, text, sizeof(text), "/proc/meminfo");
	uint64_t kib;

	if (rc < 0)
		return rc;
	for (; *at; at += strcspn(at, "\n"), at += *at == '\n') {
		if (strncmp(at, line, len) != 0 || at[len] != ':')
			continue;
		if (sscanf(at + len + 1, "%18" SCNu64, &kib) != 1)
			return -EBADMSG;
		*ret = kib * KIB;
		return 0;
	}
	return -ENOENT;
}

uint32_t machine_count_list(const char *text, uint32_t most)
{
	uint64_t first, last, count = 0;
	char *end;

	while (isdigit((unsigned char)*text)) {
		first = last = strtoull(text, &end, 10);
		if (*end == '-' && isdigit((unsigned char)end[1]))
			last = strtoull(end + 1, &end, 10);
		if (last < first || last >= most)
			return 0;
		count += last - first + 1;
		text = end + (*end == ',');
	}
	return *text || count > most ? 0 : (uint32_t)count;
}

uint32_t machine_cpus(const struct doctor *doctor)
{
	char text[4096];

	if (sysroot_read(&doctor->root, text, sizeof(text), "/sys/devices/system/cpu/online") < 0)
		return 0;
	return machine_count_list(text, CPUS_MAX);
}

uint64_t machine_page(const struct doctor *doctor)
{
	long size = doctor->root.real ? sysconf(_SC_PAGESIZE) : 0;

	return size > 0 ? (uint64_t)size : 4 * KIB;
}

const char *machine_bytes(uint64_t bytes, char *ret, size_t room)
{
	static const char *const units[] = { "bytes", "KiB", "MiB", "GiB", "TiB" };
	double value = (double)bytes;
	size_t unit = 0;

	if (bytes == UINT64_MAX) {
		snprintf(ret, room, "unlimited");
		return ret;
	}
	for (; value >= 1024 && unit + 1 < sizeof(units) / sizeof(units[0]); unit++)
		value /= 1024;
	snprintf(ret, room,
		 value >= 100 || value == (double)(uint64_t)value ? "%.0f %s" : "%.1f %s", value,
		 units[unit]);
	return ret;
}

bool machine_has_efa(const struct doctor *doctor, struct finding *f)
{
	struct host_nic *nics = NULL;
	bool found = doctor_efa_functions(doctor) > 0;
	int count = found ? 0 : efa_nics(doctor, &nics);

	for (int i = 0; i < count && !found; i++)
		found = efa_is_nic(&nics[i]);
	mem_free(nics);
	if (!found)
		finding_say(f, DOCTOR_SKIPPED, "this machine has no EFA device");
	return found;
}

uint32_t machine_libfabric(const struct doctor *doctor)
{
	char text[64];

	return doctor_probe(doctor, "libfabric", text, sizeof(text)) ? efa_release_parse(text) : 0;
}

int machine_efa_can(const struct doctor *doctor, uint64_t capability)
{
	char key[32], text[32];
	int can = -1;

	for (int i = 0; i < EFA_MAX; i++) {
		snprintf(key, sizeof(key), "dev.%d.efa.caps", i);
		if (!doctor_probe(doctor, key, text, sizeof(text)))
			continue;
		if (!(strtoull(text, NULL, 0) & capability))
			return 0;
		can = 1;
	}
	return can;
}
