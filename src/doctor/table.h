/* SPDX-License-Identifier: Apache-2.0 */
/* The table of checks, and the words in which it is shown. */
#ifndef WEFT_DOCTOR_TABLE_H
#define WEFT_DOCTOR_TABLE_H

#include "doctor/doctor.h"

#define DOCTOR_CHECKS_MAX 128
#define DOCTOR_ID_MAX     8 /* with its NUL */

struct doctor_group {
	char letter; /* first one of its checks' ids */
	const char *title;
};

extern const struct doctor_group doctor_groups[];
extern const size_t doctor_groups_count;

/* Of what a run is about: all checks, or those of a test. */
struct doctor_table {
	const struct doctor_check *checks;
	size_t count;
};

/* The index of a check; -1: there is none of that id. Case does not matter. */
int doctor_find(const struct doctor_table *table, const char *id, size_t len);
/*
 * The next of the blank- or comma-separated ids of a text, which is moved behind it; its length,
 * 0 at the end. *id points into the text.
 */
size_t doctor_next_id(const char **text, const char **id);
/* Why the table is wrong, for tests: ids twice, needs that do not exist or come later, a row
 * without its texts. 0, or -EINVAL with err_set(). */
int doctor_table_check(const struct doctor_table *table);

/* "ok", "skipped", "unknown", "warn", "fail" */
const char *doctor_verdict_word(enum doctor_verdict verdict);
/* "info", "warning", "fatal" */
const char *doctor_severity_word(enum doctor_severity severity);

#endif /* WEFT_DOCTOR_TABLE_H */
