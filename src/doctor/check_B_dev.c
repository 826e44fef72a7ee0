/* SPDX-License-Identifier: Apache-2.0 */
/* B8 and B9: what the devices can do, their ports and addresses. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "doctor/efa.h"
#include "host/instance.h"

void check_B8(const struct doctor *doctor, struct finding *f);
void check_B9(const struct doctor *doctor, struct finding *f);

/* EFADV_DEVICE_ATTR_CAPS_* of rdma-core's efadv.h. */
static const char *const cap_names[] = {
	"RDMA read",
	"RNR retry",
	"sender's GID",
	"RDMA write",
	"unsolicited write recv",
	"completion queues in dmabuf",
	"event counters",
};

#define CAP_READ  (1U << 0)
#define CAP_WRITE (1U << 3)

static const char *caps_text(uint64_t caps, char *ret, size_t room)
{
	size_t used = 0;

	snprintf(ret, room, "neither RDMA nor RNR retry");
	for (size_t i = 0; i < sizeof(cap_names) / sizeof(cap_names[0]); i++)
		if (caps >> i & 1 && used < room)
			used += (size_t)snprintf(ret + used, room - used, "%s%s", used ? ", " : "",
						 cap_names[i]);
	return ret;
}

/* What the devices answered together. */
struct answers {
	int count;
	uint64_t all, any; /* capabilities that all have, that one has */
};

static void ask_devices(const struct doctor *doctor, struct finding *f, struct answers *answers)
{
	char key[48], name[64], text[64], most[32], caps[256];
	uint64_t value;

	for (int i = 0; i < HOST_NICS_MAX; i++) {
		snprintf(key, sizeof(key), "dev.%d", i);
		if (!doctor_probe(doctor, key, name, sizeof(name)))
			return;
		snprintf(key, sizeof(key), "dev.%d.efa.caps", i);
		if (!doctor_probe(doctor, key, text, sizeof(text)))
			continue;
		value = strtoull(text, NULL, 16);
		answers->all = answers->count++ ? answers->all & value : value;
		answers->any |= value;
		snprintf(key, sizeof(key), "dev.%d.efa.max_rdma_size", i);
		if (!doctor_probe(doctor, key, most, sizeof(most)))
			snprintf(most, sizeof(most), "?");
		finding_evidence(f, "%s: %s; RDMA up to %s bytes", name,
				 caps_text(value, caps, sizeof(caps)), most);
	}
}

/* What the type has and no device admits to, "write" or "read"; NULL: nothing. */
static const char *withheld(const struct doctor *doctor, uint64_t caps, char *type, size_t room)
{
	const struct host_instance *row = NULL;

	if (doctor_instance_type(doctor, type, room))
		row = host_instance_find(type);
	if (!row || !row->rdma_known)
		return NULL;
	if (row->rdma_read && !(caps & CAP_READ))
		return "read";
	return row->rdma_write && !(caps & CAP_WRITE) ? "write" : NULL;
}

void check_B8(const struct doctor *doctor, struct finding *f)
{
	struct answers answers = { 0 };
	char type[64], caps[256];
	const char *lacks;

	ask_devices(doctor, f, &answers);
	if (!answers.count) {
		finding_say(f, DOCTOR_UNKNOWN, "no device was asked: %s",
			    doctor->probe_why && *doctor->probe_why
				    ? doctor->probe_why
				    : "none opened, or libefa is not there");
		return;
	}
	lacks = withheld(doctor, answers.all, type, sizeof(type));
	if (lacks)
		finding_say(f, DOCTOR_WARN,
			    "no RDMA %s, although %s has it: the driver or rdma-core is too old",
			    lacks, type);
	else if (answers.all != answers.any)
		finding_say(f, DOCTOR_WARN, "the devices differ in what they can do; all have: %s",
			    caps_text(answers.all, caps, sizeof(caps)));
	else
		finding_say(f, DOCTOR_OK, "%d device%s: %s", answers.count, plural(answers.count),
			    caps_text(answers.all, caps, sizeof(caps)));
}

/* Nothing but zeros and colons. */
static bool is_null_gid(const char *gid)
{
	return strspn(gid, "0:") == strlen(gid);
}

/* One value of the helper for a device by its name. */
static bool ask_of(const struct doctor *doctor, const char *nic, const char *what, char *ret,
		   size_t room)
{
	char key[48], name[64];

	for (int i = 0; i < HOST_NICS_MAX; i++) {
		snprintf(key, sizeof(key), "dev.%d", i);
		if (!doctor_probe(doctor, key, name, sizeof(name)))
			return false;
		if (strcmp(name, nic))
			continue;
		snprintf(key, sizeof(key), "dev.%d.%s", i, what);
		return doctor_probe(doctor, key, ret, room);
	}
	return false;
}

struct ports {
	struct name_list down, nameless;
	int count;
	char gid[64], longest[32]; /* of the first; "" */
};

static void look_at_port(const struct doctor *doctor, struct finding *f, const struct host_nic *nic,
			 struct ports *ports)
{
	char text[32];

	if (!ports->count++) {
		memcpy(ports->gid, nic->gid, sizeof(ports->gid));
		if (ask_of(doctor, nic->name, "max_msg", text, sizeof(text)))
			snprintf(ports->longest, sizeof(ports->longest), "%s", text);
	}
	if (*nic->state && !strstr(nic->state, "ACTIVE"))
		name_list_add(&ports->down, nic->name);
	if (is_null_gid(nic->gid))
		name_list_add(&ports->nameless, nic->name);
	finding_evidence(f, "%s port 1: %s, GID %s", nic->name,
			 *nic->state ? nic->state : "state not told",
			 *nic->gid ? nic->gid : "none");
}

static void judge_ports(struct finding *f, struct ports *ports)
{
	if (!ports->count)
		finding_say(f, DOCTOR_UNKNOWN, "no RDMA device of EFA to look at");
	else if (ports->nameless.count)
		finding_say(f, DOCTOR_WARN, "no address (GID): %s",
			    name_list_text(&ports->nameless));
	else if (ports->down.count)
		finding_say(f, DOCTOR_WARN, "port not active: %s", name_list_text(&ports->down));
	else
		finding_say(f, DOCTOR_OK,
			    "%d port%s, GID %s%s%s%s%s; the driver calls each active, which proves "
			    "nothing (H2 does)",
			    ports->count, plural(ports->count), ports->gid,
			    ports->count > 1 ? " and others" : "",
			    *ports->longest ? ", messages up to " : "", ports->longest,
			    *ports->longest ? " bytes" : "");
}

void check_B9(const struct doctor *doctor, struct finding *f)
{
	struct ports ports = { 0 };
	struct host_nic *nics;
	int count = efa_nics(doctor, &nics);

	if (count < 0) {
		finding_unread(f, count, "/sys/class/infiniband");
		return;
	}
	for (int i = 0; i < count; i++)
		if (efa_is_nic(&nics[i]))
			look_at_port(doctor, f, &nics[i], &ports);
	judge_ports(f, &ports);
	mem_free(nics);
}
