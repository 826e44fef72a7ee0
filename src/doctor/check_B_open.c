/* SPDX-License-Identifier: Apache-2.0 */
/* B4 and B5: device nodes, and the one RDMA device that hides all of EFA. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "doctor/efa.h"
#include "doctor/version.h"

void check_B4(const struct doctor *doctor, struct finding *f);
void check_B5(const struct doctor *doctor, struct finding *f);

/* EFA devices by what their nodes are. */
struct nodes {
	struct name_list absent, shut;
	int count, good;
	int error; /* of the last shut one */
};

static void sort_node(const struct doctor *doctor, struct finding *f, const struct host_nic *nic,
		      struct nodes *nodes)
{
	int rc = *nic->uverbs ? efa_try_node(doctor, nic->uverbs) : -ENOENT;
	char name[128];

	nodes->count++;
	if (!rc) {
		nodes->good++;
		return;
	}
	snprintf(name, sizeof(name), "%s (%s)", nic->name,
		 *nic->uverbs ? nic->uverbs : "no uverbs");
	finding_evidence(f, "/dev/infiniband/%s of %s: %s", *nic->uverbs ? nic->uverbs : "?",
			 nic->name, strerror(-rc));
	if (rc == -ENOENT) {
		name_list_add(&nodes->absent, name);
	} else {
		name_list_add(&nodes->shut, name);
		nodes->error = rc;
	}
}

static void say_shut(const struct doctor *doctor, struct finding *f, struct nodes *nodes)
{
	const char *names = name_list_text(&nodes->shut);

	if (nodes->error == -ENXIO)
		finding_say(f, DOCTOR_FAIL, "device node of another device or of none: %s", names);
	else
		finding_say(f, DOCTOR_FAIL, "device node that cannot be opened (%s): %s",
			    strerror(-nodes->error), names);
	if (efa_in_container(doctor))
		finding_fix(f, "docker run --device=/dev/infiniband/uverbsN ... # for each EFA "
			       "device; in Kubernetes: resources.limits vpc.amazonaws.com/efa, no "
			       "hostPath of /dev/infiniband");
	else if (nodes->error == -ENXIO)
		finding_fix(f, "sudo udevadm trigger --action=add "
			       "--subsystem-match=infiniband_verbs; ls -l /dev/infiniband");
	else
		finding_fix(f, "ls -l /dev/infiniband; sudo chmod a+rw /dev/infiniband/uverbs* # "
			       "as the kernel makes them");
}

static void judge_nodes(const struct doctor *doctor, struct finding *f, struct nodes *nodes)
{
	if (!nodes->count) {
		finding_say(f, DOCTOR_FAIL, "no RDMA device of EFA is there");
	} else if (nodes->shut.count) {
		say_shut(doctor, f, nodes);
	} else if (nodes->absent.count && nodes->good && efa_in_container(doctor)) {
		finding_say(f, DOCTOR_OK, "this container has %d of the host's %d EFA devices",
			    nodes->good, nodes->count);
	} else if (nodes->absent.count) {
		finding_say(f, nodes->good ? DOCTOR_WARN : DOCTOR_FAIL,
			    "no device node for %d of %d EFA devices%s: %s",
			    nodes->count - nodes->good, nodes->count,
			    efa_in_container(doctor) ? ", so this container does not have them"
						     : "",
			    name_list_text(&nodes->absent));
		if (!efa_in_container(doctor))
			finding_fix(f, "sudo modprobe ib_uverbs; sudo udevadm trigger --action=add "
				       "--subsystem-match=infiniband_verbs # in a container: "
				       "docker run --device=/dev/infiniband/uverbs0 ...");
	} else {
		finding_say(f, DOCTOR_OK, "the device node%s of %d EFA device%s can be opened",
			    plural(nodes->count), nodes->count, plural(nodes->count));
	}
}

void check_B4(const struct doctor *doctor, struct finding *f)
{
	struct nodes nodes = { 0 };
	struct host_nic *nics;
	int count;

	if (*doctor->root.sysfs) {
		finding_say(f, DOCTOR_SKIPPED, "emulated devices have no device nodes");
		return;
	}
	count = efa_nics(doctor, &nics);
	if (count < 0) {
		finding_unread(f, count, "/sys/class/infiniband");
		return;
	}
	for (int i = 0; i < count; i++)
		if (efa_is_nic(&nics[i]))
			sort_node(doctor, f, &nics[i], &nodes);
	judge_nodes(doctor, f, &nodes);
	mem_free(nics);
}

/* What opening all RDMA devices showed. */
struct opened {
	struct name_list offenders; /* do not open */
	struct name_list others;    /* open, and are no EFA devices */
	int count;
	char why[80]; /* of the first offender */
	char node[32];
	bool asked; /* by the helper, not by looking at the nodes */
};

static const struct host_nic *nic_named(const struct host_nic *nics, int count, const char *name)
{
	for (int i = 0; i < count; i++)
		if (!strcmp(nics[i].name, name))
			return &nics[i];
	return NULL;
}

/* why: NULL when it opened. nic: NULL when sysfs does not have it. */
static void sort_opened(struct finding *f, struct opened *opened, const char *name,
			const struct host_nic *nic, const char *why)
{
	bool efa = nic && efa_is_nic(nic);
	const char *driver = nic && *nic->driver ? nic->driver : "no EFA";
	char text[128];

	opened->count++;
	if (efa)
		snprintf(text, sizeof(text), "%s", name);
	else
		snprintf(text, sizeof(text), "%s (%s)", name, driver);
	if (why) {
		finding_evidence(f, "open %s: %s", text, why);
		if (!opened->offenders.count) {
			snprintf(opened->why, sizeof(opened->why), "%s", why);
			snprintf(opened->node, sizeof(opened->node), "%s",
				 nic && *nic->uverbs ? nic->uverbs : "uverbsN");
		}
		name_list_add(&opened->offenders, text);
	} else if (!efa) {
		finding_evidence(f, "open %s: ok, no EFA device", text);
		name_list_add(&opened->others, text);
	}
}

static void ask_probe(const struct doctor *doctor, struct finding *f, const struct host_nic *nics,
		      int count, struct opened *opened)
{
	char key[32], name[64], why[80];

	for (int i = 0; i < HOST_NICS_MAX; i++) {
		snprintf(key, sizeof(key), "dev.%d", i);
		if (!doctor_probe(doctor, key, name, sizeof(name)))
			return;
		snprintf(key, sizeof(key), "dev.%d.open", i);
		opened->asked = true;
		if (!doctor_probe(doctor, key, why, sizeof(why))) {
			/* It got no further: what comes behind is not at fault. */
			sort_opened(f, opened, name, nic_named(nics, count, name),
				    "opening it did not end, or ended who opened it");
			return;
		}
		sort_opened(f, opened, name, nic_named(nics, count, name),
			    strcmp(why, "ok") ? why : NULL);
	}
}

/* As libibverbs does: a device without a node is none. */
static void look_at_nodes(const struct doctor *doctor, struct finding *f,
			  const struct host_nic *nics, int count, struct opened *opened)
{
	for (int i = 0; i < count; i++) {
		int rc = *nics[i].uverbs ? efa_try_node(doctor, nics[i].uverbs) : -ENOENT;

		if (rc != -ENOENT)
			sort_opened(f, opened, nics[i].name, &nics[i], rc ? strerror(-rc) : NULL);
	}
}

/* What fi_getinfo() found: above 0 so many, 0 none, -1 not asked. */
static int fi_found(const struct doctor *doctor)
{
	char text[64];

	if (!doctor_probe(doctor, "fi.efa", text, sizeof(text)))
		return -1;
	return strspn(text, "0123456789") == strlen(text) ? atoi(text) : 0;
}

static void say_offender(const struct doctor *doctor, struct finding *f, struct opened *opened)
{
	const char *names = name_list_text(&opened->offenders);

	if (fi_found(doctor) > 0)
		finding_say(
			f, DOCTOR_WARN,
			"%s cannot be opened: %s; this libfabric passes over it, those up to 2.6 "
			"find no EFA device then",
			names, opened->why);
	else
		finding_say(
			f, DOCTOR_FAIL,
			"%s cannot be opened: %s; libfabric up to 2.6 then finds no EFA device at "
			"all, however many are well",
			names, opened->why);
	if (efa_in_container(doctor))
		finding_fix(
			f,
			"# start the container anew without /dev/infiniband/%s: EFA's nodes alone "
			"(docker run --device=, resources.limits vpc.amazonaws.com/efa), no "
			"hostPath of /dev/infiniband. Do not remove the node in the container: by "
			"a hostPath it is the host's",
			opened->node);
	else
		finding_fix(f,
			    "ls -l /dev/infiniband/%s; sudo chmod a+rw /dev/infiniband/%s # or "
			    "unload its driver, or take a libfabric newer than 2.6",
			    opened->node, opened->node);
}

/* Before 2.2, libfabric gives up at a device that opens and is not EFA's, too. */
static bool stops_at_others(const struct doctor *doctor, char *version, size_t room)
{
	static const struct doctor_version passes = { 2, 2, 0 };
	struct doctor_version have;

	return fi_found(doctor) == 0 && doctor_probe(doctor, "libfabric", version, room) &&
	       doctor_version_parse(&have, version) && doctor_version_compare(&have, &passes) < 0;
}

static void judge_opened(const struct doctor *doctor, struct finding *f, struct opened *opened)
{
	char version[48];

	if (opened->offenders.count) {
		say_offender(doctor, f, opened);
	} else if (opened->others.count && stops_at_others(doctor, version, sizeof(version))) {
		finding_say(f, DOCTOR_FAIL,
			    "libfabric %s gives up on EFA at %s, no EFA device; from 2.2 on it "
			    "passes over such",
			    version, name_list_text(&opened->others));
		finding_fix(f, "%s # or unload the driver of the other device", EFA_INSTALL);
	} else if (!opened->count) {
		finding_say(f, DOCTOR_UNKNOWN, "there is no RDMA device with a node to open");
	} else {
		finding_say(f, DOCTOR_OK, "%d RDMA device%s can be opened%s%s%s", opened->count,
			    plural(opened->count), opened->others.count ? ", also not EFA's: " : "",
			    opened->others.count ? name_list_text(&opened->others) : "",
			    opened->asked ? "" : " (by their nodes)");
	}
}

void check_B5(const struct doctor *doctor, struct finding *f)
{
	struct opened opened = { 0 };
	struct host_nic *nics = NULL;
	int count = efa_nics(doctor, &nics);

	if (count < 0)
		count = 0;
	ask_probe(doctor, f, nics, count, &opened);
	if (!opened.asked && !*doctor->root.sysfs)
		look_at_nodes(doctor, f, nics, count, &opened);
	judge_opened(doctor, f, &opened);
	mem_free(nics);
}
