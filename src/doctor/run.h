/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs checks, each in a process of its own: a crash, and a file that never answers, cost one
 * check its verdict and nobody else anything. Those that need nothing from each other run at the
 * same time, so that many files that never answer cost one deadline and not many.
 */
#ifndef WEFT_DOCTOR_RUN_H
#define WEFT_DOCTOR_RUN_H

#include "doctor/table.h"

#define DOCTOR_RUNNING_MAX 8 /* at a time */
#define DOCTOR_CAUSES_MAX  2

struct doctor_result {
	bool wanted; /* false: it was not asked for, and nothing else is set */
	uint64_t ns; /* until its answer */
	/* Checked: strings are terminated and of one line each (fix and evidence of some), the
	 * verdict is one that the row's severity allows, consequence and fix are set unless ok. */
	struct finding finding;
};

/*
 * wanted: one for each check, NULL: all. Needs that are not wanted are not looked at. Writes
 * table->count results. check_ns: DOCTOR_CHECK_NS. Nothing that a check does makes it fail or
 * last longer than the deadlines of checks in a chain of needs, and a little.
 */
void doctor_run(const struct doctor *doctor, const struct doctor_table *table, const bool *wanted,
		uint64_t check_ns, struct doctor_result *ret);

/* Text of one line, or of several, of at most room - 1 bytes: nothing else that a terminal would
 * obey. */
void doctor_clean(char *text, size_t room, bool lines);

/* What all of it means. */
struct doctor_summary {
	enum doctor_verdict worst;        /* OK, WARN, FAIL; UNKNOWN: nothing is known to be wrong,
					   * but what would be fatal cannot be told */
	uint32_t counts[DOCTOR_VERDICTS]; /* of checks that were wanted */
	uint32_t causes[DOCTOR_CAUSES_MAX]; /* indexes; what nothing else that is wrong explains */
	uint32_t causes_n;
	uint32_t unexplained; /* causes, and those that there was no room for */
};

void doctor_sum(const struct doctor_table *table, const struct doctor_result *results,
		struct doctor_summary *ret);
/* Exit status of a program: 0 ok, 1 WARN or UNKNOWN, 2 FAIL. */
int doctor_exit_status(const struct doctor_summary *summary);

#endif /* WEFT_DOCTOR_RUN_H */
