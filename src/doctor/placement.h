/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where EC2 put this instance, as cloud-init wrote it down at boot for everybody to read: no
 * request to the metadata service, which may be off or out of a container's reach.
 */
#ifndef WEFT_DOCTOR_PLACEMENT_H
#define WEFT_DOCTOR_PLACEMENT_H

#include "doctor/doctor.h"

#define PLACEMENT_FILE       "/run/cloud-init/instance-data.json"
#define PLACEMENT_FILE_MAX   (1 << 20)
#define PLACEMENT_GROUPS_MAX 16

/* The command that asks the instance metadata service, which has the same and is up to date. */
#define PLACEMENT_ASK(path)                                                                    \
	"T=$(curl -sX PUT -H 'X-aws-ec2-metadata-token-ttl-seconds: 60' "                      \
	"http://169.254.169.254/latest/api/token); curl -sH \"X-aws-ec2-metadata-token: $T\" " \
	"http://169.254.169.254/latest/meta-data/" path

struct placement {
	char zone[64];    /* "us-east-1a", which differs between accounts */
	char zone_id[64]; /* "use1-az4", which does not */
	char group[256];  /* placement group; "" when in none */
	uint32_t interfaces;
	char vpc[64], subnet[64]; /* of the first interface */
	uint32_t vpcs, subnets;   /* how many different ones: 1, or 2 for more */
	/* Security groups of all interfaces, each once; those that each interface is in. */
	char groups[PLACEMENT_GROUPS_MAX][64];
	bool everywhere[PLACEMENT_GROUPS_MAX];
	uint32_t groups_n;
};

/* Emulated devices are nowhere in EC2's network: true, with the verdict "skipped". */
bool placement_emulated(const struct doctor *doctor, struct finding *f);
/* 0, or -errno with a sentence's evidence and verdict in f: -ENOENT when there is no such file or
 * it says nothing of EC2. */
int placement_read(const struct doctor *doctor, struct placement *ret, struct finding *f);

#endif /* WEFT_DOCTOR_PLACEMENT_H */
