/* SPDX-License-Identifier: Apache-2.0 */
/* G3, G4, G6: what a node's kubelet and slurmd give to pods and jobs. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "doctor/container.h"
#include "doctor/efa.h"
#include "doctor/machine.h"
#include "doctor/memlock.h"
#include "host/pick.h"

#define PLUGINS_DIR  "/var/lib/kubelet/device-plugins"
#define PLUGIN_SOCK  PLUGINS_DIR "/aws-efa-device-plugin.sock"
#define CHECKPOINT   PLUGINS_DIR "/kubelet_internal_checkpoint"
#define DRIVERS_DIR  "/var/lib/kubelet/plugins_registry"
#define LOGS_DIR     "/var/log/containers"
#define RESOURCE     "vpc.amazonaws.com/efa"
#define TEXT_MAX     (1 << 20)
#define ENTRIES_MAX  65536 /* of /proc, of a directory of logs */
#define UVERBS_NODES 4096  /* of /dev/infiniband */

void check_G3(const struct doctor *doctor, struct finding *f);
void check_G4(const struct doctor *doctor, struct finding *f);
void check_G6(const struct doctor *doctor, struct finding *f);

/* The name of a registered driver that gives EFA devices out by claims instead; "" for none. */
static int look_at_driver(void *ctx, const char *name)
{
	if (!strstr(name, "dra.net") && !strstr(name, "dranet") && !strstr(name, "efa"))
		return 0;
	snprintf(ctx, SYSROOT_NAME_MAX, "%s", name);
	return 1;
}

struct log {
	const struct doctor *doctor;
	char name[256]; /* of the plugin's log that says it found none; "" */
};

static int look_at_log(void *ctx, const char *name)
{
	struct log *log = ctx;
	char text[16384];

	if (strncmp(name, "aws-efa-k8s-device-plugin", 25) ||
	    sysroot_read(&log->doctor->root, text, sizeof(text), LOGS_DIR "/%s", name) < 0 ||
	    !strstr(text, "No valid EFA devices found"))
		return 0;
	snprintf(log->name, sizeof(log->name), "%s", name);
	return 1;
}

void check_G3(const struct doctor *doctor, struct finding *f)
{
	struct log log = { .doctor = doctor };
	char driver[SYSROOT_NAME_MAX] = "";
	int efas = doctor_efa_functions(doctor), rc;

	if (container_kind(doctor, f)) {
		finding_say(f, DOCTOR_SKIPPED,
			    "the plugin is seen from the node, not from a container");
		return;
	}
	rc = sysroot_exists(&doctor->root, PLUGINS_DIR);
	if (rc == -ENOENT) {
		finding_say(f, DOCTOR_SKIPPED, "this is no node of Kubernetes");
		return;
	}
	if (!rc)
		rc = sysroot_exists(&doctor->root, PLUGIN_SOCK);
	if (rc && rc != -ENOENT) {
		finding_unread(f, rc, PLUGIN_SOCK);
		return;
	}
	sysroot_each(&doctor->root, ENTRIES_MAX, look_at_log, &log, LOGS_DIR);
	sysroot_each(&doctor->root, ENTRIES_MAX, look_at_driver, driver, DRIVERS_DIR);
	finding_evidence(f, PLUGIN_SOCK ": %s", rc ? "not there" : "there");
	finding_evidence(f, "/sys/bus/pci/devices: %d EFA function%s", efas, plural(efas));
	if (*log.name)
		finding_evidence(f, LOGS_DIR "/%s: No valid EFA devices found", log.name);
	if (!efas && *log.name) {
		finding_say(f, DOCTOR_WARN,
			    "the EFA device plugin runs on a node without EFA, where "
			    "it ends again and again");
		finding_fix(f, "helm upgrade efa eks/aws-efa-k8s-device-plugin -n kube-system "
			       "--reset-values # its own list of types has those with EFA only");
	} else if (!efas) {
		finding_say(f, DOCTOR_OK, "a node without EFA, and no plugin that looks for it");
	} else if (rc && *driver) {
		finding_evidence(f, DRIVERS_DIR "/%s: there", driver);
		finding_say(f, DOCTOR_OK,
			    "no EFA device plugin, but a driver that gives devices out by "
			    "claims: %s",
			    driver);
	} else if (rc) {
		finding_say(f, DOCTOR_WARN,
			    "the EFA device plugin has not registered with kubelet%s: "
			    "pods are given no EFA device",
			    *log.name ? " (it found no device)" : "");
	} else {
		finding_say(f, DOCTOR_OK, "the EFA device plugin serves pods on this node");
	}
}

/* Names of RDMA devices that are not EFA's. */
struct foreign {
	const struct doctor *doctor;
	const struct host_nic *nics;
	int nics_n;
	uint32_t seen, efa;
	struct name_list names;
};

static const struct host_nic *nic_of(const struct foreign *foreign, const char *name, bool node)
{
	for (int i = 0; i < foreign->nics_n; i++) {
		const struct host_nic *nic = &foreign->nics[i];

		if (!strcmp(node ? nic->uverbs : nic->name, name))
			return nic;
	}
	return NULL;
}

static void look_at_device(struct foreign *foreign, const char *name, bool node)
{
	const struct host_nic *nic = nic_of(foreign, name, node);

	foreign->seen++;
	if (!nic)
		return;
	if (efa_is_nic(nic))
		foreign->efa++;
	else
		name_list_add(&foreign->names, nic->name);
}

static int look_at_node(void *ctx, const char *name)
{
	if (!strncmp(name, "uverbs", 6))
		look_at_device(ctx, name, true);
	return 0;
}

static bool look_at_registered(void *ctx, const char *key, const char *value)
{
	char name[64];

	(void)key;
	if (pick_text(value, name, sizeof(name)))
		look_at_device(ctx, name, false);
	return true;
}

/* Those that kubelet gives out as EFA. 0, or -errno. */
static int read_registered(const struct doctor *doctor, struct foreign *foreign)
{
	static const char path[] = "Data/RegisteredDevices";
	char *text = mem_alloc(TEXT_MAX);
	const char *registered;
	int rc = -ENOMEM;

	if (text)
		rc = sysroot_read(&doctor->root, text, TEXT_MAX, CHECKPOINT);
	if (rc >= 0) {
		/* The name of the resource has a '/' in it. */
		registered = pick_path(text, path);
		pick_each(registered ? pick_member(registered, RESOURCE) : NULL, look_at_registered,
			  foreign);
	}
	mem_free(text);
	return rc < 0 ? rc : 0;
}

static void judge_foreign(struct foreign *foreign, bool container, int efas, struct finding *f)
{
	finding_evidence(f, "%s: %u device%s, %u of EFA",
			 container ? "/dev/infiniband" : CHECKPOINT, foreign->seen,
			 plural(foreign->seen), foreign->efa);
	if (foreign->names.count)
		finding_say(f, DOCTOR_WARN, "%s %s no EFA device%s, but %s",
			    name_list_text(&foreign->names),
			    foreign->names.count == 1 ? "is" : "are", plural(foreign->names.count),
			    container ? "this container was given it all the same"
				      : "the plugin gives it to pods as one");
	else if (!container && (int)foreign->seen > efas)
		finding_say(
			f, DOCTOR_WARN,
			"the plugin gives out %u EFA devices, but there are %d: it counts others",
			foreign->seen, efas);
	else
		finding_say(f, DOCTOR_OK, "%u device%s given %s, none that is not EFA's",
			    foreign->seen, plural(foreign->seen),
			    container ? "to this container" : "to pods");
}

void check_G4(const struct doctor *doctor, struct finding *f)
{
	bool container = container_kind(doctor, f) != CONTAINER_NONE;
	struct foreign foreign = { .doctor = doctor };
	struct host_nic *nics = NULL;
	int rc;

	if (*doctor->root.sysfs) {
		finding_say(f, DOCTOR_SKIPPED, "emulated devices have no device nodes");
		return;
	}
	foreign.nics_n = efa_nics(doctor, &nics);
	foreign.nics = nics;
	if (container)
		rc = sysroot_each(&doctor->root, UVERBS_NODES, look_at_node, &foreign,
				  "/dev/infiniband");
	else
		rc = read_registered(doctor, &foreign);
	if (rc == -ENOENT)
		finding_say(f, DOCTOR_SKIPPED,
			    container ? "this container was given no RDMA device at all"
				      : "this is no container, and no node of Kubernetes");
	else if (rc)
		finding_unread(f, rc, container ? "/dev/infiniband" : CHECKPOINT);
	else
		judge_foreign(&foreign, container, doctor_efa_functions(doctor), f);
	if (foreign.nics_n >= 0)
		mem_free(nics);
}

struct daemon {
	const struct doctor *doctor;
	char pid[32]; /* of slurmd; "" */
};

static int look_at_process(void *ctx, const char *name)
{
	struct daemon *daemon = ctx;
	char comm[32];

	if (*name < '1' || *name > '9' || strlen(name) >= sizeof(daemon->pid) ||
	    sysroot_read(&daemon->doctor->root, comm, sizeof(comm), "/proc/%s/comm", name) < 0 ||
	    strcmp(comm, "slurmd"))
		return 0;
	strcpy(daemon->pid, name);
	return 1;
}

/* A job's limit beside slurmd's own. */
static void judge_job(const struct doctor *doctor, const struct memlock *daemon, struct finding *f)
{
	struct memlock job;
	char text[32];

	if (!doctor_getenv(doctor, "SLURM_JOB_ID") || memlock_read(doctor, "self", &job) ||
	    job.exempt || job.soft >= MEMLOCK_ENOUGH) {
		finding_say(f, DOCTOR_OK, "slurmd may lock memory (%s), and its jobs with it",
			    machine_bytes(daemon->soft, text, sizeof(text)));
		return;
	}
	machine_bytes(job.soft, text, sizeof(text));
	finding_evidence(f, "/proc/self/limits: Max locked memory %s", text);
	finding_say(
		f, job.soft >= MEMLOCK_ENDPOINT ? DOCTOR_WARN : DOCTOR_FAIL,
		"this job may lock %s only, though slurmd may lock enough: Slurm has brought the "
		"limit of the machine that submitted it",
		text);
	finding_fix(f, "echo PropagateResourceLimitsExcept=MEMLOCK | sudo tee -a "
		       "/etc/slurm/slurm.conf; sudo scontrol reconfigure");
}

void check_G6(const struct doctor *doctor, struct finding *f)
{
	bool job = doctor_getenv(doctor, "SLURM_JOB_ID") != NULL;
	struct daemon daemon = { .doctor = doctor };
	struct memlock limit, own;
	char text[32];
	int rc;

	sysroot_each(&doctor->root, ENTRIES_MAX, look_at_process, &daemon, "/proc");
	if (!*daemon.pid) {
		finding_say(
			f, job ? DOCTOR_UNKNOWN : DOCTOR_SKIPPED,
			job ? "cannot be told: this is a job of Slurm, but its slurmd is not seen "
			      "from here"
			    : "no slurmd runs here");
		return;
	}
	rc = memlock_read(doctor, daemon.pid, &limit);
	if (rc) {
		snprintf(text, sizeof(text), "/proc/%.10s/limits", daemon.pid);
		finding_unread(f, rc, text);
		return;
	}
	/* Its capabilities are root's; those of its jobs are not. */
	finding_evidence(f, "/proc/%s/limits (slurmd): Max locked memory %s", daemon.pid,
			 machine_bytes(limit.soft, text, sizeof(text)));
	if (limit.soft >= MEMLOCK_ENOUGH)
		judge_job(doctor, &limit, f);
	/* UsePAM=1 and limits.conf, a prolog: jobs need not have slurmd's own. */
	else if (job && !memlock_read(doctor, "self", &own) && own.soft >= MEMLOCK_ENOUGH)
		finding_say(f, DOCTOR_OK,
			    "slurmd may lock %s of memory only, but this job more than enough",
			    text);
	else
		finding_say(f, limit.soft >= MEMLOCK_ENDPOINT ? DOCTOR_WARN : DOCTOR_FAIL,
			    "slurmd may lock %s of memory only, and so may its jobs", text);
}
