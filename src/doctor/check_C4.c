/* SPDX-License-Identifier: Apache-2.0 */
/* C4, C5: how much memory and how many queue pairs a NIC takes. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "doctor/efa.h"
#include "doctor/machine.h"

/*
 * Pages that a NIC keeps in all: 95 GiB of 4 KiB pages can be registered, 96 GiB cannot
 * (ofiwg/libfabric#9739); "about 24 million" (kvcache-ai/Mooncake pull request 1912). The driver
 * takes the largest page size that fits a region (efa_verbs.c, ib_umem_find_best_pgsz).
 */
#define NIC_PAGES (24ULL << 20)
/* Queue pairs that a process takes of a NIC, as counted for Open MPI in ofiwg/libfabric#9356. */
#define PROCESS_QPS 2

/* A number of device number i; false: the helper did not say. */
static bool device_number(const struct doctor *doctor, int i, const char *what, uint64_t *ret)
{
	char key[64], text[64], *end;

	snprintf(key, sizeof(key), "dev.%d.%s", i, what);
	if (!doctor_probe(doctor, key, text, sizeof(text)))
		return false;
	*ret = strtoull(text, &end, 0);
	return end != text;
}

static const char *device_name(const struct doctor *doctor, int i, char *ret, size_t room)
{
	char key[32];

	snprintf(key, sizeof(key), "dev.%d", i);
	if (!doctor_probe(doctor, key, ret, room))
		snprintf(ret, room, "device %d", i);
	return ret;
}

/* Only EFA's devices answer efadv_query_device. */
static bool device_is_efa(const struct doctor *doctor, int i)
{
	uint64_t caps;

	return device_number(doctor, i, "efa.caps", &caps);
}

static void say_no_probe(const struct doctor *doctor, struct finding *f)
{
	finding_say(f, DOCTOR_UNKNOWN, "the device's limits are not told: %s",
		    doctor->probe_why && *doctor->probe_why
			    ? doctor->probe_why
			    : "weft-doctor-probe had no answer of an EFA device");
}

/* "[always] madvise never": the kernel makes large pages of large allocations by itself. */
static bool large_pages(const struct doctor *doctor, struct finding *f, uint64_t *reserved)
{
	char text[128];

	*reserved = 0;
	sysroot_number(&doctor->root, reserved,
		       "/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages");
	if (sysroot_read(&doctor->root, text, sizeof(text),
			 "/sys/kernel/mm/transparent_hugepage/enabled") < 0)
		*text = '\0';
	finding_evidence(f, "/sys/kernel/mm/transparent_hugepage/enabled: %s",
			 *text ? text : "not there");
	finding_evidence(f, "/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages: %" PRIu64,
			 *reserved);
	return *reserved || strstr(text, "[always]");
}

void check_C4(const struct doctor *doctor, struct finding *f)
{
	uint64_t memory, region, least = UINT64_MAX, reserved,
				 most = NIC_PAGES * machine_page(doctor);
	char name[64], all[32], small[32], one[32];
	int devices = 0, rc;

	if (!machine_has_efa(doctor, f))
		return;
	for (int i = 0; i < EFA_MAX; i++) {
		if (!device_is_efa(doctor, i) || !device_number(doctor, i, "max_mr_size", &region))
			continue;
		devices++;
		if (region >= least)
			continue;
		least = region;
		finding_evidence(f, "%s: max_mr_size %" PRIu64,
				 device_name(doctor, i, name, sizeof(name)), region);
	}
	if (!devices) {
		say_no_probe(doctor, f);
		return;
	}
	rc = machine_memory(doctor, "MemTotal", &memory);
	if (rc) {
		finding_unread(f, rc, "/proc/meminfo");
		return;
	}
	machine_bytes(memory, all, sizeof(all));
	machine_bytes(most, small, sizeof(small));
	machine_bytes(least, one, sizeof(one));
	finding_evidence(f, "/proc/meminfo: MemTotal: %s", all);
	if (memory <= most)
		finding_say(f, DOCTOR_OK,
			    "all %s of memory fit a NIC's page table in small pages; one "
			    "region is at most %s",
			    all, one);
	else if (large_pages(doctor, f, &reserved))
		finding_say(f, DOCTOR_OK,
			    "there are large pages, so more than %s can be registered; one region "
			    "is at most %s",
			    small, one);
	else
		finding_say(f, DOCTOR_WARN,
			    "of %s of memory a NIC takes about %s in small pages, and there are no "
			    "large ones; one region is at most %s",
			    all, small, one);
}

static void add_error(void *ctx, const char *name, uint64_t value)
{
	if (!strcmp(name, "create_qp_err"))
		*(uint64_t *)ctx += value;
}

void check_C5(const struct doctor *doctor, struct finding *f)
{
	uint64_t all = 0, one, failed = 0, wanted = (uint64_t)machine_cpus(doctor) * PROCESS_QPS;
	char name[64];
	int devices = 0;

	if (!machine_has_efa(doctor, f))
		return;
	for (int i = 0; i < EFA_MAX; i++) {
		if (!device_is_efa(doctor, i) || !device_number(doctor, i, "max_qp", &one))
			continue;
		device_name(doctor, i, name, sizeof(name));
		finding_evidence(f, "%s: max_qp %" PRIu64, name, one);
		host_counters(&doctor->root, name, add_error, &failed);
		all += one;
		devices++;
	}
	if (!devices) {
		say_no_probe(doctor, f);
		return;
	}
	if (failed)
		finding_evidence(
			f, "hw_counters/create_qp_err: %" PRIu64 " since the driver was loaded",
			failed);
	if (all < wanted)
		finding_say(f, DOCTOR_WARN,
			    "%d EFA device%s %s %" PRIu64 " queue pairs; a process on each of %u "
			    "processors, each with two, needs %" PRIu64,
			    devices, devices == 1 ? "" : "s", devices == 1 ? "has" : "have", all,
			    machine_cpus(doctor), wanted);
	else
		finding_say(f, DOCTOR_OK,
			    "%d EFA device%s %s %" PRIu64 " queue pairs, enough for %" PRIu64
			    " processes",
			    devices, devices == 1 ? "" : "s", devices == 1 ? "has" : "have", all,
			    all / PROCESS_QPS);
}
