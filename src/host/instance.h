/* SPDX-License-Identifier: Apache-2.0 */
/* What EC2's instance types with EFA can do, from public sources. */
#ifndef WEFT_HOST_INSTANCE_H
#define WEFT_HOST_INSTANCE_H

#include <stdbool.h>
#include <stdint.h>

/* A row of instance.def: what an instance type can do, with its source and the day it was read. */
struct host_instance {
	const char *type; /* "p5.48xlarge" */
	double gbits;     /* line rate of all NICs together, Gbit/s (10^9) */
	uint32_t nics;    /* EFA interfaces */
	bool rdma_known;  /* false: no source says, the next two mean nothing */
	bool rdma_read, rdma_write;
	const char *note; /* what is typical, or what guides get wrong; may be "" */
	const char *source, *date;
};

extern const struct host_instance host_instances[];
extern const uint32_t host_instances_n;
/* NULL: not known. */
const struct host_instance *host_instance_find(const char *instance_type);

#endif /* WEFT_HOST_INSTANCE_H */
