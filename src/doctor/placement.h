/* SPDX-License-Identifier: Apache-2.0 */
/* Where EC2 put this instance, as checks ask for it. */
#ifndef WEFT_DOCTOR_PLACEMENT_H
#define WEFT_DOCTOR_PLACEMENT_H

#include "doctor/doctor.h"
#include "host/placement.h"

/* The command that asks the instance metadata service, which has the same and is up to date. */
#define PLACEMENT_ASK(path)                                                                    \
	"T=$(curl -sX PUT -H 'X-aws-ec2-metadata-token-ttl-seconds: 60' "                      \
	"http://169.254.169.254/latest/api/token); curl -sH \"X-aws-ec2-metadata-token: $T\" " \
	"http://169.254.169.254/latest/meta-data/" path

/* Emulated devices are nowhere in EC2's network: true, with the verdict "skipped". */
bool placement_emulated(const struct doctor *doctor, struct finding *f);
/* 0, or -errno with a sentence's evidence and verdict in f. */
int doctor_placement(const struct doctor *doctor, struct placement *ret, struct finding *f);

#endif /* WEFT_DOCTOR_PLACEMENT_H */
