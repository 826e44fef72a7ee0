/* SPDX-License-Identifier: Apache-2.0 */
/* The environment record: what a reader of the figures must know of the machine. */
#ifndef WEFT_PERF_ENV_H
#define WEFT_PERF_ENV_H

#include "perf/result.h"

/*
 * Collects the facts of this machine: instance type (DMI), kernel, driver and library versions, CPU
 * model, cores, NUMA, governor, C-states, THP, huge pages, SMT, memory limits, cgroup quota, NICs
 * with their PCI address and NUMA node, MTU, all FI_*, RDMAV_*, NCCL_*, WEFT_* variables (names
 * that libfabric does not know are marked), weft's version. root: "", or a test's fake root, under
 * which /sys, /proc and /etc are. What cannot be read is recorded as "unknown (why)". 0 or
 * -ENOMEM.
 */
int perf_env_collect(struct perf_env *ret, const char *root);
void perf_env_free(struct perf_env *env);
/* The value, or NULL. */
const char *perf_env_get(const struct perf_env *env, const char *name);

/* A row of expect.def: what an instance type can do, with its source and the day it was read. */
struct perf_expect {
	const char *instance_type;
	double gbits;    /* line rate of all NICs together, Gbit/s (10^9) */
	uint32_t nics;   /* EFA interfaces */
	bool rdma_known; /* false: no source says, the next two mean nothing */
	bool rdma_read, rdma_write;
	const char *note; /* what is typical, or what guides get wrong; may be "" */
	const char *source, *date;
};

extern const struct perf_expect perf_expects[];
extern const uint32_t perf_expects_n;
/* NULL: not known. */
const struct perf_expect *perf_expect_find(const char *instance_type);

#endif /* WEFT_PERF_ENV_H */
