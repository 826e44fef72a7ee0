/* SPDX-License-Identifier: Apache-2.0 */
/* G1, G2, G5, G7: what a container gives to the process in it. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "doctor/container.h"
#include "doctor/efa_variables.h"
#include "doctor/machine.h"
#include "doctor/memlock.h"
#include "doctor/traffic.h"

#define NETS_MAX 256 /* network interfaces that are looked at */

/* Two pools of packets of an endpoint, MiB: awslabs/libfabric-ci-scripts efa-check.sh. */
#define HUGE_ENDPOINT_MIB 110

void check_G1(const struct doctor *doctor, struct finding *f);
void check_G2(const struct doctor *doctor, struct finding *f);
void check_G5(const struct doctor *doctor, struct finding *f);
void check_G7(const struct doctor *doctor, struct finding *f);

/* Not a container, or not a pod, with the verdict "skipped". */
static bool outside(const struct doctor *doctor, struct finding *f, enum container least)
{
	if (container_kind(doctor, f) >= least)
		return false;
	finding_say(f, DOCTOR_SKIPPED, "this is no %s",
		    least == CONTAINER_POD ? "pod of Kubernetes" : "container");
	return true;
}

void check_G1(const struct doctor *doctor, struct finding *f)
{
	uint32_t count = 0, here = 0;
	struct host_nic *nics;
	bool pod;
	int n;

	if (outside(doctor, f, CONTAINER_PLAIN))
		return;
	if (*doctor->root.sysfs) {
		finding_say(f, DOCTOR_SKIPPED, "emulated devices have no device nodes");
		return;
	}
	pod = container_kind(doctor, NULL) == CONTAINER_POD;
	n = efa_nics(doctor, &nics);
	for (int i = 0; i < n; i++) {
		if (!efa_is_nic(&nics[i]))
			continue;
		count++;
		here += *nics[i].uverbs &&
			!sysroot_exists(&doctor->root, "/dev/infiniband/%s", nics[i].uverbs);
	}
	if (n >= 0)
		mem_free(nics);
	finding_evidence(
		f, "/sys/class/infiniband: %u EFA NIC%s, /dev/infiniband: nodes of %u of them",
		count, plural(count), here);
	if (!count)
		finding_say(
			f, DOCTOR_UNKNOWN,
			"cannot be told: no EFA RDMA device is seen here; look at the host first");
	else if (here)
		finding_say(f, DOCTOR_OK, "this %s has %u of the host's %u EFA NIC%s",
			    pod ? "pod" : "container", here, count, plural(count));
	else
		finding_say(f, DOCTOR_FAIL,
			    "this %s was given no EFA device, though the host has %u: no node of "
			    "theirs "
			    "is in /dev/infiniband",
			    pod ? "pod" : "container", count);
	if (pod)
		finding_fix(
			f,
			"helm upgrade --install efa eks/aws-efa-k8s-device-plugin -n kube-system "
			"# and in the pod's spec: resources: {limits: {vpc.amazonaws.com/efa: 1}}");
}

/* The path of this process in the control groups of version 2 or of a controller of version 1. */
static void cgroup_path(const struct doctor *doctor, const char *controller, char *ret, size_t room)
{
	char text[8192], *line, *names, *path, *next;

	*ret = '\0';
	if (sysroot_read(&doctor->root, text, sizeof(text), "/proc/self/cgroup") < 0)
		return;
	for (line = text; line; line = next) {
		next = strchr(line, '\n');
		if (next)
			*next++ = '\0';
		names = strchr(line, ':');
		path = names ? strchr(names + 1, ':') : NULL;
		if (!path)
			continue;
		*path++ = '\0';
		if (strcmp(names + 1, controller) || strlen(path) >= room || !strcmp(path, "/"))
			continue;
		strcpy(ret, path);
	}
}

/* Bytes of 2 MiB pages; 0, or -errno. where: the file that told. */
static int huge_limit(const struct doctor *doctor, uint64_t *ret, char *where, size_t room)
{
	static const struct {
		const char *mount, *controller, *file;
	} versions[] = {
		{ "/sys/fs/cgroup", "", "hugetlb.2MB.max" },
		{ "/sys/fs/cgroup/hugetlb", "hugetlb", "hugetlb.2MB.limit_in_bytes" },
	};
	char path[256], text[64];
	size_t i;

	/* With a namespace of its own the group is the mount itself, without one it is below. */
	for (i = 0; i < 2 * sizeof(versions) / sizeof(*versions); i++) {
		cgroup_path(doctor, versions[i / 2].controller, path, sizeof(path));
		snprintf(where, room, "%s%s/%s", versions[i / 2].mount, i % 2 ? "" : path,
			 versions[i / 2].file);
		if (sysroot_read(&doctor->root, text, sizeof(text), "%s", where) <= 0)
			continue;
		*ret = strcmp(text, "max") ? strtoull(text, NULL, 10) : UINT64_MAX;
		return 0;
	}
	return -ENOENT;
}

void check_G2(const struct doctor *doctor, struct finding *f)
{
	const char *use = doctor_getenv(doctor, "FI_EFA_USE_HUGE_PAGE");
	char where[512];
	uint64_t bytes;

	if (outside(doctor, f, CONTAINER_POD))
		return;
	if (use && efa_bool(use) == 0) {
		finding_evidence(f, "FI_EFA_USE_HUGE_PAGE=%s", use);
		finding_say(f, DOCTOR_OK, "huge pages are switched off (FI_EFA_USE_HUGE_PAGE=%s)",
			    use);
		return;
	}
	if (huge_limit(doctor, &bytes, where, sizeof(where))) {
		finding_evidence(f, "hugetlb.2MB.max: not there");
		finding_say(f, DOCTOR_UNKNOWN,
			    "cannot be told: the pod's control group has no limit of huge pages to "
			    "read");
		return;
	}
	if (bytes == UINT64_MAX)
		finding_evidence(f, "%s: max", where);
	else
		finding_evidence(f, "%s: %" PRIu64, where, bytes);
	if (!bytes)
		finding_say(f, DOCTOR_WARN,
			    "this pod has asked for no huge pages, and may use none");
	else if (bytes >> 20 < HUGE_ENDPOINT_MIB)
		finding_say(f, DOCTOR_WARN,
			    "this pod may use %" PRIu64
			    " MiB of huge pages; one endpoint of EFA takes "
			    "%d",
			    bytes >> 20, HUGE_ENDPOINT_MIB);
	else if (bytes >> 20 > 1 << 30)
		finding_say(f, DOCTOR_OK, "this pod may use all huge pages of the node");
	else
		finding_say(f, DOCTOR_OK, "this pod may use %" PRIu64 " MiB of huge pages",
			    bytes >> 20);
}

void check_G5(const struct doctor *doctor, struct finding *f)
{
	enum doctor_verdict bad = DOCTOR_FAIL;
	char soft[32], hard[32];
	struct memlock limit;
	int rc;

	if (outside(doctor, f, CONTAINER_PLAIN) || !machine_has_efa(doctor, f))
		return;
	rc = memlock_read(doctor, "self", &limit);
	if (rc) {
		finding_unread(f, rc, "/proc/self/limits");
		return;
	}
	if (limit.soft >= MEMLOCK_ENDPOINT)
		bad = DOCTOR_WARN; /* as C1 has it */
	machine_bytes(limit.soft, soft, sizeof(soft));
	machine_bytes(limit.hard, hard, sizeof(hard));
	finding_evidence(f, "/proc/self/limits: Max locked memory %s, at most %s", soft, hard);
	if (limit.exempt) {
		finding_say(f, DOCTOR_OK, "this container may lock memory: it has CAP_IPC_LOCK");
	} else if (limit.soft >= MEMLOCK_ENOUGH) {
		finding_say(f, DOCTOR_OK, "this container may lock memory: %s", soft);
	} else if (limit.hard >= MEMLOCK_ENOUGH) {
		finding_say(f, bad, "this container may lock %s only, though %s are allowed", soft,
			    hard);
		finding_fix(f, "ulimit -l %s", limit.hard == UINT64_MAX ? "unlimited" : "16777216");
	} else {
		finding_say(
			f, bad,
			"this container may lock %s of memory only: its runtime sets that limit",
			soft);
	}
}

struct nets {
	const struct doctor *doctor;
	char name[64]; /* one that is a PCI function; "" */
};

static int look_at_net(void *ctx, const char *name)
{
	struct nets *nets = ctx;

	if (sysroot_exists(&nets->doctor->root, "/sys/class/net/%s/device", name))
		return 0;
	snprintf(nets->name, sizeof(nets->name), "%s", name);
	return 1;
}

void check_G7(const struct doctor *doctor, struct finding *f)
{
	struct nets nets = { .doctor = doctor };
	struct traffic t;
	int rc;

	if (outside(doctor, f, CONTAINER_POD))
		return;
	rc = sysroot_each(&doctor->root, NETS_MAX, look_at_net, &nets, "/sys/class/net");
	if (rc < 0) {
		finding_unread(f, rc, "/sys/class/net");
		return;
	}
	traffic_read(doctor, &t);
	finding_evidence(f, "/sys/class/net: %s%s", *nets.name ? nets.name : "no PCI function",
			 *nets.name ? " is a PCI function" : "");
	finding_evidence(f,
			 "hw_counters of %u EFA NIC%s: rx_pkts %" PRIu64
			 ", unresponsive_remote_events %" PRIu64,
			 t.told, plural(t.told), t.rx_pkts, t.unresponsive);
	if (*nets.name)
		finding_say(f, DOCTOR_OK,
			    "the pod uses the node's network (%s), with the node's "
			    "security groups",
			    nets.name);
	else if (t.unresponsive && !t.rx_pkts)
		finding_say(
			f, DOCTOR_WARN,
			"the pod has a network of its own, but EFA goes by the security groups of "
			"the node, and nothing has ever come back over EFA");
	else
		finding_say(f, DOCTOR_OK,
			    "the pod has a network of its own; EFA does not use it: the "
			    "node's security groups count");
}
