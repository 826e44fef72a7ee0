/* SPDX-License-Identifier: Apache-2.0 */
/* weft doctor --cluster: which of many machines reach each other. */
#ifndef WEFT_PROGRAMS_DOCTOR_CLUSTER_H
#define WEFT_PROGRAMS_DOCTOR_CLUSTER_H

#include "doctor/peer.h"

struct cluster_pair {
	uint32_t a, b; /* a was asked to try */
	bool done;
	uint32_t nics;         /* pairs of NICs; 0: it could not be tried */
	uint32_t lost[2];      /* of them, not ok from a to b, and from b to a */
	struct finding *worst; /* NULL: nothing is wrong */
};

/* What all of a host's pairs say of it. */
struct cluster_host {
	uint32_t tried;   /* others */
	uint32_t out, in; /* of them, those that nothing of it reaches; that reach it by nothing */
	uint32_t untried; /* pairs that could not be tried */
	bool deaf, mute;  /* nothing reaches it; nothing of it reaches anybody */
	bool absent;      /* it could not be asked in any pair */
};

struct cluster {
	const struct perf_reach_opts *opts;
	struct perf_hosts hosts;
	struct cluster_host host[PERF_HOSTS_MAX];
	struct cluster_pair *pair;
	uint32_t pairs;
	struct peer_findings findings; /* of the pair that is being looked at */
};

/* Fills in host[]. */
void cluster_judge(struct cluster *cluster);
void cluster_put_text(const struct cluster *cluster, FILE *out);
void cluster_put_json(const struct cluster *cluster, FILE *out);
int cluster_exit_status(const struct cluster *cluster);

#endif /* WEFT_PROGRAMS_DOCTOR_CLUSTER_H */
