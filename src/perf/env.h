/* SPDX-License-Identifier: Apache-2.0 */
/* The environment record: what a reader of the figures must know of the machine. */
#ifndef WEFT_PERF_ENV_H
#define WEFT_PERF_ENV_H

#include "perf/result.h"

/*
 * Collects the facts of this machine: instance type (DMI), kernel, driver and library versions, CPU
 * model, cores, NUMA, governor, C-states, THP, huge pages, SMT, memory limits, cgroup quota, NICs
 * with their PCI address and NUMA node, MTU, all FI_*, RDMAV_*, NCCL_*, WEFT_* variables (names
 * that libfabric does not know are marked), weft's version, where EC2 put it, and what weft doctor
 * says of it (asked once in a process, unless $WEFT_PERF_DOCTOR is 0). root: "", or a test's fake
 * root, under which /sys, /proc and /etc are. What cannot be read is recorded as "unknown (why)". 0
 * or -ENOMEM.
 */
int perf_env_collect(struct perf_env *ret, const char *root);
void perf_env_free(struct perf_env *env);
/* The value, or NULL. */
const char *perf_env_get(const struct perf_env *env, const char *name);

#endif /* WEFT_PERF_ENV_H */
