/* SPDX-License-Identifier: Apache-2.0 */
/* One side's endpoints of a pass: one for each pair, on the NIC whose turn it is. */
#ifndef WEFT_PERF_REACH_PORTS_H
#define WEFT_PERF_REACH_PORTS_H

#include "host/sysroot.h"
#include "perf/backend.h"
#include "perf/reach.h"

#define REACH_SIZE_MAX (1u << 20)
/* A NIC's counters may be that old when they are read. */
#define REACH_SETTLE_NS (100 * NSEC_PER_MSEC)

struct reach_port {
	struct perf_port *port; /* NULL: it could not be opened, and end.error says why */
	bool met;
	struct perf_reach_end end;
	uint64_t before[PERF_REACH_COUNTED];
};

struct reach_ports {
	struct perf_case c; /* but for its device */
	bool target;
	uint64_t speak_ns; /* clock_ns() from which on the target speaks without being spoken to */
	struct sysroot root;
	uint32_t pairs;
	struct reach_port port[PERF_REACH_NICS];
};

/* NICs of a provider as it calls them, those of devices (by comma; "": all). */
struct reach_nics {
	uint32_t n;
	char device[PERF_REACH_NICS][PERF_NAME_MAX]; /* opens it */
	char nic[PERF_REACH_NICS][PERF_NAME_MAX];    /* its name below /sys/class/infiniband, or
						      * device */
};

/* -WEFT_ENOPROVIDER, -WEFT_ENODEVICE, -WEFT_EENVIRONMENT. */
int reach_nics(const char *provider, const char *devices, struct reach_nics *ret);

/* Opens pairs ports, for messages of up to REACH_SIZE_MAX. A NIC that cannot be opened is an error
 * of its own port. target: of the side that was asked. */
int reach_ports_open(struct reach_ports **ret, const char *provider, const struct reach_nics *nics,
		     uint32_t pairs, bool target);
/* Further ones, so that there are pairs. */
void reach_ports_add(struct reach_ports *ports, const struct reach_nics *nics, uint32_t pairs);
/* A pass begins: one message of size to and from each twin. Reads the counters. */
void reach_ports_begin(struct reach_ports *ports, uint64_t size, uint64_t wait_ns);
void reach_ports_close(struct reach_ports *ports);
/* Address of a port's endpoint, PERF_ADDRESS_MAX bytes: its length, or a code. */
int reach_ports_address(struct reach_ports *ports, uint32_t pair, void *ret);
/* What its twin said; bytes from the network. What is wrong with them becomes the port's error. */
void reach_ports_meet(struct reach_ports *ports, uint32_t pair, const void *address, size_t len);
/* Sends what has to be sent and takes what came, without waiting. */
void reach_ports_progress(struct reach_ports *ports);
/* Is nothing more to come? */
bool reach_ports_complete(const struct reach_ports *ports);
/* Reads the counters again: how much they have grown is then in each port's end. */
void reach_ports_count(struct reach_ports *ports);

/* Where this side is. nics: of the provider. */
void reach_where(struct perf_reach_where *ret, uint32_t nics);

/* --- reach_text.c: parts of what travels ------------------------------------------------------ */

void reach_write_where(struct json *json, const char *key, const struct perf_reach_where *where);
void reach_write_end(struct json *json, const char *key, const struct perf_reach_end *end);
int reach_read_where(const cJSON *object, struct perf_reach_where *ret);
int reach_read_end(const cJSON *object, struct perf_reach_end *ret);

#endif /* WEFT_PERF_REACH_PORTS_H */
