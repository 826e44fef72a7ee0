/* SPDX-License-Identifier: Apache-2.0 */
/* What the counters of the EFA NICs tell of the network, since their driver was loaded. */
#ifndef WEFT_DOCTOR_TRAFFIC_H
#define WEFT_DOCTOR_TRAFFIC_H

#include "doctor/efa.h"

struct traffic {
	uint32_t nics;           /* EFA NICs */
	uint32_t told;           /* of them, those whose counters can be read */
	uint32_t sent, received; /* those that have sent, and received, a packet */
	uint32_t network;        /* those that count remotes that do not answer */
	uint64_t tx_pkts, rx_pkts;
	uint64_t unresponsive;              /* times that a remote did not answer */
	uint64_t reads, writes;             /* RDMA requests of this machine */
	uint64_t read_errors, write_errors; /* and those that failed */
	char worst[64]; /* the NIC with the most of them, or of remotes that did not answer */
	uint64_t worst_events;
	struct name_list idle; /* those that have sent and received nothing */
};

/* Nothing that it meets makes it fail: what cannot be read is not told. */
void traffic_read(const struct doctor *doctor, struct traffic *ret);

#endif /* WEFT_DOCTOR_TRAFFIC_H */
