/* SPDX-License-Identifier: Apache-2.0 */
#include "doctor/placement.h"

#include <errno.h>

bool placement_emulated(const struct doctor *doctor, struct finding *f)
{
	if (!*doctor->root.sysfs)
		return false;
	finding_say(f, DOCTOR_SKIPPED, "emulated devices are nowhere in EC2's network");
	return true;
}

int doctor_placement(const struct doctor *doctor, struct placement *ret, struct finding *f)
{
	int rc = placement_read(&doctor->root, ret);

	if (rc == -ENODATA) {
		finding_evidence(f, "%s: no network interfaces in it", PLACEMENT_FILE);
		finding_say(f, DOCTOR_UNKNOWN,
			    "cannot be told: cloud-init has written nothing of EC2's network "
			    "interfaces to %s",
			    PLACEMENT_FILE);
	} else if (rc) {
		finding_unread(f, rc, PLACEMENT_FILE);
	}
	return rc;
}
