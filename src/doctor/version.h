/* SPDX-License-Identifier: Apache-2.0 */
/* Versions of drivers and libraries: "3.1.0g", "2.1.0amzn3.0", "58.amzn0". */
#ifndef WEFT_DOCTOR_VERSION_H
#define WEFT_DOCTOR_VERSION_H

#include <stdbool.h>
#include <stdint.h>

struct doctor_version {
	uint32_t major, minor, patch; /* parts that the text lacks are 0 */
};

/*
 * Reads up to three numbers with dots between them. What stands before the first digit (blanks, a
 * 'v') and behind the last number is passed over; a number above 999999 is none. false: no number.
 */
bool doctor_version_parse(struct doctor_version *ret, const char *text);
/* Below 0, 0, above 0: a is older, the same, newer. */
int doctor_version_compare(const struct doctor_version *a, const struct doctor_version *b);

/* A row of efa_driver.def: what a release of the driver efa brought. */
struct efa_driver_row {
	struct doctor_version version;
	uint32_t device;  /* the PCI id that it binds first, or 0 */
	bool matters;     /* every user of EFA is worse off without it */
	const char *what; /* "RDMA write" */
};

extern const struct efa_driver_row efa_driver_rows[]; /* oldest first */
extern const uint32_t efa_driver_rows_n;
/* The first release that binds a PCI device id; NULL: none is known. */
const struct efa_driver_row *efa_driver_binds(uint32_t device);

#endif /* WEFT_DOCTOR_VERSION_H */
