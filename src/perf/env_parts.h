/* SPDX-License-Identifier: Apache-2.0 */
/* Inside the environment record: how its parts read files and add facts. */
#ifndef WEFT_PERF_ENV_PARTS_H
#define WEFT_PERF_ENV_PARTS_H

#include <stdbool.h>
#include <stddef.h>

#include "perf/env.h"

#define ENV_PATH_MAX 1024
#define ENV_DEVICES  64 /* of a kind, at most */
#define ENV_CPUS     4096

struct env_at {
	struct perf_env *env;
	const char *root;
	bool full; /* no memory: what is added is dropped */
};

/* A fact, printf style; unprintable bytes become blanks, the end of what does not fit "...". */
void env_add(struct env_at *at, const char *name, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
/* "unknown (why)" */
void env_unknown(struct env_at *at, const char *name, int error);

/* Reads a file below root, at most room - 1 bytes, with a NUL; blanks at its end are cut. 0 or
 * -errno. */
int env_read(const struct env_at *at, char *ret, size_t room, const char *format, ...)
	__attribute__((format(printf, 4, 5)));
/* The last part of where a link points to; "" when there is none. */
void env_link(const struct env_at *at, char *ret, size_t room, const char *format, ...)
	__attribute__((format(printf, 4, 5)));
/* Calls fn for each entry of a directory below root, sorted, at most most. How many, or -errno. */
int env_each(struct env_at *at, const char *dir, int most,
	     void (*fn)(struct env_at *at, const char *dir, const char *name));

/* The parts, in the order in which they are shown. */
void env_machine(struct env_at *at);   /* env_machine.c: instance type, kernel, memory, cgroup */
void env_cpus(struct env_at *at);      /* env_cpus.c */
void env_devices(struct env_at *at);   /* env_devices.c: drivers, NICs, networks */
void env_doctor(struct env_at *at);    /* env_doctor.c: its verdict, placement in EC2 */
void env_libraries(struct env_at *at); /* env_vars.c */
void env_variables(struct env_at *at); /* env_vars.c */

/* fabric_params.c: "1.17"; does this libfabric have a variable of this name? */
void perf_fabric_version(char *ret, size_t room);
struct fi_param;
struct perf_fabric_params {
	struct fi_param *param;
	int count;
};
void perf_fabric_params_open(struct perf_fabric_params *params);
bool perf_fabric_knows(const struct perf_fabric_params *params, const char *name);
void perf_fabric_params_close(struct perf_fabric_params *params);

#endif /* WEFT_PERF_ENV_PARTS_H */
