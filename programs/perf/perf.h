/* SPDX-License-Identifier: Apache-2.0 */
/* weft perf: what its commands share. */
#ifndef WEFT_PROGRAMS_PERF_PERF_H
#define WEFT_PROGRAMS_PERF_PERF_H

#include <stdbool.h>
#include <stdint.h>

#include "base/opt.h"
#include "perf/hosts.h"
#include "perf/repeat.h"
#include "perf/result.h"
#include "perf/session.h"

#define NAME       "weft perf"
#define PERF_SIZES 256 /* most cases of a command */

struct perf_values {
#define OPT_FIELDS
#include "perf/perf.def"
};

struct command_line {
	struct perf_values values;
	struct opt_result result;
	const struct opt_table *table;
	char text[2048]; /* as it was typed, cut */
};

/* Each runs a command and returns the exit status; what failed has been said. */
int command_server(const struct command_line *line);
int command_run(const struct command_line *line);
int command_compare(const struct command_line *line);
int command_diff(const struct command_line *line);
int command_matrix(const struct command_line *line);
int command_suite(const struct command_line *line);

/* --- stop.c ---------------------------------------------------------------------------------- */

extern volatile int stop_number; /* of the first SIGINT or SIGTERM; 0: none */
extern const bool *const stop_seen;
/* The first signal ends what is measured early, and what there is is written; a second one ends
 * the process. */
void stop_on_signals(void);

/* --- cases.c --------------------------------------------------------------------------------- */

/* The case that the options describe, but for back end and size. 0 or the exit status. */
int case_from(const struct command_line *line, struct perf_case *ret);
/* "BACKEND" or "BACKEND:PROVIDER" into the case. 0 or the exit status. */
int case_backend(struct perf_case *c, const char *text);
/* Sizes of --size (NULL: the test's default), for edges those of the case's back end. 0 or the exit
 * status. */
int case_sizes(const struct perf_case *c, const char *text, uint64_t sizes[PERF_SIZES],
	       uint32_t *ret);
bool case_is_alone(const struct perf_case *c);
/* Does the back end move data over a provider of libfabric? */
bool case_has_provider(const struct perf_case *c);

/* --- measure.c ------------------------------------------------------------------------------- */

/* A command that measures: its report, its session, how it repeats. */
struct measuring {
	const struct command_line *line;
	struct perf_report report;
	struct perf_session *session;
	struct perf_repeat how;
	char started[40];
	uint32_t room; /* of report.result */
	bool lost;     /* the session */
};

/* Opens the session with host (NULL: none) and records the environments. 0 or the exit status. */
int measuring_begin(struct measuring *m, const struct command_line *line, const char *host);
/* Measures the cases in turn and adds their results. 0 or -ENOMEM; failures are in the results. */
int measuring_add(struct measuring *m, const struct perf_case *cases, uint32_t n);
/* Nothing more is to be measured: stopped, or the session is lost. */
bool measuring_is_over(const struct measuring *m);
/* Writes the files that were asked for, prints, says what failed. Returns the exit status. */
int measuring_end(struct measuring *m);
/* Only the last part: status, messages, everything freed. */
int measuring_status(struct measuring *m, int status);
void measuring_free(struct measuring *m);

#endif /* WEFT_PROGRAMS_PERF_PERF_H */
