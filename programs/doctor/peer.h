/* SPDX-License-Identifier: Apache-2.0 */
/*
 * weft-doctor-peer: do machines reach each other over their NICs? weft doctor starts it for --peer
 * and --cluster, since it needs libfabric and weft doctor is to run without. On the other machines
 * runs weft perf server. Its options are weft doctor's.
 */
#ifndef WEFT_PROGRAMS_DOCTOR_PEER_H
#define WEFT_PROGRAMS_DOCTOR_PEER_H

#include <stdio.h>

#include <weft/weft.h>

#include "base/err.h"
#include "doctor/cli.h"
#include "perf/hosts.h"
#include "perf/reach.h"

#define PEER_SCHEMA         "weft-doctor-peer"
#define CLUSTER_SCHEMA      "weft-doctor-cluster"
#define PEER_SCHEMA_VERSION 1
#define PEER_FINDINGS_MAX   8
#define PEER_SERVER         "weft perf server --listen-addr '[::]:7081'"
/* For a machine to answer over TCP: the first time it asks its weft doctor, 5 s. */
#define PEER_ANSWER_NS (10 * NSEC_PER_SEC)

/* What came of asking one machine about another. */
struct peer_try {
	char from[PERF_HOST_MAX], to[PERF_HOST_MAX]; /* as they were named; from "": this machine */
	bool at_from; /* error: it was the asking machine that could not be asked */
	int error;    /* a code, and why; 0: *found says what was seen */
	char why[ERR_DETAIL_MAX];
	const char *provider;
	uint64_t wait_ns;
	const struct perf_reach *found;
};

struct peer_findings {
	uint32_t n;
	struct finding finding[PEER_FINDINGS_MAX];
};

/* The root causes, worst first; one of verdict "ok" when there is nothing to say against it. */
void peer_judge(const struct peer_try *try, struct peer_findings *ret);
/* 0 ok, 1 warnings or unknown, 2 fatal. */
int peer_exit_status(const struct peer_findings *findings);
/* "ok", "warnings", "fatal" */
const char *peer_status_word(int status);
/* "ip-10-0-0-1", or what it was named by. */
const char *peer_here(const struct peer_try *try);
const char *peer_there(const struct peer_try *try);

/* Consequence and fix of a finding: nothing passes in either direction, or in one. */
void peer_explain_both(const struct perf_reach *reach, struct finding *f);
void peer_explain_one_way(const struct peer_try *try, bool there, struct finding *f);
/* Are both known, and not the same? */
bool peer_differ(const char *a, const char *b);

void peer_put_text(const struct peer_try *try, const struct peer_findings *findings, FILE *out,
		   bool colour);
void peer_put_json(const struct peer_try *try, const struct peer_findings *findings, FILE *out);
/* A finding as both reports have it. */
void peer_write_finding(struct json *json, const struct finding *f);

/* All pairs of hosts; returns the exit status. */
int peer_cluster(const struct cli_values *values, const struct perf_reach_opts *opts);
/* Set by SIGINT and SIGTERM. */
extern volatile int peer_stopped;

#endif /* WEFT_PROGRAMS_DOCTOR_PEER_H */
