/* SPDX-License-Identifier: Apache-2.0 */
/* B1 to B3: the driver is loaded, new enough, and has bound each device. */
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "doctor/efa.h"
#include "doctor/version.h"

#define RELEASE_MAX 96

void check_B1(const struct doctor *doctor, struct finding *f);
void check_B2(const struct doctor *doctor, struct finding *f);
void check_B3(const struct doctor *doctor, struct finding *f);

static const struct module {
	const char *name, *built_in; /* what is there when it is part of the kernel's image */
} modules[] = {
	{ "ib_core", "/sys/class/infiniband" },
	{ "ib_uverbs", "/sys/class/infiniband_verbs" },
	{ "efa", "/sys/bus/pci/drivers/efa" },
};

/* "6.1.148-173.267.amzn2023.x86_64"; "" when not told. */
static const char *kernel_release(const struct doctor *doctor, char *ret)
{
	if (sysroot_read(&doctor->root, ret, RELEASE_MAX, "/proc/sys/kernel/osrelease") <= 0)
		*ret = '\0';
	return ret;
}

/* Whether a file of the module lies where packages and DKMS put them; 1 too when none can be
 * looked for. */
static bool module_file(const struct doctor *doctor, const char *release)
{
	static const char *const folders[] = {
		"updates/dkms", "extra", "updates", "extra/efa", "kernel/drivers/infiniband/hw/efa",
	};
	static const char *const ends[] = { "", ".xz", ".zst", ".gz" };

	if (!*release || sysroot_exists(&doctor->root, "/lib/modules/%s", release))
		return true;
	for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++)
		for (size_t j = 0; j < sizeof(ends) / sizeof(ends[0]); j++)
			if (!sysroot_exists(&doctor->root, "/lib/modules/%s/%s/efa.ko%s", release,
					    folders[i], ends[j]))
				return true;
	return false;
}

static void say_missing(const struct doctor *doctor, struct finding *f, struct name_list *missing,
			bool efa)
{
	char release[RELEASE_MAX];

	kernel_release(doctor, release);
	if (efa && !module_file(doctor, release)) {
		finding_evidence(f, "/lib/modules/%s: no efa.ko", release);
		finding_say(f, DOCTOR_FAIL,
			    "the driver efa is not loaded, and there is none for the running "
			    "kernel %s",
			    release);
		finding_fix(f,
			    "sudo dkms autoinstall -k %s && sudo modprobe efa # without DKMS: %s",
			    release, EFA_INSTALL);
		return;
	}
	finding_say(f, DOCTOR_FAIL, "kernel module%s not loaded: %s%s", plural(missing->count),
		    name_list_text(missing),
		    efa_in_container(doctor) ? " (to load on the host, not in this container)"
					     : "");
	if (!efa)
		finding_fix(f, "sudo modprobe -a ib_uverbs efa # Ubuntu, no such module: sudo "
			       "apt-get -y --with-new-pkgs upgrade && sudo reboot");
}

void check_B1(const struct doctor *doctor, struct finding *f)
{
	struct name_list missing = { 0 };
	bool efa = false;

	for (size_t i = 0; i < sizeof(modules) / sizeof(modules[0]); i++) {
		const struct module *module = &modules[i];

		if (!sysroot_exists(&doctor->root, "/sys/module/%s", module->name)) {
			finding_evidence(f, "/sys/module/%s: there", module->name);
		} else if (!sysroot_exists(&doctor->root, "%s", module->built_in)) {
			finding_evidence(f, "%s: there, /sys/module/%s not: built in",
					 module->built_in, module->name);
		} else {
			finding_evidence(f, "/sys/module/%s: not there", module->name);
			name_list_add(&missing, module->name);
			efa |= !strcmp(module->name, "efa");
		}
	}
	if (missing.count)
		say_missing(doctor, f, &missing, efa);
	else
		finding_say(f, DOCTOR_OK, "efa, ib_core and ib_uverbs are loaded or built in");
}

/* What a version lacks, "RDMA write (2.4.0), ..."; only what matters, or only the rest. */
static uint32_t lacks(const struct doctor_version *version, bool matters, char *ret, size_t room)
{
	uint32_t count = 0;
	size_t used = 0;

	*ret = '\0';
	for (uint32_t i = 0; i < efa_driver_rows_n; i++) {
		const struct efa_driver_row *row = &efa_driver_rows[i];

		if (row->device || row->matters != matters ||
		    doctor_version_compare(version, &row->version) >= 0)
			continue;
		count++;
		used += (size_t)snprintf(ret + used, room - used, "%s%s (%u.%u.%u)",
					 used ? ", " : "", row->what, row->version.major,
					 row->version.minor, row->version.patch);
		if (used >= room)
			break;
	}
	return count;
}

void check_B2(const struct doctor *doctor, struct finding *f)
{
	char text[64], release[RELEASE_MAX], without[320];
	struct doctor_version version;

	kernel_release(doctor, release);
	if (sysroot_read(&doctor->root, text, sizeof(text), "/sys/module/efa/version") <= 0 &&
	    sysroot_read(&doctor->root, text, sizeof(text),
			 "/sys/bus/pci/drivers/efa/module/version") <= 0) {
		finding_evidence(f, "/sys/module/efa/version: not there");
		finding_say(f, DOCTOR_OK,
			    "the driver efa is that of the kernel %s, without a version of its own "
			    "(B8 shows what it does)",
			    release);
		return;
	}
	finding_evidence(f, "/sys/module/efa/version: %s", text);
	if (!doctor_version_parse(&version, text)) {
		finding_say(f, DOCTOR_UNKNOWN, "the driver's version '%s' cannot be read", text);
		return;
	}
	if (lacks(&version, true, without, sizeof(without))) {
		finding_say(f, DOCTOR_WARN, "the driver efa %s is old: it lacks %s", text, without);
	} else if (lacks(&version, false, without, sizeof(without))) {
		finding_say(f, DOCTOR_OK, "driver efa %s; newer ones add %s", text, without);
	} else {
		finding_say(f, DOCTOR_OK, "driver efa %s", text);
	}
}

/* The devices by what became of them. */
struct bound {
	struct name_list unbound, foreign, nameless;
	char first[32];  /* PCI address of one that is not usable */
	uint32_t id;     /* of an unbound one */
	char driver[32]; /* of a foreign one */
	int usable;
};

static int first_name(void *ctx, const char *name)
{
	(void)ctx;
	(void)name;
	return 1;
}

static void sort_function(const struct doctor *doctor, struct finding *f,
			  const struct host_pci *pci, struct bound *bound)
{
	bool named = sysroot_each(&doctor->root, 16, first_name, NULL,
				  "/sys/bus/pci/devices/%s/infiniband", pci->name) == 1;

	if (!*pci->driver) {
		name_list_add(&bound->unbound, pci->name);
		bound->id = pci->device;
	} else if (strcmp(pci->driver, "efa")) {
		name_list_add(&bound->foreign, pci->name);
		snprintf(bound->driver, sizeof(bound->driver), "%s", pci->driver);
	} else if (!named) {
		name_list_add(&bound->nameless, pci->name);
	} else {
		bound->usable++;
		return;
	}
	if (!*bound->first)
		memcpy(bound->first, pci->name, sizeof(bound->first));
	finding_evidence(f, "/sys/bus/pci/devices/%s (%04x:%04x): driver %s, RDMA device %s",
			 pci->name, pci->vendor, pci->device, *pci->driver ? pci->driver : "none",
			 named ? "there" : "none");
}

static void say_unbound(const struct doctor *doctor, struct finding *f, enum doctor_verdict verdict,
			struct bound *bound)
{
	const struct efa_driver_row *row = efa_driver_binds(bound->id);
	struct doctor_version version;
	char text[64];

	if (row && sysroot_read(&doctor->root, text, sizeof(text), "/sys/module/efa/version") > 0 &&
	    doctor_version_parse(&version, text) &&
	    doctor_version_compare(&version, &row->version) < 0) {
		finding_say(f, verdict,
			    "the driver efa %s is older than the device 1d0f:%04x, which needs "
			    "%u.%u.%u: %s",
			    text, bound->id, row->version.major, row->version.minor,
			    row->version.patch, name_list_text(&bound->unbound));
		finding_fix(f, "%s", EFA_INSTALL);
		return;
	}
	finding_say(f, verdict, "no driver is bound to %u EFA device%s (1d0f:%04x): %s",
		    bound->unbound.count, plural(bound->unbound.count), bound->id,
		    name_list_text(&bound->unbound));
	finding_fix(f, "sudo dmesg | grep -i efa; echo %s | sudo tee /sys/bus/pci/drivers/efa/bind",
		    bound->first);
}

void check_B3(const struct doctor *doctor, struct finding *f)
{
	struct bound bound = { 0 };
	enum doctor_verdict verdict;
	struct host_pci *found;
	int count = efa_functions(doctor, &found);

	if (count < 0) {
		finding_unread(f, count, "/sys/bus/pci/devices");
		return;
	}
	for (int i = 0; i < count; i++)
		sort_function(doctor, f, &found[i], &bound);
	verdict = bound.usable ? DOCTOR_WARN : DOCTOR_FAIL;
	if (bound.unbound.count) {
		say_unbound(doctor, f, verdict, &bound);
	} else if (bound.foreign.count) {
		finding_say(f, verdict, "the driver %s, not efa, has %s", bound.driver,
			    name_list_text(&bound.foreign));
		finding_fix(f,
			    "sudo driverctl unset-override %s # it was given to a guest or to DPDK",
			    bound.first);
	} else if (bound.nameless.count) {
		finding_say(f, verdict,
			    "the driver efa has %s, but there is no RDMA device: it failed, or the "
			    "device is another network namespace's",
			    name_list_text(&bound.nameless));
		finding_fix(f, "sudo dmesg | grep -i efa; rdma system show; rdma link show");
	} else {
		finding_say(f, DOCTOR_OK, "%d EFA device%s bound to efa, %s an RDMA device", count,
			    plural(count), count == 1 ? "with" : "each with");
	}
	mem_free(found);
}
