/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of weft doctor share. */
#ifndef WEFT_PROGRAMS_DOCTOR_CLI_H
#define WEFT_PROGRAMS_DOCTOR_CLI_H

#include "base/opt.h"
#include "doctor/open.h"
#include "doctor/report.h"

#define CLI_NAME "weft doctor"
/* When it could not look at all; the reason stands on standard error. */
#define CLI_FAILED 2

struct cli_values {
#define OPT_FIELDS
#include "doctor/doctor.def"
};

extern const struct opt_table cli_opts;

/* One look at the machine. */
struct cli_look {
	struct doctor doctor;
	struct doctor_report report;
	struct doctor_result results[DOCTOR_CHECKS_MAX];
};

/* Sets wanted[] by the ids and letters of a text. PROGRAM_GO, or an exit status. */
int cli_select(const struct doctor_table *table, const char *ids, bool *wanted);
/* Opens, runs, sums up. 0, or -errno with err_set(); then nothing is left open. */
int cli_look(struct cli_look *ret, const struct cli_values *values, const bool *wanted);
void cli_look_close(struct cli_look *look);
/* Until a signal; its exit status. */
int cli_watch(const struct cli_values *values, const bool *wanted);
/* Runs weft-doctor-peer with this command line; its exit status. */
int cli_launch_peer(char **argv);
/* Whether standard output is a terminal that shows colours. */
bool cli_colour(void);

#endif /* WEFT_PROGRAMS_DOCTOR_CLI_H */
