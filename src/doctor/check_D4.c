/* SPDX-License-Identifier: Apache-2.0 */
/* D4, D5: variables that lead traffic away from the NIC, or to it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "doctor/efa_variables.h"
#include "doctor/machine.h"

static bool says_yes(const char *value)
{
	return efa_bool(value) == 1;
}

static bool says_no(const char *value)
{
	return efa_bool(value) == 0;
}

/* FI_PROVIDER: names with commas between them, all but those after a '^'; one in layers is
 * "core;layer". Source: libfabric src/fabric.c. */
static bool hides_efa(const char *value)
{
	bool negated = *value == '^', named = false;
	size_t len;

	for (const char *at = value + negated; *at; at += len, at += *at == ',') {
		len = strcspn(at, ",");
		/* "efa;ofi_rxd" turns down that pair only. */
		named |= len >= 3 && !strncasecmp(at, "efa", 3) &&
			 (len == 3 || (at[3] == ';' && !negated));
	}
	return *value && named == negated;
}

/* NCCL_NET is the name that a plugin gives itself: "AWS Libfabric", "Libfabric", "OFI". */
static bool is_other_net(const char *value)
{
	return *value && !strcasestr(value, "libfabric") && !strcasestr(value, "ofi");
}

static bool is_none(const char *value)
{
	return !strcasecmp(value, "none");
}

/* Variables of D4: what they do when their value is told of. */
static const struct steer {
	const char *name;
	bool (*wrong)(const char *value);
	const char *what;
} steers[] = {
	{ "FI_PROVIDER", hides_efa,
	  "hides libfabric's provider efa: programs take another one or find none" },
	{ "FI_EFA_USE_DEVICE_RDMA", says_no,
	  "turns the device's RDMA off: reads and writes are made of messages by the processors" },
	{ "FI_HMEM_DISABLE_P2P", says_yes,
	  "keeps NICs off GPU memory: data is copied through the host's" },
	{ "NCCL_NET", is_other_net, "makes NCCL use that network instead of the EFA plugin" },
	{ "NCCL_NET_PLUGIN", is_none, "makes NCCL load no plugin: it falls back to sockets" },
};

void check_D4(const struct doctor *doctor, struct finding *f)
{
	const struct steer *first = NULL;
	const char *value;
	uint32_t wrong = 0;
	char more[32] = "";

	for (size_t i = 0; i < sizeof(steers) / sizeof(steers[0]); i++) {
		value = doctor_getenv(doctor, steers[i].name);
		if (!value)
			continue;
		finding_evidence(f, "%s=%.200s", steers[i].name, value);
		if (!steers[i].wrong(value))
			continue;
		if (!wrong++)
			first = &steers[i];
	}
	/* It is about NCCL's own InfiniBand code, which EFA does not use. */
	value = doctor_getenv(doctor, "NCCL_IB_DISABLE");
	if (value)
		finding_evidence(f, "NCCL_IB_DISABLE=%.200s (says nothing to the EFA plugin)",
				 value);
	if (!first) {
		finding_say(f, DOCTOR_OK, "no variable leads libfabric or NCCL away from EFA");
		return;
	}
	value = doctor_getenv(doctor, first->name);
	if (wrong > 1)
		snprintf(more, sizeof(more), "; and %u more", wrong - 1);
	finding_say(f, DOCTOR_WARN, "%s=%.100s %s%s", first->name, value, first->what, more);
	finding_fix(f, "unset %s", first->name);
}

void check_D5(const struct doctor *doctor, struct finding *f)
{
	static const char name[] = "FI_EFA_ENABLE_SHM_TRANSFER";
	const char *value = doctor_getenv(doctor, name);
	long number;

	if (!value) {
		finding_say(f, DOCTOR_OK,
			    "processes of this host reach each other by shared memory, not by the "
			    "NIC: a "
			    "test of the NIC on one host needs %s=0",
			    name);
		return;
	}
	finding_evidence(f, "%s=%.200s", name, value);
	number = strtol(value, NULL, 0);
	if (number)
		finding_say(
			f, DOCTOR_OK,
			"%s=%ld, as by default: a test on one host measures shared memory, not the "
			"NIC",
			name, number);
	else if (says_yes(value))
		finding_say(
			f, DOCTOR_WARN,
			"%s=%.20s turns shared memory off: libfabric takes a number here and reads "
			"this as 0",
			name, value);
	else
		finding_say(f, DOCTOR_WARN,
			    "%s=%.20s: processes of this host reach each other by the NIC, which "
			    "is right "
			    "for a test of the NIC and slow for anything else",
			    name, value);
}
