/* SPDX-License-Identifier: Apache-2.0 */
/* Whether this process runs in a container, and whose. */
#ifndef WEFT_DOCTOR_CONTAINER_H
#define WEFT_DOCTOR_CONTAINER_H

#include "doctor/doctor.h"

enum container {
	CONTAINER_NONE,
	CONTAINER_PLAIN, /* Docker, Podman, enroot or the like */
	CONTAINER_POD,   /* of Kubernetes */
};

/* With the file or variable that told as evidence; f may be NULL. */
enum container container_kind(const struct doctor *doctor, struct finding *f);

#endif /* WEFT_DOCTOR_CONTAINER_H */
