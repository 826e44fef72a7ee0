/* SPDX-License-Identifier: Apache-2.0 */
/* B6 and B7: the libraries, and what libfabric finds. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "doctor/efa.h"

#define INSTALLED  "/opt/amazon/efa_installed_packages"
#define AMAZON     "/opt/amazon/efa/"
#define COPIES_MAX 8

void check_B6(const struct doctor *doctor, struct finding *f);
void check_B7(const struct doctor *doctor, struct finding *f);

/* Files libfabric.so.1 that are different ones. */
struct copies {
	char real[COPIES_MAX][SYSROOT_PATH_MAX];
	uint32_t count;
	struct name_list names;
};

static void find_copies(const struct doctor *doctor, struct finding *f, struct copies *copies)
{
	static const char *const folders[] = {
		"/opt/amazon/efa/lib64",     "/opt/amazon/efa/lib", "/usr/lib64",
		"/usr/lib/x86_64-linux-gnu", "/usr/local/lib",      "/usr/lib/aarch64-linux-gnu",
		"/usr/local/lib64",          "/opt/libfabric/lib",
	};
	char real[SYSROOT_PATH_MAX];
	uint32_t at;

	for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++) {
		if (sysroot_real(&doctor->root, real, sizeof(real), "%s/libfabric.so.1",
				 folders[i]))
			continue;
		for (at = 0; at < copies->count && strcmp(copies->real[at], real); at++)
			;
		if (at < copies->count || copies->count == COPIES_MAX)
			continue;
		snprintf(copies->real[copies->count++], sizeof(real), "%s", real);
		name_list_add(&copies->names, folders[i]);
		finding_evidence(f, "%s/libfabric.so.1: there", folders[i]);
	}
}

/* "1.47.0" of the line "# EFA installer version: 1.47.0"; "" when it was not installed so. */
static void installer_version(const struct doctor *doctor, char *ret, size_t room)
{
	static const char key[] = "EFA installer version:";
	char text[4096], *at;

	*ret = '\0';
	if (sysroot_read(&doctor->root, text, sizeof(text), INSTALLED) <= 0)
		return;
	at = strstr(text, key);
	if (!at)
		return;
	at += sizeof(key) - 1;
	at += strspn(at, " \t");
	snprintf(ret, room, "%.*s", (int)strcspn(at, " \t\r\n"), at);
}

/* A library that the helper could not load; NULL: none. */
static const char *absent_library(const struct doctor *doctor, struct finding *f, char *why,
				  size_t room)
{
	static const struct {
		const char *key, *name;
	} rows[] = {
		{ "libfabric", "libfabric.so.1" },
		{ "ibverbs", "libibverbs.so.1" },
		{ "efa_lib", "libefa.so.1" },
	};
	const char *absent = NULL;
	char text[256];

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (!doctor_probe(doctor, rows[i].key, text, sizeof(text)))
			continue;
		finding_evidence(f, "%s: %s", rows[i].name, text);
		if (absent || strncmp(text, "absent", 6))
			continue;
		absent = rows[i].name;
		snprintf(why, room, "%s", text + 6 + strspn(text + 6, ": "));
	}
	return absent;
}

static void say_unasked(const struct doctor *doctor, struct finding *f, struct copies *copies)
{
	char died[128];

	if (efa_died(doctor, "libfabric", died, sizeof(died))) {
		finding_say(f, efa_was_late(died) ? DOCTOR_UNKNOWN : DOCTOR_FAIL,
			    "loading libfabric ended the helper: %s", died);
		finding_fix(f, "weft-doctor-probe; ldd $(command -v weft-doctor-probe)");
		return;
	}
	if (!copies->count)
		finding_say(f, DOCTOR_UNKNOWN,
			    "no library was asked (%s), and no libfabric.so.1 is in the usual "
			    "directories",
			    doctor->probe_why ? doctor->probe_why : "no helper");
	else
		finding_say(f, DOCTOR_UNKNOWN,
			    "libfabric.so.1 is in %s, but none was loaded and asked (%s)",
			    name_list_text(&copies->names),
			    doctor->probe_why ? doctor->probe_why : "no helper");
}

static void judge_libraries(const struct doctor *doctor, struct finding *f, struct copies *copies,
			    const char *version)
{
	char path[256] = "", verbs[96] = "?", installer[32];
	bool amazon;

	doctor_probe(doctor, "libfabric_path", path, sizeof(path));
	doctor_probe(doctor, "ibverbs", verbs, sizeof(verbs));
	installer_version(doctor, installer, sizeof(installer));
	if (*installer)
		finding_evidence(f, INSTALLED ": EFA installer %s", installer);
	if (*path)
		finding_evidence(f, "loaded: %s", path);
	amazon = !strncmp(path, AMAZON, strlen(AMAZON));
	if (copies->count > 1 && !amazon) {
		finding_say(f, DOCTOR_WARN,
			    "%u libfabrics are installed (%s); %s, version %s, is the one loaded",
			    copies->count, name_list_text(&copies->names),
			    *path ? path : "one of them", version);
		finding_fix(f, "export "
			       "LD_LIBRARY_PATH=/opt/amazon/efa/lib64:/opt/amazon/efa/"
			       "lib:$LD_LIBRARY_PATH # or remove the copy that nothing needs: "
			       "ldconfig -p | grep libfabric");
		return;
	}
	finding_say(f, DOCTOR_OK, "libfabric %s%s%s%s, libibverbs (%s), libefa%s%s", version,
		    *path ? " (" : "", path, *path ? ")" : "", verbs,
		    *installer ? "; EFA installer " : "", installer);
}

void check_B6(const struct doctor *doctor, struct finding *f)
{
	struct copies *copies = mem_zalloc(sizeof(*copies));
	char why[256], version[64];
	const char *absent;

	if (!copies) {
		finding_say(f, DOCTOR_UNKNOWN, "no memory");
		return;
	}
	find_copies(doctor, f, copies);
	absent = absent_library(doctor, f, why, sizeof(why));
	if (absent)
		finding_say(f, DOCTOR_FAIL, "%s cannot be loaded: %s", absent, why);
	else if (!doctor_probe(doctor, "libfabric", version, sizeof(version)))
		say_unasked(doctor, f, copies);
	else
		judge_libraries(doctor, f, copies, version);
	mem_free(copies);
}

/* Devices of EFA that have a node, or are emulated: those that libfabric can have. */
static uint32_t devices_to_have(const struct doctor *doctor)
{
	struct host_nic *nics;
	uint32_t have = 0;
	int count = efa_nics(doctor, &nics);

	if (count < 0)
		return 0;
	for (int i = 0; i < count; i++)
		have += efa_is_nic(&nics[i]) && *nics[i].uverbs &&
			(*doctor->root.sysfs || !efa_try_node(doctor, nics[i].uverbs));
	mem_free(nics);
	return have;
}

/* Whether FI_PROVIDER leaves efa out: a list of names, or with '^' in front of those to leave. */
static bool filtered(const struct doctor *doctor)
{
	const char *filter = doctor_getenv(doctor, "FI_PROVIDER");

	return filter && *filter && (*filter == '^') == !!strstr(filter, "efa");
}

static void say_none(const struct doctor *doctor, struct finding *f, const char *answer)
{
	const char *iface = doctor_getenv(doctor, "FI_EFA_IFACE");
	char providers[512] = "";
	bool listed;

	doctor_probe(doctor, "fi.providers", providers, sizeof(providers));
	listed = !*providers || strstr(providers, "efa");
	if (*providers)
		finding_evidence(f, "providers of libfabric: %s", providers);
	if (filtered(doctor)) {
		finding_say(f, DOCTOR_FAIL, "FI_PROVIDER=%s leaves the provider efa out",
			    doctor_getenv(doctor, "FI_PROVIDER"));
		finding_fix(f, "unset FI_PROVIDER");
	} else if (!listed) {
		finding_say(f, DOCTOR_FAIL, "this libfabric has no provider efa (it has: %.200s)",
			    providers);
		finding_fix(f, "%s", EFA_INSTALL);
	} else if (iface && strcmp(iface, "all")) {
		finding_say(f, DOCTOR_FAIL,
			    "libfabric finds no EFA device (%s) with FI_EFA_IFACE=%s", answer,
			    iface);
		finding_fix(f, "unset FI_EFA_IFACE # the devices: ls /sys/class/infiniband");
	} else {
		finding_say(f, DOCTOR_FAIL,
			    "libfabric finds no EFA device (%s); B4 and B5 show what it could not "
			    "open",
			    answer);
	}
}

static void say_found(const struct doctor *doctor, struct finding *f, uint32_t found)
{
	uint32_t devices = devices_to_have(doctor);
	const char *iface = doctor_getenv(doctor, "FI_EFA_IFACE");
	char direct[64] = "none";

	doctor_probe(doctor, "fi.efa-direct", direct, sizeof(direct));
	finding_evidence(f, "fi_getinfo(efa, efa-direct): %s", direct);
	if (found < devices && !(iface && strcmp(iface, "all"))) {
		finding_say(f, DOCTOR_WARN, "libfabric offers %u of %u EFA devices", found,
			    devices);
		return;
	}
	finding_say(f, DOCTOR_OK, "libfabric offers %u EFA device%s%s%s; fabric efa-direct%s",
		    found, plural(found), iface ? " with FI_EFA_IFACE=" : "", iface ? iface : "",
		    atoi(direct) > 0 && strspn(direct, "0123456789") == strlen(direct)
			    ? " too"
			    : ": none (it came with libfabric 2.1)");
}

void check_B7(const struct doctor *doctor, struct finding *f)
{
	char text[128], died[128];

	if (!doctor_probe(doctor, "fi.efa", text, sizeof(text))) {
		if (efa_died(doctor, "libfabric", died, sizeof(died)) && efa_was_late(died)) {
			finding_say(f, DOCTOR_UNKNOWN,
				    "cannot be told: %s; the machine is busy, or libfabric waits "
				    "for a device (CUDA starts slowly without nvidia-persistenced)",
				    died);
			finding_fix(f, "time fi_info -p efa -t FI_EP_RDM");
		} else if (efa_died(doctor, "libfabric", died, sizeof(died))) {
			finding_say(f, DOCTOR_FAIL,
				    "fi_getinfo() did not end well: %s; libfabric aborts on some "
				    "variables (D1, D2)",
				    died);
			finding_fix(f, "env | grep ^FI_; weft doctor --only D1,D2");
		} else {
			finding_say(f, DOCTOR_UNKNOWN, "libfabric was not asked, or did not end");
		}
		return;
	}
	finding_evidence(f, "fi_getinfo(efa, efa): %s", text);
	if (strspn(text, "0123456789") == strlen(text) && atoi(text) > 0)
		say_found(doctor, f, (uint32_t)atoi(text));
	else
		say_none(doctor, f, text);
}
