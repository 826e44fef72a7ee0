/* SPDX-License-Identifier: Apache-2.0 */
/* What libfabric's provider efa makes of FI_EFA_* variables, by its release (efa_variables.def). */
#ifndef WEFT_DOCTOR_EFA_VARIABLES_H
#define WEFT_DOCTOR_EFA_VARIABLES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define EFA_PREFIX "FI_EFA_"
/* A release as a number that compares; 0: not known. */
#define EFA_RELEASE(major, minor, patch) ((major)*1000000U + (minor)*1000U + (patch))

enum efa_type {
	EFA_TYPE_BOOL, /* 0 1 no yes off on false true; anything else is passed over */
	EFA_TYPE_INT,  /* what is no number is 0, as is "true" */
	EFA_TYPE_SIZE, /* the same */
	EFA_TYPE_STRING,
	EFA_TYPE_GONE, /* no value is read any more */
};

/* When the provider calls abort(). */
enum efa_danger {
	EFA_SAFE,
	EFA_ABORTS_IF_SET,
	EFA_ABORTS_IF_BELOW_1,
	EFA_ABORTS_IF_EMPTY,
	EFA_ABORTS_IF_NO_RDMA, /* it says yes, and the device has no RDMA read */
	EFA_ABORTS_IF_ODD,     /* the same, or it says neither yes nor no */
};

/* One meaning of one name. */
struct efa_variable {
	const char *name; /* without EFA_PREFIX */
	enum efa_type type;
	uint32_t since, until; /* releases; until: the first without this meaning, 0: none yet */
	enum efa_danger danger;
	const char *what;
};

extern const struct efa_variable efa_variables[];
extern const size_t efa_variables_count;

/* "1.17.0", "2.1", "1.22.0amzn4.0"; 0 when it starts with no release. */
uint32_t efa_release_parse(const char *text);
/* "1.17", "1.19.1": without a patch of 0. */
const char *efa_release_text(uint32_t release, char *ret, size_t room);

/* The row of a name (without EFA_PREFIX) in this release. NULL: it does not know the name. Release
 * 0: the newest row. */
const struct efa_variable *efa_variable_find(const char *name, uint32_t release);
/* The first row of a name in any release; NULL: there never was one. */
const struct efa_variable *efa_variable_first(const char *name);
/* The known name nearest to a wrong one; NULL: none is near. */
const char *efa_variable_nearest(const char *name);

/* As libfabric reads it: 0, 1, or -1 for neither. */
int efa_bool(const char *value);
/* true: libfabric takes the text for what its writer meant. */
bool efa_value_fits(const struct efa_variable *row, const char *value);
/* Would the provider abort? rdma: the device has RDMA read: 0, 1, or -1 for not known (then no). */
bool efa_value_aborts(const struct efa_variable *row, const char *value, int rdma);

#endif /* WEFT_DOCTOR_EFA_VARIABLES_H */
