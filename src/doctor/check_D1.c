/* SPDX-License-Identifier: Apache-2.0 */
/* D1, D2: variables at which libfabric's provider efa calls abort(). */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "doctor/efa.h"
#include "doctor/efa_variables.h"
#include "doctor/machine.h"

/* From this release on the variables are read before the devices: also where there is none. */
#define BEFORE_DEVICES EFA_RELEASE(2, 2, 0)

/* Splits NAME=VALUE; false: it is none of the provider's. name is without EFA_PREFIX. */
static bool split(const char *variable, char *name, size_t room, const char **value)
{
	const char *equals = strchr(variable, '=');
	size_t skip = strlen(EFA_PREFIX);

	if (!equals || strncmp(variable, EFA_PREFIX, skip) != 0 ||
	    (size_t)(equals - variable) - skip >= room)
		return false;
	snprintf(name, room, "%.*s", (int)(equals - variable - (int)skip), variable + skip);
	*value = equals + 1;
	return true;
}

/* The row of a name whose being set aborts, in whatever release. */
static const struct efa_variable *aborting_row(const char *name)
{
	for (size_t i = efa_variables_count; i-- > 0;)
		if (!strcmp(efa_variables[i].name, name) &&
		    efa_variables[i].danger == EFA_ABORTS_IF_SET)
			return &efa_variables[i];
	return NULL;
}

static void note_aborting(struct finding *f, const struct efa_variable *row, const char *value)
{
	char since[32], until[32] = "";

	efa_release_text(row->since, since, sizeof(since));
	if (row->until)
		efa_release_text(row->until, until, sizeof(until));
	finding_evidence(f, EFA_PREFIX "%s=%.100s: libfabric from %s on%s%s aborts", row->name,
			 value, since, *until ? ", before " : "", until);
}

static void say_libfabric(struct finding *f, uint32_t release)
{
	char text[32];

	if (release)
		finding_evidence(f, "libfabric here: %s",
				 efa_release_text(release, text, sizeof(text)));
	else
		finding_evidence(f, "libfabric here: not told");
}

void check_D1(const struct doctor *doctor, struct finding *f)
{
	uint32_t release = machine_libfabric(doctor);
	struct name_list now = { .count = 0 }, other = { .count = 0 };
	const struct efa_variable *row;
	char name[128], full[160], text[32], unset[DOCTOR_TEXT_MAX / 2] = "";
	const char *value;

	for (char **at = doctor->environ; at && *at; at++) {
		if (!split(*at, name, sizeof(name), &value))
			continue;
		row = aborting_row(name);
		if (!row)
			continue;
		note_aborting(f, row, value);
		snprintf(full, sizeof(full), EFA_PREFIX "%s", name);
		snprintf(unset + strlen(unset), sizeof(unset) - strlen(unset), " %s", full);
		if (!release || efa_variable_find(name, release) == row)
			name_list_add(&now, full);
		else
			name_list_add(&other, full);
	}
	if (now.count + other.count)
		say_libfabric(f, release);
	if (now.count) {
		finding_say(f, DOCTOR_FAIL,
			    "%s %s set: libfabric gave %s up and aborts every program that "
			    "loads the provider efa%s",
			    name_list_text(&now), now.count == 1 ? "is" : "are",
			    now.count == 1 ? "it" : "them",
			    release >= BEFORE_DEVICES ? ", on a machine without EFA too" : "");
		finding_fix(f, "unset%s   # and take it out of the job's scripts", unset);
	} else if (other.count) {
		finding_say(f, DOCTOR_WARN,
			    "%s %s set, at which other releases of libfabric than %s here abort",
			    name_list_text(&other), other.count == 1 ? "is" : "are",
			    efa_release_text(release, text, sizeof(text)));
	} else {
		finding_say(f, DOCTOR_OK, "none of the variables is set that libfabric gave up");
	}
}

/* What is wrong with a value, a sentence without its stop; "" when the row has no such danger. */
static const char *danger_text(const struct efa_variable *row, const char *value)
{
	switch (row->danger) {
	case EFA_ABORTS_IF_BELOW_1:
		return "must be a number over 0, else senders would wait for each other for ever";
	case EFA_ABORTS_IF_EMPTY:
		return "is empty; it takes names of devices with commas between them, or all";
	case EFA_ABORTS_IF_NO_RDMA:
		return "asks for RDMA, which this device does not have";
	case EFA_ABORTS_IF_ODD:
		return efa_bool(value) < 0 ? "is neither 0, false, no, off nor 1, true, yes, on"
					   : "asks for RDMA, which this device does not have";
	case EFA_SAFE:
	case EFA_ABORTS_IF_SET:
		break;
	}
	return "";
}

void check_D2(const struct doctor *doctor, struct finding *f)
{
	uint32_t release = machine_libfabric(doctor), seen = 0, bad = 0;
	int rdma = machine_efa_can(doctor, EFA_CAN_RDMA_READ);
	const struct efa_variable *row;
	char name[128];
	const char *value;

	for (char **at = doctor->environ; at && *at; at++) {
		if (!split(*at, name, sizeof(name), &value))
			continue;
		row = efa_variable_find(name, release);
		if (!row || row->danger == EFA_SAFE || row->danger == EFA_ABORTS_IF_SET)
			continue;
		seen++;
		finding_evidence(f, "%.300s", *at);
		if (!efa_value_aborts(row, value, rdma) || bad++)
			continue;
		finding_say(f, DOCTOR_FAIL, EFA_PREFIX "%s=%.60s %s: libfabric aborts the program",
			    name, value, danger_text(row, value));
		finding_fix(f, "unset " EFA_PREFIX "%s", name);
	}
	if (bad > 1)
		finding_fix(f, "unset FI_EFA_TX_MIN_CREDITS FI_EFA_IFACE FI_EFA_USE_DEVICE_RDMA");
	if (seen)
		say_libfabric(f, release);
	if (seen && rdma >= 0)
		finding_evidence(f, "efadv_query_device: RDMA read: %s", rdma ? "yes" : "no");
	if (!bad)
		finding_say(f, DOCTOR_OK,
			    seen ? "the values that libfabric is strict about are sound"
				 : "no variable is set whose value libfabric is strict about");
}
