/* SPDX-License-Identifier: Apache-2.0 */
/* The checks of planted.def. */
#include <signal.h>
#include <string.h>

#include "doctor/doctor.h"

#define CHECK(id, ...) void check_##id(const struct doctor *doctor, struct finding *f);
#define GROUP(letter, title)
#include "planted.def"

void check_A1(const struct doctor *doctor, struct finding *f)
{
	char text[64];
	int rc = sysroot_read(&doctor->root, text, sizeof(text), "/etc/one");

	if (rc < 0) {
		finding_unread(f, rc, "/etc/one");
		return;
	}
	finding_evidence(f, "/etc/one: %s", text);
	if (!strcmp(text, "crash"))
		raise(SIGKILL);
	finding_say(f,
		    !strcmp(text, "ok")     ? DOCTOR_OK
		    : !strcmp(text, "warn") ? DOCTOR_WARN
					    : DOCTOR_FAIL,
		    "the file says %s", text);
}

void check_A2(const struct doctor *doctor, struct finding *f)
{
	const char *value = doctor_getenv(doctor, "PLANTED");

	if (value && !strcmp(value, "1"))
		finding_say(f, DOCTOR_OK, "PLANTED is 1");
	else
		finding_say(f, DOCTOR_WARN, "PLANTED is %s", value ? value : "not set");
}

void check_B1(const struct doctor *doctor, struct finding *f)
{
	char text[64];

	if (doctor_probe(doctor, "libfabric", text, sizeof(text)))
		finding_say(f, DOCTOR_OK, "libfabric %s", text);
	else
		finding_say(f, DOCTOR_UNKNOWN, "not known: %s", doctor->probe_why);
}
